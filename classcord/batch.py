"""The lines of one batch for each receiver, in order. Touches no socket and no lock. Receivers are numbers of seats.

Most receivers get every broadcast line of a batch: for them the lines are joined once. A seat has a plan of its own if
it sent one of the lines, joins, leaves or gets a reply.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from classcord.link import Link
from classcord.store import AccountRow, MessageRow

__all__ = ["Batch"]


class _Plan:
    """The bytes for one seat: lines of its own, and parts of the common lines as (from, to) in their joined bytes.

    `start` is the place of the first common line that is not in it yet; None while the seat is not a member.
    """

    __slots__ = ("parts", "start")

    def __init__(self, start: int | None) -> None:
        self.parts: list[bytes | tuple[int, int]] = []
        self.start = start

    def catch_up(self, end: int) -> None:
        if self.start is not None and self.start < end:
            self.parts.append((self.start, end))
            self.start = end


class Batch:
    """What some items have caused, to be stored and then sent. For the holder of the flush lock.

    `links` and `members` are the registry's own dictionaries: all links by their numbers, and those whose seats get
    broadcasts, in the order in which they joined.
    `time` is the timestamp of all messages of the batch; `now` is the registry's clock, in seconds.
    """

    def __init__(self, links: dict[int, Link], members: dict[int, Link], time: str, now: float) -> None:
        self.time = time
        self.now = now
        self.messages: list[MessageRow] = []
        self.accounts: list[AccountRow] = []
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        """Log events: the seat, the event and its fields."""
        self.leaving: list[int] = []
        self.waiting: list[int] = []
        """Who waits until the batch is stored, and sent as far as the sockets take it: numbers of the registry."""
        self.size = 0
        self._links = links
        self._members = members
        self._common: list[bytes] = []
        self._end = 0  # of the common lines, in bytes
        self._plans: dict[int, _Plan] = {}
        self._answers: list[tuple[_Plan, int]] = []  # to registrations: the places in the plans

    def _plan(self, seat: int) -> _Plan:
        plan = self._plans.get(seat)
        if plan is None:
            plan = self._plans[seat] = _Plan(0 if seat in self._members else None)
        return plan

    def broadcast(self, line: bytes, excluded: Collection[int] = ()) -> None:
        """Send `line` to every member that is not excluded."""
        end = self._end + len(line)
        for seat in excluded:
            if seat in self._members:
                plan = self._plan(seat)
                plan.catch_up(self._end)
                plan.start = end
        self._common.append(line)
        self._end = end
        self.size += len(line)

    def to(self, seat: int, line: bytes) -> None:
        """Send `line` only to this seat, member or not."""
        plan = self._plan(seat)
        plan.catch_up(self._end)
        plan.parts.append(line)
        self.size += len(line)

    def join(self, seat: int) -> None:
        """From here on broadcasts reach the seat."""
        link = self._links.get(seat)
        if link is not None and seat not in self._members:
            self._plan(seat).start = self._end
            self._members[seat] = link

    def leave(self, seat: int) -> None:
        """From here on broadcasts don't reach the seat."""
        if seat in self._members:
            plan = self._plan(seat)
            plan.catch_up(self._end)
            plan.start = None
            del self._members[seat]

    def register(self, seat: int, row: AccountRow, line: bytes) -> None:
        """Store an account and answer with `line`, unless it can't be stored: see `failed`."""
        self.accounts.append(row)
        self.events.append((seat, "register", {"user": row.name}))
        self.to(seat, line)
        plan = self._plans[seat]
        self._answers.append((plan, len(plan.parts) - 1))

    def failed(self, line: bytes) -> None:
        """No account could be stored: `line` replaces each answer to a registration."""
        for plan, index in self._answers:
            plan.parts[index] = line
        self.events = [event for event in self.events if event[1] != "register"]

    def deliveries(self) -> Iterator[tuple[Link, bytes]]:
        """Each link that receives something, with all its bytes."""
        plans = self._plans
        shared = b"".join(self._common)
        if shared:
            for seat, link in self._members.items():
                if seat not in plans:
                    yield link, shared
        for seat, plan in plans.items():
            plan.catch_up(self._end)
            if plan.parts and seat in self._links:
                parts = [part if isinstance(part, bytes) else shared[part[0] : part[1]] for part in plan.parts]
                yield self._links[seat], b"".join(parts)
