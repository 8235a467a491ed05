"""What people watch: the messages as they pass, and the lines on the wire. While nobody watches nothing is done.

A console may watch all; a client's connection watches some others: see chat/watchers.py. The watched never wait: each
watch has a bounded queue; what finds no room in it is counted and left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from classcord.chat.effects import Effect, Kept, Said, Whispered, Wired
from classcord.delivery.batch import Batch
from classcord.delivery.meanings import MEANINGS
from classcord.net.link import Link
from classcord.net.transport import Raw
from classcord.wire.mask import masked

__all__ = ["Cable", "Message", "Watch", "Watching", "WireLines"]

_BYTES = 4 << 20
_RECORDS = 4096
"""What may wait for a console."""
_CABLE_BYTES = 1 << 20
"""The same for a client's connection: a whole class may watch."""


class Message(NamedTuple):
    """A message that passes, `to` a person, in a `channel`, or to everybody; `time` is in milliseconds since 1970."""

    time: int
    sender: str
    to: str | None
    content: str
    channel: str | None = None
    id: int | None = None


class WireLines(NamedTuple):
    """Lines of one connection: `way` is `>` from the client, `<` to it, or `end`, with the reason in place of lines.

    `name` is that of its person, if a client watches.
    """

    time: int
    way: str
    link: Link
    data: bytes
    name: str = ""

    def shown(self) -> Iterator[tuple[int, str, bool]]:
        """Each line: its bytes with the newline, its text without passwords, and whether it refuses something."""
        for line in self.data.removesuffix(b"\n").split(b"\n"):
            text = masked(line.removesuffix(b"\r"), ours=self.way != ">")
            yield len(line) + 1, text, self.way == "<" and text.startswith('{"type":"error"')


class Watch:
    """One queue. Any thread puts; the thread that shows it takes."""

    def __init__(self, most: int = _BYTES) -> None:
        self._most = most
        self._ready = threading.Condition(threading.Lock())
        self._records: list[Message | WireLines] = []
        self._size = 0
        self._left_out = 0

    def put(self, record: Message | WireLines, size: int) -> None:
        """Add a record if there is room. Never waits."""
        with self._ready:
            if self._size + size > self._most or len(self._records) >= _RECORDS:
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


class Cable(Watch):
    """What the connection `watcher` watches: `names` has the names of these seats, `ending` of those that leave."""

    def __init__(self, watcher: int) -> None:
        super().__init__(_CABLE_BYTES)
        self.watcher = watcher
        self.names: dict[int, str] = {}
        self.ending: dict[int, str] = {}
        self.untold = 0
        """What was left out and is not told yet. For the thread that takes."""


class Watching:
    """The watches of one server. Any thread may begin and end one, and ask whether there is one."""

    def __init__(self) -> None:
        self.messages: tuple[Watch, ...] = ()
        self.on = False
        """Whether somebody watches lines on the wire: ask before `line`."""
        self.cables: dict[int, Cable] = {}
        """Those of clients' connections, by the seat that watches. Never changed, but replaced, like the others."""
        self.boards: frozenset[int] = frozenset()
        """The seats whose connections are shown the board."""
        self.said = 0
        """How many messages have passed since the start; the board takes differences."""
        self.came = threading.Event()
        """Set when there is something in a cable."""
        self.boards_changed = threading.Event()
        self._all: tuple[Watch, ...] = ()  # of consoles, which watch every connection
        self._some: dict[int, tuple[Cable, ...]] = {}  # by the seat that is watched
        self._lock = threading.Lock()
        self._meanings: dict[type[Effect], Callable[[Batch, Any], None]] = {
            **MEANINGS, Said: self._said, Whispered: self._whispered, Kept: self._whispered,
        }

    def begin(self, *, wire: bool) -> Watch:
        """A new watch: of the lines of all connections, or of the messages."""
        watch = Watch()
        with self._lock:
            if wire:
                self._all += (watch,)
                self.on = True
            else:
                self.messages += (watch,)
        return watch

    def end(self, watch: Watch) -> None:
        """Nothing more is put into it."""
        with self._lock:
            self._all = tuple([each for each in self._all if each is not watch])
            self.messages = tuple([each for each in self.messages if each is not watch])
            self.on = bool(self._all or self._some)

    # --- for the holder of the flush lock ---

    def meanings(self) -> Mapping[type[Effect], Callable[[Batch, Any], None]]:
        """The meanings of a batch's effects: those that also tell the watches, if there are any."""
        return self._meanings if self.messages else MEANINGS

    def deliveries(self, batch: Batch) -> Iterable[tuple[Link, bytes, bool]]:
        """The deliveries of a batch, told to the watches on their way, after what is passed to those who watch."""
        self.said += len(batch.messages)
        if batch.watchers:
            self._change(batch)
        return self._sent(batch) if self.on or batch.passed else batch.deliveries()

    def _sent(self, batch: Batch) -> Iterator[tuple[Link, bytes, bool]]:
        yield from batch.passed_on()
        for link, data, shared in batch.deliveries():
            if not isinstance(data, Raw):
                self.line("<", link, data)
            elif data.startswith(b"HTTP/"):  # never the page itself, and no frames
                self.line("<", link, data.partition(b"\r")[0])
            yield link, data, shared

    def pass_on(self, batch: Batch, seat: int, kind: str, data: bytes, /) -> None:
        """Item: lines for a connection that watches (`wire`) or has the board open (`board`), if it still does."""
        if seat in (self.cables if kind == "wire" else self.boards):
            batch.passed.append((seat, data))

    def _change(self, batch: Batch) -> None:
        """What the batch has changed for those who watch. A connection that ends is watched until it is closed."""
        with self._lock:
            cables, boards = dict(self.cables), set(self.boards)
            for effect in batch.watchers:
                if not isinstance(effect, Wired):
                    (boards.add if effect.on else boards.discard)(effect.seat)
                elif effect.seats is None:
                    cables.pop(effect.watcher, None)
                else:
                    cable = cables.get(effect.watcher) or Cable(effect.watcher)
                    names = dict(effect.seats)
                    for seat, name in cable.names.items():
                        if seat not in names and seat in batch.leaving:
                            cable.ending[seat] = name
                    cable.names = names
                    cables[effect.watcher] = cable
            self.cables = cables
            self._look()
        if boards != self.boards:
            self.boards = frozenset(boards)
            self.boards_changed.set()

    def _look(self) -> None:
        some: dict[int, tuple[Cable, ...]] = {}
        for cable in self.cables.values():
            for seat in (*cable.names, *cable.ending):
                some[seat] = (*some.get(seat, ()), cable)
        self._some = some
        self.on = bool(self._all or some)

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
        """Tell the watches of lines of this connection, if there are any. After `end` there are no more."""
        cables = self._some.get(link.number, ())
        if not cables and not self._all:
            return
        record = WireLines(time.time_ns() // 1_000_000, way, link, data)
        for watch in self._all:
            watch.put(record, 100 + len(data))
        for cable in cables:
            name = cable.names.get(link.number) or cable.ending.get(link.number, "")
            cable.put(record._replace(name=name), 100 + len(data))
        if cables:
            self.came.set()
            if way == "end":
                with self._lock:
                    for cable in cables:
                        cable.ending.pop(link.number, None)
                    self._look()
