"""The people who are there before the attack, and must miss nothing: they chat, in a process of their own.

Four bystanders each send a message to everybody five times a second, and count what comes from the other three. A fifth
one only reads, at 1 Mbit/s. Newcomers log in, one after the other.
"""

from __future__ import annotations

import functools
import json
import select
import time
from collections.abc import Callable
from typing import Any

from tests.hostile.attack.ending import Ending
from tests.hostile.attack.scripts import ERROR, PASSWORD, Follower, Script, Step, line
from tests.hostile.attack.wire import Address, Loop, Wire
from tests.support import Client

NAMES = ("ann", "ben", "cora", "dan")
PAUSE = 0.2
"""Seconds between two messages of one bystander."""
MARK = "bystander's message"
SLOW = 125_000
"""Bytes that the slow reader takes in a second: 1 Mbit/s."""
VISIT = 0.5
"""Seconds between two newcomers."""
VICTIM = "victor"
"""The account whose password is guessed. Its owner logs in from another address."""
VISITORS = (("nina", None), (VICTIM, "127.0.0.2"))
GRACE = 20.0
"""Seconds after the end in which what is under way must arrive: far more than a busy machine needs."""


class Receiver:
    """What one bystander receives from the others."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.got: set[tuple[str, int]] = set()
        self.disordered = 0
        self.waits: list[float] = []
        self.errors: list[str] = []
        self._last: dict[str, int] = {}

    def take(self, sent: dict[tuple[str, int], float]) -> None:
        """Count the new lines. `sent` has the time at which each message was sent."""
        while self.wire.lines:
            raw = self.wire.lines.popleft()
            if raw.startswith(ERROR):
                self.errors.append(str(json.loads(raw).get("code")))
                continue
            try:
                name, number = json.loads(raw)["content"].removeprefix(MARK).split()
                number = int(number)
                began = sent[name, number]
            except (ValueError, KeyError, TypeError):  # torn, or not ours: then ours is missing
                self.errors.append(f"a broken line: {raw[:100]!r}")
                continue
            self.disordered += number <= self._last.get(name, 0)
            self._last[name] = max(number, self._last.get(name, 0))
            self.got.add((name, number))
            self.waits.append(time.monotonic() - began)


def _visit(name: str, source: str | None, entered: list[float], open_wire: Callable[..., Wire]) -> Script:
    began = time.monotonic()
    wire = open_wire(source=source)
    yield Step(wire, line(type="login", username=name, password=PASSWORD), b'"type":"login","status":"ok"')
    entered.append(time.monotonic() - began)
    yield Step(wire, line(type="users"), b'{"type":"users"')
    wire.close()


def log_in(address: Address, name: str, buffer: int = 0) -> Wire:
    """Log in to an account that exists. `buffer` is for the kernel's received bytes."""
    wire = Wire(address, (ERROR, MARK.encode(), b'"type":"login"'), buffer=buffer)
    wire.send(line(type="login", username=name, password=PASSWORD))
    deadline = time.monotonic() + GRACE
    while not wire.lines and not wire.closed and time.monotonic() < deadline:
        select.select([wire.socket], [], [], 0.1)
        wire.flush()
        wire.read()
    if not wire.lines or b'"status":"ok"' not in wire.lines[0]:
        raise RuntimeError(f"{name} can't log in: {list(wire.lines)}")
    wire.lines.popleft()
    return wire


class Bystanders:
    """They enter when this is made; `run` lets them talk."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._loop = Loop()
        self.sent: dict[tuple[str, int], float] = {}
        """When each bystander sent each of its messages, by `time.monotonic`."""
        self._count = dict.fromkeys(NAMES, 0)
        self._visits: list[Follower] = []
        self._entered: list[float] = []
        for name in ("slow", *NAMES, *(name for name, _ in VISITORS)):
            with Client(address) as client:
                client.register(name, PASSWORD)
        self._receivers = {name: Receiver(log_in(address, name)) for name in NAMES}
        for receiver in self._receivers.values():
            self._loop.add(receiver.wire, functools.partial(receiver.take, self.sent))
        self._slow = Receiver(log_in(address, "slow", 32 * 1024))  # not in the loop: it is read at its own pace

    def run(self, ending: Ending) -> dict[str, Any]:
        """Chat until the end, then wait for what is under way."""
        began = read = time.monotonic()
        due = {name: began + number * PAUSE / len(NAMES) for number, name in enumerate(NAMES)}
        visit = began
        while not ending.over():
            now = time.monotonic()
            for name in NAMES:
                if now >= due[name]:
                    due[name] = now + PAUSE
                    self._say(name, now)
            if now >= visit:
                visit = now + VISIT
                self._visit()
            read = self._read_slowly(read)
            self._loop.turn(min(*due.values(), visit) - now)
        self._wait(read)
        waits = sorted(wait for receiver in self._receivers.values() for wait in receiver.waits)
        return {"waits": waits, **self._counts()}

    def close(self) -> None:
        """Leave."""
        self._loop.close()
        self._slow.wire.close()

    def _counts(self) -> dict[str, Any]:
        everybody = [*self._receivers.values(), self._slow]
        for visit in self._visits:
            visit.give_up("no answer")
        return {
            "sent": sum(self._count.values()),
            "lost": sum(self._missing(receiver) for receiver in everybody),
            "disordered": sum(receiver.disordered for receiver in everybody),
            "dropped": sum(receiver.wire.closed for receiver in everybody),
            "visits": len(self._visits),
            "visited": sum(visit.done for visit in self._visits),
            "slowest_login": max(self._entered, default=0.0),
            "faults": sorted(
                {error for receiver in everybody for error in receiver.errors}
                | {f"newcomer: {visit.fault}" for visit in self._visits if visit.fault}
            ),
        }

    def _missing(self, receiver: Receiver) -> int:
        """Messages that did not come. One who was dropped counts as dropped, and misses nothing more."""
        if receiver.wire.closed:
            return 0
        own = next((name for name, each in self._receivers.items() if each is receiver), "")
        return sum(message not in receiver.got for message in self.sent if message[0] != own)

    def _visit(self) -> None:
        """The next newcomer logs in, unless the one before it under that name still waits: it is one person."""
        number = len(self._visits)
        if number < len(VISITORS) or self._visits[number - len(VISITORS)].ended:
            name, source = VISITORS[number % len(VISITORS)]
            enter = functools.partial(_visit, name, source, self._entered)
            self._visits.append(Follower(self._loop, enter, self._address))

    def _say(self, name: str, now: float) -> None:
        wire = self._receivers[name].wire
        if not wire.closed:
            self._count[name] += 1
            self.sent[name, self._count[name]] = now
            text = f"{MARK} {name} {self._count[name]}"
            wire.send(line(type="message", subtype="global", to="global", content=text))

    def _read_slowly(self, since: float) -> float:
        """Let the slow reader take what it could since then. The time now."""
        now = time.monotonic()
        if not self._slow.wire.closed:
            self._slow.wire.read(int((now - since) * SLOW) + 1)
            self._slow.take(self.sent)
        return now

    def _wait(self, read: float) -> None:
        """Until nothing is missing, everybody is served, or it takes too long."""
        deadline = time.monotonic() + GRACE
        everybody = [*self._receivers.values(), self._slow]
        while time.monotonic() < deadline:
            if not any(map(self._missing, everybody)) and all(visit.ended for visit in self._visits):
                break
            self._loop.turn(0.05)
            read = self._read_slowly(read)
