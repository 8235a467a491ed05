"""Whose place a newcomer takes when the server is full."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from classcord.net.listener import ChatServer
from classcord.net.peer import Peer
from classcord.net.places import Places
from tests.support import DEADLINE, Client


def nothing(peer: Peer, connection: Any) -> None:
    """What a test tells the connection that gives up its place."""


def test_the_silent_one_of_the_address_with_most_gives_up_its_place() -> None:
    places: Any = Places()
    few, many = [Peer("10.0.108.1") for _ in range(2)], [Peer("10.0.2.2") for _ in range(4)]
    for peer in [few[0], *many, few[1]]:
        places.entered(peer, f"socket {id(peer)}")
    places.spoke(many[0])
    places.left(many[3])
    gone = [places.give_up(nothing) for _ in range(4)]
    assert gone[0] is few[0] or gone[0] is many[1], "two each: the first of either"
    assert many[0] not in gone
    assert sorted(map(id, gone)) == sorted(map(id, [few[0], few[1], many[1], many[2]]))
    assert places.give_up(nothing) is None


def test_the_longest_silence_goes_first() -> None:
    places: Any = Places()
    peers = [Peer("10.0.2.2", port) for port in range(5)]
    for peer in peers:
        places.entered(peer, None)
    assert [places.give_up(nothing).port for _ in range(5)] == [0, 1, 2, 3, 4]


def test_who_speaks_after_its_place_is_given_up_has_no_place() -> None:
    places: Any = Places()
    early, late = Peer("10.0.2.2", 1), Peer("10.0.2.2", 2)
    for peer in (early, late):
        places.entered(peer, "a socket")
    assert places.spoke(early)
    assert places.give_up(nothing) is late
    assert not places.spoke(late)
    assert (early.spoke, late.spoke) == (True, False)


def test_who_speaks_while_its_place_is_given_up_is_told_before_it_can_end() -> None:
    places: Any = Places()
    peer = Peer("10.0.2.2", 1)
    places.entered(peer, "a socket")
    told, spoke = threading.Event(), threading.Event()

    def speak() -> None:
        places.spoke(peer)
        spoke.set()

    speaker = threading.Thread(target=speak)

    def tell(peer: Peer, connection: Any) -> None:
        speaker.start()
        assert not spoke.wait(0.05), "its thread would close the socket now"
        told.set()

    assert places.give_up(tell) is peer
    speaker.join(DEADLINE)
    assert told.is_set()
    assert not peer.spoke


def test_a_request_that_comes_while_a_newcomer_takes_the_place_is_not_run(
    start: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    spoke = Places.spoke
    monkeypatch.setattr(Places, "spoke", lambda places, peer: places.give_up(nothing) is None and spoke(places, peer))
    with Client(server.socket.getsockname()) as client:
        client.send({"type": "ping"})
        assert client.at_end() == b""
