"""The ids of messages: no id is given twice, even if the server is killed while storing fails.

The database can't promise that: people may have seen ids of messages that were never stored. So the lock file of the
data folder also holds the greatest id that may have been given. Writing in place works while another program locks the
database, and while the disk is full.
"""

from __future__ import annotations

import os
import re

__all__ = ["Ids"]

_BLOCK = 64
"""Ids that one write to the file reserves. After a kill at most so many ids are left out."""
_DIGITS = 20
_MAX = 2**53
"""The greatest whole number that a JSON client in JavaScript reads exactly. A greater one in the file is garbage."""


class Ids:
    """Gives ids that grow by one. `last` is the greatest id in the database. For one thread at a time.

    `file` is a descriptor of the file with the mark, open for reading and writing; without it the ids begin after
    `last`. A file without a mark counts as 0.
    """

    def __init__(self, last: int = 0, file: int | None = None) -> None:
        self._file = file
        if file is not None:
            text = os.pread(file, _DIGITS + 1, 0)
            if re.fullmatch(rb"[0-9]{%d}\n" % _DIGITS, text) and int(text) <= _MAX:
                last = max(last, int(text))
        self._last = last
        self._marked = 0
        self._mark(last)  # now, so that the bytes are there when the disk is full

    def take(self) -> tuple[int, bool]:
        """The next id, and whether it is certain that it never comes again. If not, don't show it to anybody."""
        self._last += 1
        return self._last, self._last <= self._marked or self._mark(self._last + _BLOCK - 1)

    def close(self) -> None:
        """Leave no gap. Does not close the file."""
        self._mark(self._last)

    def _mark(self, id: int) -> bool:
        """Note that ids up to this one may have been given. False when it can't be written."""
        if self._file is not None:
            line = b"%0*d\n" % (_DIGITS, id)
            try:
                if os.pwrite(self._file, line, 0) != len(line):
                    return False
            except OSError:
                return False
        self._marked = id
        return True
