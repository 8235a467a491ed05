"""The end of a client: all its lines leave first, its thread is told once, and its failure disturbs no other client."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classcord.chat.accounts import Accounts
from classcord.chat.room import Item
from classcord.data.store import Store
from classcord.delivery.batch import Batch
from classcord.delivery.registry import Registry
from classcord.net.latch import Latch
from classcord.net.link import Link
from classcord.wire.texts import Texts
from tests.unit.stubs import Wire, connected, end

FAULTS: list[Exception | None] = [
    None, OSError(errno.EBADF, "closed"), OSError(errno.ENOBUFS, "no memory"), ConnectionResetError(),
    ValueError("negative file descriptor"), MemoryError(), RuntimeError("a fault of ours"),
]


class Socket(Wire):
    """A socket whose calls fail, one after the other, as `faults` says; the others work."""

    def __init__(self, number: int, room: int | None, faults: list[Exception | None]) -> None:
        super().__init__(room)
        self.number = number
        self.faults = deque(faults)

    def _call(self) -> None:
        fault = self.faults.popleft() if self.faults else None
        if fault is not None:
            raise fault

    def send(self, data: bytes) -> int:
        self._call()
        return super().send(data)

    def fileno(self) -> int:
        self._call()
        return self.number

    def discard(self) -> None:
        self._call()

    def end(self) -> None:
        self._call()


class Poller:
    """Stands for epoll: never says anything; the test says when a socket can be written again."""

    def register(self, descriptor: int, flags: int) -> None:
        pass

    def modify(self, descriptor: int, flags: int) -> None:
        pass

    def poll(self, seconds: float) -> list[tuple[int, int]]:
        Latch().wait(seconds)
        return []


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """One registry for all of them: it has threads of its own, which last as long as the process."""
    store = Store(tmp_path_factory.mktemp("ends"))
    # the time stands still: what is done each second would carry out a batch in another thread
    registry = Registry(store, Accounts([], 1), Texts("fr"), clock=lambda: 0.0)
    registry._epoll = cast(Any, Poller())
    registry._own["_broadcast"] = Batch.broadcast
    yield registry
    end(registry, store)


def _member(made: Registry, wire: Wire) -> Link:
    link = connected(made, wire)
    made.post([("identify", link.number, (None,))])
    return link


def _after(made: Registry, event: Latch) -> Item:
    """The item that sets the event after its batch."""
    number = next(made._numbers)
    made._waiting[number] = event
    return ("tell", None, (number,))


def test_the_last_answers_of_a_client_that_was_behind_leave_before_it_is_closed(made: Registry) -> None:
    """A socket becomes writable again in the batch that also holds the client's last answer and its end."""
    wire = Socket(3, 0, [])
    link = connected(made, wire)
    made.post([("reply", link.number, (b"first\n",))])
    wire.room = 9
    link.drained = drained = Latch()
    made.post([("_resume", None, (link.number,)), ("reply", link.number, (b"last\n",)), ("leave", link.number, ())])
    assert not drained.is_set(), "two bytes of the last answer are still waiting"
    wire.room = None
    made.post([("_resume", None, (link.number,))])
    assert drained.is_set()
    assert wire.data == b"first\nlast\n"


NO_WATCH = OSError(errno.ENOSPC, "no more watches")


@pytest.mark.parametrize("faults", [[None, NO_WATCH], [None, None, None, NO_WATCH]], ids=["at first", "later"])
def test_a_client_that_nobody_can_watch_is_dropped_alone(made: Registry, faults: list[Exception | None]) -> None:
    """No memory for epoll, or a descriptor that has just been closed: no event would say when to send on."""
    wires = Socket(3, 0, faults), Socket(4, None, [])
    unwatched, hears = [_member(made, wire) for wire in wires]
    made.post([("_broadcast", None, (b"hello\n",))])
    assert b"hello\n" in wires[1].data
    made.post([("_resume", None, (unwatched.number,))])
    assert unwatched.dropped
    made.post([("leave", unwatched.number, ()), ("leave", hears.number, ())])


def test_a_fault_of_ours_in_the_middle_of_a_batch_leaves_no_thread_waiting(
    made: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(batch: Batch) -> None:
        raise ZeroDivisionError

    link, done = _member(made, Socket(3, None, [])), Latch()
    link.drained = drained = Latch()
    monkeypatch.setattr(Batch, "deliveries", broken)
    with pytest.raises(ZeroDivisionError):
        made.post([_after(made, done), ("leave", link.number, ())])
    assert done.is_set()
    assert drained.is_set()


def test_the_stop_is_announced_though_the_oldest_connection_has_just_been_expelled(tmp_path: Path) -> None:
    made = Registry(Store(tmp_path), Accounts([], 1), Texts("fr"))
    wire = Socket(4, None, [])
    expelled, hears = connected(made, Socket(3, None, [])), connected(made, wire)
    made.post([("identify", hears.number, (None,))])
    expelled.expelled = True
    made.close()
    assert "s'arrête" in wire.messages()[-1]["content"]


STEPS = st.one_of(
    st.tuples(st.just("broadcast"), st.just(0)),
    st.tuples(st.sampled_from(["reply", "end", "resume", "room"]), st.integers(0, 3)),
)


@given(
    faults=st.lists(st.lists(st.sampled_from(FAULTS), max_size=6), min_size=4, max_size=4),
    rooms=st.lists(st.sampled_from([None, 0, 20]), min_size=4, max_size=4),
    batches=st.lists(st.lists(STEPS, max_size=8), max_size=8),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_call_of_a_socket_fails_all_others_get_everything_and_every_thread_goes_on(
    made: Registry, faults: list[list[Exception | None]], rooms: list[int | None],
    batches: list[list[tuple[str, int]]],
) -> None:
    wires = [Socket(number, None, []) for number in range(4)]
    people = [_member(made, wire) for wire in wires]
    whole = Socket(9, None, [])
    hears = _member(made, whole)
    whole.data, said = b"", b""
    for wire, room, script in zip(wires, rooms, faults, strict=True):
        wire.room = room
        wire.faults.extend(script)
    for number, steps in enumerate(batches):
        items: list[Item] = []
        for step, target in steps:
            person = people[target]
            if step == "broadcast":
                line = b"line %d\n" % number
                said += line
                items.append(("_broadcast", None, (line,)))
            elif step == "reply" and person.drained is None:
                items.append(("reply", person.number, (b"an answer of some length\n",)))
            elif step == "end" and person.drained is None:
                person.drained = Latch()
                items.append(("leave", person.number, ()))
            elif step == "resume":
                items.append(("_resume", None, (person.number,)))
            elif step == "room" and wires[target].room is not None:
                wires[target].room = 30
        _post(made, items)
        for person in people:
            if person.drained is not None:
                assert person.drained.is_set() == (person.outbox.pending == 0), "left, and nothing pending"
    for wire, person in zip(wires, people, strict=True):
        wire.faults.clear()
        wire.room = None
        if person.drained is None:
            person.drained = Latch()
            _post(made, [("leave", person.number, ())])
        _post(made, [("_resume", None, (person.number,))])
        assert person.drained.is_set()
        assert person.dropped or wire.data.endswith(b"\n"), "nothing is torn"
    _post(made, [("leave", hears.number, ())])
    got = [line + b"\n" for line in whole.data.splitlines() if line.startswith(b"line ")]
    assert b"".join(got) == said


def _post(made: Registry, items: list[Item]) -> None:
    """Run them as one batch. The client that waits for the batch learns of its end, also after an error."""
    done = Latch()
    with made._lock:
        made._items.extend([*items, _after(made, done)])
        made._flush()
    assert done.is_set()
    made.post([])  # the ends of the clients that were dropped meanwhile
