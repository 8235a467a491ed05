"""Watches: nothing is done without one, nobody waits for one, and its queue is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

from classcord.chat.effects import Wired
from classcord.delivery.meanings import MEANINGS
from classcord.delivery.watching import Message, Watching
from classcord.net.link import Link
from classcord.net.peer import Peer
from tests.unit.stubs import Wire


def a_link() -> Link:
    return Link(cast(Any, Wire()), 1 << 20, Peer("10.0.0.5", 1))


def a_batch(deliveries: Iterable[tuple[Link, bytes, bool]], *watchers: Wired, passed: object = ()) -> Any:
    return SimpleNamespace(
        deliveries=lambda: deliveries, watchers=watchers, passed=passed, passed_on=lambda: iter(()), leaving=[],
    )


def test_nothing_is_done_while_nobody_watches() -> None:
    watching = Watching()
    deliveries: Iterator[tuple[Link, bytes, bool]] = iter(())
    batch = a_batch(deliveries)
    for _ in range(2):
        assert watching.meanings() is MEANINGS
        assert watching.deliveries(batch) is deliveries
        watch, wire = watching.begin(wire=False), watching.begin(wire=True)
        assert watching.meanings() is not MEANINGS
        assert watching.deliveries(batch) is not deliveries
        watching.end(watch)
        watching.end(wire)


def test_a_watch_of_the_wire_sees_what_is_delivered() -> None:
    watching, link = Watching(), a_link()
    watches = [watching.begin(wire=True) for _ in range(2)]
    assert list(watching.deliveries(a_batch([(link, b"one\n", True)]))) == [(link, b"one\n", True)]
    for watch in watches:
        ((record,), left_out) = watch.take(0)
        assert (record[1:4], left_out) == (("<", link, b"one\n"), 0)


def test_what_finds_no_room_is_counted() -> None:
    watch, record = Watching().begin(wire=False), Message(0, "a", None, "b")
    for _ in range(5000):
        watch.put(record, 1)
    records, left_out = watch.take(0)
    assert len(records) + left_out == 5000
    assert left_out > 0
    assert watch.take(0) == ([], 0)
    watch.put(record, 1 << 22)
    watch.put(record, 1)
    assert watch.take(0) == ([record], 1)


def test_a_watch_wakes_up_when_something_comes() -> None:
    watch = Watching().begin(wire=False)
    record = Message(0, "a", None, "b")
    watch.put(record, 1)
    assert watch.take(60) == ([record], 0)
