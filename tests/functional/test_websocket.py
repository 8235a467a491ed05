"""WebSocket on the port of the lines: messages and lines, order, limits, slow readers, and how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from classcord.wire.protocol import MAX_LINE
from classcord.wire.websocket import BINARY, PING, TEXT
from tests.functional.test_console import admin
from tests.functional.test_watch import watching
from tests.hostile.tools import STEADY, launcher
from tests.support import Client, Server, WebClient, ask_http, frame, member, say, unique
from tests.support.web import answer, upgrade

PING_LINE, PONG_LINE = b'{"type":"ping"}', {"type": "pong"}
Address = tuple[str, int]
OwnServer = Callable[..., Server]


def address_of(server: Server) -> Address:
    return server.host, server.port


def test_a_message_has_one_or_more_lines_with_or_without_the_last_newline(address: Address) -> None:
    with WebClient(address) as client:
        for text, answers in ((PING_LINE, 1), (PING_LINE + b"\n", 1), (PING_LINE + b"\r\n" + PING_LINE, 2), (b"", 0)):
            client.send_raw(text)
            assert [client.receive() for _ in range(answers)] == [PONG_LINE] * answers
        client.send_frames(frame(TEXT, PING_LINE[:5], last=False) + frame(PING, b"hello"))
        client.send_frames(frame(0, PING_LINE[5:], last=False) + frame(0, b""))
        assert client.receive() == PONG_LINE
        assert client.ask(PING_LINE) == PONG_LINE  # the answer to the frame may have come only now
        assert (10, b"hello") in client.frames
        assert client.frames[-1] == (TEXT, b'{"type":"pong"}\n')


@pytest.mark.parametrize("turns", [4, 0])
def test_a_line_may_come_right_behind_the_request(own_server: OwnServer, turns: int) -> None:
    """Also while another thread delivers, so that both answers may come together: with 0 turns it always does."""
    changes = f"import classcord.delivery.registry; classcord.delivery.registry._TURNS = {turns}"
    with Client(address_of(own_server(command=launcher(changes)))) as client:
        client.send_raw(upgrade() + frame(TEXT, PING_LINE))
        assert client.read_line().startswith(b"HTTP/1.1 101 ")
        while client.read_line() != b"\r":
            pass
        assert client.read_line() == b'\x81\x10{"type":"pong"}'


def test_a_closing_client_gets_all_its_answers_and_its_own_code(address: Address) -> None:
    with WebClient(address) as client:
        client.send_raw((PING_LINE + b"\n") * 100)
        client.send_frames(frame(8, (3005).to_bytes(2, "big") + b"bye") + frame(TEXT, PING_LINE))
        assert client.at_end() == b'{"type":"pong"}\n' * 100
        assert client.code == 3005


@pytest.mark.parametrize(("data", "code"), [
    (frame(BINARY, PING_LINE), 1003), (frame(TEXT, b"\xff"), 1007), (b"\x81\x01a", 1002), (frame(3, b""), 1002),
    (frame(8, (1005).to_bytes(2, "big")), 1002),
])
def test_who_breaks_the_protocol_is_told_why(address: Address, data: bytes, code: int) -> None:
    with WebClient(address) as client:
        client.send_frames(frame(TEXT, PING_LINE) + data + frame(TEXT, PING_LINE))
        assert client.at_end() == b'{"type":"pong"}\n'
        assert client.code == code


def test_half_a_message_is_not_run(address: Address) -> None:
    with WebClient(address) as client:
        client.send_frames(frame(TEXT, PING_LINE, last=False) + frame(0, b"\xff", last=False))
        assert client.at_end() == b""
    with WebClient(address) as client:
        client.send_frames(frame(TEXT, PING_LINE, last=False))
        Client.half_close(client)
        assert client.at_end() == b""


def test_the_limits_of_lines_are_those_of_tcp(address: Address) -> None:
    with WebClient(address) as client, Client(address) as plain:
        for line in (b'{"type":"ping","a":"' + b"x" * (MAX_LINE - 22) + b'"}', b"x" * (MAX_LINE + 1), b"[" * 8000, b"5",
                     b"x" * 300_000, b'"\\ud800"', b'{"type":"dance"}'):
            client.send_raw(line)
            plain.send(line)
            assert client.receive() == plain.receive()


def test_a_message_that_does_not_end_is_ended(address: Address) -> None:
    with WebClient(address) as client:
        client.send_frames(bytes((1, 0xFF)) + (1 << 40).to_bytes(8, "big") + bytes(4))
        try:
            for _ in range(400):
                client.send_frames(b"x" * 65536)
        except OSError:
            pass  # it was ended before
        assert client.at_end().count(b"line_too_long") == 1


def test_everybody_reads_the_same_order(address: Address) -> None:
    with ExitStack() as stack:
        people = [
            stack.enter_context(member(address, unique("ordered"), kind)) for kind in (WebClient, Client) * 3
        ]
        for person in people:
            person.ask({"type": "users"})
        readers = [stack.enter_context(member(address, unique("reader"), kind)) for kind in (WebClient, Client)]
        for reader in readers:
            reader.pending()
        for number in range(50):
            for person in people:
                person.send(say(f"{person.name} {number}"))
        heard = []
        for reader in readers:
            texts: list[str] = []
            while len(texts) < 50 * len(people):
                line = reader.receive()
                if line["type"] == "message" and line["from"].startswith("ordered"):
                    texts.append(line["content"])
            heard.append(texts)
    assert heard[0] == heard[1]


def test_a_reader_that_comes_back_gets_every_frame_whole(own_server: OwnServer) -> None:
    server = own_server("--outbox-limit", str(1 << 26), "--stall-timeout", "3600")
    with member(address_of(server), "writer") as writer, WebClient(address_of(server), receive_buffer=4096) as reader:
        reader.ask({"type": "users"})
        texts = [f"{number} " + "x" * 3000 for number in range(600)]
        for text in texts:
            writer.send(say(text))
        writer.pending()
        got = [reader.until(type="message")["content"] for _ in texts]
    assert got == texts


def test_a_reader_that_never_reads_is_dropped_alone(own_server: OwnServer) -> None:
    server = own_server("--outbox-limit", str(1 << 19), "--stall-timeout", "3600")
    address = address_of(server)
    with (
        member(address, "writer") as writer, WebClient(address, receive_buffer=4096) as stuck,
        member(address, "reader", WebClient) as reader,
    ):
        for client in (stuck, reader):
            client.ask({"type": "users"})
        for number in range(100):
            writer.send(say(f"{number} " + "é" * 3900))
            assert reader.until(type="message")["content"].startswith(f"{number} ")
        server.wait_log("event=dropped reason=outbox_full")


def test_who_is_kicked_reads_why_and_a_stop_is_announced(own_server: OwnServer) -> None:
    server = own_server()
    with member(address_of(server), "bob", WebClient) as bob, member(address_of(server), "carla", WebClient) as carla:
        for client in (bob, carla):
            client.ask({"type": "users"})
        assert admin(server.data, "kick", "bob", "trop de bruit").returncode == 0
        lines = [json.loads(line) for line in bob.at_end().splitlines()]
        assert "trop de bruit" in lines[-1]["content"]
        assert bob.code == 1008
        assert server.stop() == 0
        lines = [json.loads(line) for line in carla.at_end().splitlines()]
        assert lines[-1]["from"] == "Serveur"
        assert carla.code == 1001


def test_floods_are_ended_as_over_tcp(own_server: OwnServer) -> None:
    server = own_server("--limits", "on", "--excess-time", "1", "--line-rate", "10", "--log-level", "debug",
                        command=launcher(STEADY))
    with WebClient(address_of(server)) as client:
        client.send_raw((PING_LINE + b"\n") * 1000)
        assert client.at_end().count(b'"code":"rate_limited"') == 1
        assert client.code == 1013
    server.wait_log("event=disconnected reason=flooding")


def test_frames_without_lines_count_as_bytes(own_server: OwnServer) -> None:
    server = own_server("--limits", "on", "--excess-time", "1", "--line-burst", "1000000", "--byte-burst", "131072",
                        "--byte-rate", "1024", command=launcher(STEADY))
    for flood in (frame(PING, b"x") * 20_000, frame(TEXT, b"", last=False) + frame(0, b"", last=False) * 100_000):
        with WebClient(address_of(server)) as client:
            try:
                client.send_frames(flood)
            except OSError:
                pass  # it was ended before
            assert client.at_end().count(b'"code":"rate_limited"') == 1


def test_the_console_sees_the_lines_and_not_the_frames(own_server: OwnServer) -> None:
    server = own_server()
    address = address_of(server)
    with watching(server.data, "--wire") as console, Client(address) as page:
        page.send_raw(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        page.at_end()
        seen = console.line() + "\n" + console.line()
        assert re.search(r"GET / HTTP/1\.1$", seen, re.MULTILINE)
        assert re.search(r"HTTP/1\.1 403 Forbidden$", seen, re.MULTILINE)
        assert "closed" in console.line()
        with WebClient(address) as client:
            client.send_frames(frame(PING, b"x"))
            client.send_raw(PING_LINE)
            client.receive()
            assert "GET /ws HTTP/1.1" in console.line()
            assert "HTTP/1.1 101 Switching Protocols" in console.line()
            lines = [console.line(), console.line()]
            assert sorted(line.partition("{")[2] for line in lines) == ['"type":"ping"}', '"type":"pong"}']


def test_a_silent_websocket_whose_place_is_given_up_is_told_so_in_a_close_frame(own_server: OwnServer) -> None:
    server = own_server("--limits", "on", "--max-connections", "2")
    with WebClient(address_of(server)) as silent, Client(address_of(server)) as page:
        page.send_raw(ask_http("/nothing"))
        assert answer(page)[0] == 404
        silent.send_frames(frame(PING, b""))
        assert silent.socket.recv(100) == b"\x8a\0", "its thread has done all about the 101"
        with Client(address_of(server)) as one, Client(address_of(server)) as two:
            for newcomer in (one, two):
                assert newcomer.ask({"type": "ping"}) == PONG_LINE
            assert page.at_end() == b"", "no line ends in a stream of HTTP"
            assert silent.at_end() == b"", "and none in one of WebSocket"
            assert silent.code == 1013
            assert "as many connections as it allows" in silent.reason
            assert len(silent.frames) == 1
