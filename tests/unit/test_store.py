"""Accounts and messages on disk."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.chat.accounts import Account, Accounts
from classcord.data import store as store_module
from classcord.data.schema import MIGRATIONS, MessageRow
from classcord.data.store import Store, StoreError
from tests.support import DEADLINE

JANUARY = 1_767_225_600_000


def place(number: int) -> tuple[str | None, str | None]:
    """To everybody, to a person or to a channel."""
    return None if number % 3 else "bob", "#dev" if number % 3 == 1 else None


def message(number: int, sender: str = "alice") -> MessageRow:
    return number, JANUARY + number, sender, number % 2 == 0, *place(number), f"texte é {number}"


def rows(folder: Path) -> list[MessageRow]:
    """The stored messages, from what people see of them."""
    db = sqlite3.connect(folder / "classcord.db")
    found = db.execute("SELECT * FROM messages ORDER BY id").fetchall()
    db.close()
    made: list[MessageRow] = []
    for id, time, sender, guest, kind, recipient, channel, content in found:
        assert kind == ("private" if recipient else "channel" if channel else "global")
        milliseconds = round(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() * 1000)
        made.append((id, milliseconds, sender, bool(guest), recipient, channel, content))
    return made


@given(sizes=st.lists(st.integers(0, 300), max_size=5))
def test_what_is_committed_is_there_after_a_restart(tmp_path_factory: pytest.TempPathFactory, sizes: list[int]) -> None:
    folder = tmp_path_factory.mktemp("store")
    written: list[MessageRow] = []
    account = Account("zoé", "Zoé", "scrypt$…", "2026-01-01T00:00:00.000Z")
    store = Store(folder)
    store.commit([], [account])
    for size in sizes:
        batch = [message(len(written) + n + 1) for n in range(size)]
        store.commit(batch, [])
        written += batch
    store.close()
    assert rows(folder) == written
    store = Store(folder)
    assert store.last_id() == len(written)
    assert store.accounts() == [account]
    store.close()


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    account = Account("a", "a", "x", "t")
    store.commit([message(1)], [account])
    broken = 3, JANUARY, "x", False, None, None, cast(str, None)
    with pytest.raises(sqlite3.IntegrityError):
        store.commit([message(2, "new"), broken], [Account("b", "b", "x", "t")])
    store.commit([message(2), message(4, "new"), message(5, "newer")], [])
    assert store.accounts() == [account]
    store.close()
    stored = [message(1), message(2), message(4, "new"), message(5, "newer")]
    assert rows(tmp_path / "data") == stored, "the senders too"


def test_the_folder_and_the_database_are_private(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        Store(tmp_path / "data").close()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "classcord.db").stat().st_mode) == 0o600


def test_an_older_schema_is_brought_forward_with_what_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.commit([message(1)], [])
    store.close()
    more = (*MIGRATIONS, ("ALTER TABLE message_rows ADD colour TEXT", "UPDATE message_rows SET content = 'new'"))
    monkeypatch.setattr(store_module, "MIGRATIONS", more)
    monkeypatch.setattr(store_module, "VERSION", len(more))
    Store(tmp_path).close()
    assert rows(tmp_path) == [(*message(1)[:-1], "new")]


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).close()
    broken = (*MIGRATIONS, ("CREATE TABLE half (x)", "nonsense"))
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "MIGRATIONS", broken)
        patch.setattr(store_module, "VERSION", len(broken))
        with pytest.raises(StoreError):
            Store(tmp_path)
    Store(tmp_path).close()


@pytest.mark.parametrize(("content", "hint"), [(b"no database at all, but long enough" * 100, "not a database")])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes, hint: str) -> None:
    (tmp_path / "classcord.db").write_bytes(content)
    with pytest.raises(StoreError, match=hint):
        Store(tmp_path)
    assert (tmp_path / "classcord.db").read_bytes() == content


def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / "classcord.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match="99"):
        Store(tmp_path)


def test_two_servers_cannot_use_one_folder(tmp_path: Path) -> None:
    first = Store(tmp_path)
    with pytest.raises(StoreError, match="another"):
        Store(tmp_path)
    first.close()
    Store(tmp_path).close()


def test_the_write_ahead_log_begins_anew_under_unbroken_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_CHECKPOINT_PAGES", 5)
    monkeypatch.setattr(store_module, "_WAL_HIGH", 200_000)
    store = Store(tmp_path)
    wal = tmp_path / "classcord.db-wal"
    size = number = restarts = 0
    deadline = monotonic() + 3 * DEADLINE  # each time waits for the disk
    while restarts < 3 and monotonic() < deadline:
        store.commit([message(number + n + 1) for n in range(50)], [])
        number += 50
        before, size = size, wal.stat().st_size
        restarts += size < before
        threading.Event().wait(0.001)  # the disk may be slow: not millions of messages meanwhile
    store.close()
    assert restarts == 3
    assert len(rows(tmp_path)) == number


def test_passwords_verify_and_only_they() -> None:
    accounts = Accounts([], 1)
    hashed = accounts.hash_password("azerty")
    assert "azerty" not in hashed
    assert hashed != accounts.hash_password("azerty"), "each with its own salt"
    accounts.publish(Account("zoé", "Zoé", hashed, ""))
    assert accounts.verify("ZOÉ", "azerty") == "Zoé"
    for name, password in [
        ("zoé", "qwerty"), ("zoé", ""), ("zoé", None), ("zoé", 5), ("zoé", "x" * 257), ("bob", "azerty"),
        (None, "azerty"), ("zoé", ["azerty"]), ("x" * 5000, "azerty"),
    ]:
        assert accounts.verify(name, password) is None


def test_a_hash_keeps_the_cost_it_was_made_with() -> None:
    old = Accounts([], 1).hash_password("azerty")
    assert Accounts([Account("zoé", "Zoé", old, "")], 4).verify("zoé", "azerty") == "Zoé"
    assert old.split("$")[:4] == ["scrypt", "1", "8", "1"]
