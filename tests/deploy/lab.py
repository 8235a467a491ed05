"""The school's network, as in CONTAINERS.md, with only these machines:

    slam 10.0.108.34 --- 10.0.108.42 host 192.168.56.1 --- 192.168.56.10 vm

`vm` and `host` are booted machines (see machines.py), `slam` is a desk of the pupils' network, `other` (10.0.109.7) one
of another network beyond the host. Slam can't reach vm until the project's own scripts run on the host.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from tests.deploy.fresh import bare_root
from tests.deploy.machines import USER, Desk, Machine, bootstrap, made_once, rootfs, until
from tests.support import DEADLINE

__all__ = ["HOST", "HOST_INSIDE", "OTHER", "SLAM", "VM", "Lab", "base_image"]

SLAM, OTHER, HOST, HOST_INSIDE, VM = "10.0.108.34", "10.0.109.7", "10.0.108.42", "192.168.56.1", "192.168.56.10"
BASE = "python:3.13-slim-trixie"
"""The base image of the Dockerfile. It needs no registry: it is made from Debian's packages."""

_numbers = count()


class Lab:
    """The network and its machines. `close` takes all of it away again. Root only."""

    def __init__(self, folder: Path) -> None:
        tag = f"-{os.getpid()}-{next(_numbers)}"
        self.folder = folder
        self._netns = [name + tag for name in ("slam", "other", "host", "vm")]
        self.slam, self.other = Desk("slam" + tag), Desk("other" + tag)
        self.host = Machine("host" + tag, folder / "host")
        self.vm = Machine("vm" + tag, folder / "vm")

    def open(self, *, host: bool = True) -> None:
        """Connect and boot the machines. With `host` false the host stays off (its addresses exist)."""
        for name in self._netns:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        slam, other, router, vm = self._netns
        for name, card, address, there, theirs in (
            (slam, "eth0", f"{SLAM}/24", "lan0", f"{HOST}/24"),
            (other, "eth0", f"{OTHER}/24", "lan1", "10.0.109.42/24"),
            (vm, "eth0", f"{VM}/24", "vbox0", f"{HOST_INSIDE}/24"),
        ):
            _ip("link", "add", card, "netns", name, "type", "veth", "peer", "name", there, "netns", router)
            for namespace, device, has in ((name, card, address), (router, there, theirs)):
                _ip("-n", namespace, "address", "add", has, "dev", device)
                _ip("-n", namespace, "link", "set", device, "up")
        _ip("-n", vm, "route", "add", "default", "via", HOST_INSIDE)
        _ip("-n", other, "route", "add", "default", "via", "10.0.109.42")
        self.vm.boot()
        self.vm.lay_project()
        if host:
            self.host.boot()
            self.host.lay_project()

    def start_engine(self, machine: Machine) -> None:
        """Start Docker on a machine, with the base image in it, as after the first `docker pull`."""
        machine.run("systemctl enable -q --now docker")
        _import_base(machine, "docker")

    def start_rootless_engine(self, machine: Machine) -> str:
        """Start an engine of USER's own, which runs without root, with the base image in it. Until a reboot or
        `systemctl stop rootless`. Returns `docker` with the option that names this engine."""
        run = f"/run/user/{machine.run(f'id -u {USER}').stdout.strip()}"
        data = "/var/lib/docker/rootless"  # not on the overlay of the machine
        machine.run(f"chmod 711 /var/lib/docker; install -d -o {USER} {data} && install -d -m 700 -o {USER} {run}")
        # a container may mount its own /proc and /sys only where nothing of these is hidden
        machine.run("for name in proc sysfs; do mkdir -p /mnt/$name && mount -t $name $name /mnt/$name; done")
        machine.run("chmod 666 /dev/net/tun")
        start = "/usr/share/docker.io/contrib/dockerd-rootless.sh"
        machine.run(f"systemd-run -q --unit=rootless --uid={USER} -E HOME=/home/{USER} -E PATH=$PATH "
                    f"-E XDG_RUNTIME_DIR={run} {start} --data-root {data}")
        docker = f"docker -H unix://{run}/docker.sock"
        until(lambda: machine.run(f"{docker} ps", check=False).returncode == 0, "the rootless engine answers", 60)
        _import_base(machine, docker)
        return docker

    def close(self) -> None:
        """End the machines and take the network away."""
        with ExitStack() as stack:
            for name in self._netns:
                stack.callback(subprocess.run, ["ip", "netns", "del", name], capture_output=True, check=False)
            stack.callback(self.host.close)
            stack.callback(self.vm.close)


def _import_base(machine: Machine, docker: str) -> None:
    if machine.run(f"{docker} image inspect {BASE}", check=False).returncode:
        with base_image().open("rb") as archive:
            subprocess.run(
                machine.command(f"{docker} import -c 'CMD [\"python3\"]' -c 'ENV LANG=C.UTF-8' - {BASE}"),
                stdin=archive, stdout=subprocess.DEVNULL, check=True,
            )


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def base_image() -> Path:
    """The file system of the base image as a tar file, made once: Debian's, with Debian's Python 3.13.

    Like the official image, it has no bytecode.
    """
    link = 'ln -s /usr/bin/python3 "$1/usr/local/bin/python3"; ln -s python3 "$1/usr/local/bin/python"'
    bare = 'find "$1/usr" -name __pycache__ -prune -exec rm -r {} +'
    arguments = ["--include=python3", f"--customize-hook={link}", f"--customize-hook={bare}", "trixie"]
    with made_once("base-{}.tar", "\0".join(arguments)) as (made, draft):
        if draft is not None:
            bootstrap(*arguments, str(draft))
    return made


def answers(desk: Desk, address: str, port: int = 12345, *, seconds: int = int(DEADLINE)) -> bool:
    """Whether a ClassCord server answers there. That desk asks with netcat, which waits `seconds` for each step."""
    line = f"printf '{{\"type\":\"ping\"}}\\n' | timeout {seconds + 1} nc.openbsd -N -w {seconds} {address} {port}"
    return "pong" in desk.run(line, check=False).stdout


def wait_for_answer(desk: Desk, address: str, port: int = 12345) -> None:
    """Wait until a ClassCord server answers there."""
    until(lambda: answers(desk, address, port, seconds=2), f"{address} port {port} answers {desk.netns}")


if __name__ == "__main__":  # make the files that the labs share, so that no test has to wait for them
    print(rootfs(), base_image(), bare_root())
