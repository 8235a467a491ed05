"""The sockets that listen on a port, from /proc/net/tcp and tcp6, and the processes that own them."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from machine import Machine, Process

__all__ = ["Listener", "listeners", "listening_here", "loopback_only", "owners"]

_LISTEN = "0A"  # the kernel's TCP_LISTEN


class Listener(NamedTuple):
    """A listening socket: `address` is * (all), an IPv4 address, or an IPv6 address."""

    address: str
    inode: str


def listeners(table: str, port: int) -> list[Listener]:
    """The listening sockets of the port in the text of /proc/net/tcp or tcp6, or of both; each address once."""
    found: dict[str, Listener] = {}
    for line in table.splitlines():
        words = line.split()
        if len(words) < 10 or words[3] != _LISTEN or not re.fullmatch(rf"[0-9A-F]+:{port:04X}", words[1]):
            continue
        address = _decode(words[1].partition(":")[0])
        found.setdefault(address, Listener(address, words[9]))
    return sorted(found.values())


def _decode(digits: str) -> str:
    data = bytes.fromhex(digits)
    words = b"".join(data[place:place + 4][::-1] for place in range(0, len(data), 4))  # of a little-endian machine
    if not any(words):
        return "*"
    if len(words) == 4:
        return str(ipaddress.IPv4Address(words))
    address = ipaddress.IPv6Address(words)
    return str(address.ipv4_mapped or address)


def listening_here(machine: Machine, port: int) -> list[Listener]:
    """The sockets of this machine that listen on the port."""
    return listeners(f"{machine.read('/proc/net/tcp') or ''}\n{machine.read('/proc/net/tcp6') or ''}", port)


def loopback_only(found: list[Listener]) -> bool:
    """Whether only this machine itself can connect. False if nothing listens."""
    return bool(found) and all(each.address == "::1" or each.address.startswith("127.") for each in found)


def owners(machine: Machine, found: list[Listener]) -> list[Process]:
    """The processes that listen there, as far as this user may see them."""
    return machine.owners({each.inode for each in found}) if found else []
