"""All known clients in one room at once: everyone gets exactly what it should, and nobody dies of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.functional.clients import (
    KNOWN_CLIENTS,
    ChunkReader,
    ForgetsRecipient,
    Guest,
    KnownClient,
    Poller,
    Shown,
)
from tests.functional.lines import Address, Join, say, users
from tests.support import Client, unique


@pytest.fixture
def watcher(join: Join) -> Client:
    """Somebody else in the room, who is there first."""
    return join("watcher")


@pytest.fixture
def room(address: Address, watcher: Client) -> Iterator[list[KnownClient]]:
    """One of each. The guest calls itself like the first member, who is there already."""
    with ExitStack() as stack:
        here: list[KnownClient] = []
        for kind in KNOWN_CLIENTS:
            name = here[0].name if kind is Guest else unique("é" + kind.__name__[:8])
            client = stack.enter_context(closing(kind(address, name)))
            client.enter()
            if isinstance(client, Guest):
                text = unique("first words")
                client.say(text)
                client.seen_as = watcher.until(content=text)["from"]
            here.append(client)
        reader = here[-1]
        assert isinstance(reader, ChunkReader), "the last, so that it finds a quiet room"
        reader.room = frozenset([watcher.name, *(client.seen_as for client in here)])
        fence(watcher, here)
        yield here


def fence(watcher: Client, room: list[KnownClient]) -> None:
    """Until everybody has got all that came before."""
    text = unique("fence")
    watcher.send(say(text))
    for client in room:
        client.wait_shown(text)


def shown(client: KnownClient, room: list[KnownClient], since: int) -> list[Shown]:
    """What is on the client's screen from those in the room, in order."""
    names = {other.seen_as for other in room}
    return [line for line in client.shown[since:] if line[1] in names]


def test_everybody_gets_exactly_what_it_should(room: list[KnownClient], watcher: Client) -> None:
    since = {client: len(client.shown) for client in room}
    expected: dict[KnownClient, list[Shown]] = {client: [] for client in room}
    for sender in room:
        text = unique("à tous : où êtes-vous ?")
        sender.say(text)
        for other in room:
            if other is not sender:
                other.wait_shown(text)
                expected[other].append(("global", sender.seen_as, text))
        for other in room:
            if other is sender:
                continue
            text = unique("à toi seul : ça va ?")
            if isinstance(sender, ForgetsRecipient):
                sender.select(other.seen_as)
            for client in room:
                if isinstance(client, Poller):
                    client.poll()
            sender.whisper(other.seen_as, text)
            other.wait_shown(text)
            expected[other].append(("private", sender.seen_as, text))
    fence(watcher, room)
    for client in room:
        assert shown(client, room, since[client]) == expected[client], type(client).__name__
        assert client.death is None, type(client).__name__
        assert client.asked == 0, f"{type(client).__name__} got a list that it had not asked for"


def test_everybody_is_listed_under_the_name_that_others_see(room: list[KnownClient], watcher: Client) -> None:
    names = {client.seen_as for client in room}
    assert len(names) == len(room)
    assert names <= set(users(watcher))
    guest = next(client for client in room if type(client) is Guest)
    assert guest.seen_as == f"{room[0].name} (invité)"
    for client in room:
        if isinstance(client, Poller):
            client.poll()
            assert names <= set(client.lists[-1])
    guest.ask_users()
    guest.wait_lists(2)
    assert guest.lists[-1].count(guest.name) == 1
    assert names - {guest.seen_as} <= set(guest.lists[-1])


def test_everybody_sees_the_others_states(room: list[KnownClient], watcher: Client) -> None:
    for client, state in zip(room, ["away", "dnd", "absent", "indisponible"] * 3, strict=True):
        client.send({"type": "status", "state": state})
        for other in room:
            if other is not client:
                other.wait_state(client.seen_as, "away" if state in ("away", "absent") else "dnd")
    fence(watcher, room)
    for client in room:
        if not isinstance(client, Guest):
            assert client.name not in client.states, "nobody hears of itself"


def test_who_stays_sees_everybody_leave(room: list[KnownClient], watcher: Client) -> None:
    for client in room:
        client.close()
        watcher.until(type="status", user=client.seen_as, state="offline")
    assert not {client.seen_as for client in room} & set(users(watcher))
    assert [client.death for client in room] == [None] * len(room)
