"""Clients that send a lot and close without reading: what they sent stays theirs, and they do not linger."""

from __future__ import annotations

import pytest

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
