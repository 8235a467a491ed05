"""Shared by the tests of races, stuck clients and faults: waiting for a condition, stuck clients, launchers."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from classcord.data.search import SEARCH
from tests.support import DEADLINE, ROOT, Bystanders, Client, Server, member, unique

__all__ = [
    "LARGE", "STEADY", "abort", "at_once", "eventually", "fill", "launcher", "open_files", "said", "stuck_member",
]

Result = TypeVar("Result")

LARGE = "\U0001f600" * 4000
"""The longest content that is allowed; as a line it has 48 kB."""
STEADY = """
import threading, time
from classcord import serving
from classcord.net.limits import Limits
lock, seen, now = threading.Lock(), time.monotonic(), 0.0
def steady():
    global seen, now
    with lock:
        before, seen = seen, time.monotonic()
        now += min(seen - before, 0.6)
        return now
serving.Limits = lambda settings: Limits(settings, steady)
"""
"""For `launcher`: the limits have a clock that leaves out the pauses of a busy machine. Else a pause in a flood is like
a flooder that pauses, which is forgiven. A client that sends too fast is not read for half a second at a time."""


def eventually(bystanders: Bystanders, reached: Callable[[], bool], what: str) -> None:
    """Check a condition again and again; it must be true before the deadline. For conditions that no line announces.

    The bystanders go on chatting, at the pace of people.
    """
    deadline = time.monotonic() + DEADLINE
    for look in itertools.count():
        if look % 25 == 0:
            bystanders.check(1)
        if reached():
            break
        assert time.monotonic() < deadline, f"this never became true: {what}"
        threading.Event().wait(0.02)
    bystanders.check(1)


def open_files(server: Server) -> int:
    """How many files and sockets the server has open, without its databases: some open only when needed.

    SQLite opens their folder too, for a moment in which the disk may let it wait.
    """
    count, folder = 0, os.path.realpath(server.data)
    for entry in Path(f"/proc/{server.pid}/fd").iterdir():
        try:
            link = os.readlink(entry)
            count += link != folder and not os.path.basename(link).startswith(("classcord.db", SEARCH))
        except FileNotFoundError:
            pass  # closed meanwhile
    return count


def at_once(actions: Sequence[Callable[[], Result]]) -> list[Result]:
    """Call each in its own thread, all at the same moment; return their results, in order.

    They have their own deadlines, for each line that they wait for. The total time depends on the machine.
    """
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], Result]) -> Result:
        barrier.wait(DEADLINE)
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        return [future.result() for future in [pool.submit(run, action) for action in actions]]


def abort(client: Client) -> None:
    """Close with a reset."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def stuck_member(address: tuple[str, int]) -> Client:
    """A logged-in client with a small receive buffer that does not read."""
    name = unique("stuck")
    with member(address, name):
        pass
    client = Client(address, receive_buffer=4096)
    assert client.login(name)["status"] == "ok"
    return client


def fill(bystanders: Bystanders, sender: Client, count: int) -> None:
    """Let `sender` send `count` large messages. The bystanders read meanwhile, and must get all of them."""
    before = len(said(bystanders, sender))
    for number in range(count):
        sender.send({"type": "message", "content": LARGE[:-6] + f"{number:6}"})
        if number % 4 == 3:
            bystanders.check(1)
    eventually(bystanders, lambda: len(said(bystanders, sender)) - before >= count, "all large messages arrive")
    assert [text[-6:] for text in said(bystanders, sender)[before:]] == [f"{number:6}" for number in range(count)]


def said(bystanders: Bystanders, sender: Client) -> list[str]:
    """The contents of all messages of `sender` that the first bystander got."""
    return [line["content"] for line in bystanders.seen if line["type"] == "message" and line["from"] == sender.name]


def launcher(changes: str) -> list[str]:
    """A command that runs the server after the statements in `changes`, which break something in it."""
    script = "\n".join(
        [
            "import os, sys",
            f"sys.path.insert(0, {str(ROOT)!r})",
            "import server",
            changes,
            "code = server.main(sys.argv[1:])",
            "os._exit(code)",
        ]
    )
    return [sys.executable, "-c", script]
