"""People who are logged in, and bystanders who must miss nothing."""

from __future__ import annotations

import time
from types import TracebackType
from typing import overload

from tests.support.client import Client, Some
from tests.support.lines import Message, unique


@overload
def member(address: tuple[str, int], name: str) -> Client: ...
@overload
def member(address: tuple[str, int], name: str, kind: type[Some]) -> Some: ...
def member(address: tuple[str, int], name: str, kind: type[Client] = Client) -> Client:
    """A client that has registered and logged in under exactly this name."""
    client = kind(address)
    assert client.register(name)["status"] == "ok"
    assert client.login(name) == {"type": "login", "status": "ok", "username": name}
    return client


bystander_waits: list[float] = []
"""Seconds that each message of a bystander took to the other one, in the running test."""


class Bystanders:
    """Two people who chat while the server is under attack, and must miss nothing.

    with Bystanders(address) as bystanders: do the hostile thing; bystanders.check() any number of times.
    Each check sends messages both ways and demands that exactly they arrive, in order, and that no client was dropped.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.one = member(address, unique("bystander"))
        self.two = member(address, unique("bystander"))
        self._count = 0
        self.seen: list[Message] = []
        """The messages of other people meanwhile, as the first bystander got them."""

    def check(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            for sender, receiver in ((self.one, self.two), (self.two, self.one)):
                self._count += 1
                text = f"still here {self._count}"
                began = time.perf_counter()
                sender.send({"type": "message", "content": text})
                while True:
                    got = receiver.receive()
                    if got.get("from") == sender.name:
                        break
                    assert got["type"] in ("message", "status"), got
                    if receiver is self.one:
                        self.seen.append(got)
                bystander_waits.append(time.perf_counter() - began)
                assert got["content"] == text, f"a bystander missed something: {got} instead of {text!r}"

    def __enter__(self) -> Bystanders:
        self.check(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            self.one.close()
            self.two.close()
