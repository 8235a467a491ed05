"""A database of the first schema becomes one of today: people read the same in it, and nothing is lost."""

from __future__ import annotations

import itertools
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.data.schema import MIGRATIONS, VERSION
from classcord.data.store import Store, StoreError
from tests.support import DEADLINE
from tests.unit.test_command_line import SERVER

Row = tuple[Any, ...]
ALICE = ("alice", "Alice", "scrypt$…", "2026-01-01T00:00:00.000Z")
ROWS: list[Row] = [
    (1, "2026-01-01T08:59:59.999Z", "Alice", 0, "global", None, "Bonjour"),
    (2, "2026-01-01T09:00:00.000Z", "Invité-1", 1, "global", None, "é\n'\"\0😀"),
    (5, "2026-01-01T09:00:00.001Z", "Alice", 1, "private", "bob", "a guest with the name of an account"),
    (7, "hier", "bob", 0, "private", None, "an operator wrote this"),
    (8, "2026-01-01 09:00", "Invité-1", 1, "private", "Alice", ""),
]


def first_schema(folder: Path, rows: list[Row]) -> None:
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / "classcord.db")) as db:
        for statement in MIGRATIONS[0]:
            db.execute(statement)
        db.execute("INSERT INTO accounts VALUES (?,?,?,?)", ALICE)
        db.executemany("INSERT INTO messages VALUES (?,?,?,?,?,?,?)", rows)
        db.execute("PRAGMA user_version=1")
        db.commit()


def read(folder: Path) -> list[Row]:
    with closing(sqlite3.connect(folder / "classcord.db")) as db:
        return db.execute("SELECT id, time, sender, guest, kind, recipient, content FROM messages").fetchall()


def expected(rows: list[Row]) -> list[Row]:
    """A private message always has a recipient; a row without one was never the server's, and stays private."""
    return [(*row[:5], "" if row[4] == "private" and row[5] is None else row[5], row[6]) for row in rows]


def test_people_read_the_same_before_and_after(tmp_path: Path) -> None:
    first_schema(tmp_path, ROWS)
    store = Store(tmp_path)
    assert store.accounts() == [(*ALICE, "user")]
    assert store.last_id() == 8
    store.commit([(9, 1_767_225_600_123, "Alice", False, None, None, "the next")], [])
    store.close()
    assert read(tmp_path) == [
        *expected(ROWS), (9, "2026-01-01T00:00:00.123Z", "Alice", 0, "global", None, "the next")
    ]
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        names = [name for (name,) in db.execute("SELECT name FROM senders WHERE NOT guest ORDER BY id")]
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert names == ["Alice", "bob"], "the sender is in the table once"


@pytest.mark.parametrize("version", [2, 3])
def test_messages_of_a_version_without_channels_were_to_everybody_or_to_a_person(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        for statement in itertools.chain(*MIGRATIONS[:version]):
            db.execute(statement)
        db.execute("INSERT INTO senders VALUES (1, 'Alice', 0)")
        db.execute("INSERT INTO message_rows VALUES (1, 0, 1, NULL, 'all'), (2, 0, 1, 'bob', 'one')")
        db.execute(f"PRAGMA user_version={version}")
        db.commit()
    store = Store(tmp_path)
    store.commit([(3, 0, "Alice", False, None, "#dev", "some"), (4, 0, "bob", True, "Alice", None, "one")], [])
    store.close()
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        found = db.execute("SELECT id, sender, kind, recipient, channel, content FROM messages").fetchall()
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)
        db.execute("UPDATE messages SET content = '…' WHERE channel = '#dev'")
        db.execute("DELETE FROM messages WHERE kind = 'global'")
        assert db.execute("SELECT id, content FROM messages").fetchall() == [(2, "one"), (3, "…"), (4, "one")]
    assert found == [
        (1, "Alice", "global", None, None, "all"), (2, "Alice", "private", "bob", None, "one"),
        (3, "Alice", "channel", None, "#dev", "some"), (4, "bob", "private", "Alice", None, "one"),
    ]


@given(st.lists(st.tuples(
    st.one_of(st.datetimes().map(lambda t: t.isoformat(timespec="milliseconds") + "Z"), st.text(max_size=30)),
    st.sampled_from(["a", "A", "é"]), st.integers(0, 1), st.sampled_from(["global", "private"]), st.text(max_size=5),
)))
def test_whatever_is_in_it(tmp_path_factory: pytest.TempPathFactory, found: list[Row]) -> None:
    folder = tmp_path_factory.mktemp("old")
    rows = [
        (2 * number, time, sender, guest, kind, "zoé" if kind == "private" else None, content)
        for number, (time, sender, guest, kind, content) in enumerate(found, 1)
    ]
    first_schema(folder, rows)
    Store(folder).close()
    assert read(folder) == rows


def test_a_migration_that_fails_half_way_leaves_the_old_database(tmp_path: Path) -> None:
    first_schema(tmp_path, ROWS)
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        db.execute("CREATE TABLE message_rows (something of another program)")
    with pytest.raises(StoreError, match="another program made it"):
        Store(tmp_path)
    assert read(tmp_path) == ROWS
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        db.execute("DROP TABLE message_rows")
    Store(tmp_path).close()
    assert read(tmp_path) == expected(ROWS)


def test_a_backup_of_the_first_schema_is_restored(tmp_path: Path) -> None:
    first_schema(tmp_path / "old", ROWS)
    for name, folder in (("backup", "old"), ("restore", "new")):
        done = subprocess.run(
            [*SERVER, name, "--data", str(tmp_path / folder), str(tmp_path / "copy.db")], capture_output=True,
            text=True, timeout=DEADLINE, check=False,
        )
        assert (done.returncode, done.stderr.partition(": ")[2]) == (0, "accounts: 1, messages: 5\n"), done
    assert read(tmp_path / "old") == ROWS, "a backup changes nothing"
    assert read(tmp_path / "new") == expected(ROWS)
    with closing(sqlite3.connect(tmp_path / "new" / "classcord.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_an_operator_may_delete_messages_and_change_contents(tmp_path: Path) -> None:
    first_schema(tmp_path, ROWS)
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        db.execute("DELETE FROM messages WHERE sender = 'Alice'")
        db.execute("UPDATE messages SET content = '…' WHERE kind = 'private'")
        with pytest.raises(sqlite3.OperationalError):
            db.execute("UPDATE messages SET sender = 'bob'")
        db.commit()
    assert [(row[0], row[6]) for row in read(tmp_path)] == [(2, ROWS[1][6]), (7, "…"), (8, "…")]


def test_more_senders_than_the_server_remembers(tmp_path: Path) -> None:
    """On two servers, one after the other."""
    rows: list[Row] = []
    for start in (0, 6000):
        store = Store(tmp_path)
        for first in range(start, start + 6000, 1000):
            numbers = range(first, first + 1000)
            some = [(n + 1, 0, f"Invité-{n % 5000}", n % 2 == 0, None, None, str(n)) for n in numbers]
            store.commit(some, [])
            rows += some
        store.close()
    assert [(row[0], row[2], bool(row[3])) for row in read(tmp_path)] == [(row[0], row[2], row[3]) for row in rows]
