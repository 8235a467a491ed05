"""What holds on the whole page: accessible, narrow, quiet, and self-contained."""

from __future__ import annotations

import pytest
from selenium.webdriver import Keys

from tests.support import Client, Server
from tests.web.access import Keyboard, findings
from tests.web.browser import Person, address_of


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_axe_finds_nothing(server: Server, visitor: Person, netcat: Client, language: str, scheme: str) -> None:
    visitor.prefer(scheme)
    visitor.visit(server, language)
    visitor.one("input[value=new]").click()
    assert findings(visitor) == []
    visitor.enter("alice", "azerty", new=True)
    netcat.send(
        {"type": "message", "content": "voir http://10.0.0.5/"}, {"type": "status", "state": "away"},
        {"type": "message", "subtype": "private", "to": "alice", "content": "Salut"},
    )
    visitor.sees("voir http://10.0.0.5/")
    visitor.says("Bonjour")
    visitor.say("/histoire")
    visitor.reads("/histoire")
    visitor.one("#text").send_keys("/a")
    assert findings(visitor) == []
    visitor.picture(f"room-{language}-{scheme}")
    visitor.one("#query").send_keys("bonjour", Keys.ENTER)
    visitor.reads("« bonjour »" if language == "fr" else '"bonjour"')
    visitor.one("#show-invite").click()
    visitor.wait(lambda: visitor.one("#code svg").is_displayed())
    assert findings(visitor) == []
    visitor.picture(f"invite-{language}-{scheme}")
    visitor.prefer("")


@pytest.mark.parametrize(("width", "height"), [(360, 640), (600, 400)], ids=["narrow", "zoom of 200 %"])
def test_it_fits_into_small_windows(server: Server, visitor: Person, netcat: Client, width: int, height: int) -> None:
    def wide() -> bool:
        return bool(visitor.run("return document.documentElement.scrollWidth > innerWidth"))

    visitor.visit(server, width=width, height=height)
    visitor.one("input[value=new]").click()
    assert not wide()
    visitor.enter("alice", "azerty", new=True)
    netcat.send({"type": "message", "content": "mot" * 200}, {"type": "message", "content": "court"})
    visitor.sees("court")
    assert not wide()
    visitor.picture(f"room-{width}")
    visitor.one("#people summary").click()
    visitor.choose("carla", "#people-list")
    visitor.wait(lambda: visitor.text("#place") == "carla")
    visitor.says("Un mot de plus")
    visitor.one("#show-invite").click()
    assert not wide()


def test_keys_alone_are_enough(server: Server, visitor: Person, netcat: Client) -> None:
    keys = Keyboard(visitor)
    visitor.visit(server)
    visitor.driver.get(address_of(server))  # anew: the choice of the language has moved the focus
    keys.arrives("name")
    keys.press("alice", Keys.ENTER)
    keys.arrives("text")
    keys.press("Bonjour", Keys.ENTER)
    visitor.sees("Bonjour")
    keys.walk(lambda focus: "carla" in focus)
    keys.press(Keys.ENTER)
    visitor.wait(lambda: visitor.text("#place") == "carla" and keys.focused() == "text")
    keys.press("En privé", Keys.ENTER)
    assert netcat.until(type="message", subtype="private")["content"] == "En privé"
    keys.walk(lambda focus: focus == "show-invite", Keys.SHIFT, Keys.TAB)
    keys.press(Keys.ENTER)
    visitor.wait(lambda: visitor.one("#invite").is_displayed())
    keys.press(Keys.ESCAPE)
    keys.arrives("show-invite")
    keys.walk(lambda focus: focus == "leave")
    keys.press(Keys.ENTER)
    keys.arrives("name")
    netcat.until(type="status", user="alice", state="offline")


def test_the_language_is_that_of_the_browser_until_somebody_chooses(server: Server, alice: Person) -> None:
    alice.driver.get(address_of(server))
    alice.run("localStorage.clear()")
    alice.devtools("Emulation.setUserAgentOverride", userAgent="test", acceptLanguage="fr-FR")
    alice.driver.get(address_of(server))
    assert alice.text("#enter") == "Entrer"
    alice.devtools("Emulation.setUserAgentOverride", userAgent="test", acceptLanguage="de-DE")
    alice.driver.get(address_of(server))
    assert alice.text("#enter") == "Come in"
    alice.visit(server, "fr")
    alice.driver.get(address_of(server))
    assert alice.text("#enter") == "Entrer"
    assert alice.run("return document.documentElement.lang") == "fr"


def test_nothing_is_asked_for_elsewhere(server: Server, alice: Person) -> None:
    alice.visit(server)
    alice.enter("alice")
    alice.one("#show-invite").click()
    assert alice.one("#address").get_attribute("value") == address_of(server)
    here = address_of(server).removeprefix("http")
    requested = alice.requested()
    assert f"ws{here}ws" in requested
    assert f"http{here}app.js" in requested
    assert {url for url in requested if not url.removeprefix("http").removeprefix("ws").startswith(here)} == set()
