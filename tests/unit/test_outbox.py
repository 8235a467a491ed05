"""One client's unsent bytes: in order, never lost, bounded."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from classcord.net.outbox import WAITING, Memory, Outbox
from tests.unit.stubs import Wire


def outbox(wire: Wire, limit: int = 1 << 20) -> Outbox:
    return Outbox(cast(Any, wire).send, limit)


@given(st.lists(st.one_of(st.binary(min_size=1, max_size=50), st.integers(0, 60)), max_size=40))
def test_bytes_arrive_whole_and_in_order_however_the_socket_takes_them(steps: list[bytes | int]) -> None:
    wire = Wire(0)
    box = outbox(wire)
    given_in = b""
    for number, step in enumerate(steps):
        if isinstance(step, bytes):
            given_in += step
            assert box.send(step, float(number)) == (WAITING if box.pending else None)
        else:
            wire.room = step
            assert box.resume(float(number)) == (WAITING if box.pending else None)
        assert box.pending == len(given_in) - len(wire.data)
        assert given_in.startswith(wire.data)
    wire.room = None
    box.resume(0.0)
    assert wire.data == given_in
    assert box.pending == 0


def test_a_client_that_reads_nothing_is_given_up_past_the_limit_and_not_before() -> None:
    box = outbox(Wire(0), limit=100)
    assert box.send(b"x" * 60, 0) == WAITING
    assert box.send(b"x" * 40, 0) == WAITING
    assert box.send(b"x", 0) == "outbox_full"


def test_one_answer_may_be_longer_than_the_limit_and_a_client_that_takes_none_of_it_gets_no_more() -> None:
    wire = Wire(10)
    box, other = outbox(wire, limit=100), outbox(Wire(10), limit=100)
    assert box.send(b"x" * 1000, 0) == other.send(b"x" * 1000, 0) == WAITING
    assert other.send(b"y", 0) == "outbox_full"
    assert other.pending == 990, "it is not made longer"
    wire.room = None
    assert box.resume(1) is None
    assert box.send(b"y", 1) is None
    assert wire.data == b"x" * 1000 + b"y"


def test_a_reset_connection_is_gone() -> None:
    wire = Wire(3)
    box = outbox(wire)
    box.send(b"12345", 0)
    wire.broken = True
    assert box.resume(1) == "gone"
    assert outbox(wire).send(b"x", 0) == "gone"


def test_progress_is_when_the_socket_last_took_something() -> None:
    wire = Wire(1)
    box = outbox(wire)
    box.send(b"123456", 1.0)
    assert box.progress == 1.0
    box.send(b"7", 2.0)
    assert box.progress == 1.0, "waiting bytes are not progress"
    box.resume(3.0)
    assert box.progress == 1.0
    wire.room = 2
    box.resume(4.0)
    assert box.progress == 4.0


def test_all_outboxes_together_count_what_only_one_client_waits_for() -> None:
    memory, shared = Memory(), b"x" * 100
    one, other = outbox(Wire(0)), outbox(Wire(30))
    one.memory = other.memory = memory
    for box in (one, other):
        box.send(shared, 0, True)
    assert (one.pending, other.pending, memory.used) == (100, 70, 0)
    one.send(b"12345", 0)
    other.send(b"1234567", 0)
    assert (one.own, other.own, memory.used) == (5, 7, 12)
    one.clear()
    assert memory.used == 7
    other._send = cast(Any, Wire()).send
    assert other.resume(1) is None
    assert (other.own, memory.used) == (0, 0)


def test_clear_forgets_everything() -> None:
    wire = Wire(0)
    box = outbox(wire)
    box.send(b"123", 0)
    box.clear()
    wire.room = None
    assert box.pending == 0
    assert box.resume(0) is None
    assert wire.data == b""
