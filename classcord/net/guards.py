"""What may be tried how often: passwords, and new accounts. An address is only a share: a class may be behind it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

from classcord.net.buckets import Bucket
from classcord.net.peer import Peer

__all__ = ["Logins", "Registrations", "Tries"]

_REMEMBERED = 10_000
"""Accounts at addresses, or addresses, that are remembered; then the one that was used least recently is forgotten."""
_LONGEST_PAUSE = 60.0
"""The greatest number of seconds between two tries of a password."""
_PATIENCE = 8.0
"""Seconds that a client waits for its turn to try. If it would take longer, the try is refused at once."""


Kept = TypeVar("Kept")


def _remembered(kept: OrderedDict[Hashable, Kept], key: Hashable, make: Callable[[], Kept]) -> Kept:
    """What is kept for this key, or what `make` makes for it."""
    if key in kept:
        kept.move_to_end(key)
    else:
        kept[key] = make()
        if len(kept) > _REMEMBERED:
            kept.popitem(last=False)
    return kept[key]


class Tries:
    """Tries that may fail: `free` of them a minute; each failure beyond doubles the pause before the next try.

    The pauses are 1, 2, 4, ... seconds. Above `free`, one failure a minute is forgotten.
    """

    __slots__ = ("_at", "_failures", "_free", "_last")

    def __init__(self, free: int, now: float) -> None:
        self._free = free
        self._failures = 0.0
        self._at = now
        self._last = now

    def begin(self, now: float) -> float:
        """Count a try as a failure; the seconds to wait before it. If that is over _PATIENCE, it is not counted."""
        a_minute = self._free if self._failures <= self._free else 1
        self._failures = max(0.0, self._failures - (now - self._at) * a_minute / 60)
        self._at = now
        wait = 0.0
        if self._failures > self._free - 1:
            pause = min(2.0 ** round(self._failures - self._free + 1), 2 * _LONGEST_PAUSE) / 2
            wait = max(0.0, self._last + pause - now)
        if wait <= _PATIENCE:
            self._failures += 1
            self._last = now + wait
        return wait


class Logins:
    """Failed logins, for each account at each address, and for each connection. Any thread.

    The right password from another address has nothing to wait for.
    """

    def __init__(self, free: int, exempt: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._free = free
        self._exempt = exempt
        self._clock = clock
        self._tries: OrderedDict[Hashable, Tries] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, account: str, peer: Peer, own: Tries) -> tuple[float, bool]:
        """Before a try; `own` counts those of the connection. The seconds to wait, and whether it may be tried then."""
        with self._lock:
            now = self._clock()
            wait = own.begin(now)
            if wait <= _PATIENCE and not self._exempt(peer.address):
                here = _remembered(self._tries, (account, peer.share), lambda: Tries(self._free, now))
                wait = max(wait, here.begin(now))
            return wait, wait <= _PATIENCE

    def succeeded(self, account: str, peer: Peer) -> None:
        """It was the right password: forget the failures."""
        with self._lock:
            self._tries.pop((account, peer.share), None)

    def tries(self) -> Tries:
        """For a new connection."""
        return Tries(self._free, self._clock())


class Registrations:
    """New accounts, for each address: `most` in `seconds`. Any thread."""

    def __init__(
        self, most: int, seconds: float, exempt: Callable[[str], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._rate = most / seconds
        self._exempt = exempt
        self._clock = clock
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, peer: Peer) -> float:
        """Count one; 0, or the seconds after which another one is allowed, and then it is not counted."""
        if self._exempt(peer.address):
            return 0.0
        with self._lock:
            now = self._clock()
            bucket = _remembered(self._buckets, peer.share, lambda: Bucket(self._most, self._rate, now))
            wait = bucket.wait(1, now)
            if not wait:
                bucket.take(1, now)
            return wait
