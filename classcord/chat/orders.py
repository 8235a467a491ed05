"""Effects of what teachers and the console have ordered, and of watches. effects.py names them with the others."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = [
    "AccountsRemoved", "Addressed", "Answered", "Audited", "Banned", "BoardShown", "Expelled", "MessageDeleted",
    "MessagesDeleted", "MessagesExpired", "NetworkExpelled", "Unbanned", "Wired",
]


class Addressed(NamedTuple):
    """A seat that gets a private line: its client's name for itself, and whether it knows the type `private`."""

    seat: int
    alias: str
    private_type: bool


class Audited(NamedTuple):
    """Somebody used a right over others: who, what, to whom, for how many seconds, and why."""

    actor: str
    action: str
    target: str
    seconds: int | None
    reason: str


class Expelled(NamedTuple):
    """The seat's connection is to end; nothing more is taken from it."""

    seat: int


class Banned(NamedTuple):
    """An account (by the key of its name) or a network may not come in for so many seconds, which is to be stored."""

    kind: str
    target: str
    seconds: int
    actor: str
    reason: str


class Unbanned(NamedTuple):
    """It may again."""

    kind: str
    target: str


class NetworkExpelled(NamedTuple):
    """All connections from a network are to end, except those of the seats that are spared.

    Each gets an error line with the text `refusal`. Those of the `named` that come from there are told `text` before.
    """

    network: str
    spared: tuple[int, ...]
    named: tuple[Addressed, ...]
    text: str
    refusal: str


class MessageDeleted(NamedTuple):
    """A message is to be taken out of what is stored."""

    id: int


class MessagesDeleted(NamedTuple):
    """The same for all messages from one id to another."""

    first: int
    last: int


class MessagesExpired(NamedTuple):
    """The same, but without those that wait for an account."""

    first: int
    last: int


class AccountsRemoved(NamedTuple):
    """Accounts, by the keys of their names, are to be taken out of what is stored."""

    keys: tuple[str, ...]


class Answered(NamedTuple):
    """The answer to a command of the console, by the command's number. `code` is that of an error, or None.

    If it says that an account has changed (`stores`), the answer is an error if that could not be stored.
    """

    number: int
    code: str | None
    text: str
    data: tuple[Any, ...]
    stores: bool


class Wired(NamedTuple):
    """From here on the connection `watcher` is shown the lines of these seats, which have these names; None ends it."""

    watcher: int
    seats: tuple[tuple[int, str], ...] | None


class BoardShown(NamedTuple):
    """From here on the seat's connection is shown the board, or it is not."""

    seat: int
    on: bool
