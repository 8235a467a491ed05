"""Reading what was said: pages of stored messages, beside the one connection that writes.

Any thread may read, with connections that only read. No reader makes the writer wait, nor the other way round.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from classcord.data.folder import FILE
from classcord.data.schema import SPAN_BITS
from classcord.data.search import Search, marked
from classcord.data.turns import Turns

__all__ = ["Heading", "History", "Page", "Past", "Scope", "Unreadable"]

_READERS = 2
"""Connections: on two cores, more readers at the same time would only take time from the chat."""
_BUSY = 5.0
"""Seconds that a reader waits for another program that holds the database for itself."""
_LAST_READ = 0.5
"""Seconds that the end of the server waits for a reader."""
_CACHE = 512
"""KiB of pages that each connection keeps."""
_COLUMNS = "m.id, m.time, s.name, s.guest, m.recipient, m.content"
"""Those of Past."""
_IN_SPANS = f"""
    AND p.audience = coalesce(:channel, '')
    AND p.span >= max(:low >> {SPAN_BITS}, (SELECT min(id) >> {SPAN_BITS} FROM message_rows))
    AND p.span <= :high >> {SPAN_BITS}
    AND m.id BETWEEN p.span << {SPAN_BITS} AND (p.span + 1 << {SPAN_BITS}) - 1"""
"""Only the messages of the spans in which the audience spoke. Spans before the oldest message are passed over: theirs
were deleted."""
_LAST = 1 << 62
"""Greater than any id."""
_SEARCHES = 8
"""Searches at the same time: each holds the messages of a step in memory, and lets others read between two steps."""
_STEP = 200
"""Messages that a search looks through at once. Between two steps others may read."""
_SPAN = 50_000
"""Ids in which it lets the index look at once: a step takes some milliseconds, whatever the words are."""


class Unreadable(Exception):
    """The database can't be read. The text says why."""


class Scope(NamedTuple):
    """Whose messages: those to everybody, those in a channel, or those between two accounts.

    `since` is when the newer of the two accounts was made, in milliseconds since 1970: until then, a guest may have
    had its name.
    """

    channel: str | None = None
    accounts: tuple[str, str] | None = None
    since: int = 0

    @property
    def conditions(self) -> list[tuple[str, dict[str, object]]]:
        """Conditions for rows of `message_rows AS m`, and their values. A row of the scope meets one of them."""
        if self.accounts is None:
            return [("m.recipient IS NULL AND m.channel IS :channel", {"channel": self.channel})]
        # one for each direction: an index gives the rows of each in their order
        condition = (
            "m.recipient = :to AND m.sender = (SELECT id FROM senders WHERE name = :by AND guest = 0)"
            " AND m.time > :since"
        )
        ways = dict.fromkeys((self.accounts, self.accounts[::-1]))
        return [(condition, {"to": to, "by": by, "since": self.since}) for to, by in ways]


class Page(NamedTuple):
    """Which of them: at most `limit`, with ids below `before` and above `after`, that have all the `words`.

    The newest ones of these; the oldest ones if only `after` is given.
    """

    limit: int
    before: int | None = None
    after: int | None = None
    words: tuple[str, ...] = ()

    @property
    def forward(self) -> bool:
        """Whether the oldest ones are wanted."""
        return self.after is not None and self.before is None


class Past(NamedTuple):
    """A stored message. `time` is in milliseconds since 1970, or a text that somebody has written there."""

    id: int
    time: int | str
    sender: str
    guest: bool
    recipient: str | None
    content: str


class Heading(NamedTuple):
    """A message whose content was left out: `History.message` gives all of it."""

    id: int
    sender: str


class History:
    """The stored messages of the database in `folder`. Any thread.

    `read` and `message` raise Unreadable.
    """

    def __init__(self, folder: str | os.PathLike[str], search: Search) -> None:
        self._path = Path(folder).absolute() / FILE
        self._search = search
        # opened at the first use
        self._readers: Turns[tuple[sqlite3.Connection, int] | None] = Turns([None] * _READERS)
        self._searches = Turns(range(_SEARCHES))

    def read(self, scope: Scope, page: Page, memory: int) -> list[Past | Heading]:
        """The messages of a page, the oldest first, until their contents take more than `memory` bytes; then headings.

        Waits while two others read, or take a step of a search. A search waits also while there are many.
        """
        low, high = page.after or 0, _LAST if page.before is None else page.before
        if not page.words:
            with self._connection() as connection:
                found = _Rows(connection, scope, page.forward).headings(low, high, page.limit)
                return _filled(connection, found if page.forward else found[::-1], memory)
        search = self._searches.take()
        try:
            found = [Heading(row.id, row.sender) for row in self._found(scope, page, low, high)]
        finally:
            self._searches.give(search)
        with self._connection() as connection:
            return _filled(connection, found if page.forward else found[::-1], memory)

    def _found(self, scope: Scope, page: Page, low: int, high: int) -> Iterator[Past]:
        """Those that have the words."""
        reached = self._search.reached()  # what came later is looked at one by one
        parts = [
            self._indexed(scope, page, low, min(high, reached + 1)),
            self._not_indexed(scope, page.forward, max(low, reached), high),
        ]
        in_order = itertools.chain.from_iterable(parts if page.forward else parts[::-1])
        wanted = (row for row in in_order if set(page.words) <= set(self._search.words_of(row.content)))
        return itertools.islice(wanted, page.limit)

    def message(self, id: int) -> Past | None:
        """One message, or None if it is not there any longer. Waits as `read` does."""
        with self._connection() as connection:
            return _message(connection, id)

    def _indexed(self, scope: Scope, page: Page, low: int, high: int) -> Iterator[Past]:
        words = marked(page.words, scope.channel, scope.accounts)
        while True:
            with self._connection() as connection:
                rows = _Rows(connection, scope, page.forward)
                first = rows.headings(low, high, 1)  # so what others have said meanwhile is left out
                if not first:
                    return
                if page.forward:
                    start, end = first[0].id - 1, min(high, first[0].id + _SPAN)
                else:
                    start, end = max(low, first[0].id - _SPAN), first[0].id + 1
                try:
                    ids = self._search.ids(words, start, end, _STEP, oldest=page.forward)
                except sqlite3.Error:  # it is being made again
                    break
                found = rows.between(start, end, _STEP, ids)
            yield from found
            # to the last one that the index gave, or to the end of these ids
            if page.forward:
                low = ids[-1] if len(ids) == _STEP else end - 1
            else:
                high = ids[-1] if len(ids) == _STEP else start + 1
        yield from self._not_indexed(scope, page.forward, low, high)

    def _not_indexed(self, scope: Scope, forward: bool, low: int, high: int) -> Iterator[Past]:
        while True:
            with self._connection() as connection:
                found = _Rows(connection, scope, forward).between(low, high, _STEP)
            if not found:
                return
            yield from found
            low, high = (found[-1].id, high) if forward else (low, found[-1].id)

    def close(self) -> None:
        """Close the connections, and those of the search. A read that takes longer is left alone."""
        for _ in range(_READERS):
            try:
                opened = self._readers.take(_LAST_READ)
            except queue.Empty:
                continue
            if opened is not None:
                opened[0].close()
        self._search.close()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One of the connections; who waits longest gets the next one. After an error it is not used again."""
        opened = self._readers.take()
        usable = False
        try:
            file = os.stat(self._path).st_ino
            if opened is not None and opened[1] != file:  # another file is in its place
                opened[0].close()
                opened = None
            if opened is None:
                opened = self._open(), file
            yield opened[0]
            usable = True
        except (sqlite3.Error, OSError) as error:
            raise Unreadable(str(error)) from None
        finally:
            if opened is not None and not usable:
                opened[0].close()
            self._readers.give(opened if usable else None)

    def _open(self) -> sqlite3.Connection:
        made = sqlite3.connect(
            f"{self._path.as_uri()}?mode=ro", uri=True, timeout=_BUSY, isolation_level=None, check_same_thread=False
        )
        made.execute(f"PRAGMA cache_size=-{_CACHE}")
        return made


def _message(connection: sqlite3.Connection, id: int) -> Past | None:
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM message_rows AS m JOIN senders AS s ON s.id = m.sender WHERE m.id = ?", (id,)
    ).fetchone()
    return Past._make(row) if row is not None else None


def _filled(connection: sqlite3.Connection, headings: list[Heading], memory: int) -> list[Past | Heading]:
    """The first messages, whose contents take no more than `memory` bytes, and the headings of the others."""
    rows: list[Past | Heading] = [*headings]
    for place, heading in enumerate(headings if memory else ()):
        row = _message(connection, heading.id)
        if row is not None:  # it may be deleted by now
            memory -= sys.getsizeof(row.content)
            if memory < 0:
                break
            rows[place] = row
    return rows


class _Rows:
    """The messages of a scope; the `oldest` come first, or the newest.

    The methods give at most `limit` of those with ids between `low` and `high`, without these.
    """

    def __init__(self, connection: sqlite3.Connection, scope: Scope, oldest: bool) -> None:
        self._connection = connection
        self._scope = scope
        self._way = "ASC" if oldest else "DESC"
        self._oldest = oldest

    def between(self, low: int, high: int, limit: int, ids: Sequence[int] | None = None) -> list[Past]:
        """The messages; of `ids` if they are given."""
        return list(map(Past._make, self._select(_COLUMNS, low, high, limit, ids)))

    def headings(self, low: int, high: int, limit: int) -> list[Heading]:
        """The same without the contents, which the database then does not read."""
        return list(map(Heading._make, self._select("m.id, s.name", low, high, limit)))

    def _select(
        self, columns: str, low: int, high: int, limit: int, ids: Sequence[int] | None = None
    ) -> list[tuple[Any, ...]]:
        tables, only, order = "message_rows AS m", "", f"m.id {self._way}"
        if ids is not None:  # they are looked up; an index of the scope would go through all that lie between them
            tables, only = "message_rows AS m NOT INDEXED", f"AND m.id IN ({','.join(map(str, ids))})"
        elif self._scope.accounts is None:  # CROSS JOIN: the spans come first, and so all is in order
            tables, only, order = f"audience_spans AS p CROSS JOIN {tables}", _IN_SPANS, f"p.span {self._way}, {order}"
        found: list[tuple[Any, ...]] = []
        for condition, values in self._scope.conditions:
            found += self._connection.execute(
                f"SELECT {columns} FROM {tables} JOIN senders AS s ON s.id = m.sender"
                f" WHERE m.id > :low AND m.id < :high {only} AND {condition} ORDER BY {order} LIMIT :limit",
                {**values, "low": low, "high": high, "limit": limit},
            )
        found.sort(key=itemgetter(0), reverse=not self._oldest)
        return found[:limit]
