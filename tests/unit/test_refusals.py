"""What a connection is told that gets no thread."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from classcord.net.refusals import MOST_OPEN, Refusals
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import Texts
from tests.unit.test_newcomers import Clock

FULL = ProtocolError("server_full", "The server is full.")


class Door:
    """Refuses connections, at a time that a test sets."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.refusals = Refusals(Texts("fr"), self.clock)
        self.clients: list[socket.socket] = []

    def refuse(self, first: bytes, error: ProtocolError = FULL) -> socket.socket:
        """A client that has said this when it is refused."""
        client, ours = socket.socketpair()
        self.clients.append(client)
        client.sendall(first)
        client.setblocking(False)
        self.refusals.add(ours, error)
        return client

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.refusals.look()


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.refusals.close()
    for client in made.clients:
        client.close()


def heard(client: socket.socket) -> bytes | None:
    """What has come; None if nothing has."""
    try:
        return client.recv(65536)
    except BlockingIOError:
        return None


def test_a_browser_gets_a_page_that_it_can_show(door: Door) -> None:
    client = door.refuse(b"GET / HTTP/1.1\r\nHost: 10.0.108.42\r\n\r\n")
    head, _, body = (heard(client) or b"").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 10\r\n" in head
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in head
    assert b"\r\nConnection: close" in head
    assert "Le serveur est plein" in body.decode()
    assert heard(client) == b""


def test_one_from_a_banned_address_too(door: Door) -> None:
    said = heard(door.refuse(b"GET /ws HTTP/1.1\r\n", ProtocolError("banned", "banned for 5 min"))) or b""
    assert said.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"Retry-After" not in said
    assert "exclut cette adresse" in said.decode()


def test_to_head_there_is_no_body(door: Door) -> None:
    assert (heard(door.refuse(b"HEAD / HTTP/1.1\r\n\r\n")) or b"").endswith(b"\r\n\r\n")


def test_others_get_a_line(door: Door) -> None:
    assert json.loads(heard(door.refuse(b'{"type":"users"}\n')) or b"")["code"] == "server_full"
    assert json.loads(heard(door.refuse(b"bonjour")) or b"")["code"] == "server_full"


def test_who_says_nothing_is_told_a_moment_later(door: Door) -> None:
    silent, browser = door.refuse(b""), door.refuse(b"")
    assert heard(silent) is None
    browser.sendall(b"GET / HTTP/1.1\r\n")  # a moment after the connection itself
    door.pass_time(0.1)
    assert heard(silent) is None
    door.pass_time(0.2)
    assert json.loads(heard(silent) or b"")["code"] == "server_full"
    assert (heard(browser) or b"").startswith(b"HTTP/1.1 503 ")


def test_few_stay_open(door: Door) -> None:
    clients = [door.refuse(b"") for _ in range(2 * MOST_OPEN)]
    told = [client for client in clients if heard(client)]
    assert len(told) == 2 * MOST_OPEN - MOST_OPEN // 2
    door.pass_time(0.3)
    door.pass_time(1.1)
    for client in clients:
        client.setblocking(True)
        while client.recv(65536):
            pass
        with pytest.raises(BrokenPipeError):  # the server's end is closed
            client.sendall(b"x")
