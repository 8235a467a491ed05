"""The lines of one batch for each receiver, in order. Touches no socket and no lock.

Most receivers get every broadcast line of a batch: for them the lines are joined once. A session has a plan of its
own if it sent one of the lines, joins, leaves or gets a reply.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator

from classcord.names import Looks
from classcord.protocol import ProtocolError
from classcord.session import Session
from classcord.store import AccountRow, MessageRow

__all__ = ["Batch"]


class _Plan:
    """The bytes for one session: lines of its own, and parts of the common lines as (from, to) in their joined bytes.

    `start` is the place of the first common line that is not in it yet; None while the session is not a member.
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
    """The effects of some items, to be stored and then sent. For the holder of the flush lock.

    `members` is the registry's own dictionary: the sessions that get broadcasts, in the order in which they joined.
    `time` is the timestamp of all messages of the batch; `now` is the registry's clock, in seconds.
    """

    def __init__(self, members: dict[Session, None], time: str, now: float) -> None:
        self.time = time
        self.now = now
        self.messages: list[MessageRow] = []
        self.accounts: dict[str, AccountRow] = {}
        self.looks = Looks()  # of the accounts
        self.registered: list[tuple[Session, AccountRow]] = []
        self.leaving: list[Session] = []
        self.waiting: list[threading.Event] = []
        """These are set once the batch is stored, and sent as far as the sockets take it."""
        self.size = 0
        self._members = members
        self._common: list[bytes] = []
        self._end = 0  # of the common lines, in bytes
        self._plans: dict[Session, _Plan] = {}
        self._answers: list[tuple[Session, _Plan, int]] = []

    def _plan(self, session: Session) -> _Plan:
        plan = self._plans.get(session)
        if plan is None:
            plan = self._plans[session] = _Plan(0 if session.member else None)
        return plan

    def broadcast(self, line: bytes, excluded: Collection[Session] = ()) -> None:
        """Send `line` to every member that is not excluded."""
        end = self._end + len(line)
        for session in excluded:
            if session.member:
                plan = self._plan(session)
                plan.catch_up(self._end)
                plan.start = end
        self._common.append(line)
        self._end = end
        self.size += len(line)

    def to(self, session: Session, line: bytes) -> None:
        """Send `line` only to this session, member or not."""
        plan = self._plan(session)
        plan.catch_up(self._end)
        plan.parts.append(line)
        self.size += len(line)

    def join(self, session: Session) -> None:
        """From here on broadcasts reach the session."""
        if not session.member:
            self._plan(session).start = self._end
            session.member = True
            self._members[session] = None

    def leave(self, session: Session) -> None:
        """From here on broadcasts don't reach the session."""
        if session.member:
            plan = self._plan(session)
            plan.catch_up(self._end)
            plan.start = None
            session.member = False
            del self._members[session]

    def register(self, session: Session, row: AccountRow, line: bytes) -> None:
        """Store an account and answer with `line`, unless it can't be stored: see `failed`."""
        self.accounts[row.key] = row
        self.looks.add(row.name)
        self.registered.append((session, row))
        self.to(session, line)
        plan = self._plans[session]
        self._answers.append((session, plan, len(plan.parts) - 1))

    def failed(self) -> None:
        """Nothing could be stored: replace each answer to a registration with an error."""
        line = ProtocolError("unavailable", "The server can't store an account for now; try again later.").line()
        for session, plan, index in self._answers:
            plan.parts[index] = line
            session.registered = None
        self.accounts.clear()

    def deliveries(self) -> Iterator[tuple[Session, bytes]]:
        """Each session that receives something, with all its bytes."""
        plans = self._plans
        shared = b"".join(self._common)
        if shared:
            for session in self._members:
                if session not in plans:
                    yield session, shared
        for session, plan in plans.items():
            plan.catch_up(self._end)
            if plan.parts:
                parts = [part if isinstance(part, bytes) else shared[part[0] : part[1]] for part in plan.parts]
                yield session, b"".join(parts)
