"""What the tests of deploy/ufw.sh share: who reaches the server.

The desks are routed to the VM there, so that it sees slam as 10.0.108.34 and other as 10.0.109.7.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.deploy.lab import BASE, HOST, VM, Lab, answers
from tests.deploy.machines import PROJECT, Desk

__all__ = ["CHAT", "SCHOOL", "SERVER", "UFW", "reached", "route", "silent"]

UFW = f"sh {PROJECT}/deploy/ufw.sh"
SCHOOL = "10.0.108.0/24"
SERVER = "python3 server.py --data /tmp/data --password-cost 1"
CHAT = f"docker run -d --name chat -p 12345:12345 -w /app -v {PROJECT}:/app:ro {BASE} {SERVER}"


def route(lab: Lab) -> None:
    """Make the host a router, which the desks need after each boot of a machine."""
    lab.host.run("sysctl -q -w net.ipv4.ip_forward=1")
    lab.slam.run(f"ip route replace {VM} via {HOST}")


def silent(desk: Desk, address: str, port: int = 12345) -> bool:
    """Whether that port can't be reached. A dropped packet takes a second."""
    return desk.run(f"nc.openbsd -z -w 1 {address} {port}", check=False).returncode != 0


def reached(lab: Lab, *ports: int) -> list[bool]:
    """Whether slam and other reach the server on those ports: slam, other, slam, other... All are tried at once."""
    tries = [(desk, port) for port in ports or (12345,) for desk in (lab.slam, lab.other)]
    with ThreadPoolExecutor(len(tries)) as pool:
        return list(pool.map(lambda each: not silent(each[0], VM, each[1]) and answers(each[0], VM, each[1]), tries))
