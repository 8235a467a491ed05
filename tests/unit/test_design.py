"""docs/DESIGN.md speaks of what the code has."""

from __future__ import annotations

import ast
import re

from tests.support import ROOT
from tests.unit.test_architecture import SOURCES, module
from tests.unit.test_documents import table

DESIGN = (ROOT / "docs" / "DESIGN.md").read_text()


def members(node: ast.ClassDef | ast.Module) -> set[str]:
    """What is defined there: functions, classes, names."""
    found = set()
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.ClassDef):
            found.add(each.name)
        elif isinstance(each, ast.Assign | ast.AnnAssign):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            found.update(ast.unparse(target) for target in targets)
    return found


def known() -> set[str]:
    """All that a document may name: modules, what they define, and what their classes do."""
    found = set()
    for path in SOURCES:
        tree, name = ast.parse(path.read_text()), module(path).removeprefix("classcord.")
        short = name.rpartition(".")[2]
        found |= {name, short}
        for member in members(tree):
            found |= {member, f"{short}.{member}", f"{name}.{member}"}
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found |= {f"{node.name}.{member}" for member in members(node)}
    return found


def named(cell: str) -> list[str]:
    """The names in a cell. A small one after `Class.method` is a method of the same class."""
    found: list[str] = []
    owner = ""
    for name in re.findall(r"`([\w.]+)`", cell):
        before, dot, last = name.rpartition(".")
        if dot:
            owner = before
        elif last[0].isupper():
            owner = ""
        found.append(f"{owner}.{name}" if owner and not dot else name)
    return found


def test_who_may_call_what_names_what_exists_and_each_once() -> None:
    names = [name for row in table(DESIGN, "part") for part in row[0].split(";") for name in named(part)]
    assert len(names) > 40
    exists = known()
    assert [name for name in names if name not in exists] == [], "docs/DESIGN.md, Who may call what"
    assert sorted(set(names)) == sorted(names), "a name in two rows of docs/DESIGN.md, Who may call what"


def test_a_heading_stands_between_blank_lines() -> None:
    assert re.findall(r"[^\n]\n(#+ .*)\n", re.sub(r"```.*?```", "", DESIGN, flags=re.DOTALL)) == []
