"""How messages get into the database: the numbers of their senders, and the spans of ids in which audiences spoke.

An index of the messages of each audience would cost a page of the write-ahead log for each channel in each commit. So
the database has only the spans of 64 ids in which an audience spoke: a row for many messages. A reader looks through
the messages of these spans.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from operator import itemgetter

from classcord.data import schema
from classcord.data.schema import SPAN_BITS, MessageRow

__all__ = ["Writer"]

_channel = itemgetter(5)
_KNOWN = 4096
"""Senders whose numbers are kept in memory, beside those of one batch; and the same of spans."""


class Writer:
    """Stores messages, and remembers what is in the other tables for them already. For the thread that writes.

    Call `forget` when a transaction has failed, or something was deleted, or the connection is another one.
    """

    def __init__(self) -> None:
        self._senders: dict[tuple[str, bool], int] = {}  # the numbers of some (name, guest) in the table
        self._spans: set[tuple[str, int]] = set()  # some rows of audience_spans

    def forget(self) -> None:
        """What this knows of the database may not be right any longer."""
        self._senders.clear()
        self._spans.clear()

    def insert(self, db: sqlite3.Connection, messages: Sequence[MessageRow]) -> None:
        """Store messages in the transaction of `db`."""
        senders, spans = self._senders, self._spans
        if len(senders) > _KNOWN or len(spans) > _KNOWN:
            self.forget()
        new: list[tuple[str, int]] = []
        start, left = 0, len(messages)
        channels = any(map(_channel, messages))  # one value less for each row if nearly all are to everybody
        for n in schema.ROWS:
            while left >= n:
                values: list[object] = []
                for id, milliseconds, sender, guest, recipient, channel, content in messages[start : start + n]:
                    number = senders.get((sender, guest)) or self._sender(db, sender, guest)
                    values += (id, milliseconds, number, recipient, content)
                    if channels:
                        values.append(channel)
                    if recipient is None:
                        span = channel or "", id >> SPAN_BITS
                        if span not in spans:
                            spans.add(span)
                            new.append(span)
                db.execute((schema.INSERT_IN_CHANNELS if channels else schema.INSERT)[n], values)
                start += n
                left -= n
        if new:
            db.executemany("INSERT OR IGNORE INTO audience_spans VALUES (?, ?)", new)

    def _sender(self, db: sqlite3.Connection, name: str, guest: bool) -> int:
        """The number of a sender, which gets one now if it is new."""
        values = (name, int(guest))
        db.execute("INSERT OR IGNORE INTO senders (name, guest) VALUES (?, ?)", values)
        (number,) = db.execute("SELECT id FROM senders WHERE name = ? AND guest = ?", values).fetchone()
        self._senders[name, guest] = number
        return int(number)
