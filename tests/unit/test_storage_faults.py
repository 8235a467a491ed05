"""Every call to SQLite fails once, before or after it did its work: afterwards the store works, and holds all of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classcord.chat.accounts import Account
from classcord.data import files
from classcord.data import store as store_module
from classcord.data.backlog import Backlog
from classcord.data.ids import Ids
from classcord.data.store import Store
from classcord.ops import logs
from tests.unit.test_store import message, rows


class Faulty(sqlite3.Connection):
    """A connection that fails at the calls that `faults` names, by their number: "before" or "after" the work."""

    calls = 0
    faults: dict[int, str] = {}  # noqa: RUF012
    failed: list[str] = []  # noqa: RUF012

    def _call(self, work: Callable[..., Any], sql: str, *values: Any) -> Any:
        Faulty.calls += 1
        fault = Faulty.faults.get(Faulty.calls)
        if fault is not None:
            Faulty.failed.append(sql)
        if fault == "before":
            raise sqlite3.OperationalError("disk I/O error")
        result = work(sql, *values)
        if fault == "after":
            raise sqlite3.OperationalError("disk I/O error")
        return result

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        found: sqlite3.Cursor = self._call(super().execute, sql, *values)
        return found

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        found: sqlite3.Cursor = self._call(super().executemany, sql, *values)
        return found


@pytest.fixture(scope="module", autouse=True)
def faulty() -> Iterator[type[Faulty]]:
    """Has stores connect with a faulty connection, which doesn't fail yet. They don't pause before they try again."""
    connect = sqlite3.connect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *a, **more: connect(*a, **{"factory": Faulty, **more}))
        patch.setattr(store_module, "_RETRY", 0)
        yield Faulty


def account(number: int) -> Account:
    return Account(f"a{number}", f"A{number}", "x", "t")


def run(folder: Path, faults: dict[int, str]) -> tuple[int, set[str]]:
    """Batches with and without accounts, then ticks until all is stored. Calls made, and the statements that failed."""
    store = Store(folder)
    backlog = Backlog(store, 1 << 20)
    Faulty.calls, Faulty.faults, Faulty.failed = 0, faults, []
    promised = []
    for number in range(1, 5):
        wanted = [account(number)] if number % 3 == 0 else []
        if backlog.commit([message(2 * number), message(2 * number + 1)], wanted):
            promised += wanted
    calls, Faulty.faults = Faulty.calls, {}
    for _ in range(3):
        backlog.tick()
    assert len(backlog) == 0
    assert backlog.commit([message(10)], [account(9)]), "all works again"
    assert {row[0] for row in store.accounts()} >= {row.key for row in promised}
    (level,) = store._db.execute("PRAGMA synchronous").fetchone()
    assert level == 2, "FULL for an account"
    assert backlog.commit([message(11)], [])
    (level,) = store._db.execute("PRAGMA synchronous").fetchone()
    assert level == 1, "NORMAL for messages"
    failed = set(Faulty.failed)
    backlog.close()
    store.close()
    assert rows(folder) == [message(number) for number in range(2, 12)]
    return calls, failed


def test_each_call_fails_in_turn(tmp_path: Path, faulty: type[Faulty]) -> None:
    calls, _ = run(tmp_path / "none", {})
    assert calls > 12
    seen = set()
    for at in range(1, calls + 1):
        for first in ("before", "after"):
            # the next call too: that is the ROLLBACK of a COMMIT that failed
            for second in ({}, {at + 1: "before"}, {at + 1: "before", at + 2: "before", at + 3: "before"}):
                _, failed = run(tmp_path / f"{at}-{first}-{len(second)}", {at: first, **second})
                seen |= {sql.split()[0] for sql in failed}
    assert seen >= {"BEGIN", "INSERT", "COMMIT", "ROLLBACK", "PRAGMA"}


@settings(max_examples=40)
@given(st.dictionaries(st.integers(1, 40), st.sampled_from(["before", "after"]), max_size=30))
def test_any_calls_fail(tmp_path_factory: pytest.TempPathFactory, faults: dict[int, str]) -> None:
    run(tmp_path_factory.mktemp("faults"), faults)


def test_a_commit_whose_rollback_fails_does_not_block_the_next(tmp_path: Path, faulty: type[Faulty]) -> None:
    store = Store(tmp_path)
    faulty.calls, faulty.faults, faulty.failed = 0, {}, []
    store.commit([message(1)], [])
    per_commit = faulty.calls
    faulty.calls, faulty.faults = 0, {per_commit - 2: "before", per_commit - 1: "before"}
    with pytest.raises(sqlite3.OperationalError, match="disk I/O"):
        store.commit([message(2)], [])
    assert faulty.failed == ["COMMIT", "ROLLBACK"]
    store.commit([message(2)], [])
    store.close()
    assert rows(tmp_path) == [message(1), message(2)]


@pytest.mark.parametrize("deleted", [["-wal"], ["-shm"], ["-wal", "-shm"]], ids="".join)
def test_a_repair_is_reported_once_whatever_fails_first(
    tmp_path: Path, faulty: type[Faulty], deleted: list[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another program that opens or closes the database at the same moment makes a call fail, about once in 100."""
    events: list[str] = []
    monkeypatch.setattr(store_module, "_CHECKED", -1)  # a look before each commit
    monkeypatch.setattr(logs, "event", lambda name, *_, **fields: events.append(f"{name} {fields.get('detail')}"))
    failed: list[str] = []
    for at in range(1, 20):
        for fault in ("before", "after"):
            folder = tmp_path / f"{at}-{fault}"
            faulty.faults = {}
            store = Store(folder)
            backlog = Backlog(store, 1 << 20)
            backlog.commit([message(1)], [])
            for suffix in deleted:
                (folder / f"classcord.db{suffix}").unlink()
            events.clear()
            faulty.calls, faulty.faults, faulty.failed = 0, {at: fault}, failed
            backlog.commit([message(2)], [])
            backlog.tick()
            faulty.faults = {}
            backlog.tick()
            assert len([said for said in events if said.startswith("storage_repaired")]) == 1, (at, fault, events)
            backlog.close()
            store.close()
            assert rows(folder) == [message(1), message(2)]
    assert {sql.split()[0] for sql in failed} >= {"PRAGMA", "SELECT", "BEGIN", "INSERT", "COMMIT"}


def test_a_file_that_comes_back_before_the_repair_is_not_reported_later(
    tmp_path: Path, faulty: type[Faulty], monkeypatch: pytest.MonkeyPatch,
) -> None:
    events: list[str] = []
    monkeypatch.setattr(store_module, "_CHECKED", -1)
    monkeypatch.setattr(logs, "event", lambda name, *_, **__: events.append(name))
    faulty.faults = {}
    store = Store(tmp_path)
    backlog = Backlog(store, 1 << 20)
    backlog.commit([message(1)], [])
    (tmp_path / "classcord.db-shm").rename(tmp_path / "away")
    save = store._save
    with monkeypatch.context() as patch:  # a checkpoint begins between the saving and the new connection
        patch.setattr(store, "_save", lambda found: save(found) and store._checkpointing.acquire())
        backlog.commit([message(2)], [])
    (tmp_path / "away").rename(tmp_path / "classcord.db-shm")
    store._checkpointing.release()
    backlog.tick()
    assert events == ["storage_failed", "storage_recovered"]
    faulty.calls, faulty.faults, faulty.failed = 0, {2: "before"}, []
    backlog.commit([message(3)], [])
    assert faulty.failed == ["BEGIN IMMEDIATE"]
    faulty.faults = {}
    backlog.tick()
    assert events == ["storage_failed", "storage_recovered"] * 2
    backlog.close()
    store.close()
    assert rows(tmp_path) == [message(1), message(2), message(3)]


def test_the_connection_of_a_checkpoint_never_makes_a_new_database(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        files.connect(tmp_path / "classcord.db", 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("content", "last"), [
    (b"", 0), (b"garbage", 0), (b"-0000000000000000001\n", 0), (b"0" * 17 + b"123\n", 123), (b"9" * 20 + b"\n", 0),
    (b"0" * 17 + b"123", 0), (b"\xff" * 100, 0), (b"0" * 17 + b"123\n123\n", 123), ("٣".encode() * 20, 0),
])
def test_the_mark_of_the_ids_in_the_file(tmp_path: Path, content: bytes, last: int) -> None:
    path = tmp_path / "mark"
    path.write_bytes(content)
    with path.open("r+b", buffering=0) as file:
        assert Ids(7, file.fileno()).take() == (max(last, 7) + 1, True)
    with path.open("r+b", buffering=0) as file:
        ids = Ids(0, file.fileno())
        first, _ = ids.take()
        assert max(last, 7) + 1 < first <= max(last, 7) + 66, "a kill leaves a gap, and gives no id again"
        ids.close()
    with path.open("r+b", buffering=0) as file:
        assert Ids(0, file.fileno()).take() == (first + 1, True), "a clean end leaves none"


def test_an_id_that_cannot_be_marked_is_not_certain(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    path.touch()
    with path.open("rb") as file:  # not open for writing
        ids = Ids(5, file.fileno())
        assert [ids.take() for _ in range(3)] == [(6, False), (7, False), (8, False)]


def test_ids_go_on_above_those_of_a_database_that_was_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.commit([(store.ids.take()[0], 0, "a", False, None, None, "x") for _ in range(100)], [])
    store.close()
    for path in tmp_path.glob("classcord.db*"):
        path.unlink()
    store = Store(tmp_path)
    assert store.last_id() == 0
    assert store.ids.take() == (101, True)
    store.close()
