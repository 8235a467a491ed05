"""Clients without a network, for tests of the registry's parts."""

from __future__ import annotations

import itertools
import json
import threading
from typing import Any, cast

from classcord.chat.accounts import Accounts
from classcord.chat.channels import Channels
from classcord.chat.effects import Effect
from classcord.chat.people import Seat
from classcord.chat.room import Item, Room
from classcord.data.store import Store
from classcord.delivery.audiences import Audiences
from classcord.delivery.batch import Batch
from classcord.delivery.meanings import MEANINGS
from classcord.delivery.registry import Registry
from classcord.net.link import Link
from classcord.net.peer import Peer
from classcord.wire.texts import Texts

_numbers = itertools.count(1)


class Wire:
    """Stands for a socket. Takes `room` bytes, then is full; None takes everything."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.data = b""
        self.broken = False
        self.arrived = threading.Event()

    def send(self, data: bytes) -> int:
        if self.broken:
            raise BrokenPipeError
        taken = len(data) if self.room is None else min(self.room, len(data))
        if not taken:
            raise BlockingIOError
        if self.room is not None:
            self.room -= taken
        self.data += bytes(data[:taken])
        self.arrived.set()
        return taken

    def fileno(self) -> int:
        return id(self)

    def messages(self) -> list[dict[str, Any]]:
        """Everything sent so far, decoded; a torn line would not decode."""
        assert self.data == b"" or self.data.endswith(b"\n")
        return [json.loads(line) for line in self.data.splitlines()]


def connected(registry: Registry, wire: Wire | None = None, limit: int = 1 << 20) -> Link:
    """A client of the registry."""
    link = Link(cast(Any, wire or Wire()), limit, Peer())
    registry.add(link)
    return link


class Crowd:
    """A room without a registry: `sat` gives its clients, and `wires` has what each has received."""

    def __init__(self, accounts: Accounts | None = None, channels: Channels | None = None) -> None:
        self.accounts = accounts or Accounts([], 1)
        self.last_id = 0
        self.room = Room(self.accounts, Texts("fr"), self._take_id, channels)
        self.linked: dict[int, Link] = {}
        self.audiences = Audiences()
        self.wires: dict[int, Wire] = {}
        self.caused: list[Effect] = []

    def _take_id(self) -> tuple[int, bool]:
        self.last_id += 1
        return self.last_id, True

    def sat(self, wire: Wire | None = None) -> Seat:
        """A new client's seat."""
        seat = Seat(next(_numbers))
        self.room._seats[seat.number] = seat
        self.listen(seat.number, wire)
        return seat

    def listen(self, number: int, wire: Wire | None = None) -> None:
        """From now on `wires` has what the seat with this number receives."""
        self.wires[number] = wire or Wire()
        self.linked[number] = Link(cast(Any, self.wires[number]), 1 << 20, Peer())

    def run(self, *items: Item) -> Batch:
        """Carry out some items as one batch, and store it."""
        batch = Batch(self.linked, self.audiences, 1_767_225_600_000, 0.0)
        for item in items:
            self.room.do(*item)
            for effect in self.room.effects:
                MEANINGS[type(effect)](batch, effect)
            self.caused += self.room.effects
            self.room.effects.clear()
        self.room.registrations.stored()
        self.room.waiting.settle(stored=True)
        for link, data, _ in batch.deliveries():
            assert link.outbox.send(data, 0.0) is None
        return batch

    def do(self, operation: str, seat: Seat, *arguments: object) -> None:
        """One step, as a batch of its own."""
        self.run((operation, seat.number, arguments))


def end(registry: Registry, store: Store) -> None:
    """Close the store of a registry. The registry's threads stay, but nothing runs any more."""
    with registry._lock:
        store.close()
        registry._lock = threading.Lock()
        registry._lock.acquire()
