"""`server.py backup`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from classcord.data.backup import backup
from classcord.ops.config import Config
from classcord.ops.failure import EXIT_DONE, one_line

__all__ = ["ABOUT", "SETTINGS", "add_flags", "run"]

ABOUT = "Copy the database to FILE, which must not exist yet. The server may go on running."
SETTINGS = ("data",)


def add_flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("file", metavar="FILE", help="the file to write; - is standard output")


def run(settings: Config, given: Namespace) -> int:
    """Carry it out; the exit code. Raises FileError, StoreError."""
    print(one_line(backup(Path(settings.data), given.file)), file=sys.stderr)
    return EXIT_DONE
