"""The lab itself: the facts that the other tests of deploy/ rely on."""

from __future__ import annotations

import pytest

from tests.deploy.lab import BASE, HOST, HOST_INSIDE, SLAM, VM, Lab
from tests.deploy.machines import PROJECT, USER

pytestmark = pytest.mark.lab


def test_only_neighbours_reach_each_other(lab: Lab) -> None:
    ping = "ping -c 1 -W 1 "
    lab.slam.run(ping + HOST)
    lab.vm.run(ping + HOST_INSIDE)
    assert lab.slam.run(ping + VM, check=False).returncode != 0
    assert lab.vm.run(ping + SLAM, check=False).returncode != 0


def test_machines_are_debians_with_the_project_and_a_user(lab: Lab) -> None:
    for machine, name in ((lab.vm, "vm"), (lab.host, "host")):
        assert machine.run("systemctl is-system-running").stdout == "running\n"
        assert machine.run("sudo hostname; pwd; id -Gn", user=USER, cwd=PROJECT).stdout == (
            f"{name}\n{PROJECT}\n{USER} sudo docker\n"
        )


def test_the_engine_runs_the_base_image_and_survives_a_reboot(lab: Lab) -> None:
    lab.start_engine(lab.vm)
    run = f"docker run -d --name kept --restart unless-stopped --stop-signal KILL {BASE} sleep infinity"
    lab.vm.run(run, user=USER)
    lab.vm.reboot()
    assert lab.vm.run("docker ps --format '{{.Names}}'", user=USER).stdout == "kept\n"
    lab.vm.run("docker rm -f kept")
    assert "Python 3.13" in lab.vm.run(f"docker run --rm {BASE} python3 --version").stdout
