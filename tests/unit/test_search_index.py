"""The index of searches follows the messages, and never keeps what is not there any longer."""

from __future__ import annotations

import os
import queue
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from classcord.data.history import History, Page, Scope
from classcord.data.search import SEARCH, Search
from classcord.wire.words import words_of
from tests.support import DEADLINE
from tests.unit.pages import Made, past, store, whole


def test_what_was_indexed_before_a_restart_still_is(made: Made) -> None:
    store(made, [past(id, "alice", None, "mot") for id in range(1, 6)])
    made.follow()
    again = Search(made.search._path.parent, words_of)
    with closing(sqlite3.connect(again._source, uri=True)) as source:
        again._open(source).close()
    assert again.reached() == 5


def other_messages(made: Made) -> None:
    """As after a restore."""
    with closing(sqlite3.connect(made.search._path.parent / "classcord.db")) as db, db:
        db.execute("DELETE FROM message_rows WHERE id > 3")
        db.execute("UPDATE message_rows SET content = 'autre' WHERE id = 1")


DAMAGE: list[Callable[[Made], object]] = [
    lambda made: made.search._path.unlink(),
    lambda made: made.search._path.write_bytes(b"x" * 5000),
    lambda made: made.search._path.write_bytes(b""),
    lambda made: os.truncate(made.search._path, 4096),
    other_messages,
]


@pytest.mark.parametrize("harm", DAMAGE, ids=["deleted", "overwritten", "emptied", "cut", "of other messages"])
def test_an_index_that_is_not_of_these_messages_is_made_again(made: Made, harm: Callable[[Made], None]) -> None:
    store(made, [past(id, "alice", None, f"mot{id}") for id in range(1, 6)])
    made.follow()
    with closing(sqlite3.connect(made.search._path)) as index:
        index.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    harm(made)
    fresh = Made(made.store, Search(made.search._path.parent, words_of), made.history)
    fresh.follow()
    last = made.store.last_id()
    assert fresh.search.reached() == last
    with closing(History(made.search._path.parent, fresh.search)) as history:
        assert [row.id for row in whole(history, Scope(), Page(5, words=("mot2",)))] == [2]
        assert [row.id for row in whole(history, Scope(), Page(5, words=("mot1",)))] == ([] if last == 3 else [1])
    assert (made.search._path.stat().st_mode & 0o777) == 0o600


def test_a_search_works_while_the_index_cannot_be_read(made: Made) -> None:
    store(made, [past(id, "alice", None, f"mot{id}") for id in range(1, 6)])
    made.follow()
    made.search._path.write_bytes(b"x" * 5000)
    for end in ("-wal", "-shm"):
        Path(f"{made.search._path}{end}").unlink(missing_ok=True)
    assert [row.id for row in whole(made.history, Scope(), Page(5, words=("mot2",)))] == [2]


def test_what_is_deleted_leaves_the_index_too(made: Made) -> None:
    store(made, [past(id, "alice", None, f"mot{id}") for id in range(1, 6)])
    made.follow()
    made.store.commit([], [], [("delete_message", (2,)), ("delete_messages", (4, 5))])
    assert made.store.deletions == 2
    with closing(made.search._connect()) as index:
        made.search._purge(index)
        assert index.execute("SELECT rowid, content FROM words").fetchall() == [(1, "§mot1"), (3, "§mot3")]
    assert [row.id for row in whole(made.history, Scope(), Page(5))] == [1, 3]


def test_what_is_deleted_leaves_the_index_that_follows(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier run has left there, what was deleted meanwhile, and what was too old."""
    monkeypatch.setattr("classcord.data.search._PAUSE", 0.01)
    store(made, [past(id, "alice", None, f"mot{id}") for id in range(1, 8)])
    made.follow()
    made.store.commit([], [], [("delete_message", (2,))])
    search = Search(made.search._path.parent, words_of, lambda: made.store.deletions, made.store.expired)
    looked: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
    take = search._take

    def watched(source: sqlite3.Connection, index: sqlite3.Connection) -> int:
        looked.put([id for (id,) in index.execute("SELECT rowid FROM words ORDER BY rowid")])
        return take(source, index)

    def left(*ids: int) -> None:
        """At the end of one of the next two looks of the thread: the first one may have begun before the deletion."""
        while not looked.empty():
            looked.get()
        assert [*ids] in (looked.get(timeout=DEADLINE), looked.get(timeout=DEADLINE))

    monkeypatch.setattr(search, "_take", watched)
    with closing(search):
        search.start()
        left(1, 3, 4, 5, 6, 7)
        made.store.commit([], [], [("delete_message", (3,))])
        left(1, 4, 5, 6, 7)
        made.store.commit([], [], [("expire", (4, 5))])
        left(1, 6, 7)
        made.store.commit([], [], [("delete_messages", (6, 7))])
        left(1)


def test_the_index_is_a_database_of_its_own(made: Made) -> None:
    """A reader or the index never holds the lock that a commit needs."""
    store(made, [past(1, "alice", None, "mot")])
    made.follow()
    with closing(sqlite3.connect(made.search._path, isolation_level=None)) as index:
        index.execute("BEGIN EXCLUSIVE")
        store(made, [past(2, "alice", None, "mot")])
    assert made.search._path.name == SEARCH
    assert made.store.last_id() == 2
