"""The history: pages, what was missed, private exchanges, search; as JSON and as typed commands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.lines import Connect, Join, after, notices, private
from tests.support import Client, Message, say, unique


def asked(client: Client, **fields: Any) -> tuple[list[Message], Message]:
    """The messages of the answer, and its last line. Checks that these are all."""
    client.pending()
    client.send({"type": "history", **fields})
    *lines, last = client.pending()
    assert all(line["type"] == "message" and line["history"] is True for line in lines), lines
    assert (last["type"], last["done"], last["count"]) == ("history", True, len(lines))
    return lines, last


Talk = tuple[Client, Client, list[int]]
"""Two members, and the ids of ten messages of the first one."""


@pytest.fixture
def word() -> str:
    """A word that no other test writes."""
    return unique("mot").replace("-", "")


@pytest.fixture
def talk(join: Join, word: str) -> Talk:
    alice, bob = join("alice"), join("bob")
    for number in range(10):
        alice.send(say(f"{word} Élève {number}"))
    got = [line for line in after(alice, bob) if line["type"] == "message" and word in line["content"]]
    assert len(got) == 10
    return alice, bob, [line["id"] for line in got]


def test_the_newest_come_oldest_first_as_they_were(talk: Talk, word: str) -> None:
    _, bob, ids = talk
    lines, last = asked(bob, limit=3, query=word)
    assert [line["id"] for line in lines] == ids[-3:]
    assert last["more"] is True
    assert set(lines[0]) == {"type", "subtype", "from", "to", "content", "timestamp", "id", "history"}
    assert (lines[0]["subtype"], lines[0]["to"], lines[0]["content"]) == ("global", "global", f"{word} Élève 7")


def test_pages_back_have_each_message_once(talk: Talk, word: str) -> None:
    _, bob, ids = talk
    found: list[int] = []
    before, more = ids[-1] + 1, True
    while more:
        lines, last = asked(bob, limit=4, before=before, query=word)
        found = [line["id"] for line in lines] + found
        before, more = found[0], last["more"]
    assert found == ids


def test_who_comes_back_after_a_cut_misses_nothing(talk: Talk, connect: Connect) -> None:
    _, _, ids = talk
    client, found, after, more = connect(), [], ids[0], True
    while more:
        lines, last = asked(client, limit=4, after=after)
        assert [line["id"] for line in lines] == sorted(line["id"] for line in lines)
        found += [line["id"] for line in lines]
        after, more = found[-1], last["more"]
    assert [id for id in found if id in ids] == ids[1:]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("query", ["{} eleve 3", "ÉLÈVE 3 {}", "{}, e\u0301le\u0300ve: 3!"])
def test_a_search_ignores_accents_case_and_order(talk: Talk, word: str, query: str) -> None:
    _, bob, ids = talk
    lines, last = asked(bob, query=query.format(word))
    assert [line["id"] for line in lines] == [ids[3]]
    assert last["query"] == query.format(word)


@pytest.mark.parametrize(("said", "query"), [("Chef-d'Œuvre", "oeuvre"), ("boeuf", "bœuf"), ("Ex æquo", "aequo")])
def test_letters_that_a_keyboard_lacks_are_found_as_people_type_them(
    join: Join, word: str, said: str, query: str
) -> None:
    alice = join("alice")
    alice.send(say(f"{word} {said}"))
    lines, _ = asked(alice, query=f"{word} {query}")
    assert [line["content"] for line in lines] == [f"{word} {said}"]


def test_what_was_just_said_is_found(talk: Talk, word: str) -> None:
    alice, *_ = talk
    alice.send(say(f"{word} à l'instant"), {"type": "history", "query": f"{word} instant"})
    line = alice.until(type="message", history=True)
    assert line["content"] == f"{word} à l'instant"


def test_a_private_exchange_is_for_its_two_accounts_alone(join: Join, word: str) -> None:
    alice, bob, eve = join("alice"), join("bob"), join("eve")
    for sender, receiver in ((alice, bob), (bob, alice), (eve, bob)):
        sender.send(private(receiver.name, f"{word} {sender.name}"))
        receiver.until(type="message", subtype="private")
    for one, other in ((alice, bob), (bob, alice)):
        lines, last = asked(one, **{"with": other.name.upper(), "query": word})
        assert [line["content"] for line in lines] == [f"{word} {alice.name}", f"{word} {bob.name}"]
        assert [(line["from"], line["to"]) for line in lines] == [(alice.name, bob.name), (bob.name, alice.name)]
        assert last["with"] == other.name.upper()
    assert asked(eve, **{"with": alice.name})[0] == []
    assert asked(eve, query=word)[0] == [], "not in the history of everybody"


def test_who_registers_the_name_of_a_guest_does_not_read_its_messages(
    join: Join, connect: Connect, word: str
) -> None:
    alice, guest = join("alice"), connect()
    name = unique("zoe")
    guest.send({"type": "message", "from": name, "content": "Bonjour"})
    alice.until(type="message", content="Bonjour")
    alice.send(private(name, word))
    guest.until(type="message", content=word)
    guest.close()
    alice.until(type="status", user=name, state="offline")
    thief = connect()
    thief.register(name)
    thief.login(name)
    assert asked(thief, **{"with": alice.name})[0] == []
    alice.send(private(name, f"{word} 2"))
    thief.until(type="message", content=f"{word} 2")
    assert [line["content"] for line in asked(thief, **{"with": alice.name})[0]] == [f"{word} 2"]


@pytest.mark.parametrize(("fields", "code"), [
    ({"limit": "x"}, "invalid_field"), ({"limit": -1}, "invalid_field"), ({"limit": 1.5}, "invalid_field"),
    ({"before": True}, "invalid_field"), ({"after": 10**30}, "invalid_field"), ({"before": "1" * 30}, "invalid_field"),
    ({"after": []}, "invalid_field"), ({"query": "…"}, "invalid_field"), ({"query": 5}, "invalid_field"),
    ({"with": "nobody at all"}, "invalid_field"), ({"query": "x" * 1001}, "invalid_field"),
])
def test_a_wrong_field_is_named(join: Join, fields: dict[str, Any], code: str) -> None:
    client = join("alice")
    error = client.ask({"type": "history", **fields})
    assert (error["code"], next(iter(fields)) in error["message"]) == (code, True)


def test_a_guest_has_no_private_history(connect: Connect, join: Join) -> None:
    client = connect()
    assert client.ask({"type": "history", "with": join("alice").name})["code"] == "not_named"


@pytest.mark.parametrize("fields", [
    {"limit": "2"}, {"limit": 2, "before": None, "after": None, "with": None, "query": None},
    {"limit": 2, "with": "", "query": ""},
])
def test_numbers_may_be_strings_and_null_is_not_given(talk: Talk, fields: Any) -> None:
    lines, _ = asked(talk[1], **fields)
    assert len(lines) == 2


def test_who_has_no_name_may_read_and_gets_none(talk: Talk, connect: Connect, word: str) -> None:
    client = connect()
    lines, _ = asked(client, query=word)
    assert len(lines) == 10
    talk[0].pending()
    talk[0].send({"type": "ping"})
    assert talk[0].receive() == {"type": "pong"}, "nobody has come"


def test_typed_history_is_one_short_message_a_line(talk: Talk, word: str) -> None:
    alice, bob, _ = talk
    bob.send(say("/historique 2"))
    for number in (8, 9):
        line = bob.until(type="message", subtype="private")
        assert (line["from"], line["to"]) == ("Serveur", bob.name)
        assert line["content"].endswith(f"] {alice.name} : {word} Élève {number}")
    bob.send(say(f"/chercher {word} eleve 4"))
    assert bob.until(type="message", subtype="private")["content"].endswith(f"{word} Élève 4")
    assert not any(word in line.get("content", "") for line in alice.pending()), "nothing of it is relayed"


@pytest.mark.parametrize(("text", "answer"), [
    ("/historique beaucoup", "/historique [N]"), ("/chercher", "/chercher MOTS"), ("/chercher …", "/chercher MOTS"),
    ("/chercher zzzzzzzzzzzz", "Aucun message."),
])
def test_a_typed_request_without_result_is_answered(join: Join, text: str, answer: str) -> None:
    client = join("alice")
    client.pending()
    client.send(say(text))
    (notice,) = notices(client.pending())
    assert answer in notice["content"]


def test_a_channel_has_a_history_of_its_own(join: Join, word: str) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(say(f"{word} here", channel="#dev"), say(f"{word} there"))
    alice.pending()
    lines, last = asked(bob, channel="DEV", query=word)
    assert [(line["content"], line["channel"], line["to"]) for line in lines] == [(f"{word} here", "#dev", "global")]
    assert last["channel"] == "DEV"
    for everybody in ({}, {"channel": "#General"}, {"channel": ""}):
        lines, _ = asked(bob, query=word, **everybody)
        assert [line["content"] for line in lines] == [f"{word} there"]
        assert "channel" not in lines[0]


def test_a_closed_channel_and_one_that_is_not_there_have_no_history_for_a_pupil(join: Join) -> None:
    client = join("alice")
    for fields, code in (
        ({"channel": "#admin"}, "not_allowed"), ({"channel": f"#{unique('c')[:30]}"}, "no_channel"),
        ({"channel": "a b"}, "invalid_name"), ({"channel": "#dev", "with": "bob"}, "invalid_field"),
    ):
        assert client.ask({"type": "history", **fields})["code"] == code


def test_what_is_typed_is_about_the_channel_that_one_writes_to(join: Join, word: str) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(say(f"{word} to all"), say("/join #dev"), say(f"{word} to dev"))
    alice.pending()
    bob.send(say(f"/chercher {word}"))
    assert bob.until(type="message", subtype="private")["content"].endswith(f"{word} to all")
    bob.pending()
    bob.send(say("/join #dev"), say(f"/chercher {word}"))
    bob.until(type="message", subtype="private")
    assert bob.until(type="message", subtype="private")["content"].endswith(f"{word} to dev")


def test_before_the_first_message_there_is_none(join: Join, word: str) -> None:
    alice = join("alice")
    alice.send(say(word))
    lines, last = asked(alice, before=0)
    assert (lines, last["count"], last["more"]) == ([], 0, False)
