"""The lines that people type at the console: their words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.console.words import COMMANDS, quoted, split


@pytest.mark.parametrize(("line", "words"), [
    ("", []), ("  \t", []), ("users", ["users"]), ("  stats   --json ", ["stats", "--json"]),
    ("announce C'est l'heure de la pause", ["announce", "C'est l'heure de la pause"]),
    ('announce  dit "oui"  et  a\\b ', ["announce", 'dit "oui"  et  a\\b']),
    ("announce \"tout est cit\u00e9\"", ["announce", "\"tout est cit\u00e9\""]),
    ("kick alice c'est trop", ["kick", "alice", "c'est", "trop"]),
    ('kick "Jean Paul" il dit "non" et \'oui\'', ["kick", "Jean Paul", "il", "dit", '"non"', "et", "'oui'"]),
    ("ban 'Jean Paul' 2h l'injure --force", ["ban", "Jean Paul", "2h", "l'injure", "--force"]),
    ("ban d'Arc 1h", ["ban", "d'Arc", "1h"]), ('kick "bob', ["kick", '"bob']),
    ("kick 'bob'x y", ["kick", "'bob'x", "y"]),
    ('new-class --archive "la classe.db"', ["new-class", "--archive", "la classe.db"]),
    ("close-channel #dev", ["close-channel", "#dev"]), ("nix l'a \"b c\"", ["nix", "l'a", "b c"]),
])
def test_the_words_of_a_line(line: str, words: list[str]) -> None:
    assert split(line) == words


@given(st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1).map(str.strip).filter(bool))
def test_a_text_stays_as_it_was_typed(text: str) -> None:
    assert split(f"announce {text}") == ["announce", text]
    assert split(f"kick bob {text}") == ["kick", "bob", *text.split()]


@pytest.mark.parametrize("name", ["bob", "Jean Paul", "Jean d'Arc", "d'Arc", 'a "b" c', "'Bob'"])
def test_a_completed_name_is_one_word(name: str) -> None:
    for command in COMMANDS:
        if COMMANDS[command].people:
            assert split(f"{command} {quoted(name)} ") == [command, name]
