"""Why the data folder can't be used, and the command that cures it: one line of text for the operator.

A command is printed only where it will help: `sudo chown` not on a file system without owners, for example.
Every command can be typed as it is printed, in any folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import shlex
import sqlite3
import stat
from typing import NamedTuple

from classcord.data import mounts

__all__ = [
    "FILES", "StoreError", "explain", "newer", "no_access", "quoted", "second_name", "shown", "space",
    "without_database",
]

FILES = ("classcord.lock", "classcord.db", "classcord.db-wal", "classcord.db-shm", "classcord.db-journal")
"""All files that the server makes in its folder."""
_NEEDED = 1 << 20
"""Bytes that must be free in a folder that is proposed instead: far more than a start needs."""
_LITTLE = 1 << 16
"""Free bytes below which SQLite's "disk I/O error" is blamed on a full disk: its shared memory takes 32 KiB."""
_NO_SHARING = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV)
"""The errors of locks and shared memory on a file system without them."""
_ANOTHER_PROGRAMS = ("no such table", "no such column", "already exists")


class StoreError(Exception):
    """The folder or the database can't be used; the text is one line with what to do.

    `reason` is only the cause. `content` says that the cause is inside the database: it would fail in any folder.
    """

    def __init__(self, text: str, reason: str = "", *, content: bool = False) -> None:
        super().__init__(text)
        self.reason = reason or text
        self.content = content


def shown(path: str) -> str:
    """A path for people to read, on one line: bytes that are not UTF-8 and control characters are escaped."""
    if path.isprintable():
        return path
    return "".join(
        letter if letter.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter)) for letter in path
    )


def quoted(path: str) -> str:
    """A path as one word of a shell command, always printable."""
    if path.isprintable():
        return shlex.quote(path)
    octal = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "/._-")
        else "".join(f"\\{byte:03o}" for byte in os.fsencode(letter))
        for letter in path
    )
    return f"\"$(printf '{octal}')\""


def explain(folder: str, error: OSError | sqlite3.Error, *, other: bool = True) -> StoreError:
    """The fault of `folder` or of the database in it, and what to do.

    `other` says whether another folder would do too; a backup needs this one.
    """
    try:
        path = os.path.abspath(folder)
    except FileNotFoundError:
        return _error(folder, "the current folder was deleted", ["go to another folder (cd)", _other("/")])
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return _error(path[:60] + "...", "the name is too long", [_other("/") if other else ""])
    wrong = _wrong_kind(path)
    if wrong is not None:
        return _error(path, wrong[0], [*wrong[1], _other(path) if other else ""])
    text = _text(error)
    damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    if damaged or any(part in text for part in _ANOTHER_PROGRAMS):
        reason = f"it is damaged ({text})" if damaged else f"another program made it ({text})"
        with contextlib.suppress(OSError):
            if os.path.getsize(os.path.join(path, FILES[1])) == 0:
                reason = "it is empty"
        remedies = ["put a backup in its place (server.py restore FILE)", _begin_anew(path) if other else ""]
        return _error(os.path.join(path, FILES[1]), reason, remedies, content=True)
    return _error(path, *_reason(path, error, other))


def newer(folder: str, version: int, known: int) -> StoreError:
    """The database has a schema version that this program does not know."""
    reason = f"a newer ClassCord wrote it (its schema version is {version}, this program knows {known})"
    path = os.path.join(folder, FILES[1])
    return _error(path, reason, ["start that newer ClassCord", _begin_anew(folder)], content=True)


def without_database(folder: str) -> StoreError:
    """The database is not there, or empty, while its write-ahead log is there."""
    reason = f"{FILES[1]} is missing or empty, but its log {FILES[2]} is there"
    return _error(folder, reason, [f"put {FILES[1]} back beside it", _begin_anew(folder)])


def _begin_anew(folder: str) -> str:
    """The command that moves the database away, so that the server begins with an empty one. Nothing is lost."""
    new = quoted(_unused(os.path.join(folder, FILES[1])))
    there = [quoted(path) for name in FILES[1:] if os.path.lexists(path := os.path.join(folder, name))]
    return f"type: mkdir {new} && mv {' '.join(there)} {new} (the server then makes an empty one)"


def _error(path: str, reason: str, remedies: list[str], *, content: bool = False) -> StoreError:
    what = ", or ".join(filter(None, remedies))
    return StoreError(f"{shown(path)}: {reason}" + (f"; {what}" if what else ""), reason, content=content)


def _reason(path: str, error: OSError | sqlite3.Error, other: bool) -> tuple[str, list[str]]:
    """The fault, and the remedies: each of them is enough."""
    elsewhere = _other(path) if other else ""
    if isinstance(error, sqlite3.Error) and "is locked" in str(error):
        return "another program is writing to classcord.db", ["end that program", elsewhere]
    full = space(path, error)
    if full is not None:
        return full, ["free some space there", _other(path, other_disk=True, must=False) if other else ""]
    mount = mounts.mount_of(path)
    where = f"{mount.kind}, mounted at {shown(mount.point)}" if mount is not None else "of unknown kind"
    away = _other(path, other_disk=True) if other else "copy it to another disk, and name the copy with --data"
    if (mount is not None and mount.read_only) or getattr(error, "errno", 0) == errno.EROFS:
        return f"its file system is read-only ({where})", [away if other else ""]
    denied = no_access(path)
    if denied is not None:
        return denied.reason, [denied.cure, _other(path, other_disk=denied.disk) if other else ""]
    if _no_sharing(path, error, mount):
        keep = " (copy classcord.db there first, to keep what is in it)" if other and _has_data(path) else ""
        return f"a database can't work on its file system ({where}): {_text(error)}", [away + keep]
    return f"{_text(error)} (file system {where})", [elsewhere]


def _no_sharing(path: str, error: OSError | sqlite3.Error, mount: mounts.Mount | None) -> bool:
    """Does the file system lack locks, or memory that two openings of a file share?"""
    if isinstance(error, OSError):
        return error.errno in _NO_SHARING
    return (mount is not None and bool(mounts.UNSUITABLE.fullmatch(mount.kind))) or not mounts.can_carry_wal(path)


def _text(error: OSError | sqlite3.Error) -> str:
    return ((isinstance(error, OSError) and error.strerror) or str(error)).replace("\n", " ")


def _has_data(path: str) -> bool:
    for name, empty in ((FILES[1], 4096), (FILES[2], 0)):  # the first page of a database is there before anything else
        with contextlib.suppress(OSError):
            if os.path.getsize(os.path.join(path, name)) > empty:
                return True
    return False


def _size(count: int) -> str:
    return f"{count >> 20} MB" if count >= 10 << 20 else f"{count >> 10} KB"


# --- the files in the folder ---


def _wrong_kind(path: str) -> tuple[str, list[str]] | None:
    """A file in place of a folder, a folder in place of a file, or a dangling link: its description, its remedies."""
    parts = path.split("/")
    for count in range(2, len(parts) + 1):
        part = "/".join(parts[:count])
        rest = "it " if part == path else f"{shown(part)} "
        if os.path.islink(part) and not os.path.exists(part) and _enterable(os.path.realpath(part)):
            return f"{rest}{_leads_nowhere(part)}", _removal(part)
        if os.path.exists(part) and not os.path.isdir(part):
            return f"{rest}is a file, and must be a folder", _removal(part, "mv")
    for name in FILES:
        part = os.path.join(path, name)
        if os.path.islink(part) and (name == FILES[0] or not os.path.exists(part)):
            why = _leads_nowhere(part) if name != FILES[0] else "is a link, which the server does not follow"
            return f"{name} {why}", _removal(part)
        if os.path.exists(part) and not os.path.isfile(part):
            kind = "a folder" if os.path.isdir(part) else "a device or a pipe"
            return f"{name} is {kind}, and must be a file", _removal(part, "mv")
        if second_name(part):
            return f"{name} has a second name (a hard link), and root would give both away", _removal(part)
    return None


def second_name(path: str) -> bool:
    """Whether we are root in a folder of another user, and the file has a second name. It may be a file of any folder.

    SQLite gives its files to the owner of the database too.
    """
    with contextlib.suppress(OSError):
        return os.geteuid() == 0 and os.stat(os.path.dirname(path)).st_uid != 0 and os.stat(path).st_nlink > 1
    return False


def _enterable(path: str) -> bool:
    """False if there may be a file that this user can't see."""
    return os.access(mounts.nearest(path), os.X_OK, effective_ids=True)


def _leads_nowhere(link: str) -> str:
    to = os.path.realpath(link)
    if to == link or os.path.islink(to):
        return "is a link that leads back to itself"
    return f"is a link to {shown(to)}, which is not there (is its disk not mounted?)"


def _removal(part: str, how: str = "rm") -> list[str]:
    """The command that removes the obstacle, if this user may do that."""
    if not _may(os.path.dirname(part), os.W_OK | os.X_OK):
        return []
    return [f"type: {how} {quoted(part)}" + (f" {quoted(_unused(part))}" if how == "mv" else "")]


def _unused(path: str) -> str:
    """A name beside `path` that is free."""
    number = 1
    while os.path.lexists(free := f"{path}.old" + (f"-{number}" if number > 1 else "")):
        number += 1
    return free


def space(path: str, error: OSError | sqlite3.Error) -> str | None:
    """A text about the full disk and its free space, if that is the cause of `error`."""
    room = mounts.room(path)
    number = error.errno if isinstance(error, OSError) else 0
    mount = mounts.mount_of(path)
    where = f" ({mount.kind}, mounted at {shown(mount.point)})" if mount is not None else ""
    if number == errno.EDQUOT:
        return f"user {os.geteuid()} has used all of its quota on this disk{where}"
    failed = isinstance(error, sqlite3.OperationalError) and ("I/O" in str(error) or "open" in str(error))
    if room is not None and room.no_files and (number == errno.ENOSPC or failed):
        return f"the disk can hold no more files{where}"
    if number == errno.ENOSPC or "is full" in str(error) or (failed and room is not None and room.free < _LITTLE):
        left = f": {_size(room.free)} of {_size(room.size)} are free" if room is not None else ""
        return f"the disk is full{left}{where}"
    return None


# --- users and permissions ---


def _may(path: str, mode: int) -> bool:
    return os.access(path, mode, effective_ids=True)


def _whose(number: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return f"user {number}"


class Denied(NamedTuple):
    """Access that user and mode forbid; `cure` is a command or empty; `disk` says that only another disk would do."""

    reason: str
    cure: str
    disk: bool = False


def no_access(folder: str) -> Denied | None:
    """Why this user can't use the folder and the files in it; None if the user can."""
    folder = os.path.realpath(folder)
    user = f"user {os.geteuid()}"
    parts = folder.split("/")
    for count in range(1, len(parts)):
        above = "/".join(parts[:count]) or "/"
        if os.path.isdir(above) and not _may(above, os.X_OK):
            return Denied(f"{user} cannot enter {shown(above)}", _open_own(above))
    if not os.path.exists(folder):
        above = mounts.nearest(folder)
        if _may(above, os.W_OK | os.X_OK):
            return None
        cure = _open_own(above)
        if not cure and os.stat(above).st_uid == 0 and _obeys_root(above):
            cure = f"type: sudo install -d -m 700 -o {os.geteuid()} -g {os.getegid()} {quoted(folder)}"
        return Denied(f"{user} cannot make a folder in {shown(above)}", cure, not _obeys_root(above))
    blocked = [] if _may(folder, os.W_OK | os.X_OK) else [folder]
    blocked += [
        path for name in FILES
        if os.path.exists(path := os.path.join(folder, name)) and not _may(path, os.R_OK | os.W_OK)
    ]
    return _denied(folder, blocked) if blocked else None


def _denied(folder: str, blocked: list[str]) -> Denied:
    """The text and the cure for `blocked`, the paths among the folder and its files that may not be used."""
    user, group = os.geteuid(), os.getegid()
    states = {path: os.stat(path) for path in blocked}
    foreign = [path for path in blocked if states[path].st_uid != user]
    closed = any(~state.st_mode & (0o700 if stat.S_ISDIR(state.st_mode) else 0o600) for state in states.values())
    what = "there" if blocked[0] == folder else " and ".join(os.path.basename(path) for path in blocked)
    whose = f" ({_whose(states[foreign[0]].st_uid)} owns it)" if foreign else ""
    reason = f"user {user} cannot write {what}{whose}"
    if not (foreign or closed) or (foreign and not _obeys_root(folder)):
        return Denied(reason, "", True)  # immutable, a rule of another kind, a root that may not
    outside = mounts.in_container() and os.path.ismount(folder)
    whole = outside or _ours(folder)
    if blocked[0] == folder and not (outside or (whole and _may_take(folder, states[folder]))):
        return Denied(reason, "")
    target = quoted(folder) if whole else " ".join(map(quoted, blocked))
    if outside:  # the folder has another name on the host
        target = "FOLDER"
    flag = "-R " if whole else ""
    commands = [f"chown {flag}{user}:{group} {target}"] if foreign else []
    commands += [f"chmod {flag}u+rwX {target}"] if closed else []
    cure = "type: " + " && ".join(("sudo " if foreign or outside else "") + command for command in commands)
    host = f" on the host (FOLDER is the folder that is mounted at {shown(folder)})" if outside else ""
    return Denied(reason, cure + host)


def _ours(folder: str) -> bool:
    """Does the folder hold only files of the server, as far as can be seen?"""
    try:
        return all(name.startswith(("classcord.", ".classcord-", "lost+found")) for name in os.listdir(folder))
    except OSError:
        return True


def _may_take(folder: str, state: os.stat_result) -> bool:
    """May this folder be given to us, or would that rob another person or the system?"""
    me = os.geteuid()
    with contextlib.suppress(OSError):
        if me in (state.st_uid, os.stat(os.path.dirname(folder)).st_uid):
            return True
    if state.st_uid != 0:
        with contextlib.suppress(KeyError):
            pwd.getpwuid(state.st_uid)
            return False
        return True  # its owner is not a user of this machine
    try:
        os.listdir(folder)
    except OSError:  # it may hold anything, unless it looks like a folder that the server made
        homes = {os.path.realpath(entry.pw_dir) for entry in pwd.getpwall()}
        return state.st_mode & 0o777 == 0o700 and state.st_nlink <= 2 and folder not in homes
    return True


def _open_own(folder: str) -> str:
    """The command that opens a folder of our own that is closed to ourselves."""
    with contextlib.suppress(OSError):
        state = os.stat(folder)
        if state.st_uid == os.geteuid() and ~state.st_mode & stat.S_IRWXU:
            return f"type: chmod u+rwx {quoted(folder)}"
    return ""


def _obeys_root(path: str) -> bool:
    mount = mounts.mount_of(path)
    return mount is None or not mounts.WITHOUT_OWNERS.fullmatch(mount.kind)


# --- another place ---


def _other(path: str, *, other_disk: bool = False, must: bool = True) -> str:
    """A sentence that proposes another place for the data, with `other_disk` on another disk than `path`.

    If no place is known, the sentence asks for one, or is empty without `must`.
    """
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if state:  # set by systemd: its unit lets the service write only there
        if os.path.realpath(state) == os.path.realpath(path):
            return ""
        return f"remove CLASSCORD_DATA from /etc/classcord/classcord.env: then {shown(state)} is used"
    if mounts.in_container():
        return "mount a folder of the host's own disk there (docker run -v FOLDER:/data)"
    home = os.path.expanduser("~")
    for typed, place in (
        ("~/classcord-data" if os.environ.get("HOME") else "", os.path.join(home, "classcord-data")),
        ("", f"/var/tmp/classcord-{os.geteuid()}"),
    ):
        if os.path.isabs(place) and _is_good(place, path, other_disk):
            return f"start it with --data {typed or quoted(place)}"
    return f"name another folder with --data, in which user {os.geteuid()} can write" if must else ""


def _is_good(place: str, instead_of: str, other_disk: bool) -> bool:
    real, bad = os.path.realpath(place), os.path.realpath(instead_of)
    if real == bad or real.startswith(bad + "/") or (other_disk and mounts.disk(real) == mounts.disk(bad)):
        return False
    mount, room = mounts.mount_of(real), mounts.room(real)
    return (
        no_access(real) is None and _wrong_kind(real) is None
        and not (mount is not None and mount.read_only) and not (room is not None and room.free < _NEEDED)
    )
