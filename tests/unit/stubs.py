"""Sessions without a network, for tests of the registry's parts."""

from __future__ import annotations

import json
import threading
from typing import Any, cast

from classcord.registry import Registry
from classcord.session import Session
from classcord.store import Store


class Wire:
    """Stands for a socket. Takes `room` bytes, then is full; None takes everything."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.data = b""
        self.broken = False
        self.arrived = threading.Event()

    def send(self, data: bytes, flags: int = 0) -> int:
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

    def messages(self) -> list[dict[str, Any]]:
        """Everything sent so far, decoded; a torn line would not decode."""
        assert self.data == b"" or self.data.endswith(b"\n")
        return [json.loads(line) for line in self.data.splitlines()]


def session(wire: Wire | None = None, limit: int = 1 << 20) -> Session:
    return Session(cast(Any, wire or Wire()), limit)


def end(registry: Registry, store: Store) -> None:
    """Close the store of a registry. The registry's threads stay, but nothing runs any more."""
    with registry._lock:
        store.close()
        registry._lock = threading.Lock()
        registry._lock.acquire()
