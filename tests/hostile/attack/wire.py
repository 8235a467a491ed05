"""An honest client's connection, of many in one thread."""

from __future__ import annotations

import select
import socket
from collections import deque
from collections.abc import Callable

Address = tuple[str, int]

_READ = 1 << 18


class Wire:
    """A connection that keeps the lines with one of `marks` in them, and skips the others quickly: a flood has many.

    `lines` has the kept lines, the oldest first. `closed` is true once the server or `close` has ended the connection.
    """

    def __init__(self, address: Address, marks: tuple[bytes, ...], source: str | None = None, buffer: int = 0) -> None:
        self.lines: deque[bytes] = deque()
        self.closed = False
        self._marks = marks
        self._rest = b""
        self._unsent = b""
        self.socket = socket.socket()
        try:
            if buffer:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.setblocking(False)
            self.socket.connect_ex(address)
        except BaseException:
            self.socket.close()
            raise

    def send(self, data: bytes) -> None:
        """Send it now, or as soon as the server takes it."""
        self._unsent += data
        self.flush()

    def flush(self) -> None:
        if self._unsent and not self.closed:
            try:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            except BlockingIOError:
                pass
            except OSError:
                self.close()

    @property
    def events(self) -> int:
        """What to wait for."""
        return select.EPOLLIN | (select.EPOLLOUT if self._unsent else 0)

    def read(self, most: int = _READ) -> None:
        """Take what has come, at most so many bytes."""
        try:
            data = self.socket.recv(most)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        data = self._rest + data
        cut = data.rfind(b"\n") + 1
        self._rest = data[cut:]
        if any(mark in data for mark in self._marks):
            self.lines += [line for line in data[:cut].split(b"\n") if any(mark in line for mark in self._marks)]

    def close(self) -> None:
        self.closed = True
        self.socket.close()


class Loop:
    """Waits for many wires at once, and calls their owners. `close`, or the end of a with statement, closes them."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wires: dict[int, tuple[Wire, Callable[[], None], int]] = {}

    def add(self, wire: Wire, changed: Callable[[], None]) -> None:
        """Call `changed` each time after the wire was read."""
        number = wire.socket.fileno()
        self._epoll.register(number, wire.events)
        self._wires[number] = wire, changed, wire.events

    def turn(self, seconds: float) -> None:
        """Wait at most so long for something to happen, and let it happen."""
        for number, (wire, changed, events) in list(self._wires.items()):
            if wire.closed:
                del self._wires[number]  # closing took it out of the epoll
            elif wire.events != events:
                self._epoll.modify(number, wire.events)
                self._wires[number] = wire, changed, wire.events
        for number, event in self._epoll.poll(max(seconds, 0)):
            wire, changed, _ = self._wires[number]
            if event & select.EPOLLOUT:
                wire.flush()
            if event & ~select.EPOLLOUT and not wire.closed:
                wire.read()
            if wire.closed:
                self._wires.pop(number, None)
            changed()

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for wire, _changed, _events in self._wires.values():
            wire.close()
        self._epoll.close()
