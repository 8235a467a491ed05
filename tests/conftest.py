"""Fixtures for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support import Client, Server, member, unique

# Tests run make, which would take over the variables of the make that runs the tests
for inherited in [name for name in os.environ if name.startswith(("MAKE", "MFLAGS"))]:
    del os.environ[inherited]
# A shell that starts the tests in the background lets them ignore Ctrl-C, and their programs would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

# a test's speed says more about the machine than about the code
settings.register_profile("classcord", deadline=None, print_blob=True)
settings.load_profile("classcord")


WAITS = "bystanders' waits, ms"
"""The property under which a test's report has them."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long the bystanders of the hostile tests waited. A figure to look at: no test depends on it."""
    ended = [report for reports in terminalreporter.stats.values() for report in reports]
    tests = {
        report.nodeid: sorted(waits)
        for report in ended if getattr(report, "when", "") == "teardown"
        for name, waits in report.user_properties if name == WAITS
    }
    every = sorted(wait for waits in tests.values() for wait in waits)
    if every:
        slowest = max(tests, key=lambda test: _p99(tests[test]))
        terminalreporter.write_line(
            f"bystanders: p99 {_p99(every):.1f} ms of {len(every)} messages in {len(tests)} hostile tests;"
            f" slowest test {_p99(tests[slowest]):.1f} ms ({slowest})"
        )


def _p99(ordered: Sequence[float]) -> float:
    return ordered[len(ordered) * 99 // 100]


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
    """Opens connections that leave when the test ends: the next test hears nothing of it."""
    with ExitStack() as stack:
        yield lambda: Client(address).within(stack)


@pytest.fixture
def join(address: tuple[str, int]) -> Iterator[Callable[[str], Client]]:
    """Opens connections that are logged in as a new account: join("alice") is called alice_…"""
    with ExitStack() as stack:
        yield lambda name: member(address, unique(name)).within(stack)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers only for this test: own_server("--stall-timeout", "1"). They share one data folder."""
    with ExitStack() as stack:
        yield lambda *options, **more: stack.enter_context(Server(tmp_path / "data", *options, **more))
