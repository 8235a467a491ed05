"""The lines that each receiver gets from a batch, compared with a simple model: a list of lines for each receiver."""

from __future__ import annotations

from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from classcord.batch import Batch
from classcord.link import Link

PEOPLE = 5
STEPS = st.one_of(
    st.tuples(st.just("broadcast"), st.frozensets(st.integers(0, PEOPLE - 1), max_size=3)),
    st.tuples(st.sampled_from(["to", "join", "leave"]), st.integers(0, PEOPLE - 1)),
)


@given(st.frozensets(st.integers(0, PEOPLE - 1)), st.lists(st.lists(STEPS, max_size=12), max_size=4))
def test_everybody_gets_the_lines_of_its_time_in_the_common_order(
    at_first: frozenset[int], batches: list[list[tuple[str, int | frozenset[int]]]]
) -> None:
    links = {number: cast(Link, number) for number in range(PEOPLE)}
    members = {number: links[number] for number in at_first}
    inside = set(at_first)
    expected: list[bytes] = [b""] * PEOPLE
    received: list[bytes] = [b""] * PEOPLE
    count = 0
    for steps in batches:
        batch = Batch(links, members, "now", 0.0)
        for step, target in steps:
            count += 1
            line = b"%d\n" % count
            if isinstance(target, frozenset):
                batch.broadcast(line, target)
                for n in inside - target:
                    expected[n] += line
            elif step == "to":
                batch.to(target, line)
                expected[target] += line
            elif step == "join":
                batch.join(target)
                inside.add(target)
            else:
                batch.leave(target)
                inside.discard(target)
        seen = set()
        for receiver, data in batch.deliveries():
            assert receiver not in seen, "one send a receiver and batch"
            assert data
            seen.add(receiver)
            received[cast(int, receiver)] += data
        assert set(members) == inside
    assert received == expected
