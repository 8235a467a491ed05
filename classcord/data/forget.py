"""Takes a person out of the database, so that no byte of the texts is left in its files."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from classcord.data.files import connect
from classcord.data.folder import FILE, find_database
from classcord.data.remedies import StoreError, explain, shown
from classcord.data.search import remove_index
from classcord.data.store import Store

__all__ = ["Traces", "check_space", "delete", "find", "opened", "rewrite"]


class Traces(NamedTuple):
    """What the database has of a person."""

    accounts: tuple[str, ...]
    """The keys of the accounts: one or none."""
    senders: tuple[int, ...]
    """The numbers of the senders: the account, and guests if they are wanted."""
    bans: tuple[str, ...]
    """The targets of the bans of the account, which may be left of an earlier one."""
    audited: tuple[str, ...]
    """The names under which the audit has what was done to the person."""
    recipients: tuple[str, ...]
    """The names under which private messages to the person are stored."""
    sent: int
    """Messages of the account."""
    received: int
    """Private messages to the person."""
    as_guest: int
    """Messages of guests with that name."""


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[sqlite3.Connection]:
    """A connection, while no server can start. Raises StoreError: also if one runs, with the command that stops it."""
    find_database(folder)
    store = Store(folder)
    try:
        with contextlib.closing(connect(folder / FILE, 10, isolation_level=None)) as db:
            yield db
    except (sqlite3.Error, OSError) as error:
        raise explain(str(folder), error, other=False) from None
    finally:
        store.close()


def find(
    db: sqlite3.Connection, is_person: Callable[[str], bool], is_guest: Callable[[str], bool], *, guests: bool
) -> Traces:
    """What the database has of the person whose names `is_person` knows. `guests`: the messages of guests too."""
    accounts = [key for key, name in db.execute("SELECT key, name FROM accounts") if is_person(name)]
    senders = db.execute("SELECT id, name, guest FROM senders").fetchall()
    own = [number for number, name, guest in senders if not guest and is_person(name)]
    others = [number for number, name, guest in senders if guest and is_guest(name)]
    named = db.execute("SELECT DISTINCT recipient FROM message_rows WHERE recipient IS NOT NULL").fetchall()
    recipients = [name for (name,) in named if is_person(name)]
    bans = [key for (key,) in db.execute("SELECT target FROM bans WHERE kind = 'account'") if is_person(key)]
    audited = [name for (name,) in db.execute("SELECT DISTINCT target FROM audit") if is_person(name)]
    return Traces(
        tuple(accounts), (*own, *(others if guests else ())), tuple(bans), tuple(audited),
        tuple(recipients),
        _count(db, "sender", own), _count(db, "recipient", recipients), _count(db, "sender", others),
    )


def _count(db: sqlite3.Connection, column: str, values: Sequence[object]) -> int:
    (number,) = db.execute(f"SELECT count(*) FROM message_rows WHERE {column} IN {_marks(values)}", values).fetchone()
    return int(number)


def _marks(values: Iterable[object]) -> str:
    return f"({','.join('?' for _ in values)})"


def delete(db: sqlite3.Connection, traces: Traces, name: str, actor: str) -> None:
    """Delete the rows in one transaction, and put zeros in their place. Parts may be left until `rewrite`.

    A row of the audit says that `actor` has done this to `name`.
    """
    db.execute("PRAGMA secure_delete=ON").fetchone()
    db.execute("PRAGMA synchronous=FULL")
    db.execute("BEGIN IMMEDIATE")
    for statement, values in (
        ("DELETE FROM message_rows WHERE sender IN", traces.senders),
        ("DELETE FROM message_rows WHERE recipient IN", traces.recipients),
        ("DELETE FROM senders WHERE id IN", traces.senders),
        ("DELETE FROM accounts WHERE key IN", traces.accounts),
        ("DELETE FROM bans WHERE kind = 'account' AND target IN", traces.bans),
        ("UPDATE audit SET reason = '' WHERE target IN", traces.audited),
    ):
        db.execute(f"{statement} {_marks(values)}", values)
    db.execute(
        "INSERT INTO audit VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?, 'forget', ?, NULL, '')", (actor, name)
    )
    db.execute("COMMIT")


def check_space(folder: Path) -> None:
    """Raise StoreError if the disk has too little room to rewrite the database: a copy, and a log of that size."""
    needed, free = 2 * os.path.getsize(folder / FILE), shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(
            f"{shown(str(folder))}: to write the database anew, {needed >> 20} MiB must be free, and {free >> 20} are;"
            " free some space there. Nothing was changed"
        )


def rewrite(db: sqlite3.Connection, folder: Path) -> None:
    """Write the database anew: where rows were moved, SQLite leaves parts of the old ones. Raises StoreError."""
    try:
        remove_index(folder)
        db.execute("VACUUM")
        (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return
        reason = "another program has it open"
    except (sqlite3.Error, OSError) as error:
        reason = str(error)
    raise StoreError(
        f"{shown(str(folder))}: the rows are deleted, but the file could not be written anew ({reason}), so parts of"
        f" the texts may still be in it; cure that, then type: sqlite3 {shown(str(folder / FILE))} VACUUM"
    )
