"""The forms of the console's answers, and of the words that people type after a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from classcord.wire import names

__all__ = ["Reply", "Usage", "done", "first_name", "name_of", "no_more", "number_of", "refused", "table"]

Reply = dict[str, Any]
"""An answer, as it is sent: `ok`, `text` for people, `code` of an error, and more for programs."""


class Usage(Exception):
    """The words after the command make no sense; the text says which."""


def done(text: str, **data: object) -> Reply:
    """It is done."""
    return {"ok": True, "text": text, **data}


def refused(code: str, text: str) -> Reply:
    """It is not."""
    return {"ok": False, "code": code, "text": text}


def name_of(words: list[str]) -> str:
    """The name that all these words make. Raises Usage."""
    name = " ".join(words).strip()
    if not name:
        raise Usage("say who")
    return name


def first_name(words: list[str]) -> tuple[str, str]:
    """The name that these words begin with, and the text that the others make. Raises Usage."""
    begin, rest = words[0].strip() if words else "", " ".join(words[1:])
    if any(map(str.isspace, begin)):  # it was in quotes
        return begin, rest
    name, rest = names.first(f"{begin} {rest}")
    if not name:
        raise Usage("say who")
    return name, rest


def no_more(words: list[str]) -> None:
    """Raises Usage if there are words."""
    if words:
        raise Usage("nothing follows it")


def number_of(word: str, most: int) -> int:
    """The whole number from 0 to `most` in a word. Raises Usage."""
    if not (word.isascii() and word.isdigit() and len(word) < 17 and int(word) <= most):
        raise Usage(f"{word[:40]!r} is not a whole number from 0 to {most}")
    return int(word)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Columns for a terminal."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    return "\n".join(line.rstrip() for line in lines)
