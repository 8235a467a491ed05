#!/usr/bin/env python3
"""The ClassCord server: command line, listening socket, signals, exit codes. What is said on the wire is elsewhere."""

from __future__ import annotations

import sys

if sys.version_info < (3, 10):  # noqa: UP036 - before anything that an older one would stumble over
    sys.exit("server.py: Python 3.10 or later is needed")

import errno
import logging
import os
import resource
import select
import signal
import socket
import socketserver
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from classcord import __version__, backup, config, health, limits, logs, service
from classcord.accounts import Accounts
from classcord.hashing import Hashing
from classcord.protocol import ProtocolError
from classcord.registry import Registry
from classcord.rival import rival
from classcord.store import Store, StoreError
from classcord.texts import Texts
from handlers.connection import ConnectionHandler, from_here, peer_address

EXIT_DONE, EXIT_CANT_LISTEN, EXIT_FAILED, EXIT_USAGE, EXIT_DATABASE = 0, 1, 1, 2, 78

THREAD_STACK = 512 * 1024
"""Bytes of stack a thread: the C JSON decoder recurses on it, protocol.MAX_DEPTH times at the most."""
_SEND_BUFFER = 128 * 1024
"""Bytes the kernel holds for a client that doesn't read."""
_REFUSED = 64
"""Refused connections kept open for a moment, so that the refusal gets through."""
_SPARE_FILES = 64 + _REFUSED
"""Open files besides the connections."""
_TEST_TIME = 2.5
"""Seconds for each of the two parts of the self-test."""


class ChatServer(socketserver.ThreadingTCPServer):
    """Accepts connections, and gives each a thread with a ConnectionHandler. Methods run in the accept loop's thread.

    `inherited` is a socket that listens already and that others hold too; the settings of host and port count for
    nothing then. Raises OSError when it can't listen on `settings.host` and `settings.port`.
    """

    request_queue_size = 1024  # socketserver's 5 makes a class that connects at once wait for SYN retries
    allow_reuse_address = True  # else a restart fails while old connections are in TIME_WAIT
    daemon_threads = True
    block_on_close = False

    def __init__(self, settings: config.Config, inherited: socket.socket | None = None) -> None:
        self.outbox_limit = settings.outbox_limit
        self.texts = Texts(settings.lang)
        self.registry: Registry  # these four are set by open()
        self.accounts: Accounts
        self.hashing: Hashing
        self._own_address: tuple[str, int]
        self._max_connections = settings.max_connections
        self._open: dict[socket.socket, str] = {}  # with the address that the NAT watch counts, if it does
        self._refused: deque[tuple[float, socket.socket]] = deque()
        self._refusals = limits.Sometimes(10)
        self._accept_errors = limits.Sometimes(10)
        self._nat = limits.NatWatch()
        self._stopping = threading.Event()
        self._wake = os.eventfd(0)
        self._ready = select.epoll()
        host = "" if settings.host == config.EVERY_ADDRESS else settings.host
        self._dual_stack = not host
        self.address_family, address = _resolve(host, settings.port)
        super().__init__(address, ConnectionHandler, bind_and_activate=False)
        try:
            if inherited is None:
                self.server_bind()
            else:
                self.socket.close()
                self.socket, self.address_family = inherited, inherited.family
                self.server_address = inherited.getsockname()
                self._prepare_socket()
        except OSError:
            self.server_close()
            raise
        self._ready.register(self.socket.fileno(), select.EPOLLIN)
        self._ready.register(self._wake, select.EPOLLIN)

    def open(self, store: Store, settings: config.Config) -> None:
        """Begin to listen, with what is stored. Raises OSError when another server was faster."""
        self.accounts = Accounts(store.accounts(), settings.password_cost)
        self.hashing = Hashing()
        self.hashing.start()
        self.registry = Registry(store, self.accounts, self.texts, stall_timeout=settings.stall_timeout)
        self.server_activate()
        flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        host, port = socket.getnameinfo(self.socket.getsockname(), flags)  # with the scope of a link-local address
        if host == "::" and self.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            host = "::1"
        self._own_address = host, int(port)

    def server_bind(self) -> None:
        if self._dual_stack and self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._prepare_socket()
        super().server_bind()

    def _prepare_socket(self) -> None:
        # Linux hands these on to every accepted socket
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # notices a peer that vanished within two minutes, and keeps a NAT from forgetting a quiet one
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)

    def fileno(self) -> int:
        return self._ready.fileno()  # what the accept loop waits for: connections, and the end

    def get_request(self) -> tuple[socket.socket, Any]:
        if self._stopping.is_set():
            raise BlockingIOError  # what waits is for the next server, if it has the same socket
        try:
            return super().get_request()
        except OSError as error:
            if not self._stopping.is_set() and error.errno not in (errno.ECONNABORTED, errno.EAGAIN):
                count = self._accept_errors.happened(time.monotonic())
                if count:
                    logs.event("accept_failed", logging.ERROR, detail=str(error), count=count,
                               hint="raise the limit of open files (ulimit -n), or lower --max-connections")
                self._stopping.wait(0.1)  # the connection still waits: without a pause the loop would spin
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._open) >= self._max_connections:
            self._refuse(request, client_address, "max_connections")
            return
        peer = peer_address(client_address[0])
        self._open[request] = counted = "" if from_here(request, peer) else peer
        warned = counted and self._nat.connected(counted)
        if warned:
            hint = "most clients show one private address; forward the port without masquerading to see theirs"
            logs.event("nat_hides_clients", logging.WARNING, peer=warned, hint=hint)
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # the system has no thread left for us
            self._closed(request)
            self._refuse(request, client_address, "no_thread")

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._closed(request)

    def _closed(self, request: socket.socket) -> None:
        counted = self._open.pop(request)
        if counted:
            self._nat.disconnected(counted)

    def _refuse(self, request: socket.socket, client_address: Any, reason: str) -> None:
        """Answer without a thread, and close a moment later."""
        count = self._refusals.happened(time.monotonic())
        if count:
            logs.event("refused", logging.WARNING, reason=reason, count=count, peer=peer_address(client_address[0]))
        try:
            request.send(_FULL, socket.MSG_DONTWAIT)
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone already
        self._refused.append((time.monotonic() + 1, request))
        if len(self._refused) > _REFUSED:
            self._refused.popleft()[1].close()

    def service_actions(self) -> None:
        while self._refused and self._refused[0][0] < time.monotonic():
            self._refused.popleft()[1].close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None:
            logs.exception("internal_error", error, peer=peer_address(client_address[0]))

    def self_test(self) -> tuple[bool, str]:
        """Whether a client of our own is served and the registry's list moves, or we are about to stop; and a line.

        For a thread that isn't the accept loop's.
        """
        healthy, text = health.check(*self._own_address, _TEST_TIME)
        if healthy and not self.registry.moves(_TEST_TIME):  # a full server answers without asking the registry
            healthy, text = False, "what clients ask for is not carried out"
        return healthy or self._stopping.is_set(), text

    def stop(self) -> None:
        """Accept nobody any more. For a thread that isn't the accept loop's."""
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        self.shutdown()
        self.server_close()

    def server_close(self) -> None:
        super().server_close()
        for _, request in self._refused:
            request.close()
        self._ready.close()
        os.close(self._wake)


_FULL = ProtocolError("server_full", "The server has as many connections as it allows; try again later.").line()


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    if not host:
        if socket.has_ipv6:
            try:
                with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                    probe.bind(("::", 0))
                return socket.AF_INET6, ("::", port)
            except OSError:
                pass  # no IPv6 on this machine
        return socket.AF_INET, ("0.0.0.0", port)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:
        raise OSError(errno.EINVAL, "this is no host name") from None
    return found[0][0], found[0][4]


def _allow_files(wanted: int) -> None:
    """Raise the limit of open files as far as needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if allowed > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            logs.event("few_open_files", logging.WARNING, allowed=allowed, wanted=wanted,
                       hint="raise the hard limit (ulimit -Hn; LimitNOFILE= of a systemd unit), or lower"
                            " --max-connections")


def _fail(code: int, text: str) -> int:
    logs.stop()
    print(f"{logs.priority(logging.ERROR)}server.py: {text}", file=sys.stderr)
    return code


def _stop_now(number: int, frame: FrameType | None) -> None:
    """Asked to stop for a second time: at once. What was answered is stored."""
    os._exit(EXIT_DONE)


def _listen_failure(error: OSError, settings: config.Config, manager: service.Manager) -> str:
    hint = "choose another address with --host (the port goes in --port)"
    if error.errno == errno.EADDRINUSE:
        ours, _ = health.check(settings.host, settings.port, seconds=1)
        hint = rival(settings.port, classcord=ours, manager=manager)
    elif error.errno == errno.EACCES:
        hint = "only root may use this port: choose one from 1024 up with --port"
    return f"can't listen on {settings.host} port {settings.port}: {error.strerror or error}; {hint}"


def serve(settings: config.Config) -> int:
    """Serve until a signal says stop; the exit code."""
    # Blocked in all threads and waited for below. A handler that sets an event could run while this very thread
    # holds that event's lock, just before it waits: then nothing would ever stop the server.
    stop = {signal.SIGTERM, signal.SIGINT}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
        stop.add(signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    logs.start(settings.log_level, settings.log_format)
    for name in config.unknown_variables():
        logs.event("unknown_setting", logging.WARNING, name=name, hint="see server.py --help for the settings")
    manager = service.Manager()
    _allow_files(settings.max_connections + _SPARE_FILES)
    threading.stack_size(THREAD_STACK)
    try:
        inherited = manager.listening_socket()
        server = ChatServer(settings, inherited)
    except config.UsageError as error:
        return _fail(EXIT_USAGE, str(error))
    except OSError as error:
        return _fail(EXIT_CANT_LISTEN, _listen_failure(error, settings, manager))
    try:
        store = Store(settings.data)
    except StoreError as error:
        return _fail(EXIT_DATABASE, str(error))
    try:
        server.open(store, settings)
    except OSError as error:
        return _fail(EXIT_CANT_LISTEN, _listen_failure(error, settings, manager))
    host, port = server.socket.getsockname()[:2]
    threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
    data, accounts = os.path.abspath(settings.data), len(server.accounts)
    logs.event("listening", host=host, port=port, version=__version__, data=data, accounts=accounts)
    if inherited is not None and (settings.sources["host"], settings.sources["port"]) != ("default", "default"):
        logs.event("setting_without_effect", logging.WARNING, name="host, port",
                   hint="classcord.socket says where to listen: sudo systemctl edit --full classcord.socket")
    manager.tell("READY=1", f"STATUS=Listening on {host} port {port}")
    manager.watch(server.self_test)
    number = signal.sigwait(stop)
    for each in stop:
        signal.signal(each, _stop_now)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, stop)
    logs.event("stopping", signal=signal.Signals(number).name)
    manager.tell("STOPPING=1")
    server.stop()
    server.registry.close()
    logs.event("stopped")
    logs.stop()
    return EXIT_DONE


def _health(arguments: list[str]) -> int:
    about = "Ask the server at --host (* is this machine) and --port whether it answers, within 3 seconds."
    flags = config.parser("server.py health", about, ("host", "port"))
    settings = config.load(flags.parse_args(arguments))
    if settings.port == 0:
        raise config.SettingError("port 0 stands for any free port; give the one that the server logged")
    healthy, text = health.check(settings.host, settings.port)
    print(text)
    return EXIT_DONE if healthy else EXIT_FAILED


def _backup(arguments: list[str]) -> int:
    about = "Copy the database to FILE, which must not exist yet. The server may go on running."
    return _on_database("backup", about, "the file to write; - is standard output", backup.backup, arguments)


def _restore(arguments: list[str]) -> int:
    about = "Put a backup in place of the database, which is kept under another name. The server must not run."
    return _on_database("restore", about, "what `backup` wrote; - is standard input", backup.restore, arguments)


def _on_database(
    name: str, about: str, file: str, carry_out: Callable[[Path, str], str], arguments: list[str]
) -> int:
    flags = config.parser(f"server.py {name}", about, ("data",))
    flags.add_argument("file", metavar="FILE", help=file)
    given = flags.parse_args(arguments)
    try:
        print(carry_out(Path(config.load(given).data), given.file), file=sys.stderr)
    except backup.BackupError as error:
        return _fail(EXIT_FAILED, str(error))
    except StoreError as error:
        return _fail(EXIT_DATABASE, str(error))
    return EXIT_DONE


_COMMANDS = {"health": _health, "backup": _backup, "restore": _restore}


def main(arguments: list[str]) -> int:
    """The program. Returns its exit code."""
    try:
        if arguments and arguments[0] in _COMMANDS:
            return _COMMANDS[arguments[0]](arguments[1:])
        about = (
            "The ClassCord chat server. Other commands: `server.py health` asks a running server whether it answers,"
            " `server.py backup FILE` copies the database, `server.py restore FILE` puts a copy back."
        )
        parser = config.parser("server.py", about)
        parser.add_argument("--check-config", action="store_true", help="print the settings in force, and leave")
        parser.add_argument("--version", action="version", version=f"ClassCord {__version__}")
        given = parser.parse_args(arguments)
        settings = config.load(given)
    except config.UsageError as error:
        return _fail(EXIT_USAGE, str(error))
    if given.check_config:
        print(config.report(settings))
        for name in config.unknown_variables():
            print(f"server.py: {name} is no setting; see server.py --help", file=sys.stderr)
        return EXIT_DONE
    return serve(settings)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if sys.stdout is not None:  # closed at the start
        sys.stdout.flush()
    os._exit(code)  # clients' threads may still be in a system call; there is nothing left to tidy
