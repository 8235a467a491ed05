"""What the tests of hostile inputs share: asking for what must be refused, and what the bystanders heard."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.support import Bystanders, Client, Message

__all__ = [
    "PING", "PONG", "Connect", "Join", "Logged", "answers", "heard", "hijack", "not_run", "refused", "say", "works",
]

Connect = Callable[[], Client]
Join = Callable[[str], Client]
Logged = Callable[[Client, str], None]

PING: Message = {"type": "ping"}
PONG: Message = {"type": "pong"}


def say(text: str, **more: object) -> Message:
    """A message to everybody."""
    return {"type": "message", "subtype": "global", "to": "global", "content": text, **more}


def answers(client: Client) -> list[Message]:
    """What the server has answered up to now, without what other people did meanwhile."""
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
    """The connection is open and nothing else was sent on it."""
    assert answers(client) == []


def heard(bystanders: Bystanders, sender: str) -> list[Message]:
    """The messages of this person that the bystanders got, whoever sent them before this was called."""
    bystanders.check(1)
    return [line for line in bystanders.seen if line["type"] == "message" and line["from"] == sender]


def hijack(name: str) -> bytes:
    """Lines that a web page might have a browser post: an account, and a word to everybody as a guest."""
    lines = (
        {"type": "register", "username": name, "password": "stolen"},
        {"type": "message", "subtype": "global", "to": "global", "from": name, "content": "from a web page"},
    )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def not_run(connect: Connect, bystanders: Bystanders, name: str) -> None:
    """The name is free, and nobody heard of it."""
    assert heard(bystanders, name) == []
    assert connect().register(name) == {"type": "register", "status": "ok"}
