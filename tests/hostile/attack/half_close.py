"""Honest clients that half-close right behind their requests, as `nc -N` does: each must get its last answer whole."""

from __future__ import annotations

import select
import socket
import time
from pathlib import Path
from typing import Any

from tests.hostile.attack.bystanders import GRACE
from tests.hostile.attack.ending import Ending
from tests.hostile.attack.wire import Address

AT_ONCE = 40
REQUESTS = (b'{"type":"help"}\n{"type":"ping"}\n', b'{"type":"users"}\n{"type":"ping"}\n', b'{"type":"ping"}')
"""What the clients send. The last one ends without a newline."""
LAST = b'{"type":"pong"}\n'


class _Client:
    def __init__(self, address: Address, number: int) -> None:
        self.data = b""
        self.socket = socket.create_connection(address, GRACE)
        try:
            self.socket.sendall(REQUESTS[number % len(REQUESTS)])
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.setblocking(False)
        except BaseException:
            self.socket.close()
            raise

    def ended(self) -> bool:
        """Take what has come; whether it was the end."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self.data += data
        return not data


def run(data: Path, address: Address, ending: Ending) -> dict[str, Any]:
    """Again and again; `lost` are those that did not get all of their last answer, among `rounds`."""
    counts = {"rounds": 0, "lost": 0}
    clients: dict[int, _Client] = {}
    deadline = 0.0
    with select.epoll() as epoll:
        while True:
            over = ending.over()
            deadline = deadline or (time.monotonic() + GRACE if over else 0.0)
            if over and (not clients or time.monotonic() > deadline):
                break
            while not over and len(clients) < AT_ONCE:
                number = counts["rounds"]
                counts["rounds"] += 1
                try:
                    client = _Client(address, number)
                except OSError:
                    counts["lost"] += 1
                    break
                clients[client.socket.fileno()] = client
                epoll.register(client.socket, select.EPOLLIN)
            for number, _ in epoll.poll(0.05):
                if clients[number].ended():
                    client = clients.pop(number)
                    client.socket.close()
                    # what others do meanwhile may follow it, in whole lines
                    counts["lost"] += LAST not in client.data or not client.data.endswith(b"\n")
        for client in clients.values():
            counts["lost"] += 1
            client.socket.close()
    return counts
