"""The parts that measure only our server: memory for each client, very many threads, and the time until it accepts."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time

from tests.bench.crowd import Crowd, resident
from tests.bench.load import Bench
from tests.bench.peers import OURS, StartError, on_cores, running
from tests.bench.report import NONE, Part, Target, number, ratio

CLIENTS = 5000


def memory(bench: Bench) -> Part:
    """Thousands of logged-in clients, and all get answers."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    count = min(CLIENTS, allowed - 100)
    if count < CLIENTS:
        bench.problem(f"memory: only {count} clients, for {allowed} open files are allowed (ulimit -n)")
    rows: list[list[str]] = []
    each: list[float] = []
    for turn in range(bench.rounds):
        print("  memory: ClassCord", file=sys.stderr, flush=True)
        try:
            with running(OURS, bench.folder, *bench.server_cores) as server, Crowd(server.port) as crowd:
                before = resident(server.pid)
                began = time.monotonic()
                arrived = crowd.log_in(count)
                took = time.monotonic() - began
                answered = crowd.ask()
                after = resident(server.pid)
        except (StartError, OSError) as error:
            bench.problem(f"memory: {error}")
            continue
        if arrived != count or answered != count:
            bench.problem(f"memory: {arrived} of {count} logged in, {answered} were answered, {crowd.died} were lost")
            continue
        each.append((after - before) / count)
        values = (str(arrived), str(answered), number(took), number(before), number(after), number(each[-1]))
        rows.append([f"{count} clients", str(turn + 1), *values])
    heads = ("case", "round", "logged in", "answered a ping", "logins took, s", "KiB before", "KiB after", "KiB each")
    measured = statistics.median(each) if each else None
    target = Target(f"{count} clients: KiB of memory each", measured, 21, at_least=False)
    return Part("Memory a client", heads, rows, [target])


def bursts(bench: Bench) -> Part:
    """The same number of pings from very many connections at once, and from a few: the cost of many threads.

    The server may use all cores here: threads that wait for the interpreter's lock disturb each other most on several.
    """
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    pings, many, few = 60, min(1990, allowed - 100), 20
    rows: list[list[str]] = []
    took: dict[int, list[float]] = {many: [], few: []}
    for turn in range(bench.rounds):
        for count in (many, few):
            print(f"  bursts: {count} connections", file=sys.stderr, flush=True)
            each = pings * many // count
            try:
                with running(OURS, bench.folder, *bench.all_cores) as server, Crowd(server.port, 60) as crowd:
                    crowd.open(count)
                    crowd.ask()
                    began = time.monotonic()
                    answered = crowd.burst(each)
                    took[count].append(time.monotonic() - began)
            except (StartError, OSError) as error:
                bench.problem(f"bursts: {error}")
                continue
            if answered != each * count:
                bench.problem(f"bursts: {answered} of {each * count} pings were answered")
            rows.append([f"{count} connections, {each} pings each", str(turn + 1), number(took[count][-1])])
    medians = [statistics.median(times) if times else None for times in took.values()]
    target = Target(f"time of {many} connections ÷ time of {few}", ratio(*medians), 4, at_least=False)
    return Part("Bursts of pings", ("case", "round", "all answered after, s"), rows, [target])


def _python(bench: Bench) -> float:
    with on_cores(*bench.server_cores):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", "pass"], check=True, timeout=30)
    return time.monotonic() - began


def start(bench: Bench) -> Part:
    """From exec until a connection is accepted, beside an interpreter that does nothing."""
    print("  start", file=sys.stderr, flush=True)
    servers: list[float] = []
    pythons: list[float] = []
    for _ in range(5 if bench.quick else 25):
        pythons.append(_python(bench))
        try:
            with running(OURS, bench.folder, *bench.server_cores) as server:
                servers.append(server.took)
        except StartError as error:
            bench.problem(f"start: {error}")
    rows = [
        [name, str(len(values)), number(statistics.median(values)), number(min(values)), number(max(values))]
        if values else [name, "0", NONE, NONE, NONE]
        for name, values in (("server.py accepts", servers), ("python -c pass ends", pythons))
    ]
    difference = statistics.median(servers) - statistics.median(pythons) if servers else None
    heads = ("case", "times", "median, s", "least", "greatest")
    return Part("Start", heads, rows, [Target("difference of the medians, s", difference, 0.3, at_least=False)])
