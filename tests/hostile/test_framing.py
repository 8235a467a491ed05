"""Lines cut anywhere, ended in any way, too long or without end, and connections closed half-way."""

from __future__ import annotations

import functools
import json
import re
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from classcord.wire.protocol import MAX_DISCARD, MAX_LINE, MAX_OVERRUN
from tests.hostile.asking import PING, PONG, Connect, Join, Logged, answers, heard, refused, works
from tests.hostile.tools import at_once, launcher
from tests.support import DEADLINE, Bystanders, Client, Server, member, say, unique

pytestmark = pytest.mark.usefixtures("bystanders")

MIB = 1024 * 1024
LIMIT, QUIET = 8.0, 9.0
"""Seconds that an endless line has in one test, and more than that, for which a connection must stay open."""


def line_of(length: int, text: str) -> bytes:
    """A message with a line of exactly so many bytes, without the newline."""
    line = json.dumps(say(text, padding="")).encode()
    return line.replace(b'"padding": ""', b'"padding": "' + b"p" * (length - len(line)) + b'"')


def contents(bystanders: Bystanders, sender: Client) -> list[str]:
    """What this client said to everybody."""
    return [line["content"] for line in heard(bystanders, sender.name)]


@pytest.fixture
def patient(own_server: Callable[..., Server]) -> Server:
    """A server without a time limit for lines: on a busy machine, megabytes may take longer than the limit."""
    return own_server(command=launcher("from handlers import connection\nconnection._OVERRUN_TIME = 3600"))


@pytest.fixture
def witnesses(patient: Server) -> Iterator[Bystanders]:
    """The bystanders of that server."""
    with Bystanders((patient.host, patient.port)) as people:
        yield people


# --- cut anywhere ---


def test_a_line_byte_by_byte(join: Join, bystanders: Bystanders) -> None:
    client = join("slow")
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in json.dumps(say("byte après byte 😀"), ensure_ascii=False).encode() + b"\r\n":
        client.send_raw(bytes([byte]))
    works(client)
    assert contents(bystanders, client) == ["byte après byte 😀"]


def test_three_lines_in_one_segment_come_in_order(join: Join, bystanders: Bystanders) -> None:
    client = join("fast")
    client.send(say("one"), say("two"), say("three"))
    works(client)
    assert contents(bystanders, client) == ["one", "two", "three"]


def test_a_line_cut_anywhere_even_inside_a_character(join: Join, bystanders: Bystanders) -> None:
    client = join("cut")
    client.pending()
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    line = json.dumps({"type": "message", "content": "é😀漢"}, ensure_ascii=False).encode()
    cuts = [1, 2, 8, 20, *range(line.index("é".encode()), len(line))]
    for cut in cuts:
        # when the answer is here, the server has read the first half alone
        client.send_raw(b'{"type":"ping"}\n' + line[:cut])
        assert client.receive() == PONG
        client.send_raw(line[cut:] + b"\n")
    works(client)
    assert contents(bystanders, client) == ["é😀漢"] * len(cuts)


# --- ends of lines, blanks ---


@pytest.mark.parametrize("line", [
    b'{"type":"ping"}\r', b'  {"type":"ping"}', b'{"type":"ping"}  \t', b'\xef\xbb\xbf{"type":"ping"}',
    b'\xef\xbb\xbf\xef\xbb\xbf{"type":"ping"}', b' \xef\xbb\xbf \xef\xbb\xbf\t{"type":"ping"}',
    b'\xef\xbb\xbf  {"type":"ping"}\r', b'\t{ "type" : "ping" }\r', b'{\r"type":\r"ping"}',
])
def test_line_ends_spaces_and_byte_order_marks_are_accepted(connect: Connect, line: bytes) -> None:
    client = connect()
    for _ in range(3):  # a BOM may stand before every line
        assert client.ask(line) == PONG


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf" * 2, b"\xef\xbb\xbf ", b" \xef\xbb\xbf"])
@pytest.mark.parametrize("word", [b"help", b"AIDE\r", b"?", b" help "])
def test_a_bare_word_is_known_behind_a_byte_order_mark(connect: Connect, mark: bytes, word: bytes) -> None:
    assert connect().ask(mark + word)["type"] == "help"


def test_another_word_behind_a_byte_order_mark_gets_the_friendly_hint(connect: Connect) -> None:
    client = connect()
    assert client.ask(b"\xef\xbb\xbfhello") == client.ask(b"hello")


def test_blank_lines_are_ignored(connect: Connect) -> None:
    client = connect()
    client.send_raw(b"\n\r\n \n\t\r\n\n\xef\xbb\xbf\n\xef\xbb\xbf\r\n" + b"\xef\xbb\xbf" * 2 + b"\n" * 30)
    works(client)


# --- half-closed ---


@pytest.mark.parametrize(("last", "answer"), [
    (b'{"type":"ping"}', PONG), (b'{"type":"ping"}\r', PONG), (b"junk", "invalid_json"), (b"{", "invalid_json"),
    (b'{"type":"caf\xc3', "invalid_json"), (b"x" * (MAX_LINE + 1), "line_too_long"),
])
@pytest.mark.parametrize("before", [b"", b'{"type":"ping"}\n'])
def test_a_last_line_without_newline_is_answered_before_the_close(
    connect: Connect, before: bytes, last: bytes, answer: object
) -> None:
    client = connect()
    client.send_raw(before + last)
    client.half_close()
    if before:
        assert client.receive() == PONG
    got = client.receive()
    assert answer in (got, got.get("code"))
    assert client.at_end() == b""


def test_a_message_without_newline_is_delivered_before_the_sender_is_gone(
    join: Join, bystanders: Bystanders
) -> None:
    client = join("hasty")
    client.send_raw(json.dumps(say("last words")).encode())
    client.half_close()
    bystanders.one.until(type="message", **{"from": client.name}, content="last words")
    bystanders.one.until(type="status", user=client.name, state="offline")
    client.at_end()


def test_a_half_close_right_after_the_requests_loses_nothing_of_a_large_answer(connect: Connect) -> None:
    client = connect()
    client.send(*[{"type": "help"}] * 300, PING)
    client.half_close()
    lines = client.at_end().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["help"] * 300 + ["pong"]


def test_users_from_netcat_arrives_before_the_close(connect: Connect, bystanders: Bystanders) -> None:
    client = connect()
    client.send_raw(b'{"type":"users"}\n')
    client.half_close()
    first = json.loads(client.at_end().splitlines()[0])
    assert first["type"] == "users"
    assert {bystanders.one.name, bystanders.two.name} <= set(first["users"])


# --- too long ---


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_of_exactly_the_limit_works(join: Join, bystanders: Bystanders, end: bytes) -> None:
    client = join("exact")
    line = line_of(MAX_LINE, "just fits")
    assert len(line) == MAX_LINE
    client.send_raw(line + end)
    works(client)
    assert contents(bystanders, client) == ["just fits"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_of_one_byte_more_is_refused_once(join: Join, bystanders: Bystanders, end: bytes) -> None:
    client = join("over")
    client.send_raw(line_of(MAX_LINE + 1, "does not fit") + end)
    assert [error["code"] for error in answers(client)] == ["line_too_long"]
    client.send(say("next"))
    works(client)
    assert contents(bystanders, client) == ["next"]


@pytest.mark.parametrize("length", [MAX_LINE + 1, 3 * MAX_LINE, MIB + 1, 10 * MIB])
def test_nothing_in_the_tail_of_a_line_over_the_limit_is_parsed(
    patient: Server, witnesses: Bystanders, length: int
) -> None:
    tail = json.dumps(say("from the tail")).encode()
    with member((patient.host, patient.port), unique("tail")) as client:
        client.send_raw(b"x" * length + tail + b"\r" + tail + b"\n" + json.dumps(say("next")).encode() + b"\n")
        assert [error["code"] for error in answers(client)] == ["line_too_long"]
        assert contents(witnesses, client) == ["next"]


def test_a_line_of_ten_mebibytes_is_refused_once_each_time_it_comes(patient: Server) -> None:
    with Client((patient.host, patient.port)) as client:
        for _ in range(3):
            refused(client, b'{"type":"dance"} ' * (10 * MIB // 17), "line_too_long")


def test_long_lines_that_end_keep_memory_flat(patient: Server, witnesses: Bystanders) -> None:
    def overrun() -> None:
        with Client((patient.host, patient.port)) as client:
            refused(client, b"x" * (12 * MIB), "line_too_long")

    at_once([functools.partial(refuse_small, patient) for _ in range(8)])
    before = patient.status("VmRSS")
    at_once([overrun] * 8)
    witnesses.check()
    assert patient.status("VmHWM") - before < 10 * 1024  # kB; one such line alone has 12 MiB


def refuse_small(server: Server) -> None:
    """The same clients with short lines: the memory that threads and buffers need anyway."""
    with Client((server.host, server.port)) as client:
        refused(client, b"x" * (2 * MAX_LINE), "line_too_long")


# --- without end ---


def flood(client: Client, most: int) -> int:
    """Send at most so many bytes without a newline, until the server closes; return how many the socket took."""
    sent, chunk = 0, b"y" * MAX_LINE
    try:
        while sent < most:
            sent += client.socket.send(chunk)
    except OSError:
        pass
    return sent


def test_endless_bytes_are_closed_and_memory_stays_flat(own_server: Callable[..., Server]) -> None:
    server = own_server()
    address = (server.host, server.port)

    def endless() -> int:
        with Client(address) as client:
            return flood(client, 10 * MAX_DISCARD)

    with Bystanders(address) as bystanders:
        at_once([functools.partial(refuse_small, server) for _ in range(4)])
        before = server.status("VmRSS")
        for sent in at_once([endless] * 4):
            assert MAX_OVERRUN < sent < 5 * MAX_DISCARD  # beyond the limit there are the buffers of the two kernels
        bystanders.check()
        assert server.status("VmHWM") - before < 10 * 1024
    assert server.stop() == 0
    assert sum(re.search("event=endless_line .*hint=", line) is not None for line in server.log) == 4
    assert not [line for line in server.log if "internal_error" in line]


def test_a_long_line_that_stops_without_newline_is_told_then_closed(connect: Connect, logged: Logged) -> None:
    client = connect()
    client.send_raw(b"z" * (MAX_OVERRUN + 1))
    assert client.receive()["code"] == "line_too_long"
    assert client.at_end() == b""
    logged(client, "event=endless_line hint=.*")


def test_a_long_line_that_trickles_on_is_closed(connect: Connect, logged: Logged) -> None:
    client = connect()
    client.send_raw(b"z" * (MAX_OVERRUN + 1))
    assert client.receive()["code"] == "line_too_long"
    trickled = 0
    while not select.select([client.socket], [], [], 0.05)[0]:
        try:
            client.send_raw(b"z")
        except OSError:
            break  # closed meanwhile
        trickled += 1
        assert trickled * 0.05 < DEADLINE, "it may trickle for ever"
    assert client.at_end() == b""
    logged(client, "event=endless_line hint=.*")


def test_only_a_line_far_over_the_limit_has_a_deadline(own_server: Callable[..., Server]) -> None:
    """These close no connection: a long line that has ended, a line just over the limit, silence."""
    # on a busy machine the long line may take longer than the two seconds that it has
    server = own_server(command=launcher(f"from handlers import connection\nconnection._OVERRUN_TIME = {LIMIT}"))
    with Bystanders((server.host, server.port)) as bystanders, ExitStack() as stack:
        four = [stack.enter_context(Client((server.host, server.port))) for _ in range(4)]
        ended, over, begun, silent = four
        refused(ended, b"x" * (2 * MAX_OVERRUN), "line_too_long")
        over.send_raw(b"x" * (4 * MAX_LINE))
        assert over.receive()["code"] == "line_too_long"
        begun.send_raw(b'{"type":')
        assert select.select([client.socket for client in four], [], [], QUIET)[0] == []
        over.send_raw(b"\n")
        begun.send_raw(b'"ping"}\n')
        assert begun.receive() == PONG
        for client in four:
            works(client)
        name = unique("late")
        assert silent.register(name)["status"] == "ok"
        assert silent.login(name)["status"] == "ok"
        bystanders.one.until(type="status", user=name, state="online")
