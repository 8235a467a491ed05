"""A folder of backups, one for each time that a timer asks for it; old ones are removed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from classcord.data.backup import backup
from classcord.data.folder import find_database, give
from classcord.data.output import FileError, unwritable
from classcord.data.remedies import shown

__all__ = ["DAYS", "NEWEST", "outdated", "rotate"]

NEWEST = 24
"""Backups that are kept in any case: those of a day, if the machine runs all day. Of a machine that only runs during
lessons they are those of weeks."""
DAYS = 7
"""Of so many days that have a backup, the last one is kept too."""
_FORM = "classcord-%Y%m%dT%H%M%SZ.db"


def rotate(folder: Path, into: Path) -> str:
    """Back up the database in `folder` to a new file in the folder `into`, and remove the backups there that are old.

    Makes the folder if it is missing. Removes nothing unless the new backup is whole. Returns a line that says what
    happened. Raises StoreError, FileError.
    """
    needed = 2 * find_database(folder).stat().st_size
    try:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        give(into.parent, into.name)
        free = shutil.disk_usage(into).free
        if free < needed:  # the chat must go on: its messages may need the same disk
            raise FileError(
                f"{shown(str(into))}: {free >> 20} MiB are free on this disk, and after a backup as many must be left"
                f" as it takes; free {needed - free >> 20} MiB or more there, or remove old backups"
            )
        text = backup(folder, str(into / time.strftime(_FORM, time.gmtime())))
        old = outdated(os.listdir(into))
        for name in old:
            (into / name).unlink(missing_ok=True)
    except OSError as error:
        raise FileError(unwritable(folder, str(into), error)) from None
    return text + (f"; old backups removed: {len(old)}" if old else "")


def outdated(names: Iterable[str]) -> list[str]:
    """Those of the files that are backups of this kind and are not kept. Their names are their times."""
    backups = sorted(name for name in names if _is_backup(name))
    last_of_day = {name.partition("T")[0]: name for name in backups}
    kept = {*backups[-NEWEST:], *list(last_of_day.values())[-DAYS:]}
    return [name for name in backups if name not in kept]


def _is_backup(name: str) -> bool:
    try:
        return time.strftime(_FORM, time.strptime(name, _FORM)) == name
    except ValueError:
        return False
