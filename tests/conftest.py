"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import Client, Server, member, unique

# a test's speed says more about the machine than about the code
settings.register_profile("classcord", deadline=None, print_blob=True)
settings.load_profile("classcord")


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server | None]:
    """One server for all tests that only speak to it; None if CLASSCORD_TEST_ADDR names one elsewhere."""
    if os.environ.get("CLASSCORD_TEST_ADDR"):
        yield None
        return
    with Server(tmp_path_factory.mktemp("shared") / "data") as server:
        yield server
        assert server.stop() == 0, "the server died, or was hurt"
        faults = [line for line in server.log if "internal_error" in line]
        assert not faults, faults


@pytest.fixture
def address(shared_server: Server | None) -> tuple[str, int]:
    """The address of the server under test."""
    if shared_server is not None:
        return shared_server.host, shared_server.port
    host, _, port = os.environ["CLASSCORD_TEST_ADDR"].rpartition(":")
    return host.strip("[]"), int(port)


@pytest.fixture
def connect(address: tuple[str, int]) -> Iterator[Callable[[], Client]]:
    """Opens connections that are closed when the test ends."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Client(address))


@pytest.fixture
def join(address: tuple[str, int]) -> Iterator[Callable[[str], Client]]:
    """Opens connections that are logged in as a new account: join("alice") is called alice_…"""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(member(address, unique(name)))


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers only for this test: own_server("--stall-timeout", "1"). They share one data folder."""
    with ExitStack() as stack:
        yield lambda *options, **more: stack.enter_context(Server(tmp_path / "data", *options, **more))
