"""The server that accepts connections and gives each client its thread."""

from __future__ import annotations

import _thread
import errno
import os
import select
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from typing import Any

from classcord.net.nat import NatWatch
from classcord.net.newcomers import WAITING, Newcomers
from classcord.net.peer import Peer
from classcord.net.places import Places
from classcord.net.refusals import MOST_OPEN, Refusals
from classcord.net.sockets import from_here
from classcord.ops import health, logs
from classcord.wire import websocket
from classcord.wire.foreign import WEB, WEBSOCKET
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import Texts

__all__ = ["SPARE_FILES", "TEST_TIME", "ChatServer"]

_LEAVING = 128
"""Connections whose places are given up, and whose threads have not ended yet."""
SPARE_FILES = 64 + MOST_OPEN + _LEAVING + WAITING
"""Open files besides the connections."""
SWITCH_INTERVAL = 0.005
"""The least switch interval in seconds, which is Python's own."""
SWITCH_PER_CONNECTION = 0.00005
"""Seconds that each connection adds to it.

Each thread that waits for the interpreter's lock wakes up once in an interval. Near 2000 connections the threads did
little else, and a request waited for half a minute (`make bench`, bursts). With this, all of them together wake up at
most 20,000 times a second. With up to 100 connections nothing changes: a longer interval costs latency there.
"""
TEST_TIME = 2.5
"""Seconds for each of the two parts of the self-test."""


class ChatServer(socketserver.ThreadingTCPServer):
    """Accepts connections, and gives each a thread, which calls `serve`. Methods run in the accept loop's thread.

    `sockets` are bound, or listen already when systemd opened them. From here on they belong to the server, which
    closes them. `makes_progress(seconds)` says whether requests are done within this time. `texts` are for browsers
    that are refused. With `places`, a newcomer may take the place of a connection that has said nothing. `banned`
    says why nobody may connect from an address.
    Raises OSError when another server has begun to listen there.
    """

    request_queue_size = 1024  # socketserver's 5 makes a class that connects at once wait for SYN retries

    def __init__(
        self, sockets: list[socket.socket], serve: Callable[[socket.socket, Peer], None],
        max_connections: int, makes_progress: Callable[[float], bool], texts: Texts, places: Places | None = None,
        banned: Callable[[str], ProtocolError | None] = lambda address: None,
    ) -> None:
        self._serve = serve
        self._max_connections = max_connections
        self._makes_progress = makes_progress
        self._banned = banned
        self._open: dict[socket.socket, Peer] = {}
        self._places = places
        self._newcomers = Newcomers(max_connections)
        self._leaving: set[socket.socket] = set()  # their places are given up; their threads have not ended yet
        self._refused = Refusals(texts)
        self._logs = logs.Often(10)
        self._nat = NatWatch()
        self._stopping = threading.Event()
        self._sockets = {each.fileno(): each for each in sockets}
        self.socket = sockets[0]
        # TCPServer's own opens a socket
        socketserver.BaseServer.__init__(self, self.socket.getsockname(), socketserver.BaseRequestHandler)
        self._wake = os.eventfd(0)
        self._ready = select.epoll()
        self._ready.register(self._wake, select.EPOLLIN)
        try:
            self.server_activate()
        except OSError:
            self.server_close()
            raise
        self._own_address = _own_address(self.socket)

    def server_activate(self) -> None:
        for number, each in self._sockets.items():
            each.listen(self.request_queue_size)
            self._ready.register(number, select.EPOLLIN)

    def fileno(self) -> int:
        return self._ready.fileno()  # the accept loop waits for this: connections, and the end

    def get_request(self) -> tuple[socket.socket, Any]:
        if self._stopping.is_set():
            raise BlockingIOError  # waiting connections are for the next server, if it has the same socket
        if len(self._sockets) > 1:
            ready = self._ready.poll(0, 1)  # the next time it begins with another one
            self.socket = self._sockets.get(ready[0][0], self.socket) if ready else self.socket
        try:
            connection, address = super().get_request()
        except OSError as error:
            if not self._stopping.is_set() and error.errno not in (errno.ECONNABORTED, errno.EAGAIN):
                hint = "raise the limit of open files (ulimit -n), or lower --max-connections"
                self._logs.event("accept_failed", detail=str(error), count=1, hint=hint)
                self._stopping.wait(0.1)  # the connection still waits: without a pause the loop would spin
            raise
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):  # reset before it was accepted: no thread for it
            connection.close()
            raise ConnectionAbortedError
        return connection, Peer(address[0], address[1], here=from_here(connection, address[0]))

    def process_request(self, request: Any, client_address: Any) -> None:
        peer: Peer = client_address
        soon = self._leaving or (self._places is not None and self._places.any_silent())
        lacking = self._admit(request, peer)
        if lacking and not (soon and self._newcomers.wait(request, peer)):
            self._refuse(request, peer, lacking)

    def _admit(self, request: socket.socket, peer: Peer) -> str:
        """Give a connection its thread, or refuse one that is banned. Else why that is not possible now."""
        banned = None if peer.here else self._banned(peer.address)  # never this machine: the server tests itself
        if banned is not None:
            self._refuse(request, peer, "banned", banned)
            return ""
        if len(self._open) - len(self._leaving) >= self._max_connections and not self._make_room(peer):
            return "max_connections"
        self._open[request] = peer
        if self._places is not None:
            self._places.entered(peer, request)
        self._adapt_switch_interval()
        warned = None if peer.here else self._nat.connected(peer.address)
        if warned:
            hint = "most clients show one private address; to see their own, forward the port without masquerading"
            logs.event("nat_hides_clients", peer=warned, hint=hint)
        try:
            # threading.Thread would wait here until the new thread runs, and a class that comes at once would wait too
            _thread.start_new_thread(self.process_request_thread, (request, peer))
        except RuntimeError:  # the system can't start another thread
            self._closed(request)
            self._make_room(peer)  # a silent one's thread ends in a moment
            return "no_thread"
        return ""

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._closed(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # not a class whose constructor serves: each thread would need one more page of stack
        self._serve(request, client_address)

    def _adapt_switch_interval(self) -> None:
        sys.setswitchinterval(max(SWITCH_INTERVAL, SWITCH_PER_CONNECTION * len(self._open)))

    def _closed(self, request: socket.socket) -> None:
        peer = self._open.pop(request)
        self._leaving.discard(request)
        if self._places is not None:
            self._places.left(peer)
        self._adapt_switch_interval()
        if not peer.here:
            self._nat.disconnected(peer.address)

    def _make_room(self, newcomer: Peer) -> bool:
        """Let a newcomer take the place of a connection that has said nothing, if it may."""
        # those that are about to end still have a thread and an open file
        if self._places is None or len(self._leaving) >= _LEAVING or not self._places.any_silent():
            return False
        if not self._newcomers.may_take(newcomer):
            return False
        peer = self._places.give_up(self._end_silent)
        if peer is None:
            return False
        hint = "the server is full; the connections that said nothing for longest make room"
        self._logs.event("place_given_up", count=1, peer=peer.address, hint=hint)
        return True

    def _end_silent(self, peer: Peer, silent: socket.socket) -> None:
        """End the connection that gives up its place. One of HTTP that waits for a next request just ends."""
        self._leaving.add(silent)
        if silent not in self._open:  # it ended meanwhile
            self._leaving.discard(silent)
        try:
            # a socket that has taken only a part of an error or of a pong does not take this either
            if peer.client not in WEB:
                silent.send(_FULL.line(), socket.MSG_DONTWAIT)
            elif peer.client in WEBSOCKET:
                silent.send(websocket.close(1013, _FULL.text), socket.MSG_DONTWAIT)
            silent.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone already

    def _refuse(
        self, request: socket.socket, peer: Peer, reason: str, error: ProtocolError | None = None
    ) -> None:
        """Answer without a thread."""
        self._logs.event("refused", reason=reason, count=1, peer=peer.address)
        self._refused.add(request, error or _FULL)

    def service_actions(self) -> None:
        self._newcomers.look(self._admit, self._refuse)
        self._refused.look()
        self._logs.report()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None:
            logs.exception("internal_error", error, peer=client_address.address)

    def self_test(self) -> tuple[bool, str]:
        """Whether the server answers a test client and the registry makes progress, or the server stops; and a line.

        Not for the accept loop's thread.
        """
        healthy, text = health.check(*self._own_address, TEST_TIME)
        if healthy and not self._makes_progress(TEST_TIME):  # a full server answers without asking the registry
            healthy, text = False, "requests are not being processed"
        return healthy or self._stopping.is_set(), text

    def stop(self) -> None:
        """Stop accepting connections. Not for the accept loop's thread."""
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        self.shutdown()
        self.server_close()

    def server_close(self) -> None:
        for each in self._sockets.values():
            each.close()
        self._logs.report(at_the_end=True)
        self._refused.close()
        self._newcomers.close()
        self._ready.close()
        os.close(self._wake)


_FULL = ProtocolError("server_full", "The server has as many connections as it allows; try again later.")


def _own_address(listening: socket.socket) -> tuple[str, int]:
    """The address where a client on this machine reaches this socket."""
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    host, port = socket.getnameinfo(listening.getsockname(), flags)  # with the scope of a link-local address
    if host == "::" and listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        host = "::1"
    return host, int(port)
