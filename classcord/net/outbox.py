"""One client's unsent bytes: never blocks, bounded in bytes and in time.

Only the holder of the registry's flush lock may call an outbox, except `through`. Any thread may read `pending` and
`own`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

__all__ = ["WAITING", "Memory", "Outbox"]

WAITING = "waiting"
"""Not everything was sent yet; that is normal."""


class Memory:
    """The bytes that wait in all outboxes together, without the blocks that several clients wait for.

    `limit` is how many may wait. Any thread may ask.
    """

    __slots__ = ("limit", "used")

    def __init__(self, limit: int = 1 << 62) -> None:
        self.used = 0
        self.limit = limit

    def scarce(self) -> bool:
        """Whether a quarter is used: from here on a client that leaves any answer waiting is not read."""
        return self.used > self.limit >> 2


_ALONE = Memory()
"""Of the outboxes that no registry has."""


class Outbox:
    """The bytes that one client's transport hasn't taken yet; `send` is that transport's.

    `send` and `resume` return None when all is sent, WAITING when bytes are left, or the reason to drop the client:
    "gone" (the peer reset the connection) or "outbox_full" (`limit` bytes waited already before these). One answer may
    be longer than `limit`: a client that takes it is not dropped because it has asked.
    """

    __slots__ = ("_limit", "_send", "_waiting", "memory", "own", "pending", "progress")

    def __init__(self, send: Callable[[bytes | memoryview], int], limit: int) -> None:
        self._send = send
        self._limit = limit
        self._waiting: deque[tuple[bytes | memoryview, int]] | None = None  # most outboxes never hold anything
        self.pending = 0
        self.own = 0
        """The pending bytes that no other client waits for."""
        self.memory = _ALONE
        """The registry gives all outboxes the same one."""
        self.progress = 0.0
        """The time when the socket last took bytes, in seconds of the caller's clock; valid while `pending`."""

    def through(self, send: Callable[[bytes | memoryview], int]) -> None:
        """From now on bytes go this way. For the client's thread, before anything was sent."""
        self._send = send

    def send(self, data: bytes, now: float, shared: bool = False) -> str | None:
        """Send as much as the socket takes at once; keep the rest. If bytes wait already, keep everything.

        `shared` says that other clients get the same object.
        """
        if self.pending >= self._limit:
            return "outbox_full"
        sent = 0
        if not self.pending:
            try:
                sent = self._send(data)
            except BlockingIOError:
                pass
            except OSError:
                return "gone"
            if sent == len(data):
                return None
            self.progress = now
        if self._waiting is None:
            self._waiting = deque()
        own = 0 if shared else len(data)  # all of it, because a part keeps the whole
        self._waiting.append((memoryview(data)[sent:] if sent else data, own))
        self.pending += len(data) - sent
        self._use(own)
        return WAITING

    def _use(self, size: int) -> None:
        self.own += size
        self.memory.used += size

    def resume(self, now: float) -> str | None:
        """The socket can be written again: send on."""
        while self._waiting:
            data, own = self._waiting[0]
            try:
                sent = self._send(data)
            except BlockingIOError:
                return WAITING
            except OSError:
                return "gone"
            self.progress = now
            self.pending -= sent
            if sent < len(data):
                self._waiting[0] = memoryview(data)[sent:], own
                return WAITING
            self._waiting.popleft()
            self._use(-own)
        self._waiting = None
        return None

    def clear(self) -> None:
        """Forget everything: the client is being dropped."""
        self._waiting = None
        self.pending = 0
        self._use(-self.own)
