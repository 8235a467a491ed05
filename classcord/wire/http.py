"""HTTP/1.1, as far as a page needs it: from the head of a request to its fields, and from an answer to bytes.

Pure and bounded: no clock, and no socket but the functions that read addresses. Any thread may call this.
"""

from __future__ import annotations

import gzip
import hashlib
import socket
import time
from collections.abc import Collection
from typing import NamedTuple

from classcord.wire.foreign import foreign_line

__all__ = [
    "MAX_HEAD", "Answer", "File", "Refused", "Request", "begins", "encode", "file", "found", "head_end", "is_ours",
    "kind_of", "parse",
]

MAX_HEAD = 16 * 1024
"""Bytes in the head of a request: its first line and its headers."""

_PHRASES = {
    101: "Switching Protocols", 200: "OK", 304: "Not Modified", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 413: "Content Too Large", 426: "Upgrade Required",
    431: "Request Header Fields Too Large", 503: "Service Unavailable", 505: "HTTP Version Not Supported",
}
_TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PRINTABLE = bytes(range(0x21, 0x7F))
_NO_TEXT = bytes([*range(9), *range(10, 32), 127])
_ONCE = frozenset({
    "host", "origin", "content-length", "transfer-encoding", "sec-websocket-key", "sec-websocket-version",
})
"""Headers that may not come twice: two readers would believe different ones."""


class Refused(Exception):
    """A request that gets an error, after which the connection ends. `text` is a key of wire/texts.py."""

    def __init__(self, status: int, text: str, why: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(why)
        self.status = status
        self.text = text
        self.why = why  # for the log
        self.headers = headers


def _bad(why: str) -> Refused:
    return Refused(400, "web_bad", why)


class Request(NamedTuple):
    """A request. `path` has no query; `host` and the names of headers are in small letters."""

    method: str
    path: str
    minor: int
    host: str
    headers: dict[str, str]

    def lists(self, header: str, word: str) -> bool:
        """Whether the header, a list of words, has this one."""
        return word in [each.strip().lower() for each in self.headers.get(header, "").split(",")]

    @property
    def has_body(self) -> bool:
        """Whether bytes follow that are not the next request."""
        return "transfer-encoding" in self.headers or self.headers.get("content-length", "0").strip("0") != ""

    @property
    def last(self) -> bool:
        """Whether the client wants the connection to end after the answer."""
        return self.minor == 0 or self.lists("connection", "close")


def begins(data: bytes) -> bool | None:
    """Whether a connection's first bytes are a request of HTTP; None while that depends on the rest of the line."""
    line, newline, _ = data.lstrip(b"\r\n").partition(b"\n")
    if newline or len(line) > MAX_HEAD:
        found = foreign_line(line, whole=bool(newline))
        return found is not None and found.name == "http"
    method, space, _ = line.partition(b" ")
    if not line or not line[:1].isalpha() or not method.replace(b"-", b"A").isalpha() or not method.isupper():
        return False
    return None if len(method) < 32 and (space or len(line) < 32) else False


def head_end(data: bytes) -> int:
    """The length of the head at the start, with the blank line that ends it; -1 if it is not there yet."""
    ends = [at + len(end) for end in (b"\n\r\n", b"\n\n") if (at := data.find(end)) >= 0]
    return min(ends, default=-1)


def parse(head: bytes) -> Request:
    """The request with this head. Raises Refused."""
    start, *rest = [line.removesuffix(b"\r") for line in head.rstrip(b"\r\n").split(b"\n")]
    method, _, more = start.partition(b" ")
    target, _, version = more.partition(b" ")
    if method.translate(None, _TOKEN) or not method or target.translate(None, _PRINTABLE) or not target:
        raise _bad("the request line")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if version[:5] == b"HTTP/" and version[5:6].isdigit() and version[5:7] != b"1.":
            raise Refused(505, "web_bad", "the version of HTTP")
        raise _bad("the request line")
    headers: dict[str, str] = {}
    for line in rest:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, _TOKEN):  # also a line that begins with a space: a folded one
            raise _bad("a header's name")
        if len(value.translate(None, _NO_TEXT)) < len(value):
            raise _bad("a control character in a header")
        key, text = name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")
        if key in headers:
            if key in _ONCE:
                raise _bad(f"two headers {key}")
            text = f"{headers[key]}, {text}"
        headers[key] = text
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or (
        "content-length" in headers and "transfer-encoding" in headers
    ):
        raise _bad("the length of the body")
    host, path = headers.get("host", "").lower(), target.decode("ascii")
    if path[:7].lower() == "http://":  # what a proxy gets; the header Host does not count then
        host, slash, path = path[7:].partition("/")
        host, path = host.lower(), slash + path or "/"
    elif "host" not in headers and version == b"HTTP/1.1":
        raise _bad("no header Host")
    return Request(method.decode("ascii"), path.partition("?")[0], version[7] - 48, host, headers)


def _split(host: str) -> tuple[str, str] | None:
    """The name or address in a header Host, and its port; None if it has neither."""
    bracket = host.find("]")
    name, colon, port = host.partition(":") if bracket < 0 else (
        host[: bracket + 1], host[bracket + 1 : bracket + 2], host[bracket + 2 :]
    )
    right = colon in ("", ":") and len(port) <= 5 and (not port or (port.isascii() and port.isdigit()))
    return (name, port) if right else None


def is_ours(host: str, names: Collection[str]) -> bool:
    """Whether a header Host (in small letters) has an address, or one of these names; any port.

    A page of elsewhere whose name leads here all of a sudden (DNS rebinding) has its own name in it.
    """
    found = _split(host)
    if found is None:
        return False
    name = found[0].removesuffix(".")
    family, address = (socket.AF_INET6, name[1:-1]) if name.startswith("[") else (socket.AF_INET, name)
    try:
        socket.inet_pton(family, address)
    except (OSError, ValueError):
        return name in names
    return True


# --- files ----------------------------------------------------------------------------------------------------------

_KINDS = {
    "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml", "png": "image/png", "ico": "image/x-icon", "txt": "text/plain; charset=utf-8",
}


class File(NamedTuple):
    """A file of the page: its type, its bytes, the same compressed or b"", and the tag of these bytes."""

    kind: str
    data: bytes
    packed: bytes
    tag: str


def kind_of(name: str) -> str | None:
    """The type of the file with this name; None if a page has no such files."""
    return _KINDS.get(name.rpartition(".")[2])


def file(name: str, data: bytes) -> File:
    """The file with this name and these bytes, whose type is known."""
    packed = gzip.compress(data, 9, mtime=0)
    tag = hashlib.sha256(data).hexdigest()[:20]
    return File(_KINDS[name.rpartition(".")[2]], data, packed if len(packed) < len(data) else b"", tag)


class Answer(NamedTuple):
    """An answer. A body whose `kind` is "" is none."""

    status: int
    body: bytes = b""
    kind: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def found(wanted: File, request: Request) -> Answer:
    """The answer that has the file; or says that the client has it already."""
    packed = bool(wanted.packed) and _takes_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{wanted.tag}-gzip"' if packed else f'"{wanted.tag}"'
    headers = (("ETag", tag), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding"))
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Answer(304, headers=headers)
    if packed:
        return Answer(200, wanted.packed, wanted.kind, (*headers, ("Content-Encoding", "gzip")))
    return Answer(200, wanted.data, wanted.kind, headers)


def _takes_gzip(header: str) -> bool:
    for each in header.lower().split(","):
        coding, *parameters = [part.strip() for part in each.split(";")]
        if coding in ("gzip", "x-gzip", "*"):
            return not any(part.startswith("q=0") and not part[2:].strip("0.") for part in parameters)
    return False


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _date(seconds: float) -> str:
    at = time.gmtime(seconds)  # strftime would use the names of the machine's language
    return (f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year}"
            f" {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT")


def encode(answer: Answer, seconds: float, *, host: str, last: bool, head_only: bool) -> bytes:
    """The bytes of an answer that is given at this time, in seconds since 1970.

    `host` is the request's, if it is ours: some browsers do not count a WebSocket as 'self'. `last`: the connection
    ends. `head_only`: to HEAD.
    """
    socket_too = f" ws://{host}" if host else ""
    lines = [
        f"HTTP/1.1 {answer.status} {_PHRASES[answer.status]}",
        f"Date: {_date(seconds)}",
        f"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        f" connect-src 'self'{socket_too}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Cross-Origin-Resource-Policy: same-origin",  # no other site may use the files
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    if answer.kind:
        lines += [f"Content-Type: {answer.kind}", f"Content-Length: {len(answer.body)}"]
    if last:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if head_only else head + answer.body
