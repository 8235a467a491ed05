"""Global and private messages."""

from __future__ import annotations

import re
from typing import Any

from classcord.chat.room import Room
from classcord.wire.protocol import ProtocolError, clean_content
from handlers import commands
from handlers.context import Context

__all__ = ["message", "private"]

_UNSEEN = re.compile("^[\\s\\u00ad\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]+")


def message(context: Context, message: dict[str, Any]) -> None:
    """A message to everybody, or to one person with subtype private."""
    subtype = message.get("subtype", "global")
    if subtype == "private":
        _whisper(context, message)
    elif subtype != "global":
        raise ProtocolError("invalid_field", "subtype must be global or private")
    else:
        content = _relayed(context, message)
        if content:
            context.post(Room.say, message.get("from"), content)


def private(context: Context, message: dict[str, Any]) -> None:
    """A message to one person, with the type `private`. From now on the client gets private messages of that type."""
    context.post(Room.use_private_type)
    _whisper(context, message)


def _whisper(context: Context, message: dict[str, Any]) -> None:
    to = message.get("to", "").strip()
    if not to:
        example = {"type": "message", "subtype": "private", "to": "bob", "content": "Salut"}
        raise ProtocolError("missing_field", "a private message needs the field to: the name of a person", example)
    content = _relayed(context, message)
    if content:
        context.post(Room.whisper, message.get("from"), to, content)


def _relayed(context: Context, message: dict[str, Any]) -> str:
    """The content to relay, or "" if it was for the server itself."""
    content = clean_content(message["content"])
    if content[:1].isalnum():  # as nearly always; the rest looks for commands
        return content
    typed = content.lstrip()
    if not typed[:1].isprintable():  # a zero-width space, pasted with the command
        typed = _UNSEEN.sub("", content)
    if typed.startswith("/"):
        if typed.startswith("//"):
            return typed[1:]
        context.post(Room.identify, message.get("from"))
        commands.run(context, typed)
        return ""
    if not content:
        context.post(Room.announce_guest, message.get("from"))
    return content
