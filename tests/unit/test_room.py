"""The room as a state machine: random histories, and rules that hold in each of them."""

from __future__ import annotations

import marshal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from classcord.chat.accounts import Account, Accounts
from classcord.chat.room import Item
from classcord.data.schema import MessageRow
from classcord.wire import names
from tests.unit.state import state_of
from tests.unit.stubs import Crowd

PEOPLE = 4
NAMES = ["alice", "Alice", "bob", "bob (invité)", "invité-1", "zoé", "prof"]
people = st.integers(0, PEOPLE - 1)
a_channel = st.sampled_from([("dev", "#dev"), ("club", "#Club"), ("general", "#général"), ("admin", "#admin")])
a_name = st.sampled_from(NAMES)
maybe_name = st.sampled_from([None, *NAMES])
STEPS = st.one_of(
    st.tuples(st.just("register"), people, a_name),
    st.tuples(st.just("login"), people, a_name),
    st.tuples(st.just("only"), people, st.just("named"), st.just(False), st.just((("logout", ()),))),
    st.tuples(
        st.just("only"), people, st.sampled_from(["anybody", "named", "account"]), st.just(False),
        st.just((("say", (None, "b")), ("set_state", (None, "away")))),
    ),
    st.tuples(st.just("leave"), people),
    st.tuples(st.just("say"), people, maybe_name, st.sampled_from(["a", "é"])),
    st.tuples(st.just("whisper"), people, maybe_name, a_name, st.just("psst")),
    st.tuples(st.just("announce_guest"), people, maybe_name),
    st.tuples(st.just("set_state"), people, maybe_name, st.sampled_from(["online", "away", "dnd", "invisible"])),
    st.tuples(st.just("list_users"), people),
    st.builds(
        lambda operation, who, channel: (operation, who, *channel),
        st.sampled_from(["join_channel", "leave_channel", "type_join", "type_leave", "tell_who"]), people, a_channel,
    ),
    st.builds(
        lambda who, name, channel: ("say_in", who, name, *channel, "in it"), people, maybe_name, a_channel
    ),
    st.builds(
        lambda kind, who, channel, topic: (kind, who, *channel, topic),
        st.sampled_from(["topic", "type_topic"]), people, a_channel, st.sampled_from([None, "", "new"]),
    ),
    st.tuples(st.sampled_from(["list_channels", "type_channels", "speak_key"]), people),
    st.tuples(st.just("tell_who"), people),
    st.builds(
        lambda who, name: ("only", who, "named", False, (("ignore", (False, name)),)),
        people, st.sampled_from(["", *NAMES]),
    ),
    st.tuples(st.sampled_from(["disconnect", "use_private_type"]), people),
    st.tuples(st.just("identify"), people, maybe_name),
    st.tuples(st.just("notice"), people, st.just("a notice")),
    st.tuples(st.just("reply"), people, st.just(b'{"type":"pong"}\n')),
    st.tuples(st.just("track"), people, st.just("ref"), st.sampled_from([
        (("say", (None, "tracked")),), (("whisper", (None, "alice", "tracked")),), (("tell_not_sent", ("ref",)),),
        (("say_in", (None, "dev", "#dev", "tracked")),), (("announce_guest", (None,)),),
    ])),
    st.builds(
        lambda who, on, name: ("only", who, "account", False, (("wire", (on, name)),)),
        people, st.booleans(), st.sampled_from(["", *NAMES]),
    ),
    st.builds(lambda who, on: ("only", who, "teacher", False, (("board", (on,)),)), people, st.booleans()),
    st.tuples(st.just("allow_reading"), people, st.just(1), st.sampled_from(["", "dev", "club"]), st.just("#dev")),
    st.tuples(st.just("allow_exchange"), people, st.just(1), a_name),
    st.tuples(st.sampled_from(["own_account", "own_right"]), people, st.just(1)),
    st.builds(
        lambda who, action: ("only", who, "teacher", False, (("moderate", (False, *action)),)), people,
        st.sampled_from([
            ("mute", ("bob", 60, "")), ("unmute", ("bob",)), ("silence", (True,)), ("silence", (False,)),
            ("slow", (10,)), ("slow", (0,)),
        ]),
    ),
    st.builds(
        lambda who, action, channel: ("only", who, "teacher", False, (("direct", (action, *channel)),)),
        people, st.sampled_from(["close_channel", "open_channel"]), a_channel,
    ),
    st.tuples(st.sampled_from(["tick", "tick_waiting"]), people, st.sampled_from([0.5, 30.0, 31 * 24 * 3600.0])),
    st.tuples(st.just("announce"), people, st.just("an announcement")),
    st.tuples(st.just("change_password"), people, st.just(1), st.sampled_from("xy"), st.sampled_from("xy")),
)
Step = tuple[Any, ...]


WITHOUT_SEAT = ("tick", "tick_waiting", "announce")
"""The operations of the server itself. A step has a person all the same, like the others."""


def accounts() -> Accounts:
    """A teacher; all others register."""
    return Accounts([Account("prof", "prof", "x", "", "teacher")], 1)


class World(Crowd):
    """A room with some people; all their lines are kept."""

    def __init__(self) -> None:
        super().__init__(accounts())
        self.clock = 0.0
        self.people = [self.sat() for _ in range(PEOPLE)]
        self.done: list[Item] = []
        self.stored: list[MessageRow] = []
        self.left: set[int] = set()

    def step(self, steps: list[Step]) -> None:
        """Carry out the steps as one batch."""
        items: list[Item] = []
        made = set(self.accounts._by_key)
        for name, who, *arguments in steps:
            if who in self.left:
                continue  # nothing comes from a connection that has ended
            if name == "leave":
                self.left.add(who)
            if name == "register":
                made.add(names.key(arguments[0]))
                arguments += ["x", ""]
            elif name == "login":
                # only an account can log in; the handler sees to that before it posts
                if names.key(arguments[0]) not in made:
                    continue
                arguments.append(arguments[0])
            elif name in ("tick", "tick_waiting"):
                self.clock += arguments[0]
                arguments = [self.clock]
            number = None if name in WITHOUT_SEAT else self.people[who].number
            items.append((name, number, tuple(arguments)))
        self.done += items
        self.stored += self.run(*items).messages

    def own_names(self, who: int) -> set[str]:
        """The names of a person, for the others and for its own client."""
        client = self.people[who]
        return set() if client.person is None else {client.person.name, client.alias}

    def received(self, who: int) -> list[dict[str, Any]]:
        return self.wires[self.people[who].number].messages()


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=40), st.data())
def test_batches_cannot_be_told_from_one_step_at_a_time(steps: list[Step], data: st.DataObject) -> None:
    one, many = World(), World()
    for step in steps:
        one.step([step])
    while steps:
        size = data.draw(st.integers(1, len(steps)))
        many.step(steps[:size])
        steps = steps[size:]
    for who in range(PEOPLE):
        assert one.received(who) == many.received(who)
    assert one.stored == many.stored


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=40))
def test_the_same_items_make_the_same_room_with_the_same_effects_anywhere(steps: list[Step]) -> None:
    here, there = World(), Crowd(accounts())
    for step in steps:
        here.step([step])
    carried = marshal.dumps(here.done)  # refuses all but plain values
    for client in here.people:
        there.listen(client.number)
    for operation, number, arguments in marshal.loads(carried):
        there.run((operation, number, arguments))
    assert there.caused == here.caused
    assert state_of(there) == state_of(here)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=40))
def test_what_must_hold_in_every_history(steps: list[Step]) -> None:
    world = World()
    known: list[dict[str, str]] = [{} for _ in range(PEOPLE)]
    for step in steps:
        before = [len(world.received(who)) for who in range(PEOPLE)]
        own = world.own_names(step[1])
        world.step([step])
        if step[0] == "disconnect":
            known[step[1]].clear()  # like a logout, but there is no line
        check_identities(world)
        new = [world.received(who)[before[who]:] for who in range(PEOPLE)]
        check_new_lines(world, step, new)
        for ended in own - world.own_names(step[1]):  # its end is told to its own client, also if it was invisible
            known[step[1]].pop(ended, None)
        for who in range(PEOPLE):
            check_presence_changes(new[who], known[who])
    for who in range(PEOPLE):
        ids = [line["id"] for line in world.received(who) if line.get("id") is not None]
        assert ids == sorted(set(ids))
    assert [row[0] for row in world.stored] == list(range(1, len(world.stored) + 1))


def test_the_steps_have_every_operation() -> None:
    text = Path(__file__).read_text()
    assert [name for name in Crowd().room._operations if f'"{name}"' not in text] == []


def check_identities(world: World) -> None:
    present = world.room._present
    for key, person in present.items():
        assert names.key(person.name) == key == person.key
        assert person.seats
        assert person.account == (key in world.accounts), f"{person.name} holds a name that is not its own"
        assert person.account or len(person.seats) == 1
        assert all(client.person is person for client in person.seats)
    ignoring = world.room._ignoring
    pairs = [(owner, key) for owner, listed in ignoring.lists.items() for key in listed]
    assert sorted(pairs, key=repr) == sorted(
        [(owner, key) for key, owners in ignoring.ignored.items() for owner in owners], key=repr
    )
    guests = {client.number for client in world.people if client.person is not None}
    assert {owner for owner, _ in pairs if isinstance(owner, int)} <= guests, "a guest's list ends with it"
    for client in world.people:
        assert (client.person is not None) == bool(world.audiences.mask(client.number))


def check_new_lines(world: World, step: Step, new: list[list[dict[str, Any]]]) -> None:
    actor = step[1]
    for who, lines in enumerate(new):
        own = world.people[who].person
        for line in lines:
            if line["type"] == "message":
                keys = ("from", "to", "subtype", "content", "timestamp")
                assert all(isinstance(line[key], str) for key in keys)
                if line["from"] != "Serveur":
                    assert who != actor, "a message is not echoed"
                if line["subtype"] == "private":
                    own_name = world.people[who].alias or names.GUEST
                    assert line["to"] == own_name, "a client drops messages to another name"
            elif line["type"] == "status" and step[0] != "list_users":
                assert own is None or line["user"] != own.name, "nobody is told of its own state"
            elif line["type"] == "users":
                check_users(world, who, line["users"])


def check_users(world: World, who: int, users: list[str]) -> None:
    asker = world.people[who].person
    shown = {
        world.people[who].alias if person is asker else person.name
        for person in world.room._present.values()
        if person is asker or person.state != "invisible"
    }
    assert len(users) == len(set(users))
    assert set(users) == shown


def test_a_guests_own_state_is_not_shown_as_that_of_its_namesake() -> None:
    for namesakes_state, expected in (("online", []), ("dnd", ["dnd"]), ("invisible", ["away"])):
        world = World()
        world.step([("register", 0, "alice"), ("login", 0, "alice"), ("set_state", 0, None, namesakes_state)])
        world.step([("set_state", 1, "alice", "away")])
        before = len(world.received(1))
        world.step([("list_users", 1)])
        answer, *states = world.received(1)[before:]
        assert answer["users"] == ["alice"]
        assert [(line["user"], line["state"]) for line in states] == [("alice", state) for state in expected]


def check_presence_changes(lines: list[dict[str, Any]], known: dict[str, str]) -> None:
    """As an observer sees it: no state is told twice in a row, unless a list of users was asked for meanwhile.

    `known` is what it was told before.
    """
    for line in lines:
        if line["type"] in ("users", "login", "logout"):
            known.clear()  # lists come with states; membership may have ended meanwhile
        elif line["type"] == "status":
            assert known.get(line["user"]) != line["state"], "nothing changed"
            known[line["user"]] = line["state"]
