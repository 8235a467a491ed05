"""Who ignores which people: the room's part that knows it, and answers the requests about it.

For the holder of the flush lock, like all of the room. An account's list stays until the server ends, so it also counts
on connections that come later. A guest's list ends with its connection. Both hold people by the keys of their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from classcord.chat.effects import Addressed, Effect, Noticed, Replied
from classcord.chat.people import Person, Seat
from classcord.chat.registrations import Registrations
from classcord.wire import names
from classcord.wire.protocol import ProtocolError, encode
from classcord.wire.texts import ENGLISH, SERVER_NAME, Texts, shown

__all__ = ["OPERATIONS", "Ignoring"]

OPERATIONS = ("ignore",)
"""The methods that an item with a seat may name."""
_MOST = 20
"""People in one list: the answer that names them is one message."""


class Ignoring:
    """The lists. `present` is the room's own: all people who are here, by the keys of their names."""

    def __init__(
        self, present: Mapping[str, Person], registrations: Registrations, texts: Texts, emit: Callable[[Effect], None]
    ) -> None:
        self._present = present
        self._registrations = registrations
        self._texts = texts
        self._emit = emit
        self.lists: dict[str | int, dict[str, str]] = {}
        """Names by their keys, for each who ignores: the key of an account, or the number of a guest's seat."""
        self.ignored: dict[str, dict[str | int, None]] = {}
        """The same the other way: who ignores the person with this key. Nearly always empty: ask before `by`."""

    # --- the requests ---

    def ignore(self, seat: Seat, typed: bool, name: str, /) -> None:
        """Begin or end to ignore a person; without a name, say who is ignored. A part of `only`."""
        try:
            told = self._change(seat, name, self._texts if typed else ENGLISH)
        except ProtocolError as error:
            if not typed:
                raise
            told = error.text
        if typed:
            self._emit(Noticed(seat.address(), told))
        else:
            users = [*self.lists.get(self._owner(seat), {}).values()]
            self._emit(Replied(seat.number, encode({"type": "ignore", "users": users})))

    def _change(self, seat: Seat, name: str, texts: Texts) -> str:
        owner, key = self._owner(seat), names.find(name) or ""
        listed = self.lists.get(owner, {})
        if not name:
            people = ", ".join(listed.values())
            return texts("ignored_list", count=len(listed), names=people) if listed else texts("ignored_none")
        if key in listed:
            user = listed[key]
            self._end(owner, key)
            return texts("heard_again", user=user)
        person, account = self._present.get(key), self._registrations.get(key)
        if (person is not None and person.teacher) or self._registrations.teacher(key) or key == SERVER_NAME.lower():
            raise ProtocolError("not_allowed", texts("ignored_never"))
        found = person or account
        if person is not None and person is seat.person:
            raise ProtocolError("invalid_field", texts("ignored_self"))
        if found is None:
            raise ProtocolError("invalid_field", texts("no_person", user=shown(name)))
        if len(listed) >= _MOST:
            raise ProtocolError("invalid_field", texts("ignored_most", count=_MOST))
        self._begin(owner, key, found.name)
        return texts("ignored", user=found.name)

    def _owner(self, seat: Seat) -> str | int:
        """Whose list the client has. Who began as a guest keeps that list until the connection ends."""
        person = seat.person
        return person.key if person is not None and person.account and seat.number not in self.lists else seat.number

    def _end(self, owner: str | int, key: str) -> None:
        del self.lists[owner][key], self.ignored[key][owner]
        if not self.lists[owner]:
            del self.lists[owner]
        if not self.ignored[key]:
            del self.ignored[key]

    def _begin(self, owner: str | int, key: str, name: str) -> None:
        self.lists.setdefault(owner, {})[key] = name
        self.ignored.setdefault(key, {})[owner] = None

    # --- for the room ---

    def by(self, person: Person) -> tuple[int, ...]:
        """The numbers of the seats that get no message of this person. Teachers are always heard."""
        numbers: list[int] = []
        for owner in self.ignored.get(person.key, ()) if not person.teacher else ():
            if isinstance(owner, int):
                numbers.append(owner)
            elif (reader := self._present.get(owner)) is not None and reader.account:
                numbers += reader.numbers()
        return tuple(numbers)

    def unheard(self, seat: Seat) -> tuple[str, ...]:
        """The keys of the names whose messages the client does not want."""
        listed = self.lists.get(self._owner(seat), {}) if self.lists else {}
        return tuple([key for key in listed if not self._registrations.teacher(key)])

    def readers(self, person: Person, receivers: tuple[Addressed, ...]) -> tuple[Addressed, ...]:
        """Those of the receivers who want to read this person."""
        without = self.by(person) if self.ignored else ()
        return tuple([receiver for receiver in receivers if receiver.seat not in without]) if without else receivers

    def hears(self, seat: Seat, name: str) -> bool:
        """Whether the client at this seat wants to read the person with this name, who may be away."""
        key = names.find(name) or ""
        return key not in self.lists.get(self._owner(seat), ()) or self._registrations.teacher(key)

    def remove(self, keys: Iterable[str]) -> None:
        """These accounts are gone: nobody who gets such a name later has their list, or is ignored for them."""
        for key in keys:
            for ignored in [*self.lists.get(key, ())]:
                self._end(key, ignored)
            for owner in [*self.ignored.get(key, ())]:
                self._end(owner, key)

    def remove_guests(self) -> None:
        """A new class begins: its guests have the names of others, who were ignored."""
        self.remove([key for key in self.ignored if self._registrations.get(key) is None])

    def exit(self, seat: Seat) -> None:
        """The identity of the seat ends: a guest's list does too."""
        for key in [*self.lists.get(seat.number, ())]:
            self._end(seat.number, key)

    def renamed(self, old: str, name: str) -> None:
        """The person with the key `old` gets another name, perhaps by a login: who has ignored it does so still."""
        key = names.key(name)
        for owner in [*self.ignored.get(old, ())]:
            self._end(owner, old)
            if owner != key:
                self._begin(owner, key, name)
