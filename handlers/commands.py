"""Commands typed as a message's content, for people whose client has no other way to reach a feature.

They are answered by `Serveur` to the one who typed them and never relayed: what begins with a slash may be
a command of some other chat with a password in it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from classcord import names
from handlers.context import Context
from handlers.presence import state_of

__all__ = ["run"]

_PAUSE = 0.02
"""Seconds between the lines of an answer: one known client loses what comes faster. Only the asker waits."""


def run(context: Context, text: str) -> None:
    """Carry out the command in `text`, which begins with a slash."""
    word, rest = [*text[1:].split(None, 1), "", ""][:2]
    command = _COMMANDS.get(names.find(word) or "")
    if command is None:
        _say(context, context.texts("unknown_command", command="/" + _shown(word)))
    else:
        command(context, rest.strip())


def _say(context: Context, *lines: str) -> None:
    for number, line in enumerate(lines):
        if number and not context.session.dropped:
            context.flush()
            time.sleep(_PAUSE)
        context.post(context.room.notice, line)


def _shown(text: str) -> str:
    """What somebody typed, fit to be shown in an answer."""
    return "".join(char if char.isprintable() else "?" for char in text[:20])


def _help(context: Context, rest: str) -> None:
    _say(context, *map(context.texts, ("help_intro", "help_aide", "help_qui", "help_etat", "help_msg")))


def _who(context: Context, rest: str) -> None:
    context.post(context.room.tell_who)


def _state(context: Context, rest: str) -> None:
    state = state_of(rest)
    if not rest:
        _say(context, context.texts("command_usage", usage="/etat online|away|dnd|invisible"))
    elif state is None:
        _say(context, context.texts("state_unknown", state=_shown(rest)))
    else:
        context.post(context.room.set_state, None, state)
        _say(context, context.texts("state_set", state=state))


_QUOTED = re.compile(r'["“«]([^"”»]+)["”»]\s+(\S.*)', re.DOTALL)


def _message(context: Context, rest: str) -> None:
    found = _QUOTED.fullmatch(rest)
    name, text = found.groups() if found else [*rest.split(None, 1), "", ""][:2]
    name = name.strip()
    if not name or not text or not name.isprintable() or len(name) > 2 * names.MAX_NAME:
        _say(context, context.texts("command_usage", usage="/msg alice Bonjour"))
    else:
        context.post(context.room.whisper, None, name, text)


def _password(context: Context, rest: str) -> None:
    _say(context, context.texts("password_typed"))


_COMMANDS: dict[str, Callable[[Context, str], None]] = {
    "aide": _help, "help": _help, "?": _help,
    "qui": _who, "who": _who, "users": _who,
    "etat": _state, "état": _state, "status": _state,
    "msg": _message,
    "login": _password, "register": _password, "password": _password, "pass": _password,
}
