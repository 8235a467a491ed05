"""Pages of stored messages, and searches in them, against a plain model; the index that follows."""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.data.history import _READERS, History, Page, Past, Scope, Unreadable, _Rows
from classcord.data.search import SEARCH, Search, marked
from classcord.data.store import Store
from classcord.wire.words import words_of
from tests.support import DEADLINE

WORDS = [
    "Élève", "eleve", "ÉLÈVES", "le", "naïf", "§le", "straße", "STRASSE", "ﬁn", "l'été", "日本", "a_b", "²",
    "Œuf", "oeuf",
]
PEOPLE = ["alice", "bob", "Zoé"]
CHANNELS = ["#dev", "#été"]


class Made(NamedTuple):
    store: Store
    search: Search
    history: History

    def follow(self, batches: int = 1 << 30) -> None:
        """Let the index follow for so many batches."""
        with self.search._opened() as (source, index):
            for _ in range(batches):
                if not self.search._take(source, index):
                    break


@contextmanager
def made_in(folder: Path) -> Iterator[Made]:
    search = Search(folder, words_of)
    made = Made(Store(folder), search, History(folder, search))
    with closing(made.store), closing(made.history):
        yield made


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    with made_in(tmp_path) as made:
        yield made


class Row(NamedTuple):
    """A message as it is stored, and as it comes back."""

    past: Past
    channel: str | None


def past(
    id: int, sender: str, recipient: str | None, content: str, guest: bool = False, channel: str | None = None
) -> Row:
    return Row(Past(id, 1_767_225_600_000 + id, sender, guest, recipient, content), channel)


def store(made: Made, rows: list[Row]) -> None:
    made.store.commit([
        (row.id, int(row.time), row.sender, row.guest, row.recipient, channel, row.content) for row, channel in rows
    ], [])


def expected(rows: list[Row], scope: Scope, page: Page) -> list[Past]:
    """The same, in the simplest way."""
    found = [
        row for row, channel in rows
        if (page.after or 0) < row.id < (1 << 60 if page.before is None else page.before)
        and (
            row.recipient is None and channel == scope.channel if scope.accounts is None
            else not row.guest and sorted([row.sender, row.recipient or ""]) == sorted(scope.accounts)
            and int(row.time) > scope.since
        )
        and set(page.words) <= set(words_of(row.content))
    ]
    return found[: page.limit] if page.forward else found[-page.limit :]


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE), st.booleans(), st.none() | st.sampled_from(PEOPLE) | st.sampled_from(CHANNELS),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
    ),
    max_size=12,
)
IDS = st.none() | st.integers(0, 14)
SCOPES = st.builds(
    Scope, st.none() | st.sampled_from([*CHANNELS, "#vide"]),
    st.none() | st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)),
    st.integers(1_767_225_600_000, 1_767_225_600_012),
)


def rows_of(messages: list[tuple[str, bool, str | None, str]]) -> list[Row]:
    return [
        past(id, sender, None if channel else to, content, guest, channel)
        for id, (sender, guest, to, content) in enumerate(messages, 1)
        for channel in [to if to in CHANNELS else None]
    ]


@given(
    messages=MESSAGES, reached=st.integers(0, 12), scope=SCOPES, limit=st.integers(1, 5), before=IDS, after=IDS,
    words=st.lists(st.sampled_from(WORDS), max_size=2), step=st.integers(1, 3), span=st.integers(1, 4),
    deleted=st.sets(st.integers(1, 12), max_size=3),
)
def test_a_page_has_what_it_should_however_far_the_index_is(
    messages: list[tuple[str, bool, str | None, str]], reached: int, scope: Scope, limit: int,
    before: int | None, after: int | None, words: list[str], step: int, span: int, deleted: set[int],
) -> None:
    rows = rows_of(messages)
    page = Page(limit, before, after, tuple(word for text in words for word in words_of(text)))
    with TemporaryDirectory() as folder, made_in(Path(folder)) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr("classcord.data.history._STEP", step)
        patch.setattr("classcord.data.history._SPAN", span)
        store(made, rows[:reached])
        made.follow()
        store(made, rows[reached:])
        made.store.commit([], [], [("delete_message", (id,)) for id in deleted])
        left = [row for row in rows if row.past.id not in deleted]
        assert made.history.read(scope, page) == expected(left, scope, page)


@given(messages=MESSAGES, scope=SCOPES, word=st.sampled_from(WORDS).map(lambda text: words_of(text)[0]))
def test_the_index_itself_keeps_the_audiences_apart(
    messages: list[tuple[str, bool, str | None, str]], scope: Scope, word: str
) -> None:
    rows, scope = rows_of(messages), scope._replace(since=0)
    with TemporaryDirectory() as folder, made_in(Path(folder)) as made:
        store(made, rows)
        made.follow()
        found = made.search.ids(marked([word], scope.channel, scope.accounts), 0, len(rows) + 1, 99, oldest=True)
        assert found == [row.id for row in expected(rows, scope, Page(99, words=(word,)))]


def few_among(others: int) -> list[Row]:
    """Some messages of each audience, so many to others, and some of each again."""
    rows: list[Row] = []
    for count in (40, others, 40):
        audiences = [(None, None), ("bob", None), (None, "#dev")] if count == 40 else [("Zoé", None), (None, "#other")]
        for number in range(count):
            for recipient, channel in audiences:
                rows.append(past(len(rows) + 1, "alice", recipient, f"mot m{number % (count // 20)}", channel=channel))
    return rows


@pytest.mark.parametrize("scope", [
    Scope(), Scope("#dev"), Scope("#vide"), Scope("#other"), Scope(None, ("bob", "alice")),
], ids=str)
@pytest.mark.parametrize("page", [
    Page(50), Page(50, after=1), Page(50, words=("mot",)), Page(50, after=1, words=("mot",)), Page(50, words=("m1",)),
], ids=str)
def test_a_page_and_a_search_do_not_go_through_many_messages(
    tmp_path: Path, scope: Scope, page: Page
) -> None:
    """In steps of SQLite, which are the same each time."""
    steps = []
    for others in (300, 3000):
        folder = tmp_path / str(others)
        folder.mkdir()
        with made_in(folder) as made:
            store(made, rows := few_among(others))
            made.follow()
            made.history.read(scope, page)  # opens the connection
            opened = made.history._readers.take()
            assert opened is not None
            counted: list[None] = []
            opened[0].set_progress_handler(lambda counted=counted: counted.append(None), 1)  # type: ignore[misc]
            made.history._readers.give(opened)
            assert made.history.read(scope, page) == expected(rows, scope, page)
            steps.append(len(counted))
    assert steps[1] < 1.5 * steps[0]


@pytest.mark.parametrize("indexed", [True, False])
def test_a_long_search_lets_others_read_between_its_steps(
    made: Made, monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    """Each search here waits in its second step until somebody else has read, with the last connection."""
    monkeypatch.setattr("classcord.data.history._STEP", 5)
    monkeypatch.setattr("classcord.data.history._SPAN", 5)
    store(made, [past(id, "alice", None, "pair" if id % 2 else "impair") for id in range(1, 100)])
    if indexed:
        made.follow()
    others = [made.history._readers.take() for _ in range(_READERS - 1)]
    reading = threading.Thread(target=made.history.message, args=(1,), daemon=True)
    between, taken = _Rows.between, 0

    def watched(self: _Rows, low: int, high: int, limit: int, ids: Sequence[int] | None = None) -> list[Past]:
        nonlocal taken
        if limit == (1 if indexed else 5):  # a step begins
            taken += 1
        if taken == 1 and not reading.is_alive():
            reading.start()
            while not made.history._readers._waiting:
                time.sleep(0)
        if taken == 2:
            reading.join(DEADLINE)
            assert not reading.is_alive(), "it has not had the connection"
        return between(self, low, high, limit, ids)

    monkeypatch.setattr(_Rows, "between", watched)
    assert made.history.read(Scope(), Page(5, words=("pair", "impair"))) == []
    assert taken > 2
    for each in others:
        made.history._readers.give(each)


def test_a_search_sees_that_the_index_was_made_again_meanwhile(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [past(id, "alice", None, "mot") for id in range(1, 30)]
    store(made, rows)
    made.follow()
    monkeypatch.setattr("classcord.data.history._STEP", 5)
    ids, calls = made.search.ids, 0

    def again(words: Sequence[str], low: int, high: int, limit: int, *, oldest: bool) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 2:
            with closing(sqlite3.connect(made.search._path)) as index:
                index.execute("PRAGMA user_version = 1")
            made.follow(1 if oldest else 0)  # it has nothing, or everything again
        return ids(words, low, high, limit, oldest=oldest)

    monkeypatch.setattr(made.search, "ids", again)
    for page in (Page(20, words=("mot",)), Page(20, after=0, words=("mot",))):
        calls = 0
        assert made.history.read(Scope(), page) == expected(rows, Scope(), page)
        assert calls >= 2
        made.follow()


@pytest.mark.parametrize("indexed", [0, 1, 3, 99])
def test_a_search_goes_through_many_messages(made: Made, indexed: int) -> None:
    rows = [
        past(id, "alice", None if id % 3 else "bob", "rare" if id % 100 == 1 else f"mot{id}") for id in range(1, 900)
    ]
    store(made, rows)
    made.follow(indexed)
    for page in (Page(5, words=("rare",)), Page(5, after=300, words=("rare",)), Page(5, before=300, words=("rare",))):
        for scope in (Scope(), Scope(None, ("bob", "alice"))):
            assert made.history.read(scope, page) == expected(rows, scope, page)


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
        assert [row.id for row in history.read(Scope(), Page(5, words=("mot2",)))] == [2]
        assert [row.id for row in history.read(Scope(), Page(5, words=("mot1",)))] == ([] if last == 3 else [1])
    assert (made.search._path.stat().st_mode & 0o777) == 0o600


def test_a_search_works_while_the_index_cannot_be_read(made: Made) -> None:
    store(made, [past(id, "alice", None, f"mot{id}") for id in range(1, 6)])
    made.follow()
    made.search._path.write_bytes(b"x" * 5000)
    for end in ("-wal", "-shm"):
        Path(f"{made.search._path}{end}").unlink(missing_ok=True)
    assert [row.id for row in made.history.read(Scope(), Page(5, words=("mot2",)))] == [2]


def test_another_file_in_the_place_of_the_database_is_read(made: Made, tmp_path: Path) -> None:
    store(made, [past(1, "alice", None, "one")])
    assert [row.content for row in made.history.read(Scope(), Page(5))] == ["one"]
    other = tmp_path / "other"
    other.mkdir()
    with made_in(other) as there:
        store(there, [past(1, "bob", None, "two")])
    path = tmp_path / "classcord.db"
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink()
    os.replace(other / "classcord.db", path)
    assert [row.content for row in made.history.read(Scope(), Page(5))] == ["two"]
    path.unlink()
    with pytest.raises(Unreadable):
        made.history.read(Scope(), Page(5))


def test_what_is_deleted_leaves_the_index_too(made: Made) -> None:
    store(made, [past(id, "alice", None, f"mot{id}") for id in range(1, 6)])
    made.follow()
    made.store.commit([], [], [("delete_message", (2,)), ("delete_messages", (4, 5))])
    assert made.store.deletions == 2
    with closing(made.search._connect()) as index:
        made.search._purge(index)
        assert index.execute("SELECT rowid, content FROM words").fetchall() == [(1, "§mot1"), (3, "§mot3")]
    assert [row.id for row in made.history.read(Scope(), Page(5))] == [1, 3]


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
