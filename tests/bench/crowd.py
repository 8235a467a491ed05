"""Thousands of clients in one thread: they log in, wait, and each asks something to show that it is served."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Set
from pathlib import Path
from types import TracebackType

from tests.bench.peers import HOST

AT_ONCE = 500
"""Logins at the same time: the connections that wait for accept must fit the listener's backlog."""
_READ = 1 << 18


class Crowd:
    """Connections to a ClassCord server. Use it in a with statement; all waits end after `deadline` seconds."""

    def __init__(self, port: int, deadline: float = 120) -> None:
        self._port = port
        self._end = time.monotonic() + deadline
        self._epoll = select.epoll()
        self._clients: dict[int, socket.socket] = {}
        self._names: dict[int, str] = {}
        self._wanted: dict[int, bytes] = {}
        self._tails: dict[int, bytes] = {}
        self.died = 0

    def log_in(self, count: int) -> int:
        """Open connections that register, then log in; how many got in."""
        arrived = started = 0
        registering: set[int] = set()
        entering: set[int] = set()
        while (started < count or registering or entering) and time.monotonic() < self._end:
            while started < count and len(registering) + len(entering) < AT_ONCE:
                descriptor = self._connect(started)
                self._send(descriptor, "register")
                registering.add(descriptor)
                started += 1
            for descriptor in self._read(registering | entering):
                if descriptor in registering:
                    registering.remove(descriptor)
                    if descriptor in self._clients:
                        entering.add(descriptor)
                        self._send(descriptor, "login")
                else:
                    entering.remove(descriptor)
                    arrived += descriptor in self._clients
        return arrived

    def open(self, count: int) -> None:
        """Open connections that say nothing yet."""
        for number in range(count):
            self._connect(number)

    def burst(self, pings: int) -> int:
        """Send this many pings on every connection, all at once; how many were answered."""
        line = b'{"type":"ping"}\n'
        for client in self._clients.values():
            client.send(line * pings)
        wanted, answered = pings * len(self._clients), 0
        while answered < wanted and self._clients and time.monotonic() < self._end:
            for descriptor, _ in self._epoll.poll(0.2):
                data = self._clients[descriptor].recv(_READ)
                answered += data.count(b"\n")
                if not data:
                    self._lose(descriptor)
        return answered

    def ask(self) -> int:
        """Send a ping on every connection; how many were answered."""
        waiting = set(self._clients)
        for descriptor in waiting:
            self._wanted[descriptor] = b'"pong"'
            self._clients[descriptor].send(b'{"type":"ping"}\n')
        answered = 0
        while waiting and time.monotonic() < self._end:
            done = self._read(waiting)
            waiting -= done
            answered += sum(descriptor in self._clients for descriptor in done)
        return answered

    def _connect(self, number: int) -> int:
        """Open a connection; its descriptor."""
        client = socket.create_connection((HOST, self._port), timeout=20)
        client.setblocking(False)
        descriptor = client.fileno()
        self._clients[descriptor] = client
        self._names[descriptor] = f"crowd{number:05d}"
        self._epoll.register(descriptor, select.EPOLLIN)
        return descriptor

    def _send(self, descriptor: int, kind: str) -> None:
        self._wanted[descriptor] = f'"type":"{kind}","status":"ok"'.encode()
        request = f'{{"type":"{kind}","username":"{self._names[descriptor]}","password":"pw"}}\n'
        self._clients[descriptor].send(request.encode())

    def _read(self, waiting: Set[int]) -> set[int]:
        """Read the received bytes once; the waiting clients that got their answer, and those that were lost."""
        done = set()
        for descriptor, _ in self._epoll.poll(0.2):
            try:
                data = self._clients[descriptor].recv(_READ)
            except ConnectionError:
                data = b""
            if not data:
                self._lose(descriptor)
                done.add(descriptor)
            elif descriptor in waiting:
                data = self._tails.get(descriptor, b"") + data
                wanted = self._wanted[descriptor]
                if wanted in data:
                    done.add(descriptor)
                    data = b""
                elif b'{"type":"error"' in data:
                    self._lose(descriptor)
                    done.add(descriptor)
                self._tails[descriptor] = data[-len(wanted) :]
        return done & waiting

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
