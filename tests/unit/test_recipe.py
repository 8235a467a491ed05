"""The recipe of docs/DESIGN.md for a new request works, step by step, in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT, Client, Server

RECIPE = (ROOT / "docs" / "DESIGN.md").read_text().split("\n## A new request in ten minutes\n")[1].partition("\n## ")[0]
TESTS = (
    "tests/unit/test_table.py", "tests/unit/test_documents.py::test_the_exchanges_in_the_protocol_are_what_happens",
    "tests/functional/test_protocol_commands.py::test_the_time_of_the_server",
)


def copy(to: Path) -> Path:
    """The part of the project that the recipe and its tests need."""
    for folder in ("classcord", "handlers", "docs", "tests"):
        shutil.copytree(ROOT / folder, to / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("server.py", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / file, to)
    return to


def follow(part: str, project: Path) -> None:
    """Make the changes that a part of the recipe shows."""
    changes = re.findall(r"`([\w./]+)`:\n\n```diff\n(.*?)```", part, re.DOTALL)
    assert len(changes) == part.count("```diff"), "each block says its file"
    for name, block in changes:
        lines = [(line[:1], line[1:]) for line in block.splitlines()]
        assert {sign for sign, _ in lines} <= {"+", "-", " ", ""}, block
        before = "\n".join(line for sign, line in lines if sign != "+") + "\n"
        after = "\n".join(line for sign, line in lines if sign != "-") + "\n"
        text = (project / name).read_text()
        assert text.count(before) == 1, f"docs/DESIGN.md: {name} has {text.count(before)} places like this:\n{before}"
        (project / name).write_text(text.replace(before, after))


def outcome(project: Path) -> tuple[int, str]:
    """The exit code of the tests in that copy, and their output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CLASSCORD_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS],
        cwd=project, env=clean, capture_output=True, text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_recipe_for_a_new_request(tmp_path: Path) -> None:
    project = copy(tmp_path / "project")
    _, code, documents = re.split(r"\n### .*\n", RECIPE)
    follow(code, project)
    code_alone, output = outcome(project)
    assert code_alone == 1, output
    for fault in (
        "docs/PROTOCOLE.md: the table of requests lacks a row for `time`: | `time` |  |  | tous |  | ... |",
        "docs/PROTOCOLE.md: the table of typed commands lacks a row for `/heure`:"
        " | `/heure` (`/time`) | tous |  | ... |",
        "docs/PROTOCOLE.md: the answer to /aide in the exchange lacks a command",
    ):
        assert fault in output, output
    assert "2 failed" in output, output
    follow(documents, project)
    assert outcome(project)[0] == 0, outcome(project)[1]
    with Server(tmp_path / "data", command=[sys.executable, str(project / "server.py")]) as server:
        with Client((server.host, server.port)) as client:
            assert set(client.ask({"type": "time"})) == {"type", "time"}
            assert "time" in {entry["type"] for entry in client.ask("help")["types"]}
        assert server.stop() == 0
