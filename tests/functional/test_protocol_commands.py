"""Requests for help, pings, and what people type after a slash because their client knows no other way."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Callable

import pytest

from tests.functional.lines import (
    SERVER,
    Connect,
    Join,
    about,
    after,
    answer,
    contents,
    errors,
    guest,
    notices,
    private,
    say,
    states,
)
from tests.support import Client, Message, Server, member, unique


def typed(client: Client, text: str) -> list[Message]:
    """What Serveur answers to it."""
    client.pending()
    client.send(say(text))
    lines = client.pending()
    assert errors(lines) == []
    answers = notices(lines)
    for line in answers:
        assert line["to"] == client.name
        assert "T" in line["timestamp"]
    return answers


def test_ping_is_answered(connect: Connect) -> None:
    assert connect().ask({"type": "ping"}) == {"type": "pong"}


@pytest.mark.parametrize("line", ['{"type":"help"}', "help", "aide", "?", "HELP", "  Aide \r"])
def test_help_is_one_line_with_examples_that_work(connect: Connect, line: str) -> None:
    client = connect()
    answer = client.ask(line)
    assert answer["type"] == "help"
    assert client.pending() == []
    known = {entry["type"]: entry for entry in answer["types"]}
    assert {"register", "login", "logout", "message", "private", "status", "users", "ping", "help"} <= set(known)
    for name, entry in known.items():
        assert entry["example"]["type"] == name
        assert isinstance(entry["help"], str)


def test_the_examples_of_help_are_understood(join: Join) -> None:
    alice = join("alice")
    with_effects = ("register", "login", "logout", "message", "private")
    examples = [entry["example"] for entry in answer(alice, {"type": "help"})["types"]]
    alice.send(*(line for line in examples if line["type"] not in with_effects))
    assert errors(alice.pending()) == []


@pytest.mark.parametrize("command", ["/aide", "/help", "/?", "/AIDE", "/aide "])
def test_the_commands_are_listed_one_message_a_line(join: Join, command: str) -> None:
    answers = typed(join("alice"), command)
    assert len(answers) > 3
    assert all("\n" not in line["content"] for line in answers)
    assert len([line for line in answers if line["content"].startswith("/")]) == len(answers) - 1
    assert any(line["content"].startswith("/msg") for line in answers)


def test_the_lines_of_an_answer_come_apart(own_server: Callable[..., Server]) -> None:
    """One known client loses what comes faster. The timestamps are those of the server's clock.

    Alone on its server, for the thread of somebody else may deliver one line late and the next in time.
    """
    server = own_server()
    with member((server.host, server.port), unique("alice")) as alice:
        stamps = [line["timestamp"].replace("Z", "+00:00") for line in typed(alice, "/aide")]
    times = [datetime.datetime.fromisoformat(stamp) for stamp in stamps]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps
    assert min(gaps) >= datetime.timedelta(milliseconds=19), "20 ms, each time cut to milliseconds"


@pytest.mark.parametrize("command", ["/qui", "/who", "/users"])
def test_who_is_here_can_be_asked_by_command(join: Join, command: str) -> None:
    alice, bob, carol = join("alice"), join("bob"), join("carol")
    bob.send({"type": "status", "state": "dnd"})
    bob.pending()
    carol.send({"type": "status", "state": "invisible"})
    carol.pending()
    text = "\n".join(line["content"] for line in typed(alice, command))
    assert alice.name in text
    assert f"{bob.name} (dnd)" in text
    assert carol.name not in text


@pytest.mark.parametrize("command", ["/etat away", "/état absent", "/status  away", "/ETAT Away"])
def test_the_state_can_be_changed_by_command(join: Join, command: str) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    answers = typed(alice, command)
    assert len(answers) == 1
    assert "away" in answers[0]["content"]
    assert states(bob.pending(), alice.name) == [(alice.name, "away")]


@pytest.mark.parametrize("command", ["/etat", "/etat asleep"])
def test_a_command_with_an_unknown_state_is_told_which_there_are(join: Join, command: str) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    answers = typed(alice, command)
    assert len(answers) == 1
    assert "invisible" in answers[0]["content"]
    assert about(bob.pending(), alice.name) == []


@pytest.mark.parametrize("quoted", [True, False])
def test_a_private_message_can_be_sent_by_command(join: Join, quoted: bool) -> None:
    alice, bob, carol = join("alice"), join("jean pierre" if quoted else "bob"), join("carol")
    assert typed(alice, f'/msg "{bob.name}" Salut à toi' if quoted else f"/msg {bob.name} Salut à toi") == []
    got = about(bob.pending(), alice.name)[-1]
    assert (got["subtype"], got["to"], got["content"]) == ("private", bob.name, "Salut à toi")
    assert contents(carol.pending(), alice.name) == []


def test_a_private_message_by_command_to_who_is_absent_is_told(join: Join) -> None:
    alice, absent = join("alice"), unique("absent")
    answers = typed(alice, f"/msg {absent} Salut")
    assert [absent in line["content"] for line in answers] == [True]


@pytest.mark.parametrize("command", ["/msg", "/msg bob", '/msg "bob"', "/msg  "])
def test_a_command_that_lacks_something_shows_how_it_is_typed(join: Join, command: str) -> None:
    answers = typed(join("alice"), command)
    assert len(answers) == 1
    assert "/msg " in answers[0]["content"]


SECRETS = [
    "/login bob secret", "/LOGIN bob secret", "/register bob secret", "/password secret", "/nick secret",
    "/join #secret", "/ secret", "/", "/logn\tbob secret", "/login\nsecret", "/msg", "/%s{0} secret",
]


@pytest.mark.parametrize("text", SECRETS)
@pytest.mark.parametrize("way", ["global", "private", "type"])
def test_no_command_is_ever_relayed(join: Join, text: str, way: str) -> None:
    alice, bob = join("alice"), join("bob")
    alice.pending()
    if way == "global":
        alice.send(say(text))
    else:
        alice.send({**private(bob.name, text), "type": "message" if way == "private" else "private"})
    lines = alice.pending()
    assert errors(lines) == []
    assert len(notices(lines)) == 1
    assert contents(bob.pending(), alice.name, SERVER) == []


def test_a_guests_first_words_may_be_a_command(connect: Connect, join: Join) -> None:
    alice, client, name = join("alice"), connect(), unique("zoe")
    client.send(say("/login bob secret", **{"from": name}))
    assert [line["to"] for line in notices(client.pending())] == [name]
    seen = alice.pending()
    assert states(seen, name) == [(name, "online")]
    assert contents(seen, name) == []


def test_commands_answer_who_typed_them_alone(connect: Connect, join: Join) -> None:
    alice, second, bob = join("alice"), connect(), join("bob")
    second.login(alice.name)
    visitor = guest(connect, unique("zoe"))
    typed(alice, "/aide")
    for other in (second, bob, visitor):
        assert contents(other.pending(), SERVER, alice.name) == []


def test_two_slashes_begin_a_message_with_one(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(say("//join is a command"), private(bob.name, "//x"), say("1/2"), say(" //y"))
    assert contents(after(alice, bob), alice.name) == ["/join is a command", "/x", "1/2", "/y"]


def test_a_space_before_a_command_does_not_make_it_a_message(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(say(" /login bob secret"), say("\t/qui"))
    assert contents(after(alice, bob), alice.name) == []


def test_an_answer_of_several_lines_keeps_the_askers_order(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(say("before"), say("/aide"), say("/etat away"), say("after"), {"type": "status", "state": "online"})
    alice.until(type="message", **{"from": SERVER})
    bob.send(say("meanwhile"))
    first = bob.pending()
    assert contents(alice.pending(), bob.name) == ["meanwhile"]
    seen = about([*first, *bob.pending()], alice.name)
    assert [line.get("content", line.get("state")) for line in seen][-4:] == ["before", "away", "after", "online"]
