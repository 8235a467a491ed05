"""The limits of one client: what counts, for whom, and with how many bytes. The time is handed in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from classcord.chat.accounts import Account, Accounts
from classcord.net.limits import Limits
from classcord.net.link import Link
from classcord.net.peer import Peer
from classcord.net.shares import Flow
from classcord.ops import config
from classcord.services import Services
from classcord.wire import channel_names, names
from classcord.wire.texts import Texts
from handlers import dispatch
from handlers.context import Context
from handlers.limiter import Limiter
from tests.support import Message, say
from tests.unit.stubs import Crowd, Wire

NOW = 100.0


class Charged:
    """Stands for the shares of the room: who has taken how much."""

    def __init__(self) -> None:
        self.taken: list[tuple[Flow, int]] = []

    def take(self, flow: Flow, size: int) -> bool:
        self.taken.append((flow, size))
        return True

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.taken)


class Waits(Link):
    """A connection whose thread does not wait, but notes how long it would."""

    __slots__ = ("waits",)

    def __init__(self, peer: Peer) -> None:
        super().__init__(cast(Any, Wire()), 1 << 20, peer)
        self.transport = cast(Any, SimpleNamespace(unread=lambda: 0))
        self.waits: list[float] = []

    def gone_within(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return False


def limits(**values: Any) -> Limits:
    defaults = {setting.attribute: setting.default for setting in config.SETTINGS}
    made = Limits(config.Config({**defaults, **values}), lambda: NOW)
    made.room = cast(Any, Charged())
    return made


def charged(made: Limits) -> Charged:
    return cast(Charged, made.room)


def limiter(made: Limits, address: str = "10.0.2.2") -> tuple[Limiter, Waits]:
    link = Waits(Peer(address))
    return Limiter(made, link, lambda: None, lambda line: None), link


# --- what counts, and for whom ---


def test_what_the_others_receive_counts_for_the_bytes_of_its_sender() -> None:
    one, link = limiter(limits(byte_burst=100_000))
    one.received(10)
    one.content("x" * 100_000)
    assert link.waits == []
    one.received(10)
    assert len(link.waits) == 1


def test_the_lines_of_an_account_count_together_over_all_its_connections() -> None:
    made = limits(line_burst=50)
    clients = [limiter(made) for _ in range(4)]
    for one, _ in clients:
        assert one.login("Alice", lambda: "Alice") == "Alice"
    for one, link in clients[:3]:
        for _ in range(50):
            one.line()
        assert link.waits == []
    last, link = clients[3]
    last.line()
    assert len(link.waits) == 1, "three times as many as one connection may send were sent"
    last.logged_out()
    last.line()
    assert len(link.waits) == 1, "it counts for itself again"


def test_an_account_is_one_sender_and_each_guest_is_one() -> None:
    made = limits()
    members, guests = [limiter(made)[0] for _ in range(2)], [limiter(made)[0] for _ in range(2)]
    for one in (*members, *guests):
        one.presence("coming")
    for one in members:
        one.login("alice", lambda: "alice")
    before = len(charged(made).taken)
    for one in (*members, *guests):
        one.content("hello")
        one.presence("change")
    flows = [flow for flow, _ in charged(made).taken[before:]]
    assert len(set(flows[:4])) == 1
    assert len(set(flows[4:6])) == len(set(flows[6:])) == 1
    assert len(set(flows)) == 3
    members[0].logged_out()
    members[0].content("hello")
    assert charged(made).taken[-1][0] not in flows


def test_newcomers_of_one_address_are_one_sender_until_the_others_know_of_them() -> None:
    made = limits()
    near, other, far = limiter(made)[0], limiter(made)[0], limiter(made, "10.0.2.3")[0]
    for one in (near, other, far):
        one.presence("coming")
    flows = [flow for flow, _ in charged(made).taken]
    assert flows[0] is flows[1] is not flows[2]
    near.presence("coming")
    assert len(charged(made).taken) == 3, "it comes once"
    near.content("hello")
    assert charged(made).taken[-1][0] not in flows


def test_other_newcomers_do_not_wait_for_the_name_of_one() -> None:
    made = limits()
    (one, _), (other, _) = limiter(made), limiter(made)
    one.presence("coming")
    other.presence("coming", LONG)
    (newcomers, size), (same, with_name), (own, name) = charged(made).taken
    assert newcomers is same is not own
    assert size == with_name
    assert name > 12 * names.MAX_NAME


# --- with how many bytes ---


LONG = "\U00020000" * names.MAX_NAME
"""Each of its characters has twelve bytes in a line."""


class Talk:
    """A client, and somebody who receives what the others do. Says what was charged, and what that one received."""

    def __init__(self, name: str, channel: str) -> None:
        self.crowd = Crowd(Accounts([Account(names.key(name), name, "", "2026-01-01T00:00:00.000Z")], 1))
        observer = self.crowd.sat()
        self.crowd.do("list_users", observer)
        found = channel_names.find(channel)
        assert found is not None
        self.crowd.do("join_channel", observer, *found)
        self.wire = self.crowd.wires[observer.number]
        self.limits = limits()
        self.link = Waits(Peer("10.0.2.2"))
        self.link.number = self.crowd.sat().number
        registry = SimpleNamespace(links=list, wait=lambda: None, post=lambda items: self.crowd.run(*items))
        hashing = SimpleNamespace(run=lambda link, work: work())
        accounts = SimpleNamespace(verify=lambda *_: name)
        services = Services(
            cast(Any, registry), cast(Any, accounts), cast(Any, hashing), Texts("fr"), cast(Any, None),
            1 << 20, 1 << 16, self.limits,
        )
        self.context = Context(self.link, services)
        self.wire.data = b""

    def say(self, message: Message) -> tuple[int, int]:
        """Send this; all bytes so far: those that were charged, and those that the other one received."""
        dispatch(self.context, message)
        self.context.flush()
        return charged(self.limits).bytes, len(self.wire.data)


TALKS: dict[str, list[Message]] = {
    "messages": [say("a", **{"from": "NAME"}), *[say("a")] * 20],
    "messages with the name": [say("a", **{"from": "NAME"})] * 20,
    "in a channel": [
        say("", **{"from": "NAME"}), {"type": "join", "channel": "#NAME"}, say("a", channel="#NAME"),
        {"type": "leave", "channel": "#NAME"}, say("/join #NAME"), say("/quitter #NAME"),
    ],
    "states": [
        {"type": "status", "state": "away", "user": "NAME"}, {"type": "status", "state": "dnd"}, say("/etat away"),
        *[say("/retour"), say("/absent")] * 10, say("/invisible"),
    ],
    "a name after a number": [
        {"type": "users"}, say("/absent"), {"type": "change_username", "new_user": "NAME"}, {"type": "disconnect"},
    ],
    "names with messages": [
        {"type": "users"}, *[say("a", **{"from": "NAME"}), {"type": "disconnect"}] * 10,
    ],
    "names with commands": [
        {"type": "users"}, *[say("/absent", **{"from": "NAME"}), {"type": "disconnect"}] * 10,
    ],
    "an account": [
        {"type": "users"},
        *[{"type": "login", "username": "NAME", "password": "x"}, say("a"), say("/absent"), {"type": "logout"}] * 5,
    ],
}


@pytest.mark.parametrize("name", ["bob", "Éloïse", LONG])
@pytest.mark.parametrize("talk", TALKS)
def test_everybody_receives_no_more_than_is_charged(talk: str, name: str) -> None:
    charge, received, channel = 0, 0, f"#{name[:30]}"
    made = Talk(name if talk == "an account" else "somebody else", channel)
    for message in TALKS[talk]:
        named = {key: value.replace("#NAME", channel).replace("NAME", name) for key, value in message.items()}
        charge, received = made.say(named)
        assert received <= charge, named
    assert 0 < charge < 5 * received + 1000, "nor is much more charged"


@pytest.mark.parametrize("typed", [False, True])
def test_a_long_name_of_a_channel_counts_too(typed: bool) -> None:
    channel = f"#{LONG[:30]}"
    made = Talk("somebody else", channel)
    for _ in range(10):
        for kind, word in (("join", "/join"), ("leave", "/quitter")):
            charge, received = made.say(say(f"{word} {channel}") if typed else {"type": kind, "channel": channel})
            assert received <= charge


def test_the_name_of_an_account_counts_as_it_is_written() -> None:
    """Not as somebody types it: this letter stands for an a, which has one byte."""
    made, name = limits(), "\U0001d41a" * names.MAX_NAME
    one, _ = limiter(made)
    one.login("a" * names.MAX_NAME, lambda: name)
    one.content("")
    assert charged(made).taken[-1][1] > 12 * names.MAX_NAME


def test_a_name_that_the_client_has_no_longer_does_not_count() -> None:
    made = limits()
    one, _ = limiter(made)
    one.content("hello", LONG)
    long = charged(made).taken[-1][1]
    one.logged_out()
    one.content("hello", "bob")
    assert charged(made).taken[-1][1] < long - 12 * (names.MAX_NAME - 1)


def test_what_is_no_name_is_no_fault() -> None:
    made = limits()
    one, _ = limiter(made)
    odds: list[Any] = [None, 5, [], {}, "", "x" * 65_536]
    for odd in odds:
        one.content("hello", odd)
        one.presence("change", odd, odd)
    assert max(size for _, size in charged(made).taken) < 1000
