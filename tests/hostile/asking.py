"""Shared by the tests of hostile inputs: send requests that must be refused, and see what the bystanders heard."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support import Bystanders, Client, Message

__all__ = [
    "PING", "PONG", "Connect", "Join", "Logged", "answers", "heard", "hijack", "not_run", "refused", "works",
]

Connect = Callable[[], Client]
Join = Callable[[str], Client]
Logged = Callable[[Client, str], None]

PING: Message = {"type": "ping"}
PONG: Message = {"type": "pong"}


def answers(client: Client) -> list[Message]:
    """The server's answers up to now, without the lines about other people."""
    return [
        line for line in client.pending()
        if line["type"] != "status" and (line["type"] != "message" or line["from"] == "Serveur")
    ]


def refused(client: Client, line: Message | bytes | str, *codes: str) -> Message:
    """Send a line that must get exactly one error, with one of these codes, on a connection that works on."""
    assert answers(client) == []
    client.send(line)
    got = answers(client)
    assert [error["type"] for error in got] == ["error"], (line, got)
    error = got[0]
    assert error["code"] in codes, (line, error)
    assert error["message"] == error["error"] != ""
    return error


def works(client: Client) -> None:
    """The connection is open, and the server sent nothing else on it."""
    assert answers(client) == []


def heard(bystanders: Bystanders, sender: str) -> list[Message]:
    """The messages under this name that the bystanders got, if they were sent before this call."""
    bystanders.check(1)
    return [line for line in bystanders.seen if line["type"] == "message" and line["from"] == sender]


def hijack(name: str) -> bytes:
    """Lines that a web page might make a browser post: a registration, and a guest's message to everybody."""
    lines = (
        {"type": "register", "username": name, "password": "stolen"},
        {"type": "message", "subtype": "global", "to": "global", "from": name, "content": "from a web page"},
    )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def not_run(connect: Connect, bystanders: Bystanders, name: str) -> None:
    """The name is free, and nobody got a line with it."""
    assert heard(bystanders, name) == []
    assert connect().register(name) == {"type": "register", "status": "ok"}
