"""Bytes to messages and back: framing, decoding, limits and error codes.

Pure: no socket, no clock, no state outside a `LineSplitter`. Any thread may call the functions;
a `LineSplitter` belongs to the one thread that reads its connection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quote
from typing import Any

__all__ = [
    "ERRORS", "EXAMPLE", "MAX_CONTENT", "MAX_DEPTH", "MAX_DISCARD", "MAX_LINE", "MAX_OVERRUN", "ForeignProtocol",
    "LineSplitter", "ProtocolError", "TooLong", "clean_content", "decode", "encode", "foreign_protocol",
    "foreign_start", "quote",
]

MAX_LINE = 64 * 1024
"""Bytes in a line, its newline not counted. 4000 characters of content escaped as `\\uXXXX` pairs are 48,000."""
MAX_DEPTH = 32
"""Arrays and objects inside one another. The C decoder recurses once for each, on a thread's small stack."""
MAX_CONTENT = 4000
"""Characters in a message's content."""
MAX_OVERRUN = 1024 * 1024
"""Bytes of one line after which its connection gets a short deadline to end that line."""
MAX_DISCARD = 16 * 1024 * 1024
"""Bytes of one line after which its connection is closed at once."""

EXAMPLE: dict[str, Any] = {"type": "users"}
"""The line shown to whoever sent something that is not a request at all."""

ERRORS: dict[str, str] = {
    "invalid_json": "the line is not a JSON object, or not text",
    "line_too_long": f"the line has more than {MAX_LINE} bytes; all of it was ignored",
    "too_deep": f"arrays and objects are nested more than {MAX_DEPTH} deep",
    "invalid_text": "a text has control characters or half a surrogate pair",
    "unknown_type": "no request has this type",
    "missing_field": "the request lacks a field",
    "invalid_field": "a field has a value that it can't have",
    "invalid_name": "nobody may have this name",
    "name_exists": "an account has this name already",
    "login_failed": "unknown user or wrong password",
    "not_named": "nobody is logged in on this connection",
    "server_full": "the server has as many connections as it allows",
    "unavailable": "the server can't store anything for now",
    "internal": "a fault in the server; its log has the details under the incident number",
}
"""Every error code and what it means. The same table is in docs/PROTOCOLE.md."""


class ProtocolError(Exception):
    """A request that can't be carried out. One place turns it into the reply; the connection goes on.

    `code` is a key of `ERRORS`; `text` is for people; `example` is a line that would have been right.
    """

    def __init__(self, code: str, text: str, example: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.example = example

    def line(self) -> bytes:
        """The reply. Known clients read the text under `message`, one of them under `error`."""
        reply: dict[str, Any] = {"type": "error", "message": self.text, "error": self.text, "code": self.code}
        if self.example is not None:
            reply["example"] = self.example
        return encode(reply)


class ForeignProtocol(Exception):
    """The peer speaks something else (HTTP, TLS, PROXY): answer `reply`, then close."""

    def __init__(self, name: str, reply: bytes, hint: str) -> None:
        super().__init__(name)
        self.name = name
        self.reply = reply
        self.hint = hint


def encode(message: Mapping[str, Any]) -> bytes:
    """One line of ASCII: two known clients read the platform's own encoding, not UTF-8."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


# --- decoding -------------------------------------------------------------------------------------------------------

_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_BRACKETS = re.compile(r"[\[{\]}]")
_MAYBE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_BOM = b"\xef\xbb\xbf"


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):  # 1e400 gets past parse_constant
        raise ValueError("a number is too large")
    return value


def _int(text: str) -> int:
    if len(text) > 4300:  # the interpreter's own limit, for the releases that don't have it yet
        raise ValueError("a number is too long")
    return int(text)


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


# strict=False lets raw control characters through to the check of the field they stand in, whose message says more
_decoder = json.JSONDecoder(parse_float=_float, parse_int=_int, parse_constant=_constant, strict=False)
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]


def _depth(text: str) -> int:
    deepest = depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        if bracket in "[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


def _not_json(why: str) -> ProtocolError:
    return ProtocolError(
        "invalid_json", f'{why}; send one JSON object a line, for example {{"type":"users"}}', EXAMPLE
    )


def _text(line: bytes) -> str:
    """The whole line as text: UTF-8, else cp1252 (what Java on a French Windows writes by default)."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        raise _not_json("neither UTF-8 nor Windows-1252 text") from None


def decode(line: bytes) -> dict[str, Any] | None:
    """The object in `line`, or None for a blank line.

    Surrounding white space, NULs (the odd half of UTF-16's newline) and a byte order mark are dropped.
    Raises ProtocolError: invalid_json, too_deep, invalid_text.
    """
    line = line.strip(b" \t\r\n\v\f\0")
    if line.startswith(_BOM):
        line = line[3:].lstrip()
    if not line:
        return None
    text = _text(line)
    # counting first costs little and is nearly always enough
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        raise ProtocolError("too_deep", ERRORS["too_deep"], EXAMPLE)
    try:
        value, end = _scan(text, 0)
    except (StopIteration, ValueError, RecursionError):
        raise _not_json("not JSON") from None
    if end != len(text):
        raise _not_json("more than one JSON value in the line")
    if not isinstance(value, dict):
        raise _not_json("expected an object")
    if "\\u" in text and _MAYBE_SURROGATE.search(text):
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
        raise ProtocolError("invalid_field", f"content has {len(content)} characters; {MAX_CONTENT} is the most")
    if not content.isprintable():
        content = content.replace("\r\n", "\n")
        found = _CONTROL.search(content)
        if found:
            control = f"U+{ord(found[0]):04X}"
            raise ProtocolError("invalid_text", f"content has the control {control}; only tab and newline may stay")
    return content


# --- framing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TooLong:
    """Stands in the place of a line over the limit; nothing else of that line is kept."""

    start: bytes


class LineSplitter:
    """Cuts what one connection sends into lines; holds at most MAX_LINE bytes, whatever comes.

    `overrun` is how many bytes have come of a line over the limit that has not ended yet, or 0.
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
        if len(tail) > MAX_LINE + 1:  # one more than the limit, for it may be the CR of a line that fits
            lines.append(TooLong(bytes(tail[:64])))
            self.overrun = len(tail)
            tail.clear()
        return lines

    def rest(self) -> list[bytes | TooLong]:
        """A last line without its newline, when the peer has ended its side."""
        return self.feed(b"\n") if self._tail else []


def _fits(line: bytes) -> bool:
    return len(line) <= MAX_LINE or (len(line) == MAX_LINE + 1 and line[-1:] == b"\r")


# --- peers that speak something else --------------------------------------------------------------------------------

_HTTP_LINE = re.compile(rb"(?:GET|POST|PUT|HEAD|OPTIONS|PATCH|DELETE|TRACE|CONNECT|PRI) \S.*")
_HTTP_END = re.compile(rb" HTTP/\d(?:\.\d)?\s*\Z")
_PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"


def foreign_protocol(line: bytes | TooLong) -> ForeignProtocol | None:
    """Whether this is the request line of another protocol.

    A line over the limit is judged by how it begins: a browser that a web page made post JSON lines
    must not have its body run, however long the address in the request line.
    """
    whole = isinstance(line, bytes)
    head = line if isinstance(line, bytes) else line.start
    if _HTTP_LINE.match(head) and (not whole or _HTTP_END.search(head)):
        return ForeignProtocol(
            "http", b"This is a ClassCord chat server, not an HTTP server.\n", "a browser or a web client connected"
        )
    if head.startswith(b"PROXY "):
        return ForeignProtocol("proxy", b"", "a proxy sent its header; no proxy is trusted here")
    return None


def foreign_start(data: bytes) -> ForeignProtocol | None:
    """Whether a connection's first bytes open a protocol that does not begin with a line of text."""
    if data[:1] == b"\x16" and data[1:2] in (b"", b"\x03"):
        return ForeignProtocol("tls", b"", "the client speaks TLS; turn TLS off in it")
    if data.startswith(_PROXY_V2):
        return ForeignProtocol("proxy", b"", "a proxy sent its header; no proxy is trusted here")
    return None
