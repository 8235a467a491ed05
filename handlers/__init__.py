"""The requests of clients: the table of request types, and the function that runs a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from classcord.wire.protocol import EXAMPLE, ProtocolError, encode
from handlers import accounts, messages, presence
from handlers.context import Context

__all__ = ["ALIASES", "REQUESTS", "Field", "Request", "dispatch"]

_MAX_FIELD = 1000
"""Characters in a field without a special limit."""
_MAX_CHANNEL = 100
"""Characters in the name of a channel; only the client that sent it gets it back."""


class Field(NamedTuple):
    """A field that must be a string. `most` is its greatest length in characters.

    `null` means not given, because some clients always send all their fields.
    """

    name: str
    required: bool = True
    most: int | None = _MAX_FIELD
    any_value: bool = False
    """The function checks the value itself, also null; only the presence of the field is checked before."""


class Request(NamedTuple):
    """A type of request: its function, its help, an example line, and its fields."""

    handle: Callable[[Context, dict[str, Any]], None]
    help: str
    example: dict[str, Any]
    fields: tuple[Field, ...] = ()


def _help(context: Context, message: dict[str, Any]) -> None:
    """One line that lists the types."""
    context.reply(HELP)


_CONTENT = Field("content", most=None)  # clean_content says more than "too long"

REQUESTS: dict[str, Request] = {
    "register": Request(
        accounts.register, "create an account; then log in",
        {"type": "register", "username": "alice", "password": "azerty"},
        (Field("username"), Field("password", most=None)),
    ),
    "login": Request(
        accounts.login, "log in to an account",
        {"type": "login", "username": "alice", "password": "azerty"},
        (Field("username"), Field("password", any_value=True)),
    ),
    "logout": Request(accounts.logout, "log out, stay connected", {"type": "logout"}),
    "message": Request(
        messages.message, "write to everybody, or to one person with subtype private",
        {"type": "message", "subtype": "global", "to": "global", "content": "Bonjour"},
        (_CONTENT, Field("subtype", required=False), Field("to", required=False)),
    ),
    "private": Request(
        messages.private, "write to one person", {"type": "private", "to": "bob", "content": "Salut"},
        (_CONTENT, Field("to")),
    ),
    "status": Request(
        presence.status, "change your state: online, away, dnd or invisible", {"type": "status", "state": "away"},
        (Field("state"),),
    ),
    "users": Request(presence.users, "list the people here; the first time, join as a guest", {"type": "users"}),
    "who": Request(
        presence.who, "list the people here, in an answer of type who", {"type": "who", "channel": "global"},
        (Field("channel", required=False, most=_MAX_CHANNEL),),
    ),
    "ping": Request(presence.ping, "see whether the server answers", {"type": "ping"}),
    "help": Request(_help, "this list", {"type": "help"}),
}
"""Every type of request. The room checks `from` and `user`, the fields in which a guest gives its name."""

ALIASES: dict[str, Request] = {
    "list_users": Request(presence.list_users, "users, in an answer of type list_users", {"type": "list_users"}),
    "connected_users": Request(presence.users, "users", {"type": "connected_users"}),
    "userlist": Request(presence.users, "users", {"type": "userlist"}),
    "change_username": Request(
        accounts.change_username, "give a guest its name", {"type": "change_username", "new_user": "zoe"},
        (Field("new_user"),),
    ),
    "disconnect": Request(accounts.disconnect, "logout without an answer", {"type": "disconnect"}),
}
"""Other words for the same requests, which some clients send. `help` leaves them out: new clients don't need them."""

HELP = encode(
    {"type": "help", "types": [{"type": name, "help": r.help, "example": r.example} for name, r in REQUESTS.items()]}
)


def dispatch(context: Context, message: dict[str, Any]) -> None:
    """Check a decoded line against the tables and run it. Raises ProtocolError."""
    kind = message.get("type")
    request = (REQUESTS.get(kind) or ALIASES.get(kind)) if isinstance(kind, str) else None
    if request is None:
        raise _unknown_type(message)
    if None in message.values():
        kept = {field.name for field in request.fields if field.any_value}
        message = {name: value for name, value in message.items() if value is not None or name in kept}
    for name, required, most, any_value in request.fields:
        if name not in message:
            if required:
                raise ProtocolError("missing_field", f"{kind} needs the field {name}", request.example)
        elif not any_value:
            value = message[name]
            if not isinstance(value, str):
                raise ProtocolError("invalid_field", f"{name} must be a string", request.example)
            if most is not None and len(value) > most:
                raise ProtocolError("invalid_field", f"{name} has more than {most} characters")
    request.handle(context, message)


def _unknown_type(message: dict[str, Any]) -> ProtocolError:
    if message.get("type") is None:
        text = "the field type is missing"
    elif not isinstance(message["type"], str):
        text = "the field type must be a string"
    else:
        text = f"unknown type {message['type'][:32]!a}"
    return ProtocolError("unknown_type", f"{text}; the known types are {', '.join(REQUESTS)}", EXAMPLE)
