"""Messages: the relayed ones, their receivers and their form, and the refused ones."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.functional.lines import SERVER, Connect, Join, about, after, contents, errors, guest, notices, private, users
from tests.support import Client, Message, say, unique

FIELDS = ("from", "to", "subtype", "content", "timestamp")


def relayed(sender: Client, receiver: Client, message: Message) -> Message:
    """The one line that the receiver gets of it."""
    sender.send(message)
    lines = [line for line in about(after(sender, receiver), sender.name) if line["type"] == "message"]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "message", "subtype": "global", "to": "global", "from": "x", "content": "Bonjour"},
        {"type": "message", "content": "Bonjour"},
        {"type": "message", "to": "global", "content": "Bonjour"},
        {"type": "message", "subtype": "global", "content": "Bonjour"},
    ],
)
def test_a_global_message_reaches_the_others_completed(join: Join, message: Message) -> None:
    alice, bob = join("alice"), join("bob")
    got = relayed(alice, bob, message)
    assert all(isinstance(got[field], str) for field in FIELDS)
    assert [got[field] for field in FIELDS[:4]] == [alice.name, "global", "global", "Bonjour"]


def test_the_timestamp_is_iso_8601(join: Join) -> None:
    got = relayed(join("alice"), join("bob"), say("Bonjour", timestamp="2001-01-01 00:00"))
    assert got["timestamp"][10] == "T"
    time = datetime.datetime.fromisoformat(got["timestamp"].replace("Z", "+00:00"))
    assert time.tzinfo is not None
    assert time.year > 2001


def test_what_a_client_says_about_itself_is_not_believed(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send({"type": "status", "user": bob.name, "state": "away"})
    assert about(after(alice, bob), alice.name)[-1] == {"type": "status", "user": alice.name, "state": "away"}
    got = relayed(alice, bob, say("hello", **{"from": bob.name, "user": bob.name, "timestamp": "never"}))
    assert got["from"] == alice.name
    assert got["timestamp"] != "never"


@pytest.mark.parametrize("make", [say, lambda text, **more: private(more.pop("addressee"), text, **more)])
def test_keys_that_a_client_adds_are_not_relayed(join: Join, make: Any) -> None:
    alice, bob = join("alice"), join("bob")
    forged: dict[str, Any] = {"color": "red", "role": "admin", "id": "mine", "guest": "mine", "error": None, "é": {}}
    more = {} if make is say else {"addressee": bob.name}
    got = relayed(alice, bob, make("hello", **forged, **more))
    assert set(got) - {"type", *FIELDS} <= {"id", "guest", "channel"}
    assert "mine" not in got.values()


def test_a_private_message_reaches_every_session_of_its_addressee_and_nobody_else(connect: Connect, join: Join) -> None:
    alice, bob, carol, second, idle = join("alice"), join("bob"), join("carol"), connect(), connect()
    second.login(bob.name)
    visitor = guest(connect, unique("zoe"))
    alice.send(private(bob.name, "Salut"))
    for session in (bob, second):
        got = [line for line in about(after(alice, session), alice.name) if line["type"] == "message"]
        assert [[line[field] for field in FIELDS[:4]] for line in got] == [[alice.name, bob.name, "private", "Salut"]]
        assert all(isinstance(got[0][field], str) for field in FIELDS)
    for other in (carol, visitor, idle, alice):
        assert contents(other.pending(), alice.name) == []


def test_a_delivered_private_message_is_not_answered(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    alice.pending()
    alice.send(private(bob.name, "Salut"))
    assert about(alice.pending(), alice.name, bob.name, SERVER) == []
    assert contents(bob.pending(), alice.name) == ["Salut"]


def test_a_private_message_to_oneself_reaches_ones_other_sessions(connect: Connect, join: Join) -> None:
    one, two = join("alice"), connect()
    two.login(one.name)
    one.send(private(one.name, "note to self"))
    assert contents(after(one, two), one.name) == ["note to self"]
    assert contents(one.pending(), one.name) == []


def test_the_addressee_may_be_spelled_otherwise(join: Join) -> None:
    alice, bob = join("alice"), join("Béa")
    got = relayed(alice, bob, private(bob.name.upper(), "Salut"))
    assert got["to"] == bob.name, "a client drops messages to another name"


@pytest.mark.parametrize("kind", ["message", "private"])
def test_the_sender_is_told_that_somebody_is_not_there(join: Join, kind: str) -> None:
    alice, bob, absent = join("alice"), join("bob"), unique("absent")
    alice.send({**private(absent, "anyone?"), "type": kind})
    told = alice.until(**{"from": SERVER})
    assert (told["type"], told["subtype"], told["to"]) == (kind, "private", alice.name)
    assert absent in told["content"]
    assert all(isinstance(told[field], str) for field in FIELDS)
    seen = bob.pending()
    assert contents(seen, alice.name) == []
    assert notices(seen) == []


def test_the_sender_is_told_that_somebody_has_left(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.close()
    alice.until(type="status", user=bob.name, state="offline")
    alice.send(private(bob.name, "still there?"))
    assert [bob.name in line["content"] for line in notices(alice.pending())] == [True]


@pytest.mark.parametrize("to", [{}, {"to": ""}])
def test_a_private_message_without_addressee_goes_to_nobody(join: Join, to: dict[str, str]) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send({"type": "message", "subtype": "private", "content": "secret", **to})
    assert errors(alice.pending()) == ["missing_field"]
    assert contents(bob.pending(), alice.name) == []


def test_an_unknown_subtype_is_not_relayed(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send({"type": "message", "subtype": "whisper", "to": bob.name, "content": "secret"})
    assert errors(alice.pending()) == ["invalid_field"]
    assert contents(bob.pending(), alice.name) == []


def test_nothing_is_echoed_to_its_sender(connect: Connect, join: Join) -> None:
    alice, visitor = join("alice"), guest(connect, unique("zoe"))
    for client in (alice, visitor):
        client.pending()
        client.send(say("hello"), {"type": "status", "state": "away"}, {"type": "status", "state": "online"})
        assert about(client.pending(), client.name) == []


def test_a_private_message_of_a_type_of_its_own_is_delivered_as_a_message(join: Join) -> None:
    alice, bob, carol = join("alice"), join("bob"), join("carol")
    got = relayed(alice, bob, {"type": "private", "to": bob.name, "content": "Salut"})
    assert got["type"] == "message"
    assert [got[field] for field in FIELDS[:4]] == [alice.name, bob.name, "private", "Salut"]
    assert contents(carol.pending(), alice.name) == []


ANSWERS = [{"type": "private", "to": "nobody", "content": "x"}, {"type": "who"}, {"type": "who", "channel": "#dev"}]


@pytest.mark.parametrize("request_line", ANSWERS)
def test_a_client_with_a_type_of_its_own_for_private_messages_receives_them_so(
    connect: Connect, join: Join, request_line: Message
) -> None:
    """As a `message` it would show them as public. Its other session has a client of another kind."""
    alice, bob, second = join("alice"), join("bob"), connect()
    second.login(bob.name)
    bob.send(request_line)
    bob.pending()
    got = relayed_private(alice, bob, "Salut")
    assert got.pop("type") == "private"
    assert {"from", "to", "content", "timestamp"} <= set(got)
    assert (got["from"], got["to"], got["content"]) == (alice.name, bob.name, "Salut")
    other = second.until(**{"from": alice.name})
    assert other.pop("type") == "message"
    assert other == got, "all but the type is the same"
    bob.send(say("/etat dnd"), private(unique("absent"), "are you there?"))
    assert [line["type"] for line in about(bob.pending(), SERVER)] == ["private", "private"]
    alice.send(say("for all"))
    assert [line["type"] for line in about(after(alice, bob), alice.name)] == ["message"], "what is public stays so"
    bob.send({"type": "logout"}, {"type": "login", "username": bob.name, "password": "azerty"})
    bob.pending()
    assert relayed_private(alice, bob, "still so")["type"] == "private", "a habit of the connection, not of the account"


def relayed_private(sender: Client, receiver: Client, text: str) -> Message:
    sender.send(private(receiver.name, text))
    return next(line for line in about(after(sender, receiver), sender.name) if line["type"] != "status")


def test_a_private_message_as_a_message_leaves_the_form_as_it_is(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.send(private(alice.name, "Salut"), {"type": "list_users"})
    bob.pending()
    assert relayed_private(alice, bob, "Salut")["type"] == "message"


@pytest.mark.parametrize("to", ["a\x1b[31mb", "a\nb", "a\u200bb", "x" * 1000])
def test_the_notice_that_nobody_is_there_shows_nothing_harmful_and_stays_short(join: Join, to: str) -> None:
    alice = join("alice")
    alice.send(private(to, "hello"))
    (notice,) = notices(alice.pending())
    assert notice["content"].isprintable()
    assert len(notice["content"]) < 200


def test_a_message_with_a_channel_of_everybody_is_relayed(join: Join) -> None:
    for channel in ("global", "", " ", None, "#général", "General", "#Ge\u0301ne\u0301ral", "\uff03GLOBAL", "tous"):
        got = relayed(join("alice"), join("bob"), say("hello", channel=channel))
        assert (got["subtype"], got["to"]) == ("global", "global")
        assert "channel" not in got


def test_nothing_follows_the_answer_to_login(connect: Connect, join: Join) -> None:
    """Neither history nor states nor a welcome: that comes when asked for."""
    alice, bob = join("alice"), join("bob")
    alice.send(say("history"), private(bob.name, "history"), {"type": "status", "state": "away"})
    alice.pending()
    bob.close()
    alice.until(type="status", user=bob.name, state="offline")
    client = connect()
    assert client.login(bob.name) == {"type": "login", "status": "ok", "username": bob.name}
    assert about(client.pending(), alice.name, bob.name, SERVER) == []
    client.send({"type": "users"})
    assert about(client.pending(), alice.name) == [{"type": "status", "user": alice.name, "state": "away"}]


def test_every_value_that_clients_read_is_a_string(connect: Connect, join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    visitor = guest(connect, unique("zoe"))
    alice.send(
        say("a"), private(bob.name, "b"), private(unique("absent"), "c"), {"type": "status", "state": "dnd"},
        say("d", **{"from": None, "to": "global"}), {"type": "private", "to": bob.name, "content": "e"}, say("/aide"),
        b"junk", {"type": "users"},
    )
    visitor.send(say("f", user=None, timestamp=None), {"type": "status", "state": "away"})
    visitor.pending()
    lines = [*after(alice, bob), *alice.pending()]
    assert len(contents(lines, alice.name)) == 4
    for line in lines:
        for key in ("type", "subtype", "from", "to", "content", "timestamp", "user", "state", "message", "error"):
            assert isinstance(line.get(key, ""), str), line
        assert None not in line.values()
        assert all(isinstance(name, str) for name in line.get("users", []))


def test_content_arrives_as_it_was_sent(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    texts = ['quo"te \\ back', "two\nlines\tand a tab", "  spaces  ", "{}", '{"type":"users"}', "\u2028\u2029",
             "\U0001f468\u200d\U0001f469\u200d\U0001f467", "مرحبا", "x" * 4000, "é" * 4000, "null"]
    alice.send(*map(say, texts))
    assert errors(alice.pending()) == []
    assert contents(bob.pending(), alice.name) == texts


def test_messages_have_one_order_for_everybody(join: Join) -> None:
    alice, bob, carol = join("alice"), join("bob"), join("carol")
    for number in range(30):
        sender = (alice, bob)[number % 2]
        sender.send(say(f"{number}"))
        sender.pending()
    assert contents(carol.pending(), alice.name, bob.name) == [f"{number}" for number in range(30)]


def test_who_has_left_gets_nothing_more_and_who_comes_nothing_old(connect: Connect, join: Join) -> None:
    alice = join("alice")
    alice.send(say("old"))
    alice.pending()
    bob = join("bob")
    assert contents(bob.pending(), alice.name) == []
    assert contents(after(alice, bob), alice.name) == []
    alice.send(say("new"))
    assert contents(after(alice, bob), alice.name) == ["new"]
    assert bob.name in users(alice)
