"""Which messages are too many, and that what is deleted is gone from the index of searches too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from classcord.data.excess import PIECE, Excess
from classcord.data.schema import MessageRow
from classcord.data.search import Search
from classcord.data.store import Store
from classcord.wire.words import words_of

DAY = 24 * 3600 * 1000
NOW = 100 * DAY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.close()


def fill(store: Store, first: int, last: int, time: int = NOW, content: str = "mot") -> None:
    rows: list[MessageRow] = [(id, time, "alice", False, None, None, content) for id in range(first, last + 1)]
    store.commit(rows, [])


def delete(store: Store, excess: Excess, now: int = NOW) -> int:
    """Delete piece after piece; how many these were."""
    pieces = 0
    while (found := excess.find(now)) is not None:
        first, last, count = found
        before = ids(store)
        store.commit([], [], [("expire", (first, last))])
        assert len(before) - len(ids(store)) == count
        excess.deleted(count)
        pieces += 1
    return pieces


def ids(store: Store) -> list[int]:
    with closing(sqlite3.connect(store._path)) as db:
        return [id for (id,) in db.execute("SELECT id FROM message_rows ORDER BY id")]


def test_without_limits_nothing_is_too_much(store: Store, tmp_path: Path) -> None:
    fill(store, 1, 10, time=0)
    assert Excess(tmp_path).find(NOW) is None


def test_by_age(store: Store, tmp_path: Path) -> None:
    fill(store, 1, 500, time=NOW - 31 * DAY)
    fill(store, 501, 510, time=NOW - 30 * DAY)
    assert delete(store, Excess(tmp_path, days=30)) == 3
    assert ids(store) == list(range(501, 511))


def test_a_text_in_place_of_a_time_is_as_old_as_its_neighbours(store: Store, tmp_path: Path) -> None:
    fill(store, 1, 9, time=0)
    fill(store, 10, 12)
    with closing(sqlite3.connect(store._path)) as db:
        db.execute("UPDATE message_rows SET time = 'hier' WHERE id IN (1, 5, 11)")
        db.commit()
    delete(store, Excess(tmp_path, days=30))
    assert ids(store) == [10, 11, 12]


def test_by_number_also_when_more_come_and_others_delete(store: Store, tmp_path: Path) -> None:
    excess = Excess(tmp_path, messages=100, deletions=lambda: store.deletions)
    fill(store, 1, 450)
    assert delete(store, excess) == 2
    assert ids(store) == list(range(351, 451))
    fill(store, 460, 464)
    delete(store, excess)
    assert ids(store) == [*range(356, 451), *range(460, 465)]
    store.commit([], [], [("delete_messages", (360, 370))])
    assert excess.find(NOW) is None
    fill(store, 500, 510)
    assert excess.find(NOW) is None
    fill(store, 511, 511)
    assert excess.find(NOW) == (356, 356, 1)


def test_by_size(store: Store, tmp_path: Path) -> None:
    for first in range(1, 4001, 100):
        fill(store, first, first + 99, content="x" * 1000)
    delete(store, Excess(tmp_path, size=2 << 20))
    left = ids(store)
    assert left[-1] == 4000
    assert 1_500_000 < 1000 * len(left) < 2 << 20
    before = pages(store)
    fill(store, 4001, 4500, content="x" * 1000)
    assert pages(store) == before, "the space is used again"


def pages(store: Store) -> int:
    with closing(sqlite3.connect(store._path)) as db:
        (count,) = db.execute("PRAGMA page_count").fetchone()
    return int(count)


def test_those_that_wait_stay(store: Store, tmp_path: Path) -> None:
    fill(store, 1, 3 * PIECE, time=0)
    store.commit([], [], [("wait", (id, "bob", NOW)) for id in (1, 2, PIECE + 7)])
    delete(store, Excess(tmp_path, days=1))
    assert ids(store) == [1, 2, PIECE + 7]
    assert delete(store, Excess(tmp_path, messages=1)) == 0, "nor does it try for ever"
    store.commit([], [], [("end_waiting", (2,))])
    delete(store, Excess(tmp_path, days=1))
    assert ids(store) == [1, PIECE + 7]


def test_what_was_deleted_leaves_the_index(store: Store, tmp_path: Path) -> None:
    fill(store, 1, 20)
    search = Search(tmp_path, words_of, lambda: store.deletions, store.expired)
    with closing(sqlite3.connect(search._source, uri=True)) as source, closing(search._open(source)) as index:
        search._take(source, index)
        store.commit([], [], [("wait", (3, "bob", NOW))])
        store.commit([], [], [("expire", (1, 8))])
        assert list(store.expired) == [(1, 8)]
        search._purge(index, *store.expired.popleft())
        assert [id for (id,) in index.execute("SELECT rowid FROM words")] == [3, *range(9, 21)]
