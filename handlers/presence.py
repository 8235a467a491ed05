"""status, ping, and who is here: users, who, list_users."""

from __future__ import annotations

from typing import Any

from classcord import names
from classcord.protocol import ProtocolError
from handlers.context import Context

__all__ = ["STATES", "list_users", "ping", "state_of", "status", "users", "who"]

STATES: dict[str, str] = {
    "online": "online", "available": "online", "disponible": "online", "en ligne": "online",
    "away": "away", "absent": "away",
    "dnd": "dnd", "do not disturb": "dnd", "indisponible": "dnd", "ne pas déranger": "dnd",
    "invisible": "invisible",
    "offline": "invisible",  # from somebody who is visibly connected
}
"""What clients call a state, by names.key, and what it is relayed as."""


def state_of(text: str) -> str | None:
    """The state that a client or a person means by `text`."""
    return STATES.get(names.find(text) or "")


def status(context: Context, message: dict[str, Any]) -> None:
    """Change one's state."""
    state = state_of(message["state"])
    if state is None:
        raise ProtocolError("invalid_field", "state must be online, away, dnd or invisible")
    context.post(context.room.set_state, message.get("user"), state)


def users(context: Context, message: dict[str, Any]) -> None:
    """List who is here; from a socket that has not logged in it means that a guest is here."""
    context.post(context.room.list_users)


def list_users(context: Context, message: dict[str, Any]) -> None:
    """The same, for the clients that want the answer under the name of their own request."""
    context.post(context.room.list_users, "list_users")


def who(context: Context, message: dict[str, Any]) -> None:
    """The same for the client that asks about a channel: it has a type of its own for private messages too."""
    channel = message.get("channel") or "global"
    if not channel.isprintable():
        raise ProtocolError("invalid_field", "channel has a character that no channel has")
    context.post(context.room.use_private_type)
    context.post(context.room.list_users, "who", channel)


def ping(context: Context, message: dict[str, Any]) -> None:
    """Answer at once; needs no name and gives none."""
    context.reply(b'{"type":"pong"}\n')
