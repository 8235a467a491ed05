"""`server.py import-users`: accounts of the first server, or of a class list."""

from __future__ import annotations

import secrets
import sqlite3
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from classcord.chat.accounts import Account, Accounts, check_password
from classcord.data import class_list, pickles
from classcord.data.export import csv_rows
from classcord.data.output import STANDARD, FileError, reading
from classcord.data.remedies import explain, shown
from classcord.data.store import Store
from classcord.delivery.render import timestamp
from classcord.ops.config import Config, UsageError
from classcord.ops.failure import EXIT_DONE, EXIT_FAILED, one_line
from classcord.ops.progress import Progress
from classcord.wire import names
from classcord.wire.protocol import ProtocolError

__all__ = ["ABOUT", "SETTINGS", "add_flags", "run"]

ABOUT = (
    "Make accounts of FILE: users.pkl of the first server, or a class list, a CSV file with the columns name and"
    " password. Where a class list has no password, one is made and printed once, on standard output. An account that"
    " exists is left alone. The server must not run."
)
SETTINGS = ("data", "password-cost")

_FORMATS = {".pkl": "pickle", ".pickle": "pickle", ".csv": "csv"}
_LETTERS = "bcdfghjkmnpqrstvwxz23456789"
"""Of made passwords: none looks like another one, and no words come of them."""
_WAIT = 10_000
"""Milliseconds for another program that has the database locked."""


class _Row(NamedTuple):
    """An account that is wanted: its place in the file, for people; None stands for what is not a text."""

    place: str
    name: str | None
    password: str | None
    """"" for one that is to be made."""


class _Outcome(NamedTuple):
    new: list[Account]
    made: list[tuple[str, str]]
    """Names and passwords that were made."""
    there: int
    refused: list[str]
    """A line for each row that was refused."""


def add_flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("file", metavar="FILE", help="the file to read; - is standard input")
    parser.add_argument("--format", choices=("pickle", "csv"), help="what FILE is; its ending says it (.pkl, .csv)")


def run(settings: Config, given: Namespace) -> int:
    """Carry it out; the exit code is that of a failure if a row was refused. Raises UsageError, FileError, StoreError.

    Everything that is not refused is stored in one transaction.
    """
    form = given.format or _FORMATS.get(Path(given.file).suffix.lower())
    if form is None:
        raise UsageError("say what FILE is: --format pickle, or --format csv")
    rows = _read(given.file, form)
    folder = Path(settings.data)
    store = Store(folder)
    try:
        outcome = _judge(rows, [Account._make(row) for row in store.accounts()], settings.password_cost)
        if outcome.made:  # before they are stored: a password that nobody has seen would be lost
            sys.stdout.buffer.write(csv_rows([("name", "password"), *outcome.made]))
            sys.stdout.buffer.flush()
        try:
            if outcome.new:
                store.commit([], outcome.new, wait=_WAIT)
        except (sqlite3.Error, OSError) as error:
            raise explain(str(folder), error, other=False) from None
    finally:
        store.close()
    for line in outcome.refused:
        print(one_line(line), file=sys.stderr)
    print(one_line(
        f"{shown(str(folder))}: imported: {len(outcome.new)}, there already: {outcome.there},"
        f" refused: {len(outcome.refused)}"
    ), file=sys.stderr)
    return EXIT_FAILED if outcome.refused else EXIT_DONE


def _read(source: str, form: str) -> list[_Row]:
    longest = pickles.LONGEST if form == "pickle" else class_list.LONGEST
    where = "standard input" if source == STANDARD else shown(source)
    try:
        with reading(source, "users.pkl of the first server, or a class list") as file:
            data = file.read(longest + 1)
    except OSError as error:
        raise FileError(f"{where}: {error.strerror}") from None
    if len(data) > longest:
        raise FileError(f"{where}: it is longer than {longest >> 10} KiB; give a list of accounts")
    try:
        if form == "csv":
            return [_Row(f"line {line}", name, password) for line, name, password in class_list.entries(data)]
        found = enumerate(pickles.pairs(data), 1)
        return [_Row(f"entry {n}", name, password or None) for n, (name, password) in found]
    except (class_list.ListError, pickles.PickleError) as error:
        raise FileError(f"{where}: {error}; nothing was imported") from None


def _judge(rows: Iterable[_Row], present: list[Account], cost: int) -> _Outcome:
    """Which rows become accounts. Hashing takes 40 ms for each."""
    rows = list(rows)
    spelled = {row.key: row.name for row in present}
    accounts = Accounts(present, cost)
    outcome = _Outcome([], [], 0, [])
    there = 0
    given: dict[str | None, str | None] = {}  # the passwords of the rows so far
    with Progress("accounts") as progress:
        progress.expect(len(rows))
        for row in rows:
            progress.add(1)
            name = row.name.strip() if row.name is not None else None
            known = name is not None and len(name) <= names.MAX_NAME and spelled.get(names.key(name)) == name
            second = known and name in given and not (row.password and row.password == given[name])
            given.setdefault(name, row.password)
            if known and not second:
                there += 1
                continue
            try:
                if second:
                    raise names.NameRefused("a row above has this name; two people need two names")
                new, made = _account(row, name, accounts, spelled)
            except (names.NameRefused, ProtocolError) as refused:
                outcome.refused.append(f"{row.place}: {_quoted(name)}: {refused}")
                continue
            accounts.publish(new)
            spelled[new.key] = new.name
            outcome.new.append(new)
            if made is not None:
                outcome.made.append((new.name, made))
    return outcome._replace(there=there)


def _account(
    row: _Row, name: str | None, accounts: Accounts, spelled: dict[str, str]
) -> tuple[Account, str | None]:
    """The account, and its password if that was made here. Raises NameRefused, ProtocolError."""
    if name is None:
        raise names.NameRefused("the name is not a text")
    names.check(name)
    key = names.key(name)
    if accounts.resembles(name):
        other = spelled.get(key)
        raise names.NameRefused(f"the account {_quoted(other)} has this name" if other else "another looks like it")
    if row.password is None:
        raise names.NameRefused("the password is empty, or not a text")
    now = timestamp(time.time_ns() // 1_000_000)
    made = None if row.password.strip() else _password()
    password = made or row.password
    check_password(password)
    return Account(key, name, accounts.hash_password(password), now), made


def _quoted(name: str | None) -> str:
    return "?" if name is None else f'"{name[: names.MAX_NAME]}"'


def _password() -> str:
    """A new password that people can read and type: two groups of five letters, 47 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(2))
