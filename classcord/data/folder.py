"""The data folder: made if it is missing, and locked. Its files are given to the owner of the folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from pathlib import Path

from classcord.data.remedies import FILES, StoreError, explain, second_name, shown, without_database

__all__ = ["FILE", "LOCK", "StoreError", "find_database", "give", "lock_folder", "make_database"]

LOCK, FILE, _WAL = FILES[:3]
"""The lock and the database, in their folder."""
_PATIENCE = 1.0
"""Seconds that an ending server gets to unlock the folder."""


def lock_folder(folder: Path) -> int:
    """Make the folder if it is missing, and lock it: two servers on one database would both number messages.

    Returns the file descriptor that holds the lock, open for reading and writing. Raises StoreError.
    """
    try:
        folder = Path(os.path.abspath(folder))
        _make(folder)
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):  # SQLite makes files beside the database
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        # NOFOLLOW: root would make the file at the end of a link; NONBLOCK: a pipe would wait for its other end
        flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        lock = os.open(folder / LOCK, flags, 0o600)
    except OSError as error:
        raise explain(str(folder), error) from None
    try:
        if not stat.S_ISREG(os.fstat(lock).st_mode):
            raise explain(str(folder), OSError(errno.EINVAL, "not a file"))
        give(folder, LOCK)
        _lock(folder, lock)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _make(folder: Path) -> None:
    """Make the folder, for its user only, and the missing folders above it."""
    try:
        os.stat(folder / FILES[-1])
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # check this before a part of it is made
            raise
    missing = []
    above = folder
    while not os.path.isdir(above):
        missing.append(above)
        above = above.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700 if path == folder else 0o777)
        give(path.parent, path.name)


def make_database(folder: Path) -> Path:
    """Make an empty database file if there is none. Its path. Raises OSError, and StoreError.

    Don't call this while this process has the database open: closing the file would drop SQLite's locks.
    """
    path, log = folder / FILE, folder / _WAL
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "not a file")
    if os.path.isfile(log) and os.path.getsize(log) > 0 and not (os.path.exists(path) and os.path.getsize(path) > 0):
        # SQLite would delete the log, with the last messages in it
        raise without_database(str(folder))
    with contextlib.suppress(FileExistsError):  # O_EXCL does not follow a link
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    if not os.path.exists(path):
        raise OSError(errno.ENOENT, "a link to nowhere")
    if any(map(second_name, (str(folder / name) for name in FILES))):
        raise OSError(errno.EMLINK, "a second name")
    for name in FILES:
        give(folder, name)
    return path


def find_database(folder: Path) -> Path:
    """The database in `folder`, for a command that needs one: nothing is made. Raises StoreError."""
    path = folder / FILE
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise OSError(errno.EINVAL, "not a file")
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(f"{shown(str(folder))}: there is no database ({FILE}); name its folder with --data") from None
    except OSError as error:
        raise explain(str(folder), error, other=False) from None
    return path


def give(folder: Path, name: str) -> None:
    """If root has made a file or a folder in another user's folder, give it to that user.

    Not the target of a link, and not a file that has a second name.
    """
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError), contextlib.ExitStack() as opened:  # it is missing, or root has no power here
        above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.callback(os.close, above)
        owner = os.fstat(above)
        made = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
        opened.callback(os.close, made)
        state = os.fstat(made)
        plain = stat.S_ISDIR(state.st_mode) or (stat.S_ISREG(state.st_mode) and state.st_nlink == 1)
        if owner.st_uid != 0 and state.st_uid == 0 and plain:
            os.fchown(made, owner.st_uid, owner.st_gid)


# --- the lock ---


def _lock(folder: Path, lock: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        except OSError as error:  # some network file systems have no locks
            raise explain(str(folder), error) from None
    who, stop = _holder(os.fstat(lock))
    raise StoreError(
        f"{shown(str(folder))}: another ClassCord server{who} uses this folder; stop it{stop},"
        " or name another folder with --data"
    )


def _holder(locked: os.stat_result) -> tuple[str, str]:
    """The process that holds the lock of a file, and the command that stops it; both empty if that can't be seen."""
    file = f"{os.major(locked.st_dev):02x}:{os.minor(locked.st_dev):02x}:{locked.st_ino}"
    with contextlib.suppress(OSError, ValueError), open("/proc/locks", encoding="utf-8") as locks:
        for row in locks:
            cells = row.split()  # 1: FLOCK ADVISORY WRITE 708 08:01:2883 0 EOF
            if cells[1] == "FLOCK" and cells[5] == file and int(cells[4]) > 0:
                return f" (process {cells[4]})", f", type: {_stop(int(cells[4]))}"
    return "", ""


def _stop(process: int) -> str:
    """The command that stops a server."""
    about = Path("/proc", str(process))
    group = _read(about / "cgroup")
    if "/classcord.service" in group:
        return "sudo systemctl stop classcord"
    container = re.search(r"/docker[-/]([0-9a-f]{12})", group)
    if container is not None:
        return f"sudo docker stop {container[1]}"
    sudo = "" if os.geteuid() in (0, about.stat().st_uid) else "sudo "
    # a process stopped by Ctrl-Z gets the signal when it goes on
    held = _read(about / "stat").rpartition(")")[2].split()[:1] == ["T"]
    return f"{sudo}kill {process}" + (f" && {sudo}kill -CONT {process}" if held else "")


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""
