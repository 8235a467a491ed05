"""How many lines of one event an address may cause in the log, so that nobody can fill the disk with it."""

from __future__ import annotations

import threading

__all__ = ["Quota"]

SECONDS = 10.0
"""The time in which an address may cause so many lines of an event."""
_REMEMBERED = 4096
"""Pairs of an event and an address; beyond that the others share one place."""


class _Window:
    __slots__ = ("began", "left_out", "written")

    def __init__(self, now: float) -> None:
        self.began = now
        self.written = 0
        self.left_out = 0


class Quota:
    """`most` lines of each event and address in SECONDS. Any thread; the caller gives the time, in seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._windows: dict[tuple[str, str], _Window] = {}
        self._lock = threading.Lock()

    def take(self, event: str, address: str, now: float) -> bool:
        """Whether a line may be written now; else it is counted."""
        with self._lock:
            key = (event, address)
            window = self._windows.get(key)
            if window is None:
                if len(self._windows) >= _REMEMBERED:
                    key = (event, "")
                window = self._windows.setdefault(key, _Window(now))
            if window.written < self._most:
                window.written += 1
                return True
            window.left_out += 1
            return False

    def ended(self, now: float) -> list[tuple[str, str, int]]:
        """Forget the times that are over; the event, the address and the number of those that had lines left out."""
        with self._lock:
            over = [(key, window) for key, window in self._windows.items() if now - window.began >= SECONDS]
            for key, _ in over:
                del self._windows[key]
            return [(*key, window.left_out) for key, window in over if window.left_out]
