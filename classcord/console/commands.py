"""The console's commands, as the server runs them: each in the thread of its connection.

What concerns people is an item for the room (Registry.ask), so only the holder of the flush lock does it.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from classcord.chat.accounts import check_password
from classcord.chat.effects import Answered
from classcord.chat.moderation import console_of
from classcord.console.dashboard import Boards
from classcord.console.moderating import Moderating
from classcord.console.place import user_name
from classcord.console.replies import Reply, Usage, done, name_of, no_more, number_of, refused, table
from classcord.console.watch import Watches
from classcord.console.words import COMMANDS
from classcord.delivery.asking import ask
from classcord.delivery.new_class import begin_class
from classcord.net.link import Gone, Link
from classcord.net.peer import Peer
from classcord.net.transport import Plain
from classcord.services import Services
from classcord.wire import channel_names
from classcord.wire.protocol import ProtocolError

__all__ = ["Commands"]

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Of a generated password: 32 that people can't mistake for each other."""
_LENGTH = 10
_LONGEST_STOP = 24 * 3600
"""Seconds until a stop at most."""


class Commands:
    """Runs the commands of one server, whose data is in `folder`. Any thread.

    `quiet` says whether people may be watched without being told.
    """

    def __init__(self, services: Services, folder: str, version: str, *, quiet: bool = False) -> None:
        self._version = version
        self._services = services
        self._registry = services.registry
        self._folder = os.path.abspath(folder)
        self._began = time.monotonic()
        self._stopping: threading.Timer | None = None
        self._connection = threading.local()  # `user`: who has typed the command that runs in this thread
        self._run: dict[str, Callable[[list[str], socket.socket], Iterable[Reply]]] = {
            "users": self._users, "promote": self._of_a_name("promote"), "demote": self._of_a_name("demote"),
            "reset-password": self._reset_password, "channels": self._channels,
            "close-channel": self._of_a_channel("close_channel"), "open-channel": self._of_a_channel("open_channel"),
        }
        for name, command in Moderating(self._registry, folder, self._ask).commands.items():
            self._run[name] = _alone(command)
        watches = Watches(self._registry, quiet, self._ask)
        boards = Boards(self._registry, folder, self._people)
        self._run |= {
            "watch": watches.watch, "dashboard": boards.dashboard, "top": boards.top, "new-class": self._new_class,
            "stats": self._stats, "stop": self._stop,
        }

    def run(self, words: list[str], connection: socket.socket) -> Generator[Reply, None, None]:
        """The replies to a command. An error is a reply too."""
        name, rest = words[0], words[1:]
        self._connection.user = user_name(connection)
        if name not in self._run:
            yield refused("usage", f"there is no command {name[:40]!r}; the commands are {', '.join(COMMANDS)}")
            return
        try:
            yield from self._run[name](rest, connection)
        except Usage as error:
            usage = f"{name} {COMMANDS[name].usage}".rstrip()
            yield refused("usage", f"{error}; type: {usage}" if str(error) else f"type: {usage}")
        except ProtocolError as error:
            yield refused(error.code, error.text)

    def _ask(self, action: str, *arguments: object) -> Answered:
        """The room's answer. Raises ProtocolError."""
        return ask(self._registry, action, *arguments, actor=console_of(self._connection.user))

    def _of_a_name(self, action: str) -> Callable[[list[str], socket.socket], Iterable[Reply]]:
        """A command that has only the name of a person after it."""
        def run(words: list[str], connection: socket.socket) -> Iterator[Reply]:
            answer = self._ask(action, name_of(words))
            yield done(answer.text, name=answer.data[0])
        return run

    def _of_a_channel(self, action: str) -> Callable[[list[str], socket.socket], Iterable[Reply]]:
        """A command that has only the name of a channel after it."""
        def run(words: list[str], connection: socket.socket) -> Iterator[Reply]:
            if not words:
                raise Usage("say which channel, without # or in quotes: a shell takes # for a comment")
            found = channel_names.find(name_of(words))
            if found is None:
                raise Usage("1 to 32 letters, digits, - or _ make the name of a channel")
            answer = self._ask(action, *found)
            yield done(answer.text, channel=answer.data[0])
        return run

    # --- people ---

    def _users(self, words: list[str], connection: socket.socket) -> Iterator[Reply]:
        no_more(words)
        people = self._people()
        rows = [
            (p["name"], p["kind"], p["state"] + (", muted" if p["muted"] else ""), ", ".join(p["addresses"]))
            for p in people
        ]
        yield done(table(("NAME", "KIND", "STATE", "ADDRESS"), rows) if rows else "nobody is here", users=people)

    def _people(self) -> list[dict[str, Any]]:
        addresses = {link.number: link.peer.address for link in self._registry.links()}
        return [
            {
                "name": name, "kind": "teacher" if teacher else "account" if account else "guest", "state": state,
                "addresses": sorted({addresses[seat] for seat in seats if seat in addresses}), "muted": round(muted),
                "channels": list(channels),
            }
            for name, account, teacher, state, seats, muted, channels in self._ask("people").data
        ]

    def _channels(self, words: list[str], connection: socket.socket) -> Iterator[Reply]:
        no_more(words)
        channels = [
            {"channel": name, "topic": topic, "members": members, "closed": closed}
            for name, topic, members, closed in self._ask("channels").data
        ]
        rows = [(c["channel"], str(c["members"]), "closed" if c["closed"] else "", c["topic"]) for c in channels]
        yield done(table(("CHANNEL", "PEOPLE", "", "TOPIC"), rows), channels=channels)

    def _reset_password(self, words: list[str], connection: socket.socket) -> Iterator[Reply]:
        """After a `-` comes the password that the other end has read."""
        given = words[-1] if len(words) > 2 and words[-2] == "-" else None
        name = name_of(words[:-2] if given is not None else words)
        made = "".join(_LETTERS[byte % len(_LETTERS)] for byte in os.urandom(_LENGTH))
        password = made if given is None else given
        check_password(password)
        accounts = self._services.accounts
        link = Link(Plain(connection), 0, Peer(here=True))
        try:
            hashed = self._services.hashing.run(link, lambda: accounts.hash_password(password))
        except Gone:
            return
        answer = self._ask("password", name, hashed)
        more = {} if given is not None else {"password": password}
        text = f"{answer.text}: {password}" if more else answer.text
        yield done(text, name=answer.data[0], **more)

    # --- the server ---

    def _stats(self, words: list[str], connection: socket.socket) -> Iterator[Reply]:
        no_more(words)
        people = self._ask("people").data
        links = self._registry.links()
        numbers = {
            "version": self._version, "process": os.getpid(), "data": self._folder,
            "seconds": int(time.monotonic() - self._began), "connections": len(links), "people": len(people),
            "guests": sum(not row[1] for row in people), "accounts": len(self._services.accounts),
            "unsent_bytes": sum(link.outbox.pending for link in links), "unsaved": self._registry.storage()[1],
        }
        yield done("\n".join(f"{name}: {value}" for name, value in numbers.items()), **numbers)

    def _new_class(self, words: list[str], connection: socket.socket) -> Iterator[Reply]:
        """The other end has made the backup, and says from which id to which it has the messages."""
        if len(words) not in (2, 3) or words[2:] not in ([], ["--keep-accounts"]):
            raise Usage("")
        first, last = (number_of(word, 2**53) for word in words[:2])
        text = self._services.texts("new_class")
        removed = begin_class(
            self._registry, text, first, last, keep_accounts=len(words) == 3, actor=console_of(self._connection.user)
        )
        yield done(f"a new class may come; accounts removed: {removed}", accounts=removed)

    def _stop(self, words: list[str], connection: socket.socket) -> Iterator[Reply]:
        if words == ["--cancel"]:
            if self._stopping is None:
                yield done("the server was not about to stop")
                return
            self._stopping.cancel()
            self._stopping = None
            self._ask("stop", "cancel-stop", None, self._services.texts("stop_cancelled"))
            yield done("the server goes on; everybody was told")
            return
        seconds = 0
        if words and words[0] == "--in" and len(words) == 2:
            seconds = number_of(words[1], _LONGEST_STOP)
        elif words:
            raise Usage("")
        if self._stopping is not None:
            self._stopping.cancel()
        text = self._services.texts("stop_soon", seconds=seconds) if seconds else ""
        self._ask("stop", "stop", seconds or None, text)
        if seconds:
            yield done(f"everybody was told; the server stops in {seconds} seconds", seconds=seconds)
        else:
            yield done("the server stops", seconds=0)
        # the signal goes the way of one that comes from outside; without a time it leaves after the answer
        self._stopping = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
        self._stopping.daemon = True
        self._stopping.start()


def _alone(command: Callable[[list[str]], Iterator[Reply]]) -> Callable[[list[str], socket.socket], Iterator[Reply]]:
    """A command that does not need the connection."""
    return lambda words, connection: command(words)
