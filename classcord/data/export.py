"""The rows of the database for other programs: CSV, JSON, or one JSON object a line.

Rows are read in pages, each in a short transaction of its own. So the memory that this takes does not depend on their
number, and a server that writes to the database meanwhile is not kept from emptying its write-ahead log.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from classcord.data.files import connect
from classcord.data.folder import find_database
from classcord.data.remedies import explain, newer
from classcord.data.schema import VERSION

__all__ = ["BOM", "FORMATS", "TABLES", "Condition", "Row", "Table", "csv_rows", "read", "safe"]

BOM = "\ufeff".encode()
"""By this spreadsheets know that a file is UTF-8."""

_PAGE = 1000
"""Rows that are read at once."""

Condition = tuple[str, object]
"""A condition of SQL on one row, with one ? in it, and the value for that."""

Row = Sequence[object]


class Table(NamedTuple):
    """What can be exported: the rows of `source`, in the order of `key`, whose values are unique."""

    source: str
    key: str
    before: object
    """A value before all keys."""
    columns: tuple[str, ...]
    time: str
    """The column that --since and --until look at."""


TABLES = {
    "messages": Table(
        "messages", "id", -(1 << 63), ("id", "time", "sender", "guest", "kind", "recipient", "channel", "content"),
        "time",
    ),
    # never the password, hashed as it is
    "users": Table("accounts", "key", "", ("name", "role", "created"), "created"),
}


def read(folder: Path, table: Table, conditions: Sequence[Condition], begin: Callable[[int], object] | None = None
         ) -> Iterator[list[Row]]:
    """The rows that meet all conditions and are there now, in pages. `begin` is first told how many they are.

    From a connection that writes nothing; a server may run meanwhile. Raises StoreError.
    """
    path = find_database(folder)
    try:
        with closing(connect(path, 10, isolation_level=None)) as db:
            db.execute("PRAGMA query_only=1")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise newer(str(folder), version, VERSION)
            yield from _pages(db, table, conditions, begin)
    except sqlite3.Error as error:
        raise explain(str(folder), error, other=False) from None


def _pages(
    db: sqlite3.Connection, table: Table, conditions: Sequence[Condition], begin: Callable[[int], object] | None
) -> Iterator[list[Row]]:
    (last,) = db.execute(f"SELECT max({table.key}) FROM {table.source}").fetchone()
    wanted = "".join(f" AND {condition}" for condition, _ in conditions)
    values = [value for _, value in conditions]
    source = f"FROM {table.source} WHERE {table.key} > ? AND {table.key} <= ?{wanted}"
    after = table.before
    if begin is not None:
        begin(int(db.execute(f"SELECT count(*) {source}", (after, last, *values)).fetchone()[0]))
    columns = ", ".join((table.key, *table.columns))
    page = f"SELECT {columns} {source} ORDER BY {table.key} LIMIT {_PAGE}"
    while rows := db.execute(page, (after, last, *values)).fetchall():
        after = rows[-1][0]
        yield [_plain(table.columns, row[1:]) for row in rows]


def _plain(columns: tuple[str, ...], row: Row) -> Row:
    """The row with true and false in place of SQLite's 1 and 0."""
    if "guest" not in columns:
        return row
    at = columns.index("guest")
    guest = row[at]
    return (*row[:at], None if guest is None else bool(guest), *row[at + 1 :])


# --- the formats ---

_SEPARATOR = r"[,;\t\r\n]"
_FORMULA = re.compile(
    # quotes may enclose what begins a cell: the reader takes them away. And after a separator at the end of the text
    # the next thing is a line break, perhaps within the quotes of the cell
    rf"""(?:\A|(?<={_SEPARATOR}))(?="*[=+\-@\t\r'\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b])"""
    rf"""|(?<={_SEPARATOR})(?="*\Z)"""
)


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula, whether it takes commas, semicolons or tabs for separators.

    A ' goes in front of each = + - @ (also of full width) ' tab and carriage return, and of the quotes before it, that
    begins the text, or that follows a comma, a semicolon, a tab or the end of a line; and behind each of these four at
    the end of the text. To get the text back, take away each ' at these places, once.
    """
    return _FORMULA.sub("'", text)


def _cell(value: object) -> object:
    if isinstance(value, str):
        return safe(value)
    return str(value).lower() if isinstance(value, bool) else value


def csv_rows(rows: Iterable[Row]) -> bytes:
    """The rows as RFC 4180 has them, safe for spreadsheets: commas, CRLF, UTF-8. An absent value is an empty cell."""
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _csv(columns: tuple[str, ...], pages: Iterable[list[Row]]) -> Iterator[bytes]:
    yield csv_rows([columns])
    yield from map(csv_rows, pages)


def _objects(columns: tuple[str, ...], page: list[Row]) -> Iterator[str]:
    return (json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in page)


def _jsonl(columns: tuple[str, ...], pages: Iterable[list[Row]]) -> Iterator[bytes]:
    for page in pages:
        yield "".join(f"{line}\n" for line in _objects(columns, page)).encode()


def _json(columns: tuple[str, ...], pages: Iterable[list[Row]]) -> Iterator[bytes]:
    before = "[\n"
    for page in pages:
        yield (before + ",\n".join(_objects(columns, page))).encode()
        before = ",\n"
    yield b"[]\n" if before == "[\n" else b"\n]\n"


FORMATS: dict[str, Callable[[tuple[str, ...], Iterable[list[Row]]], Iterator[bytes]]] = {
    "csv": _csv, "json": _json, "jsonl": _jsonl,
}
"""What makes the bytes of a file of the columns and the pages of rows, a page at a time."""
