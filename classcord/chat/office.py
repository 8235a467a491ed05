"""What the console asks of the room: roles, passwords, who is here. Items without a seat.

State of the room, like the room: only the holder of the registry's flush lock calls it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from classcord.chat.accounts import Account
from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.effects import Announced, Answered, Audited, Effect, MessagesDeleted, Noticed, Replied
from classcord.chat.ignoring import Ignoring
from classcord.chat.moderation import CONSOLE, Moderation
from classcord.chat.onlookers import Onlookers
from classcord.chat.people import Person, Seat
from classcord.chat.registrations import Registrations
from classcord.chat.waiting import Waiting
from classcord.chat.watchers import Watchers
from classcord.wire import names
from classcord.wire.channel_names import ChannelName
from classcord.wire.protocol import ProtocolError, encode
from classcord.wire.texts import Texts

__all__ = ["OPERATIONS", "Office"]

OPERATIONS = ("direct", "moderate", "own_right")
"""The methods that an item with a seat may name: what teachers do about the whole room."""


class Office:
    """The commands. `present` is the room's own: all people who are here, by the keys of their names."""

    def __init__(
        self, present: Mapping[str, Person], registrations: Registrations, moderation: Moderation,
        waiting: Waiting, emit: Callable[[Effect], None], talk: ChannelOperations,
        watchers: Watchers, ignoring: Ignoring, onlookers: Onlookers, texts: Texts,
    ) -> None:
        self._present = present
        self._registrations = registrations
        self._moderation = moderation
        self._waiting = waiting
        self._emit = emit
        self._talk = talk
        self._watchers = watchers
        self._ignoring = ignoring
        self._actions: dict[str, Callable[..., tuple[Any, ...]]] = {
            "people": self._people, "channels": self._channels, "promote": self._promote, "demote": self._demote,
            "password": self._password,
            "stop": self._stop, "watch": self._watch, "watch_more": self._watch_more,
            "watch_ends": self._watch_ends, "bans": self._bans,
            "close_channel": self._close_channel, "open_channel": self._open_channel,
            "board": self._board, "new_class": self._new_class, "empty": self._empty,
            "reset_channels": self._reset_channels,
        }
        """Each gives its answer: a text, data, and whether that depends on an account that is to be stored."""

        self._onlookers = onlookers
        self._texts = texts
        self._end = 0.0  # when the server is going to stop, if it is
        self._told_end: set[int] = set()  # the seats that know
        self._actor = CONSOLE  # the one that has given the command that runs

    def command(self, number: int, action: str, arguments: tuple[Any, ...], actor: str = CONSOLE, /) -> None:
        """Carry out a command of the console, for its user `actor`; its answer, or its error, has this number."""
        self._actor = actor
        try:
            if action in self._actions:
                answer = self._actions[action](*arguments)
            else:
                answer = self._moderation.by_console(action, arguments, actor), (), False
            self._emit(Answered(number, None, *answer))
        except ProtocolError as error:
            self._emit(Answered(number, error.code, error.text, (), False))

    def announce(self, text: str, /) -> None:
        """A text from the server to everybody. An item without a seat."""
        self._emit(Announced(text))

    def moderate(self, seat: Seat, typed: bool, action: str, arguments: tuple[Any, ...], /) -> None:
        """Something that only teachers do. A part of `only`, which sees to that."""
        self._moderation.by_teacher(seat, typed, action, arguments)

    def direct(self, seat: Seat, action: str, key: str, name: str, /) -> None:
        """Close or open a channel. A part of `only`, for teachers."""
        _, (channel,), _ = self._actions[action](key, name, self._who(seat))
        self._emit(Replied(seat.number, encode({"type": action, "status": "ok", "channel": channel})))

    def own_right(self, seat: Seat, ticket: int, /) -> None:
        """Say which teacher the client is: a name, which is empty if it is not one."""
        self._emit(Answered(ticket, None, self._who(seat), (), False))

    def _who(self, seat: Seat) -> str:
        return seat.person.name if seat.person is not None and seat.person.teacher else ""

    def greet(self, seat: Seat) -> None:
        """The client has its first list of the people: it is ready for what it must know."""
        self._tell_once(seat)
        rule = self._moderation.rule(seat)
        if rule:
            self._emit(Noticed(seat.address(), rule))

    def spoke(self, seat: Seat) -> None:
        """The client has sent a message. So it is ready, if it has not asked for the people before."""
        if not seat.announced:
            seat.announced = True
            self._tell_once(seat)

    def renamed(self, old: str, name: str) -> None:
        """The person with the key `old` gets another name and stays: what is noted under the old one goes with it."""
        self._ignoring.renamed(old, name)
        self._moderation.renamed(old, names.key(name))
        self._talk.renamed(old, names.key(name))

    def _tell_once(self, seat: Seat) -> None:
        """What those who were here have been told, for one that has come since: who watches, and when the server stops.

        A rule is not repeated so: who breaks it is told.
        """
        self._onlookers.greet(seat)
        self._watchers.greet(seat)
        left = math.ceil(self._end - self._moderation.bans.now)
        if left > 1 and seat.number not in self._told_end:
            self._told_end.add(seat.number)
            self._emit(Noticed(seat.address(), self._texts("stop_soon", seconds=left)))

    def _people(self) -> tuple[str, tuple[Any, ...], bool]:
        """Each person: name, whether it has an account, whether it is a teacher, state, seats, seconds of its mute,
        channels."""
        people = sorted(self._present.values(), key=lambda person: person.key)
        muted, inside = self._moderation.muted, self._talk.of_person
        rows = [(p.name, p.account, p.teacher, p.state, p.numbers(), muted(p), inside(p)) for p in people]
        return "", tuple(rows), False

    def _board(self) -> tuple[str, tuple[Any, ...], bool]:
        """The people, whether there is silence, the seconds of slow mode, and the channels."""
        silent, slow = self._moderation.rules()
        return "", (self._people()[1], silent, slow, self._talk.overview(len(self._present))), False

    def _channels(self) -> tuple[str, tuple[Any, ...], bool]:
        """Each channel: name, topic, how many people are in it, whether it is closed."""
        return "", self._talk.overview(len(self._present)), False

    def _promote(self, name: str) -> tuple[str, tuple[Any, ...], bool]:
        return self._set_role(name, "teacher", "promote", "{} is a teacher now")

    def _demote(self, name: str) -> tuple[str, tuple[Any, ...], bool]:
        return self._set_role(name, "user", "demote", "{} is not a teacher any longer")

    def _set_role(self, name: str, role: str, action: str, text: str) -> tuple[str, tuple[Any, ...], bool]:
        row = self._account(name)
        if row.role == role:
            return f"nothing to do: {text.format(row.name)}", (row.name,), False
        self._emit(self._registrations.change(row._replace(role=role)))
        person = self._present.get(row.key)
        if person is not None and person.account:
            person.teacher = role == "teacher"
            self._talk.role_changed(person)
            if not person.teacher:
                self._watchers.not_a_teacher(person)
        self._emit(Audited(self._actor, action, row.name, None, ""))
        return text.format(row.name), (row.name,), True

    def _password(self, name: str, password: str) -> tuple[str, tuple[Any, ...], bool]:
        """Give an account another password, which is hashed. Connections that are logged in stay so."""
        row = self._account(name)
        self._emit(self._registrations.change(row._replace(password=password)))
        self._emit(Audited(self._actor, "reset-password", row.name, None, ""))
        return f"{row.name} has a new password", (row.name,), True

    def _close_channel(self, key: str, name: str, by: str = "") -> tuple[str, tuple[Any, ...], bool]:
        closed = self._talk.close(ChannelName(key, name))
        self._emit(Audited(by or self._actor, "close-channel", closed, None, ""))
        return f"{closed} is closed: only teachers may enter", (closed,), False

    def _open_channel(self, key: str, name: str, by: str = "") -> tuple[str, tuple[Any, ...], bool]:
        opened = self._talk.open(ChannelName(key, name))
        self._emit(Audited(by or self._actor, "open-channel", opened, None, ""))
        return f"{opened} is open", (opened,), False

    def _bans(self) -> tuple[str, tuple[Any, ...], bool]:
        """Each ban: kind, name or network, seconds left, who did it, why."""
        bans, rows = self._moderation.bans, []
        for kind in ("account", "network"):
            for target, ban in bans.of(kind).items():
                row = self._registrations.get(target) if kind == "account" else None
                rows.append((kind, row.name if row else target, ban.end - bans.now, ban.actor, ban.reason))
        return "", tuple(rows), False

    def _stop(self, action: str, seconds: int | None, text: str) -> tuple[str, tuple[Any, ...], bool]:
        """The server is going to stop, or it is not after all; everybody is told the text, if there is one."""
        self._end = self._moderation.bans.now + seconds if seconds else 0.0
        self._told_end = {number for person in self._present.values() for number in person.numbers()}
        if text:
            self._emit(Announced(text))
        self._emit(Audited(self._actor, action, "", seconds, ""))
        return "", (), False

    def _watch(self, wire: bool, target: str, seats: tuple[int, ...], quiet: bool) -> tuple[str, tuple[Any, ...], bool]:
        """A console begins to watch: the number of the watch, or nothing if people are not told."""
        self._emit(Audited(self._actor, "watch-wire" if wire else "watch", target, None, "--quiet" if quiet else ""))
        return "", () if quiet else (self._onlookers.begin(wire, target, seats),), False

    def _watch_more(self, number: int, seats: tuple[int, ...]) -> tuple[str, tuple[Any, ...], bool]:
        self._onlookers.more(number, seats)
        return "", (), False

    def _watch_ends(self, number: int) -> tuple[str, tuple[Any, ...], bool]:
        self._onlookers.end(number)
        return "", (), False

    def _new_class(
        self, keep_accounts: bool, text: str, teacher: str | None = None
    ) -> tuple[str, tuple[Any, ...], bool]:
        """End the connections of all but teachers, with this text, and remove their accounts unless these are kept.

        The `teacher` that does it may have lost the right while the backup was made; None stands for the console.
        """
        if teacher is not None and not self._registrations.teacher(names.key(teacher)):
            raise ProtocolError("not_allowed", "Only a teacher may do that.")
        self._moderation.clear(text)
        removed: tuple[str, ...] = ()
        if not keep_accounts:
            effect = self._registrations.remove_pupils()
            removed = effect.keys
            self._waiting.remove(removed)
            self._ignoring.remove(removed)
            self._moderation.forget(removed)
            self._emit(effect)
        self._ignoring.remove_guests()
        self._emit(Audited(teacher or self._actor, "new-class", "", None, ""))
        return "", (len(removed),), False

    def _empty(self, first: int, last: int) -> tuple[str, tuple[Any, ...], bool]:
        """Take these messages out of what is stored."""
        self._emit(MessagesDeleted(first, last))
        self._waiting.forget(first, last)
        return "", (), False

    def _reset_channels(self) -> tuple[str, tuple[Any, ...], bool]:
        self._talk.reset()
        return "", (), False

    def _account(self, name: str) -> Account:
        row = self._registrations.find(name)
        if row is None:
            raise ProtocolError("invalid_field", f"there is no account {name!r}")
        return row
