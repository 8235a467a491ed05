"""Who may read which part of the history. Pure."""

from __future__ import annotations

from collections.abc import Callable

from classcord.chat.accounts import Account
from classcord.chat.effects import ReadingAllowed
from classcord.chat.people import Seat
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import shown

__all__ = ["reading_allowed"]

_MAX_SHOWN = 60
"""Characters of a name that an error repeats."""


def reading_allowed(
    seat: Seat, ticket: int, other: str | None, find: Callable[[str], Account | None]
) -> ReadingAllowed:
    """The answer to the question whether the client may read what was said to everybody, or between it and `other`.

    `find` looks for an account. Raises ProtocolError.
    """
    if other is None:
        return ReadingAllowed(seat.number, ticket, None, "")
    refusal = seat.refusal("account")
    if refusal is not None:
        raise refusal
    assert seat.person is not None
    own, found = find(seat.person.name), find(other)
    if own is None or found is None:
        raise ProtocolError("invalid_field", f"with: no account has the name {shown(other, _MAX_SHOWN)}")
    return ReadingAllowed(seat.number, ticket, (own.name, found.name), max(own.created, found.created))
