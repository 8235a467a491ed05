"""Which names people may have, and when two names are the same. Pure; any thread may call it."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["MAX_NAME", "NameRefused", "check", "find", "key"]

MAX_NAME = 40
"""Characters in a name."""

_FINDABLE = 256
"""Characters in a name as somebody may write it: a decomposed one, or a guest's with its suffix, is over MAX_NAME."""

_RESERVED = frozenset(
    {"global", "serveur", "server", "systeme", "system", "admin", "invite", "all", "moi"}
)  # without accents, as `_bare` leaves them: the server's own voice, and what known clients call rooms and themselves

# Look empty in every font, though Unicode counts them as letters, marks or symbols.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
_LOOKALIKES = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})
"""Scripts that share the shapes of letters: a name may use only one of them (bob with a Cyrillic о)."""


class NameRefused(ValueError):
    """Nobody may have this name; the text says why."""


def key(name: str) -> str:
    """What two names have in common when they are the same: NFKC and casefold, until nothing changes."""
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", folded).casefold()


def find(name: str) -> str | None:
    """The key of what somebody takes for a name, or None if it is too long to be one in any form.

    Normalizing takes time that grows with the square of a run of combining marks.
    """
    return key(name) if len(name) <= _FINDABLE else None


def _bare(name: str) -> str:
    """The name's key without its accents, and with the dot of i that Turkish writes apart."""
    letters = unicodedata.normalize("NFKD", key(name)).replace("ı", "i")
    return "".join(c for c in letters if unicodedata.category(c)[0] != "M")


def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]


def check(name: str) -> None:
    """Raise NameRefused unless somebody may have this name."""
    if not name:
        raise NameRefused("a name can't be empty")
    if len(name) > MAX_NAME:
        raise NameRefused(f"a name has at most {MAX_NAME} characters, this one has {len(name)}")
    if name != name.strip():
        raise NameRefused("a name can't begin or end with a space")
    if "<" in name or ">" in name:
        raise NameRefused("a name can't contain < or >")
    if not name.isascii() or not name.isprintable():
        _check_characters(name)
    if _bare(name) in _RESERVED:
        raise NameRefused("this name is reserved")


def _check_characters(name: str) -> None:
    if unicodedata.category(name[0])[0] == "M":
        raise NameRefused("a name can't begin with a combining mark")
    scripts = set()
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
        if category[0] == "L":
            scripts.add(_script(unicodedata.normalize("NFKC", char)[0]))
    if len(scripts & _LOOKALIKES) > 1:
        raise NameRefused("a name can't mix alphabets whose letters look the same")
