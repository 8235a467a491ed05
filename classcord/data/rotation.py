"""A folder of backups, one for each time that a timer asks for it; old ones are removed."""

from __future__ import annotations

import itertools
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
    happened, also if an old one can't be removed. Raises StoreError, FileError.
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
        made = _free_name(into)
        text = backup(folder, str(into / made))
        with os.scandir(into) as entries:
            there = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    except OSError as error:
        raise FileError(unwritable(folder, str(into), error)) from None
    removed, stay = 0, []
    for name in outdated(there, made):
        try:
            (into / name).unlink(missing_ok=True)
            removed += 1
        except OSError as error:
            stay.append(f"{name} ({error.strerror})")
    later = sum(name > made for name in there if _is_backup(name))
    return "; ".join([
        text,
        *([f"old backups removed: {removed}"] if removed else []),
        *([f"backups with later dates, which stay: {later}"] if later else []),
        *([f"can't be removed: {stay[0]}" + (f" and {len(stay) - 1} more" if stay[1:] else "")] if stay else []),
    ])


def _free_name(into: Path) -> str:
    """The name of a backup that is made now. If this second has one already, that of the next second without one."""
    now = int(time.time())
    names = (time.strftime(_FORM, time.gmtime(second)) for second in itertools.count(now))
    return next(name for name in names if not os.path.lexists(into / name))


def outdated(names: Iterable[str], made: str) -> list[str]:
    """Those of the files that are backups of this kind and are not kept, now that `made` is the newest.

    Their names are their times. Those with later times are of a clock that was ahead: they stay, and count when their
    time has come. Else they would take the places of those that are made now.
    """
    backups = sorted(name for name in names if _is_backup(name) and name <= made)
    last_of_day = {name.partition("T")[0]: name for name in backups}
    kept = {*backups[-NEWEST:], *list(last_of_day.values())[-DAYS:]}
    return [name for name in backups if name not in kept]


def _is_backup(name: str) -> bool:
    try:
        return time.strftime(_FORM, time.strptime(name, _FORM)) == name
    except ValueError:
        return False
