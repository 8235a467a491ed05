"""What consoles watch, and who has been told so: `admin watch` and `admin watch --wire`. State of the room.

Each person who is watched is told once: at the beginning, or when the client is ready for it. That is after its first
list of people, its first message, or before the first private one to it. At the end the person is told only if nothing
else shows what it writes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

from classcord.chat.effects import Effect, Noticed
from classcord.chat.people import Person, Seat
from classcord.wire import names
from classcord.wire.texts import Texts

__all__ = ["Onlookers"]


class _Watch:
    """Of everybody, or of one person by the `key` of its name, or of the connections in `seats`.

    `told` are the numbers of the seats that know of it.
    """

    __slots__ = ("everybody", "key", "seats", "text", "told")

    def __init__(self, text: str, key: str, seats: Iterable[int], *, everybody: bool) -> None:
        self.text = text
        self.key = key
        self.seats = set(seats)
        self.everybody = everybody
        self.told: set[int] = set()

    def has(self, seat: Seat, person: Person) -> bool:
        return self.everybody or seat.number in self.seats or person.key == self.key


class Onlookers:
    """`present` is the room's own: all people who are here, by the keys of their names."""

    def __init__(self, present: Mapping[str, Person], texts: Texts, emit: Callable[[Effect], None]) -> None:
        self._present = present
        self._texts = texts
        self._emit = emit
        self._numbers = itertools.count(1)
        self._watches: dict[int, _Watch] = {}

    def begin(self, wire: bool, target: str, seats: Iterable[int]) -> int:
        """A console watches: everybody without a `target`, else a name, and these seats. The number of the watch."""
        number = next(self._numbers)
        text = self._texts("watch_wire" if wire else "watch_begins")
        watch = self._watches[number] = _Watch(text, names.find(target) or "", seats, everybody=not target)
        for seat, person in self._here():
            self._look(watch, seat, person)
        return number

    def more(self, number: int, seats: Iterable[int]) -> None:
        """The watch has these seats too: they have come since."""
        watch = self._watches[number]
        watch.seats.update(seats)
        for seat, person in self._here():
            if seat.ready:
                self._look(watch, seat, person)

    def end(self, number: int) -> None:
        """The watch with this number is over."""
        watch = self._watches.pop(number)
        for seat, _ in self._here():
            if seat.number in watch.told and not any(seat.number in each.told for each in self._watches.values()):
                self._emit(Noticed(seat.address(), self._texts("watch_ends")))

    def greet(self, seat: Seat) -> None:
        """The client is ready to be told."""
        person = seat.person
        if person is not None:
            for watch in self._watches.values():
                self._look(watch, seat, person)

    def writes_to(self, person: Person) -> None:
        """Somebody writes to this person in private: who only listens is told now, for this is shown too."""
        if self._watches:
            for seat in person.seats:
                self.greet(seat)

    def renamed(self, person: Person) -> None:
        """The person has another name, which may be one that is watched."""
        for seat in person.seats:
            if seat.ready:
                self.greet(seat)

    def left(self, seat: Seat) -> None:
        """The identity of the seat has ended: the next one is told again."""
        for watch in self._watches.values():
            watch.told.discard(seat.number)

    def _here(self) -> Iterator[tuple[Seat, Person]]:
        for person in self._present.values():
            for seat in person.seats:
                yield seat, person

    def _look(self, watch: _Watch, seat: Seat, person: Person) -> None:
        """Tell the client if it is watched, and does not know."""
        if seat.number in watch.told or not watch.has(seat, person):
            return
        known = any(each.text == watch.text and seat.number in each.told for each in self._watches.values())
        watch.told.add(seat.number)
        if not known:
            self._emit(Noticed(seat.address(), watch.text))
