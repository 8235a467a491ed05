"""The typed commands as a line of JSON, for clients that complete them or show what they do."""

from __future__ import annotations

from collections.abc import Iterable

from classcord.wire.protocol import encode
from handlers.request import Request

__all__ = ["commands"]


def commands(rows: tuple[Request, ...], language: str, *, for_teachers: bool) -> bytes:
    """The answer to the request `commands`: those of `rows` that are in a list, the last row first."""
    may = [row for row in reversed(rows) if for_teachers or row.who != "teacher"]
    return encode({"type": "commands", "language": language, "commands": list(_entries(may, language))})


def _entries(rows: Iterable[Request], language: str) -> Iterable[dict[str, object]]:
    for row in rows:
        typed = row.typed
        if typed is not None and typed.listed != "never":
            own, others = typed.words[language], [word for words in typed.words.values() for word in words]
            yield {
                "word": f"/{own[0]}", "words": [f"/{word}" for word in dict.fromkeys((*own, *others))],
                "explained": typed.explained[language], "teacher": row.who == "teacher",
            }
