"""Cuts: the page comes back by itself, and nothing is lost or shown twice."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from tests.functional.test_console import admin
from tests.support import Client, Server, nobody
from tests.web.browser import Person


@pytest.fixture
def server(own_server: Callable[..., Server]) -> Iterator[Server]:
    """On a port that no other test gets while this server is away."""
    with nobody() as port:
        yield own_server("--port", str(port))


def _again(server: Server, own_server: Callable[..., Server], number: int = signal.SIGTERM) -> Callable[[], Server]:
    """Stop the server; the function starts it again on the same port."""
    server.stop(number)
    return lambda: own_server("--port", str(server.port))


def test_a_restart_loses_and_doubles_nothing(
    server: Server, own_server: Callable[..., Server], visitor: Person,
) -> None:
    address = server.host, server.port
    with Client(address) as carla:
        carla.register("carla")
        carla.login("carla")
        visitor.visit(server)
        visitor.enter("alice", "azerty", new=True)
        visitor.say("/join #projet")
        visitor.wait(lambda: visitor.text("#place") == "#projet")
        visitor.says("avant, dans le canal")
        visitor.say("/mp carla avant, entre nous")
        visitor.sees("avant, entre nous")
        visitor.choose("#général", "#channels")
        visitor.says("avant")
    restart = _again(server, own_server)
    visitor.wait(lambda: "Pas de connexion" in visitor.text("#status"))
    with restart() as second, Client((second.host, second.port)) as carla:
        carla.login("carla")
        carla.send(
            *({"type": "message", "content": f"pendant {number}"} for number in range(3)),
            {"type": "message", "channel": "#projet", "content": "pendant, dans le canal"},
            {"type": "message", "subtype": "private", "to": "alice", "content": "pendant, entre nous"},
        )
        carla.pending()
        visitor.wait(lambda: visitor.text("#status") == "Connecté : alice")
        carla.send({"type": "message", "content": "après"})
        visitor.sees("après")
        visitor.wait(lambda: _said(visitor) == ["avant", "pendant 0", "pendant 1", "pendant 2", "après"])
        unread = "return [...document.querySelectorAll('#channels li')].map((node) => node.textContent).join()"
        visitor.wait(lambda: "#projet1 non lus : 1" in visitor.run(unread))  # it is in the channel again, by itself
        visitor.choose("#projet", "#channels")
        carla.send({"type": "message", "channel": "#projet", "content": "après, dans le canal"})
        visitor.sees("après, dans le canal")
        assert _said(visitor) == ["avant, dans le canal", "pendant, dans le canal", "après, dans le canal"]
        visitor.choose("carla", "#exchanges")
        visitor.sees("pendant, entre nous")
        assert _said(visitor) == ["avant, entre nous", "pendant, entre nous"]
        second.stop()


def _said(person: Person) -> list[str]:
    return [message.content for message in person.messages() if "notice" not in message.classes]


def test_a_message_that_did_not_arrive_is_offered_again(
    server: Server, own_server: Callable[..., Server], alice: Person,
) -> None:
    alice.visit(server)
    alice.enter("alice")
    alice.says("arrivé")
    server.process.send_signal(signal.SIGSTOP)  # it reads nothing more
    alice.say("perdu")
    assert alice.wait(lambda: [row.content for row in alice.messages() if "pending" in row.classes]) == ["perdu"]
    server.stop(signal.SIGKILL)
    own_server("--port", str(server.port))
    alice.wait(lambda: [row.content for row in alice.messages() if "lost" in row.classes] == ["perdu"])
    assert _said(alice) == ["arrivé", "perdu"]
    alice.one(".lost .state button").click()
    alice.sees("perdu")
    assert _said(alice) == ["arrivé", "perdu"]


def test_who_is_sent_away_stays_away(server: Server, alice: Person, netcat: Client) -> None:
    _promote(server, "carla")
    alice.visit(server)
    alice.enter("alice")
    netcat.send({"type": "kick", "to": "alice", "reason": "pause"})
    alice.wait(lambda: "Motif : pause" in alice.text("#status"))
    assert alice.one("#back").is_displayed()
    alice.one("#back").click()
    alice.wait(lambda: alice.text("#status") == "Connecté : alice (invité)")


def test_a_muted_person_is_told_what_was_refused(server: Server, alice: Person, netcat: Client) -> None:
    _promote(server, "carla")
    alice.visit(server)
    alice.enter("alice")
    netcat.send({"type": "mute", "to": "alice"})
    alice.reads("Vous ne pouvez plus écrire")
    alice.say("Pourquoi ?")
    refused = alice.wait(lambda: next((row for row in alice.messages() if "refused" in row.classes), None))
    assert refused.content == "Pourquoi ?"
    netcat.send({"type": "unmute", "to": "alice"})
    alice.reads("Vous pouvez de nouveau écrire")
    alice.one(".refused .state button").click()
    alice.sees("Pourquoi ?")
    assert netcat.until(type="message", content="Pourquoi ?")["from"] == "alice"


def _promote(server: Server, name: str) -> None:
    assert admin(server.data, "promote", name).returncode == 0
