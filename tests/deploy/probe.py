"""What a process may do, tried: run inside the service's sandbox and, for comparison, outside of it.

Prints a JSON object: for each thing "done", or the name of the error that kept it from being done. Needs no module but
Python's own, for it runs with the machine's interpreter.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import resource
import socket
import sys
from collections.abc import Callable
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWUTS = 0x20000, 0x10000000, 0x40000000, 0x4000000


def call(function: Any, *arguments: object) -> None:
    """A function of C's library that returns -1 when it fails."""
    if function(*arguments) == -1:
        raise OSError(ctypes.get_errno(), "")


def apart(function: Any, *arguments: object) -> None:
    """The same in a process of its own, lest the probe itself be changed."""
    child = os.fork()
    if child == 0:
        os._exit(0 if function(*arguments) != -1 else ctypes.get_errno())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, "")


def write(path: str) -> None:
    with open(path, "a"):
        pass


def setuid_file(folder: str) -> None:
    path = os.path.join(folder, "suid")
    write(path)
    os.chmod(path, 0o4755)


def others() -> None:
    """Whether processes of others are to be seen."""
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
    "make a device": lambda: os.mknod(state + "/device", 0o20600, os.makedev(1, 3)),
    "see others' processes": others,
    "see the kernel's settings": lambda: os.stat("/proc/sys/kernel/hostname"),
    "see kernel memory figures": lambda: os.stat("/proc/meminfo"),
    "change control groups": lambda: os.mkdir("/sys/fs/cgroup/pids/probe"),
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
    "run in real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "raise its priority": lambda: os.nice(-1),
    "lower its priority": lambda: os.nice(1),
    "be traced": lambda: apart(libc.ptrace, 0, 0, None, None),
    "see the kernel's modules": lambda: os.listdir("/usr/lib/modules"),
    "mount": lambda: call(libc.mount, b"none", b"/mnt", b"tmpfs", 0, None),
    "become root": lambda: os.setuid(0),
    "change its root": lambda: os.chroot("/"),
    "rename the machine": lambda: socket.sethostname(socket.gethostname()),
    "leave a core": lambda: resource.getrlimit(resource.RLIMIT_CORE)[1] or os.stat("/nowhere"),
}

results = {}
for name, attempt in TRIES.items():
    try:
        attempt()
        results[name] = "done"
    except (OSError, IndexError) as error:
        results[name] = errno.errorcode.get(getattr(error, "errno", 0), type(error).__name__)
results["mode of a new file"] = oct(os.stat(state + "/probe").st_mode & 0o777)
json.dump(results, sys.stdout)
