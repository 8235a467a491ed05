"""Accounts and messages on disk: one SQLite file, `classcord.db`.

One connection writes, under the caller's lock (the registry's flush lock); one transaction stores everything that
came at the same time. Another thread moves the write-ahead log into the database, so that deliveries don't wait
for that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from classcord.data import files, schema
from classcord.data.files import Files
from classcord.data.folder import FILE, StoreError, lock_folder, make_database
from classcord.data.ids import Ids
from classcord.data.remedies import explain, newer
from classcord.data.schema import MIGRATIONS, VERSION, AccountRow, ChangeRow, ChangeValues, MessageRow
from classcord.data.writer import Writer
from classcord.ops import logs

__all__ = ["FILE", "Store", "StoreError"]

_CHECKPOINT_PAGES = 1000
"""Pages of write-ahead log after which they are moved into the database: about 4 MiB, as SQLite itself would do."""
_BUSY = 150
"""Milliseconds that a commit waits for another program that writes to the database. All clients wait with it."""
_WAL_LOW = 4 * 1024 * 1024
_EMPTIED = 2.0
"""Bytes of write-ahead log, and seconds since the last time, after which a checkpoint stops the writers for a moment to
empty the log. Without that it grows on while somebody writes all the time."""
_WAL_HIGH = 64 * 1024 * 1024
"""Bytes after which it does so at once."""
_CHECKED = 0.05
"""Seconds after a check of our files in the folder in which a commit may begin without one."""
_RETRY = 1.0
"""Seconds between two tries of a slow repair: saving a deleted write-ahead log, or connecting again."""
_abandoned: list[sqlite3.Connection] = []
"""Connections that are never closed: closing would change files that are not ours."""

class Store:
    """The database in `folder`. Only the thread that holds the caller's lock may call the methods.

    Raises StoreError when the folder or the database can't be used, or another server uses it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.deletions = 0  # of messages; any thread may read it
        self.expired: deque[ChangeValues] = deque(maxlen=10_000)  # from which id to which: for the index of searches
        self._pragmas: dict[str, object] = {}  # those that are certainly set in this connection
        self._writer = Writer()
        with contextlib.ExitStack() as undo:
            self._lock_file = lock_folder(Path(folder))
            self._folder = Path(os.path.abspath(folder))  # SQLite may take a name that begins with file: for a URI
            self._path = self._folder / FILE
            undo.callback(os.close, self._lock_file)
            try:
                make_database(self._folder)
                self._db = self._connect(10)
                try:
                    self._prepare()
                except BaseException:
                    self._db.close()  # first: it takes files away that the text would name
                    raise
                undo.callback(self._db.close)
                self.ids = Ids(self.last_id(), self._lock_file)  # the ids for new messages
                self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                undo.callback(os.close, self._file)
                self._tag = files.tag(self._db, self._file)
                self._files = files.look(self._path)
            except (sqlite3.Error, OSError) as error:
                raise explain(str(self._folder), error) from None
            undo.pop_all()
        self._broken: Exception | None = None  # why a new connection is needed
        self._closed = False  # there is no connection: making a new one failed
        self._missed: Files | None = None  # the files found in the folder instead of ours
        self._saved = False  # while our files are missing: the database file has everything
        self._foreign = False  # another program wrote to a -wal that isn't ours
        self._repairing = False  # our files were missing and are saved: only the new connection is left to make
        self._cause = ""  # why our files are missing, and what to do
        self.checked = 0.0  # when our files were last seen in the folder, by time.monotonic()
        self._retry = 0.0  # when to try a slow repair again
        self._pages = 0  # written since the last checkpoint, by estimate
        self._writing = threading.Lock()
        self._checkpointing = threading.Lock()
        self._checkpoint_due = threading.Event()
        self._closing = False
        self._checkpointer = threading.Thread(target=self._checkpoint, name="checkpoint", daemon=True)
        self._checkpointer.start()

    def _prepare(self) -> None:
        """Check the database, and bring its schema forward."""
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:  # check this before the first change
            raise newer(str(self._folder), version, VERSION)
        if version == 0 and self._db.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise sqlite3.OperationalError("no such table: accounts")  # it has other tables
        if version > 0:  # another program's database may have our version number by chance
            self._db.execute("SELECT key, name, password, created FROM accounts LIMIT 1")
            self._db.execute(f"SELECT id FROM {'messages' if version == 1 else 'message_rows'} LIMIT 1")
        if (mode := self._db.execute("PRAGMA journal_mode=WAL").fetchone()[0]) != "wal":
            raise OSError(errno.EOPNOTSUPP, f"no write-ahead log ({mode})")
        self._set("wal_autocheckpoint", 0)
        (problem,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if problem != "ok":
            raise sqlite3.DatabaseError(f"the database is damaged ({problem})".replace("\n", " "))
        with self._transaction():  # also without a step: a shared folder may fail at the first write, a full disk too
            for statements in MIGRATIONS[version:]:
                for statement in statements:
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={VERSION}")
            self._db.execute(schema.REMOVE_SPANS)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except Exception as error:
            self._writer.forget()
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            # a lock or a full disk may pass; after any other error the connection may be unusable
            if self._db.in_transaction or not re.search("locked|full", str(error)):
                self._broken = error
            raise

    def _set(self, pragma: str, value: object) -> None:
        if self._pragmas.get(pragma) != value:
            self._pragmas.pop(pragma, None)
            self._db.execute(f"PRAGMA {pragma}={value}")
            self._pragmas[pragma] = value

    def accounts(self) -> list[AccountRow]:
        """Every account."""
        return self._db.execute("SELECT key, name, password, created, role FROM accounts").fetchall()

    def bans(self, now: int) -> list[tuple[str, str, float, str, str]]:
        """The bans that are not over at `now` (milliseconds since 1970): kind, target, seconds left, actor, reason."""
        select = "SELECT kind, target, (until - ?1) / 1000.0, actor, reason FROM bans WHERE until > ?1"
        return self._db.execute(select, (now,)).fetchall()

    def waiting(self, now: int) -> list[tuple[str, int, float, int]]:
        """The messages that wait, in order: key of the account, id, seconds left at `now`, whether it was tried."""
        select = "SELECT recipient, message, (until - ?) / 1000.0, tried FROM waiting ORDER BY message"
        return self._db.execute(select, (now,)).fetchall()

    def closed_channels(self) -> list[tuple[str, str]]:
        """The keys and names of the channels that were closed."""
        return self._db.execute("SELECT key, name FROM closed_channels").fetchall()

    def last_id(self) -> int:
        """The greatest message id, or 0."""
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM message_rows").fetchone()[0])

    def commit(
        self, messages: Sequence[MessageRow], accounts: Sequence[AccountRow], changes: Sequence[ChangeRow] = (),
        wait: int = _BUSY,
    ) -> None:
        """Store everything or nothing. On return accounts and changes are on the disk; messages outlive the process.

        Replaces a message or an account that is there already. With nothing to store it makes a test write.
        Waits up to `wait` milliseconds for another program's lock. Raises sqlite3.Error, OSError or StoreError (with
        the cause and what to do) if it isn't certain that everything is stored. Messages are certain after `check`.
        """
        with self._writing:
            began = time.monotonic()
            whole = bool(accounts or (changes and any(name not in schema.AS_MESSAGES for name, _ in changes)))
            if whole or self._broken or began - self.checked > _CHECKED:
                self._check()
            if self._broken:
                self._reconnect()
            self._set("synchronous", "FULL" if whole else "NORMAL")
            self._set("busy_timeout", wait)
            with self._transaction():
                self._writer.insert(self._db, messages)
                if accounts:
                    self._db.executemany("INSERT OR REPLACE INTO accounts VALUES (?,?,?,?,?)", accounts)
                for statement, values in changes:
                    if statement.startswith("delete"):
                        self._writer.forget()  # of a sender that may be gone
                    self._db.execute(schema.CHANGES[statement], values)
                if not (accounts or changes or messages):
                    self._db.execute(f"PRAGMA user_version={VERSION}")
            if whole:
                self._check()  # if the file was deleted meanwhile, the account is in a file without a name
        if changes:
            self.expired.extend(values for statement, values in changes if statement == "expire")
            self.deletions += sum(statement.startswith("delete_message") for statement, _ in changes)
        self._pages += 2 + len(messages) // 16 + len(accounts) + 8 * len(changes)  # 2: the last page, and one above
        if self._pages >= _CHECKPOINT_PAGES:
            self._pages = 0
            self._checkpoint_due.set()

    # --- the files, and connections to them ---

    def check(self) -> None:
        """Raises StoreError, with the cause and what to do, when the files in the folder are not those in use."""
        with self._writing:
            self._check()

    def lock_holder(self) -> str:
        """The other process that holds the lock for writing: "process 12 (sqlite3)", or "" if it can't be seen."""
        return files.holder(self._files.shm)

    def _check(self) -> None:
        self.checked = 0.0
        found = files.look(self._path)
        if found != self._files or self._foreign:
            self._miss(found)
        if not self._closed:
            self._repairing = False  # the new connection is made, or the files were put back before it
        self._missed = None
        self.checked = time.monotonic()

    def _miss(self, found: Files) -> None:
        """The files in the folder are not those in use. Save our data; raise StoreError if the files stay wrong.

        Our connection still has a deleted file, so a checkpoint can move its write-ahead log into the database file,
        even if that has moved. The checkpoint also empties the log. Otherwise SQLite would apply the old log to the
        next file of that name.
        """
        if self._closed and found.db == self._files.db:
            return  # the other missing files went with our last connection
        if found.db == self._files.db and not self._foreign:
            self._examine(found)
            if found._replace(version=self._files.version) == self._files:
                self._files = found
                return
        foreign = files.written_by_others(self._path, self._files, found) and self._files.shares_with(found)
        if not self._foreign and (found != self._missed or foreign):
            self._missed, self._saved, self._retry, self._foreign = found, False, 0, foreign
            self._cause = files.cause(self._path, self._files, found, saved=False)
        if not (self._saved or self._foreign) and time.monotonic() >= self._retry:
            self._retry = time.monotonic() + _RETRY
            self._saved = self._save(found)
            if self._saved:
                self._cause = files.cause(self._path, self._files, found, saved=True)
        if not self._saved or found.db != self._files.db:
            raise StoreError(self._cause)
        self._retry = 0
        self._repairing = True
        self._reconnect()

    def _examine(self, found: Files) -> None:
        """Raises StoreError when a program like cp, not SQLite, wrote to the database file."""
        if files.has_tag(self._file, self._tag):
            return
        self._cause = f"another program has overwritten {self._path}; restart the server to use the new contents"
        if self._checkpointing.acquire(blocking=False):
            if found.wal == self._files.wal:  # at the next start SQLite would apply it to the new contents
                os.truncate(f"{self._path}-wal", 0)
            self._foreign = True
            self._checkpointing.release()
        raise StoreError(self._cause)

    def _save(self, found: Files) -> bool:
        """Move our connection's write-ahead log into its database file."""
        if files.written_by_others(self._path, self._files, found) or not files.has_tag(self._file, self._tag):
            return False
        if not self._checkpointing.acquire(blocking=False):
            return False
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._set("busy_timeout", 0)
            (busy, _, _) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
        except sqlite3.Error:
            return False
        finally:
            self._checkpointing.release()

    def _reconnect(self) -> None:
        """Make a new connection, at most once in _RETRY seconds."""
        now = time.monotonic()
        if now < self._retry or not self._checkpointing.acquire(blocking=False):
            raise self._broken or StoreError(self._cause)
        self._retry = now + _RETRY
        try:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            self._closed = True
            self._pragmas.clear()
            self._writer.forget()
            self._db = self._connect(0)
            self._set("wal_autocheckpoint", 0)
            self.last_id()  # opens -wal and -shm
            found = files.look(self._path)
            if found.db != self._files.db:  # replaced just now
                self._db.close()
                raise StoreError(files.cause(self._path, self._files, found, saved=True))
            self._files, self._broken, self._closed = found, None, False
            if self._repairing:
                self._repairing = False
                hint = "nothing is lost, everything is in the database; do not touch the files beside the database"
                logs.event("storage_repaired", detail=self._cause.partition(";")[0], hint=hint)
        except Exception as error:
            self._broken = error
            raise
        finally:
            self._checkpointing.release()

    def _connect(self, timeout: float) -> sqlite3.Connection:
        return files.connect(self._path, timeout, isolation_level=None, check_same_thread=False)

    def _checkpoint(self) -> None:
        wal = self._path.with_name(FILE + "-wal")
        held, failed = logs.LogThrottle(60), logs.LogThrottle(60)
        emptied = 0.0
        while self._checkpoint_due.wait() and not self._closing:
            self._checkpoint_due.clear()
            try:
                with self._checkpointing, contextlib.closing(self._second_connection()) as db:
                    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                    size, now = wal.stat().st_size, time.monotonic()
                    if size > _WAL_HIGH or (size > _WAL_LOW and now - emptied > _EMPTIED):
                        emptied = now
                        with self._writing:  # only the pages written during the first pass are left to move
                            (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                        if busy and held.happened(time.monotonic()):
                            hint = "another program keeps the database open in a transaction; end it"
                            logs.event("checkpoint_busy", hint=hint)
            except (sqlite3.Error, StoreError, OSError) as error:
                if failed.happened(time.monotonic()):
                    logs.event("checkpoint_failed", detail=str(error))

    def _second_connection(self) -> sqlite3.Connection:
        """A connection that certainly has the same files as the writing connection. Raises StoreError."""
        with self._writing:
            self._check()
            if not self._closed:
                db = files.connect(self._path, 0.05, isolation_level=None)
                db.execute("SELECT 1 FROM messages LIMIT 1").fetchone()  # opens -wal
                if files.look(self._path) == self._files:
                    return db
                db.close()
        raise StoreError("the files in the folder are not those in use")

    def close(self) -> None:
        """Move everything into the database file and close it. The caller keeps its lock for ever."""
        self._closing = True
        self._checkpoint_due.set()
        self._checkpointer.join(2)
        self.ids.close()
        with contextlib.suppress(OSError):
            found = files.look(self._path)
            others = files.written_by_others(self._path, self._files, found) or found.db not in (self._files.db, None)
            if others or self._foreign or not files.has_tag(self._file, self._tag):
                _abandoned.append(self._db)
            else:
                with contextlib.suppress(sqlite3.Error):
                    self._db.close()
                os.close(self._file)
        os.close(self._lock_file)
