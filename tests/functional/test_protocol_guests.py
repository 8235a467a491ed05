"""Guests: people who never log in, under a name that they give or that the server gives them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.lines import (
    Connect,
    Join,
    about,
    after,
    contents,
    errors,
    guest,
    nameless,
    notices,
    private,
    states,
    users,
)
from tests.support import say, unique


def test_asking_for_users_makes_a_guest_who_gets_broadcasts(connect: Connect, join: Join) -> None:
    alice, client, text = join("alice"), connect(), unique("text")
    client.send({"type": "users"})
    listed = client.until(type="users")["users"]
    came = alice.pending()
    client.send(say(text))
    name = alice.until(content=text)["from"]
    assert name.startswith("invité-")
    assert states(came, name) == [(name, "online")]
    assert {name, alice.name} <= set(listed)
    alice.send(say("hello guest"))
    assert contents(after(alice, client), alice.name) == ["hello guest"]
    client.close()
    alice.until(type="status", user=name, state="offline")


def test_guests_without_a_name_have_different_ones(connect: Connect, join: Join) -> None:
    alice = join("alice")
    names = {nameless(connect, alice).name for _ in range(3)}
    assert len(names) == 3
    assert names <= set(users(alice))


def test_a_guest_is_named_by_its_first_message(connect: Connect, join: Join) -> None:
    alice, client, name = join("alice"), connect(), unique("zoé")
    client.send(say("hello", **{"from": name}))
    seen = about(after(client, alice), name)
    assert seen[0] == {"type": "status", "user": name, "state": "online"}
    assert contents(seen, name) == ["hello"]
    assert name in users(client)


def test_a_guest_is_named_by_its_first_status(connect: Connect, join: Join) -> None:
    alice, client, name = join("alice"), connect(), unique("zoé")
    client.send({"type": "status", "user": name, "state": "away"})
    assert states(after(client, alice), name) == [(name, "online"), (name, "away")]


def test_a_guest_is_named_by_its_first_private_message(connect: Connect, join: Join) -> None:
    alice, client, name = join("alice"), connect(), unique("zoé")
    client.send(private(alice.name, "hello", **{"from": name}))
    seen = after(client, alice)
    assert states(seen, name) == [(name, "online")]
    assert contents(seen, name) == ["hello"]


def test_a_guest_receives_from_its_naming_on(connect: Connect, join: Join) -> None:
    alice, client = join("alice"), connect()
    alice.send(say("before"))
    alice.pending()
    client.send(say("here", **{"from": unique("zoe")}))
    client.pending()
    alice.send(say("after"))
    assert contents(after(alice, client), alice.name) == ["after"]


@pytest.mark.parametrize("first", [{}, {"from": None}, {"from": ""}])
def test_no_name_given_is_a_numbered_guest(connect: Connect, join: Join, first: dict[str, Any]) -> None:
    alice, client, text = join("alice"), connect(), unique("text")
    client.send(say(text, **first))
    assert alice.until(content=text)["from"].startswith("invité-")


def test_a_nameless_guest_that_gives_a_name_is_renamed(connect: Connect, join: Join) -> None:
    alice = join("alice")
    client, name = nameless(connect, alice), unique("zoe")
    client.send(say("now I have a name", **{"from": name}))
    seen = about(after(client, alice), client.name, name)
    assert states(seen, client.name, name) == [(client.name, "invisible"), (name, "online")]
    assert contents(seen, name) == ["now I have a name"]
    listed = users(alice)
    assert name in listed
    assert client.name not in listed
    client.send(say("and I keep it"))
    assert contents(after(client, alice), name) == ["and I keep it"]


def test_a_guest_keeps_its_state_when_it_gives_its_name(connect: Connect, join: Join) -> None:
    """Else a guest that had made itself invisible would appear."""
    alice = join("alice")
    client, name = nameless(connect, alice), unique("zoe")
    client.send({"type": "status", "state": "invisible"})
    client.pending()
    client.send(say("", **{"from": name}))
    client.pending()
    assert name not in users(alice)


def test_a_guests_name_is_not_believed_twice(connect: Connect, join: Join) -> None:
    alice, name, other = join("alice"), unique("zoe"), unique("mia")
    client = guest(connect, name)
    client.send(say("still zoe", **{"from": other}), {"type": "status", "user": other, "state": "dnd"})
    seen = about(after(client, alice), name, other)
    assert contents(seen, name) == ["still zoe"]
    assert states(seen, name, other) == [(name, "online"), (name, "dnd")]


def test_an_empty_first_message_names_a_guest_and_is_not_relayed(connect: Connect, join: Join) -> None:
    alice, client, name = join("alice"), connect(), unique("zoe")
    client.send(say("", **{"from": name}))
    assert errors(client.pending()) == []
    assert about(alice.pending(), name) == [{"type": "status", "user": name, "state": "online"}]
    assert name in users(client)


def test_an_empty_first_message_may_come_after_users(connect: Connect, join: Join) -> None:
    alice, client, name = join("alice"), connect(), unique("zoe")
    client.send({"type": "users"}, say("", **{"from": name}))
    assert errors(client.pending()) == []
    assert states(alice.pending(), name) == [(name, "online")]


def test_an_empty_first_message_without_a_name_makes_a_numbered_guest(connect: Connect, join: Join) -> None:
    alice, client, text = join("alice"), connect(), unique("text")
    client.send(say(""), say(text))
    assert errors(client.pending()) == []
    seen = alice.pending()
    name = next(line["from"] for line in seen if line.get("content") == text)
    assert name.startswith("invité-")
    assert states(seen, name) == [(name, "online")]
    assert contents(seen, name) == [text]


def test_a_later_empty_message_is_an_error_and_not_relayed(connect: Connect, join: Join) -> None:
    alice, name = join("alice"), unique("zoe")
    client = guest(connect, name)
    client.send(say(""), private(alice.name, ""))
    assert errors(client.pending()) == ["invalid_field", "invalid_field"]
    assert contents(alice.pending(), name) == []


def test_guests_come_and_go_like_anyone(connect: Connect, join: Join) -> None:
    alice, name = join("alice"), unique("zoe")
    client = guest(connect, name)
    assert states(alice.pending(), name) == [(name, "online")]
    client.close()
    assert alice.until(type="status", user=name) == {"type": "status", "user": name, "state": "offline"}
    assert name not in users(alice)


def test_a_guest_that_takes_a_registered_name_is_visibly_another(connect: Connect, join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    first, second = guest(connect, bob.name), guest(connect, bob.name)
    seen_as = [f"{bob.name} (invité)", f"{bob.name} (invité 2)"]
    assert states(alice.pending(), *seen_as) == [(name, "online") for name in seen_as]
    assert {bob.name, *seen_as} <= set(users(alice))
    for client, name in zip((first, second), seen_as, strict=True):
        client.send(say("I am bob", **{"from": bob.name}))
        assert contents(after(client, alice), *seen_as, bob.name) == ["I am bob"]
        alice.send(private(name, "psst"))
        got = client.until(**{"from": alice.name})
        assert (got["to"], got["content"]) == (bob.name, "psst"), "its own name is the one that it gave itself"
        own = users(client)
        assert own.count(bob.name) == 1
        assert name not in own
    assert about(bob.pending(), alice.name) == [], "nothing of this was for bob"


@pytest.mark.parametrize("spell", [str.upper, str.title, lambda name: name.replace("b", "ｂ")])
def test_a_guest_that_spells_a_registered_name_otherwise_is_another_too(
    connect: Connect, join: Join, spell: Any
) -> None:
    alice, bob = join("alice"), join("bob")
    client = guest(connect, spell(bob.name))
    alice.pending()
    client.send(say("I am bob"))
    seen = after(client, alice)
    assert contents(seen, bob.name, client.name) == []
    assert contents(seen, f"{client.name} (invité)") == ["I am bob"]


def test_a_guest_that_takes_an_absent_members_name_is_another(connect: Connect, join: Join) -> None:
    alice, owner, name = join("alice"), connect(), unique("bob")
    owner.register(name)
    owner.close()
    guest(connect, name)
    assert states(alice.pending(), name, f"{name} (invité)") == [(f"{name} (invité)", "online")]


def test_a_guest_that_takes_another_guests_name_is_another(connect: Connect, join: Join) -> None:
    alice, name = join("alice"), unique("zoe")
    guest(connect, name)
    second = guest(connect, name)
    second.send(say("the second"))
    seen = after(second, alice)
    assert states(seen, name, f"{name} (invité)") == [(name, "online"), (f"{name} (invité)", "online")]
    assert contents(seen, f"{name} (invité)") == ["the second"]


def test_a_name_is_free_again_once_its_guest_has_left(connect: Connect, join: Join) -> None:
    alice, name = join("alice"), unique("zoe")
    guest(connect, name).close()
    alice.until(type="status", user=name, state="offline")
    guest(connect, name)
    assert states(alice.pending(), name) == [(name, "online")]


def test_private_messages_between_two_of_one_name_find_the_right_one(connect: Connect, join: Join) -> None:
    bob = join("bob")
    client = guest(connect, bob.name)
    client.send(private(bob.name, "to the member"))
    assert contents(after(client, bob), f"{bob.name} (invité)") == ["to the member"]
    bob.send(private(f"{bob.name} (invité)", "to the guest"))
    assert contents(after(bob, client), bob.name) == ["to the guest"]


def test_a_notice_to_such_a_guest_bears_the_name_that_it_gave(connect: Connect, join: Join) -> None:
    bob = join("bob")
    client = guest(connect, bob.name)
    client.send(private(unique("nobody"), "hello?"))
    assert [line["to"] for line in notices(client.pending())] == [bob.name]


def test_a_guest_whose_name_somebody_else_registers_is_renamed(connect: Connect, join: Join) -> None:
    alice, name = join("alice"), unique("zoe")
    client, new_name = guest(connect, name), f"{name} (invité)"
    alice.pending()
    connect().register(name)
    assert about(alice.pending(), name, new_name) == [
        {"type": "status", "user": name, "state": "invisible"}, {"type": "status", "user": new_name, "state": "online"},
    ]
    assert about(client.pending(), name, new_name) == [], "it hears nothing about itself"
    client.send(say("I was zoe"))
    assert contents(after(client, alice), name, new_name) == ["I was zoe"]
    alice.send(private(new_name, "psst"))
    assert client.until(**{"from": alice.name})["to"] == name


def test_a_guest_that_registers_its_own_name_goes_on_under_it(connect: Connect, join: Join) -> None:
    alice, name = join("alice"), unique("zoe")
    client = guest(connect, name)
    alice.pending()
    client.send({"type": "register", "username": name, "password": "azerty"})
    client.until(type="register", status="ok")
    client.send({"type": "login", "username": name, "password": "azerty"})
    client.until(type="login", status="ok")
    client.send(say("still zoe"))
    seen = after(client, alice)
    assert states(seen, name, f"{name} (invité)") == []
    assert contents(seen, name) == ["still zoe"]
    assert users(alice).count(name) == 1


@pytest.mark.parametrize("name", [12, True, ["a"], {}, {"a": 1}, 1.5])
def test_what_is_no_string_names_no_guest(connect: Connect, join: Join, name: Any) -> None:
    alice, client, text = join("alice"), connect(), unique("text")
    assert client.ask(say(text, **{"from": name}))["code"] == "invalid_field"
    assert client.ask({"type": "status", "user": name, "state": "away"})["code"] == "invalid_field"
    seen = after(client, alice)
    assert states(seen, str(name)) == []
    assert text not in [line.get("content") for line in seen]
    assert str(name) not in users(alice)
    alice.send(say("not for a client without a name"))
    assert after(alice, client) == []


def test_who_has_registered_and_believes_itself_logged_in_is_taken_at_its_word(connect: Connect, join: Join) -> None:
    alice, client, name = join("alice"), connect(), unique("reg")
    client.register(name)
    client.send(
        {"type": "message", "content": "nameless"},
        {"type": "private", "to": alice.name, "content": "of its own type"},
    )
    seen = after(client, alice)
    assert states(seen, name) == [(name, "online")]
    assert contents(seen, name) == ["nameless", "of its own type"]
    got = about(seen, name)[-1]
    assert {key: got[key] for key in ("type", "subtype", "from", "to", "content")} == {
        "type": "message", "subtype": "private", "from": name, "to": alice.name, "content": "of its own type",
    }
    alice.send(private(name, "answer"))
    assert client.until(**{"from": alice.name})["to"] == name


@pytest.mark.parametrize("kind", ["users", "who"])
def test_who_has_registered_appears_under_its_name_when_it_asks_who_is_here(
    connect: Connect, join: Join, kind: str
) -> None:
    alice, client, name = join("alice"), connect(), unique("reg")
    client.register(name)
    client.send({"type": kind, "channel": "global"})
    assert name in client.until(type=kind)["users"]
    assert states(alice.pending(), name) == [(name, "online")]
    client.send({"type": "login", "username": name, "password": "azerty"})
    client.until(type="login", status="ok")
    assert states(alice.pending(), name) == []
    client.close()
    alice.until(type="status", user=name, state="offline")


def test_nobody_else_can_use_a_name_by_having_failed_to_register_it(connect: Connect, join: Join) -> None:
    alice, bob, client = join("alice"), join("bob"), connect()
    alice.pending()
    assert client.register(bob.name, "other")["code"] == "name_exists"
    client.send({"type": "message", "content": "I am bob", "from": bob.name})
    seen = after(client, alice)
    assert contents(seen, bob.name) == []
    assert contents(seen, f"{bob.name} (invité)") == ["I am bob"]


def test_after_a_guest_was_renamed_both_can_be_told_apart(connect: Connect, join: Join) -> None:
    bob, name = join("bob"), unique("zoe")
    visitor = guest(connect, name)
    bob.pending()
    owner = connect()
    assert owner.register(name)["status"] == "ok"
    assert states(bob.pending(), name, f"{name} (invité)") == [(name, "invisible"), (f"{name} (invité)", "online")]
    assert owner.login(name)["status"] == "ok"
    visitor.send(say("I was zoe"))
    owner.send(say("I am zoe"))
    visitor.pending()
    seen = after(owner, bob)
    assert contents(seen, f"{name} (invité)") == ["I was zoe"]
    assert contents(seen, name) == ["I am zoe"]
