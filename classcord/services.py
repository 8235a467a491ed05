"""The parts of the server that serve a client."""

from __future__ import annotations

from typing import NamedTuple

from classcord.chat.accounts import Accounts
from classcord.data.history import History
from classcord.delivery.registry import Registry
from classcord.net.hashing import Hashing
from classcord.net.limits import Limits
from classcord.net.places import Places
from classcord.site import Site
from classcord.wire.texts import Texts

__all__ = ["Services"]


class Services(NamedTuple):
    """What every client's handler uses. `outbox_limit` is in bytes, for each client. `folder` has the data.

    No limits, no `limits`; no page, no `site`.
    """

    registry: Registry
    accounts: Accounts
    hashing: Hashing
    texts: Texts
    history: History
    outbox_limit: int
    unread_limit: int
    limits: Limits | None = None
    places: Places | None = None
    folder: str = ""
    site: Site | None = None
