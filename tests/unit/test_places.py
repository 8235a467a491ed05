"""Whose place a newcomer takes when the server is full."""

from __future__ import annotations

from typing import Any

from classcord.net.peer import Peer
from classcord.net.places import Places


def test_the_silent_one_of_the_address_with_most_gives_up_its_place() -> None:
    places: Any = Places()
    few, many = [Peer("10.0.108.1") for _ in range(2)], [Peer("10.0.2.2") for _ in range(4)]
    for peer in [few[0], *many, few[1]]:
        places.entered(peer, f"socket {id(peer)}")
    places.spoke(many[0])
    places.left(many[3])
    gone = [places.give_up()[0] for _ in range(4)]
    assert gone[0] is few[0] or gone[0] is many[1], "two each: the first of either"
    assert many[0] not in gone
    assert sorted(map(id, gone)) == sorted(map(id, [few[0], few[1], many[1], many[2]]))
    assert places.give_up() is None


def test_the_longest_silence_goes_first() -> None:
    places: Any = Places()
    peers = [Peer("10.0.2.2", port) for port in range(5)]
    for peer in peers:
        places.entered(peer, None)
    assert [places.give_up()[0].port for _ in range(5)] == [0, 1, 2, 3, 4]
