"""loadgen: building it, running it against a server, and judging whether everything arrived."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.peers import Peer, Running, StartError, running

SOURCE = Path(__file__).with_name("loadgen.c")
TIMEOUT = 240.0
"""Seconds after which loadgen is killed; its own bounds are lower."""

Result = dict[str, Any]
"""The results that loadgen printed."""


class BuildError(Exception):
    """loadgen can't be built; the text says what to install."""


def build(target: Path) -> Path:
    """Compile loadgen unless `target` is newer than its source. Raises BuildError."""
    if target.exists() and target.stat().st_mtime > SOURCE.stat().st_mtime:
        return target
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise BuildError("loadgen needs a C compiler: sudo apt install gcc libc6-dev (Debian, Ubuntu)")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    done = subprocess.run(
        [compiler, "-O2", "-o", str(partial), str(SOURCE)], capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise BuildError(f"{compiler} failed (sudo apt install gcc libc6-dev on Debian, Ubuntu): {done.stderr[-500:]}")
    partial.replace(target)
    return target


def faults(result: Result) -> list[str]:
    """The faults of a result: messages lost or out of order, or a reading client dropped."""
    if result.get("setup_incomplete"):
        return [f"only {result['setup_ready']} got in, {result['setup_dead']} died: {result['first_dead']}"]
    if "sent" not in result:
        alive = result["alive_after_hold"]
        return [] if alive == result["setup_started"] else [f"only {alive} stayed connected"]
    found = []
    if result["order_errors"]:
        found.append(f"{result['order_errors']} out of order")
    if not result["sent"] == result["recv_min"] == result["recv_max"]:
        got = f"{result['recv_min']} to {result['recv_max']}"
        found.append(f"receivers got {got} of {result['sent']} messages")
    if result["dead"] and not (result["stuck"] == result["dead"] and result["first_dead"].startswith("role2")):
        found.append(f"{result['dead']} connections died: {result['first_dead']}")
    found += [word for word in ("stalled", "timedout") if result[word]]
    return found


@dataclass
class Bench:
    """The data that all parts need. `problems` are the wrong results so far."""

    loadgen: Path
    folder: Path
    server_cores: tuple[int, ...] = ()
    """The cores of the server. Empty: any core."""
    all_cores: tuple[int, ...] = ()
    rounds: int = 3
    quick: bool = False
    problems: list[str] = field(default_factory=list)

    def seconds(self, full: float) -> str:
        """How long to measure."""
        return str(full / 3 if self.quick else full)

    def drive(self, peer: Peer, server: Running, *flags: str) -> Result:
        """Run loadgen against a running server."""
        done = subprocess.run(
            [str(self.loadgen), "--proto", peer.protocol, "--port", str(server.port), "--pid", str(server.pid),
             "--max-time", "60", *flags],
            capture_output=True, text=True, timeout=TIMEOUT, check=True,
        )
        result: Result = json.loads(done.stdout)
        return result

    def run(self, peer: Peer, label: str, *flags: str, partial: bool = False) -> Result:
        """Start a server, drive it with loadgen, note the faults. A wrong result is not used: it is empty.

        `partial` lets one through in which not everybody got in.
        """
        print(f"  {label}: {peer.name}", file=sys.stderr, flush=True)
        try:
            with running(peer, self.folder, *self.server_cores) as server:
                result = self.drive(peer, server, *flags)
        except (StartError, subprocess.SubprocessError, ValueError) as error:
            self.problem(f"{peer.name}, {label}: {error}")
            return {}
        wrong = [] if partial and result.get("setup_incomplete") else faults(result)
        for fault in wrong:
            self.problem(f"{peer.name}, {label}: {fault}")
        return {} if wrong else result

    def problem(self, text: str) -> None:
        """Note a wrong result."""
        print(f"  WRONG RESULT: {text}", file=sys.stderr, flush=True)
        self.problems.append(text)
