"""Global and private messages, /mp and /moi; and whose messages one does not want: /ignorer."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.ignoring import Ignoring
from classcord.chat.room import Room
from classcord.wire import names
from classcord.wire.protocol import ProtocolError, clean_content
from handlers.channels import named
from handlers.context import NOWHERE, Context
from handlers.request import PUNCTUATION, Command, Misused

__all__ = ["ACTION", "action", "ignore", "message", "private", "typed_ignore", "typed_private"]

ACTION = {"fr": ("moi",), "en": ("me",)}
"""The words of an action: `/moi danse`."""
_ACTION = frozenset([word for words in ACTION.values() for word in words])

_UNSEEN = re.compile("^[\\s\\u00ad\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]+")
_QUOTED = re.compile(r'["“«]([^"”»]+)["”»]\s+(\S.*)', re.DOTALL)


def message(context: Context, line: dict[str, Any]) -> None:
    """A message to everybody or to a channel, or to one person with subtype private."""
    if "ref" in line:
        _track(context, message, line)
        return
    subtype = line.get("subtype", "global")
    if subtype == "global":
        content = clean_content(line["content"])
        if "channel" in line:
            _say_in(context, line, content)
        elif (to := line.get("to")) and to[0] == "#":  # else it would go to everybody
            _say_in(context, {**line, "channel": to}, content)
        elif content[:1].isalnum() or (content := _relayed(context, line, content)):  # nearly always the first
            if context.limiter is not None:
                context.limiter.content(content, line.get("from"))
            context.post(Room.say, line.get("from"), content)
    elif subtype == "private":
        if "channel" in line:
            context.post(ChannelOperations.speak_key)
        _whisper(context, line)
    else:
        raise ProtocolError("invalid_field", "subtype must be global or private")


def _track(context: Context, run: Callable[[Context, dict[str, Any]], None], line: dict[str, Any]) -> None:
    """Run a message that has a `ref`: its sender is told what has become of it."""
    context.track(line["ref"], run, {name: value for name, value in line.items() if name != "ref"})


def _say_in(context: Context, message: dict[str, Any], content: str) -> None:
    name = named(message["channel"])
    if not content[:1].isalnum():
        context.post(ChannelOperations.speak_key)  # before a command is run
        context.place = name
        content = _relayed(context, message, content)
        context.place = NOWHERE
    if content:
        if context.limiter is not None:
            # as if everybody received it: how many do is known only when its turn comes
            context.limiter.content(name.shown + content, message.get("from"))
        context.post(ChannelOperations.say_in, message.get("from"), *name, content)


def private(context: Context, message: dict[str, Any]) -> None:
    """A message to one person, with the type `private`. From now on the client gets private messages of that type."""
    if "ref" in message:
        _track(context, private, message)
        return
    context.post(ChannelOperations.use_private_type)
    _whisper(context, message)


def typed_private(context: Context, rest: str) -> None:
    """The same, typed: `/mp bob Salut`."""
    found = _QUOTED.fullmatch(rest)
    name, text = found.groups() if found else names.first(rest)
    name = name.strip()
    if not name or not text or not name.isprintable() or len(name) > 2 * names.MAX_NAME:
        raise Misused
    if context.limiter is not None:
        context.limiter.content(text)
    context.post(Room.only, "anybody", True, (context.part(Room.whisper, None, name, text),))


def action(context: Context, rest: str) -> None:
    """`/moi` without a text. With one it is relayed where it was written, like any content: see _relayed."""
    raise Misused


def ignore(context: Context, message: dict[str, Any]) -> None:
    """Begin or end to ignore a person; the answer lists who is ignored."""
    context.post(Ignoring.ignore, False, message.get("user", ""))


def typed_ignore(context: Context, rest: str) -> None:
    """The same, typed: `/ignorer bob`, also with quotes."""
    name = rest.strip('"“”«» ')
    if not name.isprintable() or len(name) > 2 * names.MAX_NAME:
        raise Misused
    context.post(Ignoring.ignore, True, name)


def _whisper(context: Context, message: dict[str, Any]) -> None:
    to = message.get("to", "").strip()
    if not to:
        example = {"type": "message", "subtype": "private", "to": "bob", "content": "Salut"}
        raise ProtocolError("missing_field", "a private message needs the field to: the name of a person", example)
    content = _relayed(context, message, clean_content(message["content"]))
    if content:
        _whispered(context, message.get("from"), to, content)


def _whispered(context: Context, wanted: object, to: str, content: str) -> None:
    if context.limiter is not None:
        context.limiter.content(content, wanted)
    context.post(Room.whisper, wanted, to, content)


def _relayed(context: Context, message: dict[str, Any], content: str) -> str:
    """The content to relay, or "" if it only announces a guest. Raises Command."""
    typed = content.lstrip()
    if not typed[:1].isprintable():  # a zero-width space, pasted with the command
        typed = _UNSEEN.sub("", content)
    if typed.startswith("/"):
        if typed.startswith("//"):
            return typed[1:]
        word, *rest = typed[1:].split(None, 1) or [""]
        if rest and word.rstrip(PUNCTUATION).lower() in _ACTION:
            return f"* {rest[0]}"
        context.announces("coming", message.get("from"))
        context.post(Room.identify, message.get("from"))
        raise Command(typed)
    if not content:
        context.announces("coming", message.get("from"))
        context.post(Room.announce_guest, message.get("from"))
    return content
