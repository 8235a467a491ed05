"""Things that threads use one at a time, in the order in which the threads came."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["Turns"]

Thing = TypeVar("Thing")


class Turns(Generic[Thing]):
    """Each thing is lent to one thread at a time. Any thread may take and give.

    A thing that is given back goes to the thread that has waited longest. The one that gave it waits behind that one,
    if it wants a thing again: with a lock or a queue it would get it at once.
    """

    def __init__(self, things: Iterable[Thing]) -> None:
        self._lock = threading.Lock()
        self._idle = list(things)
        self._waiting: deque[queue.SimpleQueue[Thing]] = deque()

    def take(self, timeout: float | None = None) -> Thing:
        """One of the things; waits for it. Raises queue.Empty if there is none in `timeout` seconds."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            mine: queue.SimpleQueue[Thing] = queue.SimpleQueue()
            self._waiting.append(mine)
        try:
            return mine.get(timeout=timeout)
        except queue.Empty:
            with self._lock:
                if mine in self._waiting:
                    self._waiting.remove(mine)
                    raise
            return mine.get()  # it came in this moment

    def give(self, thing: Thing) -> None:
        """Give back a thing that was taken, or another one in its place."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().put(thing)
            else:
                self._idle.append(thing)
