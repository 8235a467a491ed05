"""The order in which passwords are hashed, the clients for which nothing is hashed, and the effect of a fault."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.net import hashing
from classcord.net.hashing import Hashing
from classcord.net.link import Gone, Link
from classcord.net.peer import Peer
from classcord.net.transport import Plain
from tests.support import DEADLINE


class Waiting:
    """A client whose thread waits for its turn, over a real connection. `text` is its result, or the error's name."""

    def __init__(self, hall: Hall, name: str) -> None:
        self._hall = hall
        self.name = name
        self.text = ""
        self.fault: type[BaseException] | None = None
        self.peer = socket.create_connection(hall.listener.getsockname())
        self.connection, _ = hall.listener.accept()
        self.link = Link(Plain(self.connection), 1 << 20, Peer(name[0]))
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.text = self._hall.hashing.run(self.link, self._work)
        except BaseException as error:
            self.text = type(error).__name__

    def _work(self) -> str:
        if self.fault is not None:
            raise self.fault
        self._hall.order.append(self.name)
        return "hashed"

    def reset(self) -> None:
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()


class Hall:
    """Clients that wait. One thread hashes for them, once `open` lets it, so that there is one order."""

    def __init__(self) -> None:
        self.hashing = Hashing()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.order: list[str] = []
        self.clients: list[Waiting] = []

    def enter(self, *names: str) -> list[Waiting]:
        """Clients that come one after the other, each at the address of its name's first letter."""
        entered = [Waiting(self, name) for name in names]
        for client in entered:
            self.clients.append(client)
            before = self._waiting()
            client.thread.start()
            while self._waiting() == before:
                client.thread.join(0.001)
        return entered

    def _waiting(self) -> int:
        return sum(len(jobs) for queues in self.hashing._here._by_address.values() for jobs in queues)

    def open(self) -> list[str]:
        """Let the hashing begin; the order in which it was done."""
        self.hashing.start()
        for client in self.clients:
            client.thread.join(DEADLINE)
            assert not client.thread.is_alive(), f"{client.name} waits for ever"
        return self.order


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    monkeypatch.setattr(hashing, "_THREADS", 1)
    made = Hall()
    with ExitStack() as stack:
        stack.callback(made.listener.close)
        yield made
        for client in made.clients:
            stack.callback(client.peer.close)
            stack.callback(client.connection.close)


def test_turns_go_round_by_address_and_in_order_of_arrival_within_one(hall: Hall) -> None:
    hall.enter("a1", "a2", "b1", "a3", "a4", "c1", "b2")
    assert hall.open() == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]
    assert {client.text for client in hall.clients} == {"hashed"}


@pytest.mark.parametrize("names", ["a1 a2 a3 a4 a5 a6", "a1 b1 c1 d1 e1 f1"], ids=["one address", "an address each"])
def test_a_class_is_served_in_order_of_arrival(hall: Hall, names: str) -> None:
    hall.enter(*names.split())
    assert hall.open() == names.split()


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=30))
def test_the_turns_are_those_of_a_plain_model(arrivals: list[tuple[str, bool]]) -> None:
    """Each arrival is an address, and whether the connection has sent a wrong password."""
    turns = hashing._Turns()
    jobs: list[str] = []
    ring: list[str] = []
    expected, got = [], []
    left, right = socket.socketpair()
    with left, right:
        for number, (address, failed) in enumerate(arrivals):
            peer = Peer(address)
            peer.failures = int(failed)
            turns.add(hashing._Job(Link(Plain(left), 1 << 20, peer), str(number).__str__))
            jobs.append(f"{address}{number}")
            if address not in ring:
                ring.append(address)
        while jobs:
            of_address = [job for job in jobs if job[0] == ring[0]]
            first = min(of_address, key=lambda job: arrivals[int(job[1:])][1])  # the first of the equal ones
            jobs.remove(first)
            expected.append(first)
            address = ring.pop(0)
            if any(job[0] == address for job in jobs):
                ring.append(address)
            job = turns.pop()
            turns.served(job.link.peer.share)
            got.append(job.link.peer.address + job.work())
    assert got == expected
    assert not turns


@pytest.mark.parametrize("end", [Waiting.reset, lambda client: setattr(client.link, "dropped", True)])
def test_nothing_is_hashed_for_who_is_gone_and_that_costs_nobody_a_turn(
    hall: Hall, end: Callable[[Waiting], None]
) -> None:
    hall.enter("a0")
    gone = hall.enter("a1", "a2", "a3", "b1", "b2")
    hall.enter("a4", "c1", "b3")
    for client in gone:
        end(client)
    assert hall.open() == ["a0", "b3", "c1", "a4"]
    assert {client.text for client in gone} == {Gone.__name__}


def test_a_peer_that_closed_its_side_is_served_behind_those_that_are_there(hall: Hall) -> None:
    closed = hall.enter("a1", "a2", "b1")
    hall.enter("a3", "b2", "b3")
    for client in closed:
        client.peer.shutdown(socket.SHUT_WR)
    assert hall.open() == ["a3", "b2", "b3", "a1", "b1", "a2"]


def test_a_program_that_ended_is_served_last_as_it_may_be_one_that_still_reads(hall: Hall) -> None:
    (ended,) = hall.enter("a1")
    hall.enter("a2", "b1")
    ended.peer.close()
    assert hall.open() == ["a2", "b1", "a1"]


def test_a_peer_that_closed_its_side_does_not_wait_for_ever(hall: Hall) -> None:
    closed = hall.enter("a1", "a2")
    for client in closed:
        client.peer.shutdown(socket.SHUT_WR)
    there = [f"{address}{number}" for number in range(5) for address in "bcdef"]
    hall.enter(*there)
    order = hall.open()
    assert [name for name in order if name[0] != "a"] == there, "among themselves nothing changes"
    assert [order.index("a1"), order.index("a2")] == [hashing._SHARE - 1, 2 * hashing._SHARE - 1]


@pytest.mark.parametrize("fault", [ZeroDivisionError, MemoryError, OSError, SystemExit])
def test_a_fault_reaches_the_client_that_it_belongs_to_and_the_thread_goes_on(
    hall: Hall, fault: type[BaseException]
) -> None:
    unlucky = hall.enter("a1", "b1")
    for client in unlucky:
        client.fault = fault
    unlucky += hall.enter("a2")
    # no job can be looked at: its transport is not one
    unlucky[-1].link.transport = None  # type: ignore[assignment]
    hall.enter("a3", "b2")
    assert hall.open() == ["a3", "b2"]
    assert [client.text for client in unlucky] == [fault.__name__, fault.__name__, "AttributeError"]


def test_two_at_a_time_and_never_more() -> None:
    made = Hashing()
    made.start()
    together = threading.Barrier(2, timeout=DEADLINE)
    now: list[int] = []
    most: list[int] = []
    left, right = socket.socketpair()

    def work() -> None:
        now.append(1)
        most.append(len(now))
        together.wait()
        now.pop()
        together.wait()

    with left, right:
        link = Link(Plain(left), 1 << 20, Peer())
        threads = [threading.Thread(target=made.run, args=(link, work)) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
    assert len(most) == 10
    assert max(most) == 2
