"""One client's connection, as the registry sees it: its socket, what waits for it, and how it ends."""

from __future__ import annotations

import socket
import threading
from typing import Any

from classcord.net.outbox import Outbox
from classcord.ops import logs

__all__ = ["Link"]


class Link:
    """A connection, for the holder of the registry's flush lock.

    Exceptions: any thread may log, and read `dropped`, `expelled` and `outbox.pending`; `drained` is made by the
    client's thread; `number` and `peer` never change once the registry has the link.

    `number` is also that of its seat in the room. `peer` is the address that the client shows, or "".
    """

    __slots__ = (
        "_log_fields", "drained", "dropped", "expelled", "left", "number", "outbox", "peer", "socket", "watched",
    )

    def __init__(self, connection: socket.socket, outbox_limit: int, *, peer: str = "", **log_fields: Any) -> None:
        self.number = 0
        self.socket = connection
        self.peer = peer
        self.outbox = Outbox(connection, outbox_limit)
        self.watched = False  # the registry waits until the socket takes more
        self.dropped = False  # nothing more is sent to it
        self.expelled = False  # and nothing is taken from it either
        self.left = False  # it gets nothing more: its last batch is sent, or in the outbox
        self.drained: threading.Event | None = None
        """The client's thread makes it before it leaves; set once the client has left and everything is sent."""
        self._log_fields = {"peer": peer, **log_fields}

    def log(self, event: str, level: int | None = None, /, **fields: Any) -> None:
        """Log an event of this connection. Any thread."""
        logs.event(event, level, **fields, **self._log_fields)

    def log_exception(self, event: str, error: BaseException, /, **fields: Any) -> None:
        """Log a fault that happened while serving this connection. Any thread."""
        logs.exception(event, error, **fields, **self._log_fields)
