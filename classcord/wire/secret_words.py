"""Words before a password, as people write them, also with a typing error: `pasword`, `connexion`. Pure.

The time for a text grows with its length, also if it has other words than these.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

__all__ = ["HARMLESS", "Found", "find", "is_password", "is_request", "plain", "typed"]

HARMLESS = (
    "type", "username", "user", "name", "nom", "pseudo", "nick", "nickname", "utilisateur", "from", "to", "ref",
    "channel", "subtype",
)
"""Keys whose values are shown beside a password."""
_PASSWORD = ("password", "passwd", "passphrase", "passcode", "pass", "motdepasse", "mdp", "pwd", "pw", "psw", "secret")
_REQUEST = (
    "login", "logon", "signin", "signup", "register", "registration", "auth", "authenticate", "authentication",
    "authorization", "authentifier", "authentification", "identify", "identifier", "identification", "connect",
    "connecter", "connection", "connexion", "inscription", "inscrire", "enregistrer", "enregistrement",
)
"""What people call a login or a registration."""
_ORDINARY = frozenset((
    "passe", "passes", "passee", "passees", "passer", "passez", "passent", "passant", "passons", "passage", "passages",
    "depasse", "depasser", "impasse", "connecte", "connectes", "connectee", "connected", "loin", "logis", "logic",
    "registre", "registry", "identity", "identite", "description", "secrete", "secrets", "decret",
))
"""Words that mean something else, unless they stand where a key or a command stands."""
_INSIDE = re.compile("pass|mdp|pwd|secret|psw|pword")
"""Parts of a longer key, `user_password` without its line."""
_BEGINS = re.compile("login|logon|register|connexion|inscription|signin|signup")
"""A word that begins so may have lost a space."""
_LONGEST = 20
"""Letters of a word that is compared with these; in a longer one only parts are looked for."""
_WORD = re.compile(r"[^\W\d_]+")
_OTHER = re.compile(r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|%[0-9a-fA-F]{2}|\\[nrtbf]?|[^\x00-\x7f]")
"""What stands for another character."""
_KEY_END = re.compile(r"[\\\"'”’»`]{0,3}\s{0,20}(?:[:=]|->)")
_QUOTES = "\"'“”‘’«»`"


class Found(NamedTuple):
    """A word: where it is in the text, and whether it means a password; else a login or registration. `key`: it is a
    key, with a colon after it or the like. `exact`: it has no typing error. `slash`: there is one before it."""

    start: int
    end: int
    password: bool
    key: bool
    exact: bool
    slash: bool


def _shorter(word: str, letters: int) -> Iterator[str]:
    """The word without any so many of its letters, or fewer."""
    for count in range(letters + 1):
        for left_out in combinations(range(len(word)), count):
            yield "".join([char for at, char in enumerate(word) if at not in left_out]) if count else word


def _near(words: Iterable[str], letters: int, least: int, most: int = 99) -> frozenset[str]:
    return frozenset(form for word in words if least <= len(word) <= most for form in _shorter(word, letters))


_NEAR_PASSWORD = _near(_PASSWORD, 1, 5)
_FAR_PASSWORD = _near(_PASSWORD, 2, 8)
_SHORT_PASSWORD = frozenset(form for form in _near(_PASSWORD, 1, 3, 4) if len(form) > 1)
_NEAR_REQUEST = _near(_REQUEST, 1, 5)
_NO_KEYS = frozenset((*HARMLESS, "mp", "msg", "as", "ps", "id", "message", "content", "state", "status", "old", "new"))


@functools.lru_cache(2048)
def _judged(word: str) -> tuple[int, bool, bool, bool] | None:
    """How many letters of it are shown; whether it means a password; has no typing error; means so everywhere."""
    length = len(word)
    if word in _ORDINARY:
        found = _BEGINS.match(word) is None and ("pass" in word or "secret" in word)
        return length, found, False, False
    if word in _PASSWORD or word in _REQUEST:
        return length, word in _PASSWORD, True, True
    if length <= _LONGEST:
        forms = set(_shorter(word, 1)) if length > 3 else {word}
        if forms & _NEAR_PASSWORD or (6 <= length <= 14 and not _FAR_PASSWORD.isdisjoint(_shorter(word, 2))):
            return length, True, False, True
        if forms & _NEAR_REQUEST:
            return length, False, False, True
    inside = _INSIDE.search(word)
    if inside is not None:
        return inside.end(), True, True, True
    begins = _BEGINS.match(word)
    if begins is not None:
        return begins.end(), False, True, True
    if 1 < length <= 5 and word not in _NO_KEYS and not _SHORT_PASSWORD.isdisjoint(_shorter(word, 1)):
        return length, True, False, False
    return None


def _of(word: str) -> tuple[int, bool, bool, bool] | None:
    """The same of a word in any letters. If the whole means nothing, the last part counts that has a capital."""
    judged = _judged(word.lower())
    if judged is None and not (word.islower() or word.isupper()):
        begins = max(at for at, char in enumerate(word) if not char.islower())
        last = _judged(word[begins:].lower())
        judged = (begins + last[0], *last[1:]) if last is not None else None
    return judged


@functools.lru_cache(1024)
def _plain(written: str) -> str:
    """What it stands for, without accents and without what is not seen."""
    if written[0] in "\\%":
        digits = written[1:].lstrip("ux")
        written = chr(int(digits, 16)) if len(written) > 2 else " " if len(written) == 2 else ""
    apart = unicodedata.normalize("NFKD", written)
    return "".join([each for each in apart if unicodedata.category(each)[0] not in "MC"])


def _read(text: str) -> tuple[str, list[int] | range]:
    """The text in plain letters, and where each of them ends in the text, after a 0."""
    if text.isascii() and "\\" not in text and "%" not in text:
        return text, range(len(text) + 1)
    parts, ends, at = list[str](), [0], 0
    for found in _OTHER.finditer(text):
        plain = _plain(found[0])
        parts += text[at : found.start()], plain
        ends += range(at + 1, found.start() + 1)
        at = found.end()
        ends += [at] * len(plain)
    parts.append(text[at:])
    ends += range(at + 1, len(text) + 1)
    return "".join(parts), ends


def plain(text: str) -> str:
    """The text in plain letters."""
    return _read(text)[0]


def find(text: str) -> Iterator[Found]:
    """The words in the text that a password may follow."""
    read, ends = _read(text)
    before: tuple[str, str] = "", ""
    first = True
    for run in _WORD.finditer(read):
        word = run[0].lower()
        judged = _of(run[0])
        if not (judged and judged[3]) and before in (("mot", "de"), ("mots", "de")) and word[0] == "p":
            judged = len(word), True, False, True
        if judged is not None:
            shown, password, exact, everywhere = judged
            start, end = run.start(), run.start() + shown
            slash = read[max(0, start - 20) : start].rstrip().endswith("/")
            key = _KEY_END.match(read, end) is not None
            quoted = read[start - 1 : start] in _QUOTES and read[end : end + 1] in _QUOTES if start else False
            common = word in _ORDINARY and (first or quoted or not {"mot", "mots"}.isdisjoint(before))
            if everywhere or slash or key or common:
                yield Found(ends[start], ends[end], password, key, exact, slash)
        before, first = (before[1], word), False


def is_password(key: str) -> bool:
    """Whether a key of an object means a password."""
    read = plain(key)
    for run in _WORD.finditer(read):
        word = run[0].lower()
        judged = _of(run[0])
        if judged is not None and judged[1] and (judged[3] or word == read.lower() or word == "passe"):
            return True
    return False


def is_request(text: str) -> bool:
    """Whether a type or the like means a login, a registration or another password."""
    return any((judged := _judged(run[0].lower())) is not None and judged[3] for run in _WORD.finditer(plain(text)))


def typed(text: str) -> int | None:
    """Where a password may begin in a text that is a value: after `/login` or its like, or after `password:`."""
    first = True
    for word in find(text):
        at_start = first and not text[: word.start].strip(" \t\n\r\\/／\u200b\u200c\u200d\u2060\ufeff")
        first = False
        if (word.slash and (word.exact or at_start)) or (word.key and word.password):
            return word.end
    return None
