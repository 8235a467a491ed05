"""The parts of the server that serve a client."""

from __future__ import annotations

from typing import NamedTuple

from classcord.chat.accounts import Accounts
from classcord.delivery.registry import Registry
from classcord.net.hashing import Hashing
from classcord.wire.texts import Texts

__all__ = ["Services"]


class Services(NamedTuple):
    """What every client's handler uses. `outbox_limit` is in bytes, for each client."""

    registry: Registry
    accounts: Accounts
    hashing: Hashing
    texts: Texts
    outbox_limit: int
