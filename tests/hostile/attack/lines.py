"""The bytes that attackers send."""

from __future__ import annotations

import itertools

from tests.hostile.attack.bystanders import NAMES, VICTIM
from tests.hostile.attack.scripts import line
from tests.hostile.attack.swarm import Bytes, same

SEGMENT = 16 * 1024
"""Bytes of short lines that are sent at once."""
LIGATURES = "\ufdfa" * 16_000
"""A letter that its compatible form (NFKC) makes 18 times longer."""
MARKS = "a" + "\u0301\u0323" * 8000
EMOJI = "\U0001f600" * 4000
WIDE, WIDER = "\U00020000", [chr(0x20001 + more) for more in range(64)]
"""Letters that have twelve bytes in a line."""
LONGEST = 64 * 1024

ALIKE = (
    "ѕerveur", "5erveur", "[Serveur]", "Serveur.", "Ser  veur", "&#83;erveur", "ꓢꓰꓣꓦꓰꓴꓣ", "ꜱᴇʀᴠᴇᴜʀ", "🅂🄴🅁🅅🄴🅄🅁",
    "ＳＥＲＶＥＵＲ",
    "adm1n", "ann (invité)", "invité-1", "a.nn", "аnn", "ANN", "be\u200bn", "\u202enna", "c0ra", "dan ", "Dan_", "moı",
)
"""Names that look like the server's, like a guest's mark, or like a bystander's."""


def message(text: str, **more: object) -> bytes:
    return line(type="message", subtype="global", to="global", content=text, **more)


def guest(number: int) -> bytes:
    """A guest enters, under a name of its own."""
    return line(**{"type": "message", "from": f"pest{number}", "content": ""})


def long_guest(number: int) -> bytes:
    """A guest enters, under a name of its own that is as long on the wire as a name may be."""
    return line(**{"type": "message", "from": f"{WIDE * 38}{WIDER[number // 64]}{WIDER[number % 64]}", "content": ""})


def emoji_guest(number: int) -> bytes:
    """A guest enters, and says something that is long in a history."""
    return guest(number) + message(EMOJI) * 10


def asks_in(number: int) -> bytes:
    """A guest enters without a name."""
    return line(type="users")


def registers(number: int) -> bytes:
    """An account is made, and logged in to."""
    name = {"username": f"crowd{number}", "password": "azerty"}
    return line(type="register", **name) + line(type="login", **name)


def guesses(number: int) -> bytes:
    """A guess at the victim's password."""
    return line(type="login", username=VICTIM, password=f"guess{number}")


def guesses_everywhere(number: int) -> bytes:
    """One password, tried on many accounts."""
    return b"".join(line(type="login", username=f"{name}{number}", password="123456") for name in NAMES)


def whispers(number: int) -> bytes:
    """Private messages to one bystander."""
    return same(line(type="message", subtype="private", to=NAMES[0], content="psst"), size=SEGMENT)(number)


def burst(number: int) -> bytes:
    """A guest enters and says as much as a paste may have; a ping tells when all of it was read."""
    return guest(number) + message("burst") * 48 + line(type="ping")


def mate(number: int) -> bytes:
    """One of three guests who know each other."""
    return line(**{"type": "message", "from": f"mate{number % 3}", "content": ""})


def whispers_to_mate(number: int) -> bytes:
    """Nobody else receives it, but it is stored."""
    return line(type="message", subtype="private", to=f"mate{(number + 1) % 3}", content=EMOJI)


def mallory(number: int) -> bytes:
    """An account of the attackers; it is there after the first of them."""
    return line(type="register", username="mallory", password="azerty")


def logs_in(number: int) -> bytes:
    return line(type="login", username="mallory", password="azerty")


def whispers_emoji(number: int) -> bytes:
    return line(type="message", subtype="private", to=NAMES[0], content=EMOJI)


def renames(number: int) -> bytes:
    return b"".join(line(type="change_username", new_user=f"pest{number}{letter}") for letter in "abcdefghijklmnop")


def looks_alike(number: int) -> bytes:
    """Names that look like others, as an account and as a guest's."""
    names = ALIKE[number % len(ALIKE) :] + ALIKE[: number % len(ALIKE)]
    return b"".join(
        line(type="register", username=name, password="azerty") + line(type="change_username", new_user=name)
        for name in names
    )


def costly_names(number: int) -> bytes:
    """Long names, states and command words, of letters that are dear to compare."""
    return b"".join(
        itertools.chain.from_iterable(
            (
                line(type="register", username=text, password="x"), line(type="login", username=text, password="x"),
                line(**{"type": "message", "from": text, "content": "x"}), line(type="status", state=text),
                line(type="status", state="away", user=text), message("/etat " + text[:3900]),
                message("/" + text[:3900]), message(f'/msg "{text[:3900]}" x'),
                line(type="change_username", new_user=text),
            )
            for text in (LIGATURES, MARKS)
        )
    )


def registers_on(number: int) -> bytes:
    """More accounts than one connection needs."""
    return b"".join(line(type="register", username=f"crowd{number} {more}", password="azerty") for more in range(16))


def no_password(number: int) -> bytes:
    """Logins that fail for several reasons."""
    return b"".join(
        line(type="login", username=name, password=password)
        for name in (VICTIM, f"nobody{number}", "global") for password in (None, "", "x", 5)
    )


def foreign(number: int) -> bytes:
    """The first bytes of other protocols."""
    return (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n", b"\xac\xed\x00\x05sr\x00\x10",
    )[number % 5]


def _fill(unit: str, start: str = "", end: str = "") -> bytes:
    """A line of nearly the longest length."""
    return (start + unit * ((LONGEST - 64 - len(start) - len(end)) // len(unit)) + end + "\n").encode()


costly_content: Bytes = same(
    message('/msg "' + " " * 3990), message('/msg "' + " " * 3985 + 'a" b'), message("/msg " + '" ' * 1990),
    message("/etat " + " " * 3990 + "x"), message(" " * 3999 + "/"), message("\n" * 3999 + "x"),
)
brackets: Bytes = same(
    _fill("[],"), _fill("[],", '{"type":"users","x":[', "[]]}"), _fill("[" * 29 + "]" * 29 + ",", '{"x":[', "[]]}"),
    _fill('{"a":'), _fill('"[[[["'), _fill("\\", '{"type":"'), _fill("{},"),
)
junk: Bytes = same(
    b"bonjour\n", b"5\n", b'{"type":"nope"}\n', b"{}\n", b'{"type":"message"}\n', b"\xff\xfe\n", size=SEGMENT
)
refused: Bytes = same(line(type="x" * 200))
endless: Bytes = same(b"x", size=LONGEST)
one_byte: Bytes = same(b"x")
flood: Bytes = same(message("flood"), size=SEGMENT)
emoji: Bytes = same(message(EMOJI))
states: Bytes = same(line(type="status", state="away"), line(type="status", state="online"), size=SEGMENT)
typed_states: Bytes = same(message("/absent"), message("/retour"), size=SEGMENT)
histories: Bytes = same(line(type="history", limit=200), size=SEGMENT)
pings: Bytes = same(line(type="ping"), size=SEGMENT)
users: Bytes = same(line(type="users"), size=SEGMENT)
helps: Bytes = same(line(type="help"), size=SEGMENT)
commands: Bytes = same(message("/aide"), message("/qui"), message("/etat absent"), message("/x"), size=SEGMENT)
ping: Bytes = same(line(type="ping"))
help_800: Bytes = same(line(type="help") * 800)
users_800: Bytes = same(line(type="users") * 800)
history_800: Bytes = same(line(type="history", limit=200) * 800)
