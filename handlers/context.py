"""One client's connection, as the functions that handle its requests see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from classcord.registry import Item
from classcord.services import Services
from classcord.session import Session

__all__ = ["Context"]

Result = TypeVar("Result")


class Context:
    """Collects the items of a client's requests. Only the client's own thread uses it."""

    __slots__ = ("_hashing", "_items", "accounts", "registry", "room", "session", "texts")

    def __init__(self, session: Session, services: Services) -> None:
        self.session = session
        self.registry = services.registry
        self.room = services.registry.room
        self.accounts = services.accounts
        self._hashing = services.hashing
        self.texts = services.texts
        self._items: list[Item] = []

    def post(self, operation: Callable[..., object], *arguments: Any) -> None:
        """Add the item `operation(batch, session, *arguments)`; the next flush hands it over."""
        self._items.append((operation, self.session, arguments))

    def reply(self, line: bytes) -> None:
        """A line to this client, after the answers to its earlier requests."""
        self._items.append((self.registry.reply, self.session, (line,)))

    def wait_until_stored(self) -> None:
        """Hand over the collected items and wait until they are done: the next request depends on them."""
        self.flush()
        self.registry.wait()

    def hashed(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """The result of `work(*arguments)`, which runs in a hashing thread when this client's turn comes.

        Raises hashing.Gone if the connection has ended by then.
        """
        return self._hashing.run(self.session, lambda: work(*arguments))

    def flush(self) -> None:
        """Hand over the collected items. Call it before slow work, so that earlier requests don't wait for that."""
        if self._items:
            items, self._items = self._items, []
            self.registry.post(items)
