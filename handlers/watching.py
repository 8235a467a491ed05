"""What people watch: the lines of other connections, and the board of the teachers: the types wire and board.

The room sees to their rights, and ends a watch when they go: chat/watchers.py.
"""

from __future__ import annotations

from typing import Any

from classcord.chat.watchers import Watchers
from classcord.wire.protocol import ProtocolError
from handlers.context import Context
from handlers.request import Field, Request

__all__ = ["ROWS"]


def _on(message: dict[str, Any]) -> bool:
    if message["state"] not in ("on", "off"):
        raise ProtocolError("invalid_field", "state must be on or off")
    return bool(message["state"] == "on")


def _wire(context: Context, message: dict[str, Any]) -> None:
    """Begin or end to watch the lines of one's own other connections, or of somebody's."""
    context.post(Watchers.wire, _on(message), message.get("user", ""))


def _board(context: Context, message: dict[str, Any]) -> None:
    """Open or close the board."""
    context.post(Watchers.board, _on(message))


ROWS = (
    Request(
        "wire", _wire, "see the lines of your other connections as they pass; teachers: those of a user",
        {"type": "wire", "state": "on"}, (Field("state"), Field("user", required=False)), who="account",
    ),
    Request(
        "board", _board, "teachers: see once a second who is here, and how the server does",
        {"type": "board", "state": "on"}, (Field("state"),), who="teacher",
    ),
)
"""The rows of handlers/table.py for those who watch."""
