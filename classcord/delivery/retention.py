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


class Retention:
    """Deletes what `excess` finds. `start` begins."""

    def __init__(self, registry: Registry, excess: Excess) -> None:
        self._registry = registry
        self._excess = excess
        self._told = 0.0
        self._deleted = 0  # since the last log line
        self._failed = logs.LogThrottle(_LOGGED)

    def start(self) -> None:
        """Begin. Raises RuntimeError where the system has no thread left."""
        threading.Thread(target=self._work, name="retention", daemon=True).start()

    def _work(self) -> None:
        pause = _PAUSE
        while True:
            time.sleep(pause)
            try:
                pause = _NEXT if self._piece() == PIECE else _PAUSE
            except sqlite3.Error as error:
                pause = _PAUSE
                if self._failed.happened(time.monotonic()):
                    logs.event("retention_failed", detail=str(error), hint="old messages stay until it works again")
            except Exception as error:
                pause = _PAUSE
                logs.exception("internal_error", error)

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
        now = time.monotonic()
        if self._deleted and (not self._told or now - self._told > _LOGGED):
            logs.event("messages_expired", count=self._deleted)
            self._told, self._deleted = now, 0
        return count
