"""Which names people may have, and when two are the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord import names


@given(st.text(max_size=20))
def test_a_key_is_its_own_key(name: str) -> None:
    assert names.key(names.key(name)) == names.key(name)


@given(st.text(max_size=20))
def test_forms_of_one_name_have_one_key(name: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert names.key(unicodedata.normalize(form, name)) == names.key(name)
    assert names.key(name.casefold()) == names.key(name)


@given(st.text(max_size=50))
def test_any_text_is_a_name_or_is_refused(name: str) -> None:
    try:
        names.check(name)
    except names.NameRefused:
        return
    assert 1 <= len(name) <= names.MAX_NAME
    assert name == name.strip()
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in name)


@pytest.mark.parametrize("name", [
    "a", "alice", "Jean-Pierre Dupont", "zoé", "zoe\u0301", "_x_", "O'Brien", "山田太郎", "Иван",
    "😀", "x" * 40, "Nguyễn", "bob (invité)", "12",
])
def test_names_that_people_have(name: str) -> None:
    names.check(name)


@pytest.mark.parametrize("name", [
    "", "x" * 41, " bob", "bob ", "bob\n", "b\tb", "b\0b", "b\x1bb", "b\x7fb", "b\x85b", "bo\u200bb", "\u202ebob",
    "b\u2066b", "bob\U0001d159", "b" + "\u0489" * 3, "Serveur\u20dd", "adm\u0131n", "ADM\u0130N",
    "b\u00a0b", "b\u3000b", "b\u2028b", "<bob>", "a>b", "bоb", "αlice", "\u0301bob", "b\u034fb", "\u3164", "a\ufe0f",
    "z\u0301\u0301\u0301\u0301", "\ud800", "\ue000", "\u2800",
])
def test_names_that_nobody_may_have(name: str) -> None:
    with pytest.raises(names.NameRefused):
        names.check(name)


RESERVED = ["global", "serveur", "server", "système", "system", "admin", "invité", "all", "moi"]


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_are_so_in_any_case_accent_and_width(name: str) -> None:
    bare = "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))
    wide = "".join(chr(ord(c) + 0xFEE0) for c in bare)
    forms = [name, name.upper(), name.title(), bare, unicodedata.normalize("NFD", name), wide, bare.replace("e", "ë")]
    for form in forms:
        with pytest.raises(names.NameRefused):
            names.check(form)


def test_reserved_is_the_whole_name_only() -> None:
    for name in ("global2", "administrateur", "moise"):
        names.check(name)
