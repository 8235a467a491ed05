"""Connections that come while the server is full, and who of them may take the place of a silent one, and when.

Programs that say nothing and come back at once would otherwise take each other's places thousands of times a second. A
person who has connected but not typed yet would lose the place within a second. So the newcomers of an address take
only so many places a second, and the others wait. For the accept loop's thread.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from classcord.net.buckets import Bucket
from classcord.net.peer import Peer

__all__ = ["WAITING", "Newcomers"]

WAITING = 128
"""Connections that wait at most: a class behind one address with two connections each, and as many others."""
_SILENCE = 20.0
"""Seconds in which the newcomers of one address take as many places as there are. So a connection that says nothing
keeps its place for nearly so long: time to type a password."""
_AT_ONCE, _PART = 50, 10
"""Places that they may take at once: so many, a class of 40 and some more, or one in ten of all places."""
_PATIENCE, _PATIENCE_HERE = 10.0, 1.5
"""Seconds after which a newcomer is refused: half of the time in which all places may be taken, and about as long as a
person looks at a window that does not answer. One from this machine may be the self-test, which gives up after 2.5:
that the server is full is a healthy answer."""
_LOOK = 0.05
"""Seconds between two looks at those that wait, which nobody notices: the accept loop asks after each connection."""
_ADDRESSES = 1000
"""Addresses that are remembered: more than a school has; and an attacker with an IPv6 network fills no memory."""


class Newcomers:
    """`places` is how many connections the server allows. `clock` gives seconds and never goes back."""

    def __init__(self, places: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._places = places
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._next_look = 0.0
        self._waiting: list[tuple[float, socket.socket, Peer]] = []  # until when, in the order in which they came

    def may_take(self, peer: Peer) -> bool:
        """Whether a newcomer from this address may take a place now. If so, it counts."""
        now = self._clock()
        bucket = self._buckets.get(peer.share)
        if bucket is None:
            if len(self._buckets) >= _ADDRESSES:
                self._buckets = {share: each for share, each in self._buckets.items() if not each.full(now)}
            if len(self._buckets) >= _ADDRESSES:
                return False
            burst = max(_AT_ONCE, self._places // _PART)
            bucket = self._buckets[peer.share] = Bucket(burst, self._places / _SILENCE, now)
        if bucket.wait(1, now):
            return False
        bucket.take(1, now)
        return True

    def wait(self, connection: socket.socket, peer: Peer) -> bool:
        """Let a newcomer wait. False if too many wait already."""
        if len(self._waiting) >= WAITING:
            return False
        patience = _PATIENCE_HERE if peer.here else _PATIENCE
        self._waiting.append((self._clock() + patience, connection, peer))
        return True

    def look(
        self, admit: Callable[[socket.socket, Peer], str], refuse: Callable[[socket.socket, Peer, str], None]
    ) -> None:
        """Try each that waits, in order: `admit` says what is lacking, if anything is. Who has waited too long is
        refused for that. A look soon after the last one does nothing."""
        now, waiting = self._clock(), self._waiting
        if now < self._next_look:
            return
        self._next_look = now + _LOOK
        self._waiting = []
        for each in waiting:
            until, connection, peer = each
            lacking = admit(connection, peer)
            if lacking and now < until:
                self._waiting.append(each)
            elif lacking:
                refuse(connection, peer, lacking)

    def close(self) -> None:
        """Close all that wait."""
        for _, connection, _ in self._waiting:
            connection.close()
        self._waiting = []
