"""Who may take the place of a silent connection when the server is full."""

from __future__ import annotations

from typing import Any

from classcord.net.newcomers import WAITING, Newcomers
from classcord.net.peer import Peer


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(newcomers: Newcomers, peer: Peer) -> int:
    count = 0
    while newcomers.may_take(peer):
        count += 1
    return count


def test_an_address_takes_a_tenth_of_the_places_at_once_and_a_twentieth_a_second() -> None:
    clock = Clock()
    newcomers = Newcomers(2000, clock)
    crowd, other = Peer("10.0.2.2"), Peer("10.0.108.7")
    assert taken(newcomers, crowd) == 200
    assert taken(newcomers, other) == 200, "another address has its own"
    clock.now += 0.5
    assert taken(newcomers, crowd) == 50
    clock.now += 3600
    assert taken(newcomers, crowd) == 200


def test_a_small_server_lets_a_class_in_at_once() -> None:
    assert taken(Newcomers(10, Clock()), Peer("10.0.2.2")) == 50


def test_addresses_without_end_take_no_memory() -> None:
    clock = Clock()
    newcomers = Newcomers(2000, clock)
    allowed = [newcomers.may_take(Peer(f"10.{number >> 8}.{number & 255}.1")) for number in range(3000)]
    assert allowed.count(True) == 1000
    clock.now += 60
    assert newcomers.may_take(Peer("10.99.99.1")), "the first are full again, and forgotten"


def test_those_that_wait_are_tried_in_order_until_their_time_is_over() -> None:
    clock = Clock()
    newcomers: Any = Newcomers(2000, clock)
    places, admitted, refused = 0, [], []

    def admit(connection: str, peer: Peer) -> str:
        nonlocal places
        if places:
            places -= 1
            admitted.append(connection)
            return ""
        return "max_connections"

    def refuse(connection: str, peer: Peer, reason: str) -> None:
        assert reason == "max_connections"
        refused.append(connection)

    for name, here in (("a", False), ("test", True), ("b", False)):
        assert newcomers.wait(name, Peer(here=here))
    places = 1
    newcomers.look(admit, refuse)
    assert (admitted, refused) == (["a"], [])
    clock.now += 1.6
    newcomers.look(admit, refuse)
    assert refused == ["test"], "the self-test gets its answer in time"
    clock.now += 9
    newcomers.look(admit, refuse)
    assert (admitted, refused) == (["a"], ["test", "b"])
    newcomers.look(admit, refuse)
    assert refused == ["test", "b"]


def test_only_so_many_wait() -> None:
    newcomers: Any = Newcomers(2000, Clock())
    assert [newcomers.wait(f"{number}", Peer()) for number in range(WAITING + 1)] == [True] * WAITING + [False]
