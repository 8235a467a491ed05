"""Effects of what teachers and the console have ordered. They are named in effects.py with the others."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = [
    "AccountsRemoved", "Answered", "Audited", "Banned", "ChannelClosed", "ChannelOpened", "Expelled", "MessageDeleted",
    "MessagesDeleted", "MessagesExpired", "NetworkExpelled", "Unbanned",
]


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
    """All connections from a network are to end, except those of the seats that are spared."""

    network: str
    spared: tuple[int, ...]


class ChannelClosed(NamedTuple):
    """A channel, by its key and its name, is for teachers alone, which is to be stored."""

    key: str
    name: str


class ChannelOpened(NamedTuple):
    """It is for everybody again."""

    key: str


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
