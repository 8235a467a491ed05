"""A page that is not let in: a full server, a ban, too many tries, and a server whose page is turned off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from selenium.webdriver.common.by import By

from tests.functional.test_console import admin
from tests.hostile.tools import launcher
from tests.support import DEADLINE, Client, Server, nobody
from tests.web.browser import Person, address_of

OwnServer = Callable[..., Server]
PING = {"type": "ping"}
PATIENT = """
from classcord.net.refusals import Refusals
from classcord.net import refusals
from handlers import web
web._HEAD_TIME = web._IDLE = refusals._FIRST_BYTES = 3600
def look(self, look=Refusals.look):
    for silent in [each for each in self._silent if refusals._peek(each[1])]:
        self._silent.remove(silent)
        self._tell(*silent[1:])
    look(self)
Refusals.look = look
"""
"""For `launcher`: the connections that a browser leaves open keep their places, and who is refused is told so in what
it speaks, however long its first bytes take."""
STANDING = """
from classcord import serving
from classcord.net.limits import Limits
from handlers import limiter
limiter._PATIENCE = 0
serving.Limits = lambda settings: Limits(settings, lambda: 0.0)
"""
"""For `launcher`: the limits have a clock that stands, and nobody waits for the turn to try a password."""
PLACES = 16
"""More than the connections that a browser opens for one page."""


class Crowd:
    """Clients that take all places that are left."""

    def __init__(self, server: Server, stack: ExitStack) -> None:
        self.server = server
        self._stack = stack
        self._threads = 0
        self.clients: list[Client] = []

    def fill(self) -> None:
        """Until nobody more is let in. Places of those that have just gone come back a moment later."""
        self._threads = self.server.status("Threads")
        while True:
            client = self._stack.enter_context(Client((self.server.host, self.server.port)))
            if client.ask(PING)["type"] == "error":
                return
            self.clients.append(client)

    def go(self) -> None:
        """All of them; wait until half of the places are free: a place is free before its thread ends."""
        while self.clients:
            self.clients.pop().close()
        deadline = time.monotonic() + DEADLINE
        while self.server.status("Threads") > self._threads + PLACES // 2:
            assert time.monotonic() < deadline, "the places are not free"
            time.sleep(0.01)


@pytest.fixture
def crowd(own_server: OwnServer) -> Iterator[Crowd]:
    with ExitStack() as stack:
        yield Crowd(own_server("--max-connections", str(PLACES), command=launcher(PATIENT)), stack)


def _quiet(person: Person) -> None:
    """The browser itself writes that a document came with an error; the page has nothing to add."""
    assert [text for text in person.complaints() if "Failed to load resource" not in text] == []


def test_a_full_server_says_so_in_the_browser(crowd: Crowd, alice: Person) -> None:
    crowd.fill()
    for path in ("", "tableau"):
        alice.driver.get(address_of(crowd.server) + path)
        assert "Le serveur est plein" in alice.driver.find_element(By.TAG_NAME, "body").text
    crowd.go()
    alice.visit(crowd.server)
    _quiet(alice)  # only now: a document that names no icon has the browser ask for one, a moment later


def test_a_page_that_lacks_a_part_says_what_to_do(server: Server, alice: Person) -> None:
    """The server may be full by the time a module is asked for."""
    alice.devtools("Network.enable")
    alice.devtools("Network.setBlockedURLs", urls=["*/dom.js"])
    try:
        for path in ("", "tableau"):
            alice.driver.get(address_of(server) + path)
            assert alice.text("#status") == "Si rien ne vient, rechargez."
    finally:
        alice.devtools("Network.setBlockedURLs", urls=[])
    _quiet(alice)
    alice.visit(server)
    alice.wait(lambda: alice.text("#status") == "")


def test_a_page_comes_in_when_there_is_room_again(crowd: Crowd, alice: Person) -> None:
    alice.visit(crowd.server)
    alice.one("input[value=guest]").click()
    alice.retype("#name", "alice")
    crowd.fill()  # just before: the browser may give up a connection by itself
    alice.one("#enter").click()
    alice.wait(lambda: "serveur arrêté ou plein" in alice.text("#status"))
    assert alice.one("#entry").is_displayed()
    crowd.go()
    alice.wait(lambda: alice.text("#status") == "Connecté : alice (invité)")
    alice.says("enfin")


def test_it_says_why_a_banned_account_is_not_let_in(server: Server, alice: Person, netcat: Client) -> None:
    assert admin(server.data, "ban", "carla", "10m").returncode == 0
    alice.visit(server)
    alice.fill_in("carla", "azerty")
    alice.wait(lambda: "Un enseignant vous exclut" in alice.text("#entry-problem"))
    assert alice.text("#status") == ""
    assert admin(server.data, "unban", "carla").returncode == 0
    alice.enter("carla", "azerty")


def test_who_is_banned_in_the_room_stays_away_and_may_come_back_later(
    server: Server, alice: Person, netcat: Client,
) -> None:
    alice.visit(server)
    alice.enter("carla", "azerty")
    assert admin(server.data, "ban", "carla", "10m").returncode == 0
    alice.wait(lambda: "vous exclut pendant 10 min" in alice.text("#status"))
    alice.one("#back").click()
    alice.wait(lambda: "Un enseignant vous exclut pour l'instant" in alice.text("#status"))
    assert admin(server.data, "unban", "carla").returncode == 0
    alice.one("#back").click()
    alice.wait(lambda: alice.text("#status") == "Connecté : carla")


def test_too_many_wrong_passwords_are_told_in_plain_words(own_server: OwnServer, alice: Person) -> None:
    # it refuses at once, and for ever: else the browser may need longer than that
    server = own_server("--limits", "on", "--login-failures", "2", command=launcher(STANDING))
    alice.visit(server)
    with Client((server.host, server.port)) as client:
        client.register("carla")
        wrong = {"type": "login", "username": "carla", "password": "faux"}
        while client.ask(wrong)["code"] != "rate_limited":
            pass
    alice.fill_in("carla", "azerty")
    alice.wait(lambda: alice.text("#entry-problem") == "Trop vite ou trop souvent : attendez un peu.")
    assert alice.one("#enter").is_enabled()


def test_a_page_under_which_the_page_is_turned_off(own_server: OwnServer, alice: Person) -> None:
    with nobody() as port:
        server = own_server("--port", str(port))
        alice.visit(server)
        alice.enter("alice")
        alice.says("avant")
        server.stop()
        server = own_server("--port", str(port), "--web", "off")
        with Client((server.host, server.port)) as client:
            client.send({"type": "message", "content": "sans page"})
            client.ask(PING)
        alice.wait(lambda: "Pas de connexion" in alice.text("#status"))
        server.wait_log("event=foreign_protocol")  # it has tried
        assert "avant" in alice.contents()
        assert alice.one("#talk").is_displayed()
        server.stop()
        server = own_server("--port", str(port))
        alice.wait(lambda: alice.text("#status") == "Connecté : alice (invité)")
        alice.sees("sans page")
        assert [row.content for row in alice.messages() if "notice" not in row.classes] == ["avant", "sans page"]
