"""Who may not come in: accounts and networks, each for a time.

The holder of the registry's flush lock changes it; any thread may ask, because it replaces whole dictionaries.
"""

from __future__ import annotations

from typing import NamedTuple

from classcord.wire import durations, networks
from classcord.wire.protocol import ProtocolError

__all__ = ["Ban", "Bans"]


class Ban(NamedTuple):
    """`end` is in seconds of the room's clock. `actor` is who did it."""

    end: float
    actor: str
    reason: str


class Bans:
    """The bans in force. `now` is the room's time in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.accounts: dict[str, Ban] = {}
        """By the key of the account's name."""
        self.networks: dict[str, Ban] = {}

    def of(self, kind: str) -> dict[str, Ban]:
        """Those of a kind: account or network."""
        return self.accounts if kind == "account" else self.networks

    def put(self, kind: str, target: str, ban: Ban | None) -> None:
        """Add a ban, replace one, or take it away."""
        changed = {name: each for name, each in self.of(kind).items() if name != target}
        if ban is not None:
            changed[target] = ban
        if kind == "account":
            self.accounts = changed
        else:
            self.networks = changed

    def pass_time(self, now: float) -> None:
        """Forget those that are over."""
        self.now = now
        for kind in ("account", "network"):
            for target, ban in self.of(kind).items():
                if ban.end <= now:
                    self.put(kind, target, None)

    def account(self, key: str) -> ProtocolError | None:
        """Why the account with this key may not come in; None if it may."""
        return self._found("This account", self.accounts.get(key))

    def address(self, address: str) -> ProtocolError | None:
        """Why nobody may connect from this address; None if people may."""
        found = (ban for network, ban in self.networks.items() if networks.contains(network, address))
        return self._found("This address", next(found, None)) if self.networks else None

    def _found(self, what: str, ban: Ban | None) -> ProtocolError | None:
        return self.refusal(what, ban.end - self.now, ban.reason) if ban is not None else None

    @staticmethod
    def refusal(what: str, seconds: float, reason: str) -> ProtocolError:
        """The error for who may not come in for so many seconds."""
        why = f" Reason: {reason}" if reason else ""
        return ProtocolError("banned", f"{what} is banned for {durations.spell(seconds, 'en')}.{why}")
