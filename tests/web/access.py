"""People who see little, or who have only keys: what axe-core finds, and a walk over the page without a mouse."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from selenium.webdriver import Keys

from tests.support import ROOT
from tests.web.browser import Person

AXE = ROOT / "tests" / "web" / "node_modules" / "axe-core" / "axe.min.js"


def findings(person: Person) -> list[str]:
    """What axe-core has against the page as it is now."""
    if not AXE.exists():
        pytest.skip("needs axe-core: npm ci --prefix tests/web")
    # the CSP of the page forbids foreign scripts, but not those of the driver
    person.run(AXE.read_text(encoding="utf-8"))
    found = person.driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then((all) =>"
        " done(JSON.stringify(all.violations.map(({id, nodes}) => [id, nodes.map((node) => node.html)]))))"
    )
    return [str(finding) for finding in json.loads(found)]


class Keyboard:
    """The keys alone."""

    def __init__(self, person: Person) -> None:
        self._person = person

    def focused(self) -> str:
        """What has the focus: its id, or else its label or its text."""
        return str(self._person.run(
            "const node = document.activeElement;"
            "return node.id || node.getAttribute('aria-label') || node.textContent"
        ))

    def press(self, *keys: str) -> None:
        self._person.driver.switch_to.active_element.send_keys(*keys)

    def walk(self, goal: Callable[[str], bool], *keys: str) -> None:
        """Press the keys until the focus is there."""
        for _ in range(40):
            if goal(self.focused()):
                return
            self.press(*(keys or (Keys.TAB,)))
        raise AssertionError(f"not reached; the focus is at {self.focused()}")

    def arrives(self, name: str) -> None:
        """Wait until the page itself puts the focus there."""
        self._person.wait(lambda: self.focused() == name)
