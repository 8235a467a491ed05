"""Every line of the chat, made of the effects. Pure; any thread may call it.

A template is several times as fast as json.dumps. A content is encoded once for all its receivers.
"""

from __future__ import annotations

import functools
from time import gmtime, strftime

from classcord.chat.effects import (
    Addressed,
    Announced,
    ChannelMoved,
    ChannelsListed,
    HandedOver,
    NetworkExpelled,
    Refused,
    Said,
    Sent,
    UsersListed,
    Whispered,
)
from classcord.data.history import Past
from classcord.wire.protocol import ProtocolError, encode, quote
from classcord.wire.texts import SERVER_NAME

__all__ = [
    "LOGGED_OUT", "NOT_STORED", "REGISTERED", "announced", "announced_in", "banned", "channels", "entered",
    "handed_over", "left", "logged_in", "moved", "noticed", "past", "refused", "said", "said_in", "sent", "status",
    "timestamp", "topic", "users", "whispered",
]

LOGGED_OUT = b'{"type":"logout","status":"ok"}\n'
REGISTERED = b'{"type":"register","status":"ok"}\n'
NOT_STORED = ProtocolError("unavailable", "The server can't store an account for now; try again later.").line()
_SERVER = quote(SERVER_NAME)
_quoted = functools.lru_cache(4096)(quote)
"""For names, which come again and again."""


_second: tuple[int, str] = (0, "")  # the last second asked for, and its text


def timestamp(milliseconds: int) -> str:
    """A time since 1970 as ISO 8601 in UTC, with milliseconds."""
    global _second
    second, text = _second
    if second != milliseconds // 1000:
        second = milliseconds // 1000
        text = strftime("%Y-%m-%dT%H:%M:%S", gmtime(second))
        _second = (second, text)
    return f"{text}.{milliseconds % 1000:03d}Z"


def _message(
    subtype: str, sender: str, recipient: str, content: str, time: str, id: int | None = None, guest: bool = False,
    kind: str = "message",
) -> bytes:
    """A message. `sender`, `recipient` and `content` are JSON strings already; `kind` is the line's type."""
    more = (f',"id":{id}' if id is not None else "") + (',"guest":true' if guest else "")
    return (
        f'{{"type":"{kind}","subtype":"{subtype}","from":{sender},"to":{recipient},"content":{content},'
        f'"timestamp":"{time}"{more}}}\n'
    ).encode("ascii")


def _private(receiver: Addressed, sender: str, content: str, time: str, id: int | None, guest: bool) -> bytes:
    kind = "private" if receiver.private_type else "message"
    return _message("private", sender, _quoted(receiver.alias), content, time, id, guest, kind)


@functools.lru_cache(4096)
def _start(sender: str) -> str:
    """The part of a message to everybody that is the same each time. It has the form that `_message` makes."""
    return f'{{"type":"message","subtype":"global","from":{quote(sender)},"to":"global","content":'


def said(effect: Said, time: str) -> bytes:
    """A message to everybody."""
    _, id, certain, sender, guest, content, _, _ = effect
    more = (f',"id":{id}' if certain else "") + (',"guest":true' if guest else "")
    return f'{_start(sender)}{quote(content)},"timestamp":"{time}"{more}}}\n'.encode("ascii")


def said_in(effect: Said, channel: str, time: str, *, keyed: bool) -> bytes:
    """A message in a channel: with the key `channel`, or with a prefix for clients that do not know the key."""
    _, id, certain, sender, guest, content, _, _ = effect
    more = (f',"id":{id}' if certain else "") + (',"guest":true' if guest else "")
    return _in_channel(sender, content, channel, time, more, keyed)


def _in_channel(sender: str, content: str, channel: str, time: str, more: str, keyed: bool) -> bytes:
    if not keyed:
        return f'{_start(sender)}{quote(f"[{channel}] {content}")},"timestamp":"{time}"{more}}}\n'.encode("ascii")
    name = _quoted(channel)
    return f'{_start(sender)}{quote(content)},"timestamp":"{time}"{more},"channel":{name}}}\n'.encode("ascii")


def whispered(effect: Whispered, time: str) -> list[bytes]:
    """A private message: the line for each receiver, in the form that its client shows."""
    sender, content = _quoted(effect.sender), quote(effect.content)
    id = effect.id if effect.certain else None
    return [_private(receiver, sender, content, time, id, effect.guest) for receiver in effect.receivers]


def handed_over(effect: HandedOver) -> bytes:
    """A private message that has waited."""
    receiver, id, time, sender, guest, content, repeated = effect
    shown = timestamp(time) if isinstance(time, int) else time
    line = _private(receiver, _quoted(sender), quote(content), quote(shown)[1:-1], id, guest)
    return line[:-2] + b',"offline":true' + (b',"repeated":true' if repeated else b"") + b"}\n"


def noticed(receiver: Addressed, text: str, time: str) -> bytes:
    """A text from the server to one person."""
    return _private(receiver, _SERVER, quote(text), time, None, False)


def announced(effect: Announced, time: str) -> bytes:
    """A text from the server to everybody."""
    return _message("global", _SERVER, '"global"', quote(effect.text), time)


def past(row: Past, channel: str | None = None) -> bytes:
    """A stored message, as an answer to a request for the history of everybody, a channel or an exchange."""
    time = timestamp(row.time) if isinstance(row.time, int) else str(row.time)
    subtype, to = ("global", "global") if row.recipient is None else ("private", row.recipient)
    return encode({
        "type": "message", "subtype": subtype, "from": row.sender, "to": to, "content": row.content, "timestamp": time,
        "id": row.id, **({"guest": True} if row.guest else {}), **({"channel": channel} if channel else {}),
        "history": True,
    })


def announced_in(effect: Announced, channel: str, time: str, *, keyed: bool) -> bytes:
    """The same to those in a channel."""
    return _in_channel(SERVER_NAME, effect.text, channel, time, "", keyed)


def status(name: str, state: str) -> bytes:
    """The state of a person."""
    return f'{{"type":"status","user":{_quoted(name)},"state":"{state}"}}\n'.encode("ascii")


@functools.lru_cache(16)
def _users(kind: str, channel: str | None, names: tuple[str, ...]) -> bytes:
    asked = {} if channel is None else {"channel": channel}
    return encode({"type": kind, **asked, "users": names})


def users(effect: UsersListed) -> bytes:
    """The people who are here. In a big room many ask for the same list."""
    return _users(effect.kind, effect.channel, effect.names)


def logged_in(alias: str) -> bytes:
    """The answer to a login."""
    return encode({"type": "login", "status": "ok", "username": alias})


def moved(effect: ChannelMoved) -> bytes:
    """Somebody has come into a channel, or left it."""
    return encode({"type": effect.kind, "channel": effect.place.name, "user": effect.name})


def entered(channel: str, topic: str) -> bytes:
    """The answer to a request to join a channel."""
    return encode({"type": "join", "status": "ok", "channel": channel, "topic": topic})


def left(channel: str) -> bytes:
    """The answer to a request to leave a channel."""
    return encode({"type": "leave", "status": "ok", "channel": channel})


def channels(effect: ChannelsListed) -> bytes:
    """The channels."""
    return encode({"type": "channels", "channels": [
        {"name": name, "topic": topic, "members": count, "joined": joined}
        for name, topic, count, joined in effect.channels
    ]})


def topic(channel: str, topic: str) -> bytes:
    """The topic of a channel."""
    return encode({"type": "topic", "channel": channel, "topic": topic})


def banned(effect: NetworkExpelled) -> bytes:
    """The end of a connection from a network that may not come in."""
    return ProtocolError("banned", effect.refusal).line()


def refused(effect: Refused) -> bytes:
    """The answer to a request that can't be done."""
    details = {"ref": effect.ref} if effect.ref is not None else None
    return ProtocolError(effect.code, effect.text, effect.example, details).line()


def sent(effect: Sent, time: str) -> bytes:
    """What has become of a message, told to its sender."""
    more = {"timestamp": time} if effect.sent else {}
    channel = {"channel": effect.channel} if effect.channel is not None else {}
    return encode({"type": "sent", "ref": effect.ref, "id": effect.id, **more, **channel})
