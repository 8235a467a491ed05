"""Watches: nothing is done without one, nobody waits for one, and its queue is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, cast

from classcord.chat.effects import BoardShown, Wired
from classcord.delivery.meanings import MEANINGS
from classcord.delivery.watching import Message, Watching, WireLines
from classcord.net.link import Link
from classcord.net.peer import Peer
from tests.unit.stubs import Wire


def a_link(number: int = 0) -> Link:
    link = Link(cast(Any, Wire()), 1 << 20, Peer("10.0.0.5", 1))
    link.number = number
    return link


def a_batch(deliveries: Iterable[tuple[Link, bytes, bool]], *watchers: Wired | BoardShown, leaving: object = ()) -> Any:
    return SimpleNamespace(
        deliveries=lambda: deliveries, watchers=watchers, passed=[], passed_on=lambda: iter(()), leaving=leaving,
        messages=[(1,)],
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


def test_messages_are_counted_also_while_nobody_watches() -> None:
    watching = Watching()
    for count in (1, 2):
        watching.deliveries(a_batch([]))
        assert watching.said == count


def test_a_watch_wakes_up_when_something_comes() -> None:
    watch = Watching().begin(wire=False)
    record = Message(0, "a", None, "b")
    watch.put(record, 1)
    assert watch.take(60) == ([record], 0)


def change(watching: Watching, *watchers: Wired | BoardShown, leaving: tuple[int, ...] = ()) -> None:
    """A batch with these changes."""
    list(watching.deliveries(a_batch([], *watchers, leaving=leaving)))


def shown(watching: Watching, watcher: int) -> list[tuple[str, int, bytes, str]]:
    """What is in a cable."""
    records, left_out = watching.cables[watcher].take(0)
    assert left_out == 0
    return [(r.way, r.link.number, r.data, r.name) for r in records if isinstance(r, WireLines)]


def test_a_cable_has_the_lines_of_its_seats_alone() -> None:
    watching = Watching()
    change(watching, Wired(1, ((2, "alice"), (3, "alice"))), Wired(4, ((2, "alice"),)))
    assert watching.on
    for number in (1, 2, 3, 4, 5):
        watching.line(">", a_link(number), b"x")
    assert shown(watching, 1) == [(">", 2, b"x", "alice"), (">", 3, b"x", "alice")]
    assert shown(watching, 4) == [(">", 2, b"x", "alice")]
    change(watching, Wired(1, None), Wired(4, ()))
    assert (watching.on, sorted(watching.cables)) == (False, [4])


def test_a_connection_that_ends_is_shown_until_it_is_closed() -> None:
    watching = Watching()
    change(watching, Wired(1, ((2, "alice"), (3, "alice"))))
    change(watching, Wired(1, ()), leaving=(2,))
    for number in (2, 3):  # 3 has only logged out
        watching.line("<", a_link(number), b"bye")
        watching.line("end", a_link(number), b"closed")
        watching.line("<", a_link(number), b"late")
    assert shown(watching, 1) == [("<", 2, b"bye", "alice"), ("end", 2, b"closed", "alice")]
    assert not watching.on


def test_lines_are_passed_only_to_those_who_still_watch() -> None:
    watching = Watching()
    change(watching, Wired(1, ()), BoardShown(2, True))
    assert watching.boards_changed.is_set()
    batch = a_batch([])
    for kind in ("wire", "board"):
        for seat in (1, 2, 3):
            watching.pass_on(batch, seat, kind, b"x")
    assert batch.passed == [(1, b"x"), (2, b"x")]
    change(watching, Wired(1, None), BoardShown(2, False))
    for kind in ("wire", "board"):
        watching.pass_on(batch, 1, kind, b"y")
        watching.pass_on(batch, 2, kind, b"y")
    assert len(batch.passed) == 2


def test_what_is_passed_on_is_told_to_no_watch() -> None:
    watching, link = Watching(), a_link(1)
    change(watching, Wired(2, ((1, "alice"),)))
    console = watching.begin(wire=True)
    batch = a_batch([(link, b"line", False)])
    batch.passed_on = lambda: iter([(link, b"record", False)])
    assert [data for _, data, _ in watching.deliveries(batch)] == [b"record", b"line"]
    assert [record[3] for record in console.take(0)[0]] == [b"line"]
    assert [data for _, _, data, _ in shown(watching, 2)] == [b"line"]
