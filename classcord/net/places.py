"""Whose place a newcomer takes when the server is full: that of a connection that has said nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from classcord.net.peer import Peer

__all__ = ["Places"]


class Places:
    """The connections that have said nothing yet. Any thread.

    A client that has sent a JSON object keeps its place. Before that a connection may stay for as long
    as it likes, until its place is needed.
    """

    def __init__(self) -> None:
        self._silent: dict[str, dict[Peer, socket.socket]] = {}  # by address, the oldest first
        self._lock = threading.Lock()

    def entered(self, peer: Peer, connection: socket.socket) -> None:
        """A connection was accepted."""
        with self._lock:
            self._silent.setdefault(peer.share, {})[peer] = connection

    def spoke(self, peer: Peer) -> bool:
        """It has sent a request: from now on its place is its own. False if it was given up before."""
        peer.spoke = self.left(peer)
        return peer.spoke

    def left(self, peer: Peer) -> bool:
        """It has ended. Safe to repeat. Says whether it was here until now, and silent."""
        with self._lock:
            here = self._silent.get(peer.share, {})
            found = here.pop(peer, None) is not None
            if not here:
                self._silent.pop(peer.share, None)
            return found

    def any_silent(self) -> bool:
        """Whether there is one."""
        return bool(self._silent)

    def give_up(self, tell: Callable[[Peer, socket.socket], None]) -> Peer | None:
        """Take out the one that has said nothing for longest, of the address that has most of them; None without one.

        `tell` gets it, and must not wait. If its client speaks in this moment, its thread waits in `spoke` until `tell`
        is done, and closes the socket only then. A socket that had its end before is closed already.
        """
        with self._lock:
            if not self._silent:
                return None
            share = max(self._silent, key=lambda each: len(self._silent[each]))
            here = self._silent[share]
            peer = next(iter(here))
            connection = here.pop(peer)
            if not here:
                del self._silent[share]
            tell(peer, connection)
            return peer
