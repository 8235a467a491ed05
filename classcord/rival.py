"""Who has the port that the server can't have: the service, a container, or something else."""

from __future__ import annotations

import os

from classcord.service import Manager

__all__ = ["rival"]

_UNIT_RUNS = "/run/systemd/units/invocation:classcord.service"
"""A link that systemd keeps while the unit is active; everybody may see it."""


def rival(port: int, *, classcord: bool, manager: Manager) -> str:
    """Who has the port that we can't have, as far as can be seen from here, and what to type.

    `classcord` says whether a ClassCord server answers there.
    """
    other = "or choose another port with --port"
    if manager.present:
        other = "or choose another port: CLASSCORD_PORT in /etc/classcord/classcord.env"
    if not classcord:
        return f"another program has it: sudo ss -ltnp 'sport = :{port}' shows which; stop that one, {other}"
    if not manager.present and os.path.lexists(_UNIT_RUNS):
        return f"the service classcord has it: sudo systemctl stop classcord, {other}"
    if _owner(port) == 0:  # Docker listens for its containers, as root
        stop = f"sudo docker stop $(sudo docker ps -q --filter publish={port})"
        carry = ""
        if manager.present:
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
