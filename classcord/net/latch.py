"""A wait for something that happens once."""

from __future__ import annotations

import threading

__all__ = ["Latch"]


class Latch:
    """Like an event that is never cleared. Any thread may set it, again too; any thread may wait.

    It is one lock. A threading.Event also has a queue, whose 528 bytes stay in the memory of the thread that freed
    it: of thousands of clients, each would hold several.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """It has happened."""
        try:
            self._lock.release()
        except RuntimeError:
            pass  # it was set before

    def is_set(self) -> bool:
        """Whether it has happened."""
        return not self._lock.locked()

    def wait(self, seconds: float = -1) -> bool:
        """Wait until it has happened, or so many seconds; whether it has. Less than 0 is for ever."""
        if not self._lock.acquire(timeout=seconds):
            return False
        self.set()  # for the others who wait
        return True
