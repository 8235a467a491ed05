"""Serving: builds the parts in order. One signal ends it, a second one ends it at once."""

from __future__ import annotations

import errno
import logging
import os
import queue
import signal
import socket
import threading
from collections.abc import Callable

from classcord import __version__, site
from classcord.chat.accounts import Account, Accounts
from classcord.chat.channels import Channels
from classcord.console.commands import Commands
from classcord.console.server import ConsoleServer
from classcord.data.excess import Excess
from classcord.data.history import History
from classcord.data.search import Search
from classcord.data.store import Store, StoreError
from classcord.delivery.board import Board
from classcord.delivery.linesman import Linesman
from classcord.delivery.postman import Postman
from classcord.delivery.registry import Registry
from classcord.delivery.retention import Retention
from classcord.net import sockets
from classcord.net.addresses import to_hand_out
from classcord.net.hashing import Hashing
from classcord.net.limits import Limits
from classcord.net.listener import SPARE_FILES, ChatServer
from classcord.net.peer import Peer
from classcord.net.places import Places
from classcord.ops import config, logs, needs, systemd
from classcord.ops.failure import EXIT_CANT_LISTEN, EXIT_DATABASE, EXIT_DONE, Failure
from classcord.ops.port_conflict import port_conflict
from classcord.services import Services
from classcord.wire.texts import Texts
from classcord.wire.words import words_of

__all__ = ["THREAD_STACK", "serve"]

THREAD_STACK = 512 * 1024
"""Bytes of stack for each thread: the C JSON decoder recurses on it, at most protocol.MAX_DEPTH times."""


class _Signals:
    """The signals that ask the server to stop: blocked in every thread, while a thread of its own waits for them.

    Handlers would run in the main thread. It may be in the middle of a long check of the database, or it may hold the
    lock that the handler would wait for.
    """

    def __init__(self) -> None:
        self._stop = {signal.SIGTERM, signal.SIGINT}
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup
            self._stop.add(signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, self._stop)
        self._serving = False
        self._asked: queue.SimpleQueue[int] = queue.SimpleQueue()

    def watch(self) -> None:
        """Begin to wait for them; signals that came before are not lost."""
        threading.Thread(target=self._watch, name="signals", daemon=True).start()

    def _watch(self) -> None:
        number = signal.sigwait(self._stop)
        if self._serving:
            self._asked.put(number)
            signal.sigwait(self._stop)  # the second signal: end at once. All confirmed messages are stored
        else:  # no client was answered yet
            logs.event("stopped", signal=signal.Signals(number).name)
            logs.stop()
        os._exit(EXIT_DONE)

    def serving(self) -> None:
        """From now on there are clients: `wait` gets the first signal."""
        self._serving = True

    def wait(self) -> int:
        """Wait for a signal that asks to stop; its number."""
        return self._asked.get()


def serve(settings: config.Config, handle: Callable[[socket.socket, Peer, Services], None]) -> int:
    """Serve until a signal says stop, and return the exit code. `handle` serves one client's connection in its thread.

    For the main thread, once. Raises Failure, UsageError, or the errors that few_resources() knows.
    """
    needs.check()
    signals = _Signals()  # before any other thread: threads inherit the blocked signals
    logs.start(settings.log_level, settings.log_format, settings.log_lines if settings.limits == "on" else None)
    signals.watch()
    for name in config.unknown_variables():
        logs.event("unknown_setting", name=name, hint="see server.py --help for the settings")
    manager = systemd.Manager()
    needs.allow_files(settings.max_connections + SPARE_FILES)
    threading.stack_size(THREAD_STACK)
    inherited = manager.listening_socket()
    try:
        bound = [inherited] if inherited is not None else sockets.bind(settings.host, settings.port)
        if inherited is not None:
            sockets.prepare(inherited)
        store = Store(settings.data)
        accounts, texts = Accounts(map(Account._make, store.accounts()), settings.password_cost), Texts(settings.lang)
        registry = Registry(
            store, accounts, texts, stall_timeout=settings.stall_timeout, unsaved_limit=settings.unsaved_limit,
            outboxes_limit=settings.outboxes_limit,
            channels=Channels(
                config.channels(settings.channels), config.channels(settings.teacher_channels),
                settings.own_channels, settings.most_channels, store.closed_channels(),
            ),
        )
        search = Search(settings.data, words_of, lambda: store.deletions, store.expired)
        history = History(settings.data, search)
        hashing = Hashing()
        hashing.start()
        Postman(registry, history).start()
        Linesman(registry, settings.unread_limit).start()
        hosts, port = [each.getsockname()[0] for each in bound], bound[0].getsockname()[1]
        Board(registry, settings.data, __version__, lambda: to_hand_out(hosts, port)).start()
        retention = Retention(registry, Excess(
            settings.data, days=settings.keep_days, messages=settings.keep_messages, size=settings.keep_size << 20,
            deletions=lambda: store.deletions,
        ))
        if settings.keep_days or settings.keep_messages or settings.keep_size:
            retention.start()
        signals.serving()
        limits, places = (Limits(settings), Places()) if settings.limits == "on" else (None, None)
        services = Services(
            registry, accounts, hashing, texts, history, settings.outbox_limit, settings.unread_limit, limits, places,
            os.path.abspath(settings.data),
            site.load(config.channels(settings.web_host)) if settings.web == "on" else None,
        )

        def serve_client(connection: socket.socket, peer: Peer) -> None:
            handle(connection, peer, services)

        server = ChatServer(bound, serve_client, settings.max_connections, registry.makes_progress, texts, places,
                            registry.room.moderation.bans.address)
    except StoreError as error:
        raise Failure(EXIT_DATABASE, str(error)) from None
    except OSError as error:
        if needs.few_resources(error) is not None:
            raise
        raise Failure(EXIT_CANT_LISTEN, _listen_failure(error, settings, manager)) from None
    threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
    commands = Commands(services, settings.data, __version__, quiet=settings.quiet_watch == "on")
    console = ConsoleServer(settings.data, commands.run)
    console.start()
    search.start()
    host = sockets.names(bound)
    level, hint = logging.INFO, None
    if inherited is None and sockets.only_this_machine(bound):
        hint = "no other machine can connect; --host '*' listens on every address"
        if host != settings.host:  # a name; an address was meant as it stands
            level = logging.WARNING
    pages = [f"http://{address}/" for address in to_hand_out(hosts, port)] if settings.web == "on" else []
    logs.event("listening", level, host=host, port=port, version=__version__, data=os.path.abspath(settings.data),
               accounts=len(accounts), page=" ".join(pages) or None, hint=hint)
    if inherited is not None and (settings.sources["host"], settings.sources["port"]) != ("default", "default"):
        logs.event("setting_without_effect", name="host, port",
                   hint=f"classcord.socket says where to listen; for another port: {systemd.OTHER_PORT}")
    manager.tell("READY=1", f"STATUS=Listening on {host} port {port}")
    manager.watch(server.self_test)
    number = signals.wait()
    logs.event("stopping", signal=signal.Signals(number).name)
    manager.tell("STOPPING=1")
    console.stop()
    server.stop()
    retention.stop()
    history.close()  # before the store, so that its last connection takes the write-ahead log away
    registry.close()
    logs.report_left_out(at_the_end=True)  # so that the end of the log says that it is the end
    logs.event("stopped")
    logs.stop()
    return EXIT_DONE


def _listen_failure(error: OSError, settings: config.Config, manager: systemd.Manager) -> str:
    where = f"{settings.host} port {settings.port}"
    address = error.filename or settings.host
    if address != settings.host != config.EVERY_ADDRESS:
        where += f" ({address})"
    hint = "choose another address with --host (the port goes in --port)"
    if error.errno == errno.EADDRINUSE:
        hint = port_conflict(address, settings.port, manager)
    elif error.errno == errno.EACCES:
        hint = "only root may use this port: choose one from 1024 up with --port"
    elif isinstance(error, socket.gaierror):
        hint = "give an address of this machine, or leave --host out to listen on all of them (the port goes in --port)"
    return f"can't listen on {where}: {error.strerror or error}; {hint}"
