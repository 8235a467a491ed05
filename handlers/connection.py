"""One client's thread: reads lines and runs them. Only this thread closes the socket."""

from __future__ import annotations

import itertools
import logging
import socket
import time

from classcord.chat.room import Room
from classcord.net.latch import Latch
from classcord.net.link import Gone, Link, internal_error
from classcord.net.peer import Peer
from classcord.net.sockets import peer_address
from classcord.net.transport import Plain
from classcord.net.web import Web
from classcord.ops import logs
from classcord.services import Services
from classcord.wire import foreign, http
from classcord.wire.diagnosis import Failure
from classcord.wire.foreign import ForeignProtocol
from classcord.wire.mask import shortened
from classcord.wire.protocol import (
    ERRORS,
    MAX_DISCARD,
    MAX_OVERRUN,
    LineSplitter,
    ProtocolError,
    TooLong,
    decode,
    not_json,
    trimmed,
)
from handlers import HELP, dispatch
from handlers.context import Context
from handlers.limiter import Flooding
from handlers.web import Visit

__all__ = ["serve_client"]

_READ = 1024
"""Bytes per read while idle: each waiting client holds a buffer this big."""
_READ_BUSY = 16384
"""Bytes per read after a full read: with four times as much, 2000 clients that flood take more memory than the service
may have."""
_SHARE = 256
"""Lines of one client that run before its next lines are decoded: decoded lines take memory, for each client."""
_OVERRUN_TIME = 2.0
"""Seconds until a line over MAX_OVERRUN bytes must end."""
_LINGER = 1.0
"""After the last answer, a connection closes when the peer has sent nothing for so many seconds. Closing at once may
cause a reset, which destroys the answer."""
_LINGER_MOST = 10.0
"""Seconds after which it closes even if the peer goes on sending. The bytes are thrown away."""
_REMEMBERED = 1000
"""Bytes of the last refused line that are kept, for the board of the teachers."""
_BLANK = (b"", b"\r")
"""Lines that are ignored, and as cheap as can be: only their bytes count."""
_CLOSE_CODES = {"flooding": 1013, "endless_line": 1009, "internal_error": 1011, "http": 1008, "proxy": 1008}
"""What a WebSocket is told when the server ends it (RFC 6455, 7.4.1)."""
_HELP_WORDS = frozenset({b"help", b"aide", b"?"})


class _Overrun(Exception):
    """A line that does not end."""


def serve_client(connection: socket.socket, peer: Peer, services: Services) -> None:
    """Serve one connection until it ends. For its client's thread."""
    ConnectionHandler(connection, peer, services).handle()


class ConnectionHandler:
    """One connection, in its client's thread."""

    def __init__(self, connection: socket.socket, peer: Peer, services: Services) -> None:
        self._socket = connection
        self._services = services
        self._transport: Plain = Plain(connection)
        self._web: Web | None = None
        self.link = Link(self._transport, services.outbox_limit, peer)
        services.registry.add(self.link)
        self.context = Context(self.link, services)
        self._limiter = self.context.limiter
        self._splitter = LineSplitter()
        self._overrun_since: float | None = None
        self._data = b""
        self._negotiated = False
        self._errors: dict[str, int] = {}
        # health checks of a container or of systemd come several times a minute
        self._level = logging.DEBUG if peer.here else logging.INFO
        self.link.log("connected", self._level)

    def handle(self) -> None:
        """Serve it until it ends."""
        why = "closed"
        try:
            self._serve()
        except ForeignProtocol as other:
            why = other.name
            self.link.log("foreign_protocol", protocol=other.name, hint=other.hint)
            if other.name == "http" and self._web is None:
                self.context.reply(self._http_answer(other.head))
        except Flooding:
            why = "flooding"
        except _Overrun:
            why = "endless_line"
            self.link.log("endless_line", hint="a line must end with a newline")
        except OSError as error:
            why = error.strerror or "reset"
        except Exception as error:  # a bug of the server ends only this client's connection
            why = "internal_error"
            self.context.reply(internal_error(self.link, error).line())
        if self._web is not None and (why != "closed" or self.link.expelled):
            self._web.code = _CLOSE_CODES.get(why, 1008)
        self._leave(linger=why == "http" or self._web is not None)
        if self._web is not None and self._web.failure is not None:
            why = f"websocket: {self._web.failure}"
        if why == "closed" and (self.link.dropped or self.link.expelled):
            why = "dropped" if self.link.dropped else "expelled"
        if self._services.registry.watching.on:
            self._services.registry.watching.line("end", self.link, why.encode())
        self.link.log(
            "disconnected", self._level, reason=why, seconds=round(time.monotonic() - self.link.since, 1),
            lines=self.link.lines, errors=sum(self._errors.values()),
        )

    # --- reading ---

    def _serve(self) -> None:
        splitter, limiter, context = self._splitter, self._limiter, self.context
        watching = self._services.registry.watching
        size = _READ
        data = self._first_bytes()
        receive = self._transport.receive
        while data:
            self._data = data
            if limiter is not None:
                limiter.received(len(data))
            lines = splitter.feed(data)
            if watching.on:
                self._show(lines)
            if limiter is not None:
                limiter.lines(len(lines) - sum(map(lines.count, _BLANK)))
            for number, line in enumerate(itertools.chain(lines, splitter.unended()), 1):
                if line in _BLANK:
                    continue
                if self.link.expelled:
                    return
                if limiter is not None:
                    limiter.line()
                self._line(line)
                if context.behind() or number % _SHARE == 0:
                    context.wait_until_taken()
            context.flush()
            self._wait_until_taken()
            if self.link.dropped or self.link.expelled:
                return
            if splitter.overrun or self._overrun_since is not None:
                self._check_overrun()
            # a client that must wait gets no big buffer meanwhile
            taken = len(data) if self._web is None else self._web.size
            size = _READ_BUSY if taken >= _READ and not (limiter and limiter.slow) else _READ
            try:
                data = receive(size)
            except BlockingIOError:
                raise _Overrun from None
        if self._web is None:  # a message that has not ended is none
            for line in splitter.rest():
                self._line(line)

    def _first_bytes(self) -> bytes:
        """The first bytes of lines: the first bytes at all, or the first of a WebSocket."""
        site, receive = self._services.site, self._transport.receive
        data = receive(_READ)
        while (foreign.undecided(data) or (site and http.begins(data) is None)) and (more := receive(_READ)):
            data += more
        other = foreign.foreign_start(data)
        if other is not None:
            raise other
        begins = site is not None and http.begins(data)
        if site is None or not (begins or (begins is None and foreign.foreign_line(data))):
            self.link.peer.client = foreign.kind(data)
            return data
        self.link.peer.client = "http"
        self._transport = self._web = web = Web(self._socket, self._control)
        self.link.speaks(web)
        visit = Visit(self.context, web, site, self._services.unread_limit)
        rest = visit.serve(data)
        self.link.lines += visit.requests
        if rest is None:
            return b""
        web.upgrade(rest)
        return web.receive(_READ)

    def _control(self, frames: bytes, size: int) -> None:
        """Send frames to a WebSocket, from which so many bytes came that are not lines. Raises Flooding, Gone."""
        if self._limiter is not None:
            self._limiter.received(size)
            self._limiter.line()
        if frames:
            self.context.raw(frames)
        self.context.flush()
        self._wait_until_taken()

    def _show(self, lines: list[bytes | TooLong]) -> None:
        """Show these lines to those who watch the wire."""
        for line in lines:
            shown = line if isinstance(line, bytes) else line.start + b"... (too long)"
            self._services.registry.watching.line(">", self.link, shown)

    def _wait_until_taken(self) -> None:
        """Don't read on while the client doesn't read its answers."""
        self.link.wait_until_taken(self._services.unread_limit)

    def _line(self, line: bytes | TooLong) -> None:
        """Run one line; an error in it becomes its answer."""
        self.link.lines += 1
        try:
            if isinstance(line, TooLong) or line[:1] != b"{":
                line = self._oddly_begun(line)
            message = decode(line)
            if message is not None:
                places = self._services.places
                # before it runs: a password takes a while
                if places is not None and not self.link.peer.spoke and not places.spoke(self.link.peer):
                    raise Gone  # a newcomer has its place, and it was told so
                cost = dispatch(self.context, message)
                if cost != 1 and self._limiter is not None:
                    self._limiter.cost(cost)
        except ProtocolError as error:
            if self._limiter is not None:
                self._limiter.cost(error.cost)
            self._refuse(error, line)
        except (ForeignProtocol, Flooding, Gone):
            raise
        except Exception as error:  # a bug of the server: the client gets an incident number, and goes on
            self.context.reply(internal_error(self.link, error).line())

    def _oddly_begun(self, line: bytes | TooLong) -> bytes:
        """The part to decode of a line that doesn't begin with a brace."""
        whole = isinstance(line, bytes)
        other = foreign.foreign_line(trimmed(line if isinstance(line, bytes) else line.start), whole)
        if other is not None:
            raise other
        if isinstance(line, TooLong):
            raise ProtocolError("line_too_long", ERRORS["line_too_long"])
        cut = foreign.negotiation(line)
        if cut:
            # PuTTY in Telnet mode sends it once, before the typed line; the line still runs
            if not self._negotiated:
                self._negotiated = True
                self._refuse(not_json(Failure(line[:cut])), line)
            line = line[cut:]
        if trimmed(line).lower() in _HELP_WORDS:
            self.context.reply(HELP)
            return b""
        return line

    def _refuse(self, error: ProtocolError, line: bytes | TooLong) -> None:
        whole = line if isinstance(line, bytes) else line.start
        self.link.refused = (error.code, shortened(whole, _REMEMBERED), time.monotonic())
        if error.code not in self._errors:
            self.link.log("request_refused", code=error.code, text=error.text[:200])
        self._errors[error.code] = self._errors.get(error.code, 0) + 1
        self.context.reply(error.line())

    def _http_answer(self, head: bytes) -> bytes:
        """To a web client that gets no page. It has the address that the client used: ours may be behind a NAT."""
        texts = self._services.texts
        if self._services.site is not None:
            return foreign.http_answer(head, texts("web_late"), foreign.LATE)
        own = self._socket.getsockname()
        host, port = foreign.http_host(self._data) or (peer_address(own[0]), own[1])
        return foreign.http_answer(head, texts("http", host=host, port=port))

    def _check_overrun(self) -> None:
        """Give a line far over the limit little time to end: its bytes are dropped, but reading them costs time."""
        now = time.monotonic()
        if self._splitter.overrun > MAX_DISCARD or (
            self._overrun_since is not None and self._splitter.overrun and now - self._overrun_since > _OVERRUN_TIME
        ):
            raise _Overrun
        if self._splitter.overrun > MAX_OVERRUN:
            if self._overrun_since is None:
                self._overrun_since = now
                self._transport.receive_timeout(_OVERRUN_TIME)
        elif self._overrun_since is not None:
            self._overrun_since = None
            self._transport.receive_timeout(0)

    # --- the end ---

    def _leave(self, *, linger: bool) -> None:
        """Leave the registry once everything for this client is sent, or the client is dropped."""
        link = self.link
        link.drained = Latch()
        self.context.post(Room.leave)
        self.context.flush()
        link.drained.wait()
        self._services.registry.remove(link)
        if linger and not link.dropped:
            self._discard()

    def _discard(self) -> None:
        deadline = time.monotonic() + _LINGER_MOST
        try:
            self._transport.end_sending()
            self._transport.receive_timeout(_LINGER)
            while self._transport.receive(_READ_BUSY) and time.monotonic() < deadline:
                pass
        except OSError as error:
            logs.event("linger_ended", detail=str(error))
