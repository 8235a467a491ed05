"""Every kind of client in one room: two browsers, a program in Java, and a person at netcat."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.functional.clients import KnownClient
from tests.functional.test_netcat import needs
from tests.support import Message, Server
from tests.web.browser import ATTACK, Person


class Netcat:
    """The program nc, and somebody who types lines into it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def types(self, message: Message) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()

    def reads(self, wanted: Callable[[Message], bool]) -> Message:
        """The next line like that."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            message: Message = json.loads(line)
            if wanted(message):
                return message
        raise AssertionError("nc has ended")


@pytest.fixture
def nc(server: Server) -> Iterator[Netcat]:
    needs("nc.openbsd")
    with subprocess.Popen(
        ["nc.openbsd", server.host, str(server.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:
        yield Netcat(process)
        process.kill()


def test_everybody_reads_everybody(server: Server, alice: Person, bob: Person, nc: Netcat) -> None:
    alice.visit(server)
    alice.enter("alice", "azerty", new=True)
    bob.visit(server, "en")
    bob.enter("bob")
    with closing(KnownClient((server.host, server.port), "dora")) as java:
        java.enter()
        nc.types({"type": "message", "from": "emil", "content": "de nc"})
        alice.wait(lambda: {"alice", "bob", "dora", "emil"} <= alice.people().keys())
        java.wait_shown("de nc")
        said = ["de nc", "de Java", "du premier navigateur", ATTACK]
        java.say("de Java")
        alice.sees("de Java")
        alice.says("du premier navigateur")
        bob.says(ATTACK)
        java.wait_shown(ATTACK)
        assert [content for _, _, content in java.shown] == [*said[:1], *said[2:]]  # its own it shows by itself
        assert [nc.reads(lambda line: line["type"] == "message")["content"] for _ in range(3)] == said[1:]
        for person in (alice, bob):
            person.sees(ATTACK)
            assert [row.sender for row in person.messages()] == ["emil", "dora", "alice", "bob"]
            assert person.contents() == said
        alice.say("/mp dora entre nous")
        java.wait_shown("entre nous")
        java.whisper("emil", "à toi seul")
        assert nc.reads(lambda line: line.get("subtype") == "private")["content"] == "à toi seul"
        java.send({"type": "status", "state": "away"})
        alice.wait(lambda: alice.people()["dora"] == "absent")
        bob.wait(lambda: bob.people()["dora"] == "away")
        assert java.death is None
    alice.wait(lambda: "dora" not in alice.people())
    assert bob.contents() == said
