"""The index of the words of all messages, for searches. It follows the messages in a thread of its own.

It is a database beside the messages, which may be deleted at any time: it is made again. A message that it does not
have yet is found too, because a search looks at those one by one: see data/history.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from classcord.data.folder import FILE, give
from classcord.data.schema import ChangeValues
from classcord.data.turns import Turns
from classcord.ops import logs

__all__ = ["SEARCH", "Search", "marked", "remove_index"]

SEARCH = "search.db"
"""The name of the file."""

_LAST = 1 << 62
"""Greater than any id."""
_BATCH = 200
"""Messages that the index takes at once."""
_SHARE = 0.04
"""The part of the time in which the thread works while it is behind: the chat comes first. With twice as much, storing
at full speed is slower by more than a tenth (`make bench ARGS="--only past"`)."""
_PAUSE = 1.0
"""Seconds between two looks for new messages."""
_RETRY = 60.0
"""Seconds from an error until the next try."""
_BUSY = 5.0
"""Seconds that a connection waits for another one."""
_END = 2.0
"""Seconds that the end of the server waits for the thread: it is in the middle of one batch at most."""
_VERSION = 2
"""Of the form of the index and of its words. One of another form is made again."""
_FORM = """
    CREATE VIRTUAL TABLE words USING fts5(content, tokenize = "ascii tokenchars '_'", detail = none);
    CREATE TABLE reached (id INTEGER NOT NULL, time NOT NULL, content TEXT NOT NULL);
    INSERT INTO reached VALUES (0, 0, '');
"""
# The tokenizer takes every character beyond ASCII as part of a word, so it cuts only between the words that it gets.


def marked(words: Iterable[str], channel: str | None = None, accounts: tuple[str, str] | None = None) -> list[str]:
    """The words as the index has them for one audience: everybody, a channel, or two accounts. Pure; any thread.

    So the messages of others cost a search nothing. No word of a text has a §, so nobody can write a word of another
    audience. That two have the same mark is not likely, and only makes a search look at more messages.
    """
    if accounts is None and channel is None:
        return [f"§{word}" for word in words]
    audience = "\n".join(sorted(accounts)) if accounts is not None else channel or ""
    mark = hashlib.blake2s(audience.encode(), digest_size=8).hexdigest()
    return [f"§{mark}§{word}" for word in words]


def remove_index(folder: Path) -> None:
    """Remove the index, which has the words of messages; the next server makes it again. Raises OSError."""
    for end in ("", "-wal", "-shm"):
        (folder / f"{SEARCH}{end}").unlink(missing_ok=True)


class Search:
    """The index in `folder`. `words_of` gives the words of a text. Any thread may search; `start` begins to follow.

    `deletions` gives another number after messages were deleted. `expired` has pairs of ids: most messages from the
    first to the second were deleted; they are taken out.
    """

    def __init__(
        self, folder: str | os.PathLike[str], words_of: Callable[[str], list[str]],
        deletions: Callable[[], int] = lambda: 0, expired: deque[ChangeValues] | None = None,
    ) -> None:
        self.words_of = words_of
        self._deletions = deletions
        self._expired: deque[ChangeValues] = deque() if expired is None else expired
        self._path = Path(folder) / SEARCH
        self._source = f"{(Path(folder).absolute() / FILE).as_uri()}?mode=ro"
        self._reached = 0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._reader: Turns[sqlite3.Connection | None] = Turns([None])  # opened at the first use

    def start(self) -> None:
        """Begin to follow the messages."""
        made = threading.Thread(target=self._follow, name="search", daemon=True)
        try:
            made.start()
            self._thread = made
        except RuntimeError as error:  # the system has no thread left
            self._failed(error)

    def catch_up(self) -> None:
        """Put all messages into the index now, in the caller's thread; for a search that is not started."""
        with self._opened() as (source, index):
            while self._take(source, index):
                pass

    def reached(self) -> int:
        """The id of the last message in the index; 0 without an index."""
        return self._reached

    def ids(self, words: Sequence[str], low: int, high: int, limit: int, *, oldest: bool) -> list[int]:
        """The first ids between the two, without these, of messages that have all the words, oldest or newest first.

        `high` is at most one above what is reached. It may give some that lack a word. Raises sqlite3.Error.
        """
        query = " ".join(f'"{word}"' for word in words)
        statement = (
            "SELECT rowid FROM words WHERE words MATCH ? AND rowid > ? AND rowid < ?"
            f" ORDER BY rowid {'ASC' if oldest else 'DESC'} LIMIT ?"
        )
        with self._reading() as reader:
            if high > self._reached + 1:  # it was made again after the caller has looked
                raise sqlite3.OperationalError("the index does not reach so far any longer")
            return [id for (id,) in reader.execute(statement, (query, low, high, limit))]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The connection that searches; waits until it is free. After an error it is not used again."""
        opened = self._reader.take()
        usable = False
        try:
            if opened is None:
                opened = sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
            yield opened
            usable = True
        finally:
            if opened is not None and not usable:
                opened.close()
            self._reader.give(opened if usable else None)

    @contextlib.contextmanager
    def _without_reader(self) -> Iterator[None]:
        """The connection that searches is closed, and nobody opens one meanwhile."""
        opened = self._reader.take()
        try:
            if opened is not None:
                opened.close()
            yield
        finally:
            self._reader.give(None)

    def close(self) -> None:
        """Cease to follow, and close the connections, when nobody searches any more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_END)
        with self._without_reader():
            pass

    # --- the thread ---

    def _follow(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._opened() as (source, index):
                    deletions = -1  # some may be of an earlier run
                    while not self._stopping.is_set():
                        began = time.monotonic()
                        if deletions != self._deletions():
                            deletions = self._deletions()
                            self._purge(index)
                        while self._expired:
                            self._purge(index, *self._expired.popleft())
                        count = self._take(source, index)
                        worked = time.monotonic() - began
                        self._stopping.wait(worked / _SHARE - worked if count == _BATCH else _PAUSE)
            except Exception as error:  # a search looks at all messages meanwhile
                self._failed(error)
                self._stopping.wait(_RETRY)

    def _failed(self, error: Exception) -> None:
        self._reached = 0
        logs.event("search_failed", detail=str(error), hint="searches are slower until it works again")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
        """The messages, and the index."""
        with (
            contextlib.closing(sqlite3.connect(self._source, uri=True, timeout=_BUSY)) as source,
            contextlib.closing(self._open(source)) as index,
        ):
            yield source, index

    def _open(self, source: sqlite3.Connection) -> sqlite3.Connection:
        """The index as it is, or an empty one if it does not belong to these messages."""
        index = self._connect()
        try:
            self._prepare(index)
            if self._belongs(source, index):
                (self._reached,) = index.execute("SELECT id FROM reached").fetchone()
                return index
        except sqlite3.Error:
            pass  # no index, or a damaged one
        index.close()
        with self._without_reader():
            self._reached = 0
            remove_index(self._path.parent)
        index = self._connect()
        self._prepare(index)
        index.executescript(f"BEGIN;{_FORM}PRAGMA user_version = {_VERSION};COMMIT")
        return index

    def _connect(self) -> sqlite3.Connection:
        with contextlib.suppress(FileExistsError):  # to close a file that is open elsewhere would end its locks
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
            give(self._path.parent, SEARCH)
        return sqlite3.connect(self._path.absolute().as_uri(), uri=True, timeout=_BUSY, isolation_level=None)

    @staticmethod
    def _prepare(index: sqlite3.Connection) -> None:
        index.execute("PRAGMA synchronous = OFF")  # it can be made again
        index.execute("PRAGMA journal_mode = WAL")

    def _belongs(self, source: sqlite3.Connection, index: sqlite3.Connection) -> bool:
        """Whether it was made of these messages, by the last one that it has."""
        (version,) = index.execute("PRAGMA user_version").fetchone()
        id, *last = index.execute("SELECT id, time, content FROM reached").fetchone()
        there = source.execute("SELECT time, content FROM message_rows WHERE id = ?", (id,)).fetchone()
        return bool(version == _VERSION and (id == 0 or list(there or ()) == last))

    def _purge(self, index: sqlite3.Connection, *ends: object) -> None:
        """Take out the messages that are not there any more: all, or those from one id to another."""
        first, last = ends or (0, _LAST)
        index.execute("ATTACH ? AS messages", (self._source,))
        try:
            index.execute(
                "DELETE FROM words WHERE rowid BETWEEN ?1 AND ?2"
                " AND rowid NOT IN (SELECT id FROM messages.message_rows WHERE id BETWEEN ?1 AND ?2)",
                (first, last),
            )
        finally:
            index.execute("DETACH messages")

    def _take(self, source: sqlite3.Connection, index: sqlite3.Connection) -> int:
        """Put the next messages into the index; how many these were."""
        rows = source.execute(
            "SELECT m.id, m.time, s.name, s.guest, m.recipient, m.channel, m.content"
            " FROM message_rows AS m LEFT JOIN senders AS s ON s.id = m.sender WHERE m.id > ? ORDER BY m.id LIMIT ?",
            (self._reached, _BATCH),
        ).fetchall()
        if rows:
            last, time, *_, text = rows[-1]
            index.execute("BEGIN IMMEDIATE")
            index.executemany(
                "INSERT OR REPLACE INTO words (rowid, content) VALUES (?, ?)",
                [(id, " ".join(self._words(*row))) for id, _, *row in rows],
            )
            index.execute("UPDATE reached SET id = ?, time = ?, content = ?", (last, time, text))
            index.execute("COMMIT")
            self._reached = last
        return len(rows)

    def _words(
        self, sender: str | None, guest: int | None, recipient: str | None, channel: str | None, content: str
    ) -> list[str]:
        """Those of a stored message. What a guest has written to somebody is in no exchange of two accounts."""
        if recipient is None:
            return marked(self.words_of(content), channel)
        return marked(self.words_of(content), accounts=(sender, recipient)) if sender is not None and not guest else []
