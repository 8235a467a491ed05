"""The doctor's table of texts: two languages, nothing missing, nothing left over."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest
from texts import LANGUAGES, TEXTS

from tests.support import ROOT

SOURCES = sorted(path for path in (ROOT / "deploy/doctor").glob("*.py") if not path.stem.startswith("texts_"))
MAKERS = {"ok", "broken", "warn", "unknown", "note", "text"}
"""The functions that take the key of a text first, and the values of its placeholders by name."""
OUTCOMES = {"answers", "full", "other", "silent", "closed", "refused", "noroute", "timeout", "failed"}
"""What a probe finds; in_words() takes the texts of the same names."""


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def calls() -> list[tuple[Path, ast.Call, str]]:
    """Each call that makes a text, with the key."""
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                (key, *_) = node.args
                keys = [key.body, key.orelse] if isinstance(key, ast.IfExp) else [key]
                found += [(path, node, str(each.value)) for each in keys if isinstance(each, ast.Constant)]
    return found


def test_each_text_that_is_said_exists_and_gets_its_values() -> None:
    for path, call, key in calls():
        where = f"{path.name}:{call.lineno} {key}"
        assert key in TEXTS, where
        assert {keyword.arg for keyword in call.keywords} == placeholders(TEXTS[key][0]), where


def test_no_text_is_left_over() -> None:
    words = {
        node.value for path in SOURCES for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    keys = set(re.findall(r'^    "(\w+)": \(', (ROOT / "deploy/doctor/texts.py").read_text(), re.MULTILINE))
    outside_the_table = {key for _, _, key in calls()} | (words - keys)
    assert set(TEXTS) - outside_the_table - OUTCOMES == set()


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_have_the_same_values_and_the_same_commands(key: str) -> None:
    assert len(TEXTS[key]) == len(LANGUAGES)
    french, english = TEXTS[key]
    assert placeholders(french) == placeholders(english)
    commands = [sorted(re.findall(r"  ([^(\s].*?)(?=  |$)", each)) for each in (french, english)]
    assert commands[0] == commands[1]
    for said in (french, english):
        assert "sudo" not in said, "a command is a value, so that it is the same in both"
