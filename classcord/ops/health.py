"""`server.py health`: does a server answer?"""

from __future__ import annotations

import socket
import time

__all__ = ["check"]

_LOOPBACK = ("127.0.0.1", "::1")
_THIS_MACHINE = frozenset({"*", "::", "0.0.0.0", "localhost"})
"""Hosts that mean both loopback addresses here."""
_TIME = 2.5
"""Seconds in total; a health check must end within 3."""


def check(host: str, port: int, seconds: float = _TIME) -> tuple[bool, str]:
    """Whether the server at `host` (* is this machine) answers a ping over the protocol, and a line that says so.

    A full server is healthy: a restart would not help.
    """
    deadline = time.monotonic() + seconds
    problem = ""
    for address in _LOOPBACK if host.lower() in _THIS_MACHINE else (host,):
        try:
            reply = _ping(address, port, deadline)
        except (OSError, UnicodeError) as error:  # UnicodeError: not a host name at all
            why = getattr(error, "strerror", None) or error
            problem = problem or f"no answer from {address} port {port}: {why}"
            continue
        if reply.startswith(b"{"):  # compared as bytes: this is our own server's line, and json takes time to load
            if b'"type":"pong"' in reply:
                return True, f"ok: the server at {address} port {port} answers"
            if b'"code":"server_full"' in reply:
                return True, f"ok: the server at {address} port {port} answers, and is full"
        return False, f"the program at {address} port {port} is not a ClassCord server"
    return False, problem


def _ping(address: str, port: int, deadline: float) -> bytes:
    """The first line of the answer, without spaces; empty if the line has no end."""
    # as bytes: for a text, Python loads much to check it for letters outside ASCII
    host = address.encode() if address.isascii() else address
    left = max(0.01, deadline - time.monotonic())
    with socket.create_connection((host, port), timeout=left) as connection:  # type: ignore[arg-type]
        connection.sendall(b'{"type":"ping"}\n')
        answer = b""
        while b"\n" not in answer and len(answer) < 65536:
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            data = connection.recv(4096)
            if not data:
                return b""
            answer += data
    return answer.partition(b"\n")[0].replace(b" ", b"")
