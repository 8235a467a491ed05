"""A server with a teacher and pupils, for the tests of moderation."""

from __future__ import annotations

from contextlib import ExitStack

from tests.functional.test_console import admin
from tests.support import Client, Server, member, say

__all__ = ["School", "notices"]


class School:
    """A server with a teacher and two pupils. `come` logs in once more, from another address too."""

    def __init__(self, server: Server, stack: ExitStack) -> None:
        self.server = server
        self.stack = stack
        self.address = (server.host, server.port)
        self.prof, self.alice, self.bob = (
            stack.enter_context(member(self.address, name)) for name in ("prof", "alice", "bob")
        )
        assert admin(server.data, "promote", "prof").returncode == 0
        for client in (self.prof, self.alice, self.bob):
            client.pending()

    def come(self, name: str, source: str = "127.0.0.1") -> Client:
        client = self.stack.enter_context(Client(self.address, source=source))
        client.login(name)
        return client

    def types(self, *words: str) -> list[str]:
        """A typed command of the teacher; what Serveur answers."""
        self.prof.send(say(" ".join(words)))
        return notices(self.prof)


def notices(client: Client) -> list[str]:
    """What Serveur has said to a client by now."""
    return [line["content"] for line in client.pending() if line.get("from") == "Serveur"]
