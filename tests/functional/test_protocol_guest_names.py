"""Names of guests: the number until a name is given, a name that is not allowed, and the end of a name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.lines import Connect, Join, after, contents, errors, nameless, notices, private, states, users
from tests.support import say, unique

NAMINGS: list[dict[str, Any]] = [
    say("hello", **{"from": "NAME"}), say("", **{"from": "NAME"}), say("/qui", **{"from": "NAME"}),
    {"type": "status", "state": "online", "user": "NAME"}, {"type": "change_username", "new_user": "NAME"},
    {"type": "private", "to": "nobody", "content": "x", "from": "NAME"}, private("nobody", "x", **{"from": "NAME"}),
]


@pytest.mark.parametrize("naming", NAMINGS)
def test_the_end_of_a_temporary_name_is_told_to_everybody_and_the_number_never_comes_back(
    connect: Connect, join: Join, naming: dict[str, Any]
) -> None:
    """It ends as `invisible`: three clients keep a name that is offline for ever, also the name of their own guest."""
    alice, bob = join("alice"), join("bob")
    client, name = nameless(connect, alice), unique("zoe")
    bob.pending()
    client.pending()
    client.send({key: name if value == "NAME" else value for key, value in naming.items()})
    own = client.pending()
    assert errors(own) == []
    assert states(own, client.name, name) == [(client.name, "invisible")]
    for other in (alice, bob):
        assert states(other.pending(), client.name, name) == [(client.name, "invisible"), (name, "online")]
    later = nameless(connect, alice)
    assert int(later.name.partition("-")[2]) > int(client.name.partition("-")[2])
    client.send(say("", **{"from": client.name}))
    client.close()
    assert alice.until(type="status", user=name)["state"] == "offline"
    assert client.name not in users(alice)


def test_the_end_of_an_invisible_guests_number_is_told_to_itself_alone(connect: Connect, join: Join) -> None:
    alice = join("alice")
    client, name = nameless(connect, alice), unique("zoe")
    client.send({"type": "status", "state": "invisible"})
    assert states(after(client, alice), client.name) == [(client.name, "invisible")]
    client.send({"type": "change_username", "new_user": name})
    assert states(client.pending(), client.name) == [(client.name, "invisible")]
    assert states(alice.pending(), client.name) == [], "nothing changed"


def test_a_guest_whose_name_was_refused_is_renamed_when_it_gives_a_good_one(connect: Connect, join: Join) -> None:
    alice, client, name, text = join("alice"), connect(), unique("zoe"), unique("text")
    client.send(say(text, **{"from": ">BBB"}))
    client.pending()
    number = alice.until(content=text)["from"]
    assert number.startswith("invité-")
    assert users(client).count(">BBB") == 1
    assert number not in users(client)
    alice.send(private(number, "psst"))
    assert client.until(content="psst")["to"] == ">BBB"
    client.send(say("again", **{"from": ">BBB"}), say("as invité", **{"from": "invité"}))
    client.pending()
    assert contents(alice.pending(), number) == ["again", "as invité"]
    alice.send(private(number, "psst"))
    assert client.until(content="psst")["to"] == "invité", "what it calls itself now"
    client.send(say("I am zoe", **{"from": name}))
    assert states(client.pending(), number, "invité") == [(number, "invisible"), ("invité", "invisible")]
    seen = alice.pending()
    assert states(seen, number, name) == [(number, "invisible"), (name, "online")]
    assert contents(seen, name) == ["I am zoe"]
    alice.send(private(name, "psst"))
    assert client.until(content="psst")["to"] == name


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("refused", ["invité", ">BBB", " bob", "x" * 41, "bo\u200bb"])
def test_a_refused_name_is_still_what_the_guest_is_called_to_itself(
    connect: Connect, join: Join, naming: dict[str, Any], refused: str
) -> None:
    alice, client, text = join("alice"), connect(), unique("text")
    client.send({key: refused if value == "NAME" else value for key, value in naming.items()}, say(text))
    got = client.pending()
    assert errors(got) == []
    assert {line["to"] for line in notices(got)} <= {refused}
    number = alice.until(content=text)["from"]
    alice.send(private(number, "psst"))
    assert client.until(content="psst")["to"] == refused
    assert refused in users(client)


def test_a_guest_that_calls_itself_like_a_number_of_another_lists_both_once(connect: Connect, join: Join) -> None:
    alice = join("alice")
    first, second = nameless(connect, alice), connect()
    second.send(say("", **{"from": f"{first.name} "}))
    second.pending()
    listed = users(second)
    assert listed.count(first.name) == 1
    assert listed.count(f"{first.name} ") == 1


def test_a_guest_changes_its_name_once_and_without_an_answer(connect: Connect, join: Join) -> None:
    alice, client, name = join("alice"), connect(), unique("zoe")
    change = {"type": "change_username", "new_user": name, "user": "old", "timestamp": None}
    client.send(change, {**change, "new_user": unique("mia")}, say("who am I?"))
    assert client.pending() == []
    seen = alice.pending()
    assert states(seen, name) == [(name, "online")]
    assert contents(seen, name) == ["who am I?"]
    alice.send({**change, "new_user": unique("mia")}, say("still alice"))
    assert errors(alice.pending()) == []
    assert contents(client.pending(), alice.name) == ["still alice"]


def test_an_empty_message_may_rename_a_guest_that_has_spoken(connect: Connect, join: Join) -> None:
    alice = join("alice")
    client, name = nameless(connect, alice), unique("zoe")
    client.send(say("", **{"from": name}))
    assert errors(client.pending()) == []
    assert states(alice.pending(), name) == [(name, "online")]
