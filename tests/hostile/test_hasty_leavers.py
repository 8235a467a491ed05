"""Clients that send a lot and close without reading: their messages are delivered, and the clients do not stay."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.hostile.tools import LARGE
from tests.support import Bystanders, Client, member, unique

Address = tuple[str, int]


@pytest.mark.parametrize("round", range(5))
def test_lines_of_a_client_that_closed_without_reading_stay_under_its_name(
    address: Address, bystanders: Bystanders, round: int
) -> None:
    name = unique("hasty")
    with member(address, name) as client:
        lines = [{"type": "message", "content": f"line {number}"} for number in range(200)]
        client.send({"type": "users"}, *lines[:40], {"type": "users"}, *lines[40:], {"type": "users"})
    seen = bystanders.one
    states = []
    while ("offline", name) not in states:
        line = seen.receive()
        if line["type"] == "status":
            states.append((line["state"], line["user"]))
        elif line["content"].startswith("line "):
            assert line["from"] == name
            assert "guest" not in line
    # a guest of an earlier test may still be leaving
    assert [user for state, user in states if state == "online" and user.startswith("invité")] == []


def test_a_client_that_closed_does_not_linger_to_hear_long_answers(address: Address, bystanders: Bystanders) -> None:
    name = unique("curious")
    with Client(address) as client:
        command = {"type": "message", "from": name, "content": "/aide"}
        client.send({"type": "message", "from": name, "content": ""}, *[command] * 2000)
    bystanders.one.until(type="status", user=name, state="online")
    bystanders.one.until(type="status", user=name, state="offline")


def _last_words(client: Client) -> bytes:
    """The client has read nearly everything, sends a request, and half-closes at once."""
    for _ in range(6):
        client.until(content=LARGE)
    client.send({"type": "users"}, {"type": "help"}, {"type": "ping"})
    client.half_close()
    return client.at_end()


def test_a_client_that_is_behind_and_half_closes_gets_all_of_its_answers(
    address: Address, bystanders: Bystanders
) -> None:
    """Its socket takes more again while its last answers are being delivered."""
    with ExitStack() as stack:
        talker = stack.enter_context(member(address, unique("talker")))
        behind = [stack.enter_context(Client(address, receive_buffer=32768)) for _ in range(40)]
        for client in behind:
            client.ask({"type": "users"})
        for _ in range(8):
            talker.send({"type": "message", "content": LARGE})
        bystanders.check()
        with ThreadPoolExecutor(len(behind)) as pool:
            for got in pool.map(_last_words, behind):
                assert got.endswith(b"\n"), "the last line is whole"
                kinds = [json.loads(line)["type"] for line in got.splitlines()]
                assert [kind for kind in kinds if kind not in ("message", "status")] == ["users", "help", "pong"]
        bystanders.check()
