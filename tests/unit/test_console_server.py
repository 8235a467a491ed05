"""The server's side of the console alone: faults of a command, and too many commands."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from classcord.console.place import connect
from classcord.console.replies import Reply
from classcord.console.server import ConsoleServer
from classcord.ops import logs
from tests.support import DEADLINE


def ask(folder: Path, word: str) -> Reply:
    with connect(str(folder)) as console:
        console.settimeout(DEADLINE)
        console.sendall(json.dumps({"words": [word]}).encode() + b"\n")
        reply: Reply = json.loads(console.makefile("rb").readline())
        return reply


def test_only_so_many_commands_run_at_once(tmp_path: Path) -> None:
    begun, end = threading.Semaphore(0), threading.Event()

    def run(words: list[str], connection: socket.socket) -> Generator[Reply, None, None]:
        if words == ["long"]:
            begun.release()
            end.wait()
        yield {"ok": True, "text": ""}

    server = ConsoleServer(str(tmp_path), run)
    server.start()
    with ExitStack() as stack:
        for _ in range(8):
            console = stack.enter_context(connect(str(tmp_path)))
            console.sendall(b'{"words": ["long"]}\n')
            assert begun.acquire(timeout=DEADLINE)
        assert ask(tmp_path, "short")["code"] == "busy"
        assert ask(tmp_path, "watch")["ok"], "what lasts has places of its own"
        end.set()
        for _ in range(8):
            ask(tmp_path, "long")
        assert ask(tmp_path, "short")["ok"]
    server.stop()


def test_a_fault_of_a_command_ends_only_that_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[BaseException] = []
    monkeypatch.setattr(logs, "exception", lambda event, error: faults.append(error))

    def run(words: list[str], connection: socket.socket) -> Generator[Reply, None, None]:
        if words == ["bad"]:
            raise ZeroDivisionError
        yield {"ok": True, "text": ""}

    ConsoleServer(str(tmp_path), run).start()
    assert ask(tmp_path, "bad")["code"] == "internal"
    assert ask(tmp_path, "good")["ok"]
    assert [type(fault) for fault in faults] == [ZeroDivisionError]
