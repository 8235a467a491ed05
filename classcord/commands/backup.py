"""`server.py backup`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from classcord.data.backup import backup
from classcord.data.output import STANDARD, FileError
from classcord.data.rotation import DAYS, NEWEST, rotate
from classcord.ops.config import Config
from classcord.ops.failure import EXIT_DONE, one_line

__all__ = ["ABOUT", "SETTINGS", "add_flags", "run"]

ABOUT = "Copy the database to FILE, which must not exist yet. The server may go on running."
SETTINGS = ("data",)


def add_flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("file", metavar="FILE", help="the file to write; - is standard output, except with --rotate")
    parser.add_argument("--rotate", action="store_true", help="FILE is a folder: write a file named after the time"
                        f" there, and remove old ones, except the newest {NEWEST} and the last one of each of {DAYS}"
                        " days")


def run(settings: Config, given: Namespace) -> int:
    """Carry it out; the exit code. Raises FileError, StoreError."""
    folder = Path(settings.data)
    if given.rotate and given.file in ("", STANDARD):
        raise FileError("--rotate writes into a folder, not to standard output: name a folder")
    text = rotate(folder, Path(given.file)) if given.rotate else backup(folder, given.file)
    print(one_line(text), file=sys.stderr)
    return EXIT_DONE
