"""One process of the harness: what it does, and how the harness starts and ends it.

A worker gets its order as JSON. It says "ready", waits for "go", works until the end, and prints its counts as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.hostile.attack.attacks import find
from tests.hostile.attack.bystanders import Bystanders
from tests.hostile.attack.ending import Ending
from tests.hostile.attack.pupils import Pupils
from tests.hostile.attack.swarm import Plan, Swarm
from tests.support import ROOT

START = 120.0
"""Seconds within which a worker must be ready. A class needs two seconds for its passwords, more on a busy machine."""
LONGEST = 300.0
"""Seconds after which a worker ends by itself."""
_LAST = 60.0
"""Seconds that a worker may take for its end: people wait for what is under way."""


class WorkerError(Exception):
    """A worker failed; its own lines on standard error say why."""


class Worker:
    """A process that follows an order. Use it in a with statement: it ends the process."""

    def __init__(self, role: str, **order: object) -> None:
        command = [sys.executable, "-m", "tests.hostile.attack.worker", json.dumps({"role": role, **order})]
        self._role = role
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)

    def wait_ready(self) -> None:
        """Until it is ready to begin. Raises WorkerError."""
        assert self._process.stdout is not None
        ready = select.select([self._process.stdout], [], [], START)[0]
        if not ready or self._process.stdout.readline() != b"ready\n":
            raise WorkerError(f"{self._role}: it did not get ready")

    def go(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"go\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(f"{self._role}: it ended before it began") from None

    def wait(self, seconds: float) -> None:
        """Until it has ended by itself, at most so long."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def finish(self) -> dict[str, Any]:
        """Tell it to end, and get its counts. Raises WorkerError."""
        try:
            output, _ = self._process.communicate(timeout=_LAST)
            counts = json.loads(output)
        except (subprocess.TimeoutExpired, ValueError) as error:
            raise WorkerError(f"{self._role}: {error}") from error
        assert isinstance(counts, dict)
        return counts

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    pass


def _prepare(order: dict[str, Any]) -> Callable[[Ending], dict[str, Any]]:
    """What the order needs before it begins; gives the work itself."""
    host, port = order["address"]
    address = str(host), int(port)
    if order["role"] == "bystanders":
        return Bystanders(address).run
    if order["role"] == "pupils":
        return Pupils(address, order["count"], order["known"]).run
    part = find(order["name"]).parts[order["part"]]
    os.nice(5)  # the people are on the same core, but would not be in life
    if isinstance(part, Plan):
        return Swarm(part, address).run
    return lambda ending: part(Path(order["data"]), address, ending)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is for all processes; one of them says so
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    work = _prepare(json.loads(sys.argv[1]))
    print("ready", flush=True)
    if os.read(0, 3) == b"go\n":
        began = time.monotonic()
        counts = work(Ending(LONGEST))
        print(json.dumps({**counts, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
