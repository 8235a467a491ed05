"""Bytes to messages and back: framing, decoding, limits and error codes.

Pure: no socket, no clock, no state outside a `LineSplitter`. Any thread may call the functions;
a `LineSplitter` belongs to the one thread that reads its connection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from json.encoder import encode_basestring_ascii as quote
from typing import Any, NamedTuple

from classcord.wire import diagnosis, foreign
from classcord.wire.diagnosis import Failure

__all__ = [
    "ERRORS", "EXAMPLE", "MAX_CONTENT", "MAX_DEPTH", "MAX_DISCARD", "MAX_LINE", "MAX_OVERRUN", "LineSplitter",
    "ProtocolError", "TooLong", "clean_content", "decode", "encode", "not_json", "quote", "trimmed",
]

MAX_LINE = 64 * 1024
"""Bytes in a line, its newline not counted. 4000 characters of content escaped as `\\uXXXX` pairs are 48,000."""
MAX_DEPTH = 32
"""Depth of nested arrays and objects. The C decoder recurses once for each, on a thread's small stack."""
MAX_CONTENT = 4000
"""Characters in a message's content."""
MAX_OVERRUN = 1024 * 1024
"""Bytes of one line after which its connection gets a short deadline to end that line."""
MAX_DISCARD = 16 * 1024 * 1024
"""Bytes of one line after which its connection is closed at once."""

EXAMPLE: dict[str, Any] = {"type": "users"}
"""The example line in the answer to something that is not a request at all."""

ERRORS: dict[str, str] = {
    "invalid_json": "the line is not a JSON object, or not text",
    "line_too_long": f"the line has more than {MAX_LINE} bytes; all of it was ignored",
    "too_deep": f"arrays and objects are nested more than {MAX_DEPTH} deep",
    "invalid_text": "a text has control characters or half a surrogate pair",
    "unknown_type": "this type of request does not exist",
    "missing_field": "the request lacks a field",
    "invalid_field": "a field has a value that is not allowed",
    "invalid_name": "this name is not allowed",
    "name_exists": "an account has this name already",
    "login_failed": "unknown user or wrong password",
    "not_named": "this connection is not logged in",
    "not_allowed": "this client may not do this; the text says why",
    "no_channel": "there is no such channel, or the client is not in it",
    "muted": "this person may not write for now; the text says why, and how long",
    "banned": "this account or this address may not come in for now; the text says how long",
    "rate_limited": "the client sends too fast, or has tried too often; the text says how long to wait",
    "server_full": "the server has as many connections as it allows",
    "unavailable": "the server can't store anything for now",
    "internal": "a fault in the server; its log has the details under the incident number",
}
"""Every error code and what it means. The same table is in docs/PROTOCOLE.md."""


class ProtocolError(Exception):
    """A request that the server refuses. One place turns it into the reply; the connection goes on.

    `code` is a key of `ERRORS`; `text` is for people; `example` is a correct line; `details` are more keys of the
    reply, for programs. `cost` is what the line takes from its sender's allowance: see handlers/request.py.
    """

    cost = 1

    def __init__(
        self, code: str, text: str, example: Mapping[str, Any] | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.example = example
        self.details = details or {}

    def line(self) -> bytes:
        """The reply. Known clients read the text under `message`, one of them under `error`."""
        reply: dict[str, Any] = {"type": "error", "message": self.text, "error": self.text, "code": self.code}
        reply.update(self.details)
        if self.example is not None:
            reply["example"] = self.example
        return encode(reply)


def encode(message: Mapping[str, Any]) -> bytes:
    """One line of ASCII: two known clients read the platform's own encoding, not UTF-8."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


# --- decoding -------------------------------------------------------------------------------------------------------

_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_MAYBE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_BOM = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n\v\f\0"
_LEAD = re.compile(rb"(?:[ \t\r\n\v\f\0]+|\xef\xbb\xbf)*")


_SKIP = 100
_DIGITS = frozenset("0123456789.")


class _BadValue(ValueError):
    """A value that the decoder would take and the server refuses: its text, and diagnosis's reason."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(why)
        self.text = text
        self.why = why

    def index(self, text: str) -> int:
        """Where the value stands in `text`, which is JSON up to there. In strings before, it may stand _SKIP times."""
        start = at = quotes = 0
        for _ in range(_SKIP):
            found = text.find(self.text, at)
            if found < 0:
                break
            at = found
            before = text[start:at].replace("\\\\", "")
            quotes += before.count('"') - before.count('\\"')
            if quotes % 2 == 0 and text[at - 1 : at] not in _DIGITS:
                break
            start, at = at, at + 1
        return at


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):  # 1e400 gets past parse_constant
        raise _BadValue(text, diagnosis.NUMBER)
    return value


def _int(text: str) -> int:
    if len(text) > 4300:  # newer interpreters have this limit themselves
        raise _BadValue(text, diagnosis.NUMBER)
    return int(text)


def _constant(text: str) -> float:
    raise _BadValue(text, diagnosis.CONSTANT)


# strict=False accepts raw control characters: the check of their field then gives a better message
_decoder = json.JSONDecoder(parse_float=_float, parse_int=_int, parse_constant=_constant, strict=False)
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]


def _too_deep(text: str) -> bool:
    """Whether more than MAX_DEPTH brackets are open at once, outside strings.

    Methods of bytes do the work, because a line may have 65,536 brackets.

    A backslash outside a string is dropped too: the decoder stops there, and the brackets before it were counted.
    """
    data = text.encode().replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(data.split(b'"')[::2]).translate(_SQUARE, _NO_BRACKETS)
    if b"[" * (MAX_DEPTH + 1) in brackets:
        return True
    brackets += b"]" * MAX_DEPTH  # closes the brackets that are still open
    for _ in range(MAX_DEPTH):  # each pass removes the innermost pairs
        brackets = brackets.replace(b"[]", b"")
        if b"[" not in brackets:
            return False
    return True


def not_json(failure: Failure, lead: int = 0) -> ProtocolError:
    """The refusal of a line that is not JSON. It names the cause and, where there is one, the column."""
    found = diagnosis.diagnose(failure, lead)
    details: dict[str, Any] = {"cause": found.cause}
    if found.column is not None:
        details["column"] = found.column
    text = f'{found.text}; send one JSON object a line, for example {{"type":"users"}}'
    return ProtocolError("invalid_json", text, EXAMPLE, details)


def trimmed(line: bytes) -> bytes:
    """`line` without byte order marks in front, white space and NULs (the odd half of UTF-16's newline) around it."""
    found = _LEAD.match(line)
    return line[found.end() if found else 0 :].rstrip(_BLANKS)


def _lead(line: bytes) -> int:
    """The number of visible characters that `trimmed` removes in front."""
    found = _LEAD.match(line)
    lead = found[0] if found else b""
    return len(lead) - 3 * lead.count(_BOM) - lead.count(b"\0")


def _not_utf8(line: bytes, raw: bytes) -> str:
    """The whole line as text in cp1252, the default of Java on a French Windows."""
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError as error:
        column = len(line[: error.start].decode("utf-8", "replace"))
        raise not_json(
            Failure(raw, "", column, diagnosis.NOT_TEXT, line[error.start]), _lead(raw)
        ) from None


def _where(error: Exception, text: str) -> tuple[int, str]:
    """The index where decoding failed, and the reason in diagnosis's words."""
    if isinstance(error, json.JSONDecodeError):
        return error.pos, error.msg
    if isinstance(error, _BadValue):
        return error.index(text), error.why
    return (error.value if isinstance(error, StopIteration) else 0), "Expecting value"


def decode(line: bytes) -> dict[str, Any] | None:
    """The object in `line`, or None for a blank line.

    Surrounding white space, NULs and byte order marks in front are dropped.
    Raises ProtocolError: invalid_json, too_deep, invalid_text.
    """
    raw = line
    if line[:1] == b"{":
        line = line.rstrip(_BLANKS)
    else:
        line = trimmed(line)
        if not line:
            return None
        if diagnosis.has_length(raw):  # its bytes may be white space
            raise not_json(Failure(raw))
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = _not_utf8(line, raw)
    # looking first costs little and is nearly always enough
    if ("[" in text or text.find("{", 1) > 0) and text.count("[") + text.count("{") > MAX_DEPTH and _too_deep(text):
        raise ProtocolError("too_deep", ERRORS["too_deep"], EXAMPLE)
    try:
        value, end = _scan(text, 0)
    except (StopIteration, ValueError, RecursionError) as error:
        raise not_json(Failure(raw, text, *_where(error, text)), _lead(raw)) from None
    if end != len(text):
        at = len(text) - len(text[end:].lstrip(" \t\r\n"))
        raise not_json(Failure(raw, text, at, diagnosis.EXTRA), _lead(raw))
    if not isinstance(value, dict):
        raise not_json(Failure(raw, text, 0, diagnosis.NOT_OBJECT, value), _lead(raw))
    if "\\" in text and _MAYBE_SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ProtocolError("invalid_text", "a text has half a surrogate pair (\\ud800 to \\udfff)") from None
    return value


_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def clean_content(content: str) -> str:
    """`content` as it may be relayed: at most MAX_CONTENT characters, no controls but tab and newline.

    CR LF becomes LF. Raises ProtocolError: invalid_text, invalid_field.
    """
    if len(content) > MAX_CONTENT:
        text = f"content has {len(content)} characters; at most {MAX_CONTENT} are allowed"
        raise ProtocolError("invalid_field", text)
    if not content.isprintable():
        content = content.replace("\r\n", "\n")
        found = _CONTROL.search(content)
        if found:
            control = f"U+{ord(found[0]):04X}"
            text = f"content has the control {control}; only tab and newline are allowed"
            raise ProtocolError("invalid_text", text)
    return content


# --- framing --------------------------------------------------------------------------------------------------------


class TooLong(NamedTuple):
    """Takes the place of a line over the limit; only the start of that line is kept."""

    start: bytes


class LineSplitter:
    """Cuts the bytes of one connection into lines; never holds more than MAX_LINE bytes.

    `overrun` is the number of bytes so far of a line over the limit that has not ended yet, or 0.
    """

    __slots__ = ("_tail", "overrun")

    def __init__(self) -> None:
        self._tail = bytearray()  # grows in place: a line may come byte by byte
        self.overrun = 0

    def feed(self, data: bytes) -> list[bytes | TooLong]:
        """The lines that `data` completes, in order, without their newlines."""
        if self.overrun:
            dropped, newline, data = data.partition(b"\n")
            if not newline:
                self.overrun += len(dropped)
                return []
            self.overrun = 0
        tail = self._tail
        pieces = data.split(b"\n")
        last = pieces.pop()
        if pieces and tail:
            pieces[0] = bytes(tail) + pieces[0]
            tail.clear()
        lines: list[bytes | TooLong] = [line if _fits(line) else TooLong(line[:64]) for line in pieces]
        tail += last
        if len(tail) > MAX_LINE + 1:  # one more than the limit: it may be the CR of a line that fits
            lines.append(TooLong(bytes(tail[:64])))
            self.overrun = len(tail)
            tail.clear()
        return lines

    def unended(self) -> Iterator[bytes]:
        """The start of a line that will never end in a newline, but must be answered; see `foreign.unended`."""
        tail = self._tail
        while tail and tail[0] != 0x7B:  # nearly every line begins with a brace
            found = foreign.unended(bytes(tail[: foreign.HEAD]), len(tail))
            if found is None:
                return
            if found.rest_too:
                self.overrun = len(tail)
            line = bytes(tail[: found.length])
            del tail[: found.length]
            yield line

    def rest(self) -> list[bytes | TooLong]:
        """A last line without its newline, when the peer has ended its side."""
        return self.feed(b"\n") if self._tail else []


def _fits(line: bytes) -> bool:
    return len(line) <= MAX_LINE or (len(line) == MAX_LINE + 1 and line[-1:] == b"\r")
