"""`server.py health`: is a server there, and does it answer?"""

from __future__ import annotations

import json
import socket
import time
from typing import Any

__all__ = ["check"]

_TIME = 2.5
"""Seconds in all; a health check must be over within 3."""


def check(host: str, port: int, seconds: float = _TIME) -> tuple[bool, str]:
    """Whether the server at `host` (* is this machine) answers a ping over the protocol, and a line that says so.

    A full server is a healthy one: restarting it would help nobody.
    """
    deadline = time.monotonic() + seconds
    problem = ""
    for address in ("127.0.0.1", "::1") if host in ("*", "::", "0.0.0.0") else (host,):
        try:
            reply = _ping(address, port, deadline)
        except (OSError, UnicodeError) as error:  # UnicodeError: no host name at all
            why = getattr(error, "strerror", None) or error
            problem = problem or f"no answer from {address} port {port}: {why}"
            continue
        if reply.get("type") == "pong":
            return True, f"ok: the server at {address} port {port} answers"
        if reply.get("code") == "server_full":
            return True, f"ok: the server at {address} port {port} answers, and is full"
        return False, f"what listens at {address} port {port} is no ClassCord server"
    return False, problem


def _ping(address: str, port: int, deadline: float) -> dict[str, Any]:
    with socket.create_connection((address, port), timeout=max(0.01, deadline - time.monotonic())) as connection:
        connection.sendall(b'{"type":"ping"}\n')
        answer = b""
        while b"\n" not in answer and len(answer) < 65536:
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            data = connection.recv(4096)
            if not data:
                break
            answer += data
    try:
        reply = json.loads(answer.decode("utf-8", "replace").partition("\n")[0])
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}
