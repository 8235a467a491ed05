"""The doctor's command line, and how it prints what it found."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import host
import vm
from hops import MARKS, Finding, Text, text, walk
from machine import Machine
from texts import LANGUAGES, render

__all__ = ["EXIT_USAGE", "main"]

EXIT_USAGE = 125
"""Never a number of broken hops."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"doctor.sh: {message}\n")


def main(arguments: list[str], machine: Machine) -> int:
    """Look at a place, and print what was found. Returns the number of broken hops, or EXIT_USAGE.

    doctor.sh checks what people type; this only reads it.
    """
    parser = _Parser(prog="doctor.sh", add_help=False, allow_abbrev=False)
    parser.add_argument("place", choices=["vm", "host"])
    parser.add_argument("--port", type=int, default=12345)
    parser.add_argument("--name", default="classcord")
    parser.add_argument("--desk", default="")
    parser.add_argument("--vm", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    language = machine.environment("CLASSCORD_LANG").lower()[:2]
    if language not in LANGUAGES:
        language = LANGUAGES[0]
    if options.place == "vm":
        heading: Text = text("heading_vm", port=options.port)
        found = walk(vm.HOPS, vm.Vm(machine, options.port, options.name, options.desk))
    else:
        heading = text("heading_host", port=options.port)
        if options.vm:
            heading = text("heading_host_vm", port=options.port, vm=options.vm)
        found = walk(host.HOPS, host.Host(machine, options.port, options.vm))
    if options.json:
        return _print_json(options.place, options.port, found, language)
    return _print_text(heading, found, language)


def _print_json(place: str, port: int, found: Iterator[tuple[str, Finding]], language: str) -> int:
    hops: list[dict[str, Any]] = [
        {
            "name": name, "mark": finding.mark, "text": render(finding.text, language),
            "remedies": [render(remedy, language) for remedy in finding.remedies],
        }
        for name, finding in found
    ]
    count = _broken([hop["mark"] for hop in hops])
    json.dump({"place": place, "port": port, "broken": count, "hops": hops}, sys.stdout, ensure_ascii=False, indent=2)
    print()
    return count


def _print_text(heading: Text, found: Iterator[tuple[str, Finding]], language: str) -> int:
    print(render(heading, language), flush=True)
    marks = []
    for _, finding in found:
        print(f" {MARKS[finding.mark]} {render(finding.text, language)}")
        for remedy in finding.remedies:
            print(f"     → {render(remedy, language)}")
        sys.stdout.flush()
        marks.append(finding.mark)
    count = _broken(marks)
    if count == 1:
        said = text("one_broken")
    elif count:
        said = text("several_broken", count=count)
    else:
        said = text("nothing_broken_but_read") if "warn" in marks else text("nothing_broken")
    print(render(said, language))
    return count


def _broken(marks: list[str]) -> int:
    """The exit code: the number of broken findings, and never one that means something else."""
    return min(marks.count("broken"), EXIT_USAGE - 1)
