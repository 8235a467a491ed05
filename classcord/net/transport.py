"""How the bytes of lines travel: under the lines, over the socket. Here is plain TCP; net/web.py has WebSocket."""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Callable
from typing import Protocol

__all__ = ["DONTWAIT", "Plain", "Raw", "Transport"]

DONTWAIT = int(socket.MSG_DONTWAIT)  # an enum member takes longer to pass
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() throws away the data that the client didn't read


class Raw(bytes):
    """Bytes that are not lines, and are sent as they are: an answer of HTTP, a control frame of WebSocket."""


class Transport(Protocol):
    """A way for the bytes of lines. The client's thread receives; the holder of the flush lock sends."""

    def receive(self, most: int, /) -> bytes:
        """Wait for bytes of lines; b"" at the end. Raises OSError, and BlockingIOError after `receive_timeout`."""

    def send(self, data: bytes | memoryview, /) -> int:
        """How many bytes were taken; never waits. Raises BlockingIOError if none, OSError if the peer is gone."""

    def fileno(self) -> int:
        """The descriptor whose readiness says that `send` can go on, and that the peer has left."""

    def receive_timeout(self, seconds: float, /) -> None:
        """Limit the time of each `receive`; 0 is for ever."""

    def unread(self) -> int:
        """How many bytes the peer has sent that were not received yet."""

    def end_sending(self) -> None:
        """Tell the peer that nothing more comes. Raises OSError."""

    def end_receiving(self) -> None:
        """Wake the client's thread: it receives the end of the stream, and can still send. Raises OSError."""

    def end(self) -> None:
        """Wake the client's thread: it receives the end of the stream. Raises OSError."""

    def discard(self) -> None:
        """Throw away at the close what the peer has not taken. Raises OSError."""


class Plain:
    """TCP as it is."""

    __slots__ = ("_send", "_socket", "receive")

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._send = connection.send
        self.receive: Callable[[int], bytes] = connection.recv

    def send(self, data: bytes | memoryview, /) -> int:
        return self._send(data, DONTWAIT)

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive_timeout(self, seconds: float, /) -> None:
        # unlike settimeout, this has no effect on sends
        value = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)

    def unread(self) -> int:
        return int.from_bytes(fcntl.ioctl(self._socket, termios.FIONREAD, bytes(4)), sys.byteorder)

    def end_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def end_receiving(self) -> None:
        self._socket.shutdown(socket.SHUT_RD)

    def end(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)

    def discard(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
