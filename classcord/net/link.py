"""One client's connection, as the registry sees it: its transport, what waits for it, and how it ends."""

from __future__ import annotations

import errno
import os
import select
import time
from typing import Any

from classcord.net.latch import Latch
from classcord.net.outbox import Outbox
from classcord.net.peer import Peer
from classcord.net.transport import Transport
from classcord.ops import logs
from classcord.wire.protocol import ProtocolError

__all__ = ["Gone", "Link", "internal_error"]


def internal_error(link: Link, error: BaseException) -> ProtocolError:
    """Log a fault under a new incident number; the reply that tells the client the number. Any thread."""
    incident = os.urandom(4).hex()
    link.log_exception("internal_error", error, incident=incident)
    return ProtocolError("internal", f"Internal error, incident {incident}; the server's log has the details.")


class Gone(ConnectionResetError):
    """The client's connection ended while its thread waited for something."""

    def __init__(self) -> None:
        super().__init__(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


class Link:
    """A connection, for the holder of the registry's flush lock.

    Exceptions: any thread may log, and read `dropped`, `expelled`, `lines`, `refused`, `outbox.pending` and
    `outbox.own`; `drained` is made by the client's thread, which also counts the lines; `number`, `since` and `peer`
    never change once the registry has the link.

    `number` is also that of its seat in the room.
    """

    __slots__ = (
        "_awaited", "drained", "dropped", "expelled", "left", "lines", "number", "outbox", "peer", "refused", "since",
        "transport", "watched",
    )

    def __init__(self, transport: Transport, outbox_limit: int, peer: Peer) -> None:
        self.number = 0
        self.transport = transport
        self.peer = peer
        self.outbox = Outbox(transport.send, outbox_limit)
        self.watched = False  # the registry waits until the socket takes more
        self.dropped = False  # nothing more is sent to it
        self.expelled = False  # and nothing is taken from it either
        self.left = False  # it gets nothing more: its last batch is sent, or in the outbox
        self._awaited: tuple[int, Latch] | None = None
        self.since = time.monotonic()
        self.lines = 0
        """How many lines it has sent."""
        self.refused: tuple[str, bytes, float] | None = None
        """The last refusal: its code, the line as far as it is known, and when, by time.monotonic."""
        self.drained: Latch | None = None
        """The client's thread makes it before it leaves; set once the client has left and everything is sent."""

    def speaks(self, transport: Transport) -> None:
        """From now on bytes go this way, over the same socket. For the client's thread, before anything was sent."""
        self.outbox.through(transport.send)
        self.transport = transport

    def ended(self) -> int:
        """0 while the peer is there, POLLRDHUP once it has closed its side, POLLHUP when the connection is gone.

        For any thread while the client's own thread waits: only that one closes the socket.
        """
        if self.dropped:
            return select.POLLHUP
        poll = select.poll()
        poll.register(self.transport.fileno(), select.POLLRDHUP)  # the other two are always reported
        seen = poll.poll(0)
        if not seen:
            return 0
        return select.POLLHUP if seen[0][1] & (select.POLLHUP | select.POLLERR) else select.POLLRDHUP

    def is_gone(self) -> bool:
        """Whether nobody is left to serve."""
        return self.ended() == select.POLLHUP

    def gone_within(self, seconds: float) -> bool:
        """Wait so long, or until the connection is gone; whether it is. For the client's thread."""
        if self.dropped:
            return True
        poll = select.poll()
        poll.register(self.transport.fileno(), 0)  # only what is always reported: the end
        return bool(poll.poll(seconds * 1000)) or self.dropped

    def wait_until_taken(self, limit: int) -> None:
        """Wait while more than `limit` bytes of its own are pending, or until the client is dropped. For its thread.

        While memory is scarce, wait for all of them. What everybody gets does not count.
        """
        outbox = self.outbox
        if not outbox.own:
            return
        limit = 0 if outbox.memory.scarce() else limit
        if outbox.own <= limit:
            return
        taken = Latch()
        self._awaited = (limit, taken)
        if outbox.own > limit and not self.dropped:
            taken.wait()
        self._awaited = None

    def taken(self) -> None:
        """Bytes may have been taken, or the client is dropped: wake its thread if it waits for that. For the holder."""
        awaited = self._awaited
        if awaited is not None and (self.outbox.own <= awaited[0] or self.dropped):
            awaited[1].set()

    def log(self, event: str, level: int | None = None, /, **fields: Any) -> None:
        """Log an event of this connection. Any thread."""
        peer = self.peer
        logs.caused(peer.share, event, level, **fields, peer=peer.address, port=peer.port)

    def log_exception(self, event: str, error: BaseException, /, **fields: Any) -> None:
        """Log a fault that happened while serving this connection. Any thread."""
        self.log(event, detail=logs.traceback_of(error), **fields)
