"""Peers that do not speak ClassCord: how to recognize their first bytes and lines, and the answer to HTTP.

Pure and bounded: no socket, no clock; only the head of the data is looked at. Any thread may call this.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = [
    "HEAD", "JAVA_STREAM", "LATE", "NO_WEB", "WEB", "WEBSOCKET", "ForeignProtocol", "Unended", "foreign_line",
    "foreign_start", "frame", "http_answer", "http_host",
    "is_socks", "kind", "negotiation", "undecided", "unended",
]

HEAD = 96
"""Bytes that are enough to recognize any of these protocols."""

JAVA_STREAM = b"\xac\xed\0\x05"
"""The first bytes of a Java ObjectOutputStream (Java Object Serialization Specification, 6.4.2)."""


WEBSOCKET = frozenset({"browser", "websocket"})
"""The kinds of clients that take frames of WebSocket."""
WEB = frozenset({"http", *WEBSOCKET})
"""The kinds of clients that take no plain lines: what is sent to them beside their outbox would end in their stream."""


class ForeignProtocol(Exception):
    """The peer speaks another protocol: close. `hint` is for the log; `head` is the start of its line."""

    def __init__(self, name: str, hint: str, head: bytes = b"") -> None:
        super().__init__(name)
        self.name = name
        self.hint = hint
        self.head = head


# --- a connection's first bytes -------------------------------------------------------------------------------------

_HINTS = {
    "http": "a request of HTTP that gets no page: it came behind other lines, or --web is off",
    "tls": "the client uses TLS; this port takes plain TCP only: turn TLS (SSL) off in the client",
    "proxy": "a proxy sent its PROXY header; this server does not take it: turn it off in the proxy",
}
_ANY = bytes(range(256))

# For each place the bytes that may be there. An incomplete signature has no line that needs an answer: only the PROXY
# signature has newlines, and these end blank lines.
_SIGNATURES: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    ("tls", (b"\x16", b"\x03")),  # a handshake record of SSL 3.0 or any TLS (RFC 8446, 5.1); Ctrl-V is a lone 16
    # SSL 2.0's hello, in which Java 6 offers TLS (RFC 5246, E.2): length (28 bytes are the least), type 1, version
    ("tls", (b"\x80", _ANY[28:], b"\x01", b"\x03\x02\x00")),
    ("tls", (b"\x81\x82\x83", _ANY.replace(b"\n", b""), b"\x01", b"\x03\x02\x00")),
    ("proxy", tuple(bytes([byte]) for byte in b"\r\n\r\n\0\r\nQUIT\n")),  # version 2 of HAProxy's PROXY protocol
)


def _agrees(data: bytes, signature: tuple[bytes, ...]) -> bool:
    return all(byte in allowed for byte, allowed in zip(data, signature))  # noqa: B905 - only the shorter length is compared


def foreign_start(data: bytes) -> ForeignProtocol | None:
    """Whether a connection's first bytes open a protocol that does not begin with a line of text."""
    for name, signature in _SIGNATURES:
        if len(data) >= len(signature) and _agrees(data, signature):
            return ForeignProtocol(name, _HINTS[name])
    return None


def undecided(data: bytes) -> bool:
    """Whether these first bytes may become one of the signatures of `foreign_start`.

    No answer waits meanwhile: `data` has no line that needs one.
    """
    return any(len(data) < len(signature) and _agrees(data, signature) for _, signature in _SIGNATURES)


def kind(data: bytes) -> str:
    """What a client is, as far as its first bytes tell: "json", "netcat" (a person who types), "java", or ""."""
    start = data[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] == b"{":
        return "json"
    if start.startswith(JAVA_STREAM):
        return "java"
    return "netcat" if start[:1] > b"\x1f" or negotiation(data) else ""


# --- lines ----------------------------------------------------------------------------------------------------------

_HTTP_START = re.compile(rb"(?:GET|POST|PUT|HEAD|OPTIONS|PATCH|DELETE|TRACE|CONNECT|PRI) \S")
_HTTP_METHOD = re.compile(rb"[A-Z][A-Z-]{1,30} \S")
"""Any other method: WebDAV has twenty, and `curl -X` sends what it is given."""
_HTTP_END = re.compile(rb" HTTP/\d(?:\.\d)?\s*\Z")


def foreign_line(head: bytes, whole: bool = True) -> ForeignProtocol | None:
    """Whether this is the request line of another protocol.

    A line over the limit (not `whole`) is judged by its start. A web page may make a browser post JSON lines: the
    server must not run them, even if the address in the request line is very long.
    """
    if (_HTTP_METHOD if whole else _HTTP_START).match(head) and (not whole or _HTTP_END.search(head[-HEAD:])):
        return ForeignProtocol("http", _HINTS["http"], head[:HEAD])
    if head.startswith(b"PROXY "):
        return ForeignProtocol("proxy", _HINTS["proxy"], head[:HEAD])
    return None


_HOST = re.compile(rb"^host:[ \t]{0,8}([a-z0-9._-]{1,100}|\[[0-9a-f:.]{2,45}\])(?::(\d{1,5}))?[ \t]{0,8}\r?\n",
                   re.IGNORECASE | re.MULTILINE)


def http_host(data: bytes) -> tuple[str, str] | None:
    """The host and port that a web client used for this server, if its request names them in a harmless form."""
    found = _HOST.search(data[:4096])
    if found is None:
        return None
    return found[1].decode("ascii").strip("[]"), (found[2] or b"80").decode("ascii")


NO_WEB = "This is a ClassCord chat server, not an HTTP server"
LATE = "A request of HTTP must be the first thing on a connection"


def http_answer(request: bytes, text: str, phrase: str = NO_WEB) -> bytes:
    """The answer to a request line of HTTP that gets no page, with `text` as its body.

    400 and not 426 or 505: those promise that the server knows another protocol or version. The phrase after 400 says
    the same as the body, because some libraries show only the phrase. No header lets a web page read the answer.
    """
    body = text.encode("utf-8")
    head = (
        f"HTTP/1.1 400 {phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n"
        "\r\n"
    ).encode("ascii")
    return head if request.startswith(b"HEAD ") else head + body


# --- data without a newline, whose sender waits for an answer --------------------------------------------------------

# IAC and a command (RFC 854), options from 0 to 49 and the few above (IANA). FF FE may also be the byte order mark of
# UTF-16: then the byte after the next one is 0.
_NEGOTIATION = re.compile(
    rb"(?:\xff(?:[\xfb-\xfd][\0-\x31\x8a-\x8c\xff]|\xfe[\0-\x31\x8a-\x8c\xff](?=[^\0])|[\xf1-\xf9]|"
    rb"\xfa[^\xff]{0,64}\xff\xf0))+", re.DOTALL
)
_SOCKS4 = re.compile(rb"\x04[\x01\x02].{6}[^\0]{0,64}\0", re.DOTALL)
_DECIMAL = re.compile(rb"(\d{1,8})[ :\0]{0,72}(?=\{)")
_HIGH = frozenset({*range(9), *range(14, 32)})  # high bytes of a length that are not white space


def negotiation(data: bytes) -> int:
    """The number of bytes of telnet's negotiation in front."""
    found = _NEGOTIATION.match(data) if data[:1] == b"\xff" else None
    return found.end() if found else 0


def is_socks(head: bytes) -> bool:
    """Whether this is the whole first message of a SOCKS client (RFC 1928, 3; SOCKS 4)."""
    if head[:1] == b"\x05":
        return 2 < len(head) >= 2 + head[1] and 0 < head[1] < 10
    return _SOCKS4.match(head) is not None


def frame(head: bytes) -> int | None:
    """The bytes of a length and the text after it, if this begins with a length: Java's writeUTF and others send it.

    The length has two or four bytes, in either order, or decimal digits.
    """
    found = _DECIMAL.match(head)
    if found:
        return found.end() + int(found[1])
    if head[4:5] == b"{" and (head[:2] == b"\0\0" or head[2:4] == b"\0\0"):
        return 4 + int.from_bytes(head[:4], "big" if head[:2] == b"\0\0" else "little")
    if head[2:3] == b"{" and head[1] == 0 and head[0]:
        return 2 + head[0]
    if head[2:3] == b"{" and (head[0] in _HIGH or head[1] in _HIGH):
        return 2 + int.from_bytes(head[:2], "big" if head[0] in _HIGH else "little")
    if len(head) > 2 and head[0] == 0 and head[1] not in b"\0{" and head[2] >= 0x20:
        return 2 + head[1]  # other text; but a NUL that ended a line of UTF-16 may stand before a brace
    return None


class Unended(NamedTuple):
    """Data that must be answered without a newline: its bytes, and whether the rest of the line belongs to it."""

    length: int
    rest_too: bool


def unended(head: bytes, length: int) -> Unended | None:
    """Whether this line never ends in a newline. It has `length` bytes so far, and begins with `head`.

    Its sender may wait for an answer for ever. None while the first message of such a peer is incomplete.
    """
    cut = negotiation(head)
    if cut:
        return Unended(cut, False)
    if head.startswith(JAVA_STREAM) or is_socks(head):
        return Unended(length, True)
    framed = frame(head)
    return Unended(framed, False) if framed is not None and framed <= length else None
