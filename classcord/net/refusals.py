"""Connections that get no thread: each is told why, as a line or as an answer of HTTP, and closed a moment later.

A browser shows nothing of a line, only that the answer is invalid. What a client speaks shows in its first bytes, which
may come a moment after the connection itself.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Callable

from classcord.wire import http
from classcord.wire.http import Answer
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import Texts

__all__ = ["MOST_OPEN", "Refusals"]

_AT_ONCE = 64
"""Connections that wait for their first bytes at most, and as many that wait for their end."""
MOST_OPEN = 2 * _AT_ONCE
"""Open files that this needs."""
_FIRST_BYTES = 0.2
"""Seconds until a client that has said nothing is told in a line."""
_READING = 1.0
"""Seconds that the client has to read the answer: a close at once would throw it away."""
_HEAD = 512


class Refusals:
    """For the accept loop's thread: nothing here waits. `clock` gives seconds and never goes back."""

    def __init__(self, texts: Texts, clock: Callable[[], float] = time.monotonic) -> None:
        self._texts = texts
        self._clock = clock
        self._silent: deque[tuple[float, socket.socket, ProtocolError]] = deque()  # until when
        self._told: deque[tuple[float, socket.socket]] = deque()

    def add(self, connection: socket.socket, error: ProtocolError) -> None:
        """Refuse a connection for this reason."""
        if head := _peek(connection):
            self._tell(connection, error, head)
            return
        self._silent.append((self._clock() + _FIRST_BYTES, connection, error))
        if len(self._silent) > _AT_ONCE:
            self._tell(*self._silent.popleft()[1:])

    def look(self) -> None:
        """Tell and close those whose time has come."""
        now = self._clock()
        while self._silent and self._silent[0][0] < now:
            self._tell(*self._silent.popleft()[1:])
        while self._told and self._told[0][0] < now:
            self._told.popleft()[1].close()

    def _tell(self, connection: socket.socket, error: ProtocolError, head: bytes = b"") -> None:
        try:
            connection.send(self._answer(error, head or _peek(connection)), socket.MSG_DONTWAIT)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone already
        self._told.append((self._clock() + _READING, connection))
        if len(self._told) > _AT_ONCE:
            self._told.popleft()[1].close()

    def _answer(self, error: ProtocolError, head: bytes) -> bytes:
        if http.begins(head) is False:
            return error.line()
        banned = error.code == "banned"
        text = self._texts("web_banned") if banned else self._texts("web_full")
        headers = () if banned else (("Retry-After", "10"),)
        answer = Answer(403 if banned else 503, text.encode(), "text/plain; charset=utf-8", headers)
        return http.encode(answer, time.time(), host="", last=True, head_only=head.startswith(b"HEAD "))

    def close(self) -> None:
        """Close all."""
        for *_, connection in self._told:
            connection.close()
        for _, connection, _ in self._silent:
            connection.close()


def _peek(connection: socket.socket) -> bytes:
    """What has come already."""
    try:
        return connection.recv(_HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""
