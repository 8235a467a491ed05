"""What the console asks of the room: roles, passwords, who is here. Items without a seat.

State of the room, like the room: only the holder of the registry's flush lock calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from classcord.chat.accounts import Account
from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.effects import Announced, Answered, Audited, Effect, MessagesDeleted, Noticed
from classcord.chat.moderation import CONSOLE, Moderation
from classcord.chat.people import Person, Seat
from classcord.chat.registrations import Registrations
from classcord.chat.waiting import Waiting
from classcord.wire.channel_names import ChannelName
from classcord.wire.protocol import ProtocolError

__all__ = ["Office"]


class Office:
    """The commands. `present` is the room's own: all people who are here, by the keys of their names."""

    def __init__(
        self, present: Mapping[str, Person], registrations: Registrations, moderation: Moderation,
        waiting: Waiting, emit: Callable[[Effect], None], talk: ChannelOperations,
    ) -> None:
        self._present = present
        self._registrations = registrations
        self._moderation = moderation
        self._waiting = waiting
        self._emit = emit
        self._talk = talk
        self._actions: dict[str, Callable[..., tuple[Any, ...]]] = {
            "people": self._people, "promote": self._promote, "demote": self._demote, "password": self._password,
            "tell_all": self._tell_all, "tell": self._tell, "watch": self._watch, "bans": self._bans,
            "close_channel": self._close_channel, "open_channel": self._open_channel,
            "new_class": self._new_class, "empty": self._empty,
        }
        """Each gives its answer: a text, data, and whether that depends on an account that is to be stored."""

        self.welcome = ""
        """What the server says to each newcomer after its first list of people."""
        self._watches = 0

    def command(self, number: int, action: str, arguments: tuple[Any, ...]) -> None:
        """Carry out a command of the console; its answer, or its error, has this number."""
        try:
            if action in self._actions:
                answer = self._actions[action](*arguments)
            else:
                answer = self._moderation.by_console(action, arguments), (), False
            self._emit(Answered(number, None, *answer))
        except ProtocolError as error:
            self._emit(Answered(number, error.code, error.text, (), False))

    def greet(self, seat: Seat) -> None:
        """The client has its first list of the people: it is ready for what it must know."""
        for text in (self.welcome, self._moderation.rule(seat)):
            if text:
                self._emit(Noticed(seat.address(), text))

    def _people(self) -> tuple[str, tuple[Any, ...], bool]:
        """Each person: name, whether it has an account, whether it is a teacher, state, seats, seconds of its mute."""
        people = sorted(self._present.values(), key=lambda person: person.key)
        muted = self._moderation.muted
        return "", tuple([(p.name, p.account, p.teacher, p.state, p.numbers(), muted(p)) for p in people]), False

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
            if not person.teacher:
                self._talk.not_a_teacher(person)
        self._emit(Audited(CONSOLE, action, row.name, None, ""))
        return text.format(row.name), (row.name,), True

    def _password(self, name: str, password: str) -> tuple[str, tuple[Any, ...], bool]:
        """Give an account another password, which is hashed. Connections that are logged in stay so."""
        row = self._account(name)
        self._emit(self._registrations.change(row._replace(password=password)))
        self._emit(Audited(CONSOLE, "reset-password", row.name, None, ""))
        return f"{row.name} has a new password", (row.name,), True

    def _close_channel(self, key: str, name: str) -> tuple[str, tuple[Any, ...], bool]:
        closed = self._talk.close(ChannelName(key, name))
        self._emit(Audited(CONSOLE, "close-channel", closed, None, ""))
        return f"{closed} is closed: only teachers may enter", (closed,), False

    def _open_channel(self, key: str, name: str) -> tuple[str, tuple[Any, ...], bool]:
        opened = self._talk.open(ChannelName(key, name))
        self._emit(Audited(CONSOLE, "open-channel", opened, None, ""))
        return f"{opened} is open", (opened,), False

    def _bans(self) -> tuple[str, tuple[Any, ...], bool]:
        """Each ban: kind, name or network, seconds left, who did it, why."""
        bans, rows = self._moderation.bans, []
        for kind in ("account", "network"):
            for target, ban in bans.of(kind).items():
                row = self._registrations.get(target) if kind == "account" else None
                rows.append((kind, row.name if row else target, ban.end - bans.now, ban.actor, ban.reason))
        return "", tuple(rows), False

    def _tell_all(self, text: str) -> tuple[str, tuple[Any, ...], bool]:
        self._emit(Announced(text))
        return "", (), False

    def _tell(self, seats: tuple[int, ...], text: str) -> tuple[str, tuple[Any, ...], bool]:
        """Tell the people at these seats."""
        for person in self._present.values():
            for seat in person.seats:
                if seat.number in seats:
                    self._emit(Noticed(seat.address(), text))
        return "", (), False

    def _watch(self, text: str, begins: bool) -> tuple[str, tuple[Any, ...], bool]:
        """A console begins, or ceases, to watch everybody: tell everybody, and while it watches each newcomer too."""
        self._watches += 1 if begins else -1
        self.welcome = (text if begins else self.welcome) if self._watches else ""
        return self._tell_all(text)

    def _new_class(self, keep_accounts: bool, text: str) -> tuple[str, tuple[Any, ...], bool]:
        """End the connections of all but teachers, with this text, and remove their accounts unless these are kept."""
        self._moderation.clear(text)
        removed: tuple[str, ...] = ()
        if not keep_accounts:
            effect = self._registrations.remove_pupils()
            removed = effect.keys
            self._waiting.remove(removed)
            self._emit(effect)
        self._emit(Audited(CONSOLE, "new-class", "", None, ""))
        return "", (len(removed),), False

    def _empty(self, first: int, last: int) -> tuple[str, tuple[Any, ...], bool]:
        """Take these messages out of what is stored."""
        self._emit(MessagesDeleted(first, last))
        self._waiting.forget(first, last)
        return "", (), False

    def _account(self, name: str) -> Account:
        row = self._registrations.find(name)
        if row is None:
            raise ProtocolError("invalid_field", f"there is no account {name!r}")
        return row
