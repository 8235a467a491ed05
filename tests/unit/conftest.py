"""Fixtures for tests of single parts."""

from __future__ import annotations

import argparse
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from classcord import site
from classcord.chat.accounts import Account, Accounts
from classcord.data.history import History
from classcord.data.search import Search
from classcord.data.store import Store
from classcord.delivery.registry import Registry
from classcord.net.hashing import Hashing
from classcord.net.listener import ChatServer
from classcord.net.peer import Peer
from classcord.net.places import Places
from classcord.net.sockets import bind, prepare
from classcord.ops import config
from classcord.services import Services
from classcord.wire.texts import Texts
from classcord.wire.words import words_of
from handlers.connection import serve_client
from tests.support import DEADLINE
from tests.unit.pages import Made, made_in


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ChatServer]]:
    """Starts a server in this process: start(inherited, max_connections="1"). Its self-test has all the time.

    `poll` is how many seconds its accept loop waits for a connection: after that it looks at those that it refuses.
    """
    monkeypatch.setattr("classcord.net.listener.TEST_TIME", DEADLINE)
    with ExitStack() as stack:

        # a wait without an end would last for ever
        def make(inherited: socket.socket | None = None, poll: float = 1e6, **flags: str) -> ChatServer:
            given = argparse.Namespace(**{"host": "127.0.0.1", "port": "0", "data": str(tmp_path), **flags})
            settings = config.load(given, {})
            bound = [inherited] if inherited is not None else bind(settings.host, settings.port)
            prepare(bound[0])
            store, texts = Store(tmp_path), Texts(settings.lang)
            accounts = Accounts(map(Account._make, store.accounts()), settings.password_cost)
            registry = Registry(store, accounts, texts, stall_timeout=settings.stall_timeout)
            hashing = Hashing()
            hashing.start()
            history = History(tmp_path, Search(tmp_path, words_of))
            stack.callback(history.close)
            services = Services(
                registry, accounts, hashing, texts, history,
                settings.outbox_limit, settings.unread_limit, places=Places(),
                site=site.load([]),
            )

            def serve(connection: socket.socket, peer: Peer) -> None:
                serve_client(connection, peer, services)

            made = ChatServer(
                bound, serve, settings.max_connections, registry.makes_progress, texts, services.places,
            )
            thread = threading.Thread(target=made.serve_forever, args=(poll,), daemon=True)
            thread.start()

            def end() -> None:
                stopping = threading.Thread(target=made.stop, daemon=True)
                stopping.start()
                stopping.join(DEADLINE)
                assert not stopping.is_alive(), "the accept loop was not woken"
                registry.close(drain=0)
                thread.join(DEADLINE)
                assert not thread.is_alive()

            stack.callback(end)
            return made

        yield make


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    with made_in(tmp_path) as made:
        yield made
