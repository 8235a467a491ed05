"""How an item is made: from a method and its arguments, so that mypy compares the two.

Only here are items put together; tests/unit/test_typed_seam.py looks for others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.ignoring import Ignoring
from classcord.chat.moderation import Moderation
from classcord.chat.office import Office
from classcord.chat.passwords import Passwords
from classcord.chat.people import Seat
from classcord.chat.reading import Reading
from classcord.chat.room import Item, Room
from classcord.chat.tracking import Tracking
from classcord.chat.waiting import Waiting
from classcord.chat.watchers import Watchers
from classcord.delivery.batch import Batch

__all__ = ["item", "of_seat"]

_Part = TypeVar("_Part", Room, ChannelOperations, Ignoring, Tracking, Watchers, Office, Reading, Passwords)
_Without = TypeVar("_Without", Moderation, Office, Waiting, Batch)
_Arguments = ParamSpec("_Arguments")


def of_seat(
    number: int, operation: Callable[Concatenate[_Part, Seat, _Arguments], object], *arguments: _Arguments.args,
    **named: _Arguments.kwargs,
) -> Item:
    """The item of a seat: a method of the room or one of its parts. None of the arguments has a name here."""
    return operation.__name__, number, arguments


def item(
    operation: Callable[Concatenate[_Without, _Arguments], object], *arguments: _Arguments.args,
    **named: _Arguments.kwargs,
) -> Item:
    """The item of the server itself: a method of a part of the room, of Batch, or one that is given the batch.

    None of the arguments has a name here.
    """
    return operation.__name__, None, arguments
