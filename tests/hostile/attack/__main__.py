"""`python -m tests.hostile.attack`: attacks a server in every way that is known, and prints what people noticed."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.__main__ import cores
from tests.hostile.attack.attacks import ATTACKS, ELSEWHERE, NO_ATTACK, find
from tests.hostile.attack.report import head, is_wrong, row
from tests.hostile.attack.trial import PUPILS, Result, run
from tests.hostile.attack.worker import WorkerError
from tests.support import ROOT

BUILD = ROOT / "build"


def heading(seconds: float, pair: tuple[int, int] | None) -> str:
    """A description of the measurement and of the machine."""
    pinned = (
        f"server on core {pair[0]}, people and attackers on core {pair[1]}" if pair
        else "**only one core: the server shares it with its attackers, so people wait longer than they would**"
    )
    return "\n".join([
        "# ClassCord under attack", "",
        f"- {time.strftime('%Y-%m-%d %H:%M')}, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}, {os.cpu_count()} cores, {pinned}; load average before:"
        f" {os.getloadavg()[0]:.2f}",
        f"- {seconds:g} s each, against a new server with its default settings. Attackers, bystanders and the class"
        " have one address",
        "- four bystanders send 5 messages a second each; one more only reads, at 1 Mbit/s; newcomers log in",
        "- lost: messages that did not arrive or were not stored, newcomers and half-closing clients without an answer",
        "- ❌ is out of bounds", "",
    ])


def ending(results: list[Result]) -> str:
    """What the table comes to, and where the other attacks are tested."""
    wrong = sum(map(is_wrong, results))
    lines = ["", f"{len(results)} rows, {wrong} out of bounds.", ""]
    lines += ["These are not attacks on a running server, or need a machine of their own. Tests show them:", ""]
    return "\n".join(lines + [f"- {text}: `{path}`" for text, path in ELSEWHERE]) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.attack", description="Attack a ClassCord server.")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N", help="of each attack (default 10)")
    names = [attack.name for attack in ATTACKS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"these attacks: {' '.join(names)}")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--alone", action="store_true", help="only without a class that arrives")
    which.add_argument("--class", action="store_true", dest="with_class", help="only with a class that arrives")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there, too")
    given = parser.parse_args()
    if not 0.5 <= given.seconds <= 120:
        parser.error("--seconds must be from 0.5 to 120")
    return given


def main() -> int:
    """The exit code: 0, or 1 when a value is out of bounds, or 2 when the harness failed."""
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # so that nothing keeps running
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    pair = cores()
    if pair is not None:
        os.sched_setaffinity(0, {pair[1]})
    chosen = [NO_ATTACK, *map(find, given.only)] if given.only else [NO_ATTACK, *ATTACKS]
    classes = [0] if given.alone else [PUPILS] if given.with_class else [0, PUPILS]
    BUILD.mkdir(exist_ok=True)
    results: list[Result] = []
    written: list[str] = []

    def write(text: str) -> None:
        written.append(text)
        print(text, flush=True)

    write(heading(given.seconds, pair) + "\n" + head())
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="attack-") as folder:  # beside the code, so on a disk
        for attack in chosen:
            for pupils in classes:
                print(f"{attack.name}{' and a class' if pupils else ''}", file=sys.stderr, flush=True)
                try:
                    results.append(run(
                        attack, Path(folder), seconds=given.seconds, pupils=pupils, core=pair[0] if pair else None
                    ))
                except WorkerError as error:
                    print(f"attack: {attack.name}: {error}", file=sys.stderr)
                    return 2
                write(row(results[-1]))
    write(ending(results))
    if given.output:
        given.output.write_text("\n".join(written))
    return 1 if any(map(is_wrong, results)) else 0


if __name__ == "__main__":
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
