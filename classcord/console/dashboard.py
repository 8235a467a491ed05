"""`admin dashboard`: who is here and how much each says, once a second; `admin top`: who has written most."""

from __future__ import annotations

import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from classcord.console.replies import Reply, Usage, done, no_more, number_of, table
from classcord.console.watch import is_closed
from classcord.data.tops import most_active
from classcord.delivery.counting import WINDOW, Counting
from classcord.delivery.registry import Registry
from classcord.wire import durations
from classcord.wire.protocol import ProtocolError

__all__ = ["Boards"]

_TOP, _LAST = 10, 3600
"""People and seconds that `top` shows if nobody says how many."""


class Boards:
    """`people` gives those who are here, as `users` shows them."""

    def __init__(self, registry: Registry, folder: str, people: Callable[[], list[dict[str, Any]]]) -> None:
        self._registry = registry
        self._folder = folder
        self._people = people

    def dashboard(self, words: list[str], connection: socket.socket) -> Iterator[Reply]:
        """A reply each second, until the console ends it. It counts messages, and shows none."""
        no_more(words)
        connection.settimeout(None)
        watch = self._registry.watching.begin(wire=False)
        counting = Counting()
        began = shown = time.monotonic()
        try:
            while not is_closed(connection):
                now = time.monotonic()
                yield self._board(counting.senders(now), now - began)
                shown += 1
                while (left := shown - time.monotonic()) > 0:
                    counting.add(*watch.take(left), time.monotonic())
        finally:
            self._registry.watching.end(watch)

    def _board(self, spoken: Counter[str], seconds: float) -> Reply:
        per_minute = WINDOW / max(1.0, min(seconds, WINDOW))
        people = [{**each, "per_minute": round(spoken[each["name"]] * per_minute)} for each in self._people()]
        people.sort(key=lambda each: -each["per_minute"])
        total = round(spoken.total() * per_minute)
        links = self._registry.links()
        head = (
            f"{time.strftime('%H:%M:%S')}  {len(people)} people, {len(links)} connections, {total} messages a minute,"
            f" {sum(link.outbox.pending for link in links)} bytes unsent"
        )
        rows = [
            (each["name"], each["kind"], each["state"] + (", muted" if each["muted"] else ""),
             " ".join(each["channels"]), ", ".join(each["addresses"]), str(each["per_minute"]))
            for each in people
        ]
        text = f"{head}\n\n{table(('NAME', 'KIND', 'STATE', 'CHANNELS', 'ADDRESS', 'A MINUTE'), rows)}"
        return done(text, users=people, connections=len(links), per_minute=total)

    def top(self, words: list[str], connection: socket.socket) -> Iterator[Reply]:
        """Who has written most messages in the last hour, or in another time."""
        seconds = durations.parse(words[0]) if words else _LAST
        if seconds is None or len(words) > 2:
            raise Usage("")
        count = number_of(words[1], 10_000) if len(words) == 2 else _TOP
        try:
            found = most_active(self._folder, int(time.time() - seconds) * 1000, count)
        except sqlite3.Error as error:
            raise ProtocolError("unavailable", f"the database can't be read: {error}") from None
        people = [
            {"name": name, "guest": guest, "messages": messages, "characters": characters}
            for name, guest, messages, characters in found
        ]
        rows = [(name + (" (guest)" if guest else ""), str(many), str(size)) for name, guest, many, size in found]
        text = table(("NAME", "MESSAGES", "CHARACTERS"), rows) if rows else "nobody has written"
        yield done(f"in the last {durations.spell(seconds, 'en')}:\n{text}", top=people)
