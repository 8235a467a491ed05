"""A hop of the way to the server: what it depends on, how it is looked at, what was found, and what to type then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["MARKS", "Finding", "Hop", "Remedy", "Text", "broken", "note", "ok", "text", "unknown", "walk", "warn"]

MARKS = {"ok": "✔", "broken": "✘", "warn": "!", "unknown": "?", "note": "·"}
"""How a finding's mark is printed. ok: works; broken: a command below repairs it; warn: works, but read this; unknown:
can't be seen from here; note: for information."""

F = TypeVar("F")


@dataclass(frozen=True)
class Text:
    """A text of the table, and what stands in its placeholders: a number, a word, or another text."""

    key: str
    values: Mapping[str, object]


Remedy = Text | str
"""What to type: a command, or a text with a command in it."""


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis, and what to type."""

    mark: str
    text: Text
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True)
class Hop(Generic[F]):
    """A place on the way. `look` returns what it finds in the facts; nothing if the hop is not on this way.

    A hop is left out if one of those that it `needs` is broken, or was left out; `instead` is then the key of a text
    that says so, if it has one.
    """

    name: str
    look: Callable[[F], Iterable[Finding]]
    needs: tuple[str, ...] = ()
    instead: str = ""


def walk(hops: Sequence[Hop[F]], facts: F) -> Iterator[tuple[str, Finding]]:
    """Look at the hops in their order. Yields the name of the hop with each finding."""
    stopped: set[str] = set()
    for hop in hops:
        if stopped.intersection(hop.needs):
            stopped.add(hop.name)
            if hop.instead:
                yield hop.name, note(hop.instead)
            continue
        for finding in hop.look(facts):
            if finding.mark == "broken":
                stopped.add(hop.name)
            yield hop.name, finding


def text(key: str, /, **values: object) -> Text:
    """A text of the table."""
    return Text(key, values)


def ok(key: str, /, **values: object) -> Finding:
    """It works."""
    return Finding("ok", Text(key, values))


def note(key: str, /, *remedies: Remedy, **values: object) -> Finding:
    """For information."""
    return Finding("note", Text(key, values), remedies)


def broken(key: str, /, *remedies: Remedy, **values: object) -> Finding:
    """It is broken. There is at least one remedy."""
    return Finding("broken", Text(key, values), remedies)


def warn(key: str, /, *remedies: Remedy, **values: object) -> Finding:
    """It works, or may work; a person must read this."""
    return Finding("warn", Text(key, values), remedies)


def unknown(key: str, /, *remedies: Remedy, **values: object) -> Finding:
    """It can't be seen from here."""
    return Finding("unknown", Text(key, values), remedies)
