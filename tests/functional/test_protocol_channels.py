"""Channels for clients that know the key `channel`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.functional.lines import Connect, Join, about, after, answer, contents, errors, guest, private, states, users
from tests.support import Client, Message, Server, member, say, unique


def in_channel(channel: str, text: str) -> Message:
    return {"type": "message", "channel": channel, "content": text}


def request(kind: str, channel: str, **more: str) -> Message:
    return {"type": kind, "channel": channel, **more}


def joined(client: Client, channel: str) -> Client:
    """The client, as a member of the channel."""
    client.send(request("join", channel))
    assert client.until(type="join", status="ok")["channel"] == channel
    return client


def moves(lines: list[Message]) -> list[tuple[str, str]]:
    """Who came into a channel, and who left one."""
    return [(line["type"], line["user"]) for line in lines if line["type"] in ("join", "leave")]


def who(client: Client, channel: str) -> set[str]:
    return set(answer(client, request("who", channel))["users"])


@pytest.fixture
def salon() -> str:
    """The name of a channel that no other test has."""
    return unique("#salon")


@pytest.fixture
def school(tmp_path: Path, own_server: Callable[..., Server]) -> Iterator[Callable[..., Callable[[str], Client]]]:
    """school("--own-channels", "0") starts a server and gives what logs people in; prof is a teacher."""
    clients: list[Client] = []

    def start(*options: str) -> Callable[[str], Client]:
        with own_server() as first:
            with member((first.host, first.port), "prof"):
                pass
            assert first.stop() == 0
        with closing(sqlite3.connect(tmp_path / "data" / "classcord.db")) as db:
            db.execute("UPDATE accounts SET role = 'teacher' WHERE key = 'prof'")
            db.commit()
        server = own_server(*options)

        def enter(name: str) -> Client:
            client = Client((server.host, server.port))
            clients.append(client)
            if name != "prof":
                assert client.register(name)["status"] == "ok"
            assert client.login(name)["status"] == "ok"
            return client

        return enter

    yield start
    for client in clients:
        client.close()


def test_join_and_leave_are_answered_and_a_message_reaches_the_members_alone(join: Join, salon: str) -> None:
    alice, bob, carol = join("alice"), join("bob"), join("carol")
    assert answer(alice, request("join", salon)) == {"type": "join", "status": "ok", "channel": salon, "topic": ""}
    joined(bob, salon)
    alice.send(in_channel(salon, "for members"), say("for everybody"))
    (got,) = [line for line in about(after(alice, bob), alice.name) if line.get("content") == "for members"]
    assert list(got) == ["type", "subtype", "from", "to", "content", "timestamp", "id", "channel"]
    assert (got["subtype"], got["from"], got["to"], got["channel"]) == ("global", alice.name, "global", salon)
    assert contents(carol.pending(), alice.name) == ["for everybody"]
    assert answer(bob, request("leave", salon)) == {"type": "leave", "status": "ok", "channel": salon}
    alice.send(in_channel(salon, "bob has gone"))
    assert contents(after(alice, bob), alice.name) == []
    assert contents(alice.pending(), alice.name) == [], "no echo"


def test_a_message_from_who_is_not_a_member_joins_first(join: Join, connect: Connect, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    visitor, name = connect(), unique("zoé")
    alice.pending()
    bob.send(in_channel(salon, "may I?"))
    told = bob.pending()
    visitor.send({**in_channel(salon, "me too"), "from": name})
    assert [line for line in told if "status" in line or line["type"] == "error"] == [], "no answer"
    visitor.pending()
    seen = alice.pending()
    assert contents(seen, bob.name, name) == ["may I?", "me too"]
    assert moves(seen) == [("join", bob.name), ("join", name)]
    alice.send(in_channel(salon, "welcome"))
    assert contents(after(alice, bob), alice.name) == ["welcome"]
    assert contents(visitor.pending(), alice.name) == ["welcome"]


SAME = ["dev", "#dev", "#DEV", "#Dév", "#de\u0301v", "\uff03dev", " #dev ", "\uff24\uff25\uff36"]


@pytest.mark.parametrize("written", SAME)
def test_a_name_is_compared_without_case_and_accents(join: Join, written: str) -> None:
    alice, bob = joined(join("alice"), "#dev"), join("bob")
    assert answer(bob, request("join", written))["channel"] == "#dev"
    bob.send(in_channel(written, "here"))
    assert contents(after(bob, alice), bob.name) == ["here"]
    assert alice.name in who(bob, written)


@pytest.mark.parametrize("channel", [
    "#", "##dev", "#a b", "#a<b", "#a\x1b", "#a\nb", "#a.b", "#" + "x" * 33, "#a\u200bb", "#\u0301a", "#a/b", "😀",
])
@pytest.mark.parametrize("kind", ["message", "join", "leave", "topic"])
def test_a_name_that_is_not_allowed_is_refused_and_nothing_is_relayed(join: Join, kind: str, channel: str) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    refused = answer(alice, {"type": kind, "channel": channel, "content": "not for you"})
    assert refused["code"] == "invalid_name"
    assert refused["message"].isprintable()
    assert contents(after(alice, bob), alice.name) == []


@pytest.mark.parametrize("channel", [5, ["#dev"], {}, True, "x" * 101])
def test_a_channel_that_is_no_name_at_all_is_an_error_and_nothing_is_relayed(join: Join, channel: object) -> None:
    alice, bob = join("alice"), join("bob")
    for kind in ("message", "join"):
        assert answer(alice, {"type": kind, "channel": channel, "content": "x"})["code"] == "invalid_field"
    assert contents(after(alice, bob), alice.name) == []


@pytest.mark.parametrize("name", ["#Serveur", "#moi", "#d-e-v", "#D\u0435v", "#invité-3", "#Аdmin", "#adm1n"])
def test_nobody_makes_a_channel_with_a_name_that_deceives(join: Join, name: str) -> None:
    assert answer(join("alice"), request("join", name))["code"] == "invalid_name"


@pytest.mark.parametrize("word", ["join", "join_channel", "channel_switch"])
@pytest.mark.parametrize("sign", ["#", ""])
def test_other_words_for_join(join: Join, salon: str, word: str, sign: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    assert answer(bob, request(word, sign + salon[1:])) == {
        "type": "join", "status": "ok", "channel": salon, "topic": ""
    }
    alice.send(in_channel(salon, "hello"))
    assert contents(after(alice, bob), alice.name) == ["hello"]


def test_everybody_is_in_the_channel_of_everybody(join: Join) -> None:
    alice = join("alice")
    for name in ("#général", "general", "global", ""):
        assert answer(alice, request("join", name))["channel"] == "#général"
        assert answer(alice, request("leave", name))["code"] == "not_allowed"


def test_who_is_in_no_such_channel_is_told(join: Join, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    for name in (salon, "#nowhere"):
        assert answer(bob, request("leave", name))["code"] == "no_channel"
    assert answer(bob, request("topic", "#nowhere"))["code"] == "no_channel"
    assert answer(bob, request("topic", salon, topic="mine"))["code"] == "no_channel"
    assert answer(alice, request("topic", salon))["topic"] == ""


def test_the_channels_are_listed_with_their_topics_and_members(join: Join, connect: Connect, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    bob.send(in_channel(salon, "x"))
    bob.pending()
    alice.pending()
    assert answer(alice, request("topic", salon, topic="  le TP\t4 ")) == {
        "type": "topic", "channel": salon, "topic": "le TP 4"
    }
    for client, inside in ((alice, True), (connect(), False)):
        rows = {row["name"]: row for row in answer(client, {"type": "channels"})["channels"]}
        assert rows[salon] == {"name": salon, "topic": "le TP 4", "members": 2, "joined": inside}
        assert {"#général", "#dev"} <= set(rows)
        assert "#admin" not in rows, "it is for teachers"
        assert rows["#général"]["joined"] == inside, "asking for the channels makes nobody a guest"
    assert answer(join("carol"), request("join", salon))["topic"] == "le TP 4"
    for client in (alice, bob):
        client.send(request("leave", salon))
    bob.pending()


def test_a_new_topic_is_told_to_the_members(join: Join, salon: str) -> None:
    alice, bob, carol = joined(join("alice"), salon), joined(join("bob"), salon), join("carol")
    alice.send(request("topic", salon, topic="TP 4"), request("topic", salon, topic="TP 4"))
    got = [line for line in after(alice, bob) if "TP 4" in line.get("content", "")]
    assert [(line["from"], line["channel"]) for line in got] == [("Serveur", salon)]
    assert not any("TP 4" in line.get("content", "") for line in carol.pending())
    for topic in ("x" * 201, "a\x1b[0m"):
        assert answer(bob, request("topic", salon, topic=topic))["code"] == "invalid_field"
    assert answer(alice, request("topic", "#dev", topic="mine"))["code"] == "not_allowed", "of a configured channel"


def test_a_channel_that_a_person_made_ends_with_its_last_member(join: Join, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    alice.send(request("topic", salon, topic="old"), request("leave", salon))
    alice.pending()
    assert salon not in {row["name"] for row in answer(bob, {"type": "channels"})["channels"]}
    assert answer(bob, request("join", salon))["topic"] == "", "it is another one"
    bob.close()
    alice.until(type="status", user=bob.name, state="offline")
    assert salon not in {row["name"] for row in answer(alice, {"type": "channels"})["channels"]}


def test_members_who_know_the_key_hear_who_joins_and_leaves(join: Join, connect: Connect, salon: str) -> None:
    alice, bob, carol, typist = joined(join("alice"), salon), join("bob"), join("carol"), join("typist")
    typist.send(say(f"/join {salon}"))
    typist.pending()
    alice.pending()
    bob.send(request("join", salon), request("join", salon), request("leave", salon), request("join", salon))
    assert moves([line for line in bob.pending() if "status" not in line]) == [], "not of oneself"
    second = connect()
    second.login(bob.name)
    joined(second, salon)
    second.send({"type": "logout"})
    second.pending()
    bob.send({"type": "logout"})
    bob.pending()
    seen = alice.pending()
    assert moves(seen) == 2 * [("join", bob.name), ("leave", bob.name)], "once each"
    assert states(seen, bob.name)[-1] == (bob.name, "offline")
    for other in (carol, typist):
        assert moves(other.pending()) == []


def test_two_sessions_of_one_account_are_in_channels_of_their_own(join: Join, connect: Connect, salon: str) -> None:
    alice, bob, second = joined(join("alice"), salon), join("bob"), connect()
    second.login(bob.name)
    joined(second, salon)
    alice.send(in_channel(salon, "to one of them"))
    assert contents(after(alice, second), alice.name) == ["to one of them"]
    assert contents(bob.pending(), alice.name) == []
    joined(bob, salon)
    assert answer(alice, request("who", salon))["users"] == sorted([alice.name, bob.name]), "once"
    bob.send(in_channel(salon, "to my other session too"))
    assert contents(after(bob, second), bob.name) == ["to my other session too"]


def test_who_lists_the_members_of_a_channel_then_their_states(join: Join, salon: str) -> None:
    alice, bob, carol = joined(join("alice"), salon), joined(join("bob"), salon), join("carol")
    bob.send({"type": "status", "state": "away"})
    bob.pending()
    carol.pending()
    carol.send(request("who", salon.upper()), request("who", salon))
    first, *more = carol.pending()
    assert first == {"type": "who", "channel": salon.upper(), "users": sorted([alice.name, bob.name])}
    assert states(more, bob.name) == [(bob.name, "away")], "once, because nothing changed"
    assert carol.name in users(carol)


def test_an_invisible_person_is_not_revealed_in_a_channel(join: Join, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    bob.send({"type": "status", "state": "invisible"})
    assert who(bob, salon) == {alice.name}, "not a member yet"
    alice.pending()
    joined(bob, salon)
    assert who(alice, salon) == {alice.name}
    assert who(bob, salon) == {alice.name, bob.name}, "its own list has it"
    for client, count in ((alice, 1), (bob, 2)):
        rows = answer(client, {"type": "channels"})["channels"]
        assert [row["members"] for row in rows if row["name"] == salon] == [count]
    bob.send({"type": "status", "state": "away"})
    assert moves(after(bob, alice)) == [("join", bob.name)], "once others may see it"
    bob.send({"type": "status", "state": "invisible"}, request("leave", salon))
    assert moves(after(bob, alice)) == [], "its state said that it has gone"


def test_a_guest_that_gets_another_name_stays_in_its_channels(join: Join, connect: Connect, salon: str) -> None:
    alice, name = joined(join("alice"), salon), unique("zoé")
    visitor = guest(connect, name)
    joined(visitor, salon)
    alice.pending()
    assert connect().register(name)["status"] == "ok"
    seen = alice.pending()
    assert moves(seen) == [("join", f"{name} (invité)")]
    assert who(alice, salon) == {alice.name, f"{name} (invité)"}
    alice.send(in_channel(salon, "still here?"))
    assert contents(after(alice, visitor), alice.name) == ["still here?"]


def test_logout_leaves_all_channels(join: Join, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), joined(joined(join("bob"), salon), "#dev")
    bob.send({"type": "logout"})
    bob.pending()
    assert bob.login(bob.name)["status"] == "ok"
    alice.send(in_channel(salon, "gone"))
    assert contents(after(alice, bob), alice.name) == []
    assert who(alice, salon) == {alice.name}


def test_private_messages_and_presence_do_not_depend_on_channels(join: Join, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    alice.send(private(bob.name, "psst", channel=salon), {"type": "status", "state": "away"})
    seen = after(alice, bob)
    assert contents(seen, alice.name) == ["psst"]
    assert "channel" not in about(seen, alice.name)[0]
    assert states(seen, alice.name)[-1] == (alice.name, "away")


def test_an_empty_first_message_in_a_channel_only_gives_the_name(join: Join, connect: Connect) -> None:
    alice, client, name = join("alice"), connect(), unique("zoé")
    client.send({**in_channel("#dev", ""), "from": name})
    assert errors(client.pending()) == []
    assert states(alice.pending(), name) == [(name, "online")]


def test_a_person_may_make_so_many_channels(join: Join) -> None:
    alice, bob, names = join("alice"), join("bob"), [unique("salon") for _ in range(4)]
    codes = [answer(alice, request("join", name)).get("code") for name in names]
    assert codes == [None, None, None, "not_allowed"]
    refused = answer(alice, in_channel(names[3], "x"))
    assert (refused["code"], "3" in refused["message"]) == ("not_allowed", True)
    assert answer(bob, request("join", names[0]))["status"] == "ok"
    alice.send(request("leave", names[0]), request("leave", names[1]))
    alice.pending()
    assert answer(alice, request("join", names[3]))["status"] == "ok", "one of them has ended"
    assert answer(alice, request("join", names[1]))["code"] == "not_allowed", "the other one has not"


def test_there_are_at_most_so_many_channels(school: Callable[..., Callable[[str], Client]]) -> None:
    alice = school("--most-channels", "3")("alice")
    assert answer(alice, request("join", "un"))["status"] == "ok"
    assert answer(alice, request("join", "deux"))["code"] == "not_allowed"


@pytest.mark.parametrize("kind", ["join", "message"])
def test_where_nobody_may_make_channels(school: Callable[..., Callable[[str], Client]], kind: str) -> None:
    enter = school("--own-channels", "0", "--channels", "réseau,Java_2", "--teacher-channels", "none")
    alice, bob = enter("alice"), enter("bob")
    assert answer(alice, {**in_channel("#dev", "x"), "type": kind})["code"] == "no_channel"
    rows = answer(alice, {"type": "channels"})["channels"]
    assert [row["name"] for row in rows] == ["#général", "#réseau", "#Java_2"]
    assert answer(alice, request("join", "RESEAU"))["channel"] == "#réseau"
    assert contents(after(alice, bob), "alice") == []


def test_a_channel_for_teachers(school: Callable[..., Callable[[str], Client]]) -> None:
    enter = school()
    prof, alice = enter("prof"), enter("alice")
    refused = answer(alice, request("join", "#admin"))
    assert (refused["code"], refused["message"]) == ("not_allowed", "#admin is for teachers.")
    joined(prof, "#admin")
    assert answer(alice, in_channel("#admin", "let me in"))["code"] == "not_allowed"
    assert answer(alice, request("who", "#admin"))["code"] == "not_allowed"
    assert answer(alice, request("topic", "#admin"))["code"] == "no_channel"
    assert contents(after(alice, prof), "alice") == []
    prof.send(in_channel("#admin", "quiet"))
    assert contents(after(prof, alice), "prof") == []
    assert "#admin" in {row["name"] for row in answer(prof, {"type": "channels"})["channels"]}
    assert answer(prof, request("topic", "#dev", topic="TP"))["code"] == "no_channel", "a member is needed"
    assert answer(prof, request("topic", "#général", topic="Bienvenue"))["topic"] == "Bienvenue"
    assert alice.until(**{"from": "Serveur"})["content"].endswith("Bienvenue")


def test_messages_are_stored_with_their_channel(own_server: Callable[..., Server], tmp_path: Path) -> None:
    server = own_server()
    with member((server.host, server.port), "alice") as alice:
        alice.send(
            in_channel("#Dév", "in a channel"), say("to all"), private("alice", "x"), in_channel("global", "to all too")
        )
        alice.pending()
    server.stop()
    with closing(sqlite3.connect(tmp_path / "data" / "classcord.db")) as db:
        rows: list[tuple[Any, ...]] = db.execute("SELECT kind, channel, content FROM messages ORDER BY id").fetchall()
    assert rows == [("channel", "#dev", "in a channel"), ("global", None, "to all"), ("global", None, "to all too")]


def test_a_message_to_the_name_of_a_channel_goes_there_and_not_to_everybody(join: Join) -> None:
    alice, bob, carol, salon = join("alice"), join("bob"), join("carol"), unique("#salon")
    joined(bob, salon)
    alice.send(say("dedans", to=salon), say("/moi rit", to=salon), {"type": "message", "content": "x", "to": "#a b"})
    assert errors(alice.pending()) == ["invalid_name"]
    assert contents(bob.pending(), alice.name) == ["dedans", "* rit"]
    assert contents(carol.pending(), alice.name) == []
