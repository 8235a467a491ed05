"""The room with channels, compared with a plain model: who hears what, in which form, and who is in which channel."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from classcord.chat.accounts import Account, Accounts
from classcord.chat.channels import Channels
from tests.unit.stubs import Crowd

NAMES = ["alice", "bob", "prof"]
SEATS = 5
SHOWN = {"general": "#général", "dev": "#dev", "admin": "#admin", "club": "#Club", "jeux": "#jeux"}
EACH, MOST = 1, 3
seats, keys = st.integers(0, SEATS - 1), st.sampled_from([*SHOWN])
STEPS = st.one_of(
    st.tuples(st.just("login"), seats, st.sampled_from(NAMES)),
    st.tuples(st.sampled_from(["logout", "speak_key", "say", "say"]), seats),
    st.tuples(st.just("ignore"), seats, st.sampled_from(NAMES)),
    st.tuples(st.just("set_state"), seats, st.sampled_from(["online", "away", "invisible"])),
    st.tuples(
        st.sampled_from(["join_channel", "type_join", "type_join", "leave_channel", "type_leave", "say_in", "who"]),
        seats, keys,
    ),
)
Step = tuple[Any, ...]
Heard = tuple[Any, ...]


class Model:
    """What the room should be, as plain as can be. `heard` is what each seat should get because of one step."""

    def __init__(self) -> None:
        self.name: list[str | None] = [None] * SEATS
        self.keyed = [False] * SEATS
        self.current: list[str | None] = [None] * SEATS
        self.inside: list[set[str]] = [set() for _ in range(SEATS)]
        self.state: dict[str, str] = {}
        self.makers: dict[str, str] = {}
        self.ignored: set[tuple[str, str]] = set()
        self.heard: list[list[Heard]] = [[] for _ in range(SEATS)]

    def members(self, key: str) -> list[int]:
        return [seat for seat in range(SEATS) if key in self.inside[seat]]

    def seen(self, key: str) -> set[str]:
        """The people in the channel who are not invisible."""
        named = {self.name[seat] for seat in (range(SEATS) if key == "general" else self.members(key))}
        return {name for name in named if name is not None and self.state[name] != "invisible"}

    def move(self, kind: str, key: str, name: str) -> None:
        if self.state[name] != "invisible":
            for seat in self.members(key):
                if self.keyed[seat] and self.name[seat] != name:
                    self.heard[seat].append((kind, key, name))

    def speak_key(self, seat: int) -> None:
        if not self.keyed[seat]:
            self.keyed[seat], self.current[seat] = True, None

    def may_join(self, seat: int, key: str) -> bool:
        name = self.name[seat]
        if key in ("club", "jeux") and key not in self.makers:
            return [*self.makers.values()].count(name or "") < EACH and 2 + len(self.makers) < MOST
        return key != "admin" or name == "prof"

    def join(self, seat: int, key: str) -> bool:
        name = self.name[seat]
        assert name is not None
        if not self.may_join(seat, key):
            return False
        if key == "general":
            self.current[seat] = None
            return True
        if key in ("club", "jeux"):
            self.makers.setdefault(key, name)
        if key not in self.inside[seat]:
            if name not in {self.name[other] for other in self.members(key)}:
                self.move("join", key, name)
            self.inside[seat].add(key)
        if not self.keyed[seat]:
            self.current[seat] = key
        return True

    def leave(self, seat: int, key: str) -> None:
        name = self.name[seat]
        assert name is not None
        if key in self.inside[seat]:
            self.inside[seat].discard(key)
            if self.current[seat] == key:
                self.current[seat] = None
            if name not in {self.name[other] for other in self.members(key)}:
                self.move("leave", key, name)
            if not self.members(key):
                self.makers.pop(key, None)

    def say(self, seat: int, key: str | None) -> None:
        here = range(SEATS) if key in (None, "general") else self.members(str(key))
        for other in here:
            if (self.name[other], self.name[seat]) in self.ignored:
                continue
            if other != seat and self.name[other] is not None:
                form = "plain" if key in (None, "general") else SHOWN[str(key)] if self.keyed[other] else "prefix"
                self.heard[other].append(("said", self.name[seat], form, key if form == "prefix" else None))

    def end(self, seat: int) -> None:
        name = self.name[seat]
        for key in SHOWN:
            if name is not None:
                self.leave(seat, key)
        self.name[seat] = self.current[seat] = None
        if name is not None and name not in self.name:
            del self.state[name]


class World(Crowd):
    """A room that the model is compared with."""

    def __init__(self) -> None:
        roles = {"prof": "teacher"}
        accounts = [Account(name, name, "x", "", roles.get(name, "user")) for name in NAMES]
        super().__init__(Accounts(accounts, 1), Channels(["dev"], ["admin"], EACH, MOST))
        self.people = [self.sat() for _ in range(SEATS)]

    def heard(self, seat: int, since: int) -> list[Heard]:
        """What a seat has got since: messages and moves, in the model's words."""
        found: list[Heard] = []
        for line in self.wires[self.people[seat].number].messages()[since:]:
            if line["type"] == "message" and line["subtype"] == "global":
                text, prefix = line["content"], None
                if text.startswith("["):
                    prefix, _, text = text[1:].partition("] ")
                    prefix = {shown: key for key, shown in SHOWN.items()}[prefix]
                assert text == "hello"
                found.append(("said", line["from"], "prefix" if prefix else line.get("channel", "plain"), prefix))
            elif line["type"] in ("join", "leave") and "user" in line:
                found.append((line["type"], line["channel"][1:].lower(), line["user"]))
        return found


def do(world: World, model: Model, step: Step) -> None:
    """One step in both."""
    kind, number, *more = step
    seat, name = world.people[number], model.name[number]
    if kind == "login":
        if name != more[0]:
            model.end(number)
            model.name[number] = more[0]
            model.state.setdefault(more[0], "online")
        world.do("login", seat, more[0], more[0])
    elif kind == "speak_key":
        model.speak_key(number)
        world.do("speak_key", seat)
    elif name is None:
        return
    elif kind == "logout":
        model.end(number)
        world.do("logout", seat)
    elif kind == "say":
        model.say(number, model.current[number])
        world.do("say", seat, None, "hello")
    elif kind == "ignore":
        if more[0] not in (name, "prof"):
            model.ignored ^= {(name, more[0])}
        world.do("ignore", seat, True, more[0])
    elif kind == "set_state":
        appears = model.state[name] == "invisible" != more[0]
        model.state[name] = more[0]
        for key in SHOWN if appears else ():
            if key in set().union(*(model.inside[s] for s in range(SEATS) if model.name[s] == name)):
                model.move("join", key, name)
        world.do("set_state", seat, None, more[0])
    elif kind == "who":
        world.do("list_users", seat, "who", more[0], more[0])
    else:
        key = more[0]
        if not kind.startswith("type_"):
            model.speak_key(number)
        if kind.endswith("join") or kind == "join_channel":
            model.join(number, key)
        elif kind == "say_in":
            if key in model.inside[number] or model.join(number, key):
                model.say(number, key)
        elif key != "general":
            model.leave(number, key)
        world.do(kind, seat, *([None, key, SHOWN[key], "hello"] if kind == "say_in" else [key, SHOWN[key]]))


@settings(max_examples=400)
@given(st.lists(STEPS, max_size=60))
def test_everybody_hears_what_the_plain_model_says(steps: list[Step]) -> None:
    world, model = World(), Model()
    for number, name in enumerate(["alice", "alice", "bob", "prof"]):
        do(world, model, ("login", number, name))
    lists: list[dict[str, set[str]]] = [{} for _ in range(SEATS)]
    for step in steps:
        since = [len(world.wires[seat.number].messages()) for seat in world.people]
        was = [set(inside) for inside in model.inside]
        model.heard = [[] for _ in range(SEATS)]
        do(world, model, step)
        for seat in range(SEATS):
            assert world.heard(seat, since[seat]) == model.heard[seat], step
        check(world, model)
        for seat in range(SEATS):
            follow(world, model, seat, since[seat], lists[seat], was[seat])


def check(world: World, model: Model) -> None:
    """The room and the audiences are as the model says."""
    room = world.room
    assert {channel.key for channel in room._channels} == {"dev", "admin", *model.makers}
    for channel in room._channels:
        place, members = channel.place, model.members(channel.key)
        assert {seat.number for seat in channel.members.values()} == {world.people[seat].number for seat in members}
        for audience, keyed in ((place.keyed, True), (place.prefixed, False)):
            expected = {world.people[seat].number for seat in members if model.keyed[seat] == keyed}
            assert {*world.audiences.members(audience)} == expected
        assert {person.name for person in channel.people(room._lists.version)} == model.seen(channel.key)
    for number, seat in enumerate(world.people):
        current = model.current[number]
        assert (seat.current and seat.current.name) == (current and SHOWN[current])


def follow(world: World, model: Model, seat: int, since: int, lists: dict[str, set[str]], was: set[str]) -> None:
    """A client that asks `who` once, when it joins, and then follows the lines, always has the right list."""
    for line in world.wires[world.people[seat].number].messages()[since:]:
        if line["type"] == "join" and "user" in line:
            lists.setdefault(line["channel"][1:].lower(), set()).add(line["user"])
        elif line["type"] == "leave" and "user" in line:
            lists[line["channel"][1:].lower()].discard(line["user"])
        elif line["type"] == "status" and line["state"] in ("offline", "invisible"):
            for people in lists.values():
                people.discard(line["user"])
    own = {model.name[seat]}
    for key in SHOWN:
        if not model.keyed[seat] or key not in model.inside[seat]:
            lists.pop(key, None)
        elif key not in lists or key not in was:
            lists[key] = model.seen(key) - own
        else:
            assert lists[key] - own == model.seen(key) - own, "its list and the truth"


def test_a_line_is_rendered_at_most_once_for_each_kind_of_client() -> None:
    world = World()
    for number, name in enumerate(["alice", "bob", "prof"]):
        world.do("login", world.people[number], name, name)
    for number, operation in enumerate(["join_channel", "type_join", "join_channel"]):
        world.do(operation, world.people[number], "dev", "#dev")
    batch = world.run(("say_in", world.people[0].number, (None, "dev", "#dev", "hello")))
    assert len(batch._common) == 2
    world.do("leave_channel", world.people[2], "dev", "#dev")
    batch = world.run(("say", world.people[1].number, (None, "hello")))
    assert len(batch._common) == 2, "the sender is the only one of its kind"
