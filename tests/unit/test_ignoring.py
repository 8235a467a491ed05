"""Who ignores which people: what the room decides."""

from __future__ import annotations

from classcord.chat.accounts import Account, Accounts
from classcord.chat.effects import Refused, Said
from classcord.chat.people import Seat
from tests.unit.stubs import Crowd

PUPILS = [f"b{number}" for number in range(21)]


def school() -> tuple[Crowd, dict[str, Seat]]:
    names = ["alice", *PUPILS]
    crowd = Crowd(Accounts([Account(name, name, "x", "") for name in names], 1))
    seats = {name: crowd.sat() for name in ("alice", "b0")}
    for name, seat in seats.items():
        crowd.do("login", seat, name, name)
    return crowd, seats


def unread_by(crowd: Crowd, seat: Seat) -> tuple[int, ...]:
    crowd.do("say", seat, None, "x")
    said = crowd.caused[-1]
    assert isinstance(said, Said)
    return said.ignored_by


def test_a_list_has_an_end() -> None:
    crowd, seats = school()
    for name in PUPILS:
        crowd.do("ignore", seats["alice"], False, name)
    assert len(crowd.room._ignoring.lists["alice"]) == 20
    assert isinstance(crowd.caused[-1], Refused)
    for name in PUPILS[:20]:
        crowd.do("ignore", seats["alice"], False, name)
    assert (crowd.room._ignoring.lists, crowd.room._ignoring.ignored) == ({}, {})


def test_who_becomes_a_teacher_is_heard_again() -> None:
    crowd, seats = school()
    crowd.do("ignore", seats["alice"], False, "b0")
    assert unread_by(crowd, seats["b0"]) == (seats["alice"].number,)
    crowd.run(("command", None, (1, "promote", ("b0",))))
    assert unread_by(crowd, seats["b0"]) == ()


def test_while_nobody_ignores_anybody_nothing_is_looked_up() -> None:
    crowd, seats = school()
    crowd.room._ignoring.by = None  # type: ignore[assignment,method-assign]
    assert unread_by(crowd, seats["b0"]) == ()


def test_a_message_that_its_receiver_ignores_is_stored_and_the_sender_is_not_told() -> None:
    crowd, seats = school()
    crowd.do("ignore", seats["alice"], False, "b0")
    before = crowd.wires[seats["alice"].number].data, crowd.wires[seats["b0"].number].data
    batch = crowd.run(("whisper", seats["b0"].number, (None, "alice", "psst")))
    assert [row[-1] for row in batch.messages] == ["psst"]
    assert (crowd.wires[seats["alice"].number].data, crowd.wires[seats["b0"].number].data) == before


def test_a_new_class_forgets_the_lists_of_the_accounts_that_go_and_who_ignores_them() -> None:
    for keep in (False, True):
        crowd, seats = school()
        crowd.run(("command", None, (1, "promote", ("alice",))))
        crowd.do("ignore", seats["alice"], False, "b0")
        crowd.do("ignore", seats["alice"], False, "b1")
        crowd.do("ignore", seats["b0"], False, "b1")
        lists = {owner: dict(listed) for owner, listed in crowd.room._ignoring.lists.items()}
        crowd.run(("command", None, (2, "new_class", (keep, "bye"))))
        assert crowd.room._ignoring.lists == (lists if keep else {})
        assert bool(crowd.room._ignoring.ignored) is keep
