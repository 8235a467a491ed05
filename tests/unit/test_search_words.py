"""The words of a text, as a search compares them."""

from __future__ import annotations

import pytest

from classcord.wire.protocol import MAX_CONTENT
from classcord.wire.words import words_of
from tests.unit.test_linear import assert_linear, repeated


@pytest.mark.parametrize(("text", "words"), [
    ("Élève n°2 : l'ÉTÉ", ["eleve", "n", "2", "l", "ete"]),
    ("e\u0301le\u0300ve", ["eleve"]),
    ("Straße STRASSE", ["strasse", "strasse"]),
    ("ﬁn ² a_b", ["fin", "2", "a_b"]),
    ("Œuvre ŒUVRE oeuvre", ["oeuvre", "oeuvre", "oeuvre"]),
    ("Lætitia ǼGIS laetitia", ["laetitia", "aegis", "laetitia"]),
    ("Łódź Søren ØRSTED Işık Þór Đà", ["lodz", "soren", "orsted", "isik", "thor", "da"]),
    ("… !", []),
])
def test_words_have_no_accents_and_no_case(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_piled_marks_are_left_as_they_are() -> None:
    assert words_of("a" + "\u0301\u0323" * 2000)
    assert words_of("Œ" + "\u0301\u0323" * 2000)[0][:2] == "oe"


@pytest.mark.parametrize("unit", ["é", "\u0301", "日 ", "œ"])
def test_the_words_of_a_content_are_found_in_linear_time(unit: str) -> None:
    assert_linear(words_of, repeated(unit), MAX_CONTENT)
