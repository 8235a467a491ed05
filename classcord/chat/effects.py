"""What happened in the room, as data: the effects of the items, in their order.

An effect has plain values only. A seat is named by its number. delivery/render.py makes the lines of them; the registry
stores, logs and delivers what they say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from classcord.chat.orders import (
    AccountsRemoved,
    Addressed,
    Answered,
    Audited,
    Banned,
    BoardShown,
    ChannelClosed,
    ChannelOpened,
    Expelled,
    MessageDeleted,
    MessagesDeleted,
    MessagesExpired,
    NetworkExpelled,
    Unbanned,
    Wired,
)

__all__ = [
    "EVERYBODY",
    "AccountChanged",
    "AccountMade",
    "AccountsRemoved",
    "Addressed",
    "Announced",
    "Answered",
    "Audited",
    "Banned",
    "BoardShown",
    "ChannelClosed",
    "ChannelEntered",
    "ChannelLeft",
    "ChannelMoved",
    "ChannelOpened",
    "ChannelsListed",
    "Effect",
    "Expelled",
    "Gone",
    "GuestNamed",
    "HandedOver",
    "HandingDue",
    "IdentityEnded",
    "Joined",
    "Kept",
    "LoggedIn",
    "LoggedOut",
    "LoginRefused",
    "MessageDeleted",
    "MessagesDeleted",
    "MessagesExpired",
    "NetworkExpelled",
    "Noticed",
    "Parted",
    "Place",
    "ReadingAllowed",
    "Refused",
    "Renamed",
    "Replied",
    "Said",
    "Sent",
    "StateSet",
    "StateTold",
    "TopicTold",
    "Unbanned",
    "UsersListed",
    "WaitingEnded",
    "Whispered",
    "Wired",
]


EVERYBODY = 1
"""The audience of all who have a name. An audience is one bit; those of the channels are greater."""


class Place(NamedTuple):
    """A channel: its name for people, its name on disk, and its two audiences.

    `keyed` has the members whose clients know the key `channel`; `prefixed` has the others.
    """

    name: str
    stored: str
    keyed: int
    prefixed: int


class Said(NamedTuple):
    """A message from the seat to everybody else, or to those in a channel, but not to the seats that ignore it.

    If the id is not `certain`, nobody is told it.
    """

    seat: int
    id: int
    certain: bool
    sender: str
    guest: bool
    content: str
    place: Place | None
    ignored_by: tuple[int, ...]


class Whispered(NamedTuple):
    """A message to one person, who has one or more seats."""

    receivers: tuple[Addressed, ...]
    id: int
    certain: bool
    sender: str
    guest: bool
    addressee: str
    content: str


class Kept(NamedTuple):
    """A message to an account that is away, which waits for so many seconds. The sender is told `text`, or
    `otherwise` if it could not be stored."""

    receiver: Addressed
    text: str
    otherwise: str
    id: int
    sender: str
    guest: bool
    addressee: str
    key: str
    content: str
    seconds: int


class HandingDue(NamedTuple):
    """The message with this id, which waits for the account with this key, is to be brought to the seat; without an
    id, all were sent."""

    key: str
    seat: int
    id: int | None


class HandedOver(NamedTuple):
    """A message that has waited, for one seat. `time` is in milliseconds since 1970, or a text that somebody has
    written there. If it is `repeated`, it may have been sent before."""

    receiver: Addressed
    id: int
    time: int | str
    sender: str
    guest: bool
    content: str
    repeated: bool


class WaitingEnded(NamedTuple):
    """The message with this id does not wait any longer."""

    id: int


class Noticed(NamedTuple):
    """A text from the server to one seat. If it is about an account, `otherwise` is said if that can't be stored."""

    receiver: Addressed
    text: str
    otherwise: str | None = None


class Announced(NamedTuple):
    """A text from the server to everybody, or to those in a channel."""

    text: str
    place: Place | None = None


class StateSet(NamedTuple):
    """The state of a person, told to everybody but that person's own seats."""

    name: str
    state: str
    own: tuple[int, ...]


class StateTold(NamedTuple):
    """The state of a person, told to one seat."""

    seat: int
    name: str
    state: str


class UsersListed(NamedTuple):
    """The answer to a request for the people who are here. `channel` is that of the request, if it named one."""

    seat: int
    kind: str
    channel: str | None
    names: tuple[str, ...]


class AccountMade(NamedTuple):
    """An account is to be stored. Its answer is an error if that fails."""

    seat: int
    key: str
    name: str
    password: str
    created: str
    role: str


class AccountChanged(NamedTuple):
    """An account has another role or password, which is to be stored."""

    key: str
    name: str
    password: str
    created: str
    role: str


class LoggedIn(NamedTuple):
    """The answer to a login to the account `name`; `alias` is the name as the client wrote it."""

    seat: int
    name: str
    alias: str


class LoginRefused(NamedTuple):
    """A client that may use the account is kept out, because that is banned."""

    seat: int
    name: str


class LoggedOut(NamedTuple):
    """The answer to a logout."""

    seat: int


class GuestNamed(NamedTuple):
    """A guest came in. `refused` is the name that it asked for and did not get."""

    seat: int
    name: str
    refused: str | None


class IdentityEnded(NamedTuple):
    """The client gave up its name, and stays connected."""

    seat: int
    name: str


class Renamed(NamedTuple):
    """A person who stays has another name."""

    seat: int
    old: str
    name: str


class Joined(NamedTuple):
    """From here on the seat gets what this audience gets."""

    seat: int
    audience: int = EVERYBODY


class Parted(NamedTuple):
    """From here on it does not."""

    seat: int
    audience: int = EVERYBODY


class ChannelMoved(NamedTuple):
    """A person has come into a channel (`join`) or left it (`leave`), told to the keyed members but the person's own
    seats."""

    place: Place
    kind: str
    name: str
    own: tuple[int, ...]


class ChannelEntered(NamedTuple):
    """The answer to a request to join."""

    seat: int
    name: str
    topic: str


class ChannelLeft(NamedTuple):
    """The answer to a request to leave."""

    seat: int
    name: str


class ChannelsListed(NamedTuple):
    """The answer to a request for the channels: the name, the topic, how many people are in it, and whether the client
    is one of them."""

    seat: int
    channels: tuple[tuple[str, str, int, bool], ...]


class TopicTold(NamedTuple):
    """The answer to a request about the topic of a channel."""

    seat: int
    name: str
    topic: str


class ReadingAllowed(NamedTuple):
    """The client may read the history: what was said to everybody, in a channel, or between two accounts.

    `since` is when the newer one of these was made, ISO 8601 in UTC. `ticket` is the number of the question. The client
    of a `teacher` is shown the numbers by which it may delete. It ignores the people with the keys in `unheard`.
    """

    seat: int
    ticket: int
    channel: Place | None = None
    accounts: tuple[str, str] | None = None
    since: str = ""
    teacher: bool = False
    unheard: tuple[str, ...] = ()


class Gone(NamedTuple):
    """The seat's connection has ended."""

    seat: int


class Replied(NamedTuple):
    """A line that the client's own thread has made."""

    seat: int
    line: bytes


class Refused(NamedTuple):
    """A request that can't be done. `ref` is the mark of a message whose sender wants to know what has become of it."""

    seat: int
    code: str
    text: str
    example: Mapping[str, Any] | None
    ref: str | None = None


class Sent(NamedTuple):
    """What has become of the message that the client has given the mark `ref`: whether it was sent to somebody, with
    which id, if that is certain, in which channel, and whether it waits for an account."""

    seat: int
    ref: str
    sent: bool
    id: int | None
    channel: str | None
    waits: bool


Effect = (
    Said | Whispered | Noticed | Announced | StateSet | StateTold | UsersListed | AccountMade | AccountChanged
    | LoggedIn | LoggedOut | GuestNamed | IdentityEnded | Renamed | Joined | Parted | Gone | Replied | Refused
    | Audited | Answered | Expelled | Banned | Unbanned | NetworkExpelled | MessageDeleted
    | ChannelMoved | ChannelEntered | ChannelLeft | ChannelsListed | TopicTold | ReadingAllowed
    | MessagesDeleted | AccountsRemoved | MessagesExpired | Kept | HandingDue | HandedOver | WaitingEnded
    | Sent | Wired | BoardShown | ChannelClosed | ChannelOpened | LoginRefused
)
