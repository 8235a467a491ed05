"""The listening server: the options of its sockets, and the warning about a NAT."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from socket import IPPROTO_TCP, SO_ERROR, SO_KEEPALIVE, SO_SNDBUF, SOL_SOCKET, TCP_KEEPIDLE, TCP_NODELAY

from classcord.net.listener import ChatServer
from classcord.net.sockets import SEND_BUFFER
from tests.support import ROOT, Client, Server, fields


def test_accepted_sockets_send_at_once_keep_alive_and_hold_little(start: Callable[..., ChatServer]) -> None:
    running = start()
    with Client(("127.0.0.1", running.server_address[1])) as client:
        assert client.pending() == []
        (accepted,) = running._open
        assert accepted.getsockopt(IPPROTO_TCP, TCP_NODELAY) == 1
        assert accepted.getsockopt(SOL_SOCKET, SO_KEEPALIVE) == 1
        assert accepted.getsockopt(IPPROTO_TCP, TCP_KEEPIDLE) == 60
        assert accepted.getsockopt(SOL_SOCKET, SO_SNDBUF) <= 4 * SEND_BUFFER  # the kernel doubles it
        assert accepted.getsockopt(SOL_SOCKET, SO_ERROR) == 0


def test_one_warning_when_most_clients_show_one_private_address(own_server: Callable[..., Server]) -> None:
    """As behind VirtualBox's NAT, where all clients have the address 10.0.2.2."""
    launcher = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import server, handlers.connection, classcord.net.listener\n"
        "classcord.net.listener.peer_address = handlers.connection.peer_address = lambda address: '10.0.2.2'\n"
        "classcord.net.listener.from_here = handlers.connection.from_here = lambda connection, peer: False\n"
        "sys.exit(server.main(sys.argv[1:]))"
    )
    server = own_server(command=[sys.executable, "-c", launcher])
    with ExitStack() as stack:
        for _ in range(12):
            client = stack.enter_context(Client((server.host, server.port)))
            assert client.pending() == []
    assert server.stop() == 0
    warnings = [line for line in server.log if "event=nat_hides_clients" in line]
    assert [fields(line)["peer"] for line in warnings] == ["10.0.2.2"]
    assert fields(server.wait_log("event=connected"))["peer"] == "10.0.2.2"
