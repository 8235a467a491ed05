"""What may be tried how often: passwords, and new accounts. An address is only a share: a class may be behind it."""

from __future__ import annotations

import math
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
"""The greatest number of seconds between two tries of a password: 1440 guesses a day, while a pupil who has mistyped it
often needs to wait no longer than a person waits."""
_OUTCOME = 0.1
"""Seconds after which to ask again while others' tries are under way: two hashes of a password take less."""


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
    """Tries that may fail: `free` failures a minute; each failure beyond doubles the pause before the next try.

    The pauses are 1, 2, 4, ... seconds. Above `free`, one failure a minute is forgotten. A try counts while it is not
    known how it ends: so no more than `free` are under way at once, and one at a time after that.
    """

    __slots__ = ("_at", "_failures", "_free", "_last", "_under_way")

    def __init__(self, free: int, now: float) -> None:
        self._free = free
        self._failures = 0.0
        self._under_way = 0
        self._at = now
        self._last = now

    def wait(self, now: float) -> float:
        """0 if a try may begin now, else the seconds after which it is worth asking again."""
        a_minute = self._free if self._failures <= self._free else 1
        self._failures = max(0.0, self._failures - (now - self._at) * a_minute / 60)
        self._at = now
        if self._failures + self._under_way <= self._free - 1:
            return 0.0
        if self._under_way:
            return _OUTCOME
        pause = min(2.0 ** math.ceil(self._failures - self._free + 1), 2 * _LONGEST_PAUSE) / 2
        return max(0.0, self._last + pause - now)

    def begin(self) -> None:
        self._under_way += 1

    def ended(self, now: float, *, failed: bool) -> None:
        """`failed`: it was the wrong password."""
        self._under_way -= 1
        if failed:
            self._failures += 1
            self._last = now

    def forgive(self) -> None:
        """It was the right password."""
        self._failures = 0.0


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

    def tries(self) -> Tries:
        """For a new connection."""
        return Tries(self._free, self._clock())

    def begin(self, account: str, peer: Peer, own: Tries) -> float:
        """Begin a try; `own` counts those of the connection. 0, or the seconds after which to ask again.

        `ended` must follow a try that has begun.
        """
        with self._lock:
            now = self._clock()
            each = self._each(account, peer, own, now)
            wait = max(tries.wait(now) for tries in each)
            if not wait:
                for tries in each:
                    tries.begin()
            return wait

    def ended(self, account: str, peer: Peer, own: Tries, *, right: bool, wrong: bool) -> None:
        """The try has ended; neither right nor wrong: the client left before its turn."""
        with self._lock:
            now = self._clock()
            for tries in self._each(account, peer, own, now):
                tries.ended(now, failed=wrong)
                if right:
                    tries.forgive()

    def _each(self, account: str, peer: Peer, own: Tries, now: float) -> list[Tries]:
        if self._exempt(peer.address):
            return [own]
        return [own, _remembered(self._tries, (account, peer.share), lambda: Tries(self._free, now))]


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
