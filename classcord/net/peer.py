"""The other end of a connection: what is known of the client before it has said its name."""

from __future__ import annotations

from classcord.net.sockets import peer_address

__all__ = ["Peer"]


class Peer:
    """A client's address, and whether it has spoken. Limits, log lines and the NAT watch ask it.

    `here` says that the client is on this machine: a health check, the watchdog's test, the operator.
    `share` is the part of the network that counts as one where limits are shared: an IPv4 address, or the 64 bits of an
    IPv6 address that a network gives out, because one machine may use all addresses below them.
    """

    __slots__ = ("address", "client", "failures", "here", "port", "share", "spoke")

    def __init__(self, address: str = "", port: int = 0, *, here: bool = False) -> None:
        self.address = peer_address(address)
        self.port = port
        self.here = here
        self.share = ":".join(self.address.split(":")[:4]) if ":" in self.address else self.address
        self.client = ""
        """What it is, as far as its first bytes tell: see wire/foreign.py, `kind`. Only its own thread changes it."""
        self.spoke = False  # has sent a JSON object; only its own thread changes it
        self.client = ""  # what its first bytes are: json or text; only its own thread changes it
        self.failures = 0  # logins with a wrong password; only its own thread changes it
