"""One server, one attack, and what was measured."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classcord.ops.config import SETTINGS
from tests.bench.peers import on_cores
from tests.hostile.attack.attacks import Attack
from tests.hostile.attack.bystanders import MARK
from tests.hostile.attack.pupils import DEADLINE
from tests.hostile.attack.worker import Worker
from tests.support import Server

PUPILS = 40
_TICKS = os.sysconf("SC_CLK_TCK")
_DEFAULTS = {setting.name: str(setting.default) for setting in SETTINGS}
DEFAULT_COST = _DEFAULTS["password-cost"]
_LIMITS = ["--limits", _DEFAULTS["limits"]] if "limits" in _DEFAULTS else []
"""The limits are what the attacks are about. Other tests switch them off."""


@dataclass
class Result:
    """What people noticed of an attack, and what it cost the server."""

    attack: Attack
    pupils: int = 0
    """How many came."""
    served: int = 0
    """How many of them got everything."""
    slowest: float = 0.0
    """Seconds that the slowest of them took."""
    p50: float = 0.0
    """Milliseconds from bystander to bystander."""
    p99: float = 0.0
    lost: int = 0
    """Messages of the bystanders that did not arrive or were not stored, answers, and newcomers without an answer."""
    disordered: int = 0
    dropped: int = 0
    """Bystanders who were dropped. Pupils and newcomers who were are in `served` and `lost`."""
    login: float = 0.0
    """Milliseconds that the slowest newcomer waited for its login."""
    memory: float = 0.0
    """The largest memory of the server, in MiB."""
    processor: float = 0.0
    """Seconds of processor time of the server a second."""
    log: float = 0.0
    """Bytes of log a second."""
    data: float = 0.0
    """Bytes by which the data folder grew, a second."""
    faults: list[str] = field(default_factory=list)
    """What went wrong, in words."""
    attackers: list[dict[str, Any]] = field(default_factory=list)
    """What the attackers counted."""


@dataclass(frozen=True)
class _Reading:
    """What the server has used up to a moment."""

    time: float
    processor: float
    log: int
    data: int


def run(
    attack: Attack, folder: Path, *, seconds: float = 10.0, pupils: int = 0, cost: str = DEFAULT_COST,
    core: int | None = None,
) -> Result:
    """Attack a new server for so many seconds; it runs on `core`, if that is given, and has its data in `folder`.

    If pupils come, they come while the attack goes on, and it goes on until they are served. Whatever was started has
    ended afterwards. Raises WorkerError when the harness itself fails.
    """
    result = Result(attack, pupils)
    with contextlib.ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=f"{attack.name}-")))
        with on_cores(*([] if core is None else [core])):
            server = stack.enter_context(Server(data, "--password-cost", cost, *_LIMITS, *attack.options))
        place = {"address": (server.host, server.port), "data": str(data)}
        people = stack.enter_context(Worker("bystanders", **place))
        coming = None
        if pupils:
            coming = stack.enter_context(Worker("pupils", **place, count=pupils, known=attack.known))
        attackers = [
            stack.enter_context(Worker("attack", **place, name=attack.name, part=part))
            for part in range(len(attack.parts))
        ]
        for worker in filter(None, (people, coming, *attackers)):
            worker.wait_ready()
        before = _read(server)
        people.go()
        for attacker in attackers:
            attacker.go()
        _sleep(server, seconds / 3)
        if coming is not None:
            coming.go()
        _sleep(server, seconds - seconds / 3)
        if coming is not None:
            coming.wait(DEADLINE)
        after = _read(server)
        # those who attack end first: what they did is under way, and the people wait for it
        result.attackers = [attacker.finish() for attacker in attackers]
        if coming is not None:
            _add_class(result, coming.finish())
        counts = people.finish()
        _add_people(result, counts)
        result.memory = server.status("VmHWM") / 1024 if server.process.poll() is None else 0.0
        end(result, server)
        if attack.keeps:
            add_stored(result, data, counts["sent"])
    _add_use(result, before, after)
    return result


def _sleep(server: Server, seconds: float) -> None:
    """Let the attack go on for so long, or until the server has ended."""
    try:
        server.process.wait(seconds)
    except subprocess.TimeoutExpired:
        pass


def _read(server: Server) -> _Reading:
    used, size = 0.0, 0
    if server.process.poll() is None:
        cells = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
        used = (int(cells[11]) + int(cells[12])) / _TICKS
    for path in server.data.iterdir():
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            pass
    # + 1 for each newline
    return _Reading(time.monotonic(), used, sum(len(line) + 1 for line in server.log_so_far()), size)


def _add_use(result: Result, before: _Reading, after: _Reading) -> None:
    seconds = after.time - before.time
    result.processor = (after.processor - before.processor) / seconds
    result.log = (after.log - before.log) / seconds
    result.data = (after.data - before.data) / seconds


def _add_class(result: Result, counts: dict[str, Any]) -> None:
    result.served, result.slowest = counts["served"], counts["slowest"]
    result.faults += [f"pupil: {fault}" for fault in counts["faults"]]


def _add_people(result: Result, counts: dict[str, Any]) -> None:
    waits = [1000 * wait for wait in counts["waits"]]
    if waits:
        result.p50, result.p99 = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    result.login = 1000 * counts["slowest_login"]
    result.disordered, result.dropped = counts["disordered"], counts["dropped"]
    unanswered = counts["visits"] - counts["visited"]
    answers = sum(attacker.get("lost", 0) for attacker in result.attackers)
    result.lost += counts["lost"] + unanswered + answers
    result.faults += counts["faults"]
    for number, what in ((unanswered, f"of {counts['visits']} newcomers not served"), (answers, "last answers lost")):
        if number:
            result.faults.append(f"{number} {what}")


def end(result: Result, server: Server) -> None:
    """Stop the server. Any other end than a clean one is a fault."""
    if server.process.poll() is not None:
        result.faults.append(f"the server died: {server.process.returncode}")
        return
    server.process.terminate()
    try:
        code = server.wait()
    except subprocess.TimeoutExpired:
        result.faults.append("the server did not stop")
        return
    if code:
        result.faults.append(f"the server ended with {code}")
    errors = sum("internal_error" in line for line in server.log)
    if errors:
        result.faults.append(f"{errors} internal errors")


def add_stored(result: Result, data: Path, sent: int) -> None:
    """Compare what the bystanders sent with what is in the database."""
    with contextlib.closing(sqlite3.connect(data / "classcord.db")) as database:
        query = "SELECT count(*) FROM messages WHERE content LIKE ?"
        (stored,) = database.execute(query, (f"{MARK} %",)).fetchone()
    if stored < sent:
        result.lost += sent - stored
        result.faults.append(f"{sent - stored} messages not stored")
