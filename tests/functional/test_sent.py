"""A message with the key `ref`: its sender is told what has become of it, in order, and nobody else notices."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.functional.lines import SERVER, Connect, Join
from tests.functional.school import School
from tests.support import Client, Message, Server, member, say, unique


def told(client: Client, *lines: Message) -> list[Message]:
    """What the client gets for these lines, without the states of others."""
    client.send(*lines)
    return [line for line in client.pending() if line["type"] != "status"]


def private(to: str, text: str, ref: str) -> Message:
    return {"type": "message", "subtype": "private", "to": to, "content": text, "ref": ref}


def test_its_id_and_time_are_those_that_the_others_see(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    (sent,) = told(alice, say("Bonjour", ref="a1"))
    line = bob.until(content="Bonjour")
    assert sent == {"type": "sent", "ref": "a1", "id": line["id"], "timestamp": line["timestamp"]}
    assert list(sent) == ["type", "ref", "id", "timestamp"]
    assert "ref" not in line
    (sent,) = told(alice, private(bob.name, "psst", "é\t\"2"))
    assert (sent["ref"], sent["id"]) == ("é\t\"2", bob.until(content="psst")["id"])
    (sent,) = told(alice, {"type": "private", "to": bob.name, "content": "type", "ref": "a3"})
    assert sent["id"] == bob.until(content="type")["id"]
    assert told(alice, say("sans")) == [], "who sends no ref notices nothing"


def test_the_channel_of_a_message(join: Join) -> None:
    alice, bob, name = join("alice"), join("bob"), f"#{unique('canal')[:20]}"
    bob.ask({"type": "join", "channel": name})
    (sent,) = told(alice, say("là", channel=name, ref="a"))
    line = bob.until(content="là")
    assert sent == {"type": "sent", "ref": "a", "id": line["id"], "timestamp": line["timestamp"], "channel": name}
    assert told(alice, say("tous", channel="global", ref="b"))[0].keys() == {"type", "ref", "id", "timestamp"}


def test_answers_come_in_the_order_of_the_requests(join: Join) -> None:
    alice = join("alice")
    lines = told(alice, *[say(f"{n}", ref=f"{n}") for n in range(300)], {"type": "who"}, say("fin", ref="fin"))
    assert [line.get("ref", line["type"]) for line in lines] == [*map(str, range(300)), "who", "fin"]
    ids = [line["id"] for line in lines if "id" in line]
    assert ids == sorted(set(ids))


def test_what_reaches_nobody_has_no_id(join: Join, connect: Connect) -> None:
    alice = join("alice")
    for line in (
        private(unique("absent"), "x", "r"), private(alice.name, "x", "r"), say("/aide", ref="r"),
        say("/rien du tout", ref="r"), say("/historique 1", ref="r"), say("/kick bob", ref="r"),
    ):
        *notices, sent = told(alice, line)
        assert sent == {"type": "sent", "ref": "r", "id": None}, line
        assert [notice["from"] for notice in notices] == [SERVER], line
    guest = connect()
    assert told(guest, say("", ref="r", **{"from": unique("zoé")}))[0] == {"type": "sent", "ref": "r", "id": None}
    assert told(alice, say("/moi danse", ref="r"), say("//dev", ref="s"))[1]["id"] > 0


def test_a_message_that_waits(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.send({"type": "logout"})
    bob.until(type="logout")
    notice, sent = told(alice, private(bob.name, "À demain", "w"))
    assert (notice["from"], sent["ref"]) == (SERVER, "w")
    bob.login(bob.name)
    bob.send({"type": "users"})
    line = bob.until(content="À demain")
    assert (sent["id"], sent["timestamp"]) == (line["id"], line["timestamp"])


def test_a_message_that_can_not_be_kept(own_server: Callable[..., Server]) -> None:
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        with member((server.host, server.port), "bob"):
            pass
        alice.until(user="bob", state="offline")
        with closing(sqlite3.connect(server.data / "classcord.db")) as db:
            db.execute("CREATE TRIGGER no BEFORE INSERT ON message_rows BEGIN SELECT RAISE(ABORT, 'no'); END")
            db.commit()
        notice, sent = told(alice, private("bob", "x", "w"))
        assert notice["from"] == SERVER
        assert sent == {"type": "sent", "ref": "w", "id": None}
        (sent,) = told(alice, say("tous", ref="v"))
        assert sent.keys() == {"type", "ref", "id", "timestamp"}, "it was sent, and is stored later"


@pytest.mark.parametrize(("line", "code"), [
    ({"type": "message", "content": "x" * 4001, "ref": "r"}, "invalid_field"),
    ({"type": "message", "content": "a\0", "ref": "r"}, "invalid_text"),
    ({"type": "message", "content": 5, "ref": "r"}, "invalid_field"),
    ({"type": "message", "ref": "r"}, "missing_field"),
    ({"type": "private", "content": "x", "ref": "r"}, "missing_field"),
    ({"type": "message", "subtype": "private", "content": "x", "ref": "r"}, "missing_field"),
    ({"type": "message", "subtype": "odd", "content": "x", "ref": "r"}, "invalid_field"),
    ({"type": "message", "channel": "#admin", "content": "x", "ref": "r"}, "not_allowed"),
    ({"type": "message", "channel": "a b", "content": "x", "ref": "r"}, "invalid_name"),
])
def test_a_refusal_has_the_ref(join: Join, line: dict[str, Any], code: str) -> None:
    (error,) = told(join("alice"), line)
    assert (error["type"], error["code"], error["ref"]) == ("error", code, "r")


@pytest.mark.parametrize("ref", ["x" * 65, 5, ["a"], {"a": 1}, True])
def test_a_wrong_ref_is_refused(join: Join, ref: object) -> None:
    alice, bob = join("alice"), join("bob")
    (error,) = told(alice, say("x", ref=ref))
    assert (error["code"], "ref" in error) == ("invalid_field", False)
    assert not [line for line in bob.pending() if line.get("from") == alice.name]
    for absent in (None, ""):
        assert told(alice, say("x", ref=absent)) == []
    assert told(alice, say("x", ref="x" * 64))[0]["ref"] == "x" * 64


def test_of_a_muted_person(school: School) -> None:
    school.types("/muet bob")
    school.bob.pending()
    for line in (say("x", ref="m"), private("alice", "x", "m")):
        (error,) = told(school.bob, line)
        assert (error["code"], error["ref"]) == ("muted", "m")
    assert told(school.bob, private("prof", "une question", "q"))[0]["type"] == "sent"
