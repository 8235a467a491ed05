"""The flush lock: its rank among the locks, the bound of the list, and the effect of a failing storage or client."""

from __future__ import annotations

import functools
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import pytest

from classcord.chat.accounts import Account, Accounts
from classcord.chat.people import Seat
from classcord.data import backlog, files, store
from classcord.data.store import Store
from classcord.delivery import registry
from classcord.delivery.registry import Registry
from classcord.net.hashing import Hashing
from classcord.net.link import Link
from classcord.net.peer import Peer
from classcord.net.transport import Plain
from classcord.wire.texts import Texts
from tests.support import DEADLINE
from tests.unit.stubs import Wire, connected, end
from tests.unit.test_store import rows

HELD = threading.local()


class Ranked:
    """Wraps a lock; taking it while holding one of the same or a later rank is a fault."""

    def __init__(self, lock: Any, rank: int) -> None:
        self._lock = lock
        self._rank = rank
        self.taken = 0
        self.awaited = threading.Event()
        """Set once somebody has to wait for it."""

    def acquire(self, blocking: bool = True) -> bool:
        held = HELD.__dict__.setdefault("ranks", [])
        assert not held or max(held) < self._rank, f"lock {self._rank} taken while holding {held}"
        taken: bool = self._lock.acquire(False)
        if blocking and not taken:
            self.awaited.set()
            taken = self._lock.acquire()
        if taken:
            held.append(self._rank)
            self.taken += 1
        return taken

    def locked(self) -> bool:
        taken: bool = self._lock.locked()
        return taken

    def release(self) -> None:
        HELD.ranks.remove(self._rank)
        self._lock.release()

    def _is_owned(self) -> bool:
        """threading.Condition calls this."""
        return self._rank in HELD.__dict__.get("ranks", [])

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class World:
    """A registry with its store, without a network."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.store = Store(folder)
        self.accounts = Accounts([], 1)
        self.registry = Registry(self.store, self.accounts, Texts("fr"), clock=clock)
        self.room = self.registry.room

    def guest(self, name: str, wire: Wire | None = None) -> Link:
        made = connected(self.registry, wire)
        self.do("identify", made, name)
        return made

    def say(self, person: Link, text: str) -> None:
        self.do("say", person, None, text)

    def do(self, operation: str, person: Link, *arguments: object) -> None:
        self.registry.post([(operation, person.number, arguments)])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    end(made.registry, made.store)


def test_locks_are_taken_in_rank_order(world: World) -> None:
    hashing = Ranked(threading.Lock(), 1)
    hashers = Hashing()
    hashers._lock = threading.Condition(cast(Any, hashing))
    hashers.start()
    left, right = socket.socketpair()
    waits = Link(Plain(left), 1 << 20, Peer())
    flush = Ranked(world.registry._lock, 2)
    writing = Ranked(world.store._writing, 3)
    world.registry._lock = cast(Any, flush)
    world.store._writing = cast(Any, writing)
    faults: list[BaseException] = []

    def live(number: int) -> None:
        try:
            wire = Wire()
            person = connected(world.registry, wire)
            name = f"person{number}"
            hashed = hashers.run(waits, functools.partial(world.accounts.hash_password, "x"))
            world.registry.post([("register", person.number, (name, hashed, ""))])
            assert wire.arrived.wait(DEADLINE)
            for _ in range(20):
                assert hashers.run(waits, functools.partial(world.accounts.verify, name, "x")) == name
                world.registry.post([("login", person.number, (name, name))])
                world.say(person, "hello")
                world.registry.post([("only", person.number, ("named", False, (("logout", ()),)))])
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=live, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left.close()
    right.close()
    assert faults == []
    assert min(hashing.taken, flush.taken, writing.taken) > 0


def test_who_posts_past_the_bound_waits_for_its_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_BACKLOG", 10)
    person = world.guest("alice")
    held = world.registry._lock
    flush = Ranked(held, 2)
    world.registry._lock = cast(Any, flush)
    with held:
        world.say(person, "does not wait: one item only")
        flood = [("say", person.number, (None, f"{number}")) for number in range(50)]
        thread = threading.Thread(target=world.registry.post, args=(flood,))
        thread.start()
        assert flush.awaited.wait(DEADLINE), "the list has more than its bound, so the poster waits"
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert not world.registry._items


def test_when_nothing_can_be_stored_the_chat_goes_on_and_registrations_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hears = Wire()
    world.guest("hears", hears)
    speaks_to = Wire()
    speaker = world.guest("speaker", speaks_to)

    def full(messages: object, accounts: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "commit", full)
        row = "newcomer", "x", ""
        world.registry.post([("register", speaker.number, row), ("say", speaker.number, (None, "still here"))])
    assert speaks_to.messages()[-1]["code"] == "unavailable"
    assert hears.messages()[-1]["content"] == "still here"
    person = world.room._seats[speaker.number].person
    assert person is not None
    assert not person.account, "nobody becomes an account that is not stored"
    assert "newcomer" not in world.accounts
    world.registry.post([("register", speaker.number, row)])
    assert speaks_to.messages()[-1] == {"type": "register", "status": "ok"}
    assert [row[0] for row in world.store.accounts()] == ["newcomer"]


@pytest.mark.parametrize("looks", ["each second", "before a commit", "after many messages", "for an account"])
def test_a_batch_that_went_to_a_file_without_its_name_is_not_taken_for_stored(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: str
) -> None:
    monkeypatch.setattr(store, "_CHECKED", 1e9)  # no look before a commit
    monkeypatch.setattr(backlog, "_UNCERTAIN", 2)
    hears = Wire()
    world.guest("hears", hears)
    speaker = world.guest("speaker")
    world.say(speaker, "before")
    world.registry.post([("_save", None, ())])
    database, elsewhere = tmp_path / "classcord.db", tmp_path / "elsewhere.db"
    database.rename(elsewhere)
    world.say(speaker, "meanwhile")
    assert hears.messages()[-1]["content"] == "meanwhile"
    assert len(world.registry._backlog) == 0, "nobody has looked"
    waiting = 1
    if looks == "each second":
        world.registry.post([("_save", None, ())])
    elif looks == "for an account":
        assert not world.registry._backlog.commit([], [Account("bob", "bob", "x", "t")])
    else:
        waiting = 2 if looks == "before a commit" else 3
        monkeypatch.setattr(store, "_CHECKED", -1 if looks == "before a commit" else 1e9)
        for number in range(waiting - 1):
            world.say(speaker, f"more {number}")
        monkeypatch.setattr(store, "_CHECKED", 1e9)
    assert len(world.registry._backlog) == waiting, "they wait"
    world.say(speaker, "then")
    assert len(world.registry._backlog) == waiting + 1
    elsewhere.rename(database)
    world.say(speaker, "after")
    assert len(world.registry._backlog) == 0
    more = [f"more {number}" for number in range(waiting - 1)]
    assert [row[-1] for row in rows(tmp_path)] == ["before", "meanwhile", *more, "then", "after"]


def test_what_was_deleted_does_not_come_back_with_a_lost_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_CHECKED", 1e9)
    speaker = world.guest("speaker")
    for text in ("wrong", "right"):
        world.say(speaker, text)
    (id,) = (row[0] for row in rows(tmp_path) if row[-1] == "wrong")
    world.registry.post([("command", None, (1, "delete", (id, "")))])
    database, elsewhere = tmp_path / "classcord.db", tmp_path / "elsewhere.db"
    database.rename(elsewhere)
    world.registry.post([("_save", None, ())])
    world.say(speaker, "then")
    elsewhere.rename(database)
    world.say(speaker, "after")
    assert [row[-1] for row in rows(tmp_path)] == ["right", "then", "after"]


def test_the_files_are_not_looked_at_for_each_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Path] = []
    look = files.look

    def counted(path: Path) -> files.Files:
        looks.append(path)
        return look(path)

    monkeypatch.setattr(files, "look", counted)
    monkeypatch.setattr(store, "_CHECKED", 1e9)
    speaker = world.guest("speaker")
    for number in range(2 * backlog._UNCERTAIN):
        world.say(speaker, str(number))
    assert 1 <= len(looks) <= 4
    assert len(world.registry._backlog._uncertain) <= backlog._UNCERTAIN


def test_a_client_that_is_gone_is_dropped_alone(world: World) -> None:
    left, right = socket.socketpair()
    gone = Link(Plain(left), 1 << 20, Peer())
    world.registry.add(gone)
    world.registry.post([("identify", gone.number, ("gone",))])
    hears = Wire()
    world.guest("hears", hears)
    right.close()
    speaker = world.guest("speaker")
    for number in range(10):
        world.say(speaker, str(number))
    assert gone.dropped
    world.registry.post([("leave", gone.number, ())])  # as its own thread does then
    assert not world.registry._audiences.mask(gone.number)
    lines = hears.messages()
    assert [line["content"] for line in lines if line["type"] == "message"] == [str(number) for number in range(10)]
    assert {"type": "status", "user": "gone", "state": "offline"} in lines
    left.close()


def test_a_fault_in_one_item_costs_its_client_an_answer_and_nobody_else_anything(world: World) -> None:
    wire, hears = Wire(), Wire()
    person = world.guest("person", wire)
    world.guest("hears", hears)

    def broken(seat: Seat) -> None:
        raise ZeroDivisionError

    world.room._operations["broken"] = broken
    world.registry.post([
        ("say", person.number, (None, "before")), ("broken", person.number, ()),
        ("say", person.number, (None, "after")),
    ])
    assert wire.messages()[-1]["code"] == "internal"
    assert [line["content"] for line in hears.messages()] == ["before", "after"]


def test_waiting_means_that_what_was_posted_is_stored_even_while_another_thread_delivers(world: World) -> None:
    person = connected(world.registry)
    world.registry._lock.acquire()
    seen: list[bool] = []

    def register() -> None:
        world.registry.post([("register", person.number, ("alice", "x", ""))])
        world.registry.wait()
        seen.append("alice" in world.accounts)

    thread = threading.Thread(target=register)
    thread.start()
    while len(world.registry._items) < 2:
        thread.join(0.001)
    assert seen == [], "nobody has carried it out yet"
    world.registry._lock.release()
    world.registry.post([("leave", connected(world.registry).number, ())])
    thread.join(DEADLINE)
    assert seen == [True]


def test_on_a_server_that_is_never_idle_a_clients_thread_gets_back_to_its_client(tmp_path: Path) -> None:
    world = World(tmp_path, clock=lambda: 0.0)  # nothing is done each second: it could come between two turns
    person = connected(world.registry)
    who: list[threading.Thread] = []
    over = threading.Event()

    def more(seat: Seat) -> None:
        who.append(threading.current_thread())
        if len(who) == 100:
            over.set()
        else:
            world.registry._items.append(("more", person.number, ()))

    world.room._operations["more"] = more
    world.registry.post([("more", person.number, ())])
    assert over.wait(DEADLINE), "what the poster left was carried out"
    assert who.count(threading.current_thread()) == registry._TURNS, "the poster did not stay for all of it"
    end(world.registry, world.store)


def test_the_end_waits_three_seconds_for_who_does_not_read_and_no_longer(tmp_path: Path) -> None:
    """systemd and Docker kill a server that takes too long over its end."""
    this, now = threading.current_thread(), 0.0

    def clock() -> float:
        nonlocal now
        if threading.current_thread() is this:
            now += 0.25
        return now

    world = World(tmp_path, clock)
    left, right = socket.socketpair()
    with left, right:
        stuck = Link(Plain(left), 64 << 20, Peer())
        world.registry.add(stuck)
        world.registry.post([("reply", stuck.number, (b"x" * (8 << 20),))])
        assert stuck.outbox.pending
        before = now
        world.registry.close()
        assert 3 <= now - before < 5
        world.registry.remove(stuck)
    with pytest.raises(sqlite3.ProgrammingError):
        world.store.accounts()
