"""Class lists in CSV, as spreadsheets, editors and people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.data.class_list import Entry, ListError, entries

PLAIN = "name,password\nalice,azerty\nZoé,\n"
WANTED = [Entry(2, "alice", "azerty"), Entry(3, "Zoé", "")]


@pytest.mark.parametrize("data", [
    PLAIN.encode(), PLAIN.encode("utf-8-sig"), PLAIN.encode("cp1252"), PLAIN.replace("\n", "\r\n").encode(),
    PLAIN.replace("\n", "\r").encode(), PLAIN.rstrip("\n").encode(), PLAIN.replace(",", ";").encode(),
    PLAIN.replace(",", "\t").encode("cp1252"), PLAIN.replace(",", ";").encode("utf-8-sig"),
    b'"Name";"Password"\n"alice";"azerty"\n"Zo\xc3\xa9";""\n', b" NAME , password \nalice,azerty\nZo\xc3\xa9\n",
    b"password,name\nazerty,alice\n,Zo\xc3\xa9\n",
    b"group;name;password\nA;alice;azerty\nB;Zo\xc3\xa9;\n",
    b"name,password\n  alice ,azerty\nZo\xc3\xa9,\n,\n\n , \n",
    "nom;mot de passe\nalice;azerty\nZoé;\n".encode(), " NOM ;Mot  de Passe\nalice;azerty\nZoé;\n".encode("cp1252"),
    "Classe;Identifiant;MDP\nA;alice;azerty\nB;Zoé;\n".encode("utf-8-sig"),
    "Nom,Mot_de_passe\nalice,azerty\nZoé,\n".encode(),
    "Nom d’utilisateur\tMót dé pàsse\nalice\tazerty\nZoé\t\n".encode(),
    "nom;name;password\nMartin;alice;azerty\nDupont;Zoé;\n".encode(), "name;mdp\nalice;azerty\nZoé;\n".encode(),
    b"name,password,name\nalice,azerty,x\nZo\xc3\xa9,,\n", b"name,password\nalice,azerty,more,cells\nZo\xc3\xa9\n",
])
def test_one_list_as_many_programs_write_it(data: bytes) -> None:
    assert entries(data) == WANTED


def test_names_alone_are_enough() -> None:
    assert entries(b"name\nalice\nDupont, Jean\n") == [Entry(2, "alice", ""), Entry(3, "Dupont", "")]
    assert entries(b'name\n"Dupont, Jean"\n') == [Entry(2, "Dupont, Jean", "")]


def test_lines_are_those_of_the_file_and_passwords_stay_as_they_are() -> None:
    found = entries(b'name,password\n\n"Anne\nMarie","a"" b "\n\nbob, x \n')
    assert found == [Entry(4, "Anne\nMarie", 'a" b '), Entry(6, "bob", " x ")]


@pytest.mark.parametrize(("data", "reason"), [
    (b"", "first row"), (b"\n\n", "first row"), (b"alice,azerty\n", "first row"), (b"classe;groupe\n", "first row"),
    (PLAIN.encode("utf-16"), "CSV UTF-8"), (b"name\0,password\n", "CSV UTF-8"), (b"PK\3\4\0\0", "CSV UTF-8"),
    (b"name\n\x81\x8d\n", "CSV UTF-8"), (b'name\n"alice\n', "not CSV"), (b'name\n"a"b\n', "not CSV"),
    (b'name\n"' + b"x" * 200_000 + b'"\n', "not CSV"),
])
def test_what_is_not_a_class_list_is_refused_with_what_to_do(data: bytes, reason: str) -> None:
    with pytest.raises(ListError, match=reason):
        entries(data)


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda data: b"name;password\n" + data))
def test_any_bytes_end_in_a_list_or_in_a_refusal(data: bytes) -> None:
    try:
        assert all(entry.name == entry.name.strip() for entry in entries(data))
    except ListError:
        pass
