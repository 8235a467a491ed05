"""Files that a person names: one is written whole or not at all, and what goes wrong is said in one line."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from classcord.data.folder import give
from classcord.data.remedies import explain, no_access, quoted, shown, space

__all__ = ["STANDARD", "FileError", "new_file", "reading", "scratch", "unwritable"]

STANDARD = "-"
"""The file that stands for standard output or input."""


class FileError(Exception):
    """The file can't be written or read; the text is one line with what to do."""


@contextlib.contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """A folder on the same file system, so that its files can be moved without being copied again."""
    with tempfile.TemporaryDirectory(prefix=".classcord-", dir=beside) as made:
        yield Path(made)


@contextlib.contextmanager
def new_file(target: str) -> Iterator[Path]:
    """An empty file for its user alone. At the end of the block it gets the name `target`, which must not exist yet.

    It belongs to the user who typed sudo; without sudo, root's file belongs to the owner of the folder around it.
    Raises FileError, and OSError: `unwritable` explains that.
    """
    if os.path.lexists(target):
        raise FileError(f"{shown(target)} exists already: name another file, or move it away")
    above = Path(target).parent
    with scratch(above) as folder:
        made = folder / "new"
        os.close(os.open(made, os.O_CREAT | os.O_WRONLY, 0o600))  # messages, and the hashes of passwords
        yield made
        _give_to_user_of_sudo(made)
        made.rename(target)
        give(above, Path(target).name)


def _give_to_user_of_sudo(file: Path) -> None:
    """Give root's file to the user who typed sudo, if one did. See sudo(8), "ENVIRONMENT"."""
    if os.geteuid() == 0:
        with contextlib.suppress(OSError, OverflowError, ValueError):  # no sudo, or root has no power here
            os.chown(file, int(os.environ.get("SUDO_UID", "")), int(os.environ.get("SUDO_GID", "")))


@contextlib.contextmanager
def reading(source: str, wanted: str) -> Iterator[BinaryIO]:
    """The file `source`, or standard input. `wanted` is what it should be. Raises FileError."""
    if source == STANDARD:
        if sys.stdin.isatty():
            raise FileError("nothing is given on standard input: add `< FILE`")
        yield sys.stdin.buffer
        return
    try:
        file = open(source, "rb")  # noqa: SIM115 - an OSError of the body must not be caught here
    except OSError as error:
        raise FileError(f"{shown(source)}: {error.strerror}; name {wanted}") from None
    with file:
        yield file


def unwritable(folder: Path, target: str, error: OSError) -> str:
    """Why the file can't be written, and what to do. What goes to standard output was made in `folder` first."""
    if target == STANDARD:
        if error.errno == errno.EPIPE:
            return "standard output: the program that reads it has ended"
        # made in the folder first; then written to a pipe or to a file that the shell has opened
        return str(explain(str(folder), error, other=False))
    above = os.path.dirname(os.path.abspath(target))
    reason, hint = error.strerror or str(error), ""
    full = space(above, error)
    if full is not None:
        reason, hint = full, "free some space there, or "
    elif not os.path.lexists(above) and no_access(above) is None:
        reason, hint = "there is no such folder", f"type: mkdir -p {quoted(above)}, or "
    elif os.path.isdir(above) and not os.access(above, os.W_OK | os.X_OK, effective_ids=True):
        reason = f"user {os.geteuid()} cannot write in {shown(above)}"
    return f"{shown(target)}: {reason}; {hint}name another file"
