"""Typed words: states, actions, private messages, and the guess about a word that nobody knows."""

from __future__ import annotations

import pytest

from tests.functional.lines import Join, about, after, contents, errors, notices, private, states
from tests.functional.school import School
from tests.functional.test_channels_typed import typed
from tests.functional.test_protocol_channels import in_channel, joined
from tests.support import say, unique


def test_a_state_has_a_word_of_its_own(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    words = ["/absent", "/retour", "/AWAY déjeuner", "/back", "/invisible", "/retour."]
    for word, state in zip(words, ["away", "online", "away", "online", "invisible", "online"], strict=True):
        bob.pending()
        assert state in typed(alice, word)
        seen = bob.pending()
        assert states(seen, alice.name)[-1:] == [(alice.name, state)]
        assert "déjeuner" not in str(seen)


@pytest.mark.parametrize("word", ["/mp", "/msg", "/w", "/whisper", "/MP"])
def test_a_private_message_has_the_words_that_people_know(join: Join, word: str) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(say(f"{word} {bob.name} Salut"))
    (got,) = [line for line in about(after(alice, bob), alice.name) if line["type"] == "message"]
    assert (got["subtype"], got["content"]) == ("private", "Salut")


@pytest.mark.parametrize("word", ["/moi", "/me", "/MOI", " / moi", "/moi:"])
def test_an_action_is_a_message_to_everybody(join: Join, word: str) -> None:
    alice, bob = join("alice"), join("bob")
    alice.send(say(f"{word} range  son bureau"))
    (got,) = [line for line in about(after(alice, bob), alice.name) if line["type"] == "message"]
    assert (got["subtype"], got["to"], got["content"]) == ("global", "global", "* range  son bureau")
    assert "id" in got
    assert alice.pending() == [], "no echo"


def test_an_action_goes_where_it_was_written(join: Join) -> None:
    alice, bob, carol, salon = join("alice"), join("bob"), join("carol"), unique("#salon")
    for client in (alice, bob):
        typed(client, f"/join {salon}")
    alice.send(say("/moi rit"), private(bob.name, "/moi pleure"), {"type": "private", "to": bob.name, "content": "/me"})
    assert contents(after(alice, bob), alice.name) == [f"[{salon}] * rit", "* pleure"]
    assert contents(carol.pending(), alice.name) == []
    joined(carol, salon)
    carol.send(in_channel(salon, "/moi arrive"))
    assert contents(after(carol, bob), carol.name) == [f"[{salon}] * arrive"]


def test_an_action_without_a_text_shows_how_it_is_typed(join: Join) -> None:
    assert typed(join("alice"), "/moi ").startswith("/moi TEXTE")


@pytest.mark.parametrize(("word", "meant"), [
    ("/histoire", "/historique"), ("/quiter #dev", "/quitter"), ("/absnt", "/absent"), ("/ABSNT", "/absent"),
    ("/histroy", "/historique"), ("/aide_", "/aide"), ("/cherhcer azerty", "/chercher"), ("/joindre", "/join"),
    ("/quit", "/quitter"), ("/hist", "/historique"), ("/ign bob", "/ignorer"),
    ("/motdepase azerty azerty2", "/motdepasse"), ("/pasword azerty azerty2", "/motdepasse"),
])
def test_an_unknown_word_names_the_closest_one(join: Join, word: str, meant: str) -> None:
    alice, bob = join("alice"), join("bob")
    answer = typed(alice, word)
    assert f"Vouliez-vous dire {meant} ?" in answer
    assert "azerty" not in answer
    assert contents(after(alice, bob), alice.name) == []


@pytest.mark.parametrize("word", [
    "/logn bob secret", "/registr bob secret", "/kik bob", "/annonc x", "/muett bob", "/sup 3", "/log bob secret",
    "/bonjour", "/x" + "a" * 3900,
])
def test_there_is_no_guess_for_a_far_word_for_teachers_and_for_passwords(join: Join, word: str) -> None:
    answer = typed(join("alice"), word)
    assert "Vouliez-vous" not in answer
    assert "secret" not in answer


def test_teachers_get_a_guess_for_their_words_too(school: School) -> None:
    for word, meant in (
        ("/kik bob", "/ejecter"), ("/annonc Pause", "/annonce"), ("/muett bob", "/muet"), ("/sup 3", "/supprimer"),
        ("/histoire", "/historique"), ("/aide kik", "/ejecter"),
    ):
        (line,) = school.types(word)
        assert f"Vouliez-vous dire {meant} ?" in line


def test_a_question_about_an_unknown_word_names_the_closest_one_too(join: Join) -> None:
    assert "Vouliez-vous dire /historique ?" in typed(join("alice"), "/aide histoire")


def test_all_commands_are_listed_on_demand(join: Join) -> None:
    alice = join("alice")
    common, whole = (set(typed(alice, word).split(".")[0].split()[2:]) for word in ("/aide", "/aide tout"))
    assert common < whole
    assert {"/etat", "/invisible"} <= whole - common
    alice.send(say("/help all"))
    lines = alice.pending()
    assert (errors(lines), len(notices(lines))) == ([], 1)


def test_a_muted_person_does_nothing_either(school: School) -> None:
    school.types("/muet bob 5")
    school.bob.pending()
    for line in (say("/moi rit"), private("alice", "/moi rit"), say("/mp alice Salut")):
        school.bob.send(line)
    lines = school.bob.pending()
    assert errors(lines) == []
    assert ["Rien n'a été envoyé." in line["content"] for line in notices(lines)] == [True] * 3
    school.bob.send({"type": "join", "channel": "#dev"}, say("/mp alice Salut"), say("/moi rit"), say("Salut"))
    lines = school.bob.pending()
    assert errors(lines) == ["muted", "muted"], "this client knows error lines; but a command is answered as always"
    assert len(notices(lines)) == 1
    assert contents(school.alice.pending(), "bob") == []
