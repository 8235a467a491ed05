"""The transport of a client that speaks HTTP, and WebSocket after that: each block of lines is a message."""

from __future__ import annotations

import socket
from collections.abc import Callable

from classcord.net.transport import DONTWAIT, Plain, Raw
from classcord.wire import websocket
from classcord.wire.websocket import Close, Decoder, Failed, Part, Ping

__all__ = ["SILENCE", "Web"]

SILENCE = 25.0
"""Seconds of silence after which the client gets a ping: the NATs and proxies on the way don't forget it."""


_last: tuple[bytes, bytes] = b"", b""


def _framed(data: bytes) -> bytes:
    """A block of lines with the head of its frame. The block that everybody gets is copied once for all of them."""
    global _last
    block, framed = _last
    if block is not data:
        framed = websocket.head(len(data)) + data
        _last = data, framed
    return framed


class Web(Plain):
    """HTTP at first: only Raw bytes go out, and a line goes nowhere. After `upgrade` lines travel as text messages.

    `control(frames, size)` is called in the client's thread: `frames` are to be sent as Raw bytes, and `size` bytes
    came that had no line. Between upgrade and end `receive` gives bytes of lines, as every transport does.
    """

    __slots__ = ("_control", "_decoder", "_ended", "_first", "_framing", "_head", "_left", "_limited", "_raw_receive",
                 "_unfinished", "code", "failure", "size")

    def __init__(self, connection: socket.socket, control: Callable[[bytes, int], None]) -> None:
        super().__init__(connection)
        self._control = control
        self._raw_receive = self.receive
        self._framing = False  # for the holder: from the answer 101 on
        self._head = b""  # what is left of the frame's head
        self._left = 0  # and of its data
        self._decoder: Decoder | None = None
        self._first = b""  # what came right behind the request
        self._unfinished = False  # the last line of a message has no newline so far
        self._limited = False
        self._ended = False
        self.code: int | None = 1000
        """Why the connection ends, for the peer."""
        self.size = 0
        """Bytes that the last `receive` took, with the heads of their frames."""
        self.failure: str | None = None
        """How the peer has broken the protocol."""

    # --- for the client's thread ---

    def upgrade(self, first: bytes) -> None:
        """From now on WebSocket is spoken; `first` has come already. The answer 101 must have been handed over."""
        self._decoder = Decoder()
        self._first = first
        self.receive = self._receive
        self.receive_timeout(0)

    def _receive(self, most: int, /) -> bytes:
        while not self._ended:
            data, self._first = self._first, b""
            if not data:
                try:
                    data = self._raw_receive(most)
                except BlockingIOError:
                    if self._limited:
                        raise
                    self._control(websocket.control(websocket.PING), 0)
                    continue
                if not data:
                    break
            self.size = len(data)
            lines, frames = self._decoded(data)
            if frames or len(lines) < len(data) // 2:  # heads alone cost something too
                self._control(frames, len(data) - len(lines))
            if lines:
                return lines
        return b""

    def _decoded(self, data: bytes) -> tuple[bytes, bytes]:
        """The lines in these bytes, and the frames that answer them."""
        lines, frames = [], []
        assert self._decoder is not None
        for event in self._decoder.feed(data):
            if isinstance(event, Part):
                if event.opcode != websocket.TEXT:
                    event = Failed(1003, "a binary message")
                else:
                    if event.data:
                        lines.append(event.data)
                        self._unfinished = event.data[-1:] != b"\n"
                    if event.last and self._unfinished:
                        lines.append(b"\n")
                        self._unfinished = False
            if isinstance(event, Ping):
                frames.append(websocket.control(websocket.PONG, event.data))
            elif isinstance(event, Close | Failed):
                self.code = event.code
                self.failure = event.why if isinstance(event, Failed) else None
                self._ended = True
                break
        return b"".join(lines), b"".join(frames)

    def receive_timeout(self, seconds: float, /) -> None:
        self._limited = seconds > 0
        super().receive_timeout(seconds or (SILENCE if self._decoder is not None else 0))

    def end_sending(self) -> None:
        """For the client's thread once the registry does not know the connection any more: nobody else sends."""
        self._close()
        self.receive = self._raw_receive  # what still comes is nothing to anybody
        super().end_sending()

    # --- for the holder of the flush lock ---

    def send(self, data: bytes | memoryview, /) -> int:
        """The rest of the data must come next, until all of it is taken."""
        if self._left or not self._framing or type(data) is not bytes:
            return self._send_on(data)
        framed = _framed(data)
        sent = self._send(framed, DONTWAIT)
        if sent == len(framed):
            return len(data)
        head = len(framed) - len(data)
        self._head = framed[sent:head]
        self._left = len(framed) - max(sent, head)
        return max(sent - head, 0)

    def _send_on(self, data: bytes | memoryview) -> int:
        """The rest of a frame, or what is not a block of lines."""
        if not self._left:
            if isinstance(data, Raw):
                self._framing = self._framing or data.startswith(b"HTTP/1.1 101 ")
            elif not self._framing:
                return len(data)
            self._left = len(data)
        sent = self._send(self._head + data if self._head else data, DONTWAIT)
        begun = min(sent, len(self._head))
        self._head = self._head[begun:]
        self._left -= sent - begun
        return sent - begun

    def end(self) -> None:
        if self._framing:
            self.code = 1001  # the server stops, or gives the client up
            self._close()
        super().end()

    def _close(self) -> None:
        """Say why the connection ends, if the stream is between two frames."""
        if self._framing and not self._left:
            self._framing = False
            try:
                self._send(websocket.close(self.code), DONTWAIT)
            except OSError:
                pass  # it has gone, or takes nothing
