from __future__ import annotations

from collections.abc import Callable

from tests.support import Client


def test_two_people_chat(join: Callable[[str], Client]) -> None:
    alice, bob = join("alice"), join("bob")
    assert alice.receive() == {"type": "status", "user": bob.name, "state": "online"}
    alice.send({"type": "message", "subtype": "global", "to": "global", "from": "x", "content": "Bonjour"})
    got = bob.receive()
    assert (got["from"], got["to"], got["subtype"], got["content"]) == (alice.name, "global", "global", "Bonjour")
    assert alice.pending() == []
