"""Browsers for the tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support import Client, Server
from tests.web import firefox
from tests.web.browser import Person, start


@pytest.fixture(scope="session")
def browsers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Person]]:
    """Two browsers that all tests of this process share."""
    with ExitStack() as stack:
        found = []
        for name in ("first", "second"):
            driver = start(tmp_path_factory.mktemp(name))
            stack.callback(driver.quit)
            found.append(Person(driver))
        yield found


@pytest.fixture
def people(browsers: list[Person]) -> Iterator[list[Person]]:
    """The same, with nothing left of the test before, and nothing to complain about afterwards."""
    for person in browsers:
        person.complaints()
        person.requested()
    yield browsers
    complaints = [person.complaints() for person in browsers]
    for person in browsers:
        person.driver.get("about:blank")
    assert complaints == [[], []]


@pytest.fixture
def alice(people: list[Person]) -> Person:
    return people[0]


@pytest.fixture
def bob(people: list[Person]) -> Person:
    return people[1]


@pytest.fixture(scope="session")
def fox_browser() -> Iterator[Person]:
    """A Firefox that all tests of this process share."""
    with firefox.start() as driver:
        yield firefox.FirefoxPerson(driver)


@pytest.fixture
def fox(fox_browser: Person) -> Iterator[Person]:
    """The same, with nothing to complain about afterwards."""
    fox_browser.complaints()
    yield fox_browser
    complaints = fox_browser.complaints()
    fox_browser.driver.get("about:blank")
    assert complaints == []


@pytest.fixture(params=["chromium", "firefox"])
def visitor(request: pytest.FixtureRequest) -> Person:
    """Somebody in each of the browsers."""
    found = request.getfixturevalue("alice" if request.param == "chromium" else "fox")
    assert isinstance(found, Person)
    return found


@pytest.fixture
def server(own_server: Callable[..., Server]) -> Server:
    return own_server()


@pytest.fixture
def netcat(server: Server) -> Iterator[Client]:
    """A client without a browser, whose account is called carla."""
    with Client((server.host, server.port)) as client:
        client.register("carla")
        client.login("carla")
        client.send({"type": "users"})
        client.until(type="users")
        yield client


@pytest.fixture
def connect_to(server: Server) -> Iterator[Callable[[str], Client]]:
    """Opens connections of guests: connect_to("bob")."""
    with ExitStack() as stack:
        def connect(name: str) -> Client:
            client = stack.enter_context(Client((server.host, server.port)))
            client.send({"type": "message", "from": name, "content": ""}, {"type": "users"})
            client.until(type="users")
            return client

        yield connect
