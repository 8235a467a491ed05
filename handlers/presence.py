"""status, users, who, ping."""

from __future__ import annotations

from typing import Any

from classcord import names
from classcord.protocol import ProtocolError
from handlers.context import Context

__all__ = ["STATES", "ping", "state_of", "status", "users"]

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


def ping(context: Context, message: dict[str, Any]) -> None:
    """Answer at once; needs no name and gives none."""
    context.reply(b'{"type":"pong"}\n')
