"""How often each limit has bitten since the start. Any thread."""

from __future__ import annotations

import threading

__all__ = ["COUNTED", "add", "counted"]

COUNTED = ("rate_limited", "refused", "place_given_up", "dropped", "endless_line", "login_failed")
"""The events of the log that tell it. They are counted also where the log leaves them out."""
_counts = dict.fromkeys(COUNTED, 0)
_lock = threading.Lock()


def add(event: str, count: int) -> None:
    """An event of these has happened so many times."""
    with _lock:
        _counts[event] += count


def counted() -> dict[str, int]:
    """The numbers since the start, by event."""
    return dict(_counts)
