"""Whether a NAT hides the addresses of the clients."""

from __future__ import annotations

import functools
import threading
from collections import Counter
from collections.abc import Iterable

from classcord.net.peer import Peer
from classcord.wire import networks

__all__ = ["NatWatch", "hidden", "hides_people"]

_FEW = 3
"""Connections of one person: more from one network are several people, as behind a NAT."""
_VIRTUALBOX = "10.0.2.2"
"""VirtualBox shows all clients from outside under this address."""


def hides_people(network: str, peers: Iterable[Peer]) -> int | None:
    """How many of the connected clients a ban of this network would hit, if it may be a whole class; else None."""
    count = sum(not peer.here and networks.contains(network, peer.address) for peer in peers)
    several = count > _FEW or networks.is_wide(network) or networks.contains(network, _VIRTUALBOX)
    return count if several else None


def hidden(peers: Iterable[Peer]) -> set[str]:
    """The addresses of these clients behind which a NAT seems to hide several people."""
    counts = Counter(peer.address for peer in peers)
    return {
        address for address, count in counts.items()
        if address == _VIRTUALBOX or (count > _FEW and _can_be_a_nat(address))
    }


@functools.lru_cache
def _can_be_a_nat(address: str) -> bool:
    import ipaddress  # slow; most servers never come here

    known = ipaddress.ip_address(address.partition("%")[0])
    return known.is_private and not known.is_loopback


class NatWatch:
    """Notices, once, that most clients share one private address: a NAT in front of the server hides their own.

    Any thread.
    """

    _FEW = 5
    """Fewer connections than this prove nothing: one person may have two clients open."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._total = 0
        self._said = False
        self._lock = threading.Lock()

    def connected(self, address: str) -> str | None:
        """Count a connection. The first time that one address has more than half of them, return it for a warning."""
        with self._lock:
            self._open[address] += 1
            self._total += 1
            most = self._total >= self._FEW and self._open[address] * 2 > self._total
            if self._said or not most or not _can_be_a_nat(address):
                return None
            self._said = True
            return address

    def disconnected(self, address: str) -> None:
        """Count the end of a connection."""
        with self._lock:
            self._open[address] -= 1
            self._total -= 1
            if not self._open[address]:
                del self._open[address]
