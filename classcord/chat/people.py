"""Who is here: the people, and the seats of their connections. Plain state of the room, without sockets."""

from __future__ import annotations

from typing import Literal

from classcord.chat.effects import Addressed, Place
from classcord.wire import names
from classcord.wire.protocol import ProtocolError

__all__ = ["Person", "Seat", "Who", "kept_alias"]

_MAX_ALIAS = 256

Who = Literal["anybody", "named", "account", "teacher"]
"""Who may do something: each client, one with a name (a guest too), one that is logged in to an account, a teacher."""


def kept_alias(wanted: str | None) -> str | None:
    """The name that a client gives itself, if it may keep it for itself after the server has refused it."""
    if wanted is None or len(wanted) > _MAX_ALIAS or any(c < " " or "\x7f" <= c <= "\x9f" for c in wanted):
        return None
    return wanted


class Person:
    """A person who is here: an account with all its seats, or a guest with its one seat.

    `chose_name` is false for a guest whose name is only a number from the server. `known` is false while the others
    have not heard of the name: an invisible person has got it. `teacher` says that the account is a teacher's.
    """

    __slots__ = ("account", "chose_name", "key", "known", "likeness", "name", "seats", "state", "teacher")

    def __init__(self, name: str, key: str, *, account: bool, chose_name: bool = True, teacher: bool = False) -> None:
        self.account = account
        self.chose_name = chose_name
        self.known = False
        self.teacher = teacher
        self.state = "online"
        self.seats: list[Seat] = []
        self.rename(name, key)

    def rename(self, name: str, key: str) -> None:
        self.name = name
        self.key = key
        self.likeness = names.likeness(name)

    def numbers(self) -> tuple[int, ...]:
        """The numbers of the person's seats."""
        return tuple([seat.number for seat in self.seats])


class Seat:
    """One connection's place in the room, known to the others by its number.

    `alias` is the client's own name for itself. It may differ from the person's name in case, or because that name
    was taken. Lines to the client use the alias as its name.
    `registered` is the account that the client has created here without logging in.
    `private_type` says that the client wants private messages with the type `private`.
    `keyed` says that it has sent the key `channel`, so it can tell the channels apart.
    `current` is the channel that its messages without the key go to; None stands for everybody.
    """

    __slots__ = (
        "alias", "announced", "current", "keyed", "number", "person", "private_type", "registered", "users_version",
    )

    def __init__(self, number: int) -> None:
        self.number = number
        self.person: Person | None = None
        self.alias = ""
        self.announced = False  # has sent a first message, which may be empty
        self.registered: str | None = None
        self.private_type = False
        self.keyed = False
        self.current: Place | None = None
        self.users_version: tuple[int, ...] = ()  # the versions of the last list that the client asked for

    def refusal(self, who: Who) -> ProtocolError | None:
        """Why the client is not one of those; None if it is."""
        person = self.person
        if who == "anybody" or (person is not None and (who == "named" or person.teacher)):
            return None
        if person is None or not person.account:
            return ProtocolError("not_named", "You are not logged in.")
        return ProtocolError("not_allowed", "Only a teacher may do that.") if who == "teacher" else None

    @property
    def ready(self) -> bool:
        """Whether the client takes what it has not asked for: it has listed the people, or said something."""
        return self.announced or bool(self.users_version)

    def address(self) -> Addressed:
        """Where private lines for this client go."""
        return Addressed(self.number, self.alias or names.GUEST, self.private_type)
