"""The files of an SQLite database in use: whether they are still the opened ones, and which process has the lock.

SQLite doesn't notice when a file is deleted or renamed: it goes on writing to a file that has no name any longer.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Files", "cause", "connect", "has_tag", "holder", "look", "tag", "written_by_others"]

_WRITE_LOCK = 120
"""The byte of `-shm` that a writer locks (SQLite's "WAL-mode File Format", section 2.3)."""

_TAG_AT = 68
"""Where a database file has its application ID (SQLite's "Database File Format", section 1.3)."""

Identity = tuple[int, int] | None
"""Device and inode; None if there is no file."""


class Files(NamedTuple):
    """The files under the names of a database, its `-wal` and its `-shm`."""

    db: Identity
    wal: Identity
    shm: Identity
    version: tuple[int, int] | None
    """The time of the last write to the database file, and its size."""

    def shares_with(self, found: Files) -> bool:
        """Whether a program that opens `found` now has our database, or our index of the write-ahead log."""
        return found.db == self.db or found.shm == self.shm


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def look(path: Path) -> Files:
    """The files that are there now. Takes some microseconds. Raises OSError when the folder can't be read."""
    name = str(path)
    db, wal, shm = _stat(name), _stat(name + "-wal"), _stat(name + "-shm")
    return Files(
        db and (db.st_dev, db.st_ino), wal and (wal.st_dev, wal.st_ino), shm and (shm.st_dev, shm.st_ino),
        db and (db.st_mtime_ns, db.st_size),
    )


def connect(path: Path, timeout: float, **more: Any) -> sqlite3.Connection:
    """A connection to a database that must exist: by default SQLite makes an empty one. Raises sqlite3.Error."""
    name = path.absolute().as_uri() + "?mode=rw"
    made: sqlite3.Connection = sqlite3.connect(name, timeout=timeout, uri=True, **more)
    return made


def tag(db: sqlite3.Connection, file: int) -> int | None:
    """Write a new number into the head of the database file, to recognize it. None if that doesn't work now.

    `file` is a descriptor of the file. Close it only after all connections: closing it drops their locks.
    """
    number = int.from_bytes(os.urandom(4), "big") >> 1
    with contextlib.suppress(sqlite3.Error):
        db.execute(f"PRAGMA application_id={number}")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return number if has_tag(file, number) else None


def has_tag(file: int, number: int | None) -> bool:
    """Whether the number is still there, if it was written. If not, a program wrote to the file without SQLite."""
    return number is None or os.pread(file, 4, _TAG_AT) == number.to_bytes(4, "big")


def written_by_others(path: Path, ours: Files, found: Files) -> bool:
    """Whether the `-wal` in the folder is not ours, and is not empty. Raises OSError."""
    return found.wal not in (ours.wal, None) and os.stat(f"{path}-wal").st_size > 0


def cause(path: Path, ours: Files, found: Files, saved: bool) -> str:
    """Why `found` is not `ours`, and after a semicolon the remedy. `saved`: our database file is complete."""
    if found.db != ours.db:
        open_as, name = _whereabouts(ours.db)
        now = f"is {name} now" if name else "was deleted"
        if found.db is not None:
            hint = ("put that one back, or " if name else "") + "restart the server to use this one"
            return f"{path} is not the file that the server opened, which {now}; {hint}"
        if name:
            return f"{path} {now}; move it back, with the files beside it: storing then goes on"
        hint = "put a backup in its place"
        if open_as and saved:
            hint = f"copy it back with: cp -p {open_as} {shlex.quote(str(path))}"
        return f"{path} {now}; {hint}. Then restart the server"
    which = "-wal" if found.wal != ours.wal else "-shm"
    if written_by_others(path, ours, found):
        hint = "end that program and restart the server. Messages since the last checkpoint are lost"
        return f"{path}{which} was replaced by another program's; {hint}"
    return f"{path}{which} was deleted; end other programs that use the database: storing then goes on"


def _whereabouts(file: Identity) -> tuple[str, str]:
    """A name under which this process has the file open, and the name that it has in a folder now.

    The second is "" if the file was deleted; both are "" if they can't be found out. Opens no file: closing it would
    drop all of the process's locks on it, SQLite's too.
    """
    with contextlib.suppress(OSError), os.scandir("/proc/self/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found = os.stat(entry.path)
                if (found.st_dev, found.st_ino) == file:
                    name = f"/proc/{os.getpid()}/fd/{entry.name}"
                    return name, os.readlink(entry.path) if found.st_nlink else ""
    return "", ""


def holder(shm: Identity) -> str:
    """Which other process holds the write lock of the database with this `-shm`: "process 12 (sqlite3)", or ""."""
    if shm is None:
        return ""
    wanted = f"{os.major(shm[0]):02x}:{os.minor(shm[0]):02x}:{shm[1]}"
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            # 1: POSIX  ADVISORY  WRITE 12 fe:00:4711 120 120
            words = line.split()
            if len(words) == 8 and words[3] == "WRITE" and words[5] == wanted and words[4] != str(os.getpid()):
                end = float("inf") if words[7] == "EOF" else int(words[7])
                if int(words[6]) <= _WRITE_LOCK <= end:
                    return f"process {words[4]} ({Path(f'/proc/{words[4]}/comm').read_text().strip()})"
    return ""
