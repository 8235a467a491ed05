"""The sockets that clients connect to: the addresses that a host stands for, and the options of each socket."""

from __future__ import annotations

import errno
import socket
from typing import Any

from classcord.ops import logs
from classcord.ops.config import EVERY_ADDRESS

__all__ = ["SEND_BUFFER", "bind", "from_here", "names", "only_this_machine", "peer_address", "prepare"]

SEND_BUFFER = 128 * 1024
"""Bytes that the kernel holds for a client that doesn't read."""
_VANISHED = 120
"""If a client does not confirm sent data for so many seconds, its connection ends. The keepalive takes as long for a
client that gets no data. Linux would try for 15 minutes (tcp(7), tcp_retries2)."""
_TRIES = 100
"""Tries to find a port that is free on two addresses."""

_Address = tuple[socket.AddressFamily, Any]
_LOOPBACK: tuple[tuple[socket.AddressFamily, str], ...] = (
    (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"),
)


def peer_address(address: str) -> str:
    """An address as people write it: IPv4 clients of an IPv6 socket show as ::ffff:10.0.108.34."""
    return address.removeprefix("::ffff:") if "." in address else address


def from_here(connection: socket.socket, peer: str) -> bool:
    """Whether the peer with this address is on this machine: a health check, the watchdog's test, the operator."""
    return peer in ("127.0.0.1", "::1") or peer == peer_address(connection.getsockname()[0])


def names(sockets: list[socket.socket]) -> str:
    """The addresses of the sockets, for people."""
    return ", ".join(each.getsockname()[0] for each in sockets)


def only_this_machine(sockets: list[socket.socket]) -> bool:
    """Whether no other machine can connect to any of the sockets."""
    return all(_is_loopback(each.getsockname()[0]) for each in sockets)


def bind(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to the addresses that `host` stands for, all with the same port; they don't listen yet.

    Port 0 is any free port. An address that this machine doesn't have is left out if it has another of them. Raises
    OSError, with the address as its `filename`, if it has none of them or the port is taken on one.
    """
    addresses = _resolve(host, port)
    for attempt in range(_TRIES):
        made: list[socket.socket] = []
        try:
            absent = _bind_each(addresses, made, dual_stack=host == EVERY_ADDRESS)
        except OSError as error:
            for each in made:
                each.close()
            # the port that was free on the first address may be taken on the next
            if port == 0 and made and error.errno == errno.EADDRINUSE and attempt < _TRIES - 1:
                continue
            raise
        for address, missing in absent:
            if not _is_loopback(address):
                logs.event("address_left_out", address=address, detail=missing.strerror,
                           hint="this machine does not have this address of the host; the server listens on the others")
        return made
    raise AssertionError("unreachable")


def _bind_each(
    addresses: list[_Address], made: list[socket.socket], *, dual_stack: bool
) -> list[tuple[str, OSError]]:
    """Append a bound socket for each address to `made`; return those that this machine doesn't have."""
    absent: list[tuple[str, OSError]] = []
    for family, address in addresses:
        port = made[0].getsockname()[1] if made else address[1]
        try:
            made.append(_bind(family, (address[0], port, *address[2:]), dual_stack=dual_stack))
        except OSError as error:
            error.filename = address[0]
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
            absent.append((address[0], error))
    if not made:
        raise absent[0][1]
    return absent


def _bind(family: socket.AddressFamily, address: Any, *, dual_stack: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else a restart fails while old ones are TIME_WAIT
        if family == socket.AF_INET6 and (dual_stack or address[0] != "::"):
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual_stack)
        prepare(made)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def prepare(listening: socket.socket) -> None:
    """Set the options that every accepted socket inherits."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # These notice a vanished peer within two minutes. The keepalive also keeps a NAT from forgetting a quiet client
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _VANISHED * 1000)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


# --- which addresses ---


def _resolve(host: str, port: int) -> list[_Address]:
    if host == EVERY_ADDRESS:
        return [_every_address(port)]
    loopback: list[_Address] = [(family, (address, port)) for family, address in _LOOPBACK]
    if host.lower() == "localhost":  # also without an entry in /etc/hosts
        return loopback
    try:
        found = _look_up(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = _look_up(host, port, socket.AI_PASSIVE)
        # Debian gives a machine's own name the address 127.0.1.1, which no other name has
        if all(_is_loopback(address[0]) for _, address in found):
            found += [each for each in loopback if each[1][0] not in {address[0] for _, address in found}]
    return found


def _look_up(host: str, port: int, flags: int) -> list[_Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError:
        raise OSError(errno.EINVAL, "it is not a host name") from None
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _every_address(port: int) -> _Address:
    if socket.has_ipv6:
        try:
            with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                probe.bind(("::", 0))
            return socket.AF_INET6, ("::", port)
        except OSError:
            pass  # no IPv6 on this machine
    return socket.AF_INET, ("0.0.0.0", port)


def _is_loopback(address: str) -> bool:
    return address == "::1" or peer_address(address).startswith("127.")
