"""The lines of one batch for each receiver, in order. Touches no socket and no lock. Receivers are numbers of seats.

A batch has one order over all audiences. Most receivers get every broadcast line of their audiences: for those in the
same audiences the lines are joined once. A seat has a plan of its own if it sent one of the lines, joins, leaves or
gets a reply.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from classcord.chat.effects import Answered, Audited, BoardShown, Effect, HandingDue, NetworkExpelled, Wired
from classcord.data.schema import AccountRow, ChangeRow, MessageRow
from classcord.delivery import render
from classcord.delivery.audiences import EVERYBODY, Audiences
from classcord.delivery.render import timestamp
from classcord.net.link import Link
from classcord.net.transport import Raw
from classcord.wire import networks

__all__ = ["Batch"]


class _Plan:
    """The bytes for one seat: lines of its own, and parts of the common lines as (from, to, mask): the lines from one
    number to another of the audiences in the mask.

    `start` is the number of the first common line that was not looked at yet; `mask` has the seat's audiences.
    """

    __slots__ = ("mask", "parts", "start")

    def __init__(self, mask: int) -> None:
        self.parts: list[bytes | tuple[int, int, int]] = []
        self.start = 0
        self.mask = mask

    def catch_up(self, end: int) -> None:
        if self.mask and self.start < end:
            self.parts.append((self.start, end, self.mask))
        self.start = end


class _Blocks:
    """The common lines of a batch, joined once for each combination of its audiences."""

    def __init__(self, lines: list[bytes], bits: list[int], spoke: int) -> None:
        self._lines = lines
        self._bits = bits
        self._spoke = spoke
        self._places: dict[int, Sequence[int]] = {spoke: range(len(lines))}
        self._joined: dict[int, bytes] = {}
        self._offsets: dict[int, list[int]] = {}

    def _of(self, mask: int) -> Sequence[int]:
        """The places of the lines of these audiences, among all lines."""
        places = self._places.get(mask)
        if places is None and mask & (mask - 1):
            places = self._places[mask] = [place for place, bit in enumerate(self._bits) if bit & mask]
        elif places is None:  # one audience: those of each are found at once
            alone: dict[int, list[int]] = {}
            for place, bit in enumerate(self._bits):
                alone.setdefault(bit, []).append(place)
            self._places.update(alone)
            places = alone.get(mask, ())
        return places

    def last(self, mask: int) -> int:
        """The place of the last line of these audiences, which have one."""
        return self._of(mask & self._spoke)[-1]

    def of(self, mask: int) -> bytes:
        """All lines of these audiences."""
        mask &= self._spoke
        block = self._joined.get(mask)
        if block is None:
            block = self._joined[mask] = b"".join([self._lines[place] for place in self._of(mask)])
        return block

    def part(self, start: int, end: int, mask: int) -> bytes:
        """Those from one number to another."""
        mask &= self._spoke
        if mask != self._spoke:  # their numbers among those of these audiences
            places = self._of(mask)
            start, end = bisect_left(places, start), bisect_left(places, end)
            if start == end:
                return b""
        offsets = self._offsets.get(mask)
        if offsets is None:
            sizes = [len(self._lines[place]) for place in self._of(mask)]
            offsets = self._offsets[mask] = list(itertools.accumulate(sizes, initial=0))
        return self.of(mask)[offsets[start] : offsets[end]]


class Batch:
    """What some items have caused, to be stored and then sent. For the holder of the flush lock.

    `links` and `audiences` are the registry's own: all links by their numbers, and who gets which broadcasts.
    `time` is that of all messages of the batch, in milliseconds since 1970; `now` is the registry's clock, in seconds.
    """

    def __init__(self, links: dict[int, Link], audiences: Audiences, time: int, now: float) -> None:
        self.time = time
        self.timestamp = timestamp(time)
        self.now = now
        self.messages: list[MessageRow] = []
        self.accounts: list[AccountRow] = []
        self.events: list[tuple[int, str, dict[str, Any]]] = []
        """Log events: the seat, the event and its fields."""
        self.answers: dict[int, Effect] = {}
        """To the questions of threads that wait for the batch, by their numbers."""
        self.changes: list[ChangeRow] = []
        self.audit: list[Audited] = []
        """What the log should say of people's rights over others."""
        self.due: list[HandingDue] = []
        """The waiting messages that are to be brought some time after the batch."""
        self.watchers: list[Wired | BoardShown] = []
        """What changes for the connections that watch others, or have the board open."""
        self.passed: list[tuple[int, bytes]] = []
        """What is for them, as seat and lines. No watch shows it: else two that watch each other would never end."""
        self.expelled: list[int] = []
        """Whose connections are to end."""
        self.leaving: list[int] = []
        self.waiting: list[int] = []
        """Who waits until the batch is stored, and sent as far as the sockets take it: numbers of the registry."""
        self.size = 0
        self.reaches = audiences.has_members
        """Whether somebody is in an audience."""
        self._links = links
        self._audiences = audiences
        self._common: list[bytes] = []
        self._bits: list[int] = []  # the audience of each common line
        self._spoke = 0  # all audiences that have a line
        self._plans: dict[int, _Plan] = {}
        self._raw: list[tuple[int, Raw]] = []
        # what depends on accounts: the places in the plans, and what replaces each; None: the error of a registration
        self._if_accounts: list[tuple[_Plan, int, bytes | None]] = []
        self._if_stored: list[tuple[_Plan, int, bytes]] = []  # the same of other lines, and what replaces each

    def _plan(self, seat: int) -> _Plan:
        plan = self._plans.get(seat)
        if plan is None:
            plan = self._plans[seat] = _Plan(self._audiences.mask(seat))
        return plan

    def broadcast(self, line: bytes, excluded: Collection[int] = (), audience: int = EVERYBODY) -> None:
        """Send `line` to every member of the audience that is not excluded."""
        for seat in excluded:
            if self._audiences.mask(seat) & audience:
                plan = self._plans.get(seat) or self._plan(seat)
                if plan.mask & self._spoke:
                    plan.catch_up(len(self._common))
                plan.start = len(self._common) + 1
        self._common.append(line)
        self._bits.append(audience)
        self._spoke |= audience
        self.size += len(line)

    def to(self, seat: int, line: bytes) -> None:
        """Send `line` only to this seat, member or not."""
        plan = self._plan(seat)
        plan.catch_up(len(self._common))
        plan.parts.append(line)
        self.size += len(line)

    def log(self, event: str, seat: int, /, **fields: Any) -> None:
        """Log an event of this seat's connection once the batch is stored."""
        self.events.append((seat, event, fields))

    def refuse(self, seat: int, line: bytes, code: str) -> None:
        """The same with the line of an error, which is noted."""
        self.to(seat, line)
        link = self._links.get(seat)
        if link is not None:
            link.refused = (code, b"", self.now)

    def raw(self, seat: int, data: bytes, /) -> None:
        """Item of a client's thread: send bytes that are not lines, after all lines of the batch."""
        if seat in self._links:
            self._raw.append((seat, Raw(data)))
            self.size += len(data)

    def tell(self, number: int, /) -> None:
        """Item: who waits under this number of the registry is told once the batch is stored and sent."""
        self.waiting.append(number)

    def to_if_stored(self, seat: int, line: bytes, otherwise: bytes) -> None:
        """Send `line` to this seat if the batch is stored, or `otherwise`: see `not_at_once`."""
        self.to(seat, line)
        plan = self._plans[seat]
        self._if_stored.append((plan, len(plan.parts) - 1, otherwise))

    def join(self, seat: int, audience: int = EVERYBODY) -> None:
        """From here on broadcasts to the audience reach the seat."""
        link = self._links.get(seat)
        if link is not None:
            plan = self._plan(seat)
            plan.catch_up(len(self._common))
            plan.mask |= audience
            self._audiences.join(seat, link, audience)

    def leave(self, seat: int, audience: int = EVERYBODY) -> None:
        """From here on they don't."""
        if self._audiences.mask(seat) & audience:
            plan = self._plan(seat)
            plan.catch_up(len(self._common))
            plan.mask &= ~audience
            self._audiences.leave(seat, audience)

    def register(self, seat: int, row: AccountRow, line: bytes) -> None:
        """Store an account and answer with `line`, unless it can't be stored: see `failed`."""
        self.accounts.append(row)
        self.log("register", seat, user=row[1])
        self.to_if_account_stored(seat, line, None)

    def to_if_account_stored(self, seat: int, line: bytes, otherwise: bytes | None) -> None:
        """Send `line` to this seat if the accounts of the batch are stored, or `otherwise`: see `failed`."""
        self.to(seat, line)
        plan = self._plans[seat]
        self._if_accounts.append((plan, len(plan.parts) - 1, otherwise))

    def expel(self, seat: int) -> None:
        """End the seat's connection after the batch; nothing more is taken from it from here on."""
        link = self._links.get(seat)
        if link is not None and not link.expelled:
            link.expelled = True
            self.expelled.append(seat)

    def expel_network(self, effect: NetworkExpelled) -> None:
        """The same for all connections from a network, which are told, but not for the spared ones, nor from here."""
        named = {receiver.seat: receiver for receiver in effect.named}
        for number, link in list(self._links.items()):
            peer = link.peer
            if number not in effect.spared and not peer.here and networks.contains(effect.network, peer.address):
                if number in named:
                    self.to(number, render.noticed(named[number], effect.text, self.timestamp))
                self.to(number, render.banned(effect))
                self.expel(number)

    def failed(self, line: bytes) -> None:
        """No account could be stored: `line` replaces each answer to a registration. The console gets an error too."""
        for plan, index, otherwise in self._if_accounts:
            plan.parts[index] = line if otherwise is None else otherwise
        self.events = [event for event in self.events if event[1] != "register"]
        error = "the server can't store this for now, so nothing was changed; its log says why (storage_failed)"
        for number, answer in self.answers.items():
            if isinstance(answer, Answered) and answer.stores:
                self.answers[number] = answer._replace(code="unavailable", text=error)

    def not_at_once(self) -> None:
        """The batch is not stored, or parts of it only later."""
        for plan, index, line in self._if_stored:
            plan.parts[index] = line

    def passed_on(self) -> Iterator[tuple[Link, bytes, bool]]:
        """The same as `deliveries`, of what is passed to those who watch."""
        for seat, data in self.passed:
            link = self._links.get(seat)
            if link is not None and not link.left and not link.dropped:
                yield link, data, False

    def deliveries(self) -> Iterator[tuple[Link, bytes, bool]]:
        """Each link that receives something, with all its bytes, and whether others get the same object."""
        plans, mask_of = self._plans, self._audiences.mask
        blocks = _Blocks(self._common, self._bits, self._spoke)
        apart = self._audiences.apart(self._spoke)
        if apart is not None:  # nearly always: one audience has spoken, or several channels
            for audience, members in apart:
                shared = blocks.of(audience)
                for seat, link in members.items():
                    if seat not in plans:
                        yield link, shared, True
        else:
            for seat, link in self._audiences.members(self._spoke).items():
                if seat not in plans:
                    yield link, blocks.of(mask_of(seat)), True
        for seat, plan in plans.items():
            if plan.mask & self._spoke and plan.start <= blocks.last(plan.mask):
                plan.catch_up(len(self._common))
            if plan.parts and seat in self._links:
                parts = [part if isinstance(part, bytes) else blocks.part(*part) for part in plan.parts]
                data = b"".join(parts)
                if data:
                    yield self._links[seat], data, False
        for seat, raw in self._raw:
            yield self._links[seat], raw, False
