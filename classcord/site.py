"""The page's files and the names under which it is served: read once, at the start."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from classcord.ops.failure import EXIT_USAGE, Failure
from classcord.wire import http

__all__ = ["FOLDER", "Site", "load"]

FOLDER = Path(__file__).parent / "web"


class Site(NamedTuple):
    """What browsers get. Immutable; any thread may use it."""

    files: dict[str, http.File]
    """By their paths. Nothing that a client sends ever names a file on the disk."""
    names: frozenset[str]
    """Of this machine, in small letters."""


def load(names: Iterable[str], folder: Path = FOLDER) -> Site:
    """The files of the folder, and these names beside the machine's own. Raises Failure if the folder can't be read."""
    files = {}
    try:
        for path in sorted(folder.iterdir()):
            if http.kind_of(path.name) is not None and path.is_file():
                files["/" + path.name] = http.file(path.name, path.read_bytes())
    except OSError as error:
        text = f"can't read the page's files: {error}; copy the whole project, or turn the page off with --web off"
        raise Failure(EXIT_USAGE, text) from None
    for short, name in (("/", "/index.html"), ("/tableau", "/tableau.html")):
        if name in files:
            files[short] = files.pop(name)
    own = socket.gethostname().lower()
    first = own.partition(".")[0]  # getfqdn might wait long for a name server, in a room without one
    known = {"localhost", own, first, first + ".local", *(name.lower().removesuffix(".") for name in names)}
    return Site(files, frozenset(known))
