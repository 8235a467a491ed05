"""The program that has the port already, and what to type: the service, a container, or another process.

`python3 -m classcord.ops.port_conflict` reports it when systemd can't start classcord.socket, whose ExecStartPre= calls
it.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from collections.abc import Iterator

from classcord.ops import health, logs, processes
from classcord.ops.processes import Process
from classcord.ops.systemd import OTHER_PORT, Manager

__all__ = ["in_the_way", "port_conflict"]

_UNITS = {"classcord.socket": "classcord.socket", "classcord.service": "classcord"}
"""Our units, with the name to type."""
_UNIT_RUNS = "/run/systemd/units/invocation:"
"""While a unit is active, systemd keeps a link with a name that begins with this. Every user may see it."""


def port_conflict(host: str, port: int, manager: Manager) -> str:
    """The program that has the port on `host`, as far as this process can see, and what to type."""
    other = "or choose another port with --port"
    if manager.present:
        other = "or choose another port: CLASSCORD_PORT in /etc/classcord/classcord.env"
    return _conflict(host, port, other, managed=manager.present)


def _conflict(host: str, port: int, other: str, *, managed: bool) -> str:
    process, owner = processes.listening(port)  # first: netcat ends after one connection
    classcord, _ = health.check(host, port, seconds=1)
    units = [typed for name, typed in _UNITS.items() if os.path.lexists(_UNIT_RUNS + name)]
    if not managed and units and (process.unit if process else classcord):
        return f"the service classcord has it: sudo systemctl stop {' '.join(units)}, {other}"
    if process is not None and process.classcord:
        return f"{_server(process, answers=classcord)}, {other}"
    if process.name == "docker-proxy" if process else classcord and owner == 0:  # it listens for containers, as root
        stop = f"sudo docker stop $(sudo docker ps -q --filter publish={port})"
        carry = ""
        if managed:
            carry = " (if it is called classcord, sudo make migrate-to-systemd also carries its data along)"
        return f"{'' if process else 'most likely '}a container has it: {stop}{carry}, {other}"
    if process is not None:
        return f"the program {process.name} has it, process {process.number}: {_kill(process)}, {other}"
    what = "another ClassCord server" if classcord else "another program"
    return f"{what} has it: sudo ss -ltnp 'sport = :{port}' shows the program; stop it, {other}"


def _server(process: Process, *, answers: bool) -> str:
    """The text about a ClassCord server that has the port."""
    likely = "" if process.certain else "most likely "
    if answers:
        return f"{likely}another ClassCord server has it, process {process.number}: {_kill(process)}"
    what = f"{likely}a ClassCord server that doesn't answer has it, process {process.number}"
    if process.stopped:
        go_on = _kill(process, "-CONT ")
        return f"{what}: Ctrl-Z suspended it: type fg in its terminal, then Ctrl-C (or {_kill(process)}; {go_on})"
    return f"{what}: {_kill(process, '-9 ')} (nothing that was answered is lost)"


def _kill(process: Process, signal: str = "") -> str:
    return f"{'' if process.owner == os.getuid() else 'sudo '}kill {signal}{process.number}"


def in_the_way(listen: str) -> Iterator[str]:
    """A line for each address of `listen` that another program has. `listen` is systemd's text about a socket unit."""
    for shown in listen.splitlines():  # [::]:12345 (Stream)
        host, _, port = shown.partition(" ")[0].rpartition(":")
        host = host.strip("[]")
        if not port.isdecimal():
            continue  # not a TCP port: the server refuses it with a text
        try:
            _try(host, int(port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                continue  # systemd's own line gives the reason
            hint = _conflict(host, int(port), f"or choose another port: {OTHER_PORT}", managed=True)
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
    import subprocess  # the server does not need it

    show = ["systemctl", "show", "--property", "Listen", "--value", "classcord.socket"]
    for line in in_the_way(subprocess.run(show, stdout=subprocess.PIPE, text=True, check=True).stdout):
        print(f"{logs.priority(logging.ERROR)}classcord.socket: {line}", file=sys.stderr)
