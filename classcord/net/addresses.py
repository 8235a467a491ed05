"""Addresses as people write them, and those under which other machines may reach this one."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Iterable

__all__ = ["to_hand_out", "with_port"]

_INSIDE = ("lo", "docker", "br-", "virbr", "veth", "vmnet", "vboxnet", "tun", "tap")
"""How the names of interfaces begin that lead to no other machine of the room."""
_SIOCGIFADDR = 0x8915
_INTERFACES = "/sys/class/net"
"""Their names. socket.if_nameindex() needs netlink, which the unit's sandbox forbids."""
_EVERYWHERE = ("0.0.0.0", "::")


def to_hand_out(hosts: Iterable[str], port: int) -> list[str]:
    """ADDRESS:PORT, for each address of this machine that a server listening at these `hosts` has.

    Empty in a container: its own addresses lead nowhere from outside, and it does not know the others.
    """
    hosts = list(hosts)
    found = [host for host in hosts if host not in _EVERYWHERE]
    if len(found) < len(hosts):
        found = [] if _contained() else _own()
    return [with_port(address, port) for address in dict.fromkeys(found)]


def with_port(address: str, port: int) -> str:
    """ADDRESS:PORT, with brackets around an IPv6 address. Pure; any thread may call it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _contained() -> bool:
    return os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv")


def _own() -> list[str]:
    """The IPv4 address of each interface that has one."""
    found = []
    try:
        names = sorted(os.listdir(_INTERFACES))
    except OSError:
        return []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for name in names:
            if not name.startswith(_INSIDE):
                try:
                    answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
                except OSError:
                    continue  # it has none
                found.append(socket.inet_ntoa(answer[20:24]))
    return found
