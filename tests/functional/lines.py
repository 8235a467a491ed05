"""Helpers of the functional tests: they pick the lines about certain people, because others may be in the room too."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.support import Client, Message, say

Connect = Callable[[], Client]
Join = Callable[[str], Client]
Address = tuple[str, int]

SERVER = "Serveur"


def after(actor: Client, observer: Client) -> list[Message]:
    """All lines that the observer has received after the server has done all requests of the actor so far."""
    actor.pending()
    return observer.pending()


def about(lines: Iterable[Message], *names: str) -> list[Message]:
    """The lines that come from these people or tell their state."""
    return [line for line in lines if line.get("user", line.get("from")) in names]


def states(lines: Iterable[Message], *names: str) -> list[tuple[str, str]]:
    """The changes of these people's states, in order."""
    return [(line["user"], line["state"]) for line in about(lines, *names) if line["type"] == "status"]


def contents(lines: Iterable[Message], *names: str) -> list[str]:
    """The messages of these people, in order."""
    return [line["content"] for line in about(lines, *names) if line["type"] in ("message", "private")]


def notices(lines: Iterable[Message]) -> list[Message]:
    """The texts of the server to one person."""
    return [line for line in about(lines, SERVER) if line["subtype"] == "private"]


def errors(lines: Iterable[Message]) -> list[str]:
    """The codes of the error lines, in order."""
    return [line["code"] for line in lines if line["type"] == "error"]


def private(to: str, text: str, **more: object) -> Message:
    """A private message as most clients send it."""
    return {"type": "message", "subtype": "private", "to": to, "content": text, **more}


def answer(client: Client, message: Message) -> Message:
    """The server's answer. Lines about others may come before it, once the client has a name."""
    client.send(message)
    while True:
        line = client.receive()
        if line["type"] not in ("message", "status"):
            return line


def users(client: Client) -> list[str]:
    """The people who are here, as the server tells this client."""
    client.send({"type": "users"})
    names: list[str] = client.until(type="users")["users"]
    return names


def guest(connect: Connect, name: str) -> Client:
    """A guest that has given this name."""
    client = connect()
    client.name = name
    client.send(say("", **{"from": name}))
    assert errors(client.pending()) == []
    return client


def nameless(connect: Connect, observer: Client) -> Client:
    """A guest that has given no name. Its `name` comes from the observer, which must have a name already."""
    client = connect()
    known = {line["user"] for line in observer.pending() if line["type"] == "status"} | set(users(observer))
    client.send({"type": "users"})
    client.until(type="users")
    own = f"who am I {id(client)}"
    client.send(say(own))
    client.name = observer.until(content=own)["from"]
    assert client.name not in known
    return client
