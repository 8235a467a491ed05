"""Tries what a process may do. It runs inside the service's sandbox and, for comparison, outside of it.

Prints a JSON object: for each attempt "done", or the name of the error. With names as arguments, it tries only those.
It needs only Python's own modules, because it runs with the machine's interpreter.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWUTS = 0x20000, 0x10000000, 0x40000000, 0x4000000
DELETE_MODULE = 176 if platform.machine() == "x86_64" else 106  # the libc has no name for it
GETPID_IN_32_BITS = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # mov eax, 20; int 0x80; ret


def call(function: Any, *arguments: object) -> None:
    """A function of C's library that returns -1 when it fails."""
    if function(*arguments) == -1:
        raise OSError(ctypes.get_errno(), "")


def apart(function: Any, *arguments: object) -> None:
    """The same in a process of its own, so that the probe itself is not changed."""
    child = os.fork()
    if child == 0:
        os._exit(0 if function(*arguments) != -1 else ctypes.get_errno())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        raise ChildProcessError(errno.ECHILD, signal.Signals(-code).name)
    if code:
        raise OSError(code, "")


def as_wrong(attempt: Callable[[], object], *answers: int) -> None:
    """A request that must fail, so that it changes nothing. These answers show that the kernel handled it."""
    try:
        attempt()
    except OSError as error:
        if error.errno not in answers:
            raise


def write(path: str) -> None:
    with open(path, "a"):
        pass


def setuid_file(folder: str) -> None:
    path = os.path.join(folder, "suid")
    write(path)
    os.chmod(path, 0o4755)


def give_away(folder: str) -> None:
    path = os.path.join(folder, "given")
    write(path)
    os.chown(path, 1000, -1)


def file_for_all(folder: str) -> None:
    """Make a file as programs do, and see whether others may read it."""
    path = os.path.join(folder, "probe-new")
    write(path)
    mode = os.stat(path).st_mode
    os.unlink(path)
    if not mode & 0o044:
        raise PermissionError(errno.EACCES, "")


def other_architecture() -> None:
    """A system call of the 32-bit processor; most kernels accept those too."""
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, "")
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(GETPID_IN_32_BITS)
    apart(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(memory))))


def control_group() -> None:
    """Make a group, in the hierarchy of either version."""
    path = "/sys/fs/cgroup/pids/probe" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup/probe"
    os.mkdir(path)
    os.rmdir(path)


def others() -> None:
    """Whether the processes of other users are visible."""
    if "1" not in os.listdir("/proc"):
        raise OSError(errno.ENOENT, "")


state = os.environ.get("STATE_DIRECTORY", "/root")
TRIES: dict[str, Callable[[], object]] = {
    "write its own data": lambda: write(state + "/probe"),
    "listen on a port": lambda: socket.create_server(("", 0)).close(),
    "write its program": lambda: write("/opt/classcord/server.py"),
    "write /etc": lambda: write("/etc/probe"),
    "write /usr": lambda: write("/usr/probe"),
    "write /var": lambda: write("/var/probe"),
    "see homes": lambda: os.listdir("/home")[0],
    "see root's home": lambda: os.listdir("/root/.probe"),
    "see /tmp of others": lambda: os.stat("/tmp/probe-of-others"),
    "see a device": lambda: os.stat("/dev/probe"),
    "open a device": lambda: os.close(os.open("/dev/probe", os.O_RDONLY)),
    "make a device": lambda: os.mknod(state + "/device", 0o20600, os.makedev(1, 3)),
    "see others' processes": others,
    "see the kernel's settings": lambda: os.stat("/proc/sys/kernel/hostname"),
    "see kernel memory figures": lambda: os.stat("/proc/meminfo"),
    "change control groups": control_group,
    "change the kernel's settings": lambda: os.close(os.open("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY)),
    "read the kernel's log": lambda: call(libc.klogctl, 10, None, 0),  # how long it is
    "unload a module": lambda: as_wrong(
        lambda: call(libc.syscall, DELETE_MODULE, b"none", 0), errno.ENOENT, errno.ENOSYS
    ),
    "set the clock": lambda: as_wrong(lambda: time.clock_settime(time.CLOCK_REALTIME, -1), errno.EINVAL),
    "make a user namespace": lambda: apart(libc.unshare, CLONE_NEWUSER),
    "make a mount namespace": lambda: apart(libc.unshare, CLONE_NEWNS),
    "make a network namespace": lambda: apart(libc.unshare, CLONE_NEWNET),
    "make a name namespace": lambda: apart(libc.unshare, CLONE_NEWUTS),
    "open a packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
    "open a raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
    "take a low port": lambda: socket.create_server(("127.0.0.1", 79)).close(),
    "write code into memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
    "change its execution domain": lambda: call(libc.personality, 0x0008),
    "make a setuid file": lambda: setuid_file(state),
    "run in real time": lambda: as_wrong(
        lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(0)), errno.EINVAL
    ),
    "make a call of another architecture": other_architecture,
    "raise its priority": lambda: os.nice(-1),
    "lower its priority": lambda: os.nice(1),
    "be traced": lambda: apart(libc.ptrace, 0, 0, None, None),
    "see the kernel's modules": lambda: os.listdir("/usr/lib/modules"),
    "mount": lambda: call(libc.mount, b"none", b"/mnt", b"tmpfs", 0, None),
    "become root": lambda: os.setuid(0),
    "become root by sudo": lambda: subprocess.run(["sudo", "-n", "true"], check=True, stderr=subprocess.DEVNULL),
    "give a file away": lambda: give_away(state),
    "make a file that others may read": lambda: file_for_all(state),
    "change its root": lambda: os.chroot("/"),
    "rename the machine": lambda: socket.sethostname(socket.gethostname()),
    "leave a core": lambda: resource.getrlimit(resource.RLIMIT_CORE)[1] or os.stat("/nowhere"),
}

results = {}
for name in sys.argv[1:] or TRIES:
    try:
        TRIES[name]()
        results[name] = "done"
    except (OSError, IndexError, subprocess.CalledProcessError) as error:
        results[name] = errno.errorcode.get(getattr(error, "errno", 0), type(error).__name__)
json.dump(results, sys.stdout)
