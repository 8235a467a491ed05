"""The backup that `admin new-class` makes first, in the console's own process: it may write where the server can't."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import time
from pathlib import Path

from classcord.ops.config import UsageError
from classcord.ops.failure import EXIT_DATABASE, EXIT_FAILED, Failure, one_line

__all__ = ["new_class"]


def new_class(folder: str, words: list[str]) -> list[str]:
    """Make the backup; the command for the server. Messages that come later than the backup stay.

    Without a name the file is in the data folder. Raises Failure, and UsageError.
    """
    keep = "--keep-accounts" in words
    words = [word for word in words if word != "--keep-accounts"]
    if words and (len(words) != 2 or words[0] != "--archive"):
        raise UsageError("new-class takes --archive FILE and --keep-accounts; see server.py admin --help")
    file = words[1] if words else os.path.join(folder, time.strftime("class-%Y%m%dT%H%M%SZ.db", time.gmtime()))
    if file == "-":
        raise UsageError("--archive needs the name of a file")
    from classcord.data.backup import backup  # these take long to load, and few commands need them
    from classcord.data.output import FileError
    from classcord.data.store import StoreError

    try:
        print(one_line(backup(Path(folder), file)), file=sys.stderr)
        with contextlib.closing(sqlite3.connect(file)) as made:
            first, last = made.execute("SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM messages").fetchone()
    except FileError as error:
        raise Failure(EXIT_FAILED, str(error)) from None
    except (StoreError, sqlite3.Error) as error:
        raise Failure(EXIT_DATABASE, str(error)) from None
    return ["new-class", str(first), str(last), *(["--keep-accounts"] if keep else [])]
