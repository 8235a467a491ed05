"""The lines that each receiver gets from a batch, compared with a simple model: a list of lines for each receiver."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from classcord.batch import Batch
from classcord.session import Session
from tests.unit.stubs import session

PEOPLE = 5
STEPS = st.one_of(
    st.tuples(st.just("broadcast"), st.frozensets(st.integers(0, PEOPLE - 1), max_size=3)),
    st.tuples(st.sampled_from(["to", "join", "leave"]), st.integers(0, PEOPLE - 1)),
)


@given(st.frozensets(st.integers(0, PEOPLE - 1)), st.lists(st.lists(STEPS, max_size=12), max_size=4))
def test_everybody_gets_the_lines_of_its_time_in_the_common_order(
    at_first: frozenset[int], batches: list[list[tuple[str, int | frozenset[int]]]]
) -> None:
    people = [session() for _ in range(PEOPLE)]
    members: dict[Session, None] = {}
    inside: set[int] = set()
    for number in at_first:
        people[number].member = True
        members[people[number]] = None
        inside.add(number)
    expected: list[bytes] = [b""] * PEOPLE
    received: list[bytes] = [b""] * PEOPLE
    count = 0
    for steps in batches:
        batch = Batch(members, "now", 0.0)
        for step, target in steps:
            count += 1
            line = b"%d\n" % count
            if isinstance(target, frozenset):
                batch.broadcast(line, [people[n] for n in target])
                for n in inside - target:
                    expected[n] += line
            elif step == "to":
                batch.to(people[target], line)
                expected[target] += line
            elif step == "join":
                batch.join(people[target])
                inside.add(target)
            else:
                batch.leave(people[target])
                inside.discard(target)
        seen = set()
        for receiver, data in batch.deliveries():
            assert receiver not in seen, "one send a receiver and batch"
            assert data
            seen.add(receiver)
            received[people.index(receiver)] += data
        assert {people.index(member) for member in members} == inside
    assert received == expected
