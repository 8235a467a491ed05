"""Channels: join, leave, channels, topic; /join, /quitter, /canaux, /sujet."""

from __future__ import annotations

from typing import Any

from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.room import Room
from classcord.wire import channel_names
from classcord.wire.channel_names import ChannelName
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import ENGLISH, shown
from handlers.context import Context
from handlers.request import PUNCTUATION, Misused

__all__ = [
    "channels", "join", "leave", "named", "topic", "typed_channels", "typed_join", "typed_leave", "typed_topic",
    "typed_users",
]

_MAX_TOPIC = 200
"""Characters in a topic: it stands in one line with others."""
_QUOTES = "\"'“”«»"
_MAX_SHOWN = 40
"""Characters of a wrong name that an answer repeats."""


def named(channel: str) -> ChannelName:
    """The name that the field `channel` stands for. Raises ProtocolError."""
    name = channel_names.find(channel)
    if name is None:
        raise ProtocolError(
            "invalid_name", ENGLISH("channel_name", channel=shown(channel, _MAX_SHOWN)),
            {"type": "join", "channel": "#dev"},
        )
    return name


def join(context: Context, message: dict[str, Any]) -> None:
    """Join a channel; a new one is made if that is allowed."""
    context.post(ChannelOperations.join_channel, *named(message["channel"]))


def leave(context: Context, message: dict[str, Any]) -> None:
    """Leave a channel."""
    context.post(ChannelOperations.leave_channel, *named(message["channel"]))


def channels(context: Context, message: dict[str, Any]) -> None:
    """List the channels. It makes nobody a guest."""
    context.post(ChannelOperations.list_channels)


def topic(context: Context, message: dict[str, Any]) -> None:
    """Tell the topic of a channel, or set it."""
    name, topic = named(message["channel"]), message.get("topic")
    context.post(ChannelOperations.topic, *name, None if topic is None else _topic(context, topic))


def _topic(context: Context, text: str) -> str:
    text = " ".join(text.split())
    if len(text) > _MAX_TOPIC or not text.isprintable():
        raise ProtocolError("invalid_field", f"a topic is one line of at most {_MAX_TOPIC} characters")
    if context.limiter is not None:
        context.limiter.content(text)
    return text


# --- typed ---


def _typed_name(context: Context, text: str) -> ChannelName | None:
    """The name that somebody typed, also in quotes; None if it can't be one, and then the person is told."""
    if len(text.split()) > 1:
        raise Misused
    bare = text.rstrip(PUNCTUATION).strip(_QUOTES).lstrip("#\uff03")
    name = channel_names.find(f"#{bare}")
    if name is None:
        context.post(Room.notice, context.texts("channel_name", channel=shown(text, _MAX_SHOWN)))
    return name


def typed_join(context: Context, rest: str) -> None:
    """`/join #dev`."""
    if not rest:
        raise Misused
    name = _typed_name(context, rest)
    if name is not None:
        context.post(ChannelOperations.type_join, *name)


def typed_leave(context: Context, rest: str) -> None:
    """`/quitter`, or `/quitter #dev`."""
    name = _typed_name(context, rest) if rest else context.place
    if name is not None:
        context.post(ChannelOperations.type_leave, *name)


def typed_channels(context: Context, rest: str) -> None:
    """`/canaux`."""
    context.post(ChannelOperations.type_channels)


def typed_topic(context: Context, rest: str) -> None:
    """`/sujet`, `/sujet #dev`, `/sujet TEXTE` or `/sujet #dev TEXTE`."""
    channel, text = "", rest
    if rest.startswith(("#", "\uff03")):
        channel, text = [*rest.split(None, 1), ""][:2]
    name = _typed_name(context, channel) if channel else context.place
    if name is not None:
        try:
            context.post(ChannelOperations.type_topic, *name, _topic(context, text) if text else None)
        except ProtocolError:
            raise Misused from None


def typed_users(context: Context, rest: str) -> None:
    """`/qui`: who is in the channel that the client writes to; `/qui #dev`: who is in this one."""
    name = _typed_name(context, rest) if rest else context.place
    if name is not None:
        context.post(ChannelOperations.tell_who, *name)
