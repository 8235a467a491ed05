"""How far a long command is: shown at a terminal only, and never in the way of what it does."""

from __future__ import annotations

import io
import sqlite3
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from classcord.commands import import_users
from classcord.data import backup
from classcord.data.store import Store
from classcord.ops.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """In the test itself, not in a fixture: pytest puts its own file there before each test."""
    made = Terminal()
    monkeypatch.setattr("sys.stderr", made)
    return made


def test_the_line_is_drawn_anew_at_most_ten_times_a_second_and_then_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_terminal(monkeypatch)
    now = 0.0
    with Progress("rows", clock=lambda: now) as progress:
        progress.expect(2000)
        for step in range(2000):
            now = step / 1000
            progress.add(1)
    drawn = terminal.getvalue().split("\r")[1:]
    assert drawn[0] == "rows: 501 of 2,000\x1b[K"
    assert 10 <= len(drawn) - 1 <= 16
    assert drawn[-1] == "\x1b[K"
    assert "\n" not in terminal.getvalue()


def test_a_short_command_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_terminal(monkeypatch)
    with Progress("rows", clock=lambda: 1.0) as progress:
        progress.add(1)
    assert terminal.getvalue() == ""


def test_nothing_is_shown_elsewhere_or_if_it_should_be_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, quiet in ((io.StringIO(), False), (Terminal(), True), (None, False)):
        monkeypatch.setattr("sys.stderr", stream)
        with Progress("rows", quiet=quiet, clock=iter(range(100)).__next__) as progress:
            for _ in range(20):
                progress.add(1)
        assert (progress.shown, progress.done) == (False, 20)
        assert stream is None or stream.getvalue() == ""


def test_an_import_shows_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classcord.ops.progress._FIRST", 0)
    monkeypatch.setattr("classcord.ops.progress._NEXT", 0)
    (tmp_path / "list.csv").write_text("name,password\nalice,a\nbob,b\ncarla,c\n")
    settings: Any = SimpleNamespace(data=str(tmp_path / "data"), password_cost=1)
    terminal = at_terminal(monkeypatch)
    assert import_users.run(settings, Namespace(file=str(tmp_path / "list.csv"), format=None)) == 0
    drawn = terminal.getvalue().split("\r")[1:]
    assert drawn[:3] == [f"accounts: {done} of 3\x1b[K" for done in (1, 2, 3)]
    assert drawn[3].startswith("\x1b[K")


def test_a_backup_that_is_watched_shows_one_moment_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server writes during each step: the copy neither begins anew nor has half of it."""
    monkeypatch.setattr(backup, "_STEP", 1)
    store = Store(tmp_path)
    store.commit([(n, n, "alice", False, None, None, "x" * 3000) for n in range(1, 40)], [])
    steps = 0
    add = Progress.add

    def add_and_write(self: Progress, count: int) -> None:
        nonlocal steps
        steps += 1
        store.commit([(100 + steps, 1, "bob", False, None, None, "late" * 1000)], [])
        add(self, count)

    monkeypatch.setattr(Progress, "add", add_and_write)
    at_terminal(monkeypatch)
    backup.backup(tmp_path, str(tmp_path / "copy"))
    store.close()
    assert 20 < steps < 80
    with closing(sqlite3.connect(tmp_path / "copy")) as db:
        assert db.execute("SELECT count(*), max(id) FROM messages").fetchone() == (39, 39)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
