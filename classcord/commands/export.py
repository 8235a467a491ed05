"""`server.py export`: the messages or the accounts, for spreadsheets and other programs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from classcord.data.export import BOM, FORMATS, TABLES, Condition, Row, read
from classcord.data.output import STANDARD, FileError, new_file, unwritable
from classcord.data.remedies import shown
from classcord.ops.config import Config, UsageError
from classcord.ops.failure import EXIT_DONE, one_line
from classcord.ops.progress import Progress
from classcord.wire import channel_names

__all__ = ["ABOUT", "SETTINGS", "add_flags", "run"]

ABOUT = (
    "Write the messages to everybody and in channels, or the accounts without their passwords, to standard output or to"
    " a file. The"
    " server may go on running. In CSV, a cell that a spreadsheet would take for a formula gets a ' in front."
)
SETTINGS = ("data",)


def add_flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("what", metavar="messages|users", choices=tuple(TABLES), help="what to write")
    parser.add_argument("--format", default="csv", choices=tuple(FORMATS), help="csv, json (one array) or jsonl (one"
                        " object a line); the default is csv")
    parser.add_argument("--since", metavar="TIME", help="only from this time on: 2026-11-23, 2026-11-23T08:00 (UTC), or"
                        " 2026-11-23T08:00+01:00")
    parser.add_argument("--until", metavar="TIME", help="only before this time")
    parser.add_argument("--channel", metavar="NAME", help="only the messages in this channel; '#général' has those to"
                        " everybody")
    parser.add_argument("--private", action="store_true", help="private messages too")
    parser.add_argument("--bom", action="store_true", help="begin a CSV file with the mark by which spreadsheets know"
                        " UTF-8")
    parser.add_argument("--output", metavar="FILE", default=STANDARD, help="the file to write, which must not exist"
                        " yet; without it, standard output")


def run(settings: Config, given: Namespace) -> int:
    """Carry it out; the exit code. Raises UsageError, FileError, StoreError."""
    table = TABLES[given.what]
    if given.bom and given.format != "csv":
        raise UsageError("--bom goes with --format csv")
    if given.private and given.what != "messages":
        raise UsageError("--private goes with messages")
    conditions: list[Condition] = []
    if given.since is not None:
        conditions.append((f"{table.time} >= ?", _time("--since", given.since)))
    if given.until is not None:
        conditions.append((f"{table.time} < ?", _time("--until", given.until)))
    if given.channel is not None:
        conditions.append(_in_channel(given))
    elif given.what == "messages" and not given.private:
        conditions.append(("kind != ?", "private"))
    folder, target = Path(settings.data), given.output

    def write(file: BinaryIO) -> int:
        return _write(file, folder, given.what, conditions, given.format, given.bom)

    try:
        if target == STANDARD:
            count = write(sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with new_file(target) as made, made.open("wb") as file:
                count = write(file)
                file.flush()
    except BrokenPipeError:  # `| head` has read enough
        raise
    except OSError as error:
        raise FileError(unwritable(folder, target, error)) from None
    where = "standard output" if target == STANDARD else shown(target)
    print(one_line(f"{where}: {given.what}: {count}"), file=sys.stderr)
    return EXIT_DONE


def _in_channel(given: Namespace) -> Condition:
    if given.what != "messages" or given.private:
        raise UsageError("--channel goes with messages, without --private")
    name = channel_names.find(given.channel)
    if name is None:
        raise UsageError(f"--channel: {given.channel!r} is not the name of a channel; give a name like '#dev'")
    return ("kind = ?", "global") if name == channel_names.EVERYBODY else ("channel = ?", f"#{name.key}")


def _write(file: BinaryIO, folder: Path, what: str, conditions: list[Condition], form: str, bom: bool) -> int:
    """Write everything to the file, and return the number of rows."""
    table = TABLES[what]
    with Progress(what, quiet=file.isatty()) as progress:
        pages = read(folder, table, conditions, progress.expect if progress.shown else None)
        first = next(pages, [])  # before anything is written: the database may be unusable
        counted = _counted(chain([first], pages) if first else pages, progress)
        if bom:
            file.write(BOM)
        for part in FORMATS[form](table.columns, counted):
            file.write(part)
    return progress.done


def _counted(pages: Iterable[list[Row]], progress: Progress) -> Iterator[list[Row]]:
    for page in pages:
        yield page
        progress.add(len(page))


def _time(flag: str, text: str) -> str:
    """The time as the database has it: ISO 8601 in UTC with milliseconds. Such texts are in the order of time."""
    try:
        # Python 3.10 does not know the Z
        time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)
        if time.tzinfo is None:
            time = time.replace(tzinfo=timezone.utc)
        return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise UsageError(
            f"{flag}: {text!r} is not a time; give a day like 2026-11-23, or a time like 2026-11-23T08:00 in UTC,"
            " or 2026-11-23T08:00+01:00"
        ) from None
