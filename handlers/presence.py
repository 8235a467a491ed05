"""status, ping, and the lists of people: users, who, list_users; /etat, /absent and their like."""

from __future__ import annotations

from typing import Any, Literal

from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.room import Room
from classcord.wire import channel_names, names
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import shown
from handlers.context import Context
from handlers.request import PUNCTUATION, Misused, Request, Typed

__all__ = ["ROWS", "STATES", "list_users", "ping", "state_of", "status", "typed_status", "users", "who"]

STATES: dict[str, str] = {
    "online": "online", "available": "online", "disponible": "online", "en ligne": "online",
    "away": "away", "absent": "away",
    "dnd": "dnd", "do not disturb": "dnd", "indisponible": "dnd", "ne pas déranger": "dnd",
    "invisible": "invisible",
    "offline": "invisible",  # a connected client can't be offline
}
"""The words of clients for a state, by names.key, and the state that the server relays."""
_MAX_SHOWN = 20
"""Characters of an unknown state that an answer repeats."""


def state_of(text: str) -> str | None:
    """The state that a client or a person means by `text`."""
    return STATES.get(names.find(text) or "")


def status(context: Context, message: dict[str, Any]) -> None:
    """Change the client's state."""
    state = state_of(message["state"])
    if state is None:
        raise ProtocolError("invalid_field", "state must be online, away, dnd or invisible")
    context.post(Room.set_state, message.get("user"), state)


def typed_status(context: Context, rest: str) -> None:
    """The same, typed: `/etat away`. The answer says which state it is now."""
    state = state_of(rest.strip(PUNCTUATION + " \"'«»“”"))
    if not rest:
        raise Misused
    if state is None:
        context.post(Room.notice, context.texts("state_unknown", state=shown(rest, _MAX_SHOWN)))
    else:
        context.post(Room.set_state, None, state)
        context.post(Room.notice, context.texts("state_set", state=state))


def users(context: Context, message: dict[str, Any]) -> None:
    """List the people who are here; a client that has not logged in becomes a guest."""
    context.post(Room.list_users)


def list_users(context: Context, message: dict[str, Any]) -> None:
    """The same, for the clients that expect the answer with the type of their request."""
    context.post(Room.list_users, "list_users")


def who(context: Context, message: dict[str, Any]) -> None:
    """The people in a channel: nobody, if there is no such channel.

    The clients that ask so also expect private messages with the type `private`.
    """
    channel = message.get("channel", "global")
    if not channel.isprintable():
        raise ProtocolError("invalid_field", "channel has a character that is not allowed")
    context.post(ChannelOperations.use_private_type)
    if "channel" in message:
        context.post(ChannelOperations.speak_key)
    name = channel_names.find(channel)
    context.post(Room.list_users, "who", channel, name.key if name is not None else channel)


def ping(context: Context, message: dict[str, Any]) -> None:
    """Answer at once; the client needs no name, and gets none."""
    context.reply(b'{"type":"pong"}\n')


def _row(state: str, french: str, english: str, explained: tuple[str, str], listed: Literal["first", "all"]) -> Request:
    def run(context: Context, rest: str) -> None:
        """`/absent`. What follows may be a reason, as in other chats; nobody is told it."""
        typed_status(context, state)

    words, (in_french, in_english) = {"fr": (french,), "en": (english,)}, explained
    texts = {"fr": f"/{french} : {in_french}", "en": f"/{english}: {in_english}"}
    return Request(None, announces="change", typed=Typed(run, words, texts, listed=listed))


ROWS = (
    _row("invisible", "invisible", "invisible", (
        "vous n'êtes plus dans la liste des présents ; /retour y remet", "you leave the list of people; /back returns",
    ), "all"),
    _row("online", "retour", "back", ("vous êtes de nouveau là (online)", "you are here again (online)"), "first"),
    _row("away", "absent", "away", ("vous êtes absent (away), jusqu'à /retour", "you are away, until /back"), "first"),
)
"""The rows of handlers/table.py with a word for each state that people change often."""
