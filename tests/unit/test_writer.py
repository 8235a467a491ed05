"""Messages on their way into the database: few pages are written, and the pages of each audience are found again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

import pytest

from classcord.data import writer
from classcord.data.history import Page, Scope, _Rows
from classcord.data.schema import MIGRATIONS, SPAN_BITS, VERSION
from classcord.data.store import Store
from tests.unit.pages import Made, Row, expected, made_in, past, store, whole

SPAN = 1 << SPAN_BITS
CHANNELS = [f"#c{number}" for number in range(10)]
SCOPES = [Scope(), Scope("#dev"), Scope("#vide"), Scope(None, ("alice", "bob"))]
PAGES = [Page(50), Page(50, before=2 * SPAN), Page(50, after=SPAN), Page(3, after=SPAN, before=3 * SPAN)]


def mixed(count: int) -> list[Row]:
    """Messages to everybody, in a channel that speaks in a few spans, and private ones."""
    rows = []
    for id in range(1, count + 1):
        channel = "#dev" if id % SPAN == 3 and id // SPAN % 2 == 0 else None
        rows.append(past(id, "alice", "bob" if not channel and id % 5 == 0 else None, f"n {id}", channel=channel))
    return rows


def spans(folder: Path) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(folder / "classcord.db")) as db:
        return db.execute("SELECT audience, span FROM audience_spans ORDER BY 1, 2").fetchall()


def test_a_commit_writes_no_page_for_each_channel(tmp_path: Path) -> None:
    log = tmp_path / "classcord.db-wal"
    written: dict[int, list[int]] = {1: [], 10: []}
    with closing(Store(tmp_path)) as store:
        number = 0
        for _ in range(SPAN):
            for count, sizes in written.items():
                batch = [(number + n + 1, 0, "alice", False, None, CHANNELS[n], "texte") for n in range(count)]
                number += count
                before = log.stat().st_size
                store.commit(batch, [])
                sizes.append(log.stat().st_size - before)
    middle = {count: sorted(sizes)[len(sizes) // 2] for count, sizes in written.items()}
    assert middle[10] == middle[1], "bytes of the write-ahead log"


@contextmanager
def counted(made: Made) -> Iterator[tuple[sqlite3.Connection, list[int]]]:
    """A connection that reads, and a list with the number of instructions of SQLite that it has taken, in hundreds."""
    steps = [0]

    def step() -> None:
        steps[0] += 1

    with closing(made.history._open()) as connection:
        connection.set_progress_handler(step, 100)
        yield connection, steps


@pytest.mark.parametrize("oldest", [True, False])
def test_a_page_of_a_quiet_channel_does_not_read_what_others_have_said(tmp_path: Path, oldest: bool) -> None:
    with made_in(tmp_path) as made:
        channels = [(id, "#dev" if id % 5000 == 1 else None) for id in range(1, 30_000)]
        store(made, [past(id, "alice", None, "x", channel=channel) for id, channel in channels])
        with counted(made) as (connection, steps):
            assert len(_Rows(connection, Scope("#dev"), oldest).headings(0, 30_000, 50)) == 6
            found = steps[0]
            connection.execute("SELECT count(*) FROM message_rows WHERE channel = '#dev'").fetchone()
        assert found * 10 < steps[0]


@pytest.mark.parametrize("oldest", [True, False])
def test_a_page_does_not_look_for_old_messages_that_were_deleted(tmp_path: Path, oldest: bool) -> None:
    with made_in(tmp_path) as made:
        store(made, [past(id, "alice", None, "x") for id in range(1, 30_000)])
        made.store.commit([], [], [("expire", (1, 29_989))])
        with counted(made) as (connection, steps):
            assert len(_Rows(connection, Scope(), oldest).headings(0, 30_000, 50)) == 10
        assert steps[0] < 10


def test_what_a_failed_commit_had_is_written_again(tmp_path: Path) -> None:
    broken = 9, 0, "x", False, None, None, cast(str, None)
    rows = mixed(8)
    with made_in(tmp_path) as made:
        with pytest.raises(sqlite3.IntegrityError):
            made.store.commit([
                *((row.id, 0, "alice", False, row.recipient, channel, "") for row, channel in rows), broken
            ], [])
        store(made, rows)
        for scope in SCOPES:
            assert whole(made.history, scope, Page(50)) == expected(rows, scope, Page(50))


def test_more_spans_than_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_KNOWN", 2)
    rows = mixed(9 * SPAN)
    with made_in(tmp_path) as made:
        for start in range(0, len(rows), 7):
            store(made, rows[start : start + 7])
            assert len(made.store._writer._spans) <= 2 + 2 * 2
        for scope in SCOPES:
            for page in PAGES:
                assert whole(made.history, scope, page) == expected(rows, scope, page)


@pytest.mark.parametrize("version", range(5, VERSION))
def test_a_database_of_an_earlier_version_has_the_same_pages(tmp_path: Path, version: int) -> None:
    rows = mixed(5 * SPAN)
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        for steps in MIGRATIONS[:version]:
            for statement in steps:
                db.execute(statement)
        db.execute("INSERT INTO senders VALUES (1, 'alice', 0)")
        db.executemany(
            "INSERT INTO message_rows (id, time, sender, recipient, channel, content) VALUES (?, ?, 1, ?, ?, ?)",
            [(row.id, row.time, row.recipient, channel, row.content) for row, channel in rows],
        )
        db.execute(f"PRAGMA user_version={version}")
        db.commit()
    with made_in(tmp_path) as made:
        more = [past(5 * SPAN + id, "bob", None, "new", channel="#dev") for id in range(1, 4)]
        store(made, more)
        for scope in SCOPES:
            for page in PAGES:
                assert whole(made.history, scope, page) == expected(rows + more, scope, page)
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db:
        indexes = db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
    assert indexes == [("message_exchanges",)]


def test_spans_of_old_messages_that_were_deleted_go_at_the_next_start(tmp_path: Path) -> None:
    rows = mixed(5 * SPAN)
    with made_in(tmp_path) as made:
        store(made, rows)
        made.store.commit([], [], [("expire", (1, 3 * SPAN))])
        left = [row for row in rows if row.past.id > 3 * SPAN]
        for page in PAGES:
            assert whole(made.history, Scope(), page) == expected(left, Scope(), page)
        assert ("", 0) in spans(tmp_path)
    Store(tmp_path).close()
    assert spans(tmp_path) == [("", 3), ("", 4), ("#dev", 4)]
    with made_in(tmp_path) as made:
        for page in PAGES:
            assert whole(made.history, Scope(), page) == expected(left, Scope(), page)
        made.store.commit([], [], [("delete_messages", (1, 5 * SPAN))])
        again = [past(5 * SPAN + id, "alice", None, "new") for id in range(1, 4)]
        store(made, again)
        assert whole(made.history, Scope(), Page(50)) == expected(again, Scope(), Page(50))
    Store(tmp_path).close()
    assert spans(tmp_path) == [("", 5)]
