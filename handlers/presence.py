"""status, ping, and the lists of people: users, who, list_users."""

from __future__ import annotations

from typing import Any

from classcord.chat.room import Room
from classcord.wire import names
from classcord.wire.protocol import ProtocolError
from handlers.context import Context

__all__ = ["STATES", "list_users", "ping", "state_of", "status", "users", "who"]

STATES: dict[str, str] = {
    "online": "online", "available": "online", "disponible": "online", "en ligne": "online",
    "away": "away", "absent": "away",
    "dnd": "dnd", "do not disturb": "dnd", "indisponible": "dnd", "ne pas déranger": "dnd",
    "invisible": "invisible",
    "offline": "invisible",  # a connected client can't be offline
}
"""The words of clients for a state, by names.key, and the state that the server relays."""


def state_of(text: str) -> str | None:
    """The state that a client or a person means by `text`."""
    return STATES.get(names.find(text) or "")


def status(context: Context, message: dict[str, Any]) -> None:
    """Change the client's state."""
    state = state_of(message["state"])
    if state is None:
        raise ProtocolError("invalid_field", "state must be online, away, dnd or invisible")
    context.post(Room.set_state, message.get("user"), state)


def users(context: Context, message: dict[str, Any]) -> None:
    """List the people who are here; a client that has not logged in becomes a guest."""
    context.post(Room.list_users)


def list_users(context: Context, message: dict[str, Any]) -> None:
    """The same, for the clients that expect the answer with the type of their request."""
    context.post(Room.list_users, "list_users")


def who(context: Context, message: dict[str, Any]) -> None:
    """The same, for the clients that ask about a channel. They also expect private messages with the type `private`."""
    channel = message.get("channel") or "global"
    if not channel.isprintable():
        raise ProtocolError("invalid_field", "channel has a character that is not allowed")
    context.post(Room.use_private_type)
    context.post(Room.list_users, "who", channel)


def ping(context: Context, message: dict[str, Any]) -> None:
    """Answer at once; the client needs no name, and gets none."""
    context.reply(b'{"type":"pong"}\n')
