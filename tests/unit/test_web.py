"""The transport under HTTP and WebSocket: what goes out, however little the socket takes, and what comes in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.net.outbox import Outbox
from classcord.net.transport import Raw
from classcord.net.web import Web
from classcord.wire import websocket
from classcord.wire.websocket import BINARY, PING, TEXT
from tests.support.web import frame

OPENED = Raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")


class Narrow:
    """Stands for a socket that takes as many bytes as it is told, call for call."""

    def __init__(self, takes: list[int]) -> None:
        self.takes = takes
        self.data = b""
        self.calls = 0

    def recv(self, most: int) -> bytes:
        raise AssertionError

    def send(self, data: bytes, flags: int) -> int:
        assert flags == socket.MSG_DONTWAIT
        self.calls += 1
        room = self.takes.pop(0) if self.takes else 1 << 30
        if not room:
            raise BlockingIOError
        taken = bytes(data[:room])
        self.data += taken
        return len(taken)


BLOCKS = st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=200)), max_size=8)


@given(BLOCKS, st.lists(st.integers(0, 90)))
def test_frames_are_whole_however_little_the_socket_takes(blocks: list[tuple[bool, bytes]], takes: list[int]) -> None:
    narrow = Narrow(takes)
    outbox = Outbox(Web(cast(Any, narrow), lambda frames, size: None).send, 1 << 20)
    outbox.send(OPENED, 0)
    expected = bytes(OPENED)
    for raw, data in blocks:
        outbox.send(Raw(data) if raw else data, 0)
        expected += data if raw else websocket.head(len(data)) + data
    while outbox.pending:
        outbox.resume(0)
    assert narrow.data == expected


def test_a_block_takes_one_call() -> None:
    narrow = Narrow([])
    web = Web(cast(Any, narrow), lambda frames, size: None)
    web.send(OPENED)
    narrow.calls = 0
    assert web.send(b"x" * 70_000) == 70_000
    assert narrow.calls == 1
    other = Narrow([])
    framed = Web(cast(Any, other), lambda frames, size: None)
    framed.send(OPENED)
    framed.send(b"x" * 70_000)
    assert other.data == narrow.data


def test_lines_go_nowhere_before_the_upgrade() -> None:
    narrow = Narrow([])
    web = Web(cast(Any, narrow), lambda frames, size: None)
    assert web.send(b'{"type":"error"}\n') == 17
    assert web.send(Raw(b"HTTP/1.1 200 OK\r\n\r\n")) == 19
    assert web.send(b'{"type":"error"}\n') == 17
    assert narrow.data == b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def pair() -> Iterator[tuple[Web, socket.socket, list[tuple[bytes, int]]]]:
    ours, theirs = socket.socketpair()
    told: list[tuple[bytes, int]] = []
    with ours, theirs:
        yield Web(ours, lambda frames, size: told.append((frames, size))), theirs, told


Pair = tuple[Web, socket.socket, list[tuple[bytes, int]]]


def received(web: Web) -> bytes:
    """All lines until the end."""
    data = b""
    while more := web.receive(1024):
        data += more
    return data


def test_messages_become_lines(pair: Pair) -> None:
    web, theirs, told = pair
    web.upgrade(frame(TEXT, b"a") + frame(TEXT, b"b\nc\n") + frame(TEXT, b""))
    theirs.sendall(frame(TEXT, b"d", last=False) + frame(PING, b"?") + frame(0, b"e") + frame(PING, b"!"))
    theirs.sendall(frame(8, b"\x03\xe9") + frame(TEXT, b"late"))
    assert received(web) == b"a\nb\nc\nde\n"
    assert b"".join(frames for frames, _ in told) == b"\x8a\x01?\x8a\x01!"
    assert (web.code, web.failure) == (1001, None)
    web.send(OPENED)
    web.end_sending()
    assert theirs.recv(1024) == OPENED + b"\x88\x02\x03\xe9"
    assert theirs.recv(1024) == b""


@pytest.mark.parametrize(("data", "code"), [
    (frame(BINARY, b"a\n"), 1003), (frame(TEXT, b"\xff"), 1007), (b"\x81\x00", 1002),
])
def test_what_breaks_the_protocol_ends_it(pair: Pair, data: bytes, code: int) -> None:
    web, theirs, _ = pair
    web.upgrade(b"")
    theirs.sendall(frame(TEXT, b"a") + data + frame(TEXT, b"late"))
    assert received(web) == b"a\n"
    assert web.code == code
    assert web.failure


def test_what_has_no_line_is_counted(pair: Pair) -> None:
    web, theirs, told = pair
    web.upgrade(b"")
    theirs.sendall(frame(TEXT, b"", last=False) + frame(0, b"", last=False) * 20)
    theirs.shutdown(socket.SHUT_WR)
    assert received(web) == b""
    assert sum(size for _, size in told) == 6 * 21


def test_a_full_read_is_known_as_one_though_the_heads_of_frames_are_no_lines(pair: Pair) -> None:
    """Else the server would read a busy client in the smallest pieces, and nothing would be joined."""
    web, theirs, _ = pair
    web.upgrade(b"")
    theirs.sendall(frame(TEXT, b"a" * 50) * 100)
    assert len(web.receive(1024)) < 1024
    assert web.size == 1024


def test_silence_is_answered_with_a_ping(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classcord.net.web.SILENCE", 0.01)
    web, theirs, told = pair
    web.upgrade(b"")

    def control(frames: bytes, size: int) -> None:
        told.append((frames, size))
        if len(told) == 2:
            theirs.shutdown(socket.SHUT_WR)

    web._control = control
    assert web.receive(1024) == b""
    assert told == [(b"\x89\x00", 0)] * 2


def test_a_limit_of_time_is_told_to_the_one_who_set_it(pair: Pair) -> None:
    web, _, told = pair
    web.upgrade(b"")
    web.receive_timeout(0.01)
    with pytest.raises(BlockingIOError):
        web.receive(1024)
    assert told == []


def test_the_end_says_why_only_between_two_frames() -> None:
    for takes, expected in (([40], b"\x88\x02\x03\xe9"), ([40, 5], b"")):
        narrow = Narrow(takes)
        web = Web(cast(Any, narrow), lambda frames, size: None)
        narrow.shutdown = lambda how: None  # type: ignore[attr-defined]
        web.send(OPENED)
        if expected == b"":
            web.send(b"0123456789")
        before = len(narrow.data)
        web.end()
        assert narrow.data[before:] == expected
