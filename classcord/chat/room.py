"""The people who are here, with their names and states, and the changes that each item makes.

A state machine without locks or sockets: only the holder of the registry's flush lock calls it, one item at a time, so
the order of the items is the same for everybody. Items and effects are data: the same items in the same order make the
same room and the same effects, in any process that has the same accounts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from classcord.chat import channel_operations, ignoring, passwords, reading, tracking, waiting, watchers
from classcord.chat.accounts import Account, Accounts
from classcord.chat.channels import Channels
from classcord.chat.effects import (
    Effect,
    Gone,
    GuestNamed,
    IdentityEnded,
    Joined,
    LoggedIn,
    LoggedOut,
    Noticed,
    Parted,
    Renamed,
    Replied,
    Said,
    StateSet,
    StateTold,
    UsersListed,
    Whispered,
)
from classcord.chat.guest_names import GuestNames
from classcord.chat.listing import Lists
from classcord.chat.moderation import Moderation
from classcord.chat.office import OPERATIONS as OFFICE
from classcord.chat.office import Office
from classcord.chat.onlookers import Onlookers
from classcord.chat.people import Person, Seat, Who, kept_alias
from classcord.chat.refusals import Silenced, told
from classcord.chat.registrations import Registrations
from classcord.chat.waiting import Waiting
from classcord.wire import names
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import ENGLISH, Texts

__all__ = ["Item", "Room"]

Item = tuple[str, "int | None", tuple[Any, ...]]
"""A request: the name of a method of Room or one of its parts, the number of the seat that asks, and plain values.

Without a seat it is the server itself that asks. A plain tuple is made faster than a named one.
"""

_OPERATIONS = (
    "login", "register", "logout", "disconnect", "leave", "identify", "say", "whisper",
    "announce_guest", "notice", "reply", "set_state", "list_users", "only",
)
"""The methods that an item with a seat may name."""
_new = tuple.__new__  # makes a named tuple several times as fast as its class does


class Room:
    """Everybody who is here. `take_id` gives the id of the next message, and whether that is certain: data/ids.py."""

    def __init__(
        self, accounts: Accounts, texts: Texts, take_id: Callable[[], tuple[int, bool]],
        channels: Channels | None = None,
    ) -> None:
        self.registrations = Registrations(accounts)
        self.effects: list[Effect] = []
        """Those of the last item. The caller of `do` takes them out."""
        self._emit = self.effects.append
        self._seats: dict[int, Seat] = {}
        self._present: dict[str, Person] = {}
        self._lists = Lists(self._present)
        self.moderation = moderation = Moderation(self._present, self.registrations, texts, self._emit)
        self._channels = Channels() if channels is None else channels  # it may have no channel, and is false then
        self._ignoring = ignoring.Ignoring(self._present, self.registrations, texts, self._emit)
        self._onlookers = onlookers = Onlookers(self._present, texts, self._emit)
        self._talk = channel_operations.ChannelOperations(
            self._channels, texts, emit=self._emit, take_id=take_id, identify=self.identify, notice=self.notice,
            shown=self._lists.shown, moderation=moderation, ignoring=self._ignoring,
            spoke=lambda seat: self._office.spoke(seat),
        )
        self.waiting = Waiting(self.registrations, moderation, texts, self._emit, take_id, self._ignoring)
        self._watchers = watchers.Watchers(self._present, self.registrations, texts, self._emit)
        self._office = office = Office(
            self._present, self.registrations, moderation, self.waiting, self._emit, self._talk, self._watchers,
            self._ignoring, onlookers, texts,
        )
        self._operations: dict[str, Callable[..., object]] = {}
        parts: tuple[tuple[object, tuple[str, ...]], ...] = (
            (self, _OPERATIONS), (self._talk, channel_operations.OPERATIONS), (self._ignoring, ignoring.OPERATIONS),
            (reading.Reading(self._channels, self.registrations, self._ignoring, self._emit), reading.OPERATIONS),
            (passwords.Passwords(self.registrations, self._emit), passwords.OPERATIONS),
            (tracking.Tracking(self.effects, self._operations), tracking.OPERATIONS),
            (self._watchers, watchers.OPERATIONS), (office, OFFICE),
        )
        self._operations |= {each: getattr(part, each) for part, operations in parts for each in operations}
        self._texts, self._take_id = texts, take_id
        self._names = GuestNames(self._present, self.registrations)
        self._without_seat: dict[str, Callable[..., None]] = {
            "announce": office.announce, "command": office.command, "tick": moderation.tick, "begin": moderation.begin,
            **{name: getattr(self.waiting, name) for name in waiting.OPERATIONS},
        }

    def do(self, operation: str, number: int | None, arguments: tuple[Any, ...]) -> None:
        """Carry out one item."""
        if number is None:
            self._without_seat[operation](*arguments)
            return
        try:
            seat = self._seats.get(number) or self._seats.setdefault(number, Seat(number))
            self._operations[operation](seat, *arguments)
        except ProtocolError as error:
            self._emit(told(seat, error))

    def only(self, seat: Seat, who: Who, typed: bool, parts: tuple[tuple[str, tuple[Any, ...]], ...], /) -> None:
        """Carry out the operations of one request, if the client is one of those who may. Only here is that checked.

        Else its answer is an error; the answer to a `typed` request has the form that each client shows.
        """
        refusal = seat.refusal(who)
        if refusal is None:
            try:
                for operation, arguments in parts:
                    self._operations[operation](seat, *arguments)
            except Silenced as error:
                if not typed:
                    raise
                self.notice(seat, error.said)
        elif typed:
            allowed = refusal.code != "not_allowed"
            self.notice(seat, self._texts("account_needed") if allowed else self._texts("teacher_needed"))
        else:
            raise refusal

    def not_stored(self) -> None:
        """The accounts of the batch could not be stored."""
        self.registrations.failed(self._present)

    # --- identities ---

    def login(self, seat: Seat, name: str, alias: str, /) -> None:
        """The client has proved that it is account `name`; it calls itself `alias`."""
        self.moderation.may_enter(seat, name)
        self._emit(LoggedIn(seat.number, name, alias))
        seat.registered = None
        self._enter_account(seat, name, alias)

    def register(self, seat: Seat, name: str, password: str, created: str, /) -> None:
        """Create an account, without logging in. `password` is hashed.

        But some clients assume that registering logs them in; identify() honours that.
        """
        if self.registrations.resembles(name):
            raise ProtocolError("name_exists", "Username already exists.")
        row = Account(names.key(name), name, password, created)
        self._emit(self.registrations.add(seat, row))
        holder = self._present.get(row.key)
        if holder is not None and seat in holder.seats:
            holder.account = True  # a guest that registers its own name keeps it
            if holder.name != row.name:
                self._rename(holder, row.name)
        look = names.likeness(row.name)
        for guest in [
            p for p in self._present.values()  # the cheapest tests first, because many people may be here
            if not p.account and seat not in p.seats
            and (p.key == row.key or (p.likeness.skeleton == look.skeleton and names.alike(p.likeness, look)))
        ]:
            # the account comes first, even where a hundred guests hold its variants
            self._rename(guest, self._names.variant(guest.name) or self._names.numbered())

    def logout(self, seat: Seat, /) -> None:
        """End the identity; the connection stays, like a new one."""
        self._emit(LoggedOut(seat.number))
        self.disconnect(seat)

    def disconnect(self, seat: Seat, /) -> None:
        """The same without an answer, and without an error if there is nothing to end."""
        if seat.person is not None:
            self._emit(IdentityEnded(seat.number, seat.person.name))
            self._exit(seat)
        self._emit(Parted(seat.number))
        seat.registered = None
        seat.users_version = ()

    def leave(self, seat: Seat, /) -> None:
        """The connection has ended. Safe to repeat."""
        try:
            if seat.person is not None:
                self._exit(seat)
        finally:  # also after an error, its thread must not wait for ever
            del self._seats[seat.number]
            self.effects += Parted(seat.number), Gone(seat.number)

    def identify(self, seat: Seat, wanted: object = None, /) -> Person:
        """The person of the seat; a seat without one becomes a guest now.

        `wanted` is the name that the client gave for itself; only a guest without a chosen name may take it. A guest
        that can't have it gets a number: its message is worth more than its name.
        """
        person = seat.person
        if person is not None and person.account:
            return person
        if wanted == "":
            wanted = None  # the empty name field of a form
        if wanted is not None and not isinstance(wanted, str):
            if person is not None and person.chose_name:
                return person
            raise ProtocolError("invalid_field", "a name must be a string")
        registered = seat.registered
        if registered is not None and not self.registrations.taken(names.key(registered)):
            registered = seat.registered = None  # the account is gone
        if registered is not None and (wanted is None or names.find(wanted) == names.key(registered)):
            self.moderation.may_enter(seat, registered)
            return self._enter_account(seat, registered, wanted or registered)
        if person is not None and (person.chose_name or wanted is None or wanted == seat.alias):
            return person  # a numbered guest with this alias was refused this name before
        name = self._names.chosen(wanted) if wanted is not None else None
        alias = kept_alias(wanted)
        if person is None:
            entered = name or self._names.numbered()
            refused = wanted[: names.MAX_NAME] if wanted is not None and name is None else None
            self._emit(GuestNamed(seat.number, entered, refused))
            guest = Person(entered, names.key(entered), account=False, chose_name=name is not None)
            return self._enter(seat, guest, alias or entered)
        if name is not None:
            # its names in the lists of the others and of its own client; a number that it chose was never its own
            chosen = [] if names.key(seat.alias).startswith(f"{names.GUEST}-") else [seat.alias]
            ended = dict.fromkeys((person.name, *chosen))
            self._rename(person, name)
            person.chose_name = True
            for old in ended:
                if names.find(old) not in self._present:
                    self._emit(StateTold(seat.number, old, "invisible"))
        if alias is not None:
            seat.alias = alias
            seat.users_version = ()  # its own name in the list has changed
        return person

    def _enter_account(self, seat: Seat, name: str, alias: str) -> Person:
        key = names.key(name)
        seat.users_version = ()  # the last list was for another name
        if seat.person is not None:
            if seat.person.key == key:
                seat.alias = alias
                return seat.person
            if not seat.person.account:
                self._ignoring.renamed(seat.person.key, name)
            self._exit(seat)
        made = Person(name, key, account=True, teacher=self.registrations.teacher(key))
        return self._enter(seat, self._present.get(key) or made, alias)

    def _enter(self, seat: Seat, person: Person, alias: str) -> Person:
        seat.person = person
        seat.alias = alias
        person.seats.append(seat)
        if person.key not in self._present:
            self._present[person.key] = person
            self._announce(person)
        self._emit(Joined(seat.number))
        self._watchers.changed(seat)
        return person

    def _exit(self, seat: Seat) -> None:
        person = seat.person
        assert person is not None
        self._talk.exit(seat)
        self._ignoring.exit(seat)
        self.waiting.left(seat, person)
        self._onlookers.left(seat)
        seat.person, seat.announced = None, False
        person.seats.remove(seat)
        if not person.seats:
            del self._present[person.key]
            self._lists.version += 1
            if person.known:
                self._emit(StateSet(person.name, "offline", (seat.number,)))
        self._watchers.changed(seat)

    def _rename(self, person: Person, name: str) -> None:
        """Give another name to a person who stays.

        The old name ends as `invisible`, which removes it from every client's list: three known clients keep a name
        that is `offline` for ever.
        """
        if person.state != "invisible":
            self._emit(StateSet(person.name, "invisible", person.numbers()))
        del self._present[person.key]
        for seat in person.seats:
            self._emit(Renamed(seat.number, person.name, name))
        self._office.renamed(person.key, name)
        person.rename(name, names.key(name))
        self._present[person.key] = person
        self._announce(person)
        self._talk.appear(person)
        for seat in person.seats:
            self._watchers.changed(seat)
        self._onlookers.renamed(person)

    def _announce(self, person: Person) -> None:
        self._lists.version += 1
        person.known = person.state != "invisible"
        if not person.known:  # an invisible person with another name
            return
        self._emit(StateSet(person.name, "online", person.numbers()))
        if person.state != "online":
            self._emit(StateSet(person.name, person.state, person.numbers()))

    # --- messages ---

    def say(self, seat: Seat, wanted: object, content: str, /) -> None:
        """A message to everybody; from a client that does not know the key `channel`, to the channel it is in."""
        person = seat.person
        if person is None or not person.account:
            person = self.identify(seat, wanted)
        if self.moderation.strict:
            self.moderation.may_speak(seat, person)
        if not seat.announced:
            self._office.spoke(seat)
        by = self._ignoring.by(person) if self._ignoring.ignored else ()
        id, certain = self._take_id()
        self._emit(_new(Said, (seat.number, id, certain, person.name, not person.account, content, seat.current, by)))

    def whisper(self, seat: Seat, wanted: object, to: str, content: str, /) -> None:
        """A message to every seat of one person. It waits for an account that is away, and the sender is told."""
        person = self.identify(seat, wanted)
        self._office.spoke(seat)
        addressee = self._present.get(names.find(to) or "")
        if addressee is None:
            self.waiting.keep(seat, person, to, content)
            return
        receivers = tuple([other.address() for other in addressee.seats if other is not seat])
        if not receivers:
            self.notice(seat, self._texts("only_you"))
            return
        if self.moderation.strict:
            self.moderation.may_speak(seat, person, addressee)
        receivers = self._ignoring.readers(person, receivers)
        self._onlookers.writes_to(addressee)
        id, certain = self._take_id()
        self._emit(Whispered(receivers, id, certain, person.name, not person.account, addressee.name, content))

    def announce_guest(self, seat: Seat, wanted: object, /) -> None:
        """An empty message: the first one on a connection names a guest; nothing is relayed."""
        known = seat.person.name if seat.person is not None else None
        if self.identify(seat, wanted).name == known and seat.announced:
            raise ProtocolError("invalid_field", "content is empty; nothing was sent")
        self._office.spoke(seat)

    def notice(self, seat: Seat, text: str, /) -> None:
        """A text from the server to one person, in the form that its client shows."""
        self._emit(Noticed(seat.address(), text))

    def reply(self, seat: Seat, line: bytes, /) -> None:
        """A line that the client's own thread has made, after the answers to the requests before it."""
        self._emit(Replied(seat.number, line))

    # --- presence ---

    def set_state(self, seat: Seat, wanted: object, state: str, /) -> None:
        """Set online, away, dnd or invisible; tell the others if it is new."""
        person = self.identify(seat, wanted)
        if person.state != state:
            unseen = person.state == "invisible"
            person.state = state
            person.known = True
            self._lists.version += 1
            self._emit(StateSet(person.name, state, person.numbers()))
            if unseen:
                self._talk.appear(person)

    def list_users(self, seat: Seat, kind: str = "users", asked: str | None = None, key: str = "", /) -> None:
        """List the people who are here, then the states other than online, unless nothing has changed since last time.

        The answer has the type `kind` and names the channel as it was `asked` for, if it was. With a `key`, only the
        members of that channel are in the list; nobody, if there is none.
        """
        own = self.identify(seat)
        channel = self._channels.find(key) if key else self._channels.everybody
        if channel is not None and channel.closed and not own.teacher:
            raise ProtocolError("not_allowed", ENGLISH("channel_closed", channel=channel.place.name))
        visible = self._lists.shown(own, channel) if channel is not None else ()
        listed = {seat.alias if person is own else person.name: person for person in visible}
        if len(listed) < len(visible):
            # a guest's alias may be another person's name: then the list shows that person
            listed[seat.alias] = next(p for p in visible if p is not own and p.name == seat.alias)
        self._emit(UsersListed(seat.number, kind, asked, tuple(listed)))
        if not seat.users_version:
            self._office.greet(seat)
        versions = self._lists.version, channel.version if channel is not None else -1
        if seat.users_version != versions:
            seat.users_version = versions
            for name, person in listed.items():
                if person.state != "online":
                    self._emit(StateTold(seat.number, name, person.state))
        self.waiting.asked(seat, own)
