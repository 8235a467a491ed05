"""How far a long command is, on the terminal of the person who waits for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

__all__ = ["Progress"]

_FIRST, _NEXT = 0.5, 0.1
"""Seconds until the first line, so that a short command shows none, and between two of them."""


class Progress:
    """A line that is drawn again and again: "messages: 120,000 of 1,000,000". Use it in a with statement.

    Only if standard error is a terminal; `shown` says so. With `quiet` not even then: the output of the command goes
    to the same terminal.
    """

    def __init__(self, what: str, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._next = clock() + _FIRST
        self._total = 0
        self._drawn = False
        self.done = 0
        """How many are done."""
        self.shown = not quiet and sys.stderr is not None and sys.stderr.isatty()

    def expect(self, total: int) -> None:
        """There are so many in all."""
        self._total = total

    def add(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        if self.shown and self._clock() >= self._next:
            self._next = self._clock() + _NEXT
            self._drawn = True
            # ESC [K: the rest of the line is emptied
            print(f"\r{self._what}: {self.done:,} of {self._total:,}\x1b[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
