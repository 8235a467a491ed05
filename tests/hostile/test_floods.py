"""Clients that send as fast as they can: their waiting lines are limited, and the other clients go on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from tests.hostile.tools import at_once
from tests.support import Bystanders, Client, Server

PING = b'{"type":"ping"}\n'


def test_many_clients_that_flood_cost_little_memory(own_server: Callable[..., Server]) -> None:
    server = own_server()
    address = server.host, server.port
    count = 20000

    def flood(client: Client) -> int:
        client.send_raw(PING * count)
        client.half_close()
        answers = 0
        while data := client.socket.recv(65536):
            answers += data.count(b"\n")
        return answers

    with Bystanders(address) as bystanders, ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(20)]
        bystanders.check(1)
        before = server.status("VmRSS")
        assert at_once([lambda client=client: flood(client) for client in clients]) == [count] * len(clients)  # type: ignore[misc]
        bystanders.check(1)
        assert server.status("VmHWM") - before < 20 * 1024, "kB of memory for their lines"
