"""Commands typed as a message's content, for clients that have no other way to use a feature.

`Serveur` answers only the person that typed the command. A command is never relayed: a text that begins with a slash
may be a command of another chat with a password in it. An answer is one message of one line: if several messages come
at once, two known clients show only the newest, and other clients show no line breaks.
"""

from __future__ import annotations

from classcord.chat.room import Room
from classcord.wire.protocol import ProtocolError
from handlers.context import NOWHERE, Context
from handlers.request import Misused
from handlers.table import find, letters, unknown

__all__ = ["run"]


def run(context: Context, text: str) -> int:
    """Run the command in `text`, which begins with a slash. Returns its cost."""
    try:
        return _run(context, text)
    finally:
        context.place = NOWHERE


def _run(context: Context, text: str) -> int:
    word, rest = [*text[1:].split(None, 1), "", ""][:2]
    request = find(word)
    guess = find(letters(word))
    if request is None and guess is not None and guess.typed is not None and guess.typed.secret:
        request = guess
    if request is None and (at := _sign(word)) > 0:  # /join#dev
        request, rest = find(word[:at]), f"{word[at:]} {rest}"
    if request is None or request.typed is None:
        context.post(Room.notice, unknown(context, word, asked=False))
        return 1
    typed = request.typed
    if request.lists:
        context.lists()
    if request.announces != "nothing":
        context.announces(request.announces, None, rest if any(f.name == "channel" for f in request.fields) else None)
    try:
        if request.who == "anybody":
            typed.run(context, rest.strip())
        else:
            context.only(request.who, typed.run, rest.strip(), typed=True)
    except ProtocolError as error:
        error.cost = request.cost
        raise
    except Misused:
        language = context.texts.language
        usage = f"/{typed.words[language][0]} {typed.example}"
        line = context.texts("command_usage", usage=usage) if typed.example else typed.explained[language]
        context.post(Room.notice, line)
    return request.cost


def _sign(word: str) -> int:
    """Where the # of a channel's name stands in a typed word; -1 if there is none."""
    return max(word.find("#"), word.find("\uff03"))
