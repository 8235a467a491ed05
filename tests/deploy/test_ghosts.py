"""A client's machine vanishes while data is sent to it: the client leaves the room, and everybody sees that."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TypeVar

import pytest

from tests.deploy import machines
from tests.hostile.tools import launcher
from tests.support import Client, Server, unique

pytestmark = pytest.mark.lab

Result = TypeVar("Result")

ADDRESS = "10.0.108.42"
_CLONE_NEWNET = 0x40000000  # setns(2)
_numbers = count()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def inside(netns: str, action: Callable[[], Result]) -> Result:
    """Call `action` in a thread of that network namespace and return its result: a socket stays in that namespace."""

    def enter() -> Result:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{netns}", "rb") as namespace:
            if libc.setns(namespace.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {netns}")
        return action()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(enter).result()


@pytest.fixture
def two_hosts() -> Iterator[tuple[str, str]]:
    """The namespaces of a server and of a desk, with a cable between them."""
    lacking = machines.missing()
    if lacking:
        pytest.skip(lacking)
    tag = f"-{os.getpid()}-{next(_numbers)}"
    server, desk = "ghosts" + tag, "desk" + tag
    with ExitStack() as stack:
        for name in (server, desk):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", "lan0", "netns", server, "type", "veth", "peer", "name", "eth0", "netns", desk)
        for name, card, address in ((server, "lan0", ADDRESS), (desk, "eth0", "10.0.108.34")):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", card)
            _ip("-n", name, "link", "set", card, "up")
        yield server, desk


def test_a_client_whose_machine_vanishes_while_data_is_under_way_leaves(
    two_hosts: tuple[str, str], tmp_path: Path
) -> None:
    """The keepalive doesn't help here: it is only for idle connections. Two seconds stand for the two minutes."""
    here, desk = two_hosts
    soon = "import classcord.net.sockets\nclasscord.net.sockets._VANISHED = 2"
    command = ["nsenter", f"--net=/run/netns/{here}", *launcher(soon)]
    with ExitStack() as stack:
        server = stack.enter_context(Server(tmp_path / "data", "--host", ADDRESS, command=command))
        address = ADDRESS, server.port
        stays = stack.enter_context(inside(here, lambda: Client(address)))
        ghost = stack.enter_context(inside(desk, lambda: Client(address)))
        name = unique("ghost")
        stays.ask({"type": "users"})
        ghost.send({"type": "message", "from": name, "content": ""})
        stays.until(type="status", user=name, state="online")
        _ip("-n", desk, "link", "set", "eth0", "down")
        stays.send({"type": "message", "content": "Es-tu là ?"})
        stays.until(type="status", user=name, state="offline")
        assert server.stop() == 0
