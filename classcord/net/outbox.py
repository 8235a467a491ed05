"""One client's unsent bytes: never blocks, bounded in bytes and in time.

Only the holder of the registry's flush lock may call an outbox. Any thread may read `pending`.
"""

from __future__ import annotations

import socket
from collections import deque

__all__ = ["WAITING", "Outbox"]

WAITING = "waiting"
"""Not everything was sent yet; that is normal."""


class Outbox:
    """The bytes that one socket hasn't taken yet.

    `send` and `resume` return None when all is sent, WAITING when bytes are left, or the reason to drop the client:
    "gone" (the peer reset the connection) or "outbox_full" (more than `limit` bytes wait).
    """

    __slots__ = ("_limit", "_send", "_waiting", "pending", "progress")

    def __init__(self, connection: socket.socket, limit: int) -> None:
        self._send = connection.send
        self._limit = limit
        self._waiting: deque[bytes | memoryview] | None = None  # most outboxes never hold anything
        self.pending = 0
        self.progress = 0.0
        """The time when the socket last took bytes, in seconds of the caller's clock; valid while `pending`."""

    def send(self, data: bytes, now: float) -> str | None:
        """Send as much as the socket takes at once; keep the rest. If bytes wait already, keep everything."""
        if not self.pending:
            try:
                sent = self._send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                sent = 0
            except OSError:
                return "gone"
            if sent == len(data):
                return None
            self.progress = now
            if self._waiting is None:
                self._waiting = deque()
            self._waiting.append(memoryview(data)[sent:] if sent else data)
            self.pending = len(data) - sent
        else:
            assert self._waiting is not None
            self._waiting.append(data)
            self.pending += len(data)
        return "outbox_full" if self.pending > self._limit else WAITING

    def resume(self, now: float) -> str | None:
        """The socket can be written again: send on."""
        while self._waiting:
            data = self._waiting[0]
            try:
                sent = self._send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return WAITING
            except OSError:
                return "gone"
            self.progress = now
            self.pending -= sent
            if sent < len(data):
                self._waiting[0] = memoryview(data)[sent:]
                return WAITING
            self._waiting.popleft()
        self._waiting = None
        return None

    def clear(self) -> None:
        """Forget everything: the client is being dropped."""
        self._waiting = None
        self.pending = 0
