"""Which stored messages are too many: too old, or past a number of messages or bytes. It only reads."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from classcord.data.folder import FILE

__all__ = ["PIECE", "Excess"]

PIECE = 200
"""Messages that are deleted at once: this takes about a millisecond."""
_DAY = 24 * 3600 * 1000
"""In milliseconds."""
_BUSY = 5.0
"""Seconds to wait for another program that holds the database for itself."""


class Excess:
    """The bounds for the database in `folder`; 0 stands for none. For one thread.

    `days` is the age, `messages` the number, `size` the bytes of the database in use. `deletions` gives another number
    after somebody else has deleted messages.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, days: int = 0, messages: int = 0, size: int = 0,
        deletions: Callable[[], int] = lambda: 0,
    ) -> None:
        self._source = f"{(Path(folder).absolute() / FILE).as_uri()}?mode=ro"
        self._days = days
        self._messages = messages
        self._size = size
        self._deletions = deletions
        self._counted = -1, 0, 0  # at which number of deletions; how many messages, up to which id

    def find(self, now: int) -> tuple[int, int, int] | None:
        """The next piece to delete: the first and the last id, and how many messages that are. `now` is in milliseconds
        since 1970. Messages that wait for an account are not among them.

        Raises sqlite3.Error.
        """
        with contextlib.closing(sqlite3.connect(self._source, uri=True, timeout=_BUSY, isolation_level=None)) as db:
            db.execute("BEGIN")  # one state of the database
            oldest = db.execute(
                "SELECT id, time FROM message_rows WHERE id NOT IN (SELECT message FROM waiting) ORDER BY id LIMIT ?",
                (PIECE,),
            ).fetchall()
            count = 0
            if self._days:  # an operator may have written a text; such a message is as old as its neighbours
                end = now - self._days * _DAY
                count = max((n for n, (_, time) in enumerate(oldest, 1) if isinstance(time, int) and time < end),
                            default=0)
            if self._messages:
                count = max(count, self._count(db) - self._messages)
            if self._size and self._used(db) > self._size:
                count = PIECE
        count = min(count, len(oldest))
        return (oldest[0][0], oldest[count - 1][0], count) if count else None

    def deleted(self, count: int) -> None:
        """So many were deleted as `find` has said."""
        at, number, last = self._counted
        self._counted = at, number - count, last

    def _count(self, db: sqlite3.Connection) -> int:
        """All messages. Only the new ones are counted, because it would take long in a large database."""
        at, number, last = self._counted
        deletions = self._deletions()
        if at != deletions:
            number = last = 0
        more, newest = db.execute("SELECT count(*), max(id) FROM message_rows WHERE id > ?", (last,)).fetchone()
        self._counted = deletions, number + more, newest or last
        return number + int(more)

    @staticmethod
    def _used(db: sqlite3.Connection) -> int:
        pages, free, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)
