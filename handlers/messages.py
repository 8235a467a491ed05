"""Global and private messages."""

from __future__ import annotations

from typing import Any

from classcord.protocol import ProtocolError, clean_content
from handlers import commands
from handlers.context import Context

__all__ = ["message", "private"]


def message(context: Context, message: dict[str, Any]) -> None:
    """A message to everybody, or to one person with subtype private."""
    subtype = message.get("subtype", "global")
    if subtype == "private":
        private(context, message)
    elif subtype != "global":
        raise ProtocolError("invalid_field", "subtype must be global or private")
    else:
        content = _relayed(context, message)
        if content:
            context.post(context.room.say, message.get("from"), content)


def private(context: Context, message: dict[str, Any]) -> None:
    """A message to one person; one known client sends it as a type of its own."""
    to = (message.get("to") or "").strip()
    if not to:
        example = {"type": "message", "subtype": "private", "to": "bob", "content": "Salut"}
        raise ProtocolError("missing_field", "a private message needs the field to: the name of a person", example)
    if not to.isprintable():
        raise ProtocolError("invalid_name", "to has a character that no name has")
    content = _relayed(context, message)
    if content:
        context.post(context.room.whisper, message.get("from"), to, content)


def _relayed(context: Context, message: dict[str, Any]) -> str:
    """The content to relay, or nothing if it was for the server itself."""
    content = clean_content(message["content"])
    typed = content.lstrip()
    if typed.startswith("/"):
        if typed.startswith("//"):
            return typed[1:]
        context.post(context.room.identify, message.get("from"))
        commands.run(context, typed)
        return ""
    if not content:
        context.post(context.room.announce_guest, message.get("from"))
    return content
