"""What consoles watch: the messages as they pass, and the lines on the wire. While nobody watches nothing is done.

The watched never wait for a console: each watch has a bounded queue; what finds no room in it is counted and left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from classcord.chat.effects import Effect, Kept, Said, Whispered
from classcord.delivery.batch import Batch
from classcord.delivery.meanings import MEANINGS
from classcord.net.link import Link

__all__ = ["Message", "Watch", "Watching", "WireLines"]

_BYTES = 4 << 20
_RECORDS = 4096
"""What may wait for a console."""


class Message(NamedTuple):
    """A message that passes, `to` a person, in a `channel`, or to everybody; `time` is in milliseconds since 1970."""

    time: int
    sender: str
    to: str | None
    content: str
    channel: str | None = None
    id: int | None = None


class WireLines(NamedTuple):
    """Lines of one connection: `way` is `>` from the client, `<` to it, or `end`, with the reason in place of lines."""

    time: int
    way: str
    link: Link
    data: bytes


class Watch:
    """One console's queue. Any thread puts, the console's thread takes."""

    def __init__(self) -> None:
        self._ready = threading.Condition(threading.Lock())
        self._records: list[Message | WireLines] = []
        self._size = 0
        self._left_out = 0

    def put(self, record: Message | WireLines, size: int) -> None:
        """Add a record if there is room. Never waits."""
        with self._ready:
            if self._size + size > _BYTES or len(self._records) >= _RECORDS:
                self._left_out += 1
            else:
                self._records.append(record)
                self._size += size
                self._ready.notify()

    def take(self, seconds: float) -> tuple[list[Message | WireLines], int]:
        """What has come, at most so many seconds later, and how many records were left out after it."""
        with self._ready:
            if not self._records:
                self._ready.wait(seconds)
            found, left_out = self._records, self._left_out
            self._records, self._size, self._left_out = [], 0, 0
            return found, left_out


class Watching:
    """The watches of one server. Any thread may begin and end one, and ask whether there is one."""

    def __init__(self) -> None:
        self.messages: tuple[Watch, ...] = ()
        self.wire: tuple[Watch, ...] = ()
        self._lock = threading.Lock()
        self._meanings: dict[type[Effect], Callable[[Batch, Any], None]] = {
            **MEANINGS, Said: self._said, Whispered: self._whispered, Kept: self._whispered,
        }

    def begin(self, *, wire: bool) -> Watch:
        """A new watch: of the lines on the wire, or of the messages."""
        watch = Watch()
        with self._lock:
            if wire:
                self.wire += (watch,)
            else:
                self.messages += (watch,)
        return watch

    def end(self, watch: Watch) -> None:
        """Nothing more is put into it."""
        with self._lock:
            self.wire = tuple([each for each in self.wire if each is not watch])
            self.messages = tuple([each for each in self.messages if each is not watch])

    # --- for the holder of the flush lock ---

    def meanings(self) -> Mapping[type[Effect], Callable[[Batch, Any], None]]:
        """The meanings of a batch's effects: those that also tell the watches, if there are any."""
        return self._meanings if self.messages else MEANINGS

    def deliveries(self, deliveries: Iterable[tuple[Link, bytes, bool]]) -> Iterable[tuple[Link, bytes, bool]]:
        """The deliveries of a batch, told to the watches on their way."""
        return self._sent(deliveries) if self.wire else deliveries

    def _sent(self, deliveries: Iterable[tuple[Link, bytes, bool]]) -> Iterator[tuple[Link, bytes, bool]]:
        for link, data, shared in deliveries:
            self.line("<", link, data)
            yield link, data, shared

    def _said(self, batch: Batch, effect: Said) -> None:
        MEANINGS[Said](batch, effect)
        channel = effect.place.name if effect.place is not None else None
        self._message(Message(batch.time, effect.sender, None, effect.content, channel, effect.id))

    def _whispered(self, batch: Batch, effect: Whispered | Kept) -> None:
        MEANINGS[type(effect)](batch, effect)
        self._message(Message(batch.time, effect.sender, effect.addressee, effect.content, None, effect.id))

    def _message(self, message: Message) -> None:
        for watch in self.messages:
            watch.put(message, 100 + len(message.content))

    # --- for any thread ---

    def line(self, way: str, link: Link, data: bytes) -> None:
        """Tell the watches of lines of this connection. Look whether there are any before."""
        record = WireLines(time.time_ns() // 1_000_000, way, link, data)
        for watch in self.wire:
            watch.put(record, 100 + len(data))
