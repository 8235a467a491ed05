"""What people with rights over others did: the table `audit`, for reading. Any thread."""

from __future__ import annotations

import contextlib
from pathlib import Path

from classcord.data.files import connect
from classcord.data.folder import FILE

__all__ = ["AuditRow", "latest"]

AuditRow = tuple[str, str, str, str, "int | None", str]
"""time (ISO 8601 in UTC), who, what, to whom, for how many seconds, why."""


def latest(folder: str, count: int) -> list[AuditRow]:
    """The newest rows, the newest last. Raises sqlite3.Error."""
    with contextlib.closing(connect(Path(folder) / FILE, 2)) as database:
        select = "SELECT time, actor, action, target, seconds, reason FROM audit ORDER BY time DESC LIMIT ?"
        return database.execute(select, (count,)).fetchall()[::-1]
