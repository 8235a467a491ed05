"""Lines as people who watch may see them: without the passwords. Pure.

A line is shown as it came, because people look for faults in it. In an object the values of some keys are hidden. In a
line that is not an object the place of the password is not sure: if it has a word that a password may follow,
everything from there on is hidden. Rather too much is hidden than too little.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from classcord.wire import secret_words
from classcord.wire.protocol import ProtocolError, decode

__all__ = ["SECRET", "masked", "shortened", "without"]

_HIDDEN = "***"
SECRET = {"register": ("password",), "login": ("password",), "password": ("old", "new")}
"""The fields with a password of each type of request that has some."""
_LONGEST = 2000
"""Characters of a line that are shown."""
_BLANKS = " \t\r\n"
_STOP = re.compile(r'["\\]')
_HEADER = re.compile(r"[\s>]*(?:(?:proxy-)?authorization\s*:|(?:set-)?cookie\s*:)", re.IGNORECASE)
_KEPT = re.compile(r"[\s>]*connection: ?(?:keep-alive|close|upgrade|[, \r])+", re.IGNORECASE)
"""A header of HTTP that has a word of secret_words, and no password."""
_OBJECT = re.compile(r"[\s\"'“«\\(]{0,9}[{\[]\s{0,99}|(?=[a-zA-Z]{1,12}=)")
"""How an object begins, or one that is encoded twice, or a form of HTML."""
_MARK = r"\\{0,3}[\"'“”„‘’]"
_PAIR = re.compile(
    rf"[,;&\s]{{0,9}}(?:{_MARK})?(?:"
    rf"type(?:{_MARK})?\s{{0,9}}(?:[:=;,>\-]{{1,2}}|\s)\s{{0,9}}(?:{_MARK})?[^\W\d]{{1,24}}(?:{_MARK})?(?=[\s,;&}}])"
    rf"|(?:{'|'.join(secret_words.HARMLESS)})(?:"
    rf"(?:{_MARK})?\s{{0,9}}(?:[:=;]|->|=>)\s{{0,9}}{_MARK}[^\"'“”„‘’\\{{}}:=]{{0,60}}{_MARK}(?=\s{{0,9}}[,;}}])"
    r"|[=:]\s?[\w.%+\-]{0,60}(?=[&,])))",
    re.IGNORECASE,
)
"""A key and its value that has no password, as far as one can be sure."""
_SIGN = re.compile(rf"(?:{_MARK})?(?:\s{{0,99}}(?:[:=]|->|=>)|[;,])\s{{0,9}}(?:{_MARK})?")
"""What stands between a key and its value."""
_TAIL = re.compile(r"[\"']?\s?[,;]?[}\])]{1,2}[,;]?\s?")
"""The end of a line that is shown: so much of a password is little."""


def masked(line: bytes, *, ours: bool = False) -> str:
    """The line as text in one line; control characters are escaped. `ours`: the server has sent it."""
    text = line.decode("utf-8", "backslashreplace")
    try:
        message = decode(line)
    except ProtocolError:
        message = None
    if message is not None:
        text = _object(text, message, ours)
    elif not ours:
        text = without(text)
    cut = f"{text[:_LONGEST]}… ({len(text)} characters)" if len(text) > _LONGEST else text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


def shortened(line: bytes, most: int) -> bytes:
    """At most so many bytes of a line, to be masked later: nothing of a longer one that can only be judged whole."""
    if len(line) <= most:
        return line
    start = line[: most // 2]
    return start if start.isascii() and b"\\" not in start else b""


# --- objects --------------------------------------------------------------------------------------------------------


def _object(text: str, message: Mapping[str, Any], ours: bool) -> str:
    """The text of this object without passwords."""
    kind = message.get("type")
    fields = SECRET.get(kind, ()) if isinstance(kind, str) else ()
    whole = bool(fields) and all(isinstance(message.get(field), str) for field in fields)
    guessed = not ours and not whole and _is_request(message)
    parts, at, shown, key, deep = list[str](), 0, 0, "", 0
    while (start := text.find('"', at)) >= 0:
        deep += _depth(text[at:start])
        end = at = _string_end(text, start)
        written = text[start + 1 : end - 1]
        value = _skip(text, end)
        if text[value : value + 1] != ":":
            found = _shown_of(key, written, guessed)
            if found is not None:
                parts.append(f"{text[shown : start + 1 + found]}{' ' if found else ''}{_HIDDEN}")
                shown = end - 1
            continue
        key = secret_words.plain(written)
        value = at = _skip(text, value + 1)
        if (
            secret_words.is_password(key) or (key in fields and not ours and deep == 1)
            or (guessed and deep == 1 and (key.lower() not in secret_words.HARMLESS or text[value] in "[{"))
            or (not ours and text[value] == "[" and secret_words.is_request(key))
        ):
            at = _value_end(text, value)
            quotes = '"' if text[value] == '"' else ""
            parts.append(f"{text[shown:value]}{quotes}{_HIDDEN}{quotes}")
            shown = at
    return "".join(parts) + text[shown:]


def _is_request(message: Mapping[str, Any]) -> bool:
    """Whether the object seems to be a request with a password, as a client may write it that has never got through."""
    kind = message.get("type")
    if kind is None and "username" in message:
        return True
    words = [each for each in message.values() if isinstance(each, str) and not set(each) & set(" /")]
    return any(secret_words.is_request(each) for each in ([kind] if isinstance(kind, str) else words))


def _shown_of(key: str, written: str, guessed: bool) -> int | None:
    """How many characters of this value are shown; None if all are."""
    if written.lstrip()[:1] in ("{", "[") and without(written) != written:  # an object, encoded twice
        return 0
    found = secret_words.typed(written)
    if found is None and ((guessed and key == "type") or (key != "content" and secret_words.is_request(key))):
        word = next(secret_words.find(written), None)
        found = word.end if word is not None else 0
        if key != "type" and not set(written) & set(" :;,|/"):
            return None  # the name of somebody
    return found if found is not None and written[found:].strip() else None


def _depth(between: str) -> int:
    return sum(between.count(each) for each in "{[") - sum(between.count(each) for each in "}]")


def _skip(text: str, at: int) -> int:
    """The next place that is not blank."""
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


def _string_end(text: str, start: int) -> int:
    """The place after the closing quote of the string that begins at `start`."""
    at = start + 1
    while (found := _STOP.search(text, at)) is not None:
        if found[0] == '"':
            return found.end()
        at = found.end() + 1
    return len(text)


def _value_end(text: str, start: int) -> int:
    """The place after the value that begins at `start`."""
    if text[start] == '"':
        return _string_end(text, start)
    depth, at = 0, start
    while at < len(text):
        char = text[at]
        if char == '"':
            at = _string_end(text, at)
            continue
        if char in "}]" or (char == "," and not depth):
            if not depth:
                return at
            depth -= 1
            if not depth:
                return at + 1
        depth += char in "{["
        at += 1
    return at


# --- other lines ----------------------------------------------------------------------------------------------------


def without(text: str) -> str:
    """A text that is not an object, without what may be a password."""
    header = _HEADER.match(text)
    if header is not None:
        return f"{text[: header.end()]} {_HIDDEN}"
    if _KEPT.fullmatch(text):
        return text
    start = _lone(text)
    if start is not None:
        return text[:start] + _HIDDEN
    words = list(secret_words.find(text))
    begins = _OBJECT.match(text)
    # who gives the name in this key gives a password too, whatever that key has become
    login = begins is not None and ('"username"' in text or "'username'" in text)
    if not words and not login:
        return text
    at, space = words[0].end if words else 0, " "
    if begins is not None and (login or not all(word.password for word in words)):
        at, space = begins.end(), ""
        while (pair := _PAIR.match(text, at)) is not None:
            at = pair.end()
        words = [word for word in words if word.end > at and not any(map(str.isalnum, text[at : word.start]))][:1]
        at = words[0].end if words else at
    sign = _SIGN.match(text, at) if words and (begins is not None or (words[0].key and words[0].password)) else None
    if sign is not None:
        at, space = sign.end(), ""
    elif not text[at:].strip(_BLANKS + "\"'}]),;."):
        return text
    ends = [_TAIL.fullmatch(text, max(at, len(text) - most)) for most in (3, 2, 1)] if begins is not None else []
    return text[:at] + space + _HIDDEN + next((end[0] for end in ends if end is not None), "")


def _lone(text: str) -> int | None:
    """Where the value begins in a line that has nothing else; the line before it may have been `"password":`."""
    start = len(text) - len(text.lstrip())
    first = text[start : start + 1]
    if first in (":", "="):
        return start + 1
    if first not in ('"', "'") or text[start + 1 : start + 2] == "{":  # that is an object, encoded twice
        return None
    at = _string_end(text, start) if first == '"' else (text.find("'", start + 1) + 1 or len(text))
    return start + 1 if not text[at:].strip(" \t\r,]}") else None
