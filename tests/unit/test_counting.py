"""How many messages pass, and how often limits bite."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from classcord.delivery.counting import BIN, BINS, WINDOW, Counting
from classcord.delivery.watching import Message
from classcord.ops import counts, logs
from classcord.ops.events import EVENTS

TIMES = st.lists(st.floats(0, 2000), max_size=60).map(sorted)


@given(TIMES, st.floats(2000, 2100))
def test_it_counts_what_a_plain_list_counts(times: list[float], now: float) -> None:
    counting = Counting()
    for number, time in enumerate(times):
        counting.add([Message(0, f"p{number % 3}", None, "x")], 0, time)
    senders = counting.senders(now)
    recent = [number for number, time in enumerate(times) if time >= now - WINDOW]
    assert senders == {f"p{n}": found for n in range(3) if (found := sum(number % 3 == n for number in recent))}
    last = int(now // BIN)
    assert counting.parts(now) == [
        sum(int(time // BIN) == each for time in times) for each in range(last - BINS + 1, last + 1)
    ]


def test_what_nobody_has_seen_counts_too() -> None:
    counting = Counting()
    counting.add([], 5, 100.0)
    assert (counting.senders(100.0).total(), sum(counting.parts(100.0))) == (5, 5)
    assert (counting.senders(161.0).total(), sum(counting.parts(161.0))) == (0, 5)
    assert sum(counting.parts(100.0 + BIN * BINS)) == 0


def test_the_limits_that_are_counted_are_events_of_the_log() -> None:
    assert set(counts.COUNTED) <= EVENTS.keys()


def test_an_event_is_counted_however_it_is_told() -> None:
    before = counts.counted()
    logs.event("refused", reason="full", count=3)
    logs.caused("10.0.0.5", "dropped", reason="gone")
    logs.event("connected")
    now = counts.counted()
    assert {name: now[name] - before[name] for name in now if now[name] != before[name]} == {"refused": 3, "dropped": 1}
