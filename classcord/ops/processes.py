"""The process that listens on a port of this machine, as far as /proc shows it to this user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from classcord.ops.config import SETTINGS

__all__ = ["Process", "listening"]

_DEFAULT_PORT = next(setting.default for setting in SETTINGS if setting.name == "port")
_CONTAINERS = ("docker", "containerd", "libpod", "kubepods")
"""Words in the control group of a container's process."""


class Process(NamedTuple):
    """A process that listens."""

    number: int
    name: str
    owner: int
    stopped: bool
    """Whether Ctrl-Z or SIGSTOP suspended it."""
    classcord: bool
    """Whether it runs this program."""
    port: str
    """The value of --port on its command line; empty without one."""
    container: bool
    """Whether it runs in a container. Its ports are not ports of this machine."""
    unit: bool
    """Whether it belongs to the service classcord."""
    certain: bool
    """Whether its open files could be read; if not, it is the only process that fits."""


def listening(port: int) -> tuple[Process | None, int | None]:
    """The process that listens on this TCP port, and the user that owns the socket; None if it can't be seen."""
    sockets = dict(_sockets(port))
    if not sockets:
        return None, None
    owner = next(iter(sockets.values()))
    suspects: list[Process] = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            if _open_sockets(entry) & set(sockets):
                return _process(int(entry), certain=True), owner
        except PermissionError:  # a process of another user: only its command line and its state can be read
            suspect = _process(int(entry), certain=False)
            if suspect is not None and _may_listen(suspect, port, owner):
                suspects.append(suspect)
        except OSError:
            pass  # it has ended meanwhile
    return (suspects[0] if len(suspects) == 1 else None), owner


def _sockets(port: int) -> Iterator[tuple[str, int]]:
    """The inode and the owner of each socket that listens on the port. See proc_net_tcp in the kernel's manual."""
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            with open(table, encoding="ascii") as rows:
                for row in rows:
                    # sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
                    cells = row.split()
                    if cells[3] == "0A" and cells[1].endswith(f":{port:04X}"):
                        yield f"socket:[{cells[9]}]", int(cells[7])
        except OSError:
            pass  # no IPv6, or no /proc


def _open_sockets(number: str) -> set[str]:
    folder = f"/proc/{number}/fd"
    found = set()
    for entry in os.listdir(folder):
        try:
            found.add(os.readlink(f"{folder}/{entry}"))
        except FileNotFoundError:
            pass  # closed meanwhile
    return found


def _process(number: int, *, certain: bool) -> Process | None:
    try:
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
        with open(f"/proc/{number}/cmdline", "rb") as file:
            arguments = [os.fsdecode(each) for each in file.read().split(b"\0")]
        with open(f"/proc/{number}/cgroup", encoding="utf-8", errors="replace") as file:
            group = file.read()
        owner = os.stat(f"/proc/{number}").st_uid
    except OSError:
        return None
    stopped, classcord = rest.split()[0] in ("T", "t"), _is_classcord(number, arguments)
    _, _, port = " ".join(arguments).replace("--port=", "--port ").rpartition("--port ")
    port = port.partition(" ")[0]
    container, unit = any(word in group for word in _CONTAINERS), "/classcord.service" in group
    return Process(number, name, owner, stopped, classcord, port, container, unit, certain)


def _may_listen(suspect: Process, port: int, owner: int) -> bool:
    """Whether this process, whose open files are hidden, can be the one that has the socket of this owner."""
    chosen = suspect.port == str(port) or (not suspect.port and port == _DEFAULT_PORT)
    return suspect.classcord and not suspect.container and suspect.owner == owner and chosen


def _is_classcord(number: int, arguments: list[str]) -> bool:
    """Whether one of the arguments is our server.py: other programs of that name don't have our folder beside them."""
    for argument in arguments:
        if os.path.basename(argument) == "server.py":
            beside = os.path.join(os.path.dirname(argument), "classcord", "__init__.py")
            root = f"/proc/{number}/root" if os.path.isabs(argument) else f"/proc/{number}/cwd"
            try:
                os.stat(f"{root}/{beside}")
            except PermissionError:
                return True  # a process of another user: most likely ours
            except OSError:
                return False
            return True
    return False
