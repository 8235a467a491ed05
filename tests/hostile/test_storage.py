"""The disk is full or broken, or another program locks it: the chat goes on, no batch waits twice, the log is true."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.hostile.test_crash import TALKERS
from tests.hostile.test_crash import _run_until_killed as run_until_killed
from tests.hostile.tools import eventually, launcher, said
from tests.support import DEADLINE, Bystanders, Client, Message, Server, fields, member, unique

OwnServer = Callable[..., Server]


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Another program holds the database's lock for writing."""
    path = server.data / "classcord.db"
    with closing(sqlite3.connect(path, timeout=DEADLINE, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield
        db.execute("ROLLBACK")


@contextmanager
def people(server: Server) -> Iterator[tuple[Bystanders, Client]]:
    """The bystanders and alice, for servers that end with the test."""
    address = server.host, server.port
    bystanders = Bystanders(address)
    with closing(bystanders.one), closing(bystanders.two), member(address, unique("alice")) as alice:
        bystanders.check(1)
        yield bystanders, alice


@contextmanager
def failing_disk(server: Server) -> Iterator[None]:
    """Every write to a file fails, also to the lock file."""
    old = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, old[1]))
    yield
    with suppress(ProcessLookupError):
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, old)


def stored(data: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(f"{(data / 'classcord.db').as_uri()}?mode=rw", uri=True)) as db:
        assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
        return db.execute("SELECT id, content FROM messages ORDER BY id").fetchall()


def lines(server: Server, event: str) -> list[dict[str, str]]:
    return [fields(line) for line in server.log_so_far() if f"event={event} " in f"{line} "]


def register(server: Server) -> Message:
    with Client((server.host, server.port)) as client:
        return client.register(unique("newcomer"))


def refused(server: Server) -> None:
    assert register(server).get("code") == "unavailable"


def heard(bystanders: Bystanders) -> list[Message]:
    return [line for line in bystanders.seen if line["type"] == "message"]


def ids_go_on_above(seen: int, server: Server) -> None:
    """This server, started anew, gives no id again that people have seen."""
    with people(server) as (bystanders, alice):
        alice.send({"type": "message", "content": "after"})
        alice.pending()
        bystanders.check(1)
        assert all(line["id"] > seen for line in heard(bystanders))


PATIENT = """
from classcord.data.store import Store
commit = Store.commit
Store.commit = lambda self, messages, accounts, changes=(), wait=1500: commit(self, messages, accounts, changes, wait)
"""
"""Each wait is ten times as long: so it is told from the pauses of a busy machine."""


def test_a_lock_delays_one_batch_and_what_it_kept_out_is_stored_later(own_server: OwnServer) -> None:
    server = own_server(command=launcher(PATIENT))
    with people(server) as (bystanders, alice):
        with locked(server):
            began = time.monotonic()
            alice.send({"type": "message", "content": "first"})
            bystanders.check(1)
            first = time.monotonic() - began
            began = time.monotonic()
            for number in range(20):
                alice.send({"type": "message", "content": f"word {number}"})
                bystanders.check(1)
            rest = time.monotonic() - began
            assert rest / 60 < first / 3, "only the first of them waits for the lock"
            alice.pending()  # by now the server has all of it
            refused(server)
            failed = server.wait_log("event=storage_failed")
            assert f"locked by process {os.getpid()} (" in failed
        recovered = fields(server.wait_log("event=storage_recovered"))
        assert (recovered["stored_late"], recovered["lost"]) == ("63", "0")
        bystanders.check()
        got = heard(bystanders)
        assert register(server)["status"] == "ok"
    assert server.stop() == 0
    found = dict(stored(server.data))
    assert all(found[line["id"]] == line["content"] for line in got)
    contents = [text for text in found.values() if not text.startswith("still here")]
    assert contents == ["first", *(f"word {number}" for number in range(20))]
    assert sum("event=storage_" in line for line in server.log) == 2


def test_past_the_bound_the_newest_are_not_stored_and_are_counted(own_server: OwnServer) -> None:
    server = own_server("--unsaved-limit", "40000")
    with people(server) as (bystanders, alice):
        with locked(server):
            for number in range(300):
                alice.send({"type": "message", "content": f"word {number}"})
            eventually(bystanders, lambda: len(said(bystanders, alice)) == 300, "every client gets all of it")
            assert server.wait_log("event=backlog_full")
        lost = int(fields(server.wait_log("event=storage_recovered"))["lost"])
        bystanders.check(1)
    assert server.stop() == 0
    found = stored(server.data)
    words = [text for _, text in found if text.startswith("word")]
    assert 0 < len(words) < 300
    assert words == [f"word {number}" for number in range(len(words))], "the oldest are stored, in order"
    last = found[-1][0]
    assert last - len(found) == lost, "each message has an id, and each is stored or counted"
    assert len(lines(server, "backlog_full")) == 1


def test_a_large_backlog_is_stored_in_order_while_people_talk(own_server: OwnServer) -> None:
    server = own_server()
    with people(server) as (bystanders, alice):
        with locked(server):
            for number in range(3000):
                alice.send({"type": "message", "content": f"word {number}"})
            eventually(bystanders, lambda: len(said(bystanders, alice)) == 3000, "every client gets all of it")
        bystanders.check(10)
        assert fields(server.wait_log("event=storage_recovered"))["lost"] == "0"
    assert server.stop() == 0
    found = stored(server.data)
    assert [id for id, _ in found] == list(range(1, len(found) + 1))
    assert [text for _, text in found if text.startswith("word")] == [f"word {number}" for number in range(3000)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_while_nothing_can_be_stored(own_server: OwnServer, number: int) -> None:
    """A stop says how many messages are lost. After a stop or a kill, no id that a client has seen comes again."""
    server = own_server()
    with people(server) as (bystanders, alice), locked(server):
        alice.send(*({"type": "message", "content": f"word {n}"} for n in range(200)))
        eventually(bystanders, lambda: len(said(bystanders, alice)) == 200, "every client gets all of it")
        seen = max(line["id"] for line in heard(bystanders))
        assert server.stop(number) == (0 if number == signal.SIGTERM else -number)
    if number == signal.SIGTERM:
        (lost,) = lines(server, "messages_lost")
        assert int(lost["count"]) >= 200
    again = own_server()
    with Bystanders((again.host, again.port)) as others, member((again.host, again.port), unique("bob")) as bob:
        bob.send({"type": "message", "content": "after"})
        bob.pending()
        others.check(1)
        (line,) = heard(others)
        assert line["id"] > seen
    assert again.stop() == 0
    assert line["id"] == next(id for id, text in stored(again.data) if text == "after")


def test_what_waits_at_a_stop_is_stored_if_the_lock_goes_within_a_second(own_server: OwnServer) -> None:
    # a longer second: this test may need some time to let the lock go
    server = own_server(command=launcher("from classcord.data import backlog; backlog._LAST_WAIT = 20_000"))
    with people(server) as (bystanders, alice):
        with locked(server):
            alice.send({"type": "message", "content": "kept"})
            alice.pending()
            bystanders.check(1)
            server.wait_log("event=storage_failed")
            server.process.send_signal(signal.SIGTERM)
            server.wait_log("event=stopping")
        assert server.wait() == 0
    assert "kept" in [text for _, text in stored(server.data)]
    assert not lines(server, "messages_lost")


def test_a_disk_that_fails_every_write(own_server: OwnServer) -> None:
    """The ids' mark can't be written either: when the reserved ids are used up, messages have no id."""
    server = own_server()
    with people(server) as (bystanders, alice):
        bystanders.check(1)
        with failing_disk(server):
            alice.send(*({"type": "message", "content": f"word {n}"} for n in range(100)))
            eventually(bystanders, lambda: len(said(bystanders, alice)) == 100, "every client gets all of it")
            refused(server)
            server.wait_log("event=storage_failed .*hint=")
        server.wait_log("event=storage_recovered .*lost=0")
        bystanders.check()
        assert register(server)["status"] == "ok"
        got = heard(bystanders)
        marked = [line["id"] for line in got if "id" in line]
        assert 0 < len(marked) < len(got)
        with failing_disk(server):  # once more, and the end
            alice.send(*({"type": "message", "content": f"more {n}"} for n in range(100)))
            eventually(bystanders, lambda: len(said(bystanders, alice)) == 200, "every client gets all of it")
            seen = max(line["id"] for line in heard(bystanders) if "id" in line)
            assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    ids_go_on_above(seen, own_server())


@pytest.mark.skipif(os.geteuid() != 0, reason="it mounts a small file system: run the tests as root")
def test_a_full_disk(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(data)], check=True)
    try:
        with Server(data) as server, people(server) as (bystanders, alice):
            with suppress(OSError), open(data / "filler", "wb", buffering=0) as filler:
                while filler.write(b"x" * 4096):
                    pass
            for number in range(200):
                alice.send({"type": "message", "content": f"word {number} " + "x" * 1000})
            eventually(bystanders, lambda: len(said(bystanders, alice)) == 200, "every client gets all of it")
            assert all("id" in line for line in heard(bystanders)), "the mark has its place on the disk"
            assert "full" in server.wait_log("event=storage_failed")
            refused(server)
            (data / "filler").unlink()
            server.wait_log("event=storage_recovered .*lost=0")
            bystanders.check(1)
            assert server.stop() == 0
            found = dict(stored(data))
            assert all(found[line["id"]] == line["content"] for line in heard(bystanders))
    finally:
        subprocess.run(["umount", str(data)], check=True)


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_while_the_storage_comes_and_goes(tmp_path: Path, seed: int) -> None:
    """All answered ok is stored. So is all delivered, except the messages that waited at the end. No id comes twice."""
    chance = random.Random(seed)
    seen: set[int] = set()
    for _ in range(2):
        with Server(tmp_path / "data") as server:
            over = threading.Event()

            def disturb(server: Server = server, over: threading.Event = over) -> None:
                # the talkers register first, and may not be refused
                while sum("event=login " in line for line in server.log_so_far()) < TALKERS and not over.wait(0.01):
                    pass
                while not over.is_set():
                    # on a slow disk the server may have the lock nearly all the time
                    with suppress(sqlite3.OperationalError), locked(server):
                        over.wait(chance.random() / 5)
                    over.wait(chance.random() / 5)

            thread = threading.Thread(target=disturb)
            thread.start()
            try:
                received, names = run_until_killed(server, chance)
            finally:
                over.set()
                thread.join()
        found = dict(stored(tmp_path / "data"))
        said = {line["id"]: line["content"] for lines in received for line in lines}
        missing = [id for id, content in said.items() if found.get(id) != content]
        # the log's last line may be lost with the server
        assert not missing or min(missing) > max(found), "only messages that waited at the end are lost"
        assert not seen & said.keys()
        seen |= said.keys()
        with Server(tmp_path / "data") as server:
            for name in names:
                with Client((server.host, server.port)) as client:
                    word = f"of {name}" if name.startswith("registered") else "azerty"
                    assert client.login(name, word)["status"] == "ok"
            assert server.stop() == 0
