"""Which names people may have, and when two are the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.wire import names


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
    "😀", "x" * 40, "Nguyễn", "12", "Zoé", "Zoe", "Jean-Paul", "Tom & Léa", "李雷", "Ольга", "D'Artagnan",
    "D’Artagnan",
    "山田たろう", "ヤマダ太郎", "김철수", "Νίκος", "محمد", "ישראל", "สมชาย", "Łukasz", "Øyvind", "Işık", "Kaʻala",
    "Zoé 🇫🇷",
    "R&D", "C++", "50€", "Ольга №1", "Tom (2)", "Tom (MMI)", "---", "!!!", "l'invité", "l’invité",
    "invitée d'honneur",
    "ﷺ", "Tom李雷", "田中 Taro",
])
def test_names_that_people_have(name: str) -> None:
    names.check(name)


@pytest.mark.parametrize("name", [
    "", "x" * 41, " bob", "bob ", "bob\n", "b\tb", "b\0b", "b\x1bb", "b\x7fb", "b\x85b", "bo\u200bb", "\u202ebob",
    "b\u2066b", "bob\U0001d159", "b" + "\u0489" * 3, "Serveur\u20dd", "adm\u0131n", "ADM\u0130N",
    "b\u00a0b", "b\u3000b", "b\u2028b", "<bob>", "a>b", "bоb", "αlice", "\u0301bob", "b\u034fb", "\u3164", "a\ufe0f",
    "z\u0301\u0301\u0301\u0301", "\ud800", "\ue000", "\u2800", "ﷺ" * 40,
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


@pytest.mark.parametrize("name", [
    "(console)", "(Console root)", "((console", "[c0nsole]", "（ｃｏｎｓｏｌｅ）", "( Consol3 )",
])
def test_nobody_is_called_like_the_console_in_the_audit(name: str) -> None:
    with pytest.raises(names.NameRefused, match="console"):
        names.check(name)
    names.check("console")


@pytest.mark.parametrize("name", [
    "global2", "administrateur", "moise", "Moïse", "Admin2", "serveurs", "Serveuse", "Globalisation", "Moira", "Alla",
    "Ali", "ali", "ALI", "Alí", "Al", "Mo", "Molly", "Mohamed Ali",
])
def test_reserved_is_the_whole_name_only(name: str) -> None:
    names.check(name)


@pytest.mark.parametrize("name", [
    # separators, brackets, punctuation, symbols
    "[Serveur]", "Serveur.", "Ser  veur", "S-e-r-v-e-u-r", "~Serveur~", "«Serveur»", "★Serveur★", "Serveur 🔧",
    "Serveur™",
    "Serveur$", "@Serveur", "Ser·veur",
    # digits and signs for letters
    "5erveur", "5y5t3m3", "$erveur", "S€rveur", "@dmin", "4dm1n", "adm!n", "adm|n", "admln", "adm1n", "g1obal",
    "gl0bal",
    "m0i", "mo1", "a11", "aIl", "AlI", "a|l", "1nvité", "S٣rveur", "❺erveur",
    # other letters
    "ꓢꓰꓣꓦꓰꓴꓣ", "ᔕᗴᖇᐯᗴᑌᖇ", "МОІ", "ΜΟΙ", "ЅҮЅТЕМ", "аӏӏ", "ᎪᏞᏞ", "ađmin", "gløbal", "sysŧem", "Sɛrveur",
    # framed letters
    "🅂🄴🅁🅅🄴🅄🅁", "🆂🅴🆁🆅🅴🆄🆁", "🅢🅔🅡🅥🅔🅤🅡", "Ⓢⓔⓡⓥⓔⓤⓡ", "⒮⒠⒭⒱⒠⒰⒭", "🇸🇪🇷🇻🇪🇺🇷", "🇦dmin",
])
def test_a_name_that_looks_like_a_reserved_one_is_reserved(name: str) -> None:
    with pytest.raises(names.NameRefused, match="reserved"):
        names.check(name)


@pytest.mark.parametrize("name", [
    "bob (invité)", "bob (invité 2)", "bob (invité 99)", "BOB (INVITÉ)", "bob (invite)", "bob [invité]",
    "bob {invité 3}",
    "bob （invité）", "bob ❨invité❩", "bob «invité»", "bob “invité”", "bob( invité )", "bob ((invité))", "(invité)",
    "bob (invité) !", "bob (lnvité)", "bob (1nv1té 2)", "bob (invit3)", "bob (inv!té)", "bob (invit€)",
    "bob (ｉnvité)",
    "bob (invité", "bob invité)", "bob (🅘🅝🅥🅘🅣🅔)", "bob (in-vi-té)", "invité-1", "invité-12", "Invité 5", "invite_2",
    "INVITÉ7",
    "lnvité-3", "invité-l2", "invit3-4", "invité--5", "invité-٣", "(invité-3)",
])
def test_nobody_chooses_what_the_server_calls_guests(name: str) -> None:
    with pytest.raises(names.NameRefused, match=r"only the server"):
        names.check(name)


@pytest.mark.parametrize("name", ["&#83;erveur", "S&eacute;b", "&#x53;", "bob&nbsp;", "＆#83;", "&#"])
def test_a_name_is_not_written_with_character_references(name: str) -> None:
    with pytest.raises(names.NameRefused, match="character reference"):
        names.check(name)


@pytest.mark.parametrize("name", [
    "bоb", "αlice", "ꓢerge", "Ꭺlice", "ⲟlga", "Օlga", "ไtom", "Tomא", "ᔕerge", "Ольгa", "かな김", "ㄅ김", "김ひ",
    "Tom Ж",
])
def test_one_name_has_one_alphabet(name: str) -> None:
    with pytest.raises(names.NameRefused, match="alphabets"):
        names.check(name)


@pytest.mark.parametrize("name", ["ꜱᴇʀᴠᴇᴜʀ", "aʟice", "Tomǃ", "aǀice", "ǁ", "ǂ", "ʘ", "ᶫ", "ᴫ"])
def test_small_capitals_and_clicks_are_refused(name: str) -> None:
    with pytest.raises(names.NameRefused, match="looks like another"):
        names.check(name)


def alike(one: str, other: str) -> bool:
    return names.alike(names.likeness(one), names.likeness(other))


@pytest.mark.parametrize(("one", "other"), [
    ("aIice", "alice"), ("al1ce", "alice"), ("a1ice", "alice"), ("a11ce", "alice"), ("a|ice", "alice"),
    ("a│ice", "alice"),
    ("ALlCE", "alice"), ("AIICE", "alice"), ("AlIce", "alice"), ("a.lice", "alice"), ("[alice]", "Alice"),
    ("ali ce!", "alice"),
    ("aʼlice", "alice"), ("ɑlice", "alice"), ("b0b", "bob"), ("bOb", "Bob"), ("B0B", "bob"), ("🅱ob", "bob"),
    ("🇧🇴🇧", "bob"),
    ("ꓐꓳꓐ", "bob"), ("ВОВ", "BOB"), ("сосо", "coco"), ("Jean Paul", "Jean-Paul"), ("zo-\u0301e", "zóe"),
    ("bob1", "bobl"),
    ("b٠b", "bob"), ("ꭺꮮꮮa", "ALLA"),
])
def test_names_that_people_take_for_each_other(one: str, other: str) -> None:
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(("one", "other"), [
    ("Zoé", "Zoe"), ("Gala", "Gaia"), ("Delia", "Della"), ("bob", "bob2"), ("bob1", "bob11"), ("Emma", "Emna"),
    ("bob", "bob ☆"),
    ("---", "!!!"), ("---", "---"), ("😀", "😁"), ("invité-1", "invité-2"), ("bob (invité)", "bob"),
])
def test_names_that_people_tell_apart(one: str, other: str) -> None:
    assert not alike(one, other)
    assert not alike(other, one)


@given(st.text(max_size=60))
def test_a_skeleton_is_its_own_skeleton(name: str) -> None:
    assert names.skeleton(names.skeleton(name)) == names.skeleton(name)


@given(st.text("aàÀbBdđDeéÉilIL1|oO0sS5ßſıİ. -_()[]", max_size=20))
def test_forms_of_one_name_have_one_skeleton(name: str) -> None:
    for form in (names.key(name), name.upper().lower(), unicodedata.normalize("NFD", name)):
        if names.key(form) == names.key(name):
            assert names.skeleton(form) == names.skeleton(name)


@given(st.text(max_size=200))
def test_a_name_is_found_without_the_spaces_around_it(name: str) -> None:
    assert names.find(f" \u3000{name}\n") in (names.key(name.strip()), None)


@given(st.text(max_size=names.MAX_NAME))
def test_a_name_that_somebody_may_have_is_found(name: str) -> None:
    try:
        names.check(name)
    except names.NameRefused:
        return
    assert names.find(f"\t{name} ") == names.key(name)


@pytest.mark.parametrize("name", ["Nguyễn", "zoé", "bob (invité 99)", "é" * 40, "ﷺ"])
def test_a_name_is_found_in_any_form(name: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert names.find(f" {unicodedata.normalize(form, name)} ") == names.key(name)


@pytest.mark.parametrize(("text", "name", "rest"), [
    ("bob", "bob", ""), (" bob  Salut  toi ", "bob", "Salut  toi "), ("", "", ""), ("bob (invité)", "bob (invité)", ""),
    ("bob (INVITE 12) x", "bob (invité 12)", "x"), ("bob (invite\u0301): x", "bob (invité)", ": x"),
    ("bob (invités) x", "bob", "(invités) x"), ("bob (invité)x", "bob", "(invité)x"),
    ("bob\n(invité)\nx", "bob (invité)", "x"),
])
def test_the_name_that_a_typed_text_begins_with(text: str, name: str, rest: str) -> None:
    assert names.first(text) == (name, rest)
