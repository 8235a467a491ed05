"""Names that are refused, and names that look like another person's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

import pytest

from tests.hostile.asking import Connect, Join, answers, heard, refused, works
from tests.hostile.tools import at_once
from tests.support import Bystanders, Client, say, unique

pytestmark = pytest.mark.usefixtures("bystanders")

Change = Callable[[str], str]


def wide(name: str) -> str:
    """The name in fullwidth letters."""
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in name)


def bare(name: str) -> str:
    """The name without its accents."""
    return "".join(char for char in unicodedata.normalize("NFD", name) if not unicodedata.combining(char))


INVALID = {
    "41 characters": "x" * 41,
    "41 characters, with accents": "é" * 41,
    "a space before": " bob",
    "a space behind": "bob ",
    "a space alone": " ",
    "a no-break space": "bob\u00a0",
    "a newline": "bob\n",
    "a newline inside": "bo\nb",
    "a tab": "bo\tb",
    "zero-width space": "bo\u200bb",
    "zero-width joiner": "bo\u200db",
    "zero-width non-joiner": "bo\u200cb",
    "word joiner": "bo\u2060b",
    "byte order mark": "\ufeffbob",
    "soft hyphen": "bo\u00adb",
    "combining grapheme joiner": "bo\u034fb",
    "right-to-left override": "\u202ebob",
    "left-to-right isolate": "\u2066bob\u2069",
    "right-to-left mark": "bob\u200f",
    "line separator": "bo\u2028b",
    "hangul filler": "\u3164",
    "braille blank": "\u2800\u2800",
    "musical null notehead": "bob\U0001d159",
    "a lone accent": "\u0301",
    "piled up accents": "b" + "\u0301" * 20,
    "variation selector": "bob\ufe0f",
    "tag characters": "bob\U000e0041",
    "private use": "bob\ue000",
    "Cyrillic o": "b\u043eb",
    "Cyrillic a in Serveur-like": "\u0430lice",
    "Greek omicron": "b\u03bfb",
    "less than": "<bob",
    "greater than": "bob>",
}


def numbered(client: Client, bystanders: Bystanders, name: str) -> None:
    """A guest with this name is heard, but under a number and not under this name."""
    texts = [unique("trust me"), unique("trust me")]
    client.send(say("", **{"from": name}), *(say(text, **{"from": name}) for text in texts))
    client.send({"type": "status", "state": "away", "user": name})
    works(client)
    senders = {bystanders.one.until(type="message", content=text)["from"] for text in texts}
    assert len(senders) == 1
    assert re.fullmatch(r"invité-\d+", senders.pop())
    bystanders.two.pending()


@pytest.mark.parametrize("name", INVALID.values(), ids=INVALID.keys())
def test_a_name_that_can_deceive_is_refused_to_accounts_and_guests(
    connect: Connect, bystanders: Bystanders, name: str
) -> None:
    client = connect()
    refused(client, {"type": "register", "username": name, "password": "azerty"}, "invalid_name")
    numbered(client, bystanders, name)
    refused(client, {"type": "login", "username": name, "password": "azerty"}, "login_failed", "invalid_name")
    # the same connection may then give a better name
    better = unique("better")
    client.send(say("hello", **{"from": better}))
    works(client)
    assert [line["content"] for line in heard(bystanders, better)] == ["hello"]


def test_an_empty_name_is_not_an_account(connect: Connect) -> None:
    client = connect()
    refused(client, {"type": "register", "username": "", "password": "azerty"}, "invalid_name")
    refused(client, {"type": "login", "username": "", "password": "azerty"}, "login_failed", "invalid_name")


RESERVED = ["global", "serveur", "server", "système", "system", "admin", "invité", "all", "moi"]
SHAPES: dict[str, Change] = {
    "as it is": str, "upper": str.upper, "title": str.title, "swapped": lambda name: name.title().swapcase(),
    "without accents": bare, "upper without accents": lambda name: bare(name).upper(),
    "fullwidth": wide, "fullwidth upper": lambda name: wide(name.upper()),
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
    "with other accents": lambda name: bare(name).translate(str.maketrans("aeiou", "àêïôù")),
    "upper with other accents": lambda name: bare(name).translate(str.maketrans("aeiou", "ÄÈÎÖÛ")).upper(),
    "with an accent behind": lambda name: name + "\u0301",
    "with a cedilla": lambda name: bare(name) + "\u0327",
    "mathematical": lambda name: "".join(
        chr(0x1D41A + ord(char) - ord("a")) if "a" <= char <= "z" else char for char in bare(name)
    ),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("name", RESERVED)
def test_reserved_names_are_so_in_any_case_accents_and_width(
    connect: Connect, bystanders: Bystanders, name: str, shape: Change
) -> None:
    form = shape(name)
    client = connect()
    refused(client, {"type": "register", "username": form, "password": "azerty"}, "invalid_name")
    numbered(client, bystanders, form)


@pytest.mark.parametrize("name", ["globale", "serveuse", "administrateur", "moise", "alla", "invitée d'honneur"])
def test_names_that_only_begin_like_a_reserved_one_are_free(connect: Connect, name: str) -> None:
    client = connect()
    client.send(say("hello", **{"from": unique(name)}))
    works(client)


SPELLINGS: dict[str, Change] = {
    "the same": str, "upper": str.upper, "title": str.title, "fullwidth": wide,
    "fullwidth upper": lambda name: wide(name.upper()),
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
    "upper decomposed": lambda name: unicodedata.normalize("NFD", name.upper()),
    "long s": lambda name: name.replace("s", "ſ"),
    "ligature": lambda name: name.replace("fi", "ﬁ"),
    "sharp s": lambda name: name.replace("ss", "ß"),
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_another_spelling_of_an_account_is_taken(connect: Connect, spelling: Change) -> None:
    name = unique("bobéssfi")
    other = spelling(name)
    client = connect()
    assert client.register(name)["status"] == "ok"
    error = refused(client, {"type": "register", "username": other, "password": "mine"}, "name_exists")
    assert error["message"] == "Username already exists.", "clients compare it letter by letter"
    refused(client, {"type": "login", "username": other, "password": "mine"}, "login_failed")


@pytest.mark.parametrize("present", [True, False], ids=["present", "absent"])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_guest_never_holds_a_spelling_of_an_account(
    connect: Connect, join: Join, bystanders: Bystanders, spelling: Change, present: bool
) -> None:
    owner = join("bobéssfi")
    if not present:
        owner.send({"type": "logout"})
        owner.until(type="logout", status="ok")
    guest, text = connect(), unique("I am not bob")
    alias = spelling(owner.name)
    guest.send(say(text, **{"from": alias}))
    works(guest)
    line = bystanders.one.until(type="message", content=text)
    assert line["from"] == f"{alias} (invité)"
    assert line["guest"] is True


def test_a_guest_never_holds_another_guests_name(connect: Connect, bystanders: Bystanders) -> None:
    name = unique("twin")
    guests = [connect() for _ in range(3)]
    seen = []
    for number, guest in enumerate(guests):
        text = unique(f"guest {number}")
        guest.send(say(text, **{"from": name.upper() if number else name}))
        works(guest)
        seen.append(bystanders.one.until(type="message", content=text)["from"])
    assert seen == [name, f"{name.upper()} (invité)", f"{name.upper()} (invité 2)"]


def test_a_private_message_finds_only_its_addressee_under_any_spelling(join: Join) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    for spelling in (bob.name, bob.name.upper(), wide(bob.name)):
        alice.send({"type": "message", "subtype": "private", "to": spelling, "content": "for you"})
        works(alice)
        assert bob.until(type="message")["to"] == bob.name
    alice.send({"type": "message", "subtype": "private", "to": bob.name.replace("o", "\u043e"), "content": "not you"})
    notice = answers(alice)
    assert [line["from"] for line in notice] == ["Serveur"]
    assert [line for line in bob.pending() if line["type"] == "message"] == []


LOOK_RESERVED = [
    "5erveur", "[Serveur]", "Serveur.", "Ser  veur", "S-e-r-v-e-u-r", "5y5t3m3", "adm1n", "admln", "$erveur",
    "Serveur™", "&#83;erveur", "S&eacute;rveur", "ꓢꓰꓣꓦꓰꓴꓣ", "ꓢerveur", "ꜱᴇʀᴠᴇᴜʀ", "ǃǀǁǂ", "МОІ",
    "🅂🄴🅁🅅🄴🅄🅁", "🆂🅴🆁🆅🅴🆄🆁", "🅢🅔🅡🅥🅔🅤🅡", "🇸🇪🇷🇻🇪🇺🇷",
    "bob (invité)", "bob (INVITE 2)", "bob [invité 3]", "bob （lnvité）", "invité-1", "Invité 99", "Tom Ж",
]


@pytest.mark.parametrize("name", LOOK_RESERVED)
def test_names_that_look_like_the_server_or_its_guests_are_refused(connect: Connect, name: str) -> None:
    client = connect()
    refused(client, {"type": "register", "username": name, "password": "azerty"}, "invalid_name")
    works(client)


@pytest.mark.parametrize("name", [
    "Zoé", "Zoe", "Jean-Paul", "Tom & Léa", "李雷", "Ольга", "D'Artagnan", "山田たろう", "Zoé 🇫🇷", "Admin2", "serveurs",
    "Globalisation", "Moira", "Ali",
])
def test_names_of_people_stay_possible(connect: Connect, name: str) -> None:
    answer = connect().register(name)
    # an earlier run may have registered it on the same server
    assert answer.get("status") == "ok" or answer["code"] == "name_exists"


RESEMBLING: dict[str, Change] = {
    "capital i for l": lambda name: name.replace("l", "I", 1),
    "one for l": lambda name: name.replace("l", "1", 1),
    "one for i": lambda name: name.replace("i", "1", 1),
    "bar for l": lambda name: name.replace("l", "|", 1),
    "small l among capitals": lambda name: name.upper().replace("I", "l"),
    "a dot inside": lambda name: f"{name[0]}.{name[1:]}",
    "spaces": lambda name: name.replace("_", " "),
    "in brackets": lambda name: f"[{name}]",
    "zero for o": lambda name: name.replace("o", "0"),
    "squared": lambda name: name.replace("b", "🅱", 1),
}


@pytest.mark.parametrize("resembling", RESEMBLING.values(), ids=RESEMBLING)
def test_a_name_that_looks_like_an_account_is_taken(
    connect: Connect, join: Join, bystanders: Bystanders, resembling: Change
) -> None:
    owner, client = join("boblicia"), connect()
    other = resembling(owner.name)
    assert other != owner.name
    error = refused(client, {"type": "register", "username": other, "password": "mine"}, "name_exists")
    assert error["message"] == "Username already exists.", "clients compare it letter by letter"
    refused(client, {"type": "login", "username": other, "password": "azerty"}, "login_failed")
    text = unique("I am not bob")
    client.send(say(text, **{"from": other}))
    works(client)
    assert bystanders.one.until(type="message", content=text)["from"] == f"{other} (invité)"


def test_of_two_that_register_look_alikes_at_once_one_wins(connect: Connect) -> None:
    clients = [connect() for _ in range(4)]
    for _ in range(10):
        name = unique("alice")
        wanted = [name, name.replace("l", "I"), name.replace("i", "1"), name.replace("_", "-")]
        got = at_once([lambda c=c, n=n: c.register(n) for c, n in zip(clients, wanted, strict=True)])  # type: ignore[misc]
        assert sorted(line.get("code", line.get("status")) for line in got) == ["name_exists"] * 3 + ["ok"]


@pytest.mark.parametrize("around", [" {}", "{} ", " {} ", "\u3000{}\u00a0", "\t{}\n"], ids=ascii)
def test_a_name_is_looked_up_without_the_spaces_around_it(connect: Connect, join: Join, around: str) -> None:
    alice, bob = join("alice"), join("bob")
    bob.pending()
    for line in (
        {"type": "message", "subtype": "private", "to": around.format(bob.name), "content": "one"},
        {"type": "private", "to": around.format(bob.name), "content": "two"},
        say(f'/msg "{around.format(bob.name)}" three'),
    ):
        alice.send(line)
        works(alice)
    assert [line["content"] for line in bob.pending() if line["type"] == "message"] == ["one", "two", "three"]
    again = connect()
    assert again.login(around.format(bob.name))["status"] == "ok"
    alice.send({"type": "message", "subtype": "private", "to": bob.name, "content": "four"})
    assert again.until(type="message")["content"] == "four", "it is bob"
