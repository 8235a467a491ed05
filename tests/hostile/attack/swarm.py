"""Attackers: many sockets in one thread, which send prepared bytes as fast as the server takes them."""

from __future__ import annotations

import functools
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.hostile.attack.ending import Ending
from tests.hostile.attack.wire import Address

Bytes = Callable[[int], bytes]
"""Bytes for a connection, by its number. A connection that replaces another one gets the next number."""

_READ = 1 << 18
_RESET = struct.pack("ii", 1, 0)


def _nothing(number: int) -> bytes:
    return b""


@dataclass(frozen=True)
class Plan:
    """What a swarm does. Each connection sends `opening` once, then `repeated` again and again."""

    sockets: int
    opening: Bytes = _nothing
    repeated: Bytes = _nothing
    times: int = 1 << 60
    """How often `repeated` is sent at most."""
    pause: float = 0.0
    """Seconds between two times."""
    reads: bool = True
    leaves: str = ""
    """What a connection does then: it stays, or it leaves at the first answer ("answered"), at the answer to a ping
    ("pong"), or at once ("reset")."""


class _Attacker:
    """One connection. Raises OSError when the server has ended it."""

    def __init__(self, plan: Plan, address: Address, number: int) -> None:
        self._plan = plan
        self._left = plan.times
        self._due = 0.0
        self.number = number
        self.rest = memoryview(plan.opening(number))
        self._repeated = plan.repeated(number)
        if not self._repeated:
            self._left = 0
        self.socket = socket.socket()
        self.socket.setblocking(False)
        # its end leaves nothing behind, and takes no time
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.socket.connect_ex(address)

    def wants(self, now: float) -> bool:
        """Whether it has something to send now."""
        return bool(self.rest) or (self._left > 0 and now >= self._due)

    def finished(self) -> bool:
        return not self.rest and not self._left

    def send(self, now: float) -> int:
        """Send some bytes; how many were taken."""
        if not self.rest and self._left > 0 and now >= self._due:
            self.rest = memoryview(self._repeated)
            self._left -= 1
            self._due = now + self._plan.pause
        if not self.rest:
            return 0
        try:
            taken = self.socket.send(self.rest)
        except BlockingIOError:
            return 0
        self.rest = self.rest[taken:]
        return taken


class Swarm:
    """Carries out a plan against an address. An attacker that was dropped comes back at once."""

    def __init__(self, plan: Plan, address: Address) -> None:
        self._plan = plan
        self._address = address
        self._epoll = select.epoll()
        self._attackers: dict[int, _Attacker] = {}
        self._waiting: set[int] = set()  # those that have nothing to send yet
        self._missing = plan.sockets
        self.counts = dict.fromkeys(("connections", "sent", "dropped", "errors", "answered"), 0)

    def run(self, ending: Ending) -> dict[str, Any]:
        try:
            while not ending.over():
                self._turn()
        finally:
            for attacker in self._attackers.values():
                attacker.socket.close()
            self._epoll.close()
        return self.counts

    def _turn(self) -> None:
        for _ in range(min(self._missing, 50)):  # between them the others go on
            self._connect()
        now = time.monotonic()
        due = self._waiting if self._plan.pause else ()  # else those that wait have finished
        for number in [number for number in due if self._attackers[number].wants(now)]:
            self._watch(number, now)
        for number, event in self._epoll.poll(0.02, 256):
            attacker = self._attackers.get(number)
            if attacker is not None:
                try:
                    self._serve(attacker, number, event, now)
                except OSError:
                    self.counts["dropped"] += 1
                    self._end(number)

    def _serve(self, attacker: _Attacker, number: int, event: int, now: float) -> None:
        if event & (select.EPOLLHUP | select.EPOLLERR) or (event & select.EPOLLRDHUP and not self._plan.reads):
            raise ConnectionResetError
        if event & select.EPOLLIN:
            data = attacker.socket.recv(_READ)
            if not data:
                raise ConnectionResetError
            self.counts["errors"] += data.count(b'"code":')
            if attacker.finished() and (
                self._plan.leaves == "answered" or (self._plan.leaves == "pong" and b'"pong"' in data)
            ):
                self.counts["answered"] += 1
                self._end(number)
                return
        if event & select.EPOLLOUT:
            self.counts["sent"] += attacker.send(now)
            if self._plan.leaves == "reset" and attacker.finished():
                self._end(number)
            else:
                self._watch(number, now)

    def _connect(self) -> None:
        try:
            attacker = _Attacker(self._plan, self._address, self.counts["connections"])
        except OSError:  # too many open files
            return
        self._missing -= 1
        self.counts["connections"] += 1
        number = attacker.socket.fileno()
        self._attackers[number] = attacker
        self._epoll.register(number, self._events(True))
        self._waiting.discard(number)

    def _events(self, sends: bool) -> int:
        if self._plan.reads:
            return select.EPOLLIN | (select.EPOLLOUT if sends else 0)
        return select.EPOLLRDHUP | (select.EPOLLOUT if sends else 0)

    def _watch(self, number: int, now: float) -> None:
        """Wait for what this attacker needs."""
        sends = self._attackers[number].wants(now)
        if sends == (number in self._waiting):
            self._epoll.modify(number, self._events(sends))
            (self._waiting.discard if sends else self._waiting.add)(number)

    def _end(self, number: int) -> None:
        self._attackers.pop(number).socket.close()
        self._waiting.discard(number)
        self._missing += 1


def same(*lines: bytes, size: int = 0) -> Bytes:
    """For every connection the same lines, again and again until they have about `size` bytes."""
    block = b"".join(lines)
    return functools.partial(_same, block * max(1, size // len(block)))


def _same(block: bytes, number: int) -> bytes:
    return block
