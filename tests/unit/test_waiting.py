"""Messages that wait for who is away, in the room alone: who gets which, in which order, and when none is kept."""

from __future__ import annotations

import itertools
import marshal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classcord.chat.accounts import Account, Accounts
from classcord.chat.effects import HandedOver, HandingDue, Kept, WaitingEnded
from classcord.chat.people import Seat
from classcord.chat.room import Item
from classcord.data.schema import MessageRow
from tests.unit.state import state_of
from tests.unit.stubs import Crowd

DAY = 24 * 3600.0


class House(Crowd):
    """Accounts and a teacher; the items that have been carried out, and the messages that were stored."""

    def __init__(self) -> None:
        names = ("alice", "bob", "prof")
        super().__init__(
            Accounts([Account(name, name, "x", "", "teacher" if name == "prof" else "user") for name in names], 1)
        )
        self.items: list[Item] = []
        self.stored: dict[int, MessageRow] = {}
        self.changes: list[Any] = []

    def act(self, *item: Any) -> None:
        self.items.append(item)
        batch = self.run(item)
        self.changes += batch.changes
        self.stored.update((row[0], row) for row in batch.messages)

    def come(self, name: str) -> Seat:
        seat = self.sat()
        self.act("login", seat.number, (name, name))
        return seat

    def whisper(self, seat: Seat, to: str, text: str) -> None:
        self.act("whisper", seat.number, (None, to, text))

    def ask(self, seat: Seat) -> None:
        self.act("list_users", seat.number, ())

    def leave(self, seat: Seat) -> None:
        self.act("leave", seat.number, ())

    def due(self) -> HandingDue | None:
        """The last message that was due."""
        found = [effect for effect in self.caused if isinstance(effect, HandingDue)]
        return found[-1] if found else None

    def bring(self, due: HandingDue | None) -> None:
        """What the postman does about it."""
        assert due is not None
        row = self.stored.get(due.id or 0)
        values = (row[1], row[2], row[3], row[6]) if row is not None else None
        self.act("hand_over", None, (due.key, due.seat, due.id, values))

    def bring_all(self) -> None:
        while (due := self.due()) is not None:
            count = len(self.caused)
            self.bring(due)
            if not any(isinstance(effect, HandingDue) for effect in self.caused[count:]):
                return

    def lines(self, seat: Seat) -> list[dict[str, Any]]:
        """What the seat has got since the last time, without lists and states."""
        wire = self.wires[seat.number]
        lines, wire.data = wire.messages(), b""
        return [line for line in lines if line["type"] in ("message", "private", "error")]

    def texts(self, seat: Seat) -> list[str]:
        return [line["content"] for line in self.lines(seat)]


@pytest.fixture
def house() -> House:
    return House()


def test_they_come_in_order_after_the_list_and_not_before(house: House) -> None:
    alice = house.come("alice")
    for number in range(3):
        house.whisper(alice, "BOB", f"n° {number}")
    assert all("à son retour" in text for text in house.texts(alice))
    bob = house.come("bob")
    house.act("set_state", bob.number, (None, "away"))
    assert house.due() is None
    house.ask(bob)
    assert house.texts(bob) == []  # the postman brings them, some time after
    house.bring_all()
    lines = house.lines(bob)
    assert [line["content"] for line in lines] == ["n° 0", "n° 1", "n° 2"]
    assert [line["id"] for line in lines] == [1, 2, 3]
    assert all(line["offline"] is True and "repeated" not in line and line["to"] == "bob" for line in lines)
    assert [c for c in house.changes if c[0] == "end_waiting"] == [("end_waiting", (id,)) for id in (1, 2, 3)]
    house.ask(bob)
    house.bring(house.due())
    assert house.texts(bob) == [], "each comes once"


def test_a_private_type_is_kept_and_a_guest_is_marked(house: House) -> None:
    guest = house.sat()
    house.act("whisper", guest.number, ("léa", "bob", "coucou"))
    bob = house.come("bob")
    house.act("use_private_type", bob.number, ())
    house.ask(bob)
    house.bring_all()
    (line,) = house.lines(bob)
    assert (line["type"], line["from"], line["guest"], line["offline"]) == ("private", "léa", True, True)


def test_nothing_is_kept_for_a_guest_or_an_unknown_name(house: House) -> None:
    alice = house.come("alice")
    for name in ("léa", "nobody", "", "<", "\n"):
        house.whisper(alice, name, "psst")
    assert all("ne lui a pas été remis" in text for text in house.texts(alice))
    assert not any(isinstance(effect, Kept) for effect in house.caused)
    assert house.stored == {}


def test_an_invisible_person_is_here(house: House) -> None:
    alice, bob = house.come("alice"), house.come("bob")
    house.act("set_state", bob.number, (None, "invisible"))
    house.whisper(alice, "bob", "psst")
    assert house.texts(alice) == []
    assert house.texts(bob) == ["psst"]


def test_a_message_too_many_is_not_kept(house: House) -> None:
    alice = house.come("alice")
    for number in range(100):
        house.whisper(alice, "bob", str(number))
    house.lines(alice)
    house.whisper(alice, "bob", "101")
    assert "n'est pas gardé" in house.texts(alice)[0]
    assert len(house.stored) == 100
    house.whisper(alice, "prof", "another has room")
    bob = house.come("bob")
    house.ask(bob)
    house.bring_all()
    assert house.texts(bob) == [str(number) for number in range(100)]
    house.leave(bob)
    house.whisper(alice, "bob", "there is room again")
    assert "à son retour" in house.texts(alice)[-1]


def test_after_thirty_days_they_end(house: House) -> None:
    house.act("begin_waiting", None, (5.0, (("bob", 40, DAY, 0), ("bob", 41, 20 * DAY, 1))))
    alice = house.come("alice")
    house.whisper(alice, "bob", "new")
    house.act("tick_waiting", None, (DAY + 4,))
    assert not any(isinstance(effect, WaitingEnded) for effect in house.caused)
    house.act("tick_waiting", None, (DAY + 5,))
    house.act("tick_waiting", None, (30 * DAY,))
    assert [effect for effect in house.caused if isinstance(effect, WaitingEnded)] == [(40,), (41,)]
    house.act("tick_waiting", None, (30 * DAY + 5,))
    assert house.caused[-1] == WaitingEnded(1)
    house.ask(house.come("bob"))
    assert house.due() is None


def test_one_that_was_tried_before_has_the_mark(house: House) -> None:
    house.stored[7] = (7, 0, "alice", False, "bob", None, "again")
    house.act("begin_waiting", None, (0.0, (("bob", 7, DAY, 1),)))
    bob = house.come("bob")
    house.ask(bob)
    house.bring_all()
    (line,) = house.lines(bob)
    assert (line["offline"], line["repeated"], line["timestamp"]) == (True, True, "1970-01-01T00:00:00.000Z")


def test_who_leaves_in_between_gets_the_rest_later_and_the_last_one_again(house: House) -> None:
    alice = house.come("alice")
    for text in "abc":
        house.whisper(alice, "bob", text)
    bob = house.come("bob")
    house.ask(bob)
    house.bring(house.due())
    house.bring(house.due())
    late = house.due()
    assert house.texts(bob) == ["a", "b"]
    house.leave(bob)
    house.bring(late)  # too late
    bob = house.come("bob")
    house.ask(bob)
    house.bring_all()
    lines = house.lines(bob)
    assert [(line["content"], line.get("repeated")) for line in lines] == [("b", True), ("c", None)]


def test_of_two_connections_the_one_that_asks_first_gets_them(house: House) -> None:
    alice = house.come("alice")
    for text in "ab":
        house.whisper(alice, "bob", text)
    one, two = house.come("bob"), house.come("bob")
    house.ask(two)
    house.ask(one)
    house.bring_all()
    assert (house.texts(one), house.texts(two)) == ([], ["a", "b"])


def test_a_new_message_does_not_wait_behind_old_ones(house: House) -> None:
    alice = house.come("alice")
    for text in "ab":
        house.whisper(alice, "bob", text)
    bob = house.come("bob")
    house.ask(bob)
    house.bring(house.due())
    house.whisper(alice, "bob", "live")
    house.bring_all()
    assert [(line["content"], line.get("offline")) for line in house.lines(bob)] == [
        ("a", True), ("live", None), ("b", True),
    ]


def test_a_muted_person_can_leave_a_message_only_to_a_teacher(house: House) -> None:
    alice = house.come("alice")
    house.act("command", None, (1, "mute", ("alice", 60, "")))
    house.lines(alice)
    house.whisper(alice, "bob", "psst")
    assert ["Vous ne pourrez écrire que dans 1 min" in text for text in house.texts(alice)] == [True]
    house.whisper(alice, "prof", "please")
    assert "à son retour" in house.texts(alice)[0]
    assert [row[6] for row in house.stored.values()] == ["please"]


def test_a_deleted_message_does_not_come_and_the_next_does(house: House) -> None:
    alice = house.come("alice")
    for text in "abc":
        house.whisper(alice, "bob", text)
    del house.stored[1], house.stored[2]
    bob = house.come("bob")
    house.ask(bob)
    house.bring_all()
    assert house.texts(bob) == ["c"]


def test_a_new_class_has_nothing_that_waits(house: House) -> None:
    alice, prof = house.come("alice"), house.come("prof")
    house.whisper(alice, "bob", "old")
    house.leave(prof)
    house.whisper(alice, "prof", "old too")
    house.act("command", None, (1, "new_class", (False, "bye")))
    assert list(house.room.waiting._letters) == ["prof"]
    house.act("command", None, (2, "empty", (1, 2)))
    assert house.room.waiting._letters == {}


def test_what_could_not_be_stored_is_neither_kept_nor_sent(house: House) -> None:
    alice = house.come("alice")
    house.whisper(alice, "bob", "a")
    house.room.do("whisper", alice.number, (None, "bob", "b"))
    house.room.effects.clear()
    house.room.waiting.settle(stored=False)
    bob = house.come("bob")
    house.ask(bob)
    due = house.due()
    assert due is not None
    house.room.do("hand_over", None, (*due[:2], due.id, (0, "alice", False, "a")))
    house.room.effects.clear()
    house.room.waiting.settle(stored=False)
    house.ask(bob)
    house.bring_all()
    assert [(line["content"], line.get("repeated")) for line in house.lines(bob)] == [("a", None)]


STEP = st.sampled_from(["come", "leave", "ask", "whisper", "bring", "bring old", "other"])


@settings(max_examples=300)
@given(st.lists(STEP, max_size=40))
def test_each_message_comes_once_or_with_the_mark_and_in_order(steps: list[str]) -> None:
    house = House()
    alice = house.come("alice")
    seats: list[Seat] = []
    everyone: list[Seat] = []
    numbers = itertools.count()
    sent = 0
    for step in steps:
        if step == "come":
            seats.append(house.come("bob"))
            everyone.append(seats[-1])
        elif step == "leave" and seats:
            house.leave(seats.pop(0))
        elif step == "ask" and seats:
            house.ask(seats[-1])
        elif step == "whisper":
            house.whisper(alice, "bob", f"{next(numbers):03d}")
            sent += 1
        elif step == "bring" and house.due() is not None:
            house.bring(house.due())
        elif step == "bring old":
            found = [effect for effect in house.caused if isinstance(effect, HandingDue)]
            if found:
                house.bring(found[0])
        elif step == "other":
            house.act("tick_waiting", None, (1.0,))
    seats.append(house.come("bob"))
    everyone.append(seats[-1])
    for seat in seats[:-1]:
        house.leave(seat)
    house.ask(seats[-1])
    house.bring_all()
    over = [effect for effect in house.caused if isinstance(effect, HandedOver)]
    firsts = [effect.id for effect in over if not effect.repeated]
    assert firsts == sorted(set(firsts))
    live = {line["content"] for seat in everyone for line in house.wires[seat.number].messages()
            if line.get("from") == "alice" and "offline" not in line and line["type"] == "message"}
    assert live | {effect.content for effect in over} == {f"{number:03d}" for number in range(sent)}
    assert not live & {effect.content for effect in over}

    again = House()  # the same items make the same room with the same effects
    for seat in (alice, *everyone):
        again.listen(seat.number)
    for item in marshal.loads(marshal.dumps(house.items)):
        again.run(item)
    assert again.caused == house.caused
    assert state_of(again) == state_of(house)
