"""The thread that has old messages deleted, in small pieces that nobody notices. It only reads and posts items."""

from __future__ import annotations

import sqlite3
import threading
import time

from classcord.chat.waiting import Waiting
from classcord.data.excess import PIECE, Excess
from classcord.delivery.items import item
from classcord.delivery.registry import Registry
from classcord.ops import logs

__all__ = ["Retention"]

_PAUSE = 1.0
"""Seconds between two looks."""
_NEXT = 0.1
"""Seconds between two pieces while there is more to delete: 2000 messages a second, more than a class ever sends."""
_LOGGED = 3600.0
"""Seconds between two log lines."""
_LAST = 1.0
"""Seconds that the end of the server waits for a piece."""


class Retention:
    """Deletes what `excess` finds. `start` begins, and `stop` ends it before the registry ends."""

    def __init__(self, registry: Registry, excess: Excess) -> None:
        self._registry = registry
        self._excess = excess
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._told = 0.0
        self._deleted = 0  # since the last log line
        self._failed = logs.LogThrottle(_LOGGED)

    def start(self) -> None:
        """Begin. Raises RuntimeError where the system has no thread left."""
        made = threading.Thread(target=self._work, name="retention", daemon=True)
        made.start()
        self._thread = made

    def stop(self) -> None:
        """Delete no more; the log tells what was deleted since its last line. For the main thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_LAST)

    def _work(self) -> None:
        pause = _PAUSE
        while not self._stopping.wait(pause):
            try:
                pause = _NEXT if self._piece() == PIECE else _PAUSE
            except sqlite3.Error as error:
                pause = _PAUSE
                if self._failed.happened(time.monotonic()):
                    logs.event("retention_failed", detail=str(error), hint="old messages stay until it works again")
            except Exception as error:
                pause = _PAUSE
                logs.exception("internal_error", error)
        self._tell()

    def _piece(self) -> int:
        """Have a piece deleted; how many messages that were."""
        found = self._excess.find(time.time_ns() // 1_000_000)
        count = 0
        if found is not None and not self._registry.storage()[1]:  # while storing fails there is nothing to gain
            first, last, count = found
            self._registry.post([item(Waiting.expire, first, last)])
            self._registry.wait()
            self._excess.deleted(count)
            self._deleted += count
        if not self._told or time.monotonic() - self._told > _LOGGED:
            self._tell()
        return count

    def _tell(self) -> None:
        if self._deleted:
            logs.event("messages_expired", count=self._deleted)
            self._told, self._deleted = time.monotonic(), 0
