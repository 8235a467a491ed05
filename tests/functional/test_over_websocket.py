"""The protocol over WebSocket: these are the tests of plain connections, with clients that speak WebSocket."""
# ruff: noqa: F403 - all of them are run again

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.functional.test_protocol_commands import *
from tests.functional.test_protocol_guest_names import *
from tests.functional.test_protocol_guests import *
from tests.functional.test_protocol_messages import *
from tests.functional.test_protocol_presence import *
from tests.support import Client, WebClient, member, unique


@pytest.fixture
def connect(address: tuple[str, int]) -> Iterator[Callable[[], Client]]:
    """Opens connections that leave when the test ends: the next test hears nothing of it."""
    with ExitStack() as stack:
        yield lambda: WebClient(address).within(stack)


@pytest.fixture
def join(address: tuple[str, int]) -> Iterator[Callable[[str], Client]]:
    """Opens connections that are logged in as a new account."""
    with ExitStack() as stack:
        yield lambda name: member(address, unique(name), WebClient).within(stack)
