"""`server.py forget`: a person's account and messages are deleted for ever."""

from __future__ import annotations

import os
import pwd
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from classcord.chat.moderation import console_of
from classcord.data import forget
from classcord.data.remedies import shown
from classcord.ops import logs
from classcord.ops.config import Config, UsageError
from classcord.ops.failure import EXIT_DONE, EXIT_FAILED, Failure, one_line
from classcord.wire import names

__all__ = ["ABOUT", "SETTINGS", "add_flags", "run"]

ABOUT = (
    "Delete the account NAME, its messages, and the private messages to it. Backups that were made before still have"
    " them, and so have messages in which others mention the name. The server must not run."
)
SETTINGS = ("data",)


def add_flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("name", metavar="NAME", help="the name of the account")
    parser.add_argument("--guests", action="store_true", help="the messages of guests with this name too: of NAME and"
                        f" of NAME ({names.GUEST}). They may have been other people")
    parser.add_argument("--yes", action="store_true", help="don't ask")


def run(settings: Config, given: Namespace) -> int:
    """Carry it out; the exit code. Raises UsageError, Failure, StoreError."""
    if not given.yes and not sys.stdin.isatty():
        raise UsageError("this can't be undone: add --yes, or type it at a terminal")
    key = names.find(given.name) or ""
    folder = Path(settings.data)

    def is_person(name: str) -> bool:
        return names.find(name) == key

    def is_guest(name: str) -> bool:
        found = names.find(name) or ""
        return found == key or (found.startswith(f"{key} ({names.GUEST}") and found.endswith(")"))

    with forget.opened(folder) as db:
        traces = forget.find(db, is_person, is_guest, guests=given.guests)
        name = one_line(given.name[: names.MAX_NAME].strip())
        guests = f"{traces.as_guest} messages of guests with this name"
        if not key or not (traces.accounts or traces.senders or traces.recipients or traces.bans):
            hint = f"; there are {guests}: add --guests" if traces.as_guest else ""
            raise Failure(EXIT_FAILED, f"there is no account {name}{hint}")
        what = [f"the account {name}"] if traces.accounts else []
        what += [f"{traces.sent} messages of it", f"{traces.received} private messages to it"]
        what += [guests] if given.guests else []
        forget.check_space(folder)
        if not given.yes and not _confirmed(f"Delete {', '.join(what)}, for ever? Type yes: "):
            raise Failure(EXIT_FAILED, "nothing was deleted")
        forget.delete(db, traces, name, console_of(_who()))
        logs.start("info", settings.log_format)
        logs.event(
            "forgotten", user=name, sent=traces.sent, received=traces.received,
            as_guest=traces.as_guest if given.guests else None, by=_who(),
        )
        logs.stop()
        if sys.stderr.isatty():
            print("The database is written anew...", file=sys.stderr, flush=True)
        forget.rewrite(db, folder)
    left = f"; {guests} stay" if traces.as_guest and not given.guests else ""
    text = f"{shown(str(folder))}: deleted: {', '.join(what)}{left}; backups made before still have what was deleted"
    print(one_line(text), file=sys.stderr)
    return EXIT_DONE


def _confirmed(question: str) -> bool:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() == "yes"


def _who() -> str:
    """The user who typed this, also with sudo."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
