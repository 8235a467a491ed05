"""`server.py restore`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from classcord.data.backup import restore
from classcord.ops.config import Config
from classcord.ops.failure import EXIT_DONE, one_line

__all__ = ["ABOUT", "SETTINGS", "add_flags", "run"]

ABOUT = "Replace the database with a backup, and keep the old one under another name. The server must not run."
SETTINGS = ("data",)


def add_flags(parser: ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("file", metavar="FILE", help="a file that `backup` wrote; - is standard input")


def run(settings: Config, given: Namespace) -> int:
    """Carry it out; the exit code. Raises FileError, StoreError."""
    print(one_line(restore(Path(settings.data), given.file)), file=sys.stderr)
    return EXIT_DONE
