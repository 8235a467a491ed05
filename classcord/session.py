"""One client's connection, as the registry sees it."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

from classcord import logs, names
from classcord.outbox import Outbox
from classcord.protocol import quote

__all__ = ["Person", "Session"]


class Person:
    """A person who is here: an account with all its sessions, or a guest with its one session.

    `chose_name` is false for a guest whose name is only a number from the server. `known` is false while the others
    have not heard of the name: an invisible person has got it.
    """

    __slots__ = ("account", "chose_name", "key", "known", "likeness", "name", "name_json", "sessions", "state")

    def __init__(self, name: str, key: str, *, account: bool, chose_name: bool = True) -> None:
        self.account = account
        self.chose_name = chose_name
        self.known = False
        self.state = "online"
        self.sessions: list[Session] = []
        self.rename(name, key)

    def rename(self, name: str, key: str) -> None:
        self.name = name
        self.key = key
        self.name_json = quote(name)
        self.likeness = names.likeness(name)


class Session:
    """A connection and its person, for the holder of the registry's flush lock.

    Exceptions: any thread may log, and read `dropped`, `expelled` and `outbox.pending`; `drained` is made by the
    client's thread; `peer` never changes.

    `peer` is the address that the client shows, or "".
    `alias` is the client's own name for itself. It may differ from the person's name in case, or because that name
    was taken. Lines to the client use the alias as its name.
    `registered` is the account that the client has created here without logging in.
    `private_type` says that the client wants private messages with the type `private`.
    `member` says whether the session gets broadcasts.
    """

    __slots__ = (
        "_log_fields", "alias", "announced", "drained", "dropped", "expelled", "left", "member", "outbox", "peer",
        "person", "private_type", "registered", "socket", "users_version", "watched",
    )

    def __init__(self, connection: socket.socket, outbox_limit: int, *, peer: str = "", **log_fields: Any) -> None:
        self.socket = connection
        self.peer = peer
        self.outbox = Outbox(connection, outbox_limit)
        self.person: Person | None = None
        self.alias = ""
        self.announced = False  # has sent a first message, which may be empty
        self.registered: str | None = None
        self.private_type = False
        self.member = False
        self.users_version = -1  # the room's version at the client's last request for the list
        self.watched = False  # the registry waits until the socket takes more
        self.dropped = False  # nothing more is sent to it
        self.expelled = False  # and nothing is taken from it either
        self.left = False  # it gets nothing more: its last batch is sent, or in the outbox
        self.drained: threading.Event | None = None
        """The client's thread makes it before it leaves; set once the client has left and everything is sent."""
        self._log_fields = {"peer": peer, **log_fields}

    def log(self, event: str, level: int = logging.INFO, /, **fields: Any) -> None:
        """Log an event of this connection. Any thread."""
        logs.event(event, level, **fields, **self._log_fields)

    def log_exception(self, event: str, error: BaseException, /, **fields: Any) -> None:
        """Log a fault that happened while serving this connection. Any thread."""
        logs.exception(event, error, **fields, **self._log_fields)
