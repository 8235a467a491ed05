"""The board of the teachers: who is here and how the server does, once a second, while somebody has it open.

A thread makes one line for all boards. It asks the room, and reads what any thread may read.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from classcord.data.audit import latest
from classcord.data.folder import FILE
from classcord.data.tops import times
from classcord.delivery.asking import ask
from classcord.delivery.counting import BIN, BINS, WINDOW, Counting
from classcord.delivery.items import item
from classcord.delivery.registry import Registry, timestamp
from classcord.net.addresses import with_port
from classcord.net.link import Link
from classcord.net.nat import hidden
from classcord.ops import counts, logs
from classcord.wire.mask import masked
from classcord.wire.protocol import encode

__all__ = ["Board"]

_APART = 1.0
"""Seconds between two lines."""
_AUDIT = 20
"""The newest rows of the audit that are shown."""
_MAX_LINE = 200
"""Characters of a refused line that are shown."""
_MOST_PAST = 20_000
"""Messages of before the board was opened that are counted."""


class Board:
    """`folder` has the data. `addresses` gives those to hand out."""

    def __init__(self, registry: Registry, folder: str, version: str, addresses: Callable[[], list[str]]) -> None:
        self._registry = registry
        self._folder = folder
        self._version = version
        self._addresses = addresses
        self._began = time.monotonic()

    def start(self) -> None:
        """Begin. Raises RuntimeError where the system has no thread left."""
        threading.Thread(target=self._work, name="board", daemon=True).start()

    def _work(self) -> None:
        watching = self._registry.watching
        while True:
            watching.boards_changed.wait()
            watching.boards_changed.clear()
            try:
                if watching.boards:
                    self._show()
            except Exception as error:
                logs.exception("internal_error", error)
                time.sleep(_APART)
                watching.boards_changed.set()  # it goes on, if there is still a board

    def _show(self) -> None:
        """Send lines until nobody has the board open."""
        watching = self._registry.watching
        counting, lines, said = Counting(), _Lines(), watching.said
        addresses = self._addresses()
        self._count_past(counting)
        while watching.boards:
            now, before, said = time.monotonic(), said, watching.said
            counting.spoke("", now, said - before)
            line = self._line(counting, lines, addresses, now)
            self._registry.post([
                item(watching.pass_on, number, "board", line) for number in watching.boards if self._takes(number)
            ])
            watching.boards_changed.wait(max(0.0, now + _APART - time.monotonic()))  # one that opens is served at once
            watching.boards_changed.clear()

    def _takes(self, number: int) -> bool:
        link = self._registry.link(number)
        return link is not None and not link.outbox.pending

    def _count_past(self, counting: Counting) -> None:
        now, clock = time.time(), time.monotonic()
        try:
            found = times(self._folder, int((now - BIN * BINS) * 1000), _MOST_PAST)
        except sqlite3.Error:
            return  # it is counted from now on
        for when in found:
            counting.spoke("", min(clock, clock - now + when / 1000))

    def _line(self, counting: Counting, lines: _Lines, addresses: list[str], now: float) -> bytes:
        links = {link.number: link for link in self._registry.links()}
        lines.look(links.values(), now)
        behind = hidden(link.peer for link in links.values())
        people, silent, slow, channels = ask(self._registry, "board").data
        failing, unsaved = self._registry.storage()
        waiting = [pending for link in links.values() if (pending := link.outbox.pending)]
        return encode({
            "type": "board", "state": "on", "time": timestamp(), "version": self._version,
            "uptime": int(now - self._began), "addresses": addresses,
            "people": [
                {
                    "name": name, "kind": "teacher" if teacher else "account" if account else "guest", "state": state,
                    "muted": round(muted), "channels": inside,
                    "connections": [
                        _connection(links[seat], lines.per_minute(links[seat]), links[seat].peer.address in behind, now)
                        for seat in seats if seat in links
                    ],
                }
                for name, account, teacher, state, seats, muted, inside in people
            ],
            "connections": len(links), "per_minute": counting.senders(now).total(), "minutes": counting.parts(now),
            "outboxes": {"clients": len(waiting), "bytes": sum(waiting)},
            "storage": {"failing": failing, "unsaved": unsaved, "size": self._size()},
            "limits": counts.counted(), "silence": silent, "slow": slow,
            "channels": [
                {"channel": name, "topic": topic, "members": members, "closed": closed}
                for name, topic, members, closed in channels
            ],
            "audit": self._audit(),
        })

    def _size(self) -> int:
        """Bytes of the database, with its write-ahead log."""
        size = 0
        for suffix in ("", "-wal"):
            try:
                size += os.stat(os.path.join(self._folder, FILE + suffix)).st_size
            except OSError:
                pass  # it is not there, or not readable: the log says why
        return size

    def _audit(self) -> list[dict[str, Any]]:
        try:
            found = latest(self._folder, _AUDIT)
        except sqlite3.Error:
            return []
        return [
            {"time": at, "who": actor, "what": action, "whom": target, "why": reason}
            for at, actor, action, target, _, reason in reversed(found)
        ]


class _Lines:
    """How many lines each connection has sent within the WINDOW, as far as the board has been open."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, dict[int, int]]] = deque()

    def look(self, links: Iterable[Link], now: float) -> None:
        """Note the numbers now."""
        self._seen.append((now, {link.number: link.lines for link in links}))
        while self._seen[0][0] < now - WINDOW:
            self._seen.popleft()

    def per_minute(self, link: Link) -> int:
        """Those of one connection."""
        began, first = self._seen[0]
        before = first.get(link.number, 0 if link.since >= began else link.lines)
        return link.lines - before


def _connection(link: Link, per_minute: int, nat: bool, now: float) -> dict[str, Any]:
    peer, refused = link.peer, link.refused
    shown = None
    if refused is not None:
        code, line, when = refused
        text = masked(line)
        shown = {
            "code": code, "line": f"{text[:_MAX_LINE]}…" if len(text) > _MAX_LINE else text, "ago": int(now - when),
        }
    return {
        "connection": link.number, "client": peer.client, "peer": with_port(peer.address, peer.port), "nat": nat,
        "since": int(now - link.since), "per_minute": per_minute, "refused": shown, "pending": link.outbox.pending,
    }
