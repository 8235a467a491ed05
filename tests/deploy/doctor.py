"""What the tests of deploy/doctor.sh share: running it, and reading what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.machines import PROJECT, Desk, Machine
from tests.support import ROOT

__all__ = ["SCRIPT", "TOOLS", "Diagnosis", "ask", "ask_desk", "only_tool", "read"]

SCRIPT = ROOT / "deploy/doctor.sh"
TOOLS = ("python3", "nc.openbsd", "nc.traditional", "ncat")
"""The programs with which it can speak TCP."""


LATE = re.compile(r"\bwithin \d s\b|nothing comes back to a browser")
"""What it says of something that took too long."""


class Diagnosis:
    """What the doctor said: `lines` as (mark, text, advice), and its exit code."""

    again: Callable[[], Diagnosis] | None = None
    """Asks once more."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        self.lines: list[tuple[str, str, list[str]]] = []
        for line in text.splitlines()[1:-1]:
            if line.startswith("     → "):
                self.lines[-1][2].append(line[7:])
            else:
                assert line[0] == line[2] == " ", line
                self.lines.append((line[1], line[3:], []))
        broken = self.marked("✘")
        assert code == len(broken), text
        assert all(advice for mark, _, advice in self.lines if mark == "✘"), text

    def marked(self, mark: str) -> list[str]:
        """The texts of the hops that have the mark."""
        return [text for found, text, _ in self.lines if found == mark]

    def only_broken(self, part: str, advice: str) -> None:
        """One hop is broken: its text has `part`, and `advice` is under it."""
        assert self.code == 1, self.text
        text, told = next((text, told) for mark, text, told in self.lines if mark == "✘")
        assert part in text, self.text
        assert any(advice in line for line in told), self.text

    def warned(self, part: str, *advice: str) -> None:
        """Nothing is broken. A hop that has `part` is marked !, and each of `advice` is under it."""
        self.well()
        told = [told for mark, text, told in self.lines if mark == "!" and part in text]
        assert len(told) == 1, self.text
        for line in advice:
            assert any(line in each for each in told[0]), self.text

    def well(self, *parts: str) -> None:
        """Nothing is broken, and each of the parts is in the text of a hop that works.

        What only took too long, as everything may for once on a busy machine, is asked again, and that answer counts.
        """
        if self.again is not None and self.code and all(map(LATE.search, self.marked("✘"))):
            vars(self).update(vars(self.again()), again=None)
        assert self.code == 0, self.text
        mind = "; read the lines marked !" if self.marked("!") else ""
        assert self.text.endswith(f"Nothing is broken, as far as can be seen from here{mind}.\n")
        for part in parts:
            assert any(part in text for text in self.marked("✔")), self.text


def read(done: subprocess.CompletedProcess[str]) -> Diagnosis:
    """The diagnosis that a call printed. It must have nothing on standard error."""
    assert done.stderr == "", done.stdout + done.stderr
    return Diagnosis(done.returncode, done.stdout)


def ask(machine: Machine, arguments: str = "", *, user: str = "root", sudo: bool = False,
        script: str = "deploy/doctor.sh") -> Diagnosis:
    """Run it on a machine, in English, from the project's folder. It promises 15 s; a busy machine gets longer."""
    line = f"{'sudo ' if sudo else ''}env CLASSCORD_LANG=en timeout 30 sh {script} {arguments}"
    return _asked(lambda: read(machine.run(line, user=user, cwd=PROJECT, check=False)))


def ask_desk(desk: Desk, arguments: str, *, path: str = "$PATH") -> Diagnosis:
    """Run it at a desk; with `path`, only with the commands in that folder."""
    line = f"PATH={path} CLASSCORD_LANG=en /usr/bin/timeout 30 /bin/sh {SCRIPT} {arguments}"
    return _asked(lambda: read(desk.run(line, check=False)))


def _asked(asks: Callable[[], Diagnosis]) -> Diagnosis:
    said = asks()
    said.again = asks
    return said


def only_tool(tool: str, folder: Path) -> str:
    """Fill a folder for PATH with the commands of every desk (without timeout(1): Macs lack it) and one of TOOLS."""
    found = str(Path(sys.executable).resolve()) if tool == "python3" else shutil.which(tool)
    if found is None:
        pytest.skip(f"needs {tool}: apt install ncat netcat-openbsd netcat-traditional")
    (folder / ("nc" if tool.startswith("nc.") else tool)).symlink_to(found)
    for name in ("cat", "cut", "grep", "sed", "sleep", "sort", "tr", "uname"):
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return str(folder)
