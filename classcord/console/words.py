"""The table of the console's commands: what people type, and what it does. The functions are in commands.py."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["COMMANDS", "Command", "quoted", "split"]

_WORD = re.compile(r"""(["'])(.+?)\1(?!\S)|\S+""", re.DOTALL)
"""A word, or what quotes enclose. A quote inside a word is part of it: l'heure."""


class Command(NamedTuple):
    """`usage` is what follows the name; `help` is one line. `people`: its first word is the name of a person.
    `lasts`: it runs until the console ends it. `text`: after so many words comes a text, in which quotes stay.
    """

    usage: str
    help: str
    people: bool = False
    lasts: bool = False
    text: int | None = None


COMMANDS: dict[str, Command] = {
    "users": Command("", "who is here: name, kind, state, address"),
    "promote": Command("NAME", "make an account a teacher", people=True),
    "demote": Command("NAME", "take that right away", people=True),
    "reset-password": Command("NAME [-]", "give an account a new password, and print it; - reads it", people=True),
    "channels": Command("", "the channels: how many people are in each, whether it is closed, its topic"),
    "close-channel": Command("CHANNEL", "only teachers stay in it and may enter; until the server ends"),
    "open-channel": Command("CHANNEL", "everybody may enter it again"),
    "kick": Command("NAME [REASON]", "end a person's connections", people=True, text=1),
    "mute": Command("NAME [TIME] [REASON]", "let a person write only to teachers; 30s, 10m (usually), 2h", people=True,
                    text=1),
    "unmute": Command("NAME", "end that", people=True),
    "ban": Command("ACCOUNT|NETWORK [TIME] [REASON] [--force]", "keep it out; 30m, 1h (usually), 2d", people=True,
                   text=1),
    "bans": Command("", "who is banned, for how long, by whom"),
    "unban": Command("ACCOUNT|NETWORK", "let it in again"),
    "silence": Command("[on|off]", "only teachers write; a second time: it is over"),
    "slow": Command("SECONDS", "a person may write once in this time; 0: it is over"),
    "announce": Command("TEXT", "tell everybody something, as Serveur", text=0),
    "delete": Command("NUMBER [REASON]", "take a message out of what is stored, by its id", text=1),
    "audit": Command("[COUNT]", "what teachers and the console did, the newest last"),
    "watch": Command("[--wire [NAME|ADDRESS]] [--quiet]", "the messages, or the lines on the wire, as they pass",
                     lasts=True),
    "dashboard": Command("", "who is here, and how much each says, redrawn each second", lasts=True),
    "top": Command("[TIME [COUNT]]", "who has written most; in the last hour, 10 people"),
    "new-class": Command("[--archive FILE] [--keep-accounts]", "a backup, then no messages, guests and pupils"),
    "stats": Command("", "the server in numbers"),
    "stop": Command("[--in SECONDS | --cancel]", "tell everybody, then stop the server"),
}
"""In the order in which help lists them."""


def split(line: str) -> list[str]:
    """The words of a line that somebody has typed. Quotes may enclose a word with spaces, but not in a free text."""
    name, rest = [*line.split(None, 1), "", ""][:2]
    row = COMMANDS.get(name)
    most = row.text if row is not None else None
    words, rest = [name] if name else [], rest.strip()
    while rest and (most is None or len(words) <= most):
        found = _WORD.match(rest)
        assert found is not None  # it begins with something that is not a space
        words.append(found[2] or found[0])
        rest = rest[found.end() :].lstrip()
    if not rest:
        return words
    return [*words, rest] if most == 0 else [*words, *rest.split()]


def quoted(name: str) -> str:
    """A name as one word of a line."""
    if not any(char.isspace() for char in name) and name[:1] not in "\"'":
        return name
    return f"'{name}'" if '"' in name else f'"{name}"'
