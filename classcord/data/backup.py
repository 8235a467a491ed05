"""`server.py backup` and `server.py restore`: the database as one file, to keep or to carry to another machine."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from classcord.data.files import connect
from classcord.data.folder import FILE, StoreError, give, lock_folder, make_database
from classcord.data.remedies import explain, no_access, quoted, shown, space
from classcord.data.store import Store

__all__ = ["STANDARD", "BackupError", "backup", "restore"]

STANDARD = "-"
"""The file that stands for standard output or input."""


class BackupError(Exception):
    """The file can't be written or read; the text is one line with what to do."""


def backup(folder: Path, target: str) -> str:
    """Copy the database in `folder` to the file `target`, which must not exist, and return a line that says so.

    A server may run meanwhile: the copy shows one moment, and the server does not wait for it. The file belongs to the
    user who typed sudo; without sudo, root's file belongs to the owner of the folder around it. Raises StoreError when
    the database can't be read, BackupError when the target can't be written.
    """
    source = folder / FILE
    try:
        if not stat.S_ISREG(os.stat(source).st_mode):
            raise OSError(errno.EINVAL, "not a file")
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{shown(str(folder))}: there is no database ({FILE}); name its folder with --data") from None
    except OSError as error:
        raise explain(str(folder), error, other=False) from None
    if target != STANDARD and os.path.lexists(target):
        raise BackupError(f"{shown(target)} exists already: name another file, or move it away")
    if target == STANDARD and sys.stdout.isatty():
        raise BackupError("refusing to write a binary database to a terminal: add `> FILE`")
    beside = folder if target == STANDARD else Path(target).parent
    try:
        with _scratch(beside) as scratch:
            copy = scratch / FILE
            os.close(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o600))  # it holds the hashes of passwords
            accounts, messages = _copy(source, copy)
            if target == STANDARD:
                with copy.open("rb") as made:
                    shutil.copyfileobj(made, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            else:
                _give_to_user_of_sudo(copy)
                copy.rename(target)
                give(beside, Path(target).name)
    except OSError as error:
        raise BackupError(_unwritable(folder, target, error)) from None
    return f"{'standard output' if target == STANDARD else shown(target)}: accounts: {accounts}, messages: {messages}"


def restore(folder: Path, source: str) -> str:
    """Put the backup `source` in place of the database in `folder`, and return a line that says so.

    The old database is kept beside it, under a name with the time in it. Raises StoreError while a server uses the
    folder, and when the backup is not a ClassCord database or a newer version wrote it. Raises BackupError when the
    backup can't be read.
    """
    lock = lock_folder(folder)
    try:
        with _scratch(folder) as scratch:
            new = scratch / FILE
            with _reading(source) as given, open(os.open(new, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as copy:
                shutil.copyfileobj(given, copy)
            accounts, messages = _check(scratch, source)
            kept = _move_away(folder)
            new.rename(folder / FILE)
            make_database(folder)  # it exists: this gives it to the owner of the folder if we are root
    except OSError as error:
        if error.errno in (errno.EIO, errno.EISDIR):  # reading failed, not writing
            raise BackupError(f"{shown(source)}: {error.strerror}") from None
        raise BackupError(str(explain(str(folder), error))) from None
    finally:
        os.close(lock)
    text = f"{shown(str(folder))}: accounts: {accounts}, messages: {messages}"
    return text + (f"; the old database is now {kept}" if kept else "")


@contextlib.contextmanager
def _scratch(beside: Path) -> Iterator[Path]:
    """A folder on the same file system, so that its files can be moved without being copied again."""
    with tempfile.TemporaryDirectory(prefix=".classcord-", dir=beside) as made:
        yield Path(made)


def _give_to_user_of_sudo(file: Path) -> None:
    """Give root's file to the user who typed sudo, if one did. See sudo(8), "ENVIRONMENT"."""
    if os.geteuid() == 0:
        with contextlib.suppress(OSError, OverflowError, ValueError):  # no sudo, or root has no power here
            os.chown(file, int(os.environ.get("SUDO_UID", "")), int(os.environ.get("SUDO_GID", "")))


@contextlib.contextmanager
def _reading(source: str) -> Iterator[BinaryIO]:
    if source == STANDARD:
        if sys.stdin.isatty():
            raise BackupError("nothing is given on standard input: add `< FILE`")
        yield sys.stdin.buffer
        return
    try:
        file = open(source, "rb")  # noqa: SIM115 - an OSError of the body must not be caught here
    except OSError as error:
        raise BackupError(f"{shown(source)}: {error.strerror}; name a file that `server.py backup` wrote") from None
    with file:
        yield file


def _copy(source: Path, target: Path) -> tuple[int, int]:
    """Copy a database, and count the accounts and messages in the copy."""
    try:
        with (
            contextlib.closing(connect(source, 10)) as old,
            contextlib.closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode=DELETE")  # so that all of it is in one file
            return _count(new)
    except sqlite3.Error as error:
        if space(str(target), error) is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        raise explain(str(source.parent), error, other=False) from None


def _unwritable(folder: Path, target: str, error: OSError) -> str:
    """Why the backup can't be written, and what to do."""
    if target == STANDARD:
        if error.errno == errno.EPIPE:
            return "standard output: the program that reads it has ended"
        # made in the folder first; then written to a pipe or to a file that the shell has opened
        return str(explain(str(folder), error, other=False))
    above = os.path.dirname(os.path.abspath(target))
    reason, hint = error.strerror or str(error), ""
    full = space(above, error)
    if full is not None:
        reason, hint = full, "free some space there, or "
    elif not os.path.lexists(above) and no_access(above) is None:
        reason, hint = "there is no such folder", f"type: mkdir -p {quoted(above)}, or "
    elif os.path.isdir(above) and not os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        reason = f"user {os.geteuid()} cannot write in {shown(above)}"
    return f"{shown(target)}: {reason}; {hint}name another file"


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
            raise StoreError(f"{where}: {error.reason}; give a file that `server.py backup` wrote") from None
        raise BackupError(str(error).replace(shown(str(folder)), shown(str(folder.parent)))) from None
    except sqlite3.Error as error:
        raise BackupError(f"{where}: {error}; try again") from None


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
