"""Requests for help, pings, and the commands that people type after a slash."""

from __future__ import annotations

import re

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
    states,
)
from tests.support import Client, Message, say, unique


def typed(client: Client, text: str) -> list[Message]:
    """The answer of Serveur."""
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
    with_effects = ("register", "login", "password", "logout", "message", "private", "ignore")
    entries = answer(alice, {"type": "help"})["types"]
    for_teachers = [entry for entry in entries if entry["help"].startswith("teachers: ")]
    alice.send(*(entry["example"] for entry in entries if entry["type"] not in with_effects))
    assert errors(alice.pending()) == ["not_allowed"] * len(for_teachers)


@pytest.mark.parametrize("command", ["/aide", "/help", "/?", "/AIDE", "/aide ", "/ aide", "/aide.", "/aide /"])
def test_the_commands_are_listed_in_one_short_line(join: Join, command: str) -> None:
    (answer,) = typed(join("alice"), command)
    assert {"/aide", "/qui", "/absent", "/mp"} <= set(re.findall(r"/[a-z]+", answer["content"]))
    assert "\n" not in answer["content"]
    assert len(answer["content"]) < 200


@pytest.mark.parametrize(("words", "explained"), [
    (["mp", "msg", "/msg", "MSG", "msg.", "msg bob"], "/mp"), (["qui", "who", "/users"], "/qui"),
    (["etat", "état", "e\u0301tat", "status"], "/etat"), (["aide", "help", "?"], "/aide"),
])
def test_each_command_is_explained_in_one_short_line(join: Join, words: list[str], explained: str) -> None:
    alice = join("alice")
    for word in words:
        for help_word in ("aide", "help", "?"):
            (answer,) = typed(alice, f"/{help_word} {word}")
            assert answer["content"].startswith(explained)
            assert "\n" not in answer["content"]
            assert len(answer["content"]) < 200


@pytest.mark.parametrize("word", ["nick", "/nick", "#dev", "\ufdfa" * 3000, "x" * 3000])
def test_help_on_an_unknown_word_says_so(join: Join, word: str) -> None:
    (answer,) = typed(join("alice"), f"/aide {word}")
    assert answer["content"].startswith("Pas de commande")
    assert len(answer["content"]) < 200


@pytest.mark.parametrize("command", [
    "/aide", "/aide msg", "/aide nick", "/qui", "/etat", "/etat dnd", "/etat x", "/msg", "/login a b", "/nick", "/",
])
def test_every_answer_is_one_message_of_one_line(join: Join, command: str) -> None:
    (answer,) = typed(join("alice"), command)
    assert "\n" not in answer["content"]


@pytest.mark.parametrize("text", [
    "/go #dev", "/go#dev", "/go dev", "/GO #dev", "/nick=azerty", "/login:bob:azerty", "/login,azerty",
    "/x" + "azerty" * 600,
])
def test_what_follows_a_word_is_never_repeated_not_even_to_the_one_who_typed_it(join: Join, text: str) -> None:
    (answer,) = typed(join("alice"), text)
    assert "azerty" not in answer["content"].replace("xazertyazertyazertya", "")
    assert "dev" not in answer["content"]
    assert ("mot de passe" in answer["content"]) == text.startswith("/login")


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


@pytest.mark.parametrize("command", [
    "/etat away", "/état absent", "/e\u0301tat away", "/status  away", "/ETAT Away", "/etat away.",
    '/etat "away"', "/etat: away",
])
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
    assert "/mp " in answers[0]["content"]


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
    alice.send(say(" /login bob secret"), say("\t/qui"), say("\u200b/login bob secret"), say("\ufeff \u200e/qui"))
    assert contents(after(alice, bob), alice.name) == []


def test_an_answer_keeps_the_askers_order(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(say("before"), say("/aide"), say("/etat away"), say("after"), {"type": "status", "state": "online"})
    alice.until(type="message", **{"from": SERVER})
    bob.send(say("meanwhile"))
    first = bob.pending()
    assert contents(alice.pending(), bob.name) == ["meanwhile"]
    seen = about([*first, *bob.pending()], alice.name)
    assert [line.get("content", line.get("state")) for line in seen][-4:] == ["before", "away", "after", "online"]
