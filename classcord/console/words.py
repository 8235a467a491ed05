"""The table of the console's commands: what people type, and what it does. The functions are in commands.py."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "Command"]


class Command(NamedTuple):
    """`usage` is what follows the name; `help` is one line. `people`: its first word is the name of a person."""

    usage: str
    help: str
    people: bool = False


COMMANDS: dict[str, Command] = {
    "users": Command("", "who is here: name, kind, state, address"),
    "promote": Command("NAME", "make an account a teacher", people=True),
    "demote": Command("NAME", "take that right away", people=True),
    "reset-password": Command("NAME [-]", "give an account a new password, and print it; - reads it", people=True),
    "close-channel": Command("CHANNEL", "only teachers stay in it and may enter, until it is opened"),
    "open-channel": Command("CHANNEL", "everybody may enter it again"),
    "kick": Command("NAME [REASON]", "end a person's connections", people=True),
    "mute": Command("NAME [TIME] [REASON]", "let a person write only to teachers; 30s, 10m (usually), 2h", people=True),
    "unmute": Command("NAME", "end that", people=True),
    "ban": Command("ACCOUNT|NETWORK [TIME] [REASON] [--force]", "keep it out; 30m, 1h (usually), 2d", people=True),
    "bans": Command("", "who is banned, for how long, by whom"),
    "unban": Command("ACCOUNT|NETWORK", "let it in again"),
    "silence": Command("[on|off]", "only teachers write; a second time: it is over"),
    "slow": Command("SECONDS", "a person may write once in this time; 0: it is over"),
    "announce": Command("TEXT", "tell everybody something, as Serveur"),
    "delete": Command("NUMBER [REASON]", "take a message out of what is stored, by its id"),
    "audit": Command("[COUNT]", "what teachers and the console did, the newest last"),
    "watch": Command("[--wire [NAME|ADDRESS]] [--quiet]", "the messages, or the lines on the wire, as they pass"),
    "dashboard": Command("", "who is here, and how much each says, redrawn each second"),
    "top": Command("[TIME [COUNT]]", "who has written most; in the last hour, 10 people"),
    "new-class": Command("[--archive FILE] [--keep-accounts]", "a backup, then no messages, guests and pupils"),
    "stats": Command("", "the server in numbers"),
    "stop": Command("[--in SECONDS | --cancel]", "tell everybody, then stop the server"),
}
"""In the order in which help lists them."""
