"""A listening socket from systemd, which keeps it open while one server stops and the next starts."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from classcord.net.listener import ChatServer
from classcord.net.peer import Peer
from classcord.net.sockets import SEND_BUFFER
from tests.deploy.machines import until
from tests.hostile.tools import abort
from tests.support import DEADLINE, IPV6_IS_OFF, ROOT, Client, Closed, Server, fields, has_ipv6, listener, member

OwnServer = Callable[..., Server]
_numbers = itertools.count()

LAUNCHER = """
import os, sys
for number, given in enumerate(os.environ.pop("GIVEN").split()):
    os.dup2(int(given), 3 + number)
    os.set_inheritable(3 + number, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="x")
os.execv(sys.executable, [sys.executable, "server.py", *sys.argv[1:]])
""".replace('"server.py"', repr(str(ROOT / "server.py")))


def handing_over(*sockets: socket.socket) -> dict[str, Any]:
    """Arguments of Server that hand these sockets over as systemd does."""
    given = [each.fileno() for each in sockets]
    return {
        "command": [sys.executable, "-c", LAUNCHER], "pass_fds": given,
        "env": {"GIVEN": " ".join(map(str, given)), "LISTEN_FDS": str(len(given))},
    }


@pytest.fixture
def shared() -> Iterator[socket.socket]:
    """A listening socket as systemd makes it: not blocking, and never closed over a restart."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as made:
        made.setblocking(False)
        yield made


def test_it_serves_on_the_socket_it_is_given(own_server: OwnServer, shared: socket.socket) -> None:
    server = own_server("--port", "1", **handing_over(shared))
    assert server.port == shared.getsockname()[1]
    with Client(shared.getsockname()) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}
    line = fields(server.wait_log("event=setting_without_effect"))
    assert "classcord.socket" in line["hint"]


def test_who_comes_between_two_servers_is_served_by_the_second(own_server: OwnServer, shared: socket.socket) -> None:
    address = shared.getsockname()
    first = own_server(**handing_over(shared))
    with member(address, "early") as early:
        assert first.stop() == 0
        assert early.at_end() != b"", "it was told that the server stops"
    with Client(address) as waiting:
        waiting.send({"type": "ping"})
        own_server(**handing_over(shared))
        assert waiting.receive() == {"type": "pong"}
        assert waiting.login("early")["status"] == "ok"


def test_a_restart_refuses_nobody(own_server: OwnServer, shared: socket.socket) -> None:
    address = shared.getsockname()
    over = threading.Event()
    served: list[bool] = []
    failures: list[Exception] = []

    def come_and_go() -> None:
        while not over.is_set():
            try:
                with Client(address) as client:
                    client.send({"type": "ping"})
                    try:
                        served.append(client.receive() == {"type": "pong"})
                    except Closed:
                        served.append(False)
            except Exception as error:
                failures.append(error)

    server = own_server(**handing_over(shared))
    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for seen in (20, 40, 60):
        until(partial(lambda seen: failures or len(served) > seen, seen), "clients come and go")
        assert server.stop() == 0
        server = own_server(**handing_over(shared))
    until(lambda: failures or len(served) > 80, "clients come and go")
    over.set()
    for thread in threads:
        thread.join(DEADLINE)
    assert failures == []
    # clients of a server that stops see the end instead of an answer: at most one for each thread and restart
    assert served.count(False) <= 3 * len(threads)


def test_what_is_set_on_accepted_sockets(start: Callable[..., ChatServer], shared: socket.socket) -> None:
    made = start(socket.socket(fileno=os.dup(shared.fileno())))
    with Client(shared.getsockname()) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}
        (accepted,) = made._open
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 4 * SEND_BUFFER
        assert accepted.getblocking()
        assert made.self_test()[0]


def _datagrams() -> list[socket.socket]:
    return [socket.socket(socket.AF_INET, socket.SOCK_DGRAM)]


def _idle() -> list[socket.socket]:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return [made]


def _local() -> list[socket.socket]:
    made = socket.socket(socket.AF_UNIX)
    made.bind(f"\0classcord-test-{os.getpid()}-{next(_numbers)}")
    made.listen()
    return [made]


def _two() -> list[socket.socket]:
    return [socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))]


def _no_socket() -> list[socket.socket]:
    reader, writer = os.pipe()
    os.close(writer)

    class File(socket.socket):
        def __init__(self) -> None:
            super().__init__()
            os.dup2(reader, self.fileno())
            os.close(reader)

    return [File()]


@pytest.mark.parametrize("make", [_datagrams, _idle, _local, _two, _no_socket], ids=lambda make: make.__name__[1:])
def test_anything_else_is_refused_in_one_line(tmp_path: Path, make: Callable[[], list[socket.socket]]) -> None:
    sockets = make()
    given = handing_over(*sockets)
    done = subprocess.run(
        [*given["command"], "--port", "0", "--data", str(tmp_path)], env={**os.environ, **given["env"]},
        pass_fds=given["pass_fds"], capture_output=True, text=True, timeout=DEADLINE, check=False,
    )
    for each in sockets:
        each.close()
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "classcord.socket must have exactly one ListenStream=" in line


def test_the_self_test_knows_a_socket_for_ipv6_alone(start: Callable[..., ChatServer]) -> None:
    """Something else may have the port of IPv4."""
    if not has_ipv6():
        pytest.skip(IPV6_IS_OFF)
    with ExitStack() as stack:
        given = socket.socket(socket.AF_INET6)
        given.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        while True:
            port = stack.enter_context(listener(b"220 mail.example ESMTP\r\n"))
            try:
                given.bind(("::", port))
                break
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                # another program has it on IPv6
        given.listen()
        given.setblocking(False)
        assert start(given).self_test()[0]


def test_a_connection_that_was_reset_before_it_is_accepted_gets_no_thread(
    start: Callable[..., ChatServer], shared: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted: list[int] = []
    process_request = ChatServer.process_request

    def accept(server: ChatServer, request: socket.socket, peer: Peer) -> None:
        accepted.append(peer.port)
        process_request(server, request, peer)

    monkeypatch.setattr(ChatServer, "process_request", accept)
    shared.listen()
    for _ in range(5):
        early = Client(shared.getsockname())
        early.send({"type": "message", "from": "early", "content": "hello"})
        abort(early)
    start(shared)
    with Client(shared.getsockname()) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}
        assert accepted == [client.socket.getsockname()[1]]
