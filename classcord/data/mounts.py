"""The file system of a path, its free room, and whether this is a container.

The functions here change nothing. Any thread may call them.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import re
from typing import NamedTuple

__all__ = [
    "UNSUITABLE", "WITHOUT_OWNERS", "Mount", "Room", "can_carry_wal", "disk", "in_container", "mount_of", "nearest",
    "room",
]

_FIRST_PROCESSES = 0xEFFFFFFC
"""The number of the kernel's first PID namespace: PROC_PID_INIT_INO of Linux's include/linux/proc_ns.h."""
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")
"""Docker makes the first in each container, Podman the second."""
_CONTAINER_ENGINES = ("docker", "podman", "oci", "containerd", "kube")
"""Values of $container. systemd-nspawn and LXC are not among them: those are full machines with a root of their own."""
_CONTAINER_GROUP = re.compile(r"/(docker|libpod|kubepods|containerd|crio)[-/.]")

UNSUITABLE = re.compile(
    r"vboxsf|9p|cifs|smb3|smbfs|nfs4?|prl_fs|vmhgfs|drvfs|virtiofs|afs|ceph|fuse\..*|fuse|fuseblk|hgfs|lustre|gfs2|ocfs2"
)
"""File systems of other machines, of the host, or of a program. SQLite's write-ahead log fails on some of them."""
WITHOUT_OWNERS = re.compile(r"vfat|msdos|exfat|ntfs|ntfs3|iso9660|udf|squashfs|nfs4?|" + UNSUITABLE.pattern)
"""File systems on which `sudo chown` does not help: they keep no owners, or do not obey root."""


class Mount(NamedTuple):
    """`point` is the folder where it is mounted, `kind` the type of the file system ("ext4")."""

    point: str
    kind: str
    read_only: bool


class Room(NamedTuple):
    """Bytes that are free for this user, and bytes of the file system; `no_files` if no file can be added."""

    free: int
    size: int
    no_files: bool


def nearest(path: str) -> str:
    """The path itself, or the nearest folder above it that exists and can be seen."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def mount_of(path: str) -> Mount | None:
    """The mount of `path` or of the nearest folder above it; None if /proc doesn't say.

    The kernel gives the number of the mount, so two mounts at the same place are not confused.
    """
    try:
        found = os.open(nearest(path), os.O_PATH | os.O_CLOEXEC)
        try:
            with open(f"/proc/self/fdinfo/{found}", encoding="utf-8") as info:
                number = re.search(r"^mnt_id:\s*(\d+)", info.read(), re.MULTILINE)
        finally:
            os.close(found)
        with open("/proc/self/mountinfo", "rb") as table:
            return next((_parse(row) for row in table if number and row.split(b" ")[0] == number[1].encode()), None)
    except (OSError, ValueError):
        return None


def _parse(row: bytes) -> Mount:
    # 36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw,errors=continue; see proc(5)
    before, _, after = row.partition(b" - ")
    point, options = before.split(b" ")[4:6]
    kind, _, above = after.split()[:3]
    plain = re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), point)
    return Mount(os.fsdecode(plain), kind.decode(), b"ro" in options.split(b",") + above.split(b","))


def disk(path: str) -> int | None:
    """A number that differs between file systems; None if it can't be found out."""
    try:
        return os.stat(nearest(path)).st_dev
    except OSError:
        return None


def room(path: str) -> Room | None:
    """The room of the file system where `path` is or would be made; None if it can't be found out."""
    try:
        found = os.statvfs(nearest(path))
    except OSError:
        return None
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail  # some blocks are reserved for root
    return Room(blocks * found.f_frsize, found.f_blocks * found.f_frsize, found.f_files > 0 and found.f_ffree == 0)


def can_carry_wal(folder: str) -> bool:
    """Can processes share files in `folder` as SQLite's write-ahead log needs it? True if that can't be tried."""
    import tempfile  # a start that succeeds does not need it

    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as probe:
        try:
            probe.truncate(mmap.PAGESIZE)
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with mmap.mmap(probe.fileno(), mmap.PAGESIZE) as shared:
                shared[0] = 1
        except (OSError, ValueError) as error:
            return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return True


def in_container() -> bool:
    """Is this a container of Docker, Podman or Kubernetes? Then folders are given to it from outside.

    A machine whose disk was made from an image may keep the image's files, but it has the kernel's first processes.
    """
    with contextlib.suppress(OSError):
        if os.stat("/proc/self/ns/pid").st_ino == _FIRST_PROCESSES:
            return False
    if os.getpid() == 1 or any(map(os.path.exists, _CONTAINER_FILES)):
        return True
    if os.environ.get("container", "").startswith(_CONTAINER_ENGINES):  # noqa: SIM112 - its name is so
        return True
    with contextlib.suppress(OSError), open("/proc/1/cgroup", encoding="utf-8", errors="replace") as groups:
        return _CONTAINER_GROUP.search(groups.read()) is not None
    return False
