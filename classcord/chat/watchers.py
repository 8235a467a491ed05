"""Who watches the lines of which connections, and who has the board open: the room's part that sees to their rights.

A watch ends by itself: with its connection, when that logs out or in as another, and when a right goes. For the holder
of the flush lock, like all of the room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from classcord.chat.effects import Audited, BoardShown, Effect, Noticed, Replied, Wired
from classcord.chat.people import Person, Seat
from classcord.chat.registrations import Registrations
from classcord.wire import names
from classcord.wire.protocol import ProtocolError, encode
from classcord.wire.texts import ENGLISH, Texts, shown

__all__ = ["OPERATIONS", "Watchers"]

OPERATIONS = ("wire", "board")
"""The methods that an item with a seat may name."""


class _Wire:
    """What the connection of `seat` watches: all connections of an account, by its `key`, or those of a `guest`.

    `others`: they belong to somebody else. `told` has those that were told so. `shown` are the numbers and names of
    the connections that are watched now.
    """

    __slots__ = ("guest", "key", "name", "others", "owner", "seat", "shown", "told")

    def __init__(self, seat: Seat, owner: str, key: str, name: str, guest: Seat | None) -> None:
        self.seat = seat
        self.owner = owner
        self.key = key
        self.name = name
        self.guest = guest
        self.others = key != owner
        self.told: set[int] = set()
        self.shown: tuple[tuple[int, str], ...] | None = None


class Watchers:
    """`present` is the room's own: all people who are here, by the keys of their names."""

    def __init__(
        self, present: Mapping[str, Person], registrations: Registrations, texts: Texts, emit: Callable[[Effect], None]
    ) -> None:
        self._present = present
        self._registrations = registrations
        self._texts = texts
        self._emit = emit
        self._wires: dict[int, _Wire] = {}
        self._boards: set[int] = set()

    # --- the requests ---

    def wire(self, seat: Seat, on: bool, user: str, /) -> None:
        """Begin to watch the other connections of the client's own account, or those of a `user`; or end it.

        A part of `only`, for accounts. Others may only be watched by a teacher.
        """
        if not on:
            self._end(seat)
            self._emit(Replied(seat.number, encode({"type": "wire", "state": "off"})))
            return
        wire = self._target(seat, user)
        self._end(seat)
        self._wires[seat.number] = wire
        self._emit(Replied(seat.number, encode({"type": "wire", "state": "on", "user": wire.name})))
        self._look(wire)
        if wire.others:
            self._emit(Audited(self._name(seat), "watch-wire", wire.name, None, ""))
            for each in self._seats(wire):
                self._tell(wire, each)

    def board(self, seat: Seat, on: bool, /) -> None:
        """Open the board, or close it. A part of `only`, for teachers."""
        if on:
            self._boards.add(seat.number)
            self._emit(BoardShown(seat.number, True))  # its first line is the answer
        else:
            self._close_board(seat)

    def _target(self, seat: Seat, user: str) -> _Wire:
        own = seat.person
        assert own is not None
        key = (names.find(user) or "") if user else own.key
        if key == own.key:
            return _Wire(seat, own.key, own.key, own.name, None)
        refusal = seat.refusal("teacher")
        if refusal is not None:
            raise refusal
        person, account = self._present.get(key), self._registrations.get(key)
        if person is not None and not person.account:
            return _Wire(seat, own.key, key, person.name, person.seats[0])
        if account is None:
            raise ProtocolError("invalid_field", ENGLISH("no_person", user=shown(user)))
        return _Wire(seat, own.key, key, account.name, None)

    # --- what changes ---

    def changed(self, seat: Seat) -> None:
        """The seat has got a person, has lost it, or that person has another name."""
        if not self._wires and not self._boards:
            return
        wire = self._wires.get(seat.number)
        if wire is not None and (seat.person is None or seat.person.key != wire.owner):
            self._end(seat, unasked=True)
        if seat.number in self._boards and (seat.person is None or not seat.person.teacher):
            self._close_board(seat)
        for wire in list(self._wires.values()):
            if wire.guest is seat and seat.person is None:
                self._end(wire.seat, unasked=True)
            else:
                self._look(wire)

    def not_a_teacher(self, person: Person) -> None:
        """The person is not a teacher any more."""
        for seat in person.seats:
            if seat.number in self._wires and self._wires[seat.number].others:
                self._end(seat, unasked=True)
            if seat.number in self._boards:
                self._close_board(seat)

    def greet(self, seat: Seat) -> None:
        """The client has asked who is here, so it may be told that somebody watches it, unless it knows that."""
        for wire in self._wires.values():
            if wire.others and seat.number not in wire.told and any(seat is each for each in self._seats(wire)):
                self._tell(wire, seat)

    # --- parts of them ---

    def _seats(self, wire: _Wire) -> list[Seat]:
        """The connections that are watched."""
        if wire.guest is not None:
            return [wire.guest]
        person = self._present.get(wire.key)
        return person.seats if person is not None and person.account else []

    def _look(self, wire: _Wire) -> None:
        """Say which connections these are now, if that has changed."""
        found = tuple([(each.number, self._name(each)) for each in self._seats(wire) if each is not wire.seat])
        if found != wire.shown:
            wire.shown = found
            self._emit(Wired(wire.seat.number, found))

    def _end(self, seat: Seat, *, unasked: bool = False) -> None:
        """The connection watches nothing any longer. It is told if it has not asked for that."""
        wire = self._wires.pop(seat.number, None)
        if wire is None:
            return
        self._emit(Wired(seat.number, None))
        if unasked:
            self._emit(Replied(seat.number, encode({"type": "wire", "state": "off", "user": wire.name})))
        for each in self._seats(wire):
            if each.number in wire.told and each.person is not None:
                self._emit(Noticed(each.address(), self._texts("wire_ends")))

    def _close_board(self, seat: Seat) -> None:
        self._boards.discard(seat.number)
        self._emit(BoardShown(seat.number, False))
        self._emit(Replied(seat.number, encode({"type": "board", "state": "off"})))

    def _tell(self, wire: _Wire, seat: Seat) -> None:
        wire.told.add(seat.number)
        self._emit(Noticed(seat.address(), self._texts("wire_begins", user=self._name(wire.seat))))

    def _name(self, seat: Seat) -> str:
        return seat.person.name if seat.person is not None else ""
