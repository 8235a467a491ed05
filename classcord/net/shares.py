"""A rate for all together, in equal shares: what they make everybody receive, and the lines that the server runs.

Everybody gets every line, so the slowest honest reader bounds what may be said in a second; and a processor runs only
so many lines. The shares are those of weighted fair queueing (Demers, Keshav and Shenker, 1989): each line begins where
its flow's last line ended, or at the place that all have reached, and the line that ends first goes first. A person who
says little does not wait for a flooder, and a short line does not wait for a long one.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable

from classcord.net.buckets import Bucket

__all__ = ["Flow", "Shares"]

_LOOK = 1.0
"""Seconds after which a waiting thread looks whether its client is still there."""


class Flow:
    """What one sender has sent: a connection, an account with all its connections, or the newcomers of an address."""

    __slots__ = ("__weakref__", "end")

    def __init__(self) -> None:
        self.end = 0.0


class _Line:
    """A line that waits. `turn` wakes its thread."""

    __slots__ = ("size", "turn")

    def __init__(self, size: int) -> None:
        self.size = size
        self.turn = threading.Event()


class Shares:
    """`rate` bytes or lines a second, and `burst` at once. Any thread, but not one that holds a lock.

    `clock` gives seconds and never goes back.
    """

    def __init__(self, rate: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bucket = Bucket(burst, rate, clock())
        self._lock = threading.Lock()
        self._place = 0.0  # where the line that went last began
        self._waiting: list[tuple[float, int, _Line]] = []  # a heap: where each ends
        self._numbers = itertools.count()

    def take(self, flow: Flow, size: int) -> bool:
        """Take so many for this sender, if it need not wait."""
        with self._lock:
            now = self._clock()
            if self._waiting or self._bucket.wait(size, now):
                return False
            self._bucket.take(size, now)
            self._place = max(self._place, flow.end)
            flow.end = self._place + size
            return True

    def wait(self, flow: Flow, size: int, gone: Callable[[], bool]) -> bool:
        """Take them when the turn of this sender comes. False: `gone()` has said that nobody needs them."""
        line = _Line(size)
        with self._lock:
            start = max(self._place, flow.end)
            flow.end = start + size
            entry = (flow.end, next(self._numbers), line)
            heapq.heappush(self._waiting, entry)
        while True:
            with self._lock:
                delay = _LOOK
                if self._waiting[0] is entry:
                    now = self._clock()
                    delay = self._bucket.wait(size, now)
                    if not delay:
                        self._bucket.take(size, now)
                        self._place = max(self._place, start)
                        heapq.heappop(self._waiting)
                        self._wake_first()
                        return True
                if gone():
                    flow.end -= size  # others of this flow, who may wait for it, are not behind what nobody said
                    self._waiting.remove(entry)
                    heapq.heapify(self._waiting)
                    self._wake_first()
                    return False
            line.turn.wait(min(delay, _LOOK))
            line.turn.clear()

    def _wake_first(self) -> None:
        if self._waiting:
            self._waiting[0][2].turn.set()
