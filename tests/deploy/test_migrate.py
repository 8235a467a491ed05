"""The container and the service keep out of each other's way, and the data goes from one to the other and back."""

from __future__ import annotations

import json
import re

import pytest

from tests.deploy.docker import clear
from tests.deploy.lab import BASE, VM, Lab, answers, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Done, Machine

pytestmark = pytest.mark.lab


def make(vm: Machine, target: str, *, check: bool = True) -> Done:
    return vm.run(f"sudo make {target}", user=USER, cwd=PROJECT, check=check)


def ask(vm: Machine, kind: str, name: str) -> bool:
    """Whether a request about an account succeeds."""
    line = json.dumps({"type": kind, "username": name, "password": "azerty"})
    return '"ok"' in vm.run(f"nc.openbsd -N -w 20 {VM} 12345", input=line + "\n").stdout


def shown(vm: Machine, name: str) -> str:
    return vm.run(f"systemctl show --property {name} --value classcord.service").stdout.strip()


def containers(vm: Machine) -> str:
    return vm.run("docker ps --all --format '{{.Names}} {{.Status}}'").stdout


@pytest.fixture(scope="module")
def machine(lab_without_host: Lab) -> Machine:
    """The VM with the engine running and the container started."""
    lab_without_host.start_engine(lab_without_host.vm)
    lab_without_host.vm.run("make docker-run", user=USER, cwd=PROJECT)
    return lab_without_host.vm


def test_the_installer_refuses_beside_the_container(machine: Machine) -> None:
    done = make(machine, "install", check=False)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == (
        "install.sh: the container classcord has port 12345: make docker-stop (or sudo docker rm -f classcord), or sudo"
        " make migrate-to-systemd, which copies its accounts and messages"
    )
    assert machine.run("ls /opt/classcord", check=False).returncode != 0


def test_what_it_says_of_a_container_of_another_name_can_be_done(machine: Machine) -> None:
    make(machine, "docker-stop")
    dry_run = "sudo sh deploy/install.sh install --dry-run"
    start = "docker run -d -p 12345:12345 --name lucid_antonelli"
    for options, advice in (
        ("--rm classcord-server", "sudo docker stop lucid_antonelli, which deletes its data (to save it first:"
         " sudo docker exec lucid_antonelli python3 server.py backup - >backup.db)"),
        ("--rm -v mine:/data classcord-server", "sudo docker stop lucid_antonelli (its data stays in mine)"),
        (f"--entrypoint sleep --stop-signal KILL {BASE} infinity", "sudo docker stop lucid_antonelli"),
        ("classcord-server", "make docker-stop NAME=lucid_antonelli (or sudo docker rm -f lucid_antonelli), or sudo"
         " make migrate-to-systemd NAME=lucid_antonelli, which copies its accounts and messages"),
    ):
        machine.run(f"{start} {options}")
        refused = machine.run(dry_run, user=USER, cwd=PROJECT, check=False)
        assert refused.stderr == f"install.sh: the container lucid_antonelli has port 12345: {advice}\n"
        machine.run(re.split(r", | \(", advice)[0], user=USER, cwd=PROJECT)
        machine.run(dry_run, user=USER, cwd=PROJECT)
        clear(machine)
    machine.run("docker volume rm mine")


def test_a_container_that_loses_its_data_when_it_stops_is_left_running(machine: Machine) -> None:
    machine.run("docker run -d --rm -p 12345:12345 --name classcord classcord-server")
    wait_for_answer(machine, VM)
    assert ask(machine, "register", "zoe")
    told = {}
    for target in ("migrate-to-docker", "migrate-to-systemd"):
        done = make(machine, target, check=False)
        assert done.returncode != 0
        told[target] = done.stderr.splitlines()[0]
        assert ask(machine, "login", "zoe")
    begin = (
        "migrate.sh: the container classcord was started with --rm: its data is lost when it stops. Save it first:"
        " docker exec classcord python3 server.py backup - >backup.db; then stop it: docker stop classcord"
    )
    assert told["migrate-to-docker"] == f"{begin}, and then type again: sudo make migrate-to-docker"
    assert told["migrate-to-systemd"] == (
        f"{begin}, put it in the volume: docker run --rm -i -v classcord-data:/data classcord-server"
        " restore - <backup.db, and then type again: sudo make migrate-to-systemd"
    )
    for command in re.findall(r": (docker [^,;]*)", told["migrate-to-systemd"]):
        machine.run(command, user=USER)
    clear(machine)
    # with a named volume, which stays
    machine.run("docker run -d --rm -p 12345:12345 -v classcord-data:/data --name classcord classcord-server")
    wait_for_answer(machine, VM)
    assert ask(machine, "login", "zoe")
    assert make(machine, "migrate-to-systemd", check=False).stderr.splitlines()[0] == (
        "migrate.sh: the container classcord was started with --rm: its data stays in classcord-data."
        " First stop it: docker stop classcord, and then type again: sudo make migrate-to-systemd"
    )
    machine.run(f"docker stop classcord; docker run -d --stop-signal KILL --name web {BASE} sleep infinity")
    assert make(machine, "migrate-to-systemd NAME=web", check=False).stderr.splitlines()[0] == (
        "migrate.sh: the container web is not ClassCord's: choose another name with NAME=..."
    )
    machine.run("docker rm -fv web")
    machine.run("make docker-run", user=USER, cwd=PROJECT)


def test_the_data_of_the_container_goes_to_the_service(machine: Machine) -> None:
    assert ask(machine, "register", "alice")
    done = make(machine, "migrate-to-systemd")
    assert "The service classcord runs and answers" in done.stdout
    assert "its volume stays as a backup: classcord-data" in done.stdout
    assert containers(machine) == ""
    assert machine.run("systemctl is-enabled classcord").stdout == "enabled\n"
    assert ask(machine, "login", "alice")
    assert machine.run("stat -c %U:%a /var/lib/classcord/classcord.db").stdout == "UNKNOWN:600\n", "not root's any more"


def test_the_data_goes_back_to_the_container_whose_old_data_is_set_aside(machine: Machine) -> None:
    assert ask(machine, "register", "bob")
    folder = "/run/systemd/system/classcord.service.d"
    machine.run(f"mkdir -p {folder}; cat >{folder}/x.conf", input="[Service]\nEnvironment=CLASSCORD_PORT=2000\n")
    machine.run("systemctl daemon-reload; systemctl restart classcord")
    done = make(machine, "migrate-to-docker")
    machine.run(f"rm -r {folder}; systemctl daemon-reload")
    assert "The service had port 2000: make docker-run PORT=2000 publishes that one\n" in done.stdout
    kept = re.search(r"^The database that the container had before: (classcord\.db\.\S+) in", done.stdout, re.MULTILINE)
    assert kept is not None
    assert containers(machine).startswith("classcord Up")
    assert machine.run("systemctl is-enabled classcord; systemctl is-active classcord", check=False).stdout == (
        "disabled\ninactive\n"
    )
    assert ask(machine, "login", "alice")
    assert ask(machine, "login", "bob")
    volume = machine.run("docker volume inspect -f '{{.Mountpoint}}' classcord-data").stdout.strip()
    names = machine.run(f"ls -A {volume}").stdout.split()
    assert kept[1] in names
    assert not [name for name in names if name.startswith(".carr")]
    assert machine.run(f"stat -c %u {volume}/classcord.db").stdout == "10001\n"
    assert ask(machine, "register", "carol")


def test_the_service_that_is_started_beside_the_container_says_so_once(machine: Machine) -> None:
    since = machine.run("journalctl --sync; date +@%s.%N").stdout.strip()
    assert machine.run("systemctl start classcord", check=False).returncode == 1
    assert (shown(machine, "ActiveState"), shown(machine, "NRestarts")) == ("failed", "0")
    (line,) = machine.run(f"journalctl --sync; journalctl -t classcord -o cat --since {since}").stdout.splitlines()
    assert line == (
        "server.py: can't listen on * port 12345: Address already in use; most likely a container has it: sudo docker"
        " stop $(sudo docker ps -q --filter publish=12345) (if it is called classcord, sudo make migrate-to-systemd"
        " also carries its data along), or choose another port: CLASSCORD_PORT in /etc/classcord/classcord.env"
    )
    assert line in machine.run("systemctl status -l classcord", check=False).stdout
    machine.run("systemctl reset-failed classcord")


def test_a_migration_that_fails_leaves_the_container_running(machine: Machine) -> None:
    folder = "/run/systemd/system/classcord.service.d"
    machine.run(f"mkdir -p {folder}; cat >{folder}/x.conf", input="[Service]\nExecStart=\nExecStart=/bin/false\n")
    done = make(machine, "migrate-to-systemd", check=False)
    machine.run(f"rm -r {folder}; systemctl daemon-reload; systemctl reset-failed classcord")
    assert done.returncode != 0
    assert "migrate.sh: nothing was copied: the container classcord runs again" in done.stderr
    assert machine.run("systemctl is-enabled classcord", check=False).stdout == "disabled\n"
    machine.run("docker exec classcord python3 server.py health")
    assert ask(machine, "login", "carol")
    policy = machine.run("docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' classcord").stdout
    assert policy == "unless-stopped\n"


def test_the_data_of_a_removed_container_is_copied_too(machine: Machine) -> None:
    """Also if the container had no time to close its database properly."""
    machine.run("docker kill classcord; docker rm classcord")
    done = make(machine, "migrate-to-systemd")
    assert "The database that the service had before: /var/lib/classcord/classcord.db." in done.stdout
    assert ask(machine, "login", "carol")
    assert containers(machine) == ""


def test_a_migration_back_that_fails_leaves_the_service_running(machine: Machine) -> None:
    assert ask(machine, "register", "dave")
    volume = machine.run("docker volume inspect -f '{{.Mountpoint}}' classcord-data").stdout.strip()
    # a restored database is without the index of searches, which can be made again
    look = f"ls -A {volume} | grep -v -e shm -e search; sha256sum {volume}/classcord.db"
    before = machine.run(look).stdout
    # stands for a container that doesn't start
    machine.run("cp deploy/docker.sh /tmp/docker.sh; printf 'echo no; exit 1\\n' >deploy/docker.sh", cwd=PROJECT)
    done = make(machine, "migrate-to-docker", check=False)
    machine.run("cp /tmp/docker.sh deploy/docker.sh", cwd=PROJECT)
    assert done.returncode != 0
    assert "migrate.sh: nothing was copied: the service classcord runs again" in done.stderr
    assert machine.run("systemctl is-enabled classcord").stdout == "enabled\n"
    assert answers(machine, VM)
    assert ask(machine, "login", "dave")
    assert machine.run(look).stdout == before


def test_a_volume_that_the_migration_makes_is_one_that_compose_takes_for_its_own(machine: Machine) -> None:
    machine.run("docker volume rm classcord-data")
    make(machine, "migrate-to-docker")
    assert ask(machine, "login", "dave")
    (volume,) = json.loads(machine.run("docker volume inspect classcord-data").stdout)
    assert volume["Labels"] == {"com.docker.compose.project": "classcord", "com.docker.compose.volume": "data"}
    make(machine, "migrate-to-systemd")


def test_without_data_docker_or_its_engine_it_names_what_to_type_instead(machine: Machine) -> None:
    done = make(machine, "migrate-to-systemd NAME=other", check=False)
    assert done.stderr.splitlines()[0] == (
        "migrate.sh: there is no container other and no volume other-data, so there is nothing to copy:"
        " sudo make install"
    )
    make(machine, "uninstall PURGE=yes")
    done = make(machine, "migrate-to-docker", check=False)
    assert done.stderr.splitlines()[0] == (
        "migrate.sh: the service has no database in /var/lib/classcord, so there is nothing to copy: make docker-run"
    )
    done = machine.run("make migrate-to-docker", user=USER, cwd=PROJECT, check=False)
    assert done.stderr.splitlines()[0] == "migrate.sh: only root may do that: sudo make migrate-to-docker"
    machine.run("mv /usr/bin/docker /usr/bin/docker.away")
    done = make(machine, "migrate-to-systemd", check=False)
    machine.run("mv /usr/bin/docker.away /usr/bin/docker")
    assert done.stderr.splitlines()[0] == (
        "migrate.sh: Docker is not installed: there is no container to copy data to or from;"
        " install the service alone: sudo make install"
    )
    machine.run("systemctl stop docker.socket docker.service")
    done = make(machine, "migrate-to-docker", check=False)
    assert done.stderr.splitlines()[0] == (
        "migrate.sh: the Docker engine is not running: sudo systemctl start docker"
    )
