"""WebSocket (RFC 6455), the server's side: the handshake, from bytes to events, and the heads of frames.

Pure: no socket, no clock. A `Decoder` belongs to one thread; any thread may call the functions. No extensions.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import hashlib
import struct
from typing import NamedTuple

from classcord.wire.http import Refused, Request

__all__ = [
    "BINARY", "PING", "PONG", "TEXT", "Close", "Decoder", "Event", "Failed", "Part", "Ping", "Pong", "accept",
    "close", "control", "head",
]

TEXT, BINARY, _CLOSE, PING, PONG = 1, 2, 8, 9, 10
_UUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MOST_CONTROL = 125
"""Bytes in a control frame."""


def accept(request: Request) -> tuple[tuple[str, str], ...]:
    """The headers of the answer 101 to this request, which opens a WebSocket. Raises Refused."""
    if request.minor == 0 or not request.lists("upgrade", "websocket") or not request.lists("connection", "upgrade"):
        raise Refused(426, "web_socket", "no upgrade", (("Upgrade", "websocket"), ("Connection", "Upgrade")))
    if request.headers.get("sec-websocket-version") != "13":
        raise Refused(426, "web_socket", "the version of WebSocket", (
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
        ))
    key = request.headers.get("sec-websocket-key", "")
    try:
        if len(base64.b64decode(key, validate=True)) != 16:
            raise ValueError
    except (binascii.Error, ValueError):
        raise Refused(400, "web_bad", "the header Sec-WebSocket-Key") from None
    # SHA-1 as the protocol says; it protects nothing
    proof = hashlib.sha1(key.encode("ascii") + _UUID, usedforsecurity=False).digest()
    return (
        ("Upgrade", "websocket"), ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", base64.b64encode(proof).decode("ascii")),
    )


# --- sending --------------------------------------------------------------------------------------------------------


def head(size: int, opcode: int = TEXT) -> bytes:
    """The head of a whole message with so many bytes, in one frame."""
    if size < 126:
        return bytes((0x80 | opcode, size))
    if size < 65536:
        return struct.pack(">BBH", 0x80 | opcode, 126, size)
    return struct.pack(">BBQ", 0x80 | opcode, 127, size)


def control(opcode: int, data: bytes = b"") -> bytes:
    """A control frame with at most 125 bytes."""
    return head(len(data), opcode) + data


def close(code: int | None, text: str = "") -> bytes:
    """The frame that ends the connection, with a number (RFC 6455, 7.4) and a text of at most 123 bytes."""
    return control(_CLOSE, b"" if code is None else code.to_bytes(2, "big") + text.encode())


# --- receiving ------------------------------------------------------------------------------------------------------


class Part(NamedTuple):
    """Bytes of a message, as they came; `last` ends the message."""

    opcode: int
    data: bytes
    last: bool


class Ping(NamedTuple):
    """The peer wants a pong with the same bytes."""

    data: bytes


class Pong(NamedTuple):
    """The answer to a ping."""

    data: bytes


class Close(NamedTuple):
    """The peer ends the connection; nothing comes after it. `code` is None if it gave none."""

    code: int | None


class Failed(NamedTuple):
    """The peer does not keep to the protocol; nothing comes after it. `code` is for the answer, `why` for the log."""

    code: int
    why: str


Event = Part | Ping | Pong | Close | Failed


class _Wrong(Exception):
    def __init__(self, why: str, code: int = 1002) -> None:
        super().__init__(why)
        self.code = code


class Decoder:
    """From the bytes that a client sends to events. It keeps at most the head of a frame and a control frame.

    The parts of messages are handed on as they come, so a message of any size takes no memory here.
    """

    __slots__ = ("_control", "_ended", "_fin", "_kept", "_left", "_mask", "_message", "_text")

    def __init__(self) -> None:
        self._kept = b""  # the start of a head, or of a control frame
        self._control = -1  # the opcode of the control frame whose data is next
        self._left = 0  # bytes of the frame that are to come
        self._mask = bytes(4)
        self._fin = True  # of the data frame
        self._message = 0  # the opcode of the message that has not ended
        self._text: codecs.IncrementalDecoder | None = None  # that checks a text with letters outside ASCII
        self._ended = False

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes bring. After Close and Failed nothing more."""
        events: list[Event] = []
        if self._ended:
            return events
        if self._kept:
            data, self._kept = self._kept + data, b""
        try:
            self._run(data, events)
        except _Wrong as wrong:
            events.append(Failed(wrong.code, str(wrong)))
        if events and isinstance(events[-1], Close | Failed):
            self._ended = True
            self._kept = b""
        return events

    def _run(self, data: bytes, events: list[Event]) -> None:
        at, size = 0, len(data)
        while at < size:
            if self._control >= 0:
                if size - at < self._left:
                    break
                self._end_control(_unmask(data[at : at + self._left], self._mask), events)
                at += self._left
                self._left, self._control = 0, -1
                if isinstance(events[-1], Close):
                    return
            elif self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                self._part(_unmask(piece, self._mask), events)
                turn = len(piece) % 4
                self._mask = self._mask[turn:] + self._mask[:turn]
            elif at < (end := self._whole(data, at, events)):
                at = end
            else:
                length = self._begin(data, at)
                if not length:
                    break
                at += length
                if not self._left:
                    if self._control >= 0:
                        self._end_control(b"", events)
                        self._control = -1
                        if isinstance(events[-1], Close):
                            return
                    else:
                        self._part(b"", events)
        self._kept = data[at:]

    def _whole(self, data: bytes, at: int, events: list[Event]) -> int:
        """The end of a whole short text message that begins there; `at` if there is something else.

        Nearly all frames are such, and the long way takes several times as long for one.
        """
        if data[at] != 0x81 or self._message or len(data) - at < 8 or data[at + 1] < 128:
            return at
        length, start = data[at + 1] - 128, at + 6
        if length > 125:
            if length == 127 or (data[at + 2] == 0 and data[at + 3] < 126):
                return at
            length, start = data[at + 2] << 8 | data[at + 3], at + 8
        end = start + length
        if end > len(data):
            return at
        text = _unmask(data[start:end], data[start - 4 : start])
        if not text.isascii():
            try:
                text.decode()
            except UnicodeDecodeError:
                raise _Wrong("a text that is not UTF-8", 1007) from None
        events.append(Part(TEXT, text, True))
        return end

    def _begin(self, data: bytes, at: int) -> int:
        """Read the head of a frame there: its length, or 0 if there is more of it to come."""
        first = data[at]
        opcode, fin = first & 15, first >= 128
        if first & 0x70:
            raise _Wrong("a reserved bit is set")
        if opcode > PONG or BINARY < opcode < _CLOSE:
            raise _Wrong("an unknown kind of frame")
        if opcode >= _CLOSE and not fin:
            raise _Wrong("a control frame in pieces")
        if opcode < _CLOSE and (opcode == 0) != (self._message != 0):
            raise _Wrong("a message inside another" if opcode else "a piece of no message")
        if len(data) - at < 2:
            return 0
        second = data[at + 1]
        size = second & 127
        if second < 128:
            raise _Wrong("a frame without a mask")
        if opcode >= _CLOSE and size > _MOST_CONTROL:
            raise _Wrong("a control frame is too long")
        more = 2 if size == 126 else 8 if size == 127 else 0
        end = at + 2 + more + 4
        if len(data) < end:
            return 0
        if more:
            size = int.from_bytes(data[at + 2 : at + 2 + more], "big")
            if size >> 63 or size < (126 if more == 2 else 65536):
                raise _Wrong("the length of a frame")
        self._mask = data[end - 4 : end]
        self._left = size
        if opcode >= _CLOSE:
            self._control = opcode
        else:
            self._fin = fin
            self._message = opcode or self._message
        return end - at

    def _part(self, data: bytes, events: list[Event]) -> None:
        """Hand on a piece of a data frame."""
        opcode, last = self._message, self._fin and not self._left
        if opcode == TEXT and (self._text is not None or not data.isascii()):
            if self._text is None:
                self._text = codecs.getincrementaldecoder("utf-8")()
            try:
                self._text.decode(data, last)
            except UnicodeDecodeError:
                raise _Wrong("a text that is not UTF-8", 1007) from None
        if last:
            self._message = 0
            self._text = None
        events.append(Part(opcode, data, last))

    def _end_control(self, data: bytes, events: list[Event]) -> None:
        if self._control == _CLOSE:
            events.append(Close(_close_code(data)))
        else:
            events.append(Ping(data) if self._control == PING else Pong(data))


def _close_code(data: bytes) -> int | None:
    if not data:
        return None
    code = int.from_bytes(data[:2], "big")
    # those that the RFC and IANA's register allow in a frame, and those of applications
    if len(data) < 2 or not ((1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999):
        raise _Wrong("the code of a close frame")
    try:
        data[2:].decode()
    except UnicodeDecodeError:
        raise _Wrong("a reason that is not UTF-8", 1007) from None
    return code


def _unmask(data: bytes, mask: bytes) -> bytes:
    size = len(data)
    key = (mask * (size // 4 + 1))[:size]
    # one operation for all bytes: a loop would take a hundred times as long
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
