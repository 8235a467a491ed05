"""Bytes and lines: encodings, line ends, errors that leave the connection open, silence for silent clients."""

from __future__ import annotations

import json
import socket
import struct

import pytest

from tests.functional.lines import Connect, Join, about, after, contents, errors, states, users
from tests.support import say, unique

TEXT = "Ça va, Zoé ? œ € ’ “ ”"
"""Characters that Windows-1252 has."""


def test_nothing_is_sent_on_connection(connect: Connect) -> None:
    client = connect()
    assert client.pending() == []


def test_a_socket_that_has_not_spoken_gets_nothing_and_stays_open(connect: Connect, join: Join) -> None:
    idle, alice = connect(), join("alice")
    bob = join("bob")
    alice.send(say("not for the idle socket"), {"type": "status", "state": "away"})
    alice.pending()
    bob.close()
    alice.until(type="status", user=bob.name, state="offline")
    assert idle.pending() == []
    assert idle.register(unique("idle")) == {"type": "register", "status": "ok"}


def test_nothing_unsolicited_reaches_a_socket_between_register_and_login(connect: Connect, join: Join) -> None:
    alice, client = join("alice"), connect()
    name = unique("slow")
    client.register(name)
    alice.send(say("hello"), {"type": "status", "state": "dnd"})
    assert after(alice, client) == []
    assert client.login(name)["status"] == "ok"


def test_output_is_ascii_with_escapes(join: Join) -> None:
    alice, bob = join("zoé"), join("bob")
    alice.send(say(TEXT + " \U0001f600 \u2028 漢"))
    while True:
        line = bob.read_line()
        if json.loads(line).get("from") == alice.name:
            break
    assert line.isascii()
    assert b"\\u00e9" in line
    assert b"\\ud83d\\ude00" in line
    assert b"\r" not in line
    assert json.loads(line)["content"] == TEXT + " \U0001f600 \u2028 漢"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("escaped", [True, False])
def test_lines_in_any_known_encoding_are_understood(join: Join, encoding: str, end: bytes, escaped: bool) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(json.dumps(say(TEXT), ensure_ascii=escaped).encode(encoding), end=end)
    assert contents(after(alice, bob), alice.name) == [TEXT]


def test_each_line_is_decoded_by_itself(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    for encoding in ("cp1252", "utf-8", "cp1252"):
        alice.send(json.dumps(say("é"), ensure_ascii=False).encode(encoding))
    assert contents(after(alice, bob), alice.name) == ["é", "é", "é"]


def test_blank_lines_are_ignored(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    alice.send_raw(b"\n\r\n   \n\t\r\n")
    assert errors(alice.pending()) == []
    assert about(bob.pending(), alice.name) == []


def test_spaces_around_a_line_and_inside_it_are_accepted(connect: Connect) -> None:
    assert connect().ask(b'  { "type" :\t"ping" }  ') == {"type": "pong"}


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("character", ["é", "€", "\U0001f600"])
def test_a_character_may_straddle_two_reads(join: Join, encoding: str, character: str) -> None:
    if encoding == "cp1252" and len(character.encode()) == 4:
        character = "ÿ"
    alice, bob = join("alice"), join("bob")
    line = json.dumps(say(f"a{character}b"), ensure_ascii=False).encode(encoding) + b"\n"
    start = line.index(f"a{character}b".encode(encoding)) + 2
    # bytes in one segment with the ping have been read once the ping is answered
    alice.send_raw(b'{"type":"ping"}\n' + line[:start])
    alice.until(type="pong")
    alice.send_raw(line[start:])
    assert contents(after(alice, bob), alice.name) == [f"a{character}b"]


def test_a_line_may_come_one_byte_at_a_time(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    for byte in json.dumps(say("é"), ensure_ascii=False).encode() + b"\r\n":
        alice.send_raw(bytes([byte]))
    assert contents(after(alice, bob), alice.name) == ["é"]


def test_several_lines_in_one_segment_are_answered_in_order(connect: Connect) -> None:
    client = connect()
    name = unique("alice")
    client.send(
        {"type": "register", "username": name, "password": "x"}, {"type": "ping"},
        {"type": "login", "username": name, "password": "x"}, {"type": "logout"},
    )
    assert [client.receive()["type"] for _ in range(4)] == ["register", "pong", "login", "logout"]


WRONG_LINES: list[tuple[bytes, str]] = [
    (b"5", "invalid_json"), (b"[1]", "invalid_json"), (b"null", "invalid_json"), (b'"x"', "invalid_json"),
    (b"bonjour", "invalid_json"), (b'{"type":"users"', "invalid_json"), (b"{'type':'users'}", "invalid_json"),
    (b"\xff\xfe\x81\x8d", "invalid_json"),
    (b"{}", "unknown_type"), (b'{"type":null}', "unknown_type"), (b'{"type":["users"]}', "unknown_type"),
    (b'{"type":"dance"}', "unknown_type"), (b'{"Type":"users"}', "unknown_type"),
    (b'{"type":"register"}', "missing_field"), (b'{"type":"register","username":"a"}', "missing_field"),
    (b'{"type":"register","password":"a"}', "missing_field"),
    (b'{"type":"register","username":null,"password":"a"}', "missing_field"),
    (b'{"type":"register","username":"a","password":5}', "invalid_field"),
    (b'{"type":"register","username":"","password":"a"}', "invalid_name"),
    (b'{"type":"login"}', "missing_field"), (b'{"type":"login","username":"a"}', "missing_field"),
    (b'{"type":"login","username":"nobody is called this","password":"a"}', "login_failed"),
    (b'{"type":"message"}', "missing_field"), (b'{"type":"message","content":5}', "invalid_field"),
    (b'{"type":"message","content":null}', "missing_field"),
    (b'{"type":"message","content":"x","to":["bob"]}', "invalid_field"),
    (b'{"type":"message","content":"x","subtype":{}}', "invalid_field"),
    (b'{"type":"message","content":"x","subtype":"whisper"}', "invalid_field"),
    (b'{"type":"message","subtype":"private","content":"x"}', "missing_field"),
    (b'{"type":"message","content":"x","from":12}', "invalid_field"),
    (b'{"type":"private","content":"x"}', "missing_field"), (b'{"type":"private","to":"bob"}', "missing_field"),
    (b'{"type":"status"}', "missing_field"), (b'{"type":"status","state":"asleep"}', "invalid_field"),
    (b'{"type":"status","state":null}', "missing_field"), (b'{"type":"logout"}', "not_named"),
]


@pytest.mark.parametrize(("line", "code"), WRONG_LINES)
def test_a_wrong_line_gets_one_error_and_the_connection_goes_on(connect: Connect, line: bytes, code: str) -> None:
    client = connect()
    error = client.ask(line)
    assert error["type"] == "error"
    assert error["code"] == code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert error["error"] == error["message"], "one client reads the text there"
    assert client.pending() == []
    name = unique("again")
    assert client.register(name) == {"type": "register", "status": "ok"}
    assert client.login(name) == {"type": "login", "status": "ok", "username": name}


def test_all_wrong_lines_at_once_drop_nobody_and_reach_nobody(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    lines = [line for line, code in WRONG_LINES if b'"from"' not in line and code != "not_named"]
    alice.send(*lines)
    assert len(errors(alice.pending())) == len(lines)
    assert about(bob.pending(), alice.name) == []
    alice.send(say("still here"))
    assert contents(after(alice, bob), alice.name) == ["still here"]


def test_an_unknown_type_is_told_which_there_are(connect: Connect) -> None:
    error = connect().ask({"type": "dance"})
    assert "dance" in error["message"]
    for known in ("register", "login", "message", "status", "users"):
        assert known in error["message"]


def test_wrong_lines_make_nobody_a_guest(connect: Connect, join: Join) -> None:
    alice, client = join("alice"), connect()
    lines = [line for line, _ in WRONG_LINES]
    client.send(*lines)
    assert len(client.pending()) == len(lines)
    alice.send(say("not for a client without a name"))
    assert after(alice, client) == []


def test_a_reset_connection_leaves_no_ghost(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets
    bob.close()
    alice.until(type="status", user=bob.name, state="offline")
    assert bob.name not in users(alice)
    assert states(alice.pending(), bob.name) == []
