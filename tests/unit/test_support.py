"""The shared helpers of the tests clean up when they fail."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from tests.support import Client, Server, nobody


def test_a_server_that_does_not_start_leaves_nothing_to_the_next_test(tmp_path: Path) -> None:
    """A pipe or a process left open would be a ResourceWarning, in whichever test runs then."""
    with pytest.raises(AssertionError, match="no log line matches"):
        Server(tmp_path / "data", "--port", "none")
    gc.collect()


def test_a_client_that_is_refused_leaves_nothing_to_the_next_test() -> None:
    with nobody() as port, pytest.raises(ConnectionRefusedError):
        Client(("127.0.0.1", port))
    gc.collect()
