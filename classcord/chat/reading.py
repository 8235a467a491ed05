"""Who may read which part of the history: the room's part that answers such questions."""

from __future__ import annotations

from collections.abc import Callable

from classcord.chat.channels import Channels
from classcord.chat.effects import Effect, ReadingAllowed
from classcord.chat.ignoring import Ignoring
from classcord.chat.people import Seat
from classcord.chat.registrations import Registrations
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import ENGLISH, shown

__all__ = ["OPERATIONS", "Reading"]

OPERATIONS = ("allow_reading", "allow_exchange")
"""The methods that an item with a seat may name."""


class Reading:
    """For the holder of the flush lock, like all of the room. The answer has the number `ticket` of the question."""

    def __init__(
        self, channels: Channels, registrations: Registrations, ignoring: Ignoring, emit: Callable[[Effect], None]
    ) -> None:
        self._channels = channels
        self._registrations = registrations
        self._ignoring = ignoring
        self._emit = emit

    def allow_reading(self, seat: Seat, ticket: int, key: str, name: str, /) -> None:
        """Say whether the client may read what was said in a channel; without a key, in the one that it writes to."""
        teacher, unheard = seat.person is not None and seat.person.teacher, self._ignoring.unheard(seat)
        if not key:
            self._emit(ReadingAllowed(seat.number, ticket, seat.current, teacher=teacher, unheard=unheard))
            return
        channel = self._channels.find(key)
        if channel is None:
            raise ProtocolError("no_channel", ENGLISH("channel_unknown", channel=name))
        if channel.closed and not teacher:
            raise ProtocolError("not_allowed", ENGLISH("channel_closed", channel=name))
        everybody = channel is self._channels.everybody
        place = None if everybody else channel.place
        self._emit(ReadingAllowed(seat.number, ticket, place, teacher=teacher, unheard=unheard))

    def allow_exchange(self, seat: Seat, ticket: int, other: str, /) -> None:
        """Say whether it may read what its account and the `other` one have said in private."""
        refusal = seat.refusal("account")
        if refusal is not None:
            raise refusal
        assert seat.person is not None
        own, found = self._registrations.find(seat.person.name), self._registrations.find(other)
        if own is None or found is None:
            raise ProtocolError("invalid_field", f"with: no account has the name {shown(other)}")
        accounts, since = (own.name, found.name), max(own.created, found.created)
        self._emit(ReadingAllowed(seat.number, ticket, None, accounts, since))
