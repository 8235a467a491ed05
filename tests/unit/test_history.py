"""Pages of stored messages, and searches in them, against a plain model."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.data.history import _READERS, _SEARCHES, Heading, History, Page, Past, Scope, Unreadable, _Rows
from classcord.data.search import marked
from classcord.wire.words import words_of
from tests.support import DEADLINE
from tests.unit.pages import Made, Row, expected, made_in, past, store, whole

WORDS = [
    "Élève", "eleve", "ÉLÈVES", "le", "naïf", "§le", "straße", "STRASSE", "ﬁn", "l'été", "日本", "a_b", "²",
    "Œuf", "oeuf",
]
PEOPLE = ["alice", "bob", "Zoé"]
CHANNELS = ["#dev", "#été"]


def fails(*_: object) -> None:
    raise Unreadable


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
    deleted=st.sets(st.integers(1, 12), max_size=3), apart=st.sampled_from([1, 40, 64, 200]),
)
def test_a_page_has_what_it_should_however_far_the_index_is(
    messages: list[tuple[str, bool, str | None, str]], reached: int, scope: Scope, limit: int,
    before: int | None, after: int | None, words: list[str], step: int, span: int, deleted: set[int], apart: int,
) -> None:
    rows = [row._replace(past=row.past._replace(id=row.past.id * apart)) for row in rows_of(messages)]
    before, after = (end and end * apart - end % 2 for end in (before, after))
    page = Page(limit, before, after, tuple(word for text in words for word in words_of(text)))
    with TemporaryDirectory() as folder, made_in(Path(folder)) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr("classcord.data.history._STEP", step)
        patch.setattr("classcord.data.history._SPAN", span)
        store(made, rows[:reached])
        made.follow()
        store(made, rows[reached:])
        made.store.commit([], [], [("delete_message", (id * apart,)) for id in deleted])
        left = [row for row in rows if row.past.id not in {id * apart for id in deleted}]
        assert whole(made.history, scope, page) == expected(left, scope, page)
        room = sum(sys.getsizeof(text) for *_, text in messages) // 2
        rows_or_headings = made.history.read(scope, page, room)
        assert [row.id for row in rows_or_headings] == [row.id for row in expected(left, scope, page)]
        kept = [row for row in rows_or_headings if isinstance(row, Past)]
        assert kept == expected(left, scope, page)[: len(kept)], "the first ones, which are sent first"
        assert sum(sys.getsizeof(row.content) for row in kept) <= room


@pytest.mark.parametrize("words", [(), ("mot",)])
def test_an_answer_keeps_as_many_contents_as_have_room(made: Made, words: tuple[str, ...]) -> None:
    rows = [past(id, "alice", None, f"mot {id:04}") for id in range(1, 30)]
    store(made, rows)
    room = 4 * sys.getsizeof(rows[0].past.content)
    page = Page(20, before=28, words=words)
    found = made.history.read(Scope(), page, room)
    assert found == [*(row.past for row in rows[7:11]), *(Heading(id, "alice") for id in range(12, 28))]
    assert made.history.read(Scope(), page, 0) == [Heading(id, "alice") for id in range(8, 28)]


def test_only_so_many_search_at_the_same_time(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may hold megabytes."""
    store(made, [past(id, "alice", None, "mot") for id in range(1, 30)])
    taken = [made.history._searches.take() for _ in range(_SEARCHES)]
    found: list[Past] = []
    page = Page(5, words=("mot",))
    searching = threading.Thread(target=lambda: found.extend(whole(made.history, Scope(), page)), daemon=True)
    searching.start()
    deadline = time.monotonic() + DEADLINE
    while not made.history._searches._waiting:
        assert time.monotonic() < deadline, "it does not wait"
    assert [row.id for row in whole(made.history, Scope(), Page(2))] == [28, 29], "a page waits for no search"
    assert found == []
    for each in taken:
        made.history._searches.give(each)
    searching.join(DEADLINE)
    assert [row.id for row in found] == [25, 26, 27, 28, 29]
    for name in ("_indexed", "_not_indexed"):  # a search that fails gives its turn back
        monkeypatch.setattr(History, name, fails)
    with pytest.raises(Unreadable):
        made.history.read(Scope(), page, 0)
    assert len(made.history._searches._idle) == _SEARCHES


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
            whole(made.history, scope, page)  # opens the connection
            opened = made.history._readers.take()
            assert opened is not None
            counted: list[None] = []
            opened[0].set_progress_handler(lambda counted=counted: counted.append(None), 1)  # type: ignore[misc]
            made.history._readers.give(opened)
            assert whole(made.history, scope, page) == expected(rows, scope, page)
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
    assert whole(made.history, Scope(), Page(5, words=("pair", "impair"))) == []
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
        assert whole(made.history, Scope(), page) == expected(rows, Scope(), page)
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
            assert whole(made.history, scope, page) == expected(rows, scope, page)


def test_another_file_in_the_place_of_the_database_is_read(made: Made, tmp_path: Path) -> None:
    store(made, [past(1, "alice", None, "one")])
    assert [row.content for row in whole(made.history, Scope(), Page(5))] == ["one"]
    other = tmp_path / "other"
    other.mkdir()
    with made_in(other) as there:
        store(there, [past(1, "bob", None, "two")])
    path = tmp_path / "classcord.db"
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink()
    os.replace(other / "classcord.db", path)
    assert [row.content for row in whole(made.history, Scope(), Page(5))] == ["two"]
    path.unlink()
    with pytest.raises(Unreadable):
        whole(made.history, Scope(), Page(5))
