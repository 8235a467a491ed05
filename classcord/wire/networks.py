"""Networks as text: `10.0.0.5`, `192.168.56.0/24`. Pure; any thread may call it."""

from __future__ import annotations

import functools

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

__all__ = ["contains", "is_here", "is_wide", "parse"]

_LONGEST = 100
"""Characters in the text of a network."""
_WIDEST = {4: 16, 6: 48}
"""Bits that all addresses of a network share, at least: a school has no more addresses."""


@functools.lru_cache(256)
def _network(text: str) -> IPv4Network | IPv6Network:
    import ipaddress  # slow; most servers never come here

    return ipaddress.ip_network(text, strict=False)


def parse(text: str) -> str | None:
    """The network in its usual form, without the length if it is one address; None if it is not a network."""
    if len(text) > _LONGEST:
        return None
    try:
        network = _network(text)
    except ValueError:
        return None
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def contains(network: str, address: str) -> bool:
    """Whether the address is in the network, which `parse` has given. False for what is not an address."""
    try:
        return _network(address.partition("%")[0]).network_address in _network(network)
    except ValueError:
        return False


def is_here(network: str) -> bool:
    """Whether it has the addresses of the machine itself."""
    return contains(network, "127.0.0.1") or contains(network, "::1")


def is_wide(network: str) -> bool:
    """Whether it has more addresses than a school."""
    found = _network(network)
    return found.prefixlen < _WIDEST[found.version]
