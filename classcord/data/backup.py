"""`server.py backup` and `server.py restore`: the database as one file, to keep or to carry to another machine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import sys
import time
from pathlib import Path

from classcord.data.files import connect
from classcord.data.folder import FILE, StoreError, find_database, lock_folder, make_database
from classcord.data.output import STANDARD, FileError, new_file, reading, scratch, unwritable
from classcord.data.remedies import explain, shown, space
from classcord.data.search import remove_index
from classcord.data.store import Store
from classcord.ops.progress import Progress

__all__ = ["backup", "restore"]

_MADE = "a file that `server.py backup` wrote"
_STEP = 4096
"""Pages of 4 KiB that are copied at once, if somebody watches."""


def backup(folder: Path, target: str) -> str:
    """Copy the database in `folder` to the file `target`, which must not exist, and return a line that says so.

    A server may run meanwhile: the copy shows one moment, and the server does not wait for it. The file belongs to the
    user who typed sudo; without sudo, root's file belongs to the owner of the folder around it. Raises StoreError when
    the database can't be read, FileError when the target can't be written.
    """
    source = find_database(folder)
    if target == STANDARD and sys.stdout.isatty():
        raise FileError("refusing to write a binary database to a terminal: add `> FILE`")
    try:
        if target == STANDARD:
            with scratch(folder) as around:
                copy = around / FILE
                os.close(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o600))  # it holds the hashes of passwords
                accounts, messages = _copy(source, copy)
                with copy.open("rb") as made:
                    shutil.copyfileobj(made, sys.stdout.buffer)
                sys.stdout.buffer.flush()
        else:
            with new_file(target) as copy:
                accounts, messages = _copy(source, copy)
    except OSError as error:
        raise FileError(unwritable(folder, target, error)) from None
    return f"{'standard output' if target == STANDARD else shown(target)}: accounts: {accounts}, messages: {messages}"


def restore(folder: Path, source: str) -> str:
    """Put the backup `source` in place of the database in `folder`, and return a line that says so.

    The old database is kept beside it, under a name with the time in it. Raises StoreError while a server uses the
    folder, and when the backup is not a ClassCord database or a newer version wrote it. Raises FileError when the
    backup can't be read.
    """
    lock = lock_folder(folder)
    try:
        with scratch(folder) as around:
            new = around / FILE
            with reading(source, _MADE) as given, open(os.open(new, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as copy:
                shutil.copyfileobj(given, copy)
            accounts, messages = _check(around, source)
            kept = _move_away(folder)
            remove_index(folder)
            new.rename(folder / FILE)
            make_database(folder)  # it exists: this gives it to the owner of the folder if we are root
    except OSError as error:
        if error.errno in (errno.EIO, errno.EISDIR):  # reading failed, not writing
            raise FileError(f"{shown(source)}: {error.strerror}") from None
        raise FileError(str(explain(str(folder), error))) from None
    finally:
        os.close(lock)
    text = f"{shown(str(folder))}: accounts: {accounts}, messages: {messages}"
    return text + (f"; the old database is now {kept}" if kept else "")


def _copy(source: Path, target: Path) -> tuple[int, int]:
    """Copy a database, and count the accounts and messages in the copy."""
    try:
        with (
            contextlib.closing(connect(source, 10)) as old,
            contextlib.closing(sqlite3.connect(target)) as new,
        ):
            with Progress("pages") as progress:
                if not progress.shown:
                    old.backup(new)
                else:
                    old.execute("BEGIN")  # one moment for all steps: else each change begins the copy anew
                    old.execute("SELECT count(*) FROM sqlite_master").fetchone()

                    def step(status: int, left: int, total: int) -> None:
                        progress.expect(total)
                        progress.add(total - left - progress.done)

                    old.backup(new, pages=_STEP, progress=step)
            new.execute("PRAGMA journal_mode=DELETE")  # so that all of it is in one file
            return _count(new)
    except sqlite3.Error as error:
        if space(str(target), error) is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        raise explain(str(source.parent), error, other=False) from None


def _count(database: sqlite3.Connection) -> tuple[int, int]:
    accounts, messages = (
        int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]) for table in ("accounts", "messages")
    )
    return accounts, messages


def _check(folder: Path, source: str) -> tuple[int, int]:
    """Open the backup as the server would, and bring it to this program's schema."""
    where = "standard input" if source == STANDARD else shown(source)
    try:
        _check_header(folder / FILE)
        Store(folder).close()
        with contextlib.closing(sqlite3.connect(folder / FILE)) as database:
            return _count(database)
    except StoreError as error:
        if error.content:
            raise StoreError(f"{where}: {error.reason}; give {_MADE}") from None
        raise FileError(str(error).replace(shown(str(folder)), shown(str(folder.parent)))) from None
    except sqlite3.Error as error:
        raise FileError(f"{where}: {error}; try again") from None


def _check_header(path: Path) -> None:
    """Refuse a damaged file that SQLite would take for a good database. Raises StoreError. See SQLite's file format."""
    with path.open("rb") as file:
        header = file.read(100)
        length = file.seek(0, os.SEEK_END)
    if not header:
        raise StoreError("it is empty", content=True)
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise StoreError("file is not a database", content=True)
    page, pages, version = (int.from_bytes(header[at : at + size], "big") for at, size in ((16, 2), (28, 4), (60, 4)))
    if length < (65536 if page == 1 else page) * pages:
        raise StoreError("its end is missing", content=True)
    if version == 0:
        raise StoreError("it is another program's database", content=True)


def _move_away(folder: Path) -> str | None:
    """Rename the present database and the files that belong to it. The new name, or None if there was no database."""
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
