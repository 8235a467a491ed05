"""`admin dashboard` and `admin top`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable

from tests.functional.test_console import ADMIN, admin, answer
from tests.functional.test_console_prompt import Terminal
from tests.support import DEADLINE, Client, Server, member, say

OwnServer = Callable[..., Server]


def test_the_dashboard_counts_and_shows_no_message(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, member(address, "bob") as bob, Client(address) as guest:
        guest.ask({"type": "users"})
        alice.ask({"type": "join", "channel": "#dev"})
        alice.pending()
        command = [*ADMIN, "--data", str(server.data), "--json", "dashboard"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as console:
            assert console.stdout is not None
            first = json.loads(console.stdout.readline())
            assert [user["name"] for user in first["users"]] == ["alice", "bob", "invité-1"]
            assert first["per_minute"] == 0
            assert [user["channels"] for user in first["users"]] == [["#dev"], [], []]
            bob.send(say("secret"), say("secret"), {"type": "private", "to": "alice", "content": "x"})
            alice.until(content="x")
            deadline = time.monotonic() + DEADLINE
            while (board := json.loads(console.stdout.readline()))["per_minute"] < 3:
                assert time.monotonic() < deadline  # one may have been drawn between the messages, but not all
            assert board["users"][0]["name"] == "bob"
            assert board["users"][0]["per_minute"] >= 3
            assert board["per_minute"] == board["users"][0]["per_minute"]
            assert "secret" not in json.dumps(board)
            console.send_signal(signal.SIGINT)
            assert console.wait(DEADLINE) == 130
        assert not [line for line in alice.pending() if line.get("from") == "Serveur"], "nobody is watched"


def test_the_dashboard_redraws_a_terminal(own_server: OwnServer) -> None:
    server = own_server()
    with member((server.host, server.port), "alice"):
        terminal = Terminal(server.data, "dashboard")
        for _ in range(2):
            terminal.until("\x1b[H\x1b[J")
            assert "1 people, 1 connections, 0 messages a minute" in terminal.until("A MINUTE")
            assert terminal.until("127.0.0.1").split() == ["alice", "account", "online"]
        terminal.type("\x03")
        assert terminal.process.wait(DEADLINE) == 130
        os.close(terminal.main)


def test_top(own_server: OwnServer) -> None:
    server = own_server()
    address = (server.host, server.port)
    assert answer(server, "top")["top"] == []
    with member(address, "alice") as alice, member(address, "bob") as bob, Client(address) as guest:
        alice.send(say("un"))
        guest.send(say("un", **{"from": "carla"}))
        bob.until(type="message", **{"from": "carla"})
        bob.send(say("deux"), say("trois"))
        alice.until(content="trois")
        assert answer(server, "top")["top"] == [
            {"name": "bob", "guest": False, "messages": 2, "characters": 9},
            {"name": "alice", "guest": False, "messages": 1, "characters": 2},
            {"name": "carla", "guest": True, "messages": 1, "characters": 2},
        ]
        assert [row["name"] for row in answer(server, "top", "10m", "1")["top"]] == ["bob"]
        shown = admin(server.data, "top").stdout.splitlines()
        assert (shown[0], shown[-1].split()) == ("in the last 1 h:", ["carla", "(guest)", "1", "2"])
    for words in (["x"], ["1h", "x"], ["1h", "1", "1"]):
        assert admin(server.data, "top", *words).returncode == 2, words
