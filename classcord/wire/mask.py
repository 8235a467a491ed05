"""Lines as people who watch may see them: without the passwords. Pure.

A line is shown as it came, because people look for faults in it. So the password is found in the text, also if the line
is not JSON, and rather too much is hidden than too little.
"""

from __future__ import annotations

import difflib
import json
import re

from classcord.wire import names
from classcord.wire.protocol import ProtocolError, decode

__all__ = ["masked", "shortened"]

_HIDDEN = "***"
_KEY = re.compile("pass|mdp|pwd|secret", re.IGNORECASE)
_CHANGE = re.compile(r"pass|mdp|pwd|secret|\b(?:old|new)\b", re.IGNORECASE)
"""The keys of a line that changes a password, too."""
_TYPED = re.compile(r"/\s*(?:login|register|password|passwd|pass|motdepasse|mdp)(?![^\W\d_])", re.IGNORECASE)
_BEGUN = re.compile(r'(?:^|["\'])\s*/\s*([^\W\d_]{4,20})')
"""A typed word at the beginning of a text, which may be one of the above with a typing error."""
_CLOSE_TO = ("login", "register", "password", "passwd", "motdepasse")
"""The words that such a one is compared with; the others are too short, and like words that hide nothing."""
_LIKE = 0.72
"""How much it must have in common with one of them: the ratio of difflib."""
_MOST_BEGUN = 8
"""How many such words of a line are looked at: comparing takes time, and a text has few beginnings."""
_LONGEST_WORD = 20
"""Characters of a typed word that may have letters of another width: handlers/table.py knows no longer one."""
_LONGEST = 2000
"""Characters of a line that are shown."""
_BARE = re.compile(
    r"[\s>]*(?:(?:log[io]n|sign[io]n|register|auth|identify|connect|password|passwd|pass|motdepasse|mdp)(?![^\W\d_])"
    r"|(?:proxy-)?authorization\s*:|(?:set-)?cookie\s*:)",
    re.IGNORECASE,
)
"""What begins a line that is not JSON and has a password after it: `login bob azerty`, `login;bob;azerty`, HTTP."""
_COLON = re.compile(r"[\w\-]{0,40}[\\\"']{0,3}\s*[:=]")


def masked(line: bytes) -> str:
    """The line as text in one line; control characters are escaped."""
    text = line.decode("utf-8", "backslashreplace")
    shown = _hide(text)
    bare = _BARE.match(text)
    if bare is not None and bare.end() < len(text.rstrip()):
        shown = f"{text[: bare.end()]} {_HIDDEN}"
    elif (start := _lone(text)) is not None:
        shown = text[:start] + _HIDDEN
    if "\\" in text or not text.isascii():  # a key or a typed word may be written in another way
        hidden = _written_otherwise(line, text)
        shown = shown if hidden is None else hidden
    cut = f"{shown[:_LONGEST]}… ({len(shown)} characters)" if len(shown) > _LONGEST else shown
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


def shortened(line: bytes, most: int) -> bytes:
    """At most so many bytes of a line, to be masked later: nothing of a longer one that can only be judged whole."""
    if len(line) <= most:
        return line
    start = line[: most // 2]
    return start if start.isascii() and b"\\" not in start else b""


def _written_otherwise(line: bytes, text: str) -> str | None:
    """The line without its passwords if it is JSON and has escapes, or letters of another width, where they matter."""
    try:
        message = decode(line) or {}
    except ProtocolError:
        return None
    changes = message.get("type") == "password"
    secret = [key for key in message if (_CHANGE if changes else _KEY).search(key)]
    found = any(key not in text for key in secret) or (changes and "password" not in text)
    content = message.get("content")
    if isinstance(content, str) and not _TYPED.search(text):
        word = [*content.lstrip()[1:].split(None, 1), ""][0][:_LONGEST_WORD]
        typed = "/" + (names.find(word) or "").lstrip("/")
        if _TYPED.search(typed) or ("/" in content.lstrip()[:2] and _mistyped(typed) is not None):
            secret.append("content")
            found = True
    return json.dumps({**message, **dict.fromkeys(secret, _HIDDEN)}, ensure_ascii=False) if found else None


def _hide(text: str) -> str:
    """The text without the values of keys like password, and without what follows a typed /login."""
    found = _TYPED.search(text)
    end = found.end() if found else _mistyped(text)
    if end is not None:
        quote = text.rfind('"')
        text = text[:end] + " " + _HIDDEN + (text[quote:] if quote > end else "")
    parts, at = [], 0
    pattern = _CHANGE if "password" in text else _KEY
    while (key := pattern.search(text, at)) is not None:
        start = _value(text, key.end())
        if start is None:
            end = key.end()
            parts.append(text[at:end])
        else:
            end = _end(text, start)
            quotes = text[start] if text[start : start + 1] in ('"', "'") else ""
            closed = quotes if end > start + 1 and text[end - 1 : end] == quotes else ""
            parts.append(text[at:start] + quotes + _HIDDEN + closed)
        at = end
    return "".join(parts) + text[at:]


def _mistyped(text: str) -> int | None:
    """Where a typed word ends that seems to be `/motdepasse` or its like with a typing error."""
    at = 0
    for _ in range(_MOST_BEGUN):
        found = _BEGUN.search(text, at)
        if found is None:
            return None
        at = found.end()
        if difflib.get_close_matches(found[1].lower(), _CLOSE_TO, 1, _LIKE):
            return at
    return None


def _value(text: str, at: int) -> int | None:
    """Where the value of the key that ends at `at`, or a little later, begins; None if it is not a key."""
    found = _COLON.match(text, at)
    colon = found.end() - 1 if found else next((i for i in range(at, min(at + 12, len(text))) if text[i] in ":="), None)
    if colon is None:
        return None
    while colon + 1 < len(text) and text[colon + 1] in " \t":
        colon += 1
    return colon + 1


def _lone(text: str) -> int | None:
    """Where the value begins in a line that has nothing else; the line before it may have been `"password":`."""
    start = len(text) - len(text.lstrip())
    first = text[start : start + 1]
    if first in (":", "="):
        return start + 1
    if first not in ('"', "'") or text[start + 1 : start + 2] == "{":  # that is an object, encoded twice
        return None
    return start + 1 if not text[_end(text, start) :].strip(" \t\r,]}") else None


def _end(text: str, start: int) -> int:
    """Where the value ends: after its closing quote or bracket, before the next comma or brace, or with the line."""
    quote = text[start : start + 1]
    if quote in ("[", "{"):
        return _closed(text, start)
    at = start + 1
    if quote in ('"', "'"):
        while at < len(text) and text[at] != quote:
            at += 2 if text[at] == "\\" else 1
        return min(at + 1, len(text))
    while at < len(text) and text[at] not in ",}":
        at += 1
    return at


def _closed(text: str, start: int) -> int:
    """Where the list or object ends that begins at `start`: after its closing bracket, or with the line."""
    depth, at = 0, start
    while at < len(text):
        if text[at] == '"':
            at = _end(text, at)
            continue
        depth += (text[at] in "[{") - (text[at] in "]}")
        at += 1
        if not depth:
            break
    return min(at, len(text))
