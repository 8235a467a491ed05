"""The events of the log: the code, the table and the document agree."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path

import pytest

from classcord.ops.events import CONNECTION, EVENTS
from tests.support import ROOT
from tests.unit.test_architecture import SOURCES, module

JOURNAL = (ROOT / "docs" / "JOURNAL.md").read_text()
CALLS = {"event", "exception", "log", "log_exception"}
"""The functions that log: their first argument is the event, and those with a name are its fields."""


def logged(path: Path) -> list[tuple[str, set[str], bool]]:
    """Each event that this file logs: its name, the fields that stand there, and whether it is of one connection."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            first = node.args[0]
            if node.func.attr in CALLS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                fields = {keyword.arg for keyword in node.keywords if keyword.arg}
                found.append((first.value, fields, "link" in ast.unparse(node.func)))
        elif isinstance(node, ast.Tuple) and len(node.elts) == 3 and isinstance(node.elts[2], ast.Dict):
            name = node.elts[1]  # of a batch: the seat, the event, its fields
            if isinstance(name, ast.Constant) and name.value in EVENTS:
                found.append((str(name.value), {str(ast.literal_eval(key)) for key in node.elts[2].keys if key}, True))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_the_code_logs_nothing_that_is_not_in_the_table(path: Path) -> None:
    for name, fields, connection in logged(path):
        assert name in EVENTS, f"{module(path)} logs {name}, which is not in classcord/ops/events.py"
        allowed = set(EVENTS[name].fields)
        assert fields <= allowed, f"{module(path)} logs {name} with {fields - allowed}: see classcord/ops/events.py"
        assert not connection or allowed >= set(CONNECTION), name


def test_the_table_has_nothing_that_the_code_does_not_log() -> None:
    fields: dict[str, set[str]] = {"log_lines_left_out": {"count"}, "internal_error": {"detail"}}
    for path in SOURCES:
        for name, some, connection in logged(path):
            fields.setdefault(name, set()).update(some, CONNECTION if connection else ())
    assert fields == {name: set(event.fields) for name, event in EVENTS.items()}


def test_the_document_shows_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| .+ \|$", JOURNAL, re.MULTILINE)
    shown = [(name, level, re.findall(r"`(\w+)`", fields)) for name, level, fields in rows]
    table = [(name, logging.getLevelName(e.level).lower(), list(e.fields)) for name, e in EVENTS.items()]
    assert shown == table, "docs/JOURNAL.md does not agree with classcord/ops/events.py"


def test_what_the_doctor_and_the_scripts_look_for_exists() -> None:
    for path in [*ROOT.glob("deploy/**/*.py"), *ROOT.glob("deploy/**/*.sh"), ROOT / "CONTAINERS.md"]:
        for words in re.findall(r"event[=\\]+\(?([a-z_|]+)", path.read_text()):
            for name in words.split("|"):
                assert name in EVENTS, f"{path.name} looks for {name}"
