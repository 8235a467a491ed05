"""The requests of clients: from a decoded line to the function that the table names for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from classcord.chat.tracking import Tracking
from classcord.wire.mask import without
from classcord.wire.protocol import EXAMPLE, ProtocolError
from handlers import commands
from handlers.context import Context
from handlers.request import MAX_REF, Announces, Command, Field, Request
from handlers.table import HELP, LISTED, TYPES

__all__ = ["HELP", "dispatch"]

_ANY_LENGTH = 1 << 62
"""Longer than any text."""
_ABSENT = "x"
"""A text of a length that every field may have."""
_DIGITS = 18
"""Of a number: SQLite and Java's long have 19."""
_NAMES = ("username", "new_user")
"""Fields of a name."""


class _Route(NamedTuple):
    """What `dispatch` needs of a request, made once."""

    handle: Callable[[Context, dict[str, Any]], None]
    quick: tuple[tuple[str, str | None, int, int], ...]
    """Each field: its name, its value if it is not given, the least and greatest length that need no closer look."""
    cost: int
    announces: Announces
    request: Request
    kept: frozenset[str]
    """The fields whose null counts as a value."""
    lists: bool
    names: str
    """The field with the name that the client gives for itself, if others are told of it."""


def _may_be_dropped(field: Field) -> bool:
    """Whether the empty text counts as not given."""
    return not (field.required or field.may_be_empty or field.any_value)


def _route(request: Request) -> _Route:
    who, handle = request.who, request.handle
    assert handle is not None
    quick = tuple([
        (
            field.name, None if field.required else _ABSENT, _may_be_dropped(field),
            -1 if field.number else _ANY_LENGTH if field.most is None else field.most,
        )
        for field in request.fields
    ])
    kept = frozenset([field.name for field in request.fields if field.any_value])
    run = handle if who == "anybody" else lambda context, message: context.only(who, handle, message)
    named = next((field.name for field in request.fields if field.name in _NAMES), "user")
    return _Route(run, quick, request.cost, request.announces, request, kept, request.lists, named)


_ROUTES = {kind: _route(request) for kind, request in TYPES.items()}
_KNOWN = ", ".join(LISTED)


def dispatch(context: Context, message: dict[str, Any]) -> int:
    """Check a decoded line against the table and run it. Returns its cost. Raises ProtocolError, which also has it."""
    kind = message.get("type")
    if not isinstance(kind, str) or (route := _ROUTES.get(kind)) is None:
        raise _unknown_type(message)
    handle, quick, cost, announces, request, kept, lists, named = route
    for name, absent, least, most in quick:
        value = message.get(name, absent)
        if not isinstance(value, str) or not least <= len(value) <= most:
            message = _checked(kind, request, kept, message)
            break
    if lists:
        context.lists()
    if announces != "nothing":
        context.announces(announces, message.get(named), message.get("channel"))
    try:
        handle(context, message)
    except Command as command:
        try:
            cost = commands.run(context, command.text)
        except ProtocolError as error:
            raise _referred(error, request, message) from None
        if "ref" in message:
            context.post(Tracking.tell_not_sent, message["ref"])
    except ProtocolError as error:
        error.cost = cost  # a wrong password takes as much work as the right one
        raise _referred(error, request, message) from None
    return cost


def _checked(kind: str, request: Request, kept: frozenset[str], message: dict[str, Any]) -> dict[str, Any]:
    """The message without what counts as not given. Raises ProtocolError if a field is missing or wrong."""
    try:
        return _given(kind, request, kept, message)
    except ProtocolError as error:
        raise _referred(error, request, message) from None


def _given(kind: str, request: Request, kept: frozenset[str], message: dict[str, Any]) -> dict[str, Any]:
    message = {name: value for name, value in message.items() if value is not None or name in kept}
    for field in request.fields:
        name, required, most, number, any_value, _ = field
        if message.get(name) == "" and _may_be_dropped(field):
            del message[name]
        if name not in message:
            if required:
                raise ProtocolError("missing_field", f"{kind} needs the field {name}", request.example)
        elif number:
            message[name] = _whole(message[name], name, request)
        elif not any_value:
            value = message[name]
            if not isinstance(value, str):
                raise ProtocolError("invalid_field", f"{name} must be a string", request.example)
            if most is not None and len(value) > most:
                raise ProtocolError("invalid_field", f"{name} has more than {most} characters")
    return message


def _whole(value: object, name: str, request: Request) -> str:
    """A whole number as digits."""
    small = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**_DIGITS
    digits = str(value) if small or isinstance(value, str) else ""
    if not digits.isascii() or not digits.isdecimal() or len(digits) > _DIGITS:
        raise ProtocolError("invalid_field", f"{name} must be a whole number, 0 or more", request.example)
    return digits


def _referred(error: ProtocolError, request: Request, message: dict[str, Any]) -> ProtocolError:
    """The error with the mark of the message that it refuses, if that has one."""
    ref = message.get("ref")
    if isinstance(ref, str) and 0 < len(ref) <= MAX_REF and any(field.name == "ref" for field in request.fields):
        error.details = {**error.details, "ref": ref}
    return error


def _unknown_type(message: dict[str, Any]) -> ProtocolError:
    if message.get("type") is None:
        text = "the field type is missing"
    elif not isinstance(message["type"], str):
        text = "the field type must be a string"
    else:
        text = f"unknown type {without(message['type'][:32])!a}"
    return ProtocolError("unknown_type", f"{text}; the known types are {_KNOWN}", EXAMPLE)
