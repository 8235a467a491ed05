"""The names that people may have, and when two names are the same or look the same. Pure; any thread may call it.

Two names with one `key` are the same name. Two names whose `likeness` is `alike` are different names that look the
same to people. `check` is for names that people choose: it refuses the names that the server gives to guests.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

__all__ = [
    "GUEST", "MAX_NAME", "Likeness", "Looks", "NameRefused", "alike", "check", "find", "first", "key", "likeness",
    "piled", "skeleton",
]

MAX_NAME = 40
"""Characters in a name."""

GUEST = "invité"
"""The word in the names of guests: invité-3, bob (invité), bob (invité 2)."""

_WRITTEN = 2 * MAX_NAME
"""Characters in the NFKC form of a name: one character (U+FDFA) becomes 18."""

_PILE = 8
"""Combining marks in a row: `check` allows two on a letter, and the letter itself may decompose into marks."""

_FINDABLE = 256
"""Characters in a name as people type it: a decomposed name, or a guest's with its suffix, is longer than MAX_NAME."""


class NameRefused(ValueError):
    """This name is not allowed; the text says why."""


def key(name: str) -> str:
    """The key of a name; equal names have equal keys. NFKC and casefold, until nothing changes.

    The time that normalizing takes grows with the square of a run of combining marks: bound the length first.
    """
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded).casefold()


def find(name: str) -> str | None:
    """The key of a name as somebody typed it, without the spaces around it. None if it can't be a name.

    `name` may have any length and any characters.
    """
    if len(name) > _FINDABLE or piled(name):
        return None
    return key(name.strip())


def piled(name: str) -> bool:
    """Whether it has more combining marks in a row than any form of a name: sorting them takes too much time."""
    run = 0
    for char in "" if name.isascii() else name:
        run = run + 1 if unicodedata.combining(char) else 0
        if run > _PILE:
            return True
    return False


_FIRST = re.compile(r"(\S+)(?:\s+\(invit(?:é|e\u0301?)(?:\s+(\d+))?(\))(?!\w))?\s*", re.IGNORECASE)


def first(text: str) -> tuple[str, str]:
    """The name that a typed text begins with, and the rest: its first word, with a guest's mark if that follows.

    So `bob (invité) Salut` is not for bob. Both are empty if the text has no word.
    """
    text = text.lstrip()
    found = _FIRST.match(text)
    if found is None:
        return "", ""
    word, number, marked = found.groups()
    name = f"{word} ({GUEST}{f' {number}' if number else ''})" if marked else word
    return name, text[found.end() :]


# --- the look of a name ---------------------------------------------------------------------------------------------


def _look(*pairs: tuple[str, str]) -> dict[int, str]:
    return {ord(char): latin for chars, latins in pairs for char, latin in zip(chars, latins, strict=True)}


_FRAMED = (0x1F150, 0x1F170, 0x1F1E6)
"""The first letters of alphabets: negative circled letters, negative squared letters, and the letters of flags."""
_SHAPES = _look(
    ("аеорсухіјѕһԁԛԝӏѵүАВЕКМНОРСТУХІЈЅԚԜӀѴҮԌ", "aeopcyxijshdqwlvyABEKMHOPCTYXIJSQWIVYG"),  # Cyrillic
    ("αγικνορυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ayikvopuxABEZHIKMNOPTYX"),  # Greek
    ("օսհցզՕՏՍԼ", "ouhgqOSUL"),  # Armenian
    ("ᎠᎡᎢᎥᎩᎪᎫᎬᎳᎷᎻᏀᏃᏔᏙᏚᏞᏟᏢᏦᏴ", "DRTiYAJEWMHGZWVSLCPKB"),  # Cherokee
    ("ꓐꓑꓓꓔꓖꓗꓙꓚꓜꓝꓟꓠꓡꓢꓣꓦꓧꓪꓫꓬꓮꓰꓲꓳꓴ", "BPDTGKJCZFMNLSRVHWXYAEIOU"),  # Lisu
    ("ⲀⲂⲎⲒⲔⲘⲚⲞⲢⲤⲦⲨⲬⲟⲣⲥ", "ABHIKMNOPCTYXopc"),  # Coptic
    ("ᗩᗷᑕᗪᗴᖴᕼᒍᒪᗰᑎᑭᖇᔕᑌᐯᗯ᙭", "ABCDEFHJLMNPRSUVWX"),  # Canadian syllabics
    ("ɑɡıɩȷʋƖꞁꟾ", "agiijvIlI"),  # Latin
    ("│┃❘∣⎸⎹⏐▏׀।", "||||||||||"),  # bars
    *(("".join(map(chr, range(first, first + 26))), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") for first in _FRAMED),
)
"""Characters that look like Latin letters or like |, and that NFKC does not change into them."""

_EITHER = str.maketrans("I1|oO0", "111ooo")
_MERGED = str.maketrans("1i", "ll")


class Likeness(NamedTuple):
    """The look of a name. Compare two of them with `alike`."""

    skeleton: str
    certain_i: int
    """The places of the skeleton, as bits, that are surely an i."""
    certain_l: int
    """The places that are surely an l."""


def _plain(name: str) -> str:
    """The name decomposed, its letters in the shapes of Latin ones, in the case in which they are written."""
    return name if name.isascii() else unicodedata.normalize("NFKD", name).translate(_SHAPES)


class _Translation(dict[int, str]):
    """A table for str.translate. ASCII is looked up: names in ASCII must cost little, and nearly all names are."""

    def __init__(self, character: Callable[[str], str]) -> None:
        super().__init__((code, character(chr(code))) for code in range(128))
        self._character = character

    def __missing__(self, code: int) -> str:
        return self._character(chr(code))


def _drawn(char: str) -> str:
    """The form of a character in a skeleton: empty for separators and punctuation, the value for a digit."""
    if char.isascii() and char.isalpha():
        return char
    category = unicodedata.category(char)
    if category[0] in "ZP" or category in ("Sc", "Sk", "Sm"):
        return ""
    if category == "Lm" and _script(char) in _COMMON:
        return ""
    return char if char.isascii() else str(unicodedata.digit(char, char))


def _outline(name: str) -> str:
    """The name in small letters without separators and punctuation; o stands for 0 too, 1 for I, l and |."""
    text = _plain(name).replace("|", "1").translate(_DRAWN)
    if text.replace("l", "").isupper():  # among capitals it is meant to be an I
        text = text.replace("l", "1")
    text = key(text.translate(_EITHER))
    return text if text.isascii() else _plain(key(_plain(text))).translate(_EITHER)


@functools.lru_cache(4096)
def likeness(name: str) -> Likeness:
    """The look of the name. For names and texts of at most a few times MAX_NAME characters."""
    outline = _outline(name)
    places = [sum(1 << place for place, char in enumerate(outline) if char == letter) for letter in "il"]
    return Likeness(outline.translate(_MERGED), *places)


def skeleton(name: str) -> str:
    """Names that look alike have the same skeleton; a few other names have it too. Empty for only punctuation."""
    return likeness(name).skeleton


def alike(one: Likeness, other: Likeness) -> bool:
    """Whether people take one name for the other: I, l, 1 and | look the same, but i and l do not; O and 0 do."""
    return (
        one.skeleton == other.skeleton != ""
        and not one.certain_i & other.certain_l
        and not one.certain_l & other.certain_i
    )


class Looks:
    """The looks of many names. It finds a name that looks like another in a time that does not depend on their number.

    Not for two threads at once, unless one of them only calls `has`.
    """

    __slots__ = ("_by_skeleton",)

    def __init__(self) -> None:
        self._by_skeleton: dict[str, list[Likeness]] = {}

    def add(self, name: str) -> None:
        look = likeness(name)
        self._by_skeleton.setdefault(look.skeleton, []).append(look)

    def has(self, look: Likeness) -> bool:
        """Whether one of the names is alike."""
        return any(alike(look, other) for other in self._by_skeleton.get(look.skeleton, ()))


# --- the names that people may not choose ---------------------------------------------------------------------------

_FOLDED = str.maketrans("Ii1|0", "llllo")
_LEET = str.maketrans("345", "eas")
_SIGNS = str.maketrans("$€@!¡", "seall")
_RESERVED = frozenset(
    word.translate(_FOLDED)
    for word in ("global", "serveur", "server", "systeme", "system", "admin", "invite", "all", "moi")
)  # the names of the server, and words that known clients use for rooms and for themselves
_ALI = frozenset({"ali", "Ali", "ALI"})
"""Many people have this name. But i and l are one letter in reserved names, and `all` is reserved."""
_NUMBERED = re.compile("lnvlt[e3][lo0-9]+")
_MARK = re.compile(r"\(lnvlt[e3][leaso0-9]*(?:\(|$)|lnvlt[e3][leaso0-9]*\($")
_ENTITY = re.compile(r"&(?:#|[A-Za-z][A-Za-z0-9]*;)")
_TRADEMARKS = str.maketrans("", "", "™℠🅪🅫🅬")  # NFKC makes letters of them
_QUOTES = "‘’‚‛"

# Look empty in every font, though Unicode counts them as letters, marks or symbols.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
_BASE = re.compile(r"LATIN (SMALL|CAPITAL) LETTER (?:[A-Z]+ )?([A-Z])(?: WITH .*)?")

_COMMON = frozenset({"MODIFIER", "CARON", "VEDIC"})
"""Letters that every alphabet may use, an apostrophe for example."""
_HAN = frozenset({"LATIN", "CJK", "IDEOGRAPHIC", "HANGZHOU"})
_USUAL = (
    _HAN | {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HENTAIGANA", "VERTICAL", "MASU"},
    _HAN | {"BOPOMOFO"},
    _HAN | {"HANGUL"},
)
"""Scripts that are written together: the "highly restrictive" level of UTS 39."""


def _script(char: str) -> str:
    """The script of a letter, from its Unicode name: LATIN, CYRILLIC, OLD ITALIC. Empty if it has no name."""
    first, _, rest = unicodedata.name(char, "").partition(" ")
    return f"{first} {rest.partition(' ')[0]}" if first in ("OLD", "NEW", "TAI", "LINEAR") else first


def _base(char: str) -> str:
    """A Latin letter without its strokes and hooks, which normalization keeps: d for đ."""
    found = _BASE.fullmatch(unicodedata.name(char, ""))
    if found is None:
        return char
    return found[2] if found[1] == "CAPITAL" else found[2].lower()


def _letter(char: str) -> str:
    """A letter or digit without its strokes and hooks, a ( for a bracket, nothing for another character."""
    if char == "|" or (char.isascii() and char.isalnum()):
        return char
    category = unicodedata.category(char)
    if category[0] in "LN" and not (category == "Lm" and _script(char) in _COMMON):
        return _base(_SHAPES.get(ord(char), str(unicodedata.digit(char, char))))
    return "(" if category in ("Ps", "Pe", "Pi", "Pf") and char not in _QUOTES else ""


_DRAWN, _LETTERS = _Translation(_drawn), _Translation(_letter)


def _bare(name: str) -> list[str]:
    """The letters and digits of the name, without accents, and a ( for each bracket; then with signs as letters too."""
    plain = _plain(name if name.isascii() else name.translate(_TRADEMARKS))
    bare = plain.translate(_LETTERS)
    return [bare] if plain.isalnum() else [bare, plain.translate(_SIGNS).translate(_LETTERS)]


def check(name: str) -> None:
    """Raise NameRefused if people may not choose this name."""
    if not name:
        raise NameRefused("a name can't be empty")
    if len(name) > MAX_NAME:
        raise NameRefused(f"a name has at most {MAX_NAME} characters, this one has {len(name)}")
    if name != name.strip():
        raise NameRefused("a name can't begin or end with a space")
    if "<" in name or ">" in name:
        raise NameRefused("a name can't contain < or >")
    written = name if name.isascii() else unicodedata.normalize("NFKC", name)
    if len(written) > _WRITTEN:
        raise NameRefused("too many characters of this name stand for several characters each")
    if _ENTITY.search(written):
        raise NameRefused("a name can't contain an HTML character reference such as &#83; or &eacute;")
    if not name.isascii() or not name.isprintable():
        _check_characters(name)
        _check_scripts(name)
    for bare in _bare(name):
        _check_reserved(bare)


def _check_characters(name: str) -> None:
    if unicodedata.category(name[0])[0] == "M":
        raise NameRefused("a name can't begin with a combining mark")
    marks = 0
    for char in unicodedata.normalize("NFC", name):
        category = unicodedata.category(char)
        # Cc control, Cf format (zero width, direction), Cs surrogate, Co private, Cn unassigned, Zl Zp Zs separators
        if (category[0] == "C" or category[0] == "Z") and char != " ":
            raise NameRefused(f"a name can't contain U+{ord(char):04X}, an invisible or control character")
        if _INVISIBLE.match(char):
            raise NameRefused(f"a name can't contain U+{ord(char):04X}, an invisible character")
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks > 2:
            raise NameRefused("a name can't stack more than two combining marks")


def _check_scripts(name: str) -> None:
    scripts = set()
    for char in name:
        if unicodedata.category(char)[0] != "L" and unicodedata.category(char) != "Nl":
            continue
        for letter in unicodedata.normalize("NFKC", char):
            if not letter.isalpha():
                continue
            described = unicodedata.name(letter, "")
            if "SMALL CAPITAL" in described or " CLICK" in described:
                raise NameRefused(f"a name can't contain U+{ord(char):04X}, which looks like another letter or sign")
            scripts.add(_script(letter))
    scripts -= _COMMON
    if len(scripts) > 1 and not any(scripts <= usual for usual in _USUAL):
        raise NameRefused("a name can't mix the letters of several alphabets")


def _check_reserved(bare: str) -> None:
    folded = key(bare.translate(_FOLDED)).translate(_FOLDED)
    if _MARK.search(folded):
        raise NameRefused(f"only the server puts ({GUEST}) in a name")
    if folded[:1] == "(" and folded.translate(_LEET).lstrip("(").startswith("console"):
        raise NameRefused("only the server's console has such a name")
    folded = folded.replace("(", "")
    if _NUMBERED.fullmatch(folded):
        raise NameRefused(f"only the server gives the names {GUEST}-1, {GUEST}-2 and so on")
    if folded.translate(_LEET) in _RESERVED and bare.replace("(", "") not in _ALI:
        raise NameRefused("this name is reserved")
