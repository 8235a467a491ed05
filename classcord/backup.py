"""`server.py backup` and `server.py restore`: the database as one file, to keep or to carry to another machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from classcord.store import FILE, Store, StoreError, lock_folder

__all__ = ["STANDARD", "BackupError", "backup", "restore"]

STANDARD = "-"
"""The file that stands for standard output or input."""


class BackupError(Exception):
    """The file can't be written or read; the text is one line with what to do."""


def backup(folder: Path, target: str) -> str:
    """Copy the database in `folder` to the file `target`, which must not exist, and return a line that says so.

    A server may run meanwhile: the copy is of one moment, and nobody waits for it. Raises StoreError when there is no
    database that can be read, BackupError when the target can't be written.
    """
    source = folder / FILE
    if not source.is_file():
        raise StoreError(f"{folder}: there is no database ({FILE}); name its folder with --data")
    if target != STANDARD and os.path.lexists(target):
        raise BackupError(f"{target} exists already: name another file, or move it away")
    if target == STANDARD and sys.stdout.isatty():
        raise BackupError("the backup is no text for a terminal: write `> FILE` behind it")
    beside = folder if target == STANDARD else Path(target).parent
    try:
        with _scratch(beside) as scratch:
            copy = scratch / FILE
            os.close(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o600))  # passwords are in it, if only as hashes
            accounts, messages = _copy(source, copy)
            if target == STANDARD:
                with copy.open("rb") as made:
                    shutil.copyfileobj(made, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            else:
                copy.rename(target)
    except OSError as error:
        raise BackupError(f"{target}: {error.strerror or error}; name another file") from None
    return f"{'standard output' if target == STANDARD else target}: accounts: {accounts}, messages: {messages}"


def restore(folder: Path, source: str) -> str:
    """Put the backup `source` in place of the database in `folder`, and return a line that says so.

    What was there is kept beside it, under a name with the time in it. Raises StoreError while a server uses the
    folder and when the backup is no database of ours or of a newer version, BackupError when it can't be read.
    """
    lock = lock_folder(folder)
    try:
        with _scratch(folder) as scratch:
            new = scratch / FILE
            with _reading(source) as given, open(os.open(new, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as copy:
                shutil.copyfileobj(given, copy)
            accounts, messages = _check(scratch, source)
            _give(folder, scratch)
            kept = _move_away(folder)
            new.rename(folder / FILE)
    except OSError as error:
        raise BackupError(f"{error.filename or source}: {error.strerror or error}") from None
    finally:
        os.close(lock)
    return f"{folder}: accounts: {accounts}, messages: {messages}" + (f"; what was there is now {kept}" if kept else "")


@contextlib.contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """A folder on the same file system, so that its files can be moved without being copied again."""
    with tempfile.TemporaryDirectory(prefix=".classcord-", dir=beside) as made:
        yield Path(made)


@contextlib.contextmanager
def _reading(source: str) -> Iterator[BinaryIO]:
    if source == STANDARD:
        if sys.stdin.isatty():
            raise BackupError("nothing is given on standard input: write `< FILE` behind it")
        yield sys.stdin.buffer
        return
    try:
        file = open(source, "rb")  # noqa: SIM115 - an OSError of the body is none of ours
    except OSError as error:
        raise BackupError(f"{source}: {error.strerror}; name a file that `server.py backup` wrote") from None
    with file:
        yield file


def _copy(source: Path, target: Path) -> tuple[int, int]:
    """Copy a database and count what is in the copy."""
    try:
        with (
            contextlib.closing(sqlite3.connect(source, timeout=10)) as old,
            contextlib.closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")  # one file is the whole of it
            return _count(new)
    except sqlite3.Error as error:
        hint = "name another folder with --data, or put a backup in its place with `server.py restore`"
        if not all(os.access(path, os.R_OK | os.W_OK) for path in (source, source.parent)):  # SQLite writes beside it
            hint = f"user {os.getuid()} must be able to read and write it"
        raise StoreError(f"{source}: {error}; {hint}") from None


def _count(database: sqlite3.Connection) -> tuple[int, int]:
    accounts, messages = (
        int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in ("accounts", "messages")
    )
    return accounts, messages


def _check(folder: Path, source: str) -> tuple[int, int]:
    """Open the backup as the server would, and bring it to this program's schema."""
    where = "standard input" if source == STANDARD else source
    try:
        _check_header(folder / FILE)
        Store(folder).close()
        with contextlib.closing(sqlite3.connect(folder / FILE)) as database:
            return _count(database)
    except (StoreError, sqlite3.Error) as error:
        raise StoreError(str(error).replace(str(folder / FILE), where)) from None


def _check_header(path: Path) -> None:
    """Refuse what SQLite would take for an empty or a whole database. Raises StoreError. See SQLite's file format."""
    hint = "give a file that `server.py backup` wrote"
    with path.open("rb") as file:
        header = file.read(100)
        length = file.seek(0, os.SEEK_END)
    if not header:
        raise StoreError(f"{path}: it is empty; {hint}")
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise StoreError(f"{path}: file is not a database; {hint}")
    page, pages, version = (int.from_bytes(header[at : at + size], "big") for at, size in ((16, 2), (28, 4), (60, 4)))
    if length < (65536 if page == 1 else page) * pages:
        raise StoreError(f"{path}: its end is missing; {hint}")
    if version == 0:
        raise StoreError(f"{path}: it is another program's database; {hint}")


def _move_away(folder: Path) -> str | None:
    """Rename the database that is there, with what belongs to it. The new name, if there was one."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    kept = next(
        name for name in (f"{FILE}.{stamp}{again}" for again in ("", *(f"-{n}" for n in range(2, 1000))))
        if not os.path.lexists(folder / name)
    )
    there = (folder / FILE).exists()
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            (folder / f"{FILE}{suffix}").rename(folder / f"{kept}{suffix}")
    return kept if there else None


def _give(folder: Path, scratch: Path) -> None:
    """Where root restores for somebody else's server, that server must be able to open what was made."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in (*scratch.iterdir(), folder / "classcord.lock"):
            # no link of that somebody: it would give away the file that it leads to
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
