"""The limits of the server, made of its settings. They count for the connection and the account first."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from classcord.net.buckets import Bucket
from classcord.net.guards import Logins, Registrations
from classcord.net.pace import Pace, Rates
from classcord.net.shares import Flow, Shares
from classcord.ops.config import NO_NETWORK, Config

__all__ = ["Limits", "Member"]

ROOM_BURST = 256 * 1024
"""Bytes that everybody may have to receive at once: a quarter of the default --outbox-limit, so that a client that
reads a little late is not dropped. A class of 40 that pastes 5 kB each has fewer."""
_A_SECOND = 10
"""The lines of a tenth of a second may run at once: people do not notice a wait of 100 ms."""
_TEN_MINUTES = 600.0
"""Seconds in which the new accounts that one may make come back: a break. Then the next class may register."""
_SESSIONS = 3
"""An account may send as many lines as so many connections: people have their client open on two or three machines."""


class Member(Flow):
    """What the connections of one account have sent together. Any thread."""

    __slots__ = ("_bucket", "_lock")

    def __init__(self, rates: Rates, now: float) -> None:
        super().__init__()
        self._bucket = Bucket(_SESSIONS * rates.line_burst, _SESSIONS * rates.line_rate, now)
        self._lock = threading.Lock()

    def line(self, now: float) -> float:
        """A line is next: the seconds to wait before it runs."""
        with self._lock:
            return self._bucket.take(1, now)


class Limits:
    """What every client's handler asks. Any thread. `clock` gives seconds and never goes back."""

    def __init__(self, settings: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.rates = Rates(
            settings.line_burst, settings.line_rate, settings.byte_burst, settings.byte_rate, settings.excess_time
        )
        exempt = _networks(settings.exempt_networks)
        self.room = Shares(settings.room_rate, ROOM_BURST, clock)
        self.work = Shares(settings.work_rate, settings.work_rate // _A_SECOND, clock)
        self.logins = Logins(settings.login_failures, exempt, clock)
        self.registrations = Registrations(settings.registrations, _TEN_MINUTES, exempt, clock)
        self._each = settings.connection_registrations
        self._members: WeakValueDictionary[str, Member] = WeakValueDictionary()
        self._newcomers: WeakValueDictionary[str, Flow] = WeakValueDictionary()
        self._lock = threading.Lock()

    def pace(self) -> Pace:
        """For a new connection."""
        return Pace(self.rates, self.clock())

    def own_registrations(self) -> Bucket:
        """For a new connection."""
        return Bucket(self._each, self._each / _TEN_MINUTES, self.clock())

    def member(self, account: str) -> Member:
        """The account with this key. It is kept as long as one of its connections keeps it."""
        with self._lock:
            member = self._members.get(account)
            if member is None:
                member = self._members[account] = Member(self.rates, self.clock())
            return member

    def newcomers(self, share: str) -> Flow:
        """All who come from this share of the network, until the others know of them.

        Together they are one sender: a client that comes again and again would be a new one each time.
        """
        with self._lock:
            flow = self._newcomers.get(share)
            if flow is None:
                flow = self._newcomers[share] = Flow()
            return flow


def _networks(text: str) -> Callable[[str], bool]:
    """Whether an address is in one of these networks, of which several are separated by commas."""
    if text == NO_NETWORK:
        return lambda address: False
    import ipaddress  # slow; most servers don't need it

    networks = [ipaddress.ip_network(each.strip(), strict=False) for each in text.split(",")]
    return lambda address: any(ipaddress.ip_address(address.partition("%")[0]) in network for network in networks)
