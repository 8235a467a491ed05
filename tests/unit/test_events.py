"""The events of the log: the code, the table and the document agree."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from classcord.ops.events import CONNECTION, EVENTS
from tests.support import ROOT
from tests.unit.test_architecture import SOURCES, module

JOURNAL = (ROOT / "docs" / "JOURNAL.md").read_text()
CALLS = {"event", "caused", "exception", "log", "log_exception"}
"""The functions that log: their first argument is the event, and those with a name are its fields."""


PASSED_ON = {
    ("classcord.ops.logs", "_write"), ("classcord.net.link", "log"), ("classcord.net.link", "log_exception"),
    ("classcord.delivery.batch", "log"), ("classcord.delivery.meanings", "log_batch"),
}
"""The functions that log an event which another one has named: they are among CALLS, or get it from one that is."""


def unnamed(tree: ast.Module) -> Iterator[str]:
    """The functions with a call that logs an event whose name does not stand there, or that adds it to a batch."""
    within: dict[ast.AST, str] = {}
    for function in ast.walk(tree):  # from the outside to the inside
        if isinstance(function, ast.FunctionDef):
            within.update(dict.fromkeys(ast.walk(function), function.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            first = node.args[0] if node.args else None
            added = ast.unparse(node.func).endswith((".events.append", ".events.extend"))
            if added or (node.func.attr in CALLS and not (isinstance(first, ast.Constant) and first.value in EVENTS)):
                yield within.get(node, "")


def logged(path: Path) -> list[tuple[str, set[str], bool]]:
    """Each event that this file logs: its name, the fields that stand there, and whether it is of one connection."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            first = node.args[0]
            if node.func.attr in CALLS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                fields = {keyword.arg for keyword in node.keywords if keyword.arg}
                found.append((first.value, fields, node.func.attr.startswith("log")))  # of a link or a batch
    return found


def test_each_event_is_named_where_it_is_logged() -> None:
    """So the tests below see all of them."""
    found = {(module(path), name) for path in SOURCES for name in unnamed(ast.parse(path.read_text()))}
    assert found == PASSED_ON
    imported = [module(path) for path in SOURCES if "from classcord.ops.logs import" in path.read_text()]
    assert imported == [], "they are only called as logs.event"


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_the_code_logs_nothing_that_is_not_in_the_table(path: Path) -> None:
    for name, fields, connection in logged(path):
        assert name in EVENTS, f"{module(path)} logs {name}, which is not in classcord/ops/events.py"
        allowed = set(EVENTS[name].fields)
        assert fields <= allowed, f"{module(path)} logs {name} with {fields - allowed}: see classcord/ops/events.py"
        assert not connection or allowed >= set(CONNECTION), name


def test_the_table_has_nothing_that_the_code_does_not_log() -> None:
    fields: dict[str, set[str]] = {"log_lines_left_out": {"what", "count", "peer"}, "internal_error": {"detail"}}
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
