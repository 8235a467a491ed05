"""A class that arrives while an attack goes on, behind the attackers' address. It must notice nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from tests.hostile.attack.ending import Ending
from tests.hostile.attack.scripts import PASSWORD, Follower, Script, Step, line
from tests.hostile.attack.wire import Address, Loop, Wire
from tests.support import Client

DEADLINE = 60.0
"""Seconds within which each pupil must be served: far more than it takes, except on a busy machine."""

Open = Callable[..., Wire]


def pupil(name: str, register: bool, open_wire: Open) -> Script:
    """A pupil with two connections. Both log in and ask for the people here; the second reads what the first says."""
    first, second = open_wire(), open_wire(f"{name} says".encode())
    credentials = {"username": name, "password": PASSWORD}
    logged_in = b'"type":"login","status":"ok"'
    if register:
        yield Step(first, line(type="register", **credentials), b'"type":"register","status":"ok"')
    yield Step(first, line(type="login", **credentials), logged_in)
    yield Step(second, line(type="login", **credentials), logged_in)
    yield Step(first, line(type="users"), b'{"type":"users"')
    yield Step(second, line(type="users"), b'{"type":"users"')
    said = [f"{name} says {word}" for word in ("hello", "goodbye")]
    for text in said:
        yield Step(first, line(type="message", subtype="global", to="global", content=text))
    for text in said:
        yield Step(second, wanted=text.encode())


class Pupils:
    """A class of `count`. If they are `known`, they have accounts before the attack begins."""

    def __init__(self, address: Address, count: int, known: bool) -> None:
        self._address = address
        self._known = known
        self._names = [f"eleve{number:02d}" for number in range(count)]
        for name in self._names if known else ():
            with Client(address) as client:
                client.register(name, PASSWORD)

    def run(self, ending: Ending) -> dict[str, Any]:
        """Let all of them arrive now. They stay until the last one has got everything."""
        with Loop() as loop:
            people = [
                Follower(loop, functools.partial(pupil, name, not self._known), self._address) for name in self._names
            ]
            while not all(person.ended for person in people) and not ending.over():
                loop.turn(0.05)
            for person in people:
                person.give_up("too slow")
            stayed = [person for person in people if not any(wire.closed for wire in person.wires)]
        faults = sorted({person.fault or "dropped" for person in people if person not in stayed})
        return {"served": len(stayed), "slowest": max((each.took for each in people), default=0.0), "faults": faults}
