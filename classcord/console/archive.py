"""The backup before a new class.

The console makes it in its own process, which may write where the server can't; for a teacher the server makes it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import NamedTuple

from classcord.ops.config import UsageError
from classcord.ops.failure import EXIT_DATABASE, EXIT_FAILED, Failure, one_line

__all__ = ["Archive", "archive", "new_class"]


class Archive(NamedTuple):
    """A backup that is made: the file, a line that says so, and from which id to which it has the messages."""

    file: str
    text: str
    first: int
    last: int


def archive(folder: str, file: str | None = None) -> Archive:
    """Back up the database in `folder`. Without a name the file is in that folder. Raises Failure."""
    if file is None:
        file = os.path.join(folder, time.strftime("class-%Y%m%dT%H%M%SZ.db", time.gmtime()))
    from classcord.data.backup import backup  # these take long to load, and few commands need them
    from classcord.data.output import FileError
    from classcord.data.store import StoreError

    try:
        text = backup(Path(folder), file)
        with contextlib.closing(sqlite3.connect(file)) as made:
            first, last = made.execute("SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM messages").fetchone()
    except FileError as error:
        raise Failure(EXIT_FAILED, str(error)) from None
    except (StoreError, sqlite3.Error) as error:
        raise Failure(EXIT_DATABASE, str(error)) from None
    return Archive(file, text, first, last)


def new_class(folder: str, words: list[str]) -> list[str]:
    """Make the backup; the command for the server. Messages that come later than the backup stay.

    Raises Failure, and UsageError.
    """
    keep = "--keep-accounts" in words
    words = [word for word in words if word != "--keep-accounts"]
    if words and (len(words) != 2 or words[0] != "--archive"):
        raise UsageError("new-class takes --archive FILE and --keep-accounts; see server.py admin --help")
    if words[1:] == ["-"]:
        raise UsageError("--archive needs the name of a file")
    made = archive(folder, words[1] if words else None)
    print(one_line(made.text), file=sys.stderr)
    return ["new-class", str(made.first), str(made.last), *(["--keep-accounts"] if keep else [])]
