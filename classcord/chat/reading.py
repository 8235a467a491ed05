"""Who may read which part of the history. Pure."""

from __future__ import annotations

from collections.abc import Callable

from classcord.chat.accounts import Account
from classcord.chat.channels import Channels
from classcord.chat.effects import ReadingAllowed
from classcord.chat.people import Seat
from classcord.wire.channel_names import ChannelName
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import ENGLISH, shown

__all__ = ["channel_allowed", "exchange_allowed"]

_MAX_SHOWN = 60
"""Characters of a name that an error repeats."""


def channel_allowed(seat: Seat, ticket: int, name: ChannelName | None, channels: Channels) -> ReadingAllowed:
    """The answer to the question whether the client may read what was said in a channel. Raises ProtocolError.

    Without a name it is the channel that the client writes to.
    """
    if name is None:
        return ReadingAllowed(seat.number, ticket, seat.current)
    channel = channels.find(name.key)
    if channel is None:
        raise ProtocolError("no_channel", ENGLISH("channel_unknown", channel=name.shown))
    if channel.closed and (seat.person is None or not seat.person.teacher):
        raise ProtocolError("not_allowed", ENGLISH("channel_closed", channel=name.shown))
    return ReadingAllowed(seat.number, ticket, None if channel is channels.everybody else channel.place)


def exchange_allowed(seat: Seat, ticket: int, other: str, find: Callable[[str], Account | None]) -> ReadingAllowed:
    """The answer to the question whether the client may read what it and `other` have said in private.

    `find` looks for an account. Raises ProtocolError.
    """
    refusal = seat.refusal("account")
    if refusal is not None:
        raise refusal
    assert seat.person is not None
    own, found = find(seat.person.name), find(other)
    if own is None or found is None:
        raise ProtocolError("invalid_field", f"with: no account has the name {shown(other, _MAX_SHOWN)}")
    accounts, since = (own.name, found.name), max(own.created, found.created)
    return ReadingAllowed(seat.number, ticket, None, accounts, since)
