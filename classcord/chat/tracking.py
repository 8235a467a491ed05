"""What has become of a message whose sender has asked that: the room's part that tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from classcord.chat.effects import Effect, Kept, Refused, Said, Sent, Whispered
from classcord.chat.people import Seat
from classcord.wire.protocol import ProtocolError

__all__ = ["OPERATIONS", "Tracking"]

OPERATIONS = ("track", "tell_not_sent")
"""The methods that an item with a seat may name."""


class Tracking:
    """For the holder of the flush lock, like all of the room. `effects` and `operations` are the room's own.

    A message that nobody asks about never comes here.
    """

    def __init__(self, effects: list[Effect], operations: Mapping[str, Callable[..., object]]) -> None:
        self._effects = effects
        self._emit = effects.append
        self._operations = operations

    def track(self, seat: Seat, ref: str, parts: tuple[tuple[str, tuple[Any, ...]], ...], /) -> None:
        """Carry out the operations of one message, then tell its sender what has become of it."""
        try:
            for operation, arguments in parts:
                self._operations[operation](seat, *arguments)
        except ProtocolError as error:
            self._emit(Refused(seat.number, error.code, error.text, error.example, ref))
            return
        # the room's effects are those of this item alone
        sent = next((each for each in self._effects if isinstance(each, Said | Whispered | Kept)), None)
        if sent is None:
            self.tell_not_sent(seat, ref)
            return
        id = sent.id if isinstance(sent, Kept) or sent.certain else None
        channel = sent.place.name if isinstance(sent, Said) and sent.place is not None else None
        self._emit(Sent(seat.number, ref, True, id, channel, isinstance(sent, Kept)))

    def tell_not_sent(self, seat: Seat, ref: str, /) -> None:
        """Nobody gets it: it was a command, or it only announced a guest, or nobody has this name."""
        self._emit(Sent(seat.number, ref, False, None, None, False))
