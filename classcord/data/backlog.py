"""Messages that can't be stored wait here, in order, until storing works again.

While storing fails the chat goes on. Each batch tries without waiting, so a lock of another program delays only one
batch. The log gets one line with the cause when storing fails, and one line when all is stored again.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections import deque
from collections.abc import Sequence

from classcord.data.schema import AT_ONCE, AccountRow, ChangeRow, MessageRow
from classcord.data.store import Store, StoreError
from classcord.ops import logs

__all__ = ["Backlog"]

_MESSAGE = 200
"""Bytes that a waiting message takes in addition to its content, by estimate."""
_PIECE_MESSAGES = 1024
"""Waiting messages that one transaction stores. A batch adds fewer, so the backlog shrinks."""
_PIECE_BYTES = 1 << 20
"""The same in bytes: this takes some milliseconds."""
_CAUSES = 20
"""Different causes that are logged until storing works again."""
_UNCERTAIN = 100
"""Stored messages after which the files are looked at: so many are kept in memory meanwhile. A look after each batch
would cost a small room more than many of its sends."""
_MOST_CHANGES = 1000
"""Changes that wait: what teachers do while the disk fails. They are few, and further ones are only in the log."""
_LAST_WAIT = 1000
"""Milliseconds that the last try, at the end of the server, waits for another program."""


def _size(row: MessageRow) -> int:
    return _MESSAGE + sys.getsizeof(row[-1])


def _explain(error: Exception, store: Store) -> tuple[str, str]:
    """The cause, and what to do about it."""
    text = str(error)
    if isinstance(error, StoreError):
        detail, _, hint = text.partition("; ")
        return detail, hint
    if not isinstance(error, sqlite3.Error):
        return f"{type(error).__name__}: {text}", f"check that user {os.getuid()} may read and write the data folder"
    if "locked" in text:
        other = store.lock_holder() or "another program"
        return f"{text} by {other}", "end that program, or its transaction; storing then goes on"
    if "full" in text:
        return text, "free space on the disk; storing then goes on"
    if "readonly" in text:
        return text, f"let user {os.getuid()} write to the data folder and the files in it; storing then goes on"
    return text, "free space on the disk, or look for its errors with dmesg"


class Backlog:
    """Stores through `store` and keeps up to `limit` bytes of messages while that fails.

    For the holder of the registry's flush lock. No method raises.
    """

    def __init__(self, store: Store, limit: int) -> None:
        self._store = store
        self._limit = limit
        self._rows: deque[MessageRow] = deque()
        self._size = 0
        self._changes: list[ChangeRow] = []
        self._uncertain: list[MessageRow] = []  # stored since the files were last seen in the folder
        self._seen = 0.0  # when that was
        self.failing = False
        """Whether messages wait, or the last try has failed."""
        self._causes: set[str] = set()  # those that were logged since storing fails
        self._late = 0  # messages stored late since storing fails
        self._lost = 0  # messages not kept since storing fails

    def __len__(self) -> int:
        return len(self._rows)

    def commit(
        self, messages: Sequence[MessageRow], accounts: Sequence[AccountRow], changes: Sequence[ChangeRow] = ()
    ) -> bool:
        """Store a batch. True if the accounts are stored.

        Messages and changes that can't be stored are kept if there is room, but not the changes of AT_ONCE; these are
        stored only if it was not `failing` before.
        """
        if not self.failing:
            try:
                self._store.commit(messages, accounts, changes)
                return True
            except Exception as error:  # no error may lose the batch
                self._failed(error)
                self._keep(messages, changes)
                self._trim()
                return False
        waited = len(self._rows)
        self._keep(messages, changes)
        stored = self._store_piece(accounts, waited)
        self._trim()
        return stored

    def confirm(self, messages: Sequence[MessageRow]) -> None:
        """Call this after each `commit`, when nobody waits for the batch any more: now and then it looks at the files.

        If they are no longer those in the folder, the messages since the last look wait too. Storing them twice does no
        harm.
        """
        if self.failing:
            return
        if self._store.checked > self._seen:  # before it stored this batch, or later
            self._seen = self._store.checked
            self._uncertain.clear()
        self._uncertain.extend(messages)
        if len(self._uncertain) > _UNCERTAIN:
            self._look()

    def tick(self) -> bool:
        """Call this each second. True means: call it again at once, because more can be stored."""
        if self.failing:
            return self._store_piece((), len(self._rows)) and self.failing
        self._look()
        return False

    def _look(self) -> None:
        try:
            self._store.check()
            self._uncertain.clear()
        except Exception as error:
            self._failed(error)
            self._trim()

    def close(self) -> None:
        """Try for the last time, for about a second, and log how many messages are not stored."""
        if not self.failing:
            self.tick()  # were the files there until now?
        wait = _LAST_WAIT
        while (self._rows or self._changes) and self._store_piece((), len(self._rows), wait):
            wait = 0
        count = len(self._rows) + self._lost
        if count:
            logs.event("messages_lost", count=count, hint="storage_failed above says why")

    def _keep(self, messages: Sequence[MessageRow], changes: Sequence[ChangeRow] = ()) -> None:
        late = [change for change in changes if change[0] not in AT_ONCE]
        self._changes = [*self._changes, *late][:_MOST_CHANGES]
        self._rows.extend(messages)
        self._size += sum(map(_size, messages))

    def _trim(self) -> None:
        """Drop the newest messages past the limit."""
        before = self._lost
        while self._size > self._limit:
            self._size -= _size(self._rows.pop())
            self._lost += 1
        if self._lost and not before:
            hint = "new messages are sent but not stored; make storing work again"
            logs.event("backlog_full", waiting=len(self._rows), limit=self._limit, hint=hint)

    def _store_piece(self, accounts: Sequence[AccountRow], waited: int, wait: int = 0) -> bool:
        """Store the oldest messages, and these accounts. `waited` is the number of messages before this batch."""
        piece: list[MessageRow] = []
        size = 0
        for row in self._rows:
            if len(piece) == _PIECE_MESSAGES or size > _PIECE_BYTES:
                break
            piece.append(row)
            size += _size(row)
        try:
            changes = self._changes if len(piece) == len(self._rows) else []  # one may delete a message that waits
            self._store.commit(piece, accounts, changes, wait)
            self._store.check()
        except Exception as error:
            self._failed(error)
            return False
        if changes:
            self._changes = []
        for _ in piece:
            self._rows.popleft()
        self._size -= size
        self._late += min(len(piece), waited)
        if not self._rows:
            logs.event("storage_recovered", stored_late=self._late, lost=self._lost)
            self.failing = False
            self._causes.clear()
            self._late = self._lost = 0
        return True

    def _failed(self, error: Exception) -> None:
        self.failing = True
        if not isinstance(error, sqlite3.Error):  # the files are others, perhaps since the last look
            self._rows.extendleft(reversed(self._uncertain))
            self._size += sum(map(_size, self._uncertain))
            self._uncertain.clear()
        cause = str(error)
        if cause not in self._causes and len(self._causes) < _CAUSES:
            self._causes.add(cause)
            detail, hint = _explain(error, self._store)
            logs.event("storage_failed", detail=detail, hint=hint)
