"""Reads a class list: a CSV file with the columns `name` and `password`, as spreadsheets and people write it.

The names of the columns may be French, in any case, with accents or without.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import NamedTuple

__all__ = ["LONGEST", "Entry", "ListError", "entries"]

LONGEST = 1 << 20
"""Bytes of a file."""
_SEPARATORS = ",;\t"
"""Between the cells: RFC 4180, French spreadsheets, and a table that was copied."""
_FRENCH = {
    "name": ("nom", "identifiant", "pseudo", "nom d'utilisateur"), "password": ("mot de passe", "motdepasse", "mdp"),
}
"""What stands for each heading if nothing has that name."""
_AS_UTF_8 = "save it as CSV UTF-8"


class ListError(ValueError):
    """The file is not a class list; the text says why, and what to do."""


class Entry(NamedTuple):
    """A row: its line in the file, the name without the spaces around it, and the password, "" if none is given."""

    line: int
    name: str
    password: str


def entries(data: bytes) -> list[Entry]:
    """The rows that are not blank. UTF-8 with or without its mark, else the Windows code page. Raises ListError."""
    text = _decoded(data)
    for separator in _SEPARATORS:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        try:
            head = _columns(next((row for row in rows if any(row)), []))
        except csv.Error:
            continue  # with another separator it may be CSV
        if "name" in head:
            try:
                return [_entry(rows.line_num, row, head) for row in rows if any(cell.strip() for cell in row)]
            except csv.Error as error:
                raise ListError(f"it is not CSV: line {rows.line_num}: {error}") from None
    raise ListError("its first row must name the columns: name, or name and password (or nom, mot de passe)")


def _columns(row: list[str]) -> list[str]:
    """The headings: `name` and `password` for those that mean it."""
    headings = [_heading(cell) for cell in row]
    for column, others in _FRENCH.items():
        if column not in headings:
            headings = [column if heading in others else heading for heading in headings]
    return headings


def _heading(cell: str) -> str:
    """A heading in small letters, without accents, its words with one space between them."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", cell) if not unicodedata.combining(char))
    return " ".join(plain.lower().replace("’", "'").replace("_", " ").replace("-", " ").split())


def _entry(line: int, row: list[str], head: list[str]) -> Entry:
    cells = dict(zip(reversed(head), reversed([*row, *[""] * (len(head) - len(row))][: len(head)]), strict=True))
    return Entry(line, cells["name"].strip(), cells.get("password", ""))


def _decoded(data: bytes) -> str:
    if b"\0" in data:  # UTF-16, or a workbook
        raise ListError(f"it is not a text in UTF-8; {_AS_UTF_8}")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            pass
    raise ListError(f"its letters are neither UTF-8 nor those of Windows; {_AS_UTF_8}")
