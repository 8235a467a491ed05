"""WebSocket from hostile clients: each ends alone, and takes no memory with it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from classcord.wire.websocket import BINARY, PING, TEXT
from tests.support import Bystanders, Client, Server, WebClient, frame, unique
from tests.support.web import upgrade

ENDLESS = bytes((1, 0xFF)) + (1 << 62).to_bytes(8, "big") + bytes(4)
"""The head of a text frame that has no end in sight."""


def hijack(name: str) -> bytes:
    """Lines that would let a guest speak."""
    return json.dumps({"type": "message", "content": "hijacked", "from": name}).encode() + b"\n"


def push(client: WebClient, data: bytes, times: int = 1) -> None:
    """Send as much of this as the server takes."""
    try:
        for _ in range(times):
            client.send_frames(data)
    except OSError:
        pass  # it has ended the connection


@pytest.mark.parametrize("data", [
    frame(BINARY, b"{}"), frame(TEXT, b"\xff"), b"\x81\x05hello", frame(3, b""), frame(8, b"\x03"),
    b"\xf1\x80" + bytes(4), frame(0, b"a"), frame(TEXT, b"a", last=False) * 2, frame(PING, b"a", last=False),
    frame(PING, bytes(126)),
], ids=repr)
def test_nothing_behind_a_broken_frame_is_run(address: tuple[str, int], bystanders: Bystanders, data: bytes) -> None:
    name = unique("broken")
    with WebClient(address) as client:
        push(client, data + frame(TEXT, hijack(name)))
        client.at_end()
        assert client.code is not None
        assert 1002 <= client.code <= 1007
    bystanders.check()
    assert [line for line in bystanders.seen if line.get("from") == name] == []


def test_random_bytes(address: tuple[str, int], bystanders: Bystanders) -> None:
    source = random.Random(11)
    for _ in range(200):
        with Client(address) as client:
            client.send_raw(upgrade() + source.randbytes(source.randrange(400)))
            client.half_close()
            assert client.at_end().startswith(b"HTTP/1.1 101 ")
    bystanders.check()


def test_an_endless_message_takes_no_memory(own_server: Callable[..., Server]) -> None:
    server = own_server()
    address = (server.host, server.port)
    with Bystanders(address) as bystanders:
        before = server.status("VmRSS")
        with WebClient(address) as client:
            push(client, ENDLESS)
            push(client, b"x" * 65536, 300)
            bystanders.check()
            assert client.at_end().count(b"line_too_long") == 1
        assert server.status("VmRSS") - before < 8 * 1024, "kB"


def test_a_million_pings_from_one_who_never_reads(own_server: Callable[..., Server]) -> None:
    """Who does not take its pongs is not read."""
    server = own_server("--stall-timeout", "1")
    address = (server.host, server.port)
    with Bystanders(address) as bystanders, WebClient(address, receive_buffer=4096) as client:
        before = server.status("VmRSS")
        push(client, frame(PING, bytes(125)) * 500, 2000)
        bystanders.check()
        assert server.status("VmRSS") - before < 8 * 1024, "kB"
    server.wait_log("event=dropped reason=stalled")
