"""The faults of the first ClassCord server: each of these dropped a client, let a stranger in or froze the room."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.functional.lines import Address, Connect, Join, about, after, contents, errors, guest, private, states, users
from tests.support import Client, member, say, unique


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"message"}', b'{"content":"x"}', b'{"type":"login","username":"x"}', b'{"type":"status"}', b"", b"\r",
        b"5", b"[1]", b"null", '{"type":"message","content":"é"}'.encode("cp1252"),
    ],
)
def test_no_line_drops_its_sender(join: Join, line: bytes) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(line, say("still here"))
    assert contents(after(alice, bob), alice.name)[-1] == "still here"


@pytest.mark.parametrize("size", [1024, 2048, 4096, 8192, 16384, 65536])
@pytest.mark.parametrize("offset", [-1, 0])
def test_an_accent_across_a_read_drops_nobody(join: Join, size: int, offset: int) -> None:
    """The two bytes of the accent stand before and after `size`, a size that servers read at a time."""
    alice, bob = join("alice"), join("bob")
    start = b'{"type":"message","content":"'
    line = start + "é".encode() + b'"}'
    padding = size - 1 - len(start) + offset
    fill, blanks = min(padding, 1000), max(0, padding - 1000)
    # blank lines make it longer than a content may be
    data = b"\n" * blanks + start + b"x" * fill + line[len(start) :] + b"\n"
    assert data.index("é".encode()) == size - 1 + offset
    alice.send_raw(data)
    seen = after(alice, bob)
    assert contents(seen, alice.name) == ["x" * fill + "é"]


@pytest.mark.parametrize("password", [None, "", 0, False, [], {}])
def test_no_password_logs_in_nobody(connect: Connect, join: Join, password: Any) -> None:
    alice, client, name = join("alice"), connect(), unique("nobody")
    credentials = {"username": name, "password": password}
    assert client.ask({"type": "login", **credentials})["message"] == "Login failed."
    assert about(after(client, alice), name) == []
    assert name not in users(alice)
    assert client.register(name)["status"] == "ok"
    assert client.ask({"type": "login", **credentials})["message"] == "Login failed."


@pytest.mark.parametrize("name", [12, ["a"], {}])
def test_a_guest_is_no_number_list_or_object(connect: Connect, join: Join, name: Any) -> None:
    alice, client = join("alice"), connect()
    assert client.ask(say("hello", **{"from": name}))["type"] == "error"
    alice.pending()
    assert str(name) not in users(alice)
    assert all(isinstance(user, str) for user in users(alice))


def test_a_guest_is_not_a_registered_person(connect: Connect, join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    client = guest(connect, bob.name)
    alice.pending()
    client.send(say("I am bob"), {"type": "status", "user": bob.name, "state": "dnd"}, private(alice.name, "really"))
    assert about(after(client, alice), bob.name) == []


def test_one_stuck_reader_freezes_neither_the_room_nor_a_login(address: Address, join: Join) -> None:
    alice, bob, name = join("alice"), join("bob"), unique("stuck")
    with Client(address, receive_buffer=2048) as stuck:
        stuck.register(name)
        stuck.login(name)
        stuck.send({"type": "users"})
        text = "é" * 4000
        for _ in range(40):
            alice.send(*[say(text)] * 5)  # in all 5 MB for each receiver, as escapes
            alice.pending()
            assert contents(bob.pending(), alice.name) == [text] * 5
        with member(address, unique("late")) as late:
            late.send(say("I could log in"))
            late.pending()
            assert contents(bob.pending(), late.name) == ["I could log in"]


def test_joining_and_leaving_during_broadcasts_leaves_no_ghosts(address: Address, join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    names = [unique("busy") for _ in range(8)]
    faults: list[BaseException] = []
    over = threading.Event()

    def come_and_go(name: str) -> None:
        try:
            with Client(address) as client:
                client.register(name)
            for number in range(8):
                with Client(address) as client:
                    assert client.login(name)["status"] == "ok"
                    if number % 2:
                        client.send({"type": "users"}, say("hello"), {"type": "status", "state": "away"})
                        client.until(type="users")
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    sent: list[str] = []
    got: list[str] = []
    changes: list[tuple[str, str]] = []
    while not over.is_set():
        if not any(thread.is_alive() for thread in threads):
            over.set()
        sent.append(f"broadcast {len(sent)}")
        alice.send(say(sent[-1]))
        lines = after(alice, bob)
        got += contents(lines, alice.name)
        changes += states(lines, *names)
    for thread in threads:
        thread.join()
    assert faults == []
    assert got == sent
    last = dict(changes)
    here = {name for name in names if last.get(name) != "offline"}
    while here:  # they leave in any order
        line = bob.receive()
        if line.get("state") == "offline":
            here.discard(line["user"])
    assert not set(names) & set(users(alice))


def test_large_messages_from_several_senders_do_not_mix(address: Address, join: Join) -> None:
    reader = join("reader")
    senders = [join("sender") for _ in range(4)]
    expected = {
        sender.name: [f"{number} " + chr(0x3041 + place) * 3900 for number in range(10)]
        for place, sender in enumerate(senders)
    }

    def talk(sender: Client) -> None:
        for text in expected[sender.name]:
            sender.send(say(text))
            sender.pending()

    threads = [threading.Thread(target=talk, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    got: dict[str, list[str]] = {name: [] for name in expected}
    while sum(map(len, got.values())) < 40:
        line = json.loads(reader.read_line())
        if line.get("from") in got:
            got[line["from"]].append(line["content"])
    for thread in threads:
        thread.join()
    assert got == expected


def test_40_megabytes_without_a_newline_are_not_accepted(connect: Connect, join: Join) -> None:
    alice, bob, client = join("alice"), join("bob"), connect()
    with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
        client.send_raw(b"x" * 40_000_000)
    alice.send(say("still here"))
    assert contents(after(alice, bob), alice.name) == ["still here"]


def test_a_line_that_is_too_long_is_refused_as_a_whole(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    alice.pending()
    inside = json.dumps(say("smuggled")).encode()
    alice.send(b"x" * 70_000 + inside, say("still here"))
    lines = alice.pending()
    assert errors(lines) == ["line_too_long"]
    assert contents(bob.pending(), alice.name) == ["still here"]


def test_a_last_line_without_its_newline_counts(connect: Connect, join: Join) -> None:
    alice, bob, client = join("alice"), join("bob"), connect()
    client.send_raw(b'{"type":"users"}')
    client.half_close()
    lines = [json.loads(line) for line in client.at_end().splitlines()]
    assert [line["type"] for line in lines if line["type"] != "status"] == ["users"]
    alice.send_raw(json.dumps(say("my last words")).encode())
    alice.half_close()
    bob.until(content="my last words", **{"from": alice.name})
    bob.until(type="status", user=alice.name, state="offline")


def test_all_that_was_asked_before_a_half_close_is_answered(connect: Connect) -> None:
    client, name = connect(), unique("alice")
    client.send(
        {"type": "register", "username": name, "password": "x"}, {"type": "ping"}, b"junk",
        {"type": "login", "username": name, "password": "x"}, {"type": "users"},
    )
    client.half_close()
    lines = [json.loads(line) for line in client.at_end().splitlines()]
    assert [line["type"] for line in lines if line["type"] != "status"] == [
        "register", "pong", "error", "login", "users",
    ]
