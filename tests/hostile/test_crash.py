"""The server is killed while it works: all that it has answered or delivered is stored."""

from __future__ import annotations

import functools
import random
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import DEADLINE, Bystanders, Client, Message, Server, member, unique

TALKERS = 6
REGISTRARS = 3


class Killer:
    """Kills the server when all clients together have received so many messages, and an account was registered."""

    def __init__(self, server: Server, after: int) -> None:
        self._server = server
        self._left = after
        self._registered = False
        self._lock = threading.Lock()
        self.done = threading.Event()

    def received(self) -> None:
        with self._lock:
            self._left -= 1
            self._strike()

    def registered(self) -> None:
        with self._lock:
            self._registered = True
            self._strike()

    def _strike(self) -> None:
        if self._left <= 0 and self._registered and not self.done.is_set():
            self._server.process.send_signal(signal.SIGKILL)
            self.done.set()


def _talk(client: Client, previous: str, killer: Killer) -> list[Message]:
    """Answer every message of `previous`, so that the talk goes round and round; return all messages received."""
    got: list[Message] = []
    count = 0
    try:
        while True:
            line = client.receive()
            if line["type"] == "message":
                got.append(line)
                killer.received()
                if line["from"] == previous:
                    count += 1
                    client.send({"type": "message", "content": f"{client.name} answers {count} é😀"})
    except (AssertionError, OSError):  # Closed is an AssertionError
        return got


def _register(client: Client, killer: Killer) -> list[str]:
    """Register name after name; return the names that were answered ok."""
    names: list[str] = []
    try:
        while True:
            name = unique("registered")
            if client.register(name, f"of {name}") == {"type": "register", "status": "ok"}:
                names.append(name)
                killer.registered()
    except (AssertionError, OSError):
        return names


def _run_until_killed(server: Server, chance: random.Random) -> tuple[list[list[Message]], list[str]]:
    """The messages that each talker received, and the registered names."""
    address = server.host, server.port
    killer = Killer(server, chance.randrange(100, 1200))
    heard: list[list[Message]] = []
    names: list[str] = []
    with ExitStack() as stack:
        talkers = [stack.enter_context(member(address, unique("talker"))) for _ in range(TALKERS)]
        names += [talker.name for talker in talkers]
        registrars = [stack.enter_context(Client(address)) for _ in range(REGISTRARS)]
        work: list[Callable[[], None]] = []
        for place, talker in enumerate(talkers):
            # here, before the count begins: a thread might say its first word after the kill
            words = [f"{talker.name} says {number}" for number in range(chance.randrange(1, 4))]
            talker.send(*({"type": "message", "content": text} for text in words))
            talk = functools.partial(_talk, talker, talkers[place - 1].name, killer)
            work.append(lambda talk=talk: heard.append(talk()))  # type: ignore[misc]
        work += [lambda client=client: names.extend(_register(client, killer)) for client in registrars]  # type: ignore[misc]
        threads = [threading.Thread(target=run, daemon=True) for run in work]
        for thread in threads:
            thread.start()
        # the registrations wait for the disk, and the talk with them
        assert killer.done.wait(6 * DEADLINE), "the talk came to an end by itself"
        for thread in threads:
            thread.join(DEADLINE)
        assert len(heard) == TALKERS
    assert server.wait() == -signal.SIGKILL
    return heard, names


def _stored(data: Path) -> dict[int, tuple[str, str, str]]:
    with sqlite3.connect(data / "classcord.db") as db:
        rows = db.execute("SELECT id, time, sender, content FROM messages WHERE kind = 'global' ORDER BY id").fetchall()
    db.close()
    return {id: (time, sender, content) for id, time, sender, content in rows}


@pytest.mark.parametrize("seed", range(5))
def test_what_was_answered_and_delivered_survives_a_kill(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    password = {}
    last = 0
    for _ in range(2):  # the second time with the data that the first time has left
        with Server(tmp_path / "data") as server:
            heard, names = _run_until_killed(server, chance)
        for name in names:
            password[name] = f"of {name}" if name.startswith("registered") else "azerty"
        with Server(tmp_path / "data") as server, Bystanders((server.host, server.port)) as bystanders:
            stored = _stored(tmp_path / "data")
            for got in heard:
                assert got, "each talker received something"
                ids = [line["id"] for line in got]
                assert ids == sorted(set(ids)), "received in the order of the ids, each once"
                for line in got:
                    assert stored.get(line["id"]) == (line["timestamp"], line["from"], line["content"])
                    assert line["id"] > last
            # ids go on after the last stored one, because a client may have seen it
            bystanders.check(1)
            last = max(stored)
            with Client((server.host, server.port)) as client:
                assert len(names) > TALKERS, "an account was registered meanwhile"
                for name, word in password.items():
                    assert client.login(name, word) == {"type": "login", "status": "ok", "username": name}
                client.send({"type": "message", "content": "after the crash"})
                client.pending()
                bystanders.check(1)
                (line,) = (line for line in bystanders.seen if line["type"] == "message")
                assert line["id"] > last
                last = line["id"]


def test_texts_that_are_hard_to_store_survive_a_kill(tmp_path: Path) -> None:
    hard = ["'); DROP TABLE messages; --", "\u2028\u2029", "a\tb\nc", "\U0001f600" * 100, "\ufeff", "a" * 4000, "\\ \""]
    with Server(tmp_path / "data") as server:
        address = server.host, server.port
        with member(address, "alice") as alice, member(address, "bob") as bob:
            alice.send(*({"type": "message", "content": text} for text in hard))
            got = [bob.until(type="message") for _ in hard]
            assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    assert [line["content"] for line in got] == hard
    assert [content for _, _, content in _stored(tmp_path / "data").values()] == hard
