"""A person in front of the page: a real Chromium that selenium drives; firefox.py has the other browser.

Every wait is for something that is seen.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.support import ROOT, Server
from tests.support.machine import DEADLINE

PICTURES = ROOT / "build" / "pictures"
"""Screenshots for people to look at."""


ON_THE_WAY = {"pending", "uncertain", "lost", "refused"}
"""The classes of a message that the server has not taken."""


class Shown(NamedTuple):
    """A message as one sees it."""

    sender: str
    content: str
    classes: frozenset[str]


def start(folder: Path) -> Chrome:
    """A Chromium with nothing in it. The test is skipped if there is none."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs a browser: apt install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = binary
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
        "--no-first-run", "--window-size=1200,800", f"--user-data-dir={folder}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options, ChromeService(driver))


def address_of(server: Server) -> str:
    """Where the browser finds the page of a server."""
    return f"http://127.0.0.1:{server.port}/"


CUT = re.compile(r"WebSocket connection to|/icon\.svg - Failed to load resource: (net::ERR_|.* status of 400)")
"""What Chromium says if the server is away, or has no page any more. It asks for the icon by itself, maybe so late."""
ATTACK = '<img src=x onerror="document.title=1"><b>gras</b>&amp;<script>document.title=2</script> javascript:x()'
"""A text that tries to be HTML."""
HOSTILE_NAME = '"onload="x=1'
"""A name that tries to be an attribute; the server lets nobody have a < in it."""


class Person:
    """Somebody who uses the page."""

    def __init__(self, driver: WebDriver) -> None:
        self.driver = driver
        self.prepare()

    def prepare(self) -> None:
        """What makes this browser behave as if it had a screen of its own."""
        self.devtools("Emulation.setFocusEmulationEnabled", enabled=True)

    def devtools(self, command: str, **parameters: Any) -> None:
        """A command that only Chromium knows."""
        assert isinstance(self.driver, Chrome)
        self.driver.execute_cdp_cmd(command, parameters)

    def visit(self, server: Server, language: str = "fr", *, width: int = 1200, height: int = 800) -> None:
        """Open the page anew."""
        self.size(width, height)
        self.driver.get(address_of(server))
        self.at_the_door()
        Select(self.one("#language")).select_by_value(language)

    def at_the_door(self) -> None:
        """Wait until the form is there. Its last step puts the focus there, which would come amid what is typed."""
        self.wait(lambda: self.one("#entry").is_displayed())
        self.wait(lambda: self.run("return document.activeElement.id") == "name")

    def size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **metrics)

    def prefer(self, scheme: str) -> None:
        """The colours that the person wants: light, dark, or "" for no wish."""
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def enter(self, name: str, password: str | None = None, *, new: bool = False) -> None:
        """Come in, and wait until the room is there."""
        self.fill_in(name, password, new=new)
        self.wait(lambda: self.one("#talk").is_displayed())
        self.wait(lambda: name in self.people())

    def fill_in(self, name: str, password: str | None = None, *, new: bool = False) -> None:
        kind = "guest" if password is None else "new" if new else "account"
        self.one(f"input[value={kind}]").click()
        self.retype("#name", name)
        if password is not None:
            self.retype("#password", password)
        self.one("#enter").click()

    def retype(self, selector: str, text: str) -> None:
        self.one(selector).clear()
        self.one(selector).send_keys(text)

    # --- what is seen ---

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any]) -> Any:
        """Wait until the condition holds; elements may be replaced meanwhile."""
        waiting = WebDriverWait(self.driver, DEADLINE, 0.05, [StaleElementReferenceException])
        return waiting.until(lambda _: condition())

    def messages(self) -> list[Shown]:
        """All messages in the log, in their order."""
        rows = self.run(
            "return [...document.querySelectorAll('#log .message')].map((node) => ["
            "node.querySelector('.from').textContent, node.querySelector('.content').textContent,"
            " node.className.split(' ')])"
        )
        return [Shown(sender, content, frozenset(classes)) for sender, content, classes in rows]

    def contents(self) -> list[str]:
        return [message.content for message in self.messages()]

    def sees(self, content: str) -> Shown:
        """Wait for a message with this content that the server has taken."""
        def found() -> Shown | None:
            return next((
                row for row in self.messages() if row.content == content and not row.classes & ON_THE_WAY
            ), None)

        shown = self.wait(found)
        assert isinstance(shown, Shown)
        return shown

    def reads(self, part: str) -> Shown:
        """Wait for a message that contains this."""
        shown = self.wait(lambda: next((row for row in self.messages() if part in row.content), None))
        assert isinstance(shown, Shown)
        return shown

    def people(self) -> dict[str, str]:
        """Who is here, and what the list says of them."""
        rows = self.run(
            "return [...document.querySelectorAll('#people-list li')].map((node) => ["
            "node.querySelector('.name').textContent, node.querySelector('.about').textContent])"
        )
        return dict(rows)

    def text(self, selector: str) -> str:
        """Of the first such element. Raises NoSuchElementException, which `wait` goes on after."""
        found = self.run("return document.querySelector(arguments[0])?.textContent", selector)
        if found is None:
            raise NoSuchElementException(selector)
        return str(found)

    def made_of(self, selector: str) -> list[str]:
        """What the page must never make of a text: elements that it has no use for, and handlers in attributes."""
        found = self.run(
            "const inside = [...document.querySelectorAll(`${arguments[0]} *`)];"
            "return inside.filter((node) => ['img', 'script', 'b', 'a'].includes(node.localName)"
            " || node.getAttributeNames().some((name) => name.startsWith('on'))).map((node) => node.outerHTML)",
            selector,
        )
        return list(found)

    # --- what is done ---

    def say(self, text: str) -> None:
        """Type a text and send it; a line break is typed as Shift+Enter."""
        box = self.one("#text")
        for number, line in enumerate(text.split("\n")):
            if number:
                box.send_keys(Keys.SHIFT, Keys.ENTER, Keys.NULL)
            box.send_keys(line)
        box.send_keys(Keys.ESCAPE, Keys.ENTER)

    def says(self, text: str) -> None:
        """The same, and wait until the server has taken it."""
        self.say(text)
        self.sees(text)

    def named(self, name: str, among: str) -> WebElement:
        """Wait for the row with this name in one of the lists: its button."""
        def found() -> WebElement | None:
            texts = ((node.find_element(By.CSS_SELECTOR, ".name").text, node) for node in self.all(f"{among} button"))
            return next((node for text, node in texts if text == name), None)

        node = self.wait(found)
        assert isinstance(node, WebElement)
        return node

    def choose(self, name: str, among: str) -> None:
        """Click that row."""
        self.named(name, among).click()

    # --- what the browser has noticed ---

    def complaints(self) -> list[str]:
        """What the console of the browser says, apart from connections that a test cuts."""
        assert isinstance(self.driver, Chrome)
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries if not CUT.search(entry["message"])]

    def requested(self) -> set[str]:
        """The addresses that the page has asked for since the last call."""
        found = set()
        assert isinstance(self.driver, Chrome)
        for entry in self.driver.get_log("performance"):  # type: ignore[no-untyped-call]
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                found.add(event["params"]["request"]["url"])
            elif event["method"] == "Network.webSocketCreated":
                found.add(event["params"]["url"])
        return {url for url in found if not url.startswith(("data:", "chrome", "about:"))}

    def picture(self, name: str) -> None:
        """A screenshot in build/pictures."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(PICTURES / f"{name}.png"))
