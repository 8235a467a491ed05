"""Fixtures for the tests of hostile inputs: bystanders who must miss nothing, and the server's log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import WAITS
from tests.hostile.folders import Place, in_place
from tests.support import Bystanders, Client, Server, bystander_waits


@pytest.fixture
def bystanders(address: tuple[str, int]) -> Iterator[Bystanders]:
    """Two people who chat while the test runs. They must have missed nothing when it ends."""
    with Bystanders(address) as people:
        yield people


@pytest.fixture(autouse=True)
def waits(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Keeps how long the bystanders of a test waited for each other's messages. The summary prints it."""
    bystander_waits.clear()
    yield
    if bystander_waits:
        record_property(WAITS, [round(wait * 1000, 2) for wait in bystander_waits])


@pytest.fixture
def logged(shared_server: Server | None) -> Callable[[Client, str], None]:
    """logged(client, "event=x") waits for a line about this connection; no-op where the log is out of reach."""
    since = len(shared_server.log_so_far()) if shared_server is not None else 0

    def wait(client: Client, pattern: str) -> None:
        if shared_server is not None:
            port = client.socket.getsockname()[1]
            shared_server.wait_log(rf"{pattern}.* port={port}\b", since)

    return wait


@pytest.fixture
def place() -> Iterator[Place]:
    """Where a test of data folders makes its own."""
    with in_place() as made:
        yield made
