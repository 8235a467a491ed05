"""The harness of the attacks sees what goes wrong: without that, a table without faults says nothing.

Between its people and the server stands a relay, which spoils what the server sends.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.attack import bystanders, half_close, report, trial
from tests.hostile.attack.attacks import ATTACKS, ELSEWHERE, NO_ATTACK
from tests.hostile.attack.bystanders import MARK, Bystanders
from tests.hostile.attack.ending import Ending
from tests.hostile.attack.pupils import Pupils
from tests.hostile.attack.swarm import Plan, Swarm, same
from tests.hostile.attack.worker import Worker
from tests.support import DEADLINE, ROOT, Server, listener

Spoil = Callable[[int, bytes], list[bytes] | None]
"""Gets a connection's number and a line of the server. The lines that pass instead, or None to end the connection."""
Relay = Callable[[Spoil], contextlib.AbstractContextManager[tuple[str, int]]]


def _nothing(number: int, line: bytes) -> list[bytes]:
    return [line]


@pytest.fixture
def relay(own_server: Callable[..., Server]) -> Relay:
    """relay(spoil) gives the address of a relay to a server."""
    server = own_server()
    address = server.host, server.port

    @contextlib.contextmanager
    def start(spoil: Spoil) -> Iterator[tuple[str, int]]:
        threads: list[threading.Thread] = []
        lock = threading.Lock()  # `spoil` counts

        def pour(number: int, source: socket.socket, target: socket.socket, change: Spoil) -> None:
            with contextlib.suppress(OSError), source.makefile("rb") as lines:
                for line in lines:
                    with lock:
                        changed = change(number, line)
                    if changed is None:
                        source.shutdown(socket.SHUT_RDWR)
                        break
                    target.sendall(b"".join(changed))
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)

        def accept(listening: socket.socket, stack: contextlib.ExitStack) -> None:
            for number in itertools.count():
                try:
                    client = stack.enter_context(listening.accept()[0])
                except OSError:
                    return
                upstream = stack.enter_context(socket.create_connection(address))
                for way in ((client, upstream, _nothing), (upstream, client, spoil)):
                    threads.append(threading.Thread(target=pour, args=(number, *way)))
                    threads[-1].start()

        with contextlib.ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as listening:
            accepting = threading.Thread(target=accept, args=(listening, stack))
            accepting.start()
            try:
                yield listening.getsockname()[:2]
            finally:
                listening.shutdown(socket.SHUT_RDWR)
                accepting.join()
                for each in threads:
                    each.join()

    return start


@pytest.fixture
def soon() -> Iterator[Callable[[float], Ending]]:
    """soon(seconds) is an end after so many seconds."""
    reading, writing = os.pipe()
    yield lambda seconds: Ending(seconds, reading)
    os.close(reading)
    os.close(writing)


_STAY = 2 * (len(bystanders.NAMES) + 1) + len(bystanders.VISITORS)
"""The connections before those of the newcomers: all register, then the bystanders and the slow one log in."""


def _missed(number: int, line: bytes) -> bool:
    """Whether somebody waits for this line: a bystander's message to a newcomer is not one of those."""
    return MARK.encode() in line and number < _STAY


def _third(change: Callable[[bytes], list[bytes] | None]) -> Spoil:
    """Change the third message of a bystander, and let all others pass."""
    count = 0

    def spoil(number: int, line: bytes) -> list[bytes] | None:
        nonlocal count
        if not _missed(number, line):
            return [line]
        count += 1
        return change(line) if count == 3 else [line]

    return spoil


def _swapped() -> Spoil:
    """For one receiver, ann's first message comes after her second one."""
    kept: dict[int, bytes] = {}

    def spoil(number: int, line: bytes) -> list[bytes] | None:
        if f'{MARK} ann 1"'.encode() in line and _missed(number, line) and not kept:
            kept[number] = line
            return []
        if f'{MARK} ann 2"'.encode() in line and number in kept:
            return [line, kept[number]]
        return [line]

    return spoil


class _When(Ending):
    """The end comes when something is reached, or so many seconds later."""

    def __init__(self, reached: Callable[[], bool], later: float = 0.0) -> None:
        self._reached = reached
        self._later = later
        self._last = time.monotonic() + DEADLINE
        self._end = float("inf")

    def over(self) -> bool:
        now = time.monotonic()
        if self._end == float("inf") and self._reached():
            self._end = now + self._later
        return now >= min(self._end, self._last)


def _people(relay: Relay, spoil: Spoil, messages: int = 16) -> dict[str, Any]:
    """What bystanders count. They talk until together they have said so many things.

    They wait for what is missing then, but not as long as in an attack: here it may never come.
    """
    with relay(spoil) as address, pytest.MonkeyPatch.context() as patch:
        people = Bystanders(address)
        patch.setattr(bystanders, "GRACE", 10.0)  # not before: they must get in
        try:
            return people.run(_When(lambda: len(people.sent) >= messages))
        finally:
            people.close()


@pytest.mark.parametrize(
    ("spoil", "lost", "disordered", "dropped"),
    [
        (lambda: _nothing, 0, 0, 0),
        (lambda: _third(lambda line: []), 1, 0, 0),
        (lambda: _third(lambda line: [line[: len(line) // 2] + b"\n"]), 1, 0, 0),
        (lambda: _third(lambda line: [line, line]), 0, 1, 0),
        (lambda: _third(lambda line: None), 0, 0, 1),
        (_swapped, 0, 1, 0),
    ],
    ids=["nothing", "a loss", "a torn line", "a message comes twice", "a bystander is dropped", "two are swapped"],
)
def test_bystanders_notice(
    relay: Relay, spoil: Callable[[], Spoil], lost: int, disordered: int, dropped: int
) -> None:
    counts = _people(relay, spoil())
    seen = counts["lost"], counts["disordered"], counts["dropped"]
    if dropped:  # what was under way for the one who was dropped may be lost too
        assert seen[1:] == (disordered, dropped)
    else:
        assert seen == (lost, disordered, dropped)
    assert counts["visits"] == counts["visited"] > 0


def _on(text: str, instead: list[bytes] | None) -> Spoil:
    """Lines with this text are replaced."""
    return lambda number, line: instead if text.encode() in line else [line]


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (_on("eleve03 says goodbye", []), "too slow"),
        (_on('"type":"users"', [b'{"type":"error","message":"x","code":"rate_limited"}\n']), "rate_limited"),
        (_on('"type":"register"', None), "dropped"),
    ],
    ids=["a line is lost", "an answer is an error", "a pupil is dropped"],
)
def test_a_class_notices(relay: Relay, soon: Callable[[float], Ending], spoil: Spoil, fault: str) -> None:
    with relay(spoil) as address:
        counts = Pupils(address, 5, known=False).run(soon(15))
    assert counts["served"] == (4 if fault == "too slow" else 0)
    assert counts["faults"] == [fault]


def test_a_class_is_served(relay: Relay, soon: Callable[[float], Ending]) -> None:
    with relay(_nothing) as address:
        counts = Pupils(address, 5, known=True).run(soon(DEADLINE))
    assert (counts["served"], counts["faults"]) == (5, [])


def test_a_newcomer_without_an_answer_is_counted(relay: Relay) -> None:
    counts = _people(relay, _on('"users":', []), messages=1)  # with the first message comes the first newcomer
    assert (counts["visits"], counts["visited"]) == (1, 0)
    assert counts["faults"] == ["newcomer: no answer"]


@pytest.mark.parametrize("cut", [0, 5, 16])
def test_a_last_answer_that_is_cut_is_counted(relay: Relay, cut: int) -> None:
    looks = itertools.count()
    with relay(lambda number, line: [line[: len(line) - cut]] if b"pong" in line else [line]) as address:
        counts = half_close.run(Path(), address, _When(lambda: next(looks) >= 5))
    assert counts["rounds"] >= half_close.AT_ONCE
    assert counts["lost"] == (counts["rounds"] if cut else 0)


def test_an_attacker_that_is_dropped_comes_back() -> None:
    with listener(b"no\n") as port:
        swarm = Swarm(Plan(5, repeated=same(b"x")), ("127.0.0.1", port))
        counts = swarm.run(_When(lambda: swarm.counts["dropped"] > 20))
    assert counts["connections"] >= counts["dropped"] > 20


@pytest.mark.parametrize("reads", [True, False])
def test_an_attacker_whose_bytes_are_not_taken_still_sees_the_end(reads: bool) -> None:
    with listener() as port:
        swarm = Swarm(Plan(5, repeated=same(b"x", size=65536), reads=reads), ("127.0.0.1", port))
        counts = swarm.run(_When(lambda: swarm.counts["connections"] >= 5, later=1))
    assert counts["connections"] == 5


def test_a_plan_is_followed() -> None:
    """The opening comes once, the rest as often as the plan says; with a pause it takes its time."""
    with listener() as port:
        swarm = Swarm(Plan(3, same(b"hello"), same(b"again"), times=4, pause=0.05), ("127.0.0.1", port))
        counts = swarm.run(_When(lambda: swarm.counts["sent"] >= 3 * (5 + 4 * 5), later=1))
    assert counts["sent"] == 3 * (5 + 4 * 5)


def _result(**values: float) -> trial.Result:
    result = trial.Result(NO_ATTACK)
    for name, value in values.items():
        setattr(result, name, value)
    return result


@pytest.mark.parametrize(
    ("name", "within", "out", "counts"),
    [
        ("p99", 200, 201, False), ("lost", 0, 1, True), ("disordered", 0, 1, True), ("dropped", 0, 1, True),
        ("login", 1000, 1001, False), ("memory", 150, 150.1, True), ("log", 10_000, 10_001, False),
        ("data", 1_000_000, 1_001_000, False),
    ],
)
def test_a_value_out_of_bounds_is_marked(name: str, within: float, out: float, counts: bool) -> None:
    assert not report.is_wrong(_result(**{name: within}))
    assert "❌" not in report.row(_result(**{name: within}))
    assert report.is_wrong(_result(**{name: out}))
    assert report.row(_result(**{name: out})).count("❌") == 1
    assert bool(report.faults(_result(**{name: out}))) == counts


def test_a_class_that_is_not_served_is_marked() -> None:
    assert not report.faults(_result(pupils=40, served=40))
    assert "❌ **39 of 40**" in report.row(_result(pupils=40, served=39))
    assert report.faults(_result(pupils=40, served=39)) == ["39 of 40 pupils were served"]


def test_the_table_has_a_cell_for_each_head() -> None:
    first, rule = report.head().splitlines()
    assert first.count("|") == rule.count("|") == report.row(_result()).count("|")


def test_names_are_used_once_and_each_attack_is_tested() -> None:
    names = [attack.name for attack in (NO_ATTACK, *ATTACKS)]
    assert len(set(names)) == len(names)
    tested = "".join(path.read_text() for path in Path(__file__).parent.glob("test_attacks*.py"))
    assert {f'"{attack.group}"' for attack in ATTACKS} <= set(re.findall(r'"[a-z]+"', tested))


@pytest.mark.parametrize(("text", "path"), ELSEWHERE)
def test_the_tests_of_other_attacks_are_there(text: str, path: str) -> None:
    assert (ROOT / path).is_file(), text


def _session(number: int) -> list[int]:
    """The processes of a session that are still there."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                cells = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(cells[3]) == number and cells[0] != "Z":
                found.append(int(entry.name))
    return found


def _wait(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not reached():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.02)


@pytest.mark.parametrize(("number", "all_of_them"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_nothing_is_left_when_the_harness_is_stopped(number: int, all_of_them: bool) -> None:
    """Ctrl-C is for the whole foreground group; a signal of another program is for the harness alone."""
    command = [sys.executable, "-m", "tests.hostile.attack", "--seconds", "60", "--alone", "--only", "flooder"]
    harness = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _wait(lambda: len(_session(harness.pid)) >= 3, "a server and the bystanders are there")
        if all_of_them:
            os.killpg(harness.pid, number)
        else:
            harness.send_signal(number)
        assert harness.wait(DEADLINE) == 128 + number
        _wait(lambda: not _session(harness.pid), "everything has ended")
    finally:
        for left in _session(harness.pid):
            os.kill(left, signal.SIGKILL)
        harness.wait()


def test_a_worker_ends_when_the_harness_is_gone(own_server: Callable[..., Server]) -> None:
    server = own_server()
    with Worker("attack", name="flooder", part=0, address=(server.host, server.port), data="") as worker:
        worker.wait_ready()
        worker.go()
        server.wait_log("event=guest")
        assert worker.finish()["sent"] > 0, "it is told to end by nothing but the end of its input"


def test_a_server_that_died_is_a_fault(own_server: Callable[..., Server]) -> None:
    server, result = own_server(), trial.Result(NO_ATTACK)
    server.process.kill()
    server.wait()
    trial.end(result, server)
    assert report.faults(result) == [f"the server died: {-signal.SIGKILL}"]


def test_messages_that_are_not_stored_are_lost(own_server: Callable[..., Server]) -> None:
    server, result = own_server(), trial.Result(NO_ATTACK)
    trial.end(result, server)
    trial.add_stored(result, server.data, 2)
    assert (result.lost, result.faults) == (2, ["2 messages not stored"])
