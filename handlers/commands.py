"""Commands typed as a message's content, for clients that have no other way to use a feature.

`Serveur` answers only the person that typed the command. A command is never relayed: a text that begins with a slash
may be a command of another chat with a password in it. An answer is one message of one line: if several messages come
at once, two known clients show only the newest, and other clients show no line breaks.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from classcord.chat.room import Room
from classcord.wire import names
from classcord.wire.texts import shown
from handlers.context import Context
from handlers.presence import state_of

__all__ = ["run"]

_MAX_WORD = 20
"""Characters of a typed word that are looked up or repeated in an answer."""
_LETTERS = re.compile(r"[^\W\d_]*")
_PUNCTUATION = ".,;:!?…"


def run(context: Context, text: str) -> None:
    """Run the command in `text`, which begins with a slash."""
    word, rest = [*text[1:].split(None, 1), "", ""][:2]
    command = _find(word)
    if command is not None:
        command(context, rest.strip())
    elif _find(_letters(word)) is _password:
        _password(context, rest)
    else:
        _say(context, context.texts("unknown_command", command="/" + shown(_letters(word), _MAX_WORD)))


def _find(word: str) -> Callable[[Context, str], None] | None:
    """The command that `word` names, also in capitals or with punctuation after it."""
    for form in (word, word.rstrip(_PUNCTUATION)):
        if len(form) <= _MAX_WORD and names.key(form) in _COMMANDS:
            return _COMMANDS[names.key(form)]
    return None


def _letters(word: str) -> str:
    """The first letters of a word. The rest may be a password: `/login:bob:secret`."""
    found = _LETTERS.match(word)
    return found[0] if found else ""


def _say(context: Context, line: str) -> None:
    context.post(Room.notice, line)


def _help(context: Context, rest: str) -> None:
    """List the commands, or explain the one that is named."""
    word = [*rest.split(None, 1), ""][0].lstrip("/")
    command = _find(word)
    if not word:
        _say(context, context.texts("help"))
    elif command is None:
        _say(context, context.texts("help_unknown", command="/" + shown(_letters(word), _MAX_WORD)))
    else:
        _say(context, context.texts(_EXPLAINED[command]))


def _who(context: Context, rest: str) -> None:
    context.post(Room.tell_who)


def _state(context: Context, rest: str) -> None:
    state = state_of(rest.strip(_PUNCTUATION + " \"'«»“”"))
    if not rest:
        _say(context, context.texts("help_etat"))
    elif state is None:
        _say(context, context.texts("state_unknown", state=shown(rest, _MAX_WORD)))
    else:
        context.post(Room.set_state, None, state)
        _say(context, context.texts("state_set", state=state))


_QUOTED = re.compile(r'["“«]([^"”»]+)["”»]\s+(\S.*)', re.DOTALL)


def _message(context: Context, rest: str) -> None:
    found = _QUOTED.fullmatch(rest)
    name, text = found.groups() if found else [*rest.split(None, 1), "", ""][:2]
    name = name.strip()
    if not name or not text or not name.isprintable() or len(name) > 2 * names.MAX_NAME:
        _say(context, context.texts("command_usage", usage="/msg alice Bonjour"))
    else:
        context.post(Room.whisper, None, name, text)


def _password(context: Context, rest: str) -> None:
    _say(context, context.texts("password_typed"))


_COMMANDS: dict[str, Callable[[Context, str], None]] = {
    "aide": _help, "help": _help, "?": _help,
    "qui": _who, "who": _who, "users": _who,
    "etat": _state, "état": _state, "status": _state,
    "msg": _message,
    "login": _password, "register": _password, "password": _password, "pass": _password,
}

_EXPLAINED: dict[Callable[[Context, str], None], str] = {
    _help: "help_aide", _who: "help_qui", _state: "help_etat", _message: "help_msg", _password: "password_typed",
}
"""The answers to `/aide WORD`."""
