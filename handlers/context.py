"""One client's connection, as the functions that handle its requests see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from classcord.chat.people import Seat
from classcord.chat.room import Item, Room
from classcord.net.link import Link
from classcord.services import Services

__all__ = ["Context"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Context:
    """Collects the items of a client's requests. Only the client's own thread uses it."""

    __slots__ = ("_hashing", "_items", "_number", "accounts", "link", "registry", "texts")

    def __init__(self, link: Link, services: Services) -> None:
        self.link = link
        self._number = link.number
        self.registry = services.registry
        self.accounts = services.accounts
        self._hashing = services.hashing
        self.texts = services.texts
        self._items: list[Item] = []

    def post(
        self, operation: Callable[Concatenate[Room, Seat, Arguments], object], *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> None:
        """Add an item: the room's method `operation`, with these arguments. The next flush hands it over.

        mypy checks the arguments. They are plain values, and none has a name here.
        """
        self._items.append((operation.__name__, self._number, arguments))

    def reply(self, line: bytes) -> None:
        """A line to this client, after the answers to its earlier requests."""
        self._items.append(("reply", self._number, (line,)))

    def wait_until_stored(self) -> None:
        """Hand over the collected items and wait until they are done: the next request depends on them."""
        self.flush()
        self.registry.wait()

    def hashed(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """The result of `work(*arguments)`, which runs in a hashing thread when this client's turn comes.

        Raises hashing.Gone if the connection has ended by then.
        """
        return self._hashing.run(self.link, lambda: work(*arguments))

    def flush(self) -> None:
        """Hand over the collected items. Call it before slow work, so that earlier requests don't wait for that."""
        if self._items:
            items, self._items = self._items, []
            self.registry.post(items)
