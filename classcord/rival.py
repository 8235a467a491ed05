"""Who has the port that the server can't have: the service, a container, or something else.

`python3 -m classcord.rival` says it for classcord.socket, which systemd can't start then: its ExecStartPre=.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

from classcord import health, logs
from classcord.service import Manager

__all__ = ["in_the_way", "rival"]

_UNIT_RUNS = "/run/systemd/units/invocation:classcord.service"
"""A link that systemd keeps while the unit is active; everybody may see it."""


def rival(port: int, *, classcord: bool, manager: Manager) -> str:
    """Who has the port that we can't have, as far as can be seen from here, and what to type.

    `classcord` says whether a ClassCord server answers there.
    """
    other = "or choose another port with --port"
    if manager.present:
        other = "or choose another port: CLASSCORD_PORT in /etc/classcord/classcord.env"
    return _rival(port, other, classcord=classcord, managed=manager.present)


def _rival(port: int, other: str, *, classcord: bool, managed: bool) -> str:
    if not classcord:
        return f"another program has it: sudo ss -ltnp 'sport = :{port}' shows which; stop that one, {other}"
    if not managed and os.path.lexists(_UNIT_RUNS):
        return f"the service classcord has it: sudo systemctl stop classcord, {other}"
    if _owner(port) == 0:  # Docker listens for its containers, as root
        stop = f"sudo docker stop $(sudo docker ps -q --filter publish={port})"
        carry = ""
        if managed:
            carry = " (if it is called classcord, sudo make migrate-to-systemd also carries its data along)"
        return f"most likely a container has it: {stop}{carry}, {other}"
    return f"another ClassCord server has it: stop that one (sudo ss -ltnp 'sport = :{port}' shows it), {other}"


def _owner(port: int) -> int | None:
    """Whose socket listens on this TCP port: a user's number."""
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        try:
            with open(table, encoding="ascii") as rows:
                for row in rows:
                    cells = row.split()  # sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid
                    if cells[3] == "0A" and cells[1].endswith(f":{port:04X}"):
                        return int(cells[7])
        except OSError:
            pass  # no IPv6, or no /proc
    return None


def in_the_way(listen: str) -> Iterator[str]:
    """A line for each address of `listen` that somebody else has; `listen` is what systemd shows of a socket unit."""
    for shown in listen.splitlines():  # [::]:12345 (Stream)
        host, _, port = shown.partition(" ")[0].rpartition(":")
        host = host.strip("[]")
        if not port.isdecimal():
            continue  # no TCP port: the server refuses it, and says so
        try:
            _try(host, int(port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                continue  # systemd's own line says what it is
            ours, _ = health.check(host, int(port), seconds=1)
            other = "or choose another port: ListenStream= in sudo systemctl edit --full classcord.socket"
            hint = _rival(int(port), other, classcord=ours, managed=True)
            yield f"can't listen on {host} port {port}: {error.strerror}; {hint}"


def _try(host: str, port: int) -> None:
    """Take the port for a moment, as systemd will."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.bind(address)


if __name__ == "__main__":
    show = ["systemctl", "show", "--property", "Listen", "--value", "classcord.socket"]
    for line in in_the_way(subprocess.run(show, stdout=subprocess.PIPE, text=True, check=True).stdout):
        print(f"{logs.priority(logging.ERROR)}classcord.socket: {line}", file=sys.stderr)
