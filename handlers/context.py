"""One client's connection, as the functions that handle its requests see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from classcord.accounts import Accounts
from classcord.hashing import Hashing
from classcord.registry import Item, Registry
from classcord.session import Session
from classcord.texts import Texts

__all__ = ["Context"]

Result = TypeVar("Result")


class Context:
    """Collects what a client's requests lead to. Only the client's own thread uses it."""

    __slots__ = ("_hashing", "_items", "accounts", "registry", "room", "session", "texts")

    def __init__(
        self, session: Session, registry: Registry, accounts: Accounts, hashing: Hashing, texts: Texts
    ) -> None:
        self.session = session
        self.registry = registry
        self.room = registry.room
        self.accounts = accounts
        self._hashing = hashing
        self.texts = texts
        self._items: list[Item] = []

    def post(self, operation: Callable[..., object], *arguments: Any) -> None:
        """`operation(batch, session, *arguments)`, to be carried out in the common order, from the next flush on."""
        self._items.append((operation, self.session, arguments))

    def reply(self, line: bytes) -> None:
        """A line to this client, after whatever it asked before."""
        self._items.append((self.registry.reply, self.session, (line,)))

    def settle(self) -> None:
        """Hand over what was collected and wait until it is carried out, for what comes now builds on it."""
        self.flush()
        self.registry.wait()

    def hashed(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """What `work(*arguments)` returns, run in a hashing thread once it is this client's turn.

        Raises hashing.Gone if the connection has ended by then.
        """
        return self._hashing.run(self.session, lambda: work(*arguments))

    def flush(self) -> None:
        """Hand over what was collected. Before anything slow, so that earlier requests don't wait for it."""
        if self._items:
            items, self._items = self._items, []
            self.registry.post(items)
