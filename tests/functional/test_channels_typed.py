"""Channels for clients that do not know them: commands are typed, and a prefix says where a message comes from."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.functional.lines import Connect, Join, about, after, answer, contents, errors, notices
from tests.functional.school import School
from tests.functional.test_protocol_channels import in_channel, joined, request
from tests.support import Client, Server, say, unique


@pytest.fixture
def salon() -> str:
    """The name of a channel that no other test has."""
    return unique("#salon")


def typed(client: Client, text: str) -> str:
    """The text of the one answer to a typed command."""
    client.pending()
    client.send(say(text))
    lines = client.pending()
    assert errors(lines) == []
    (line,) = notices(lines)
    assert (line["subtype"], line["to"]) == ("private", client.name)
    assert line["content"].isprintable(), "one line"
    assert len(line["content"]) < 200
    return str(line["content"])


def heard(sender: Client, receiver: Client) -> list[str]:
    """What the receiver has got from the sender, who has nothing under way any more."""
    return contents(after(sender, receiver), sender.name)


WAYS = [
    "/join #{}", "/join {}", "/join#{}", "/JOIN #{}", " /join  #{} ", "/join #{}.", "/join \uff03{}", "/join\uff03{}",
    '/join "#{}"', "/join '{}'", "/join «#{}»", "/join ##{}", '/join "##{}".',
]


@pytest.mark.parametrize("way", WAYS)
def test_a_typed_join_leads_to_the_channel(join: Join, salon: str, way: str) -> None:
    alice, bob, carol = joined(join("alice"), salon), join("bob"), join("carol")
    assert salon in typed(bob, way.format(salon[1:]))
    bob.send(say("hello"))
    assert heard(bob, carol) == []
    got = about(alice.pending(), bob.name)[-1]
    assert (got["content"], got["channel"]) == ("hello", salon)
    alice.send(in_channel(salon, "é <b> \" \\ \n"), say("to all"))
    assert heard(alice, bob) == [f"[{salon}] é <b> \" \\ \n", "to all"]


def test_a_client_without_the_key_gets_the_prefix_and_no_new_key(join: Join, salon: str) -> None:
    alice, bob, carol = join("alice"), join("bob"), joined(join("carol"), salon)
    for client in (alice, bob):
        typed(client, f"/join {salon}")
    alice.send(say("hello"))
    (got,) = [line for line in after(alice, bob) if line.get("from") == alice.name and line["type"] == "message"]
    assert list(got) == ["type", "subtype", "from", "to", "content", "timestamp", "id"]
    assert (got["subtype"], got["to"], got["content"]) == ("global", "global", f"[{salon}] hello")
    other = about(carol.pending(), alice.name)[-1]
    assert (other["content"], other["channel"], other["id"]) == ("hello", salon, got["id"]), "the same message"
    assert contents(alice.pending(), alice.name) == [], "no echo"


def test_what_is_typed_goes_to_the_channel_joined_last_until_everybody_is_joined(join: Join, salon: str) -> None:
    alice, bob, second = join("alice"), join("bob"), unique("#salon")
    typed(bob, f"/join {salon}")
    typed(bob, f"/join {second}")
    typed(alice, f"/join {second}")
    typed(alice, f"/join {salon}")
    alice.send(say("one"))
    assert heard(alice, bob) == [f"[{salon}] one"]
    typed(alice, f"/join {second}")
    alice.send(say("two"))
    assert heard(alice, bob) == [f"[{second}] two"]
    for back in ("/join #général", "/join general", "/join#Général", "/join global"):
        typed(alice, f"/join {second}")
        assert "#général" in typed(alice, back)
        alice.send(say("all"))
        assert heard(alice, bob) == ["all"]
    bob.send(say("still to you"))
    assert heard(bob, alice) == [f"[{second}] still to you"], "it stays a member"


@pytest.mark.parametrize("word", ["/quitter", "/leave", "/part"])
def test_a_channel_is_left_by_typing(join: Join, salon: str, word: str) -> None:
    alice, bob, second = join("alice"), joined(join("bob"), salon), unique("#salon")
    typed(alice, f"/join {salon}")
    assert salon in typed(alice, word), "the channel that it writes to"
    alice.send(say("to all"))
    assert "channel" not in about(after(alice, bob), alice.name)[-1]
    typed(alice, f"/join {salon}")
    typed(alice, f"/join {second}")
    left = typed(alice, f"{word} {salon}")
    assert (salon in left, second in left) == (True, True), "and where it writes now"
    bob.send(in_channel(salon, "x"))
    assert heard(bob, alice) == []
    assert "pas dans" in typed(alice, f"{word} {salon}")
    typed(alice, word)
    assert "#général" in typed(alice, word), "nobody leaves it"


def test_the_channels_are_listed_by_typing(join: Join, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    for word in ("/canaux", "/channels", "/list"):
        alice.pending()
        bob.pending()
        bob.send(say(word))
        (line,) = notices(bob.pending())
        assert f"{salon} (1)" in line["content"]
        assert "#général (" in line["content"]
        assert "#admin" not in line["content"]


def test_the_topic_is_asked_for_and_set_by_typing(join: Join, salon: str) -> None:
    alice, bob = join("alice"), join("bob")
    typed(bob, f"/join {salon}")
    typed(alice, f"/join {salon}")
    assert "pas de sujet" in typed(alice, "/sujet")
    bob.pending()
    alice.send(say("/sujet Le TP 4"))
    told = [line for line in after(alice, bob) if line.get("from") == "Serveur"]
    assert [line["content"] for line in told] == [f"[{salon}] {alice.name} a changé le sujet de {salon} : Le TP 4"]
    for word in ("/sujet", "/topic", f"/sujet {salon}", f"/sujet{salon}"):
        assert typed(alice, word) == f"Sujet de {salon} : Le TP 4"
    assert "Sujet de #dev" in typed(alice, "/sujet #dev") or "pas de sujet" in typed(alice, "/sujet #dev")
    assert "enseignant" in typed(alice, "/sujet #dev à moi")
    assert typed(join("carol"), f"/join {salon}").endswith("Le TP 4"), "who joins is told"


def test_who_is_in_the_channel_is_asked_for_by_typing(join: Join, salon: str) -> None:
    alice, bob, carol, ghost = join("alice"), join("bob"), join("carol"), join("ghost")
    ghost.send({"type": "status", "state": "invisible"}, request("join", salon))
    bob.send({"type": "status", "state": "away"}, request("join", salon))
    for client in (ghost, bob):
        client.pending()
    typed(alice, f"/join {salon}")
    told = f"Présents dans {salon} (2) : {alice.name}, {bob.name} (away)"
    for client, word in ((alice, "/qui"), (carol, f"/qui {salon}"), (carol, f"/qui{salon}"), (carol, f"/who {salon}")):
        client.pending()
        client.send(say(word))
        (line,) = notices(client.pending())
        assert line["content"] == told
    assert "pas de canal" in typed(carol, "/qui #nulle-part")
    carol.send(say("/qui"))
    (line,) = notices(carol.pending())
    assert carol.name in line["content"]


@pytest.mark.parametrize(("command", "reason"), [
    ("/join", "/join #dev"), ("/join a b", "/join #dev"), ("/join #a<b", "nom de canal"), ("/join #Serveur", "réservé"),
    ("/join #admin", "enseignants"), ("/join " + "x" * 3000, "nom de canal"), ("/quitter #nulle-part", "pas dans"),
    ("/quitter #général", "tout le monde"), ("/qui a b", "/qui"), ("/join #\u202edev", "nom de canal"),
])
def test_what_can_not_be_done_is_told_in_one_line_and_relayed_to_nobody(join: Join, command: str, reason: str) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    assert reason in typed(alice, command)
    assert heard(alice, bob) == []


def test_who_types_first_and_speaks_the_key_later(join: Join, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    typed(bob, f"/join {salon}")
    alice.send(in_channel(salon, "one"))
    assert heard(alice, bob) == [f"[{salon}] one"]
    bob.send({"type": "who", "channel": "#dev"})
    bob.pending()
    alice.send(in_channel(salon, "two"))
    got = about(after(alice, bob), alice.name)[-1]
    assert (got["content"], got["channel"]) == ("two", salon), "it stays a member, and gets the key"
    bob.send(say("to everybody"), in_channel(salon, "to the channel"))
    seen = about(after(bob, alice), bob.name)
    assert [(line["content"], line.get("channel")) for line in seen][-2:] == [
        ("to everybody", None), ("to the channel", salon)
    ]
    assert typed(bob, f"/join {salon}") == f"Vous êtes dans {salon}."
    bob.send(say("to everybody"))
    assert "channel" not in about(after(bob, alice), bob.name)[-1], "also after it has typed again"


@pytest.mark.parametrize("empty", [
    {"type": "message", "channel": "", "content": "x"}, {"type": "who", "channel": ""},
    {"type": "history", "channel": ""}, {"type": "message", "channel": "", "content": "/qui"},
    {"type": "message", "subtype": "private", "to": "nobody", "channel": "", "content": "x"},
])
def test_the_empty_key_of_a_client_with_an_unset_string_does_not_count(
    join: Join, salon: str, empty: dict[str, str]
) -> None:
    alice, bob, carol = join("alice"), join("bob"), join("carol")
    typed(bob, f"/join {salon}")
    typed(alice, f"/join {salon}")
    bob.send(empty)
    bob.pending()
    bob.send({**say("to the channel"), "channel": ""})
    assert heard(bob, alice)[-1:] == [f"[{salon}] to the channel"]
    assert "to the channel" not in str(carol.pending())


@pytest.mark.parametrize("key", [
    {"type": "message", "channel": "global", "content": "x"}, {"type": "message", "channel": "#dev", "content": "/qui"},
    {"type": "channel_switch", "channel": "dev"}, {"type": "topic", "channel": "#dev"},
    {"type": "message", "subtype": "private", "to": "nobody", "channel": "#dev", "content": "x"},
])
def test_any_request_with_the_key_shows_that_the_client_knows_it(join: Join, salon: str, key: dict[str, str]) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    typed(bob, f"/join {salon}")
    bob.send(key)
    bob.pending()
    alice.send(in_channel(salon, "x"))
    assert heard(alice, bob)[-1:] == ["x"]


def test_a_key_that_is_null_is_no_key(join: Join, salon: str) -> None:
    alice, bob = join("alice"), joined(join("bob"), salon)
    typed(alice, f"/join {salon}")
    alice.send(say("x", channel=None))
    got = about(after(alice, bob), alice.name)[-1]
    assert (got["content"], got["channel"]) == ("x", salon)


def test_a_guest_may_type_too(connect: Connect, join: Join, salon: str) -> None:
    alice, visitor = joined(join("alice"), salon), connect()
    visitor.name = unique("zoé")
    visitor.send(say(f"/join {salon}", **{"from": visitor.name}), say("Salut", **{"from": visitor.name}))
    visitor.pending()
    got = about(alice.pending(), visitor.name)[-1]
    assert (got["content"], got["channel"], got["guest"]) == ("Salut", salon, True)


def test_logout_ends_what_was_typed(join: Join, salon: str) -> None:
    alice, bob = joined(join("alice"), salon), join("bob")
    typed(bob, f"/join {salon}")
    bob.send({"type": "logout"})
    bob.pending()
    bob.login(bob.name)
    bob.send(say("to all"))
    assert "channel" not in about(after(bob, alice), bob.name)[-1]


def test_the_order_is_one_for_both_kinds(join: Join, salon: str) -> None:
    alice, bob, carol, eve = joined(join("alice"), salon), join("bob"), join("carol"), joined(join("eve"), salon)
    for client in (bob, carol):
        typed(client, f"/join {salon}")
    for n in range(20):
        alice.send(in_channel(salon, f"a{n}"), say(f"all{n}"))
        carol.send(say(f"c{n}"))
    for sender in (alice, carol):
        sender.pending()
    keyed = [line["id"] for line in eve.pending() if line.get("from") in (alice.name, carol.name) and "id" in line]
    prefixed = [line["id"] for line in bob.pending() if line.get("from") in (alice.name, carol.name) and "id" in line]
    assert keyed == prefixed == sorted(keyed)
    assert len(keyed) == 60


def test_help_names_the_commands(join: Join) -> None:
    alice = join("alice")
    assert {"/join", "/quitter", "/canaux", "/sujet"} <= set(typed(alice, "/aide").split())
    for word in ("join", "quitter", "leave", "part", "canaux", "channels", "list", "sujet", "topic"):
        assert typed(alice, f"/aide {word}").startswith("/")
    assert answer(alice, {"type": "help"})["type"] == "help"


def test_a_command_in_a_message_with_the_key_is_about_that_channel(join: Join, salon: str) -> None:
    alice, bob = join("alice"), join("bob")
    for client in (alice, bob):
        joined(client, salon)

    def ask(command: str) -> str:
        alice.pending()
        alice.send(in_channel(salon, command))
        (line,) = notices(alice.pending())
        return str(line["content"])

    bob.send(in_channel(salon, "dedans"), say("dehors"))
    bob.pending()
    assert ask("/historique 1").endswith("dedans")
    assert ask("/chercher dehors") == "Aucun message."
    assert ask("/qui") == f"Présents dans {salon} (2) : {alice.name}, {bob.name}"
    assert ask("/sujet le TP") == f"Sujet de {salon} : le TP"
    assert ask("/sujet") == f"Sujet de {salon} : le TP"
    assert typed(alice, "/sujet") == "#général n'a pas de sujet.", "the next command, without the key"
    alice.send(in_channel(salon, "//tmp"))
    assert typed(alice, "/sujet") == "#général n'a pas de sujet.", "also after a message that was relayed"
    assert "quitté" in ask("/quitter")
    assert answer(alice, {"type": "leave", "channel": salon})["code"] == "no_channel"
    alice.send(in_channel(unique("#nowhere"), "/historique"))
    assert errors(alice.pending()) == ["no_channel"]


def test_that_nobody_is_in_a_channel_is_a_sentence(school: School) -> None:
    school.prof.send(say("/qui #dev"))
    assert [line["content"] for line in notices(school.prof.pending())] == ["Personne n'est dans #dev."]


def test_only_teachers_see_who_is_in_their_channel(school: School) -> None:
    school.prof.send(say("/join #admin"))
    school.prof.pending()
    for line in (say("/qui #admin"), say("/qui", channel="#admin")):
        school.alice.send(line)
        assert [got["content"] for got in notices(school.alice.pending())] == [
            "Il n'y a pas de canal #admin. La liste : /canaux"
        ]
    school.prof.send(say("/qui #admin"))
    assert [line["content"] for line in notices(school.prof.pending())] == ["Présents dans #admin (1) : prof"]


def test_the_list_names_a_channel_that_one_may_enter(own_server: Callable[..., Server]) -> None:
    for channels, told in (
        ("none", "Canaux : #général (1)."), ("jeux", "Canaux : #général (1), #jeux (0). Pour entrer : /join #jeux"),
    ):
        with own_server("--channels", channels, "--teacher-channels", "none") as server, Client(
            (server.host, server.port)
        ) as alice:
            alice.send(say("/canaux"))
            assert [line["content"] for line in notices(alice.pending())] == [told]
            assert server.stop() == 0
