"""Accounts and messages on disk: one SQLite file, `classcord.db`.

One connection writes, under the caller's lock (the registry's flush lock); one transaction carries whatever
came at the same time. A thread of its own moves the write-ahead log into the database, so that no
delivery waits for the disk to do that.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from classcord import logs
from classcord.folder import FILE, StoreError, lock_folder, make_database
from classcord.limits import Sometimes
from classcord.remedies import explain, newer

__all__ = ["FILE", "SCHEMA_VERSION", "AccountRow", "MessageRow", "Store", "StoreError"]


class AccountRow(NamedTuple):
    """`key` is names.key(name); `password` is what accounts.hash_password returned."""

    key: str
    name: str
    password: str
    created: str


class MessageRow(NamedTuple):
    """`time` is ISO 8601 in UTC; `guest` is 1 for a sender without an account; `recipient` is NULL for global."""

    id: int
    time: str
    sender: str
    guest: int
    kind: str
    recipient: str | None
    content: str


_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE accounts (
            key TEXT PRIMARY KEY, name TEXT NOT NULL, password TEXT NOT NULL, created TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE messages (
            id INTEGER PRIMARY KEY, time TEXT NOT NULL, sender TEXT NOT NULL, guest INTEGER NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('global', 'private')), recipient TEXT, content TEXT NOT NULL
        )""",
    ),
)
"""The statements that lead from each schema version to the next. Append only: databases in use have run the others."""

SCHEMA_VERSION = len(_MIGRATIONS)

# One statement with many rows costs one hand-over of the interpreter's lock; executemany costs one a row.
_ROWS = (64, 16, 4, 1)
_INSERT = {n: "INSERT INTO messages VALUES " + ",".join(["(?,?,?,?,?,?,?)"] * n) for n in _ROWS}
_CHECKPOINT_PAGES = 4000
"""Pages of write-ahead log, more or less, after which they are moved into the database: 16 MiB."""
_BUSY = 250
"""Milliseconds that a commit waits for another program that writes to the database: everybody waits with it."""
_WAL_HIGH = 64 * 1024 * 1024
"""Bytes of write-ahead log after which a checkpoint holds the writers up for a moment to start it anew."""


class Store:
    """The database in `folder`. All methods are for the one thread at a time that holds the caller's lock.

    Raises StoreError when the folder or the database can't be used, or another server uses it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        with contextlib.ExitStack() as undo:
            self._lock_file = lock_folder(Path(folder))
            self._folder = Path(os.path.abspath(folder))  # SQLite may take a name that begins with file: for a URI
            self._path = self._folder / FILE
            undo.callback(os.close, self._lock_file)
            try:
                make_database(self._folder)
                self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
                try:
                    self._prepare()
                except BaseException:
                    self._db.close()  # first: it takes files away that the text would name
                    raise
            except (sqlite3.Error, OSError) as error:
                raise explain(str(self._folder), error) from None
            undo.pop_all()
        self._pages = 0  # written since the last checkpoint, by estimate
        self._writing = threading.Lock()
        self._checkpoint_due = threading.Event()
        self._closing = False
        self._checkpointer = threading.Thread(target=self._checkpoint, name="checkpoint", daemon=True)
        self._checkpointer.start()

    def _prepare(self) -> None:
        """Check the database, and bring its schema forward."""
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:  # before anything is changed in it
            raise newer(str(self._folder), version, SCHEMA_VERSION)
        if version == 0 and self._db.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise sqlite3.OperationalError("no such table: accounts")  # but others
        if version > 0:  # another program's database may have our version number by chance
            self.accounts()
            self.last_id()
        (mode,) = self._db.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise OSError(errno.EOPNOTSUPP, f"no write-ahead log ({mode})")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA wal_autocheckpoint=0")
        (problem,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if problem != "ok":
            raise sqlite3.DatabaseError(f"the database is damaged ({problem})".replace("\n", " "))
        for number in range(version, SCHEMA_VERSION):
            with self._transaction():
                for statement in _MIGRATIONS[number]:
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={number + 1}")
        with self._transaction():  # a shared folder may fail at the first write, a full disk too
            self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self._db.execute(f"PRAGMA busy_timeout={_BUSY}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def accounts(self) -> list[AccountRow]:
        """Every account."""
        return [AccountRow(*row) for row in self._db.execute("SELECT key, name, password, created FROM accounts")]

    def last_id(self) -> int:
        """The greatest message id, or 0."""
        (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
        return int(last)

    def commit(self, messages: Sequence[MessageRow], accounts: Sequence[AccountRow]) -> None:
        """Store all of it or none. New accounts are on the disk itself on return; messages outlive the process.

        Raises sqlite3.Error when nothing was stored.
        """
        with self._writing:
            if accounts:
                if not self._path.exists():  # it was deleted: what we write now nobody will find again
                    raise sqlite3.OperationalError("the database file is gone")
                self._db.execute("PRAGMA synchronous=FULL")
            try:
                with self._transaction():
                    self._insert(messages)
                    if accounts:
                        self._db.executemany("INSERT INTO accounts VALUES (?,?,?,?)", accounts)
            finally:
                if accounts:
                    self._db.execute("PRAGMA synchronous=NORMAL")
        self._pages += 2 + len(messages) // 16 + len(accounts)  # 2: the last page of the table, and one above it
        if self._pages >= _CHECKPOINT_PAGES:
            self._pages = 0
            self._checkpoint_due.set()

    def _insert(self, messages: Sequence[MessageRow]) -> None:
        start, left = 0, len(messages)
        for n in _ROWS:
            while left >= n:
                values: list[object] = []
                for row in messages[start : start + n]:
                    values += row
                self._db.execute(_INSERT[n], values)
                start += n
                left -= n

    def _checkpoint(self) -> None:
        wal = self._path.with_name(FILE + "-wal")
        held = Sometimes(60)
        while self._checkpoint_due.wait() and not self._closing:
            self._checkpoint_due.clear()
            try:
                with contextlib.closing(sqlite3.connect(self._path, isolation_level=None, timeout=0.05)) as db:
                    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    if wal.stat().st_size > _WAL_HIGH:
                        with self._writing:  # what is left to move is what came during the first pass
                            (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                        if busy and held.happened(time.monotonic()):
                            hint = "another program keeps the database open in a transaction; end it"
                            logs.event("checkpoint_busy", logging.WARNING, hint=hint)
            except (sqlite3.Error, OSError) as error:
                logs.event("checkpoint_failed", logging.WARNING, detail=str(error))

    def close(self) -> None:
        """Move everything into the database file and let go of it. The caller holds its lock for good."""
        self._closing = True
        self._checkpoint_due.set()
        self._checkpointer.join(2)
        self._db.close()
        os.close(self._lock_file)
