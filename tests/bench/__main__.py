"""`python -m tests.bench`: measures our server beside others in one run, and prints a report in Markdown.

Compare ratios: figures differ from machine to machine and from minute to minute.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench import batch, board, footprint, parts, past, path
from tests.bench.load import Bench, BuildError, build
from tests.bench.peers import PEERS
from tests.bench.report import Part, Target, targets_table
from tests.support import ROOT

PARTS: dict[str, Callable[[Bench], Part]] = {
    "fanout": parts.fan_out,
    "chat": parts.chat,
    "channels": parts.channels,
    "batch": batch.batch,
    "websocket": parts.websocket,
    "board": board.board,
    "latency": parts.latency,
    "stuck": parts.stuck,
    "logins": parts.logins,
    "path": path.path,
    "past": past.past,
    "memory": footprint.memory,
    "bursts": footprint.bursts,
    "start": footprint.start,
}
BUILD = ROOT / "build"


def cores() -> tuple[int, int] | None:
    """A core for the server and one for its clients, if possible not two halves of one; None if there is only one."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        return None
    first = allowed[0]
    try:
        text = Path(f"/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list").read_text()
    except OSError:
        text = str(first)
    halves: set[int] = set()
    for span in text.strip().split(","):
        low, _, high = span.partition("-")
        halves.update(range(int(low), int(high or low) + 1))
    return first, next((core for core in allowed if core not in halves), allowed[1])


def heading(bench: Bench, pair: tuple[int, int] | None) -> str:
    """A description of the measurement and of the machine."""
    if pair is None:
        pinned = "**only one core: server and load share it, so every figure is too low**"
    else:
        pinned = f"server on core {pair[0]}, everything else on core {pair[1]}"
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    lines = [
        "# ClassCord beside other servers", "",
        f"- {time.strftime('%Y-%m-%d %H:%M')}, {system}",
        f"- {os.cpu_count()} cores, {pinned}; load average before: {os.getloadavg()[0]:.2f}",
        f"- medians of {bench.rounds} round{'s' * (bench.rounds > 1)}, servers in turn, each started anew"
        + (", short (--quick)" if bench.quick else ""),
        "- ClassCord stores every message in its database on disk; the others store nothing",
        "- naive: tests/bench/naive.py, a textbook server with a thread a client",
    ]
    for peer in PEERS:
        if not peer.installed:
            lines.append(f"- **{peer.name} is not installed**, so not measured (sudo apt install {peer.program})")
        elif peer.program:
            lines.append(f"- {peer.name}: {peer.version}")
    return "\n".join(lines) + "\n"


def ending(targets: Sequence[Target], problems: Sequence[str]) -> str:
    """All targets in one table, and the problems."""
    missed = sum(target.reached is False for target in targets)
    reached = sum(target.reached is True for target in targets)
    blocks = ["## All targets", f"{reached} reached, {missed} not, {len(targets) - missed - reached} not measured."]
    if problems:
        lines = [f"> **{len(problems)} WRONG RESULTS: the figures above can't be trusted.**"]
        blocks.append("\n".join(lines + [f"> - {problem}" for problem in problems]))
    else:
        blocks.append("Every message of every run arrived once, in order, at everyone; nobody who reads was dropped.")
    blocks.append(targets_table(targets))
    return "\n\n".join(blocks) + "\n"


def _arguments() -> argparse.Namespace:
    about = "Measure ClassCord beside other servers."
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=about)
    parser.add_argument("--quick", action="store_true", help="one round, a third of the time")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="NAME", help=f"these parts: {' '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds to take medians of (default 3)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there, too")
    given = parser.parse_args()
    given.rounds = max(1, given.rounds or (1 if given.quick else 3))
    return given


def main() -> int:
    """The exit code: 0, or 1 when a message was lost or a run failed. A missed target is not a failure."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that no server keeps running
    try:
        loadgen = build(BUILD / "loadgen")
    except BuildError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pair, every = cores(), tuple(os.sched_getaffinity(0))
    if pair is not None:
        os.sched_setaffinity(0, {pair[1]})
    written: list[str] = []

    def write(text: str) -> None:
        written.append(text)
        print(text, flush=True)

    targets: list[Target] = []
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="bench-") as folder:  # beside the code, so on a disk
        ours = (pair[0],) if pair else ()
        bench = Bench(loadgen, Path(folder), ours, every, given.rounds, given.quick)
        write(heading(bench, pair))
        for name in given.only or PARTS:
            print(f"{name}:", file=sys.stderr, flush=True)
            known = len(bench.problems)
            part = PARTS[name](bench)
            targets += part.targets
            write(part.text(bench.problems[known:]))
    write(ending(targets, bench.problems))
    if given.output:
        given.output.write_text("\n".join(written))
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main())
