"""The lines of the connections that belong to one name, from their first line on: for `admin watch --wire NAME`.

A connection has its name only after its login, or never, if that fails. So the last lines of each connection without a
name are kept, and shown once it takes the name or tries to. For the thread of one console.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping

from classcord.delivery.watching import WireLines
from classcord.wire import names
from classcord.wire.protocol import ProtocolError, decode

__all__ = ["Following"]

_RECORDS = 64
_BYTES = 16384
"""What is kept of one connection."""
_CONNECTIONS = 256
"""How many connections something is kept of."""
_SUCCESS = b'"type":"login","status":"ok"'
_WRITTEN = re.compile(r"(username|new_user|from)[\\\"'“”]{0,4}\s{0,9}[:=;]\s{0,9}[\\\"'“”]{0,4}([^\\\"'“”,;&{}]{1,80})")
"""A name in a line that is not an object."""


class Following:
    """`key` is that of the name; without one it follows nobody."""

    def __init__(self, key: str | None) -> None:
        self._key = key
        self._named: set[int] = set()  # these have the name, as far as is known
        self._trying: set[int] = set()  # the last name that these have given
        self._others: set[int] = set()  # these have another name, or have given one
        self._left: set[int] = set()  # these had the name
        self._kept: dict[int, deque[WireLines]] = {}

    def look(self, people: Mapping[int, str]) -> Iterator[WireLines]:
        """The seats that have a name now. The lines that were kept of those that have got this one."""
        self._left |= self._named - people.keys()
        self._named &= people.keys()
        self._others &= people.keys()
        for seat, name in people.items():
            if self._is(name):
                yield from self._give(seat, ours=True)
                self._take(seat)
            elif not name.startswith(f"{names.GUEST}-") and seat not in self._trying:
                self._give(seat, ours=False)

    def line(self, record: WireLines) -> Iterator[WireLines]:
        """What is to be shown now that these lines have passed."""
        seat = record.link.number
        if record.way == ">":
            field, name = _name(record.data)
            if name is not None and (field != "from" or seat not in self._others):
                ours = self._is(name)
                if ours or field == "username" or seat in self._trying:
                    yield from self._give(seat, ours=ours)
        elif seat in self._trying and _SUCCESS in record.data:
            self._take(seat)
        if seat in self._named or seat in self._trying or (seat in self._left and record.way == "end"):
            yield record
        elif seat not in self._others:
            self._keep(seat, record)
        if record.way == "end":
            for seats in (self._named, self._trying, self._others, self._left):
                seats.discard(seat)
            self._kept.pop(seat, None)

    def _is(self, name: str) -> bool:
        return bool(self._key) and names.find(name) == self._key

    def _give(self, seat: int, *, ours: bool) -> deque[WireLines]:
        """The connection has given this name, or another one. The lines that are to be shown because of that."""
        kept = self._kept.pop(seat, deque[WireLines]())
        self._named.discard(seat)
        self._left.discard(seat)
        (self._others if ours else self._trying).discard(seat)
        (self._trying if ours else self._others).add(seat)
        return kept if ours else deque()

    def _take(self, seat: int) -> None:
        """The connection has the name now."""
        self._trying.discard(seat)
        self._named.add(seat)

    def _keep(self, seat: int, record: WireLines) -> None:
        if seat not in self._kept and len(self._kept) >= _CONNECTIONS:
            del self._kept[next(iter(self._kept))]
        kept = self._kept.setdefault(seat, deque(maxlen=_RECORDS))
        kept.append(record)
        while sum(len(each.data) for each in kept) > _BYTES:
            kept.popleft()


def _name(line: bytes) -> tuple[str, str | None]:
    """The field in which a client gives its name, and that name; None if the line has none."""
    try:
        message = decode(line) or {}
    except ProtocolError:
        found = _WRITTEN.search(line.decode("utf-8", "replace"))
        return (found[1], found[2]) if found is not None else ("", None)
    for field in ("username", "new_user", "from"):
        if isinstance(name := message.get(field), str):
            return field, name
    return "", None
