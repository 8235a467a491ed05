"""All the state of a room as plain values, so that two rooms can be compared: no part of it can be forgotten."""

from __future__ import annotations

import itertools
from typing import Any

from classcord.chat.accounts import Accounts
from classcord.chat.people import Person, Seat
from classcord.net.link import Link
from classcord.wire.texts import Texts
from tests.unit.stubs import Crowd

__all__ = ["state_of"]


def state_of(crowd: Crowd) -> dict[str, Any]:
    """The state of a room: of all its parts, its accounts, and who is in which audience."""
    room = crowd.room
    seen: set[int] = set()
    new = _fields(Seat(0), seen)
    seats = {number: _fields(seat, seen) for number, seat in sorted(room._seats.items())}
    return {
        # a seat that has done nothing yet may be missing
        "seats": {number: fields for number, fields in seats.items() if {**fields, "number": 0} != new},
        "people": [(key, _fields(person, seen)) for key, person in room._present.items()],
        "room": _fields(room, seen, without=("_seats", "_present")),
        "audiences": _plain(crowd.audiences, seen),
        "last id": crowd.last_id,
    }


def _fields(thing: object, seen: set[int], without: tuple[str, ...] = ()) -> dict[str, Any]:
    slots = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    names = [*slots, *getattr(thing, "__dict__", {})]
    return {name: _plain(getattr(thing, name), seen) for name in names if name not in without and hasattr(thing, name)}


def _plain(value: object, seen: set[int]) -> Any:
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    if isinstance(value, Seat):
        return "seat", value.number
    if isinstance(value, Person):
        return "person", value.key
    if isinstance(value, Link):
        return "link", value.number
    if isinstance(value, Accounts):  # its other fields are for passwords, and one is random
        return _plain(value._by_key, seen)
    if isinstance(value, dict):
        return [(_plain(key, seen), _plain(each, seen)) for key, each in value.items()]
    if isinstance(value, tuple | list):
        return [_plain(each, seen) for each in value]
    if isinstance(value, set | frozenset):
        return sorted([_plain(each, seen) for each in value], key=repr)
    if isinstance(value, itertools.count):
        return repr(value)
    if callable(value) or isinstance(value, Texts):
        return "code"
    assert type(value).__module__.startswith(("classcord.", "tests.")), type(value)
    if id(value) in seen:  # several parts have it
        return type(value).__name__
    seen.add(id(value))
    return type(value).__name__, _fields(value, seen)
