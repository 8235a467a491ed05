"""`commands`: what a client needs to complete typed words."""

from __future__ import annotations

import pytest

from handlers.table import TABLE
from tests.functional.lines import Connect, errors
from tests.functional.school import School
from tests.support import say


def test_every_command_that_is_listed_is_there_for_a_teacher(school: School) -> None:
    answer = school.prof.ask({"type": "commands"})
    assert (answer["type"], answer["language"]) == ("commands", "fr")
    found = {each["word"]: each for each in answer["commands"]}
    assert len(found) == len(answer["commands"]) == sum(
        row.typed is not None and row.typed.listed != "never" for row in TABLE
    )
    assert found["/mp"] == {
        "word": "/mp", "words": ["/mp", "/msg", "/w", "/whisper"], "teacher": False,
        "explained": "/mp NOM TEXTE : message privé (un nom avec des espaces se met entre guillemets)",
    }
    assert (found["/muet"]["teacher"], "/login" in found) == (True, False)
    assert answer["commands"][0]["word"] == "/aide", "in the order of /aide"
    assert school.alice.ask({"type": "commands"})["commands"] == [
        each for each in answer["commands"] if not each["teacher"]
    ]


def test_in_english(connect: Connect) -> None:
    answer = connect().ask({"type": "commands", "language": "en"})
    assert {each["word"] for each in answer["commands"]} >= {"/msg", "/help", "/ignore"}
    assert all(each["words"][0] == each["word"] for each in answer["commands"])


@pytest.mark.parametrize("language", ["de", "FR"])
def test_an_unknown_language(connect: Connect, language: str) -> None:
    assert errors([connect().ask({"type": "commands", "language": language})]) == ["invalid_field"]


def test_each_word_that_is_proposed_is_understood(school: School) -> None:
    client = school.prof
    words = [word for each in client.ask({"type": "commands"})["commands"] for word in each["words"]]
    client.ask({"type": "users"})
    client.send(*[say(f"/aide {word}") for word in words])
    told = [line["content"] for line in client.pending() if line.get("from") == "Serveur"]
    assert len(told) == len(words)
    assert not [text for text in told if "Pas de commande" in text or "inconnue" in text]
