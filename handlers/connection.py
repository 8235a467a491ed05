"""One client's thread: reads lines, has them carried out, and alone closes the socket."""

from __future__ import annotations

import logging
import socket
import socketserver
import struct
import threading
import time
from typing import Protocol

from classcord import logs
from classcord.accounts import Accounts
from classcord.hashing import Gone, Hashing
from classcord.protocol import (
    ERRORS,
    MAX_DISCARD,
    MAX_OVERRUN,
    ForeignProtocol,
    LineSplitter,
    ProtocolError,
    TooLong,
    decode,
    foreign_protocol,
    foreign_start,
)
from classcord.registry import Registry, internal_error
from classcord.session import Session
from classcord.texts import Texts
from handlers import HELP, dispatch
from handlers.context import Context

__all__ = ["ConnectionHandler", "Services", "from_here", "peer_address"]

_READ = 1024
"""Bytes asked of one read: little, for a client that waits in one holds this memory."""
_READ_BUSY = 16384
"""Bytes asked of one read after one that was full: with four times as much, 2000 clients that flood take more memory
than the service may have."""
_SHARE = 256
"""Lines carried out of one client before more of its lines are looked at: what waits costs memory, for each client."""
_OVERRUN_TIME = 2.0
"""Seconds that a line over MAX_OVERRUN bytes has to end."""
_LINGER = 1.0
"""Seconds for which what a peer still sends is thrown away, lest a reset destroy our last line to it."""
_HELP_WORDS = frozenset({b"help", b"aide", b"?"})


class Services(Protocol):
    """What a handler needs of the server it belongs to."""

    registry: Registry
    accounts: Accounts
    hashing: Hashing
    texts: Texts
    outbox_limit: int


class _Overrun(Exception):
    """A line that does not end."""


def peer_address(address: str) -> str:
    """An address as people write it: IPv4 clients of an IPv6 socket show as ::ffff:10.0.108.34."""
    return address.removeprefix("::ffff:") if "." in address else address


def from_here(connection: socket.socket, peer: str) -> bool:
    """Whether the peer, at this address, is on this very machine: a health check, the watchdog's test, the operator."""
    return peer in ("127.0.0.1", "::1") or peer == peer_address(connection.getsockname()[0])


class ConnectionHandler(socketserver.BaseRequestHandler):
    """Serves one connection until it ends. socketserver makes one in each client's thread."""

    request: socket.socket
    services: Services

    def setup(self) -> None:
        server = self.services = self.server  # type: ignore[assignment]
        peer, port = peer_address(self.client_address[0]), self.client_address[1]
        self.session = Session(self.request, server.outbox_limit, peer=peer, port=port)  # type: ignore[attr-defined]
        services = self.services
        self.context = Context(self.session, services.registry, services.accounts, services.hashing, services.texts)
        self._splitter = LineSplitter()
        self._overrun_since: float | None = None
        self._lines = 0
        self._errors: dict[str, int] = {}
        # the checks of the container or of systemd come several times a minute for ever
        self._level = logging.DEBUG if from_here(self.request, peer) else logging.INFO
        self._since = time.monotonic()
        self.services.registry.add(self.session)
        self.session.log("connected", self._level)

    def handle(self) -> None:
        why = "closed"
        try:
            self._serve()
        except ForeignProtocol as foreign:
            why = foreign.name
            self.session.log("foreign_protocol", logging.WARNING, protocol=foreign.name, hint=foreign.hint)
            if foreign.reply:
                self.context.reply(foreign.reply)
        except _Overrun:
            why = "endless_line"
            self.session.log("endless_line", logging.WARNING, hint="a line must end with a newline")
        except OSError as error:
            why = error.strerror or "reset"
        except Exception as error:  # a bug of ours costs this client its connection, and nobody else anything
            why = "internal_error"
            self.context.reply(internal_error(self.session, error).line())
        self._leave(linger=why == "http")
        if self.session.dropped and why == "closed":
            why = "dropped"
        self.session.log(
            "disconnected", self._level, reason=why, seconds=round(time.monotonic() - self._since, 1),
            lines=self._lines, errors=sum(self._errors.values()),
        )

    # --- reading ---

    def _serve(self) -> None:
        receive, splitter = self.request.recv, self._splitter
        size = _READ
        data = receive(size)
        foreign = foreign_start(data)
        if foreign is not None:
            raise foreign
        while data:
            for number, line in enumerate(splitter.feed(data), 1):
                if self.session.expelled:
                    return
                self._line(line)
                if number % _SHARE == 0:
                    self.context.settle()
            self.context.flush()
            if self.session.dropped:
                return
            if splitter.overrun or self._overrun_since is not None:
                self._check_overrun()
            size = _READ_BUSY if len(data) >= _READ else _READ
            try:
                data = receive(size)
            except BlockingIOError:
                raise _Overrun from None
        for line in splitter.rest():
            self._line(line)

    def _line(self, line: bytes | TooLong) -> None:
        """Carry out one line; whatever is wrong with it becomes its answer."""
        self._lines += 1
        context = self.context
        try:
            if isinstance(line, TooLong) or line[:1] != b"{":
                foreign = foreign_protocol(line)
                if foreign is not None:
                    raise foreign
                if isinstance(line, TooLong):
                    raise ProtocolError("line_too_long", ERRORS["line_too_long"])
                if line.strip().lower() in _HELP_WORDS:
                    context.reply(HELP)
                    return
            message = decode(line)
            if message is not None:
                dispatch(context, message)
        except ProtocolError as error:
            if error.code not in self._errors:
                self.session.log("request_refused", code=error.code, text=error.text[:200])
            self._errors[error.code] = self._errors.get(error.code, 0) + 1
            context.reply(error.line())
        except (ForeignProtocol, Gone):
            raise
        except Exception as error:  # a bug of ours: the client is told a number to ask about, and goes on
            context.reply(internal_error(self.session, error).line())

    def _check_overrun(self) -> None:
        """Give a line far over the limit little time to end: its bytes are dropped, but still cost reading."""
        now = time.monotonic()
        if self._splitter.overrun > MAX_DISCARD or (
            self._overrun_since is not None and self._splitter.overrun and now - self._overrun_since > _OVERRUN_TIME
        ):
            raise _Overrun
        if self._splitter.overrun > MAX_OVERRUN:
            if self._overrun_since is None:
                self._overrun_since = now
                self._receive_timeout(_OVERRUN_TIME)
        elif self._overrun_since is not None:
            self._overrun_since = None
            self._receive_timeout(0)

    def _receive_timeout(self, seconds: float) -> None:
        """Bound each read; 0 is for ever. Unlike settimeout, this leaves the sends of other threads alone."""
        value = struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)

    # --- the end ---

    def _leave(self, *, linger: bool) -> None:
        """Leave the registry once everything for this client is sent, or it is given up."""
        session = self.session
        session.drained = threading.Event()
        self.context.post(self.context.room.leave)
        self.context.flush()
        session.drained.wait()
        self.services.registry.remove(session)
        if linger and not session.dropped:
            self._discard()

    def _discard(self) -> None:
        deadline = time.monotonic() + _LINGER
        try:
            self.request.shutdown(socket.SHUT_WR)
            self._receive_timeout(_LINGER)
            while self.request.recv(_READ_BUSY) and time.monotonic() < deadline:
                pass
        except OSError as error:
            logs.event("linger_ended", logging.DEBUG, detail=str(error))
