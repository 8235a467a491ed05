"""The thread that brings waiting messages to those who have come back: one at a time, some time apart.

It only reads and posts items. Which message is next, and for which client, is the room's: chat/waiting.py.
"""

from __future__ import annotations

import threading
import time

from classcord.chat.effects import HandingDue
from classcord.chat.waiting import Waiting
from classcord.data.history import History, Unreadable
from classcord.delivery.items import item
from classcord.delivery.registry import Registry
from classcord.ops import logs

__all__ = ["Postman"]

_APART = 0.1
"""Seconds between two messages to one client, and before the first: of lines that come at once, some clients show only
the last."""


class Postman:
    """Brings what `registry.due` says. `start` begins."""

    def __init__(self, registry: Registry, history: History) -> None:
        self._registry = registry
        self._history = history

    def start(self) -> None:
        """Begin. Raises RuntimeError where the system has no thread left."""
        threading.Thread(target=self._work, name="postman", daemon=True).start()

    def _work(self) -> None:
        while True:
            since, due = self._registry.due.get()
            time.sleep(max(0.0, since + _APART - time.monotonic()))  # each waits equally long, so they keep their order
            try:
                self._bring(due)
            except Exception as error:
                logs.exception("internal_error", error)

    def _bring(self, due: HandingDue) -> None:
        link = self._registry.link(due.seat)
        if link is None:
            return
        pending = link.outbox.pending
        if link.dropped or link.expelled:  # in this order: a dropped client's outbox is emptied
            return
        if pending:  # the message before may still be in our memory
            self._registry.due.put((time.monotonic(), due))
            return
        row = None
        if due.id is not None:
            try:
                found = self._history.message(due.id)
            except Unreadable as error:
                link.log("history_failed", detail=str(error))
                self._registry.post([item(Waiting.hold, due.key, due.seat)])
                return
            row = (found.time, found.sender, bool(found.guest), found.content) if found is not None else None
        self._registry.post([item(Waiting.hand_over, due.key, due.seat, due.id, row)])
