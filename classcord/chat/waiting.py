"""Private messages to accounts that are away: they wait, and come when the person asks who is here.

State of the room, like the room: only the holder of the registry's flush lock calls it. It knows which messages wait,
by their ids; the texts are on the disk. delivery/postman.py reads them, and brings each with the item `hand_over`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from classcord.chat.effects import Effect, HandedOver, HandingDue, Kept, MessagesExpired, Noticed, WaitingEnded
from classcord.chat.ignoring import Ignoring
from classcord.chat.moderation import Moderation
from classcord.chat.people import Person, Seat
from classcord.chat.registrations import Registrations
from classcord.wire import names
from classcord.wire.texts import Texts, shown

__all__ = ["OPERATIONS", "Waiting"]

OPERATIONS = ("begin_waiting", "tick_waiting", "hand_over", "hold", "expire")
"""The methods that an item without a seat may name."""
_SECONDS = 30 * 24 * 3600
"""How long a message waits: longer than any school holiday but the summer's."""
_MOST = 100
"""Messages that wait for one account: 100 ms apart, so they all come within ten seconds."""


class _Letter:
    """A message that waits until `end`. `tried`: it may have been sent already."""

    __slots__ = ("end", "tried")

    def __init__(self, end: float, tried: bool) -> None:
        self.end = end
        self.tried = tried


class _Turn:
    """The seat that gets the messages of its account now: the one that was `sent`, and the one that is `due`."""

    __slots__ = ("due", "seat", "sent")

    def __init__(self, seat: Seat, due: int) -> None:
        self.seat = seat
        self.sent: int | None = None
        self.due: int | None = due


class Waiting:
    """The messages that wait, by the keys of the accounts.

    Each is marked on the disk before it is sent, and taken out once the socket has taken it. So after a kill it comes
    again, with a mark, or it has come.
    """

    def __init__(
        self, registrations: Registrations, moderation: Moderation, texts: Texts, emit: Callable[[Effect], None],
        take_id: Callable[[], tuple[int, bool]], ignoring: Ignoring,
    ) -> None:
        self._registrations = registrations
        self._moderation = moderation
        self._texts = texts
        self._emit = emit
        self._take_id = take_id
        self._ignoring = ignoring
        self._now = 0.0
        self._letters: dict[str, dict[int, _Letter]] = {}
        self._turns: dict[str, _Turn] = {}
        self._undo: list[Callable[[], object]] = []  # what takes back the steps of this batch

    def begin_waiting(self, now: float, rows: Iterable[tuple[str, int, float, int]], /) -> None:
        """Those of earlier, in order: key of the account, id, seconds left, whether it was tried. An item without a
        seat, before all others of people."""
        self._now = now
        for key, id, seconds, tried in rows:
            self._letters.setdefault(key, {})[id] = _Letter(now + seconds, bool(tried))

    def tick_waiting(self, now: float, /) -> None:
        """It is so late, in seconds: what has waited too long is taken out."""
        self._now = now
        for key, letters in list(self._letters.items()):
            for id, letter in list(letters.items()):
                if letter.end > now:
                    break  # they are in the order in which they came
                self._end(key, id)

    def keep(self, seat: Seat, sender: Person, to: str, content: str) -> None:
        """A message to somebody who is not here. It is kept if that is an account; the sender is told.

        Raises ProtocolError if the sender may not speak.
        """
        key = names.find(to) or ""
        row = self._registrations.get(key)
        if row is None:
            self._emit(Noticed(seat.address(), self._texts("absent", user=shown(to))))
            return
        if self._moderation.strict:
            teacher = self._registrations.teacher(key)
            self._moderation.may_speak(seat, sender, Person(row.name, key, account=True, teacher=teacher))
        letters = self._letters.setdefault(key, {})
        if len(letters) >= _MOST:
            self._emit(Noticed(seat.address(), self._texts("too_many_wait", user=row.name)))
            return
        id, _ = self._take_id()
        letters[id] = _Letter(self._now + _SECONDS, False)
        self._undo.append(lambda: self._forget(key, id))
        told = self._texts("waits", user=row.name)
        not_kept = self._texts("waits_not", user=row.name)
        self._emit(Kept(
            seat.address(), told, not_kept, id, sender.name, not sender.account, row.name, key, content, _SECONDS
        ))

    def asked(self, seat: Seat, person: Person) -> None:
        """The person has asked who is here, so the client is ready: what waits comes to it, unless it comes to another
        connection of this person already."""
        if person.key in self._letters and person.account and person.key not in self._turns:
            due = next(iter(self._letters[person.key]))
            self._turns[person.key] = _Turn(seat, due)
            self._emit(HandingDue(person.key, seat.number, due))

    def hand_over(
        self, key: str, number: int, id: int | None, row: tuple[int | str, str, bool, str] | None, /
    ) -> None:
        """The message `id` is due at this seat; the one before it has been taken by the socket. An item without a seat.

        `row` has the time, the sender, whether that is a guest, and the content; None if the message was deleted. No id
        stands for the end.
        """
        turn = self._turns.get(key)
        if turn is None or turn.seat.number != number or turn.due != id:
            return  # the person has left meanwhile, and what waits goes on waiting
        sent, turn.sent = turn.sent, None
        if sent is not None:
            self._end(key, sent)
        letters = self._letters.get(key, {})
        if id in letters:
            if row is None or not self._ignoring.hears(turn.seat, row[1]):
                self._end(key, id)  # it was deleted, or the person ignores its sender; then it stays in the history
            else:
                letter = letters[id]
                self._emit(HandedOver(turn.seat.address(), id, *row, letter.tried))
                self._undo.append(lambda tried=letter.tried: self._not_sent(key, letter, tried))  # type: ignore[misc]
                letter.tried = True
                turn.sent = id
        turn.due = next((each for each in self._letters.get(key, {}) if each != turn.sent), None)
        if turn.due is None and turn.sent is None:
            self._turns.pop(key, None)
        else:
            self._emit(HandingDue(key, number, turn.due))

    def hold(self, key: str, number: int, /) -> None:
        """The next message can't be read: it waits until the person asks again. An item without a seat."""
        turn = self._turns.get(key)
        if turn is not None and turn.seat.number == number:
            del self._turns[key]

    def left(self, seat: Seat, person: Person) -> None:
        """The seat is not the person's any longer: what was not sent goes on waiting."""
        self.hold(person.key, seat.number)

    def remove(self, keys: Collection[str]) -> None:
        """These accounts are gone. The disk forgets with them what waited."""
        for key in keys:
            self._letters.pop(key, None)
            self._turns.pop(key, None)

    def forget(self, first: int, last: int) -> None:
        """The messages from one id to the other are deleted. The disk forgets with them that they waited."""
        for key, letters in list(self._letters.items()):
            for id in [id for id in letters if first <= id <= last]:
                self._forget(key, id)

    def expire(self, first: int, last: int, /) -> None:
        """The messages from one id to the other are too old, or too many; those that wait stay. An item without a
        seat."""
        self._emit(MessagesExpired(first, last))

    def settle(self, *, stored: bool) -> None:
        """The batch is stored; or it is not, and then nothing of it was kept or sent."""
        if self._undo:
            undo, self._undo = self._undo, []
            for step in undo if not stored else ():
                step()

    def _end(self, key: str, id: int) -> None:
        self._forget(key, id)
        self._emit(WaitingEnded(id))

    def _forget(self, key: str, id: int) -> None:
        letters = self._letters.get(key, {})
        letters.pop(id, None)
        if not letters:
            self._letters.pop(key, None)

    def _not_sent(self, key: str, letter: _Letter, tried: bool) -> None:
        letter.tried = tried
        self._turns.pop(key, None)
