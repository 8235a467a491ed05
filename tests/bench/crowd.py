"""Thousands of clients in one thread: they log in, wait, and each asks something to show that it is served."""

from __future__ import annotations

import os
import select
import socket
import time
from pathlib import Path
from types import TracebackType

from tests.bench.peers import HOST

AT_ONCE = 500
"""Logins under way at a time: what waits to be accepted must fit the listener's backlog."""
_READ = 1 << 18


class Crowd:
    """Connections to a ClassCord server. Use it in a with statement; nothing waits beyond `deadline` seconds in all."""

    def __init__(self, port: int, deadline: float = 120) -> None:
        self._port = port
        self._end = time.monotonic() + deadline
        self._epoll = select.epoll()
        self._clients: dict[int, socket.socket] = {}
        self._tails: dict[int, bytes] = {}
        self.died = 0

    def log_in(self, count: int) -> int:
        """Open connections that register and log in; how many got in."""
        waiting: set[int] = set()
        before = started = 0
        while (started < count or waiting) and time.monotonic() < self._end:
            while started < count and len(waiting) < AT_ONCE:
                waiting.add(self._connect(started))
                started += 1
            before += self._read(waiting, b'"login"')
        return before

    def ask(self) -> int:
        """Send a ping on every connection; how many were answered."""
        for client in self._clients.values():
            client.send(b'{"type":"ping"}\n')
        waiting = set(self._clients)
        answered = 0
        while waiting and time.monotonic() < self._end:
            answered += self._read(waiting, b'"pong"')
        return answered

    def _connect(self, number: int) -> int:
        client = socket.create_connection((HOST, self._port), timeout=20)
        login = f'"username":"crowd{number:05d}","password":"pw"}}\n'
        client.send(f'{{"type":"register",{login}{{"type":"login",{login}'.encode())
        client.setblocking(False)
        descriptor = client.fileno()
        self._clients[descriptor] = client
        self._tails[descriptor] = b""
        self._epoll.register(descriptor, select.EPOLLIN)
        return descriptor

    def _read(self, waiting: set[int], wanted: bytes) -> int:
        """Read once what has come; how many of those waiting got what they wanted, and wait no more."""
        answered = 0
        for descriptor, _ in self._epoll.poll(0.2):
            try:
                data = self._clients[descriptor].recv(_READ)
            except ConnectionError:
                data = b""
            if not data:
                self._lose(descriptor)
                waiting.discard(descriptor)
            elif descriptor in waiting:
                data = self._tails[descriptor] + data
                if wanted in data:
                    waiting.remove(descriptor)
                    answered += 1
                    data = b""
                self._tails[descriptor] = data[-len(wanted) :]
        return answered

    def _lose(self, descriptor: int) -> None:
        self.died += 1
        self._epoll.unregister(descriptor)
        self._clients.pop(descriptor).close()

    def __enter__(self) -> Crowd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.close()
        self._epoll.close()


def resident(pid: int) -> float:
    """Resident memory of a process, in KiB."""
    page = os.sysconf("SC_PAGE_SIZE") / 1024
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
