"""The server is killed around messages that wait: none is lost, and none comes twice without the mark."""

from __future__ import annotations

import random
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.hostile.test_storage import locked
from tests.support import DEADLINE, Client, Message, Server, member

COUNT = 12


def whisper(number: int) -> Message:
    return {"type": "message", "subtype": "private", "to": "bob", "content": f"n° {number:02d}"}


def kill(server: Server) -> None:
    server.process.send_signal(signal.SIGKILL)


def received(client: Client, until: int) -> list[Message]:
    """The messages that have waited, until so many have come or the connection has ended."""
    got: list[Message] = []
    try:
        while len(got) < until:
            line = client.receive()
            if line.get("offline"):
                got.append(line)
    except (AssertionError, OSError):  # Closed is an AssertionError
        pass
    return got


def left(server: Server, count: int) -> list[str]:
    """Messages of alice to bob, who has left; those of which she was told that they are kept."""
    address = server.host, server.port
    kept: list[str] = []
    with member(address, "alice") as alice:
        with member(address, "bob"):
            pass
        alice.until(type="status", user="bob", state="offline")
        for number in range(count):
            alice.send(whisper(number))
            assert "à son retour" in alice.until(**{"from": "Serveur"})["content"]
            kept.append(whisper(number)["content"])
        kill(server)  # at once after the last answer
    return kept


@pytest.mark.parametrize("seed", range(4))
def test_none_is_lost_and_none_comes_twice_without_the_mark(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with Server(tmp_path) as server:
        kept = left(server, COUNT)
        assert server.wait() == -signal.SIGKILL
    got: list[Message] = []
    while {line["content"] for line in got} != set(kept):
        with Server(tmp_path) as server, Client((server.host, server.port)) as bob:
            bob.login("bob")
            bob.send({"type": "users"})
            missing = set(kept) - {line["content"] for line in got}
            got += received(bob, chance.randint(1, min(4, len(missing))))
            if chance.random() < 0.5:  # while the next is on its way
                timer = threading.Timer(chance.random() / 5, kill, (server,))
                timer.start()
                got += received(bob, COUNT)
                timer.join(DEADLINE)
            kill(server)
            got += received(bob, COUNT)  # what the kernel still has
            assert server.wait() == -signal.SIGKILL
    first = [line["content"] for line in got if not line.get("repeated")]
    assert first == sorted(set(first)), "a second time always has the mark, and they keep their order"
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        assert set(db.execute("SELECT tried FROM waiting")) <= {(1,)}, "what is left has the mark"


@pytest.mark.parametrize("seed", range(4))
def test_what_the_sender_was_told_is_kept_whenever_the_kill_comes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    told = 0
    with Server(tmp_path) as server:
        address = server.host, server.port
        with member(address, "alice") as alice:
            with member(address, "bob"):
                pass
            alice.until(type="status", user="bob", state="offline")
            timer = threading.Timer(chance.random() / 20, kill, (server,))
            timer.start()
            try:
                alice.send(*map(whisper, range(80)))
                while True:
                    told += "à son retour" in alice.until(**{"from": "Serveur"})["content"]
            except (AssertionError, OSError):
                pass
            timer.join(DEADLINE)
        server.wait()
    with Server(tmp_path) as server, Client((server.host, server.port)) as bob:
        bob.login("bob")
        bob.send({"type": "users"})
        got = received(bob, told)
    assert [line["content"] for line in got] == [whisper(number)["content"] for number in range(told)]
    assert not any(line.get("repeated") for line in got)


def test_while_nothing_can_be_stored_nothing_is_promised_or_sent(tmp_path: Path) -> None:
    with Server(tmp_path) as server, member((server.host, server.port), "alice") as alice:
        with member((server.host, server.port), "bob"):
            pass
        alice.until(type="status", user="bob", state="offline")
        alice.send(whisper(0))
        assert "à son retour" in alice.until(**{"from": "Serveur"})["content"]
        with locked(server):
            alice.send(whisper(1))
            assert "ne recevra pas" in alice.until(**{"from": "Serveur"})["content"]
            with Client((server.host, server.port)) as bob:
                bob.login("bob")
                bob.send({"type": "users"})
                bob.until(type="users")
                server.wait_log("event=storage_failed")
            alice.until(type="status", user="bob", state="offline")
        server.wait_log("event=storage_recovered")
        with Client((server.host, server.port)) as bob:
            bob.login("bob")
            bob.send({"type": "users"})
            (line,) = received(bob, 1)
            assert line["content"] == whisper(0)["content"]
            assert "repeated" not in line
