"""Presence: states and their spellings, the lines to the others, and the list of users."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.lines import Connect, Join, about, after, answer, guest, nameless, states, users
from tests.support import Client, Message, say, unique


def listing(client: Client) -> tuple[list[str], list[Message]]:
    """The answer to `users`, and the states after it."""
    client.pending()
    client.send({"type": "users"})
    lines = client.pending()
    types = [line["type"] for line in lines]
    assert types.count("users") == 1
    place = types.index("users")
    return lines[place]["users"], lines[place + 1 :]


def test_a_status_is_relayed_to_the_others(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    alice.pending()
    alice.send({"type": "status", "state": "away"})
    assert about(alice.pending(), alice.name) == []
    assert about(bob.pending(), alice.name) == [{"type": "status", "user": alice.name, "state": "away"}]


SPELLINGS = [
    ("available", "online"), ("disponible", "online"), ("en ligne", "online"), ("online", "online"), ("away", "away"),
    ("absent", "away"), ("dnd", "dnd"), ("do not disturb", "dnd"), ("indisponible", "dnd"), ("ne pas déranger", "dnd"),
    ("invisible", "invisible"), ("offline", "invisible"), ("Absent", "away"), ("EN LIGNE", "online"),
    ("Ne pas de\u0301ranger", "dnd"), (" away ", "away"),
]


@pytest.mark.parametrize(("given", "relayed"), SPELLINGS)
def test_states_are_understood_however_clients_spell_them(join: Join, given: str, relayed: str) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send({"type": "status", "state": "away" if relayed != "away" else "dnd"})
    assert len(states(after(alice, bob), alice.name)) == 1
    alice.send({"type": "status", "state": given})
    assert states(after(alice, bob), alice.name) == [(alice.name, relayed)]


@pytest.mark.parametrize("state", ["asleep", "", "onlin", "away; dnd", "\ufdfa" * 1000, 1, ["away"], {}])
def test_another_state_is_an_error_and_is_not_relayed(join: Join, state: object) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    alice.pending()
    error = answer(alice, {"type": "status", "state": state})
    assert (error["type"], error["code"]) == ("error", "invalid_field")
    assert about(bob.pending(), alice.name) == []


def test_the_list_has_everybody_once(connect: Connect, join: Join) -> None:
    alice, bob, second = join("alice"), join("Béa"), connect()
    second.login(bob.name)
    visitor, number = guest(connect, unique("zoe")), nameless(connect, alice)
    for client in (alice, bob, second, visitor, number):
        names, _ = listing(client)
        assert all(isinstance(name, str) for name in names)
        assert len(names) == len(set(names))
        assert {alice.name, bob.name, visitor.name, number.name} <= set(names)


def test_the_list_has_nobody_who_is_gone_or_has_not_come(connect: Connect, join: Join) -> None:
    alice, bob, idle = join("alice"), join("bob"), connect()
    name = unique("idle")
    idle.register(name)
    visitor = guest(connect, unique("zoe"))
    for client in (bob, visitor):
        client.close()
        alice.until(type="status", user=client.name, state="offline")
    names, _ = listing(alice)
    assert not {bob.name, visitor.name, name} & set(names)


def test_the_list_of_a_guest_that_calls_itself_like_a_member_has_no_doubles(connect: Connect, join: Join) -> None:
    bob = join("bob")
    names, _ = listing(guest(connect, bob.name))
    assert names.count(bob.name) == 1
    assert len(names) == len(set(names))


def test_states_other_than_online_follow_the_list(join: Join) -> None:
    alice, bob, carol, dave = join("alice"), join("bob"), join("carol"), join("dave")
    bob.send({"type": "status", "state": "away"})
    carol.send({"type": "status", "state": "dnd"})
    bob.pending()
    carol.pending()
    _, rest = listing(alice)
    assert sorted(states(rest, alice.name, bob.name, carol.name, dave.name)) == sorted(
        [(bob.name, "away"), (carol.name, "dnd")]
    )


def test_states_are_left_out_when_nothing_has_changed(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.send({"type": "status", "state": "away"})
    bob.pending()
    for _ in range(20):
        alice.pending()
        alice.send({"type": "users"}, {"type": "users"}, {"type": "users"})
        lines = alice.pending()
        if not any(line.get("state") in ("online", "offline") for line in lines):
            break  # else a client of an earlier test has left meanwhile, so the list has changed
        join("dave")
    answers = [line for line in lines if line["type"] == "users" or line.get("user") == bob.name]
    assert [line["type"] for line in answers] == ["users", "status", "users", "users"]
    assert answers[0] == answers[2] == answers[3]
    carol = join("carol")
    names, rest = listing(alice)
    assert carol.name in names
    assert states(rest, bob.name) == [(bob.name, "away")], "something has changed"


def test_each_socket_gets_the_states_with_its_first_list(connect: Connect, join: Join) -> None:
    alice, bob, second = join("alice"), join("bob"), connect()
    bob.send({"type": "status", "state": "away"})
    bob.pending()
    listing(alice)
    second.login(alice.name)
    assert states(listing(second)[1], bob.name) == [(bob.name, "away")]


def test_an_invisible_user_is_announced_as_such_and_hidden_from_the_others(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    for state in ("invisible", "offline"):
        alice.send({"type": "status", "state": "online"}, {"type": "status", "state": state})
        assert states(after(alice, bob), alice.name)[-1] == (alice.name, "invisible")
        names, rest = listing(bob)
        assert alice.name not in names
        assert states(rest, alice.name) == []
        assert alice.name in listing(alice)[0], "who asks is in its own list"
    alice.send({"type": "status", "state": "online"})
    assert states(after(alice, bob), alice.name) == [(alice.name, "online")]
    assert alice.name in listing(bob)[0]


def test_an_invisible_user_still_chats(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send({"type": "status", "state": "invisible"}, say("boo"))
    alice.pending()
    assert bob.until(content="boo")["from"] == alice.name
    bob.send({"type": "message", "subtype": "private", "to": alice.name, "content": "I see you"})
    assert alice.until(**{"from": bob.name})["content"] == "I see you"


def test_a_state_is_told_once(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    for state in ("online", "away", "away", "absent", "dnd", "dnd", "online", "available"):
        alice.send({"type": "status", "state": state})
    assert [state for _, state in states(after(alice, bob), alice.name)] == ["away", "dnd", "online"]


def test_another_session_of_an_account_is_not_announced(connect: Connect, join: Join) -> None:
    alice, bob, second = join("alice"), join("bob"), connect()
    alice.pending()
    second.login(bob.name)
    assert states(after(second, alice), bob.name) == []
    bob.close()
    second.pending()
    alice.send(say("are you there?"))
    assert alice.name in users(alice)
    second.send({"type": "status", "state": "away"})
    assert states(after(second, alice), bob.name) == [(bob.name, "away")]
    second.close()
    alice.until(type="status", user=bob.name, state="offline")
    assert states(alice.pending(), bob.name) == []


def test_a_state_lasts_as_long_as_the_account_has_a_session(connect: Connect, join: Join) -> None:
    alice, bob, second = join("alice"), join("bob"), connect()
    bob.send({"type": "status", "state": "away"})
    bob.pending()
    second.login(bob.name)
    bob.close()
    assert states(listing(alice)[1], bob.name) == [(bob.name, "away")]
    second.close()
    alice.until(type="status", user=bob.name, state="offline")
    again = connect()
    again.login(bob.name)
    alice.until(type="status", user=bob.name, state="online")
    assert states(listing(alice)[1], bob.name) == []


def test_nobody_hears_of_its_own_state(connect: Connect, join: Join) -> None:
    alice, second = join("alice"), connect()
    second.login(alice.name)
    visitor = guest(connect, unique("zoe"))
    alice.pending()
    for client in (alice, visitor):
        client.send({"type": "status", "state": "away"}, {"type": "status", "state": "online"})
        assert about(client.pending(), client.name) == []
    assert about(second.pending(), alice.name) == []


def test_the_list_is_never_sent_unasked(connect: Connect, join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.send({"type": "status", "state": "away"}, {"type": "users"}, say("hello"), {"type": "logout"})
    bob.pending()
    guest(connect, unique("zoe")).close()
    assert [line for line in after(bob, alice) if line["type"] == "users"] == []


@pytest.mark.parametrize("more", [
    {}, {"channel": "global"}, {"channel": None}, {"channel": ""}, {"channel": "#général"},
])
def test_who_is_answered_as_who(join: Join, more: dict[str, Any]) -> None:
    alice, bob = join("alice"), join("bob")
    bob.send({"type": "status", "state": "away"})
    bob.pending()
    alice.pending()
    answered = answer(alice, {"type": "who", **more})
    assert list(answered) == ["type", "channel", "users"]
    assert (answered["type"], answered["channel"]) == ("who", more.get("channel") or "global")
    assert {alice.name, bob.name} <= set(answered["users"])
    assert states(alice.pending(), bob.name) == [(bob.name, "away")]
    assert answer(alice, {"type": "users"})["type"] == "users", "each request has its own form of answer"


@pytest.mark.parametrize("channel", ["#élan", "in the hall"])
def test_nobody_is_in_a_channel_that_does_not_exist(join: Join, channel: str) -> None:
    answered = answer(join("alice"), {"type": "who", "channel": channel})
    assert answered == {"type": "who", "channel": channel, "users": []}


@pytest.mark.parametrize("channel", ["x" * 101, "a\x1b[0m", "a\nb", 5, ["global"]])
def test_a_channel_that_nobody_can_mean_is_an_error(join: Join, channel: object) -> None:
    assert answer(join("alice"), {"type": "who", "channel": channel})["code"] == "invalid_field"


@pytest.mark.parametrize(("word", "kind"), [
    ("list_users", "list_users"), ("connected_users", "users"), ("userlist", "users"),
])
def test_other_words_for_users(connect: Connect, join: Join, word: str, kind: str) -> None:
    alice, bob, client = join("alice"), join("bob"), connect()
    bob.send({"type": "status", "state": "away"})
    bob.pending()
    alice.pending()
    client.send({"type": word})
    lines = client.pending()
    assert lines[0] == {"type": kind, "users": lines[0]["users"]}
    assert {alice.name, bob.name} <= set(lines[0]["users"])
    assert states(lines[1:], bob.name) == [(bob.name, "away")]
    came = [line["user"] for line in alice.pending() if line.get("state") == "online"]
    assert set(came) & set(lines[0]["users"]), "who asks is here, as with users"


@pytest.mark.parametrize("request_type", ["ping", "help"])
def test_a_ping_or_a_request_for_help_makes_nobody_a_guest(connect: Connect, join: Join, request_type: str) -> None:
    alice, client = join("alice"), connect()
    client.send({"type": request_type})
    client.pending()
    alice.send(say("not for who has not come"))
    assert after(alice, client) == []
