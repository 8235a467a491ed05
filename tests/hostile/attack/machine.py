"""What another program on the server's machine does to the database."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from tests.hostile.attack.ending import Ending
from tests.hostile.attack.wire import Address

FILE = "classcord.db"


def locks(data: Path, address: Address, ending: Ending) -> dict[str, Any]:
    """Lock the database all the time."""
    with contextlib.closing(_connected(data)) as database:
        database.execute("BEGIN EXCLUSIVE")
        ending.wait(3600)
        database.execute("ROLLBACK")
    return {}


def locks_again(data: Path, address: Address, ending: Ending) -> dict[str, Any]:
    """Lock the database again and again, each time longer than the server waits for it."""
    count = 0
    with contextlib.closing(_connected(data)) as database:
        while not ending.wait(0.01):
            database.execute("BEGIN IMMEDIATE")
            ending.wait(0.3)
            database.execute("ROLLBACK")
            count += 1
    return {"locks": count}


def deletes(data: Path, address: Address, ending: Ending) -> dict[str, Any]:
    """Delete the database."""
    ending.wait(0.3)
    (data / FILE).unlink()
    ending.wait(3600)
    return {}


def renames(data: Path, address: Address, ending: Ending) -> dict[str, Any]:
    """Move the database away and back, again and again."""
    count = 0
    while not ending.wait(0.3):
        os.rename(data / FILE, data / "elsewhere.db")
        ending.wait(0.3)
        os.rename(data / "elsewhere.db", data / FILE)
        count += 1
    return {"renames": count}


def replaces(data: Path, address: Address, ending: Ending) -> dict[str, Any]:
    """Put a copy in the database's place."""
    ending.wait(0.3)
    shutil.copy(data / FILE, data / "copy.db")
    os.replace(data / "copy.db", data / FILE)
    ending.wait(3600)
    return {}


def deletes_log(data: Path, address: Address, ending: Ending) -> dict[str, Any]:
    """Delete the write-ahead log whenever it is there."""
    count = 0
    while not ending.wait(0.5):
        try:
            (data / f"{FILE}-wal").unlink()
            count += 1
        except FileNotFoundError:
            pass
    return {"deleted": count}


def _connected(data: Path) -> sqlite3.Connection:
    return sqlite3.connect(data / FILE, timeout=20, isolation_level=None)
