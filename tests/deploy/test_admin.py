"""The console where the server really runs: the service in its sandbox, and the container without rights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.deploy.docker import clear, make, refused
from tests.deploy.lab import VM
from tests.deploy.machines import PROJECT, USER, Machine

pytestmark = pytest.mark.lab

REGISTER = "printf '{\"type\":\"register\",\"username\":\"prof\",\"password\":\"x\"}\\n'"


@pytest.fixture
def container(docker_vm: Machine) -> Iterator[Machine]:
    """The VM with the container."""
    make(docker_vm, "docker-run")
    yield docker_vm
    clear(docker_vm)


@pytest.fixture
def service(docker_vm: Machine) -> Iterator[Machine]:
    """The VM with the service."""
    docker_vm.run("sudo make install", user=USER, cwd=PROJECT)
    yield docker_vm
    docker_vm.run("rm -rf /run/systemd/system/classcord.service.d; make uninstall PURGE=yes", cwd=PROJECT)


def test_the_console_in_the_container(container: Machine) -> None:
    assert make(container, "admin ARGS=users").stdout == "nobody is here\n"
    container.run(f"{REGISTER} | nc.openbsd -N {VM} 12345")
    assert make(container, 'admin ARGS="promote prof"').stdout == "prof is a teacher now\n"
    state = json.loads(make(container, 'admin ARGS="stats --json"').stdout)
    assert (state["ok"], state["process"], state["data"]) == (True, 1, "/data")
    done = make(container, "admin", input="users\nhelp promote\n")
    assert "classcord> nobody is here" in done.stdout
    assert container.run("docker exec classcord stat -c '%A %u' /data/admin.sock").stdout == "srw------- 10001\n"
    # on a terminal, with line editing
    shown = container.run("script -qec 'make admin' /dev/null", user=USER, cwd=PROJECT, input="prom\tprof\nexit\n")
    assert "nothing to do: prof is a teacher now" in shown.stdout
    make(container, "docker-stop")
    assert refused(container, "admin") == "docker.sh: there is no container classcord: make docker-run starts it\n"


def test_the_console_of_the_service(service: Machine) -> None:
    assert service.run("sudo classcord-admin users", user=USER).stdout == "nobody is here\n"
    service.run(f"{REGISTER} | nc.openbsd -N {VM} 12345")
    assert service.run("sudo classcord-admin promote prof", user=USER).stdout == "prof is a teacher now\n"
    assert service.run("stat -c %A /var/lib/classcord/admin.sock").stdout == "srw-------\n"
    refused = service.run("/usr/local/sbin/classcord-admin users", user=USER, check=False)
    assert refused.returncode == 77
    assert refused.stderr == "classcord-admin: only root may do that: sudo classcord-admin\n"
    words = "admin --data /var/lib/classcord users"
    direct = service.run(f"python3 /opt/classcord/server.py {words}", user=USER, check=False)
    assert (direct.returncode, direct.stderr.count("\n")) == (77, 1), direct.stderr
    assert "type sudo in front" in direct.stderr
    # another data folder, as an operator would set it
    drop_in = "/run/systemd/system/classcord.service.d"
    service.run(f"mkdir -p {drop_in} && cat >{drop_in}/test.conf && systemctl daemon-reload",
                input="[Service]\nStateDirectory=classcord-two\nEnvironment=CLASSCORD_DATA=/var/lib/classcord-two\n")
    service.run("systemctl restart classcord")
    assert "data: /var/lib/classcord-two\n" in service.run("classcord-admin stats").stdout
    service.run(f"rm -r {drop_in}; systemctl daemon-reload; systemctl restart classcord")
    service.run("rm -rf /var/lib/classcord-two /var/lib/private/classcord-two")
    service.run("classcord-admin stop")
    ended = "until ! systemctl -q is-active classcord; do sleep 0.05; done"
    done = service.run(f"{ended}; classcord-admin users", check=False)
    assert done.returncode == 69
    assert re.search("no server runs with this data folder", done.stderr)
    service.run("make uninstall", cwd=PROJECT)
    assert service.run("ls /usr/local/sbin/classcord-admin", check=False).returncode != 0
