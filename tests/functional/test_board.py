"""`board`: once a second, for teachers, who is here and how the server does."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from classcord import __version__
from tests.functional.lines import errors
from tests.functional.school import School
from tests.functional.test_console import admin
from tests.support import Client, Message, Server, say

ON = {"type": "board", "state": "on"}
OFF = {"type": "board", "state": "off"}


def board(client: Client) -> Message:
    """The next one."""
    return client.until(type="board", state="on")


def person(client: Client, name: str) -> Message:
    """What the first line says of a person."""
    client.send(ON)
    (found,) = [each for each in board(client)["people"] if each["name"] == name]
    return dict(found)


def test_the_board_of_a_class(own_server: Callable[..., Server], stack: ExitStack) -> None:
    began = time.monotonic()  # the server's clock for what lasts goes by seconds: it may stand at its start
    school = School(own_server(), stack)
    school.alice.send({"type": "join", "channel": "#projet"}, {"type": "status", "state": "dnd"})
    school.alice.pending()
    school.types("/muet bob 10m")
    school.prof.send(ON)
    first = board(school.prof)
    passed = time.monotonic() - began
    assert (first["version"], first["connections"], first["silence"], first["slow"]) == (__version__, 3, False, 0)
    assert first["addresses"] == [f"127.0.0.1:{school.server.port}"]
    assert 0 <= first["uptime"] < 600
    alice, bob, prof = first["people"]
    assert [each["name"] for each in first["people"]] == ["alice", "bob", "prof"]
    assert (alice["kind"], alice["state"], alice["muted"], alice["channels"]) == ("account", "dnd", 0, ["#projet"])
    assert (bob["kind"], prof["kind"]) == ("account", "teacher")
    assert round(600 - passed) <= bob["muted"] <= 600
    (connection,) = alice["connections"]
    port = school.alice.socket.getsockname()[1]
    assert connection["peer"] == f"127.0.0.1:{port}"
    assert (connection["client"], connection["nat"], connection["refused"]) == ("json", False, None)
    assert (connection["pending"], connection["since"] < 600) == (0, True)
    assert {each["channel"]: (each["members"], each["closed"]) for each in first["channels"]} == {
        "#général": (3, False), "#dev": (0, False), "#admin": (0, True), "#projet": (1, False),
    }
    assert (first["storage"]["failing"], first["storage"]["unsaved"]) == (False, 0)
    assert first["storage"]["size"] > 4096
    assert first["outboxes"] == {"clients": 0, "bytes": 0}
    assert first["audit"][0]["who"] == "prof"
    assert {key: first["audit"][0][key] for key in ("what", "whom", "why")} == {
        "what": "mute", "whom": "bob", "why": ""
    }
    assert first["audit"][1]["what"] == "promote"
    assert board(school.prof)["time"] > first["time"], "another one comes by itself"


def test_the_messages_of_the_last_ten_minutes(school: School) -> None:
    school.alice.send(*[say(str(number)) for number in range(5)])
    school.alice.pending()
    school.prof.send(ON)
    first = board(school.prof)
    assert (len(first["minutes"]), sum(first["minutes"]), first["per_minute"]) == (60, 5, 5), "also of before it opened"
    school.bob.send(say("six"), {"type": "private", "to": "alice", "content": "sept"})
    while (now := board(school.prof))["per_minute"] < 7:
        pass
    assert (now["per_minute"], sum(now["minutes"])) == (7, 7)
    (connection,) = now["people"][1]["connections"]
    assert connection["per_minute"] == 2


def test_the_last_refused_line_without_its_password(school: School) -> None:
    school.bob.send('{"type":"login","username":"bob","password":"faux"}')
    school.bob.until(type="error")
    (connection,) = person(school.prof, "bob")["connections"]
    assert connection["refused"]["code"] == "login_failed"
    assert connection["refused"]["line"] == '{"type":"login","username":"bob","password":"***"}'
    assert 0 <= connection["refused"]["ago"] < 60
    school.bob.send("x" * 900)
    school.bob.until(type="error")
    (connection,) = person(school.prof, "bob")["connections"]
    assert connection["refused"]["line"] == "x" * 200 + "…"
    for secret in ('"pass\\u0077ord":"s3cr3t"', '"password":"s3cr3t"'):
        school.bob.send(f'{{"type":"login",{secret},"x":"{"y" * 2000}"')
        school.bob.until(type="error")
        assert "s3cr3t" not in str(person(school.prof, "bob"))
    school.bob.send({"type": "topic", "channel": "#rien"})
    school.bob.until(type="error")
    (connection,) = person(school.prof, "bob")["connections"]
    assert (connection["refused"]["code"], connection["refused"]["line"]) == ("no_channel", "")


def test_limits_that_bit_are_counted(school: School) -> None:
    school.prof.send(ON)
    before = board(school.prof)["limits"]
    assert {"rate_limited", "refused", "place_given_up", "dropped", "login_failed"} <= before.keys()
    for _ in range(30):  # more than the log says of one address
        school.bob.ask({"type": "login", "username": "bob", "password": "faux"})
    while (now := board(school.prof)["limits"])["login_failed"] < before["login_failed"] + 30:
        pass
    assert now["login_failed"] == before["login_failed"] + 30


def test_it_ends_when_it_is_closed_and_when_the_right_goes(school: School) -> None:
    def later() -> list[Any]:
        """The types of the lines until two boards have come to another teacher."""
        for _ in range(2):
            board(other)
        return [line for line in school.prof.pending() if line["type"] == "board"]

    assert admin(school.server.data, "promote", "alice").returncode == 0
    other = school.alice
    other.send(ON)
    for end in ("off", "demote"):
        school.prof.send(ON)
        board(school.prof)
        if end == "off":
            school.prof.send(OFF)
        else:
            admin(school.server.data, "demote", "prof")
        assert school.prof.until(type="board", state="off") == OFF
        assert later() == []
    admin(school.server.data, "promote", "prof")
    school.prof.send(ON)
    board(school.prof)
    school.prof.send({"type": "logout"})
    school.prof.until(type="board", state="off")
    assert later() == []


def test_who_may(school: School) -> None:
    assert errors([school.bob.ask(ON)]) == ["not_allowed"]
    with Client(school.address) as stranger:
        assert errors([stranger.ask(ON)]) == ["not_named"]
    school.prof.send({**ON, "state": "maybe"})
    assert errors([school.prof.until(type="error")]) == ["invalid_field"]


def test_no_board_is_shown_on_a_wire(school: School) -> None:
    second = school.come("prof")
    second.send({"type": "wire", "state": "on"})
    second.until(type="wire", state="on")
    school.prof.send(ON)
    for _ in range(2):
        board(school.prof)
    school.prof.send('{"type":"ping","n":1}')
    lines = []
    while '"n":1' not in (line := second.until(type="wire"))["line"]:
        lines.append(line["line"])
    assert not [line for line in lines if '"people"' in line]
