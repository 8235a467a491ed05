"""The lines that each receiver gets from a batch, compared with a simple model: a list of lines for each receiver."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from classcord.delivery.audiences import Audiences
from classcord.delivery.batch import Batch
from classcord.net.link import Link

PEOPLE = 5
AUDIENCES = [1, 2, 4]
people, audiences = st.integers(0, PEOPLE - 1), st.sampled_from(AUDIENCES)
STEPS = st.one_of(
    st.tuples(st.just("broadcast"), st.frozensets(people, max_size=3), audiences),
    st.tuples(st.sampled_from(["join", "leave"]), people, audiences),
    st.tuples(st.just("to"), people),
)
Step = tuple[Any, ...]
BOTH = [[("broadcast", frozenset[int](), 2), ("broadcast", frozenset[int](), 4)]]


@example(frozenset({(0, 2), (0, 4), (1, 4)}), BOTH)
@example(frozenset({(0, 2), (1, 4)}), [[("join", 0, 4)], *BOTH])
@given(st.frozensets(st.tuples(people, audiences)), st.lists(st.lists(STEPS, max_size=14), max_size=4))
@settings(max_examples=500)
def test_everybody_gets_the_lines_of_its_audiences_and_its_time_in_the_common_order(
    at_first: frozenset[tuple[int, int]], batches: list[list[Step]]
) -> None:
    links = {number: cast(Link, number) for number in range(PEOPLE)}
    everyone = Audiences()
    inside: dict[int, set[int]] = {audience: set() for audience in AUDIENCES}
    for number, audience in at_first:
        everyone.join(number, links[number], audience)
        inside[audience].add(number)
    expected: list[bytes] = [b""] * PEOPLE
    received: list[bytes] = [b""] * PEOPLE
    count = 0
    for steps in batches:
        batch = Batch(links, everyone, 0, 0.0)
        for step, target, *more in steps:
            count += 1
            line = b"%d\n" % count
            if step == "broadcast":
                batch.broadcast(line, target, *more)
                for n in inside[more[0]] - target:
                    expected[n] += line
            elif step == "to":
                batch.to(target, line)
                expected[target] += line
            elif step == "join":
                batch.join(target, *more)
                inside[more[0]].add(target)
            else:
                batch.leave(target, *more)
                inside[more[0]].discard(target)
        seen = set()
        for receiver, data, _ in batch.deliveries():
            assert receiver not in seen, "one send a receiver and batch"
            assert data
            seen.add(receiver)
            received[cast(int, receiver)] += data
        for audience in AUDIENCES:
            assert set(everyone.members(audience)) == inside[audience]
    assert received == expected
