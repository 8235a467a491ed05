"""Hourly backups by a booted systemd, of the service and of the container: they are made, rotated, and restored."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.deploy.docker import clear
from tests.deploy.docker import make as typed
from tests.deploy.lab import VM, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Done, Machine, until

pytestmark = pytest.mark.lab

COPIES = "/var/backups/classcord-hourly"
TIMER = "classcord-backup.timer"
OLD = [f"classcord-202511{day:02}T{hour:02}0000Z.db" for day in range(1, 3) for hour in range(24)]
"""Backups of two days, of which the oldest have to go."""


def make(vm: Machine, target: str, *, check: bool = True) -> Done:
    return vm.run(f"sudo make {target}", user=USER, cwd=PROJECT, check=check)


def ask(vm: Machine, kind: str, name: str) -> bool:
    """Whether a request about an account succeeds."""
    line = json.dumps({"type": kind, "username": name, "password": "azerty"})
    return '"ok"' in vm.run(f"nc.openbsd -N -w 20 {VM} 12345", input=line + "\n").stdout


def copies(vm: Machine, of: str = COPIES) -> list[str]:
    return sorted(vm.run(f"ls {of}", check=False).stdout.split())


def state(vm: Machine, unit: str = TIMER) -> tuple[str, str]:
    """Whether it is enabled, and whether it is active."""
    return (vm.run(f"systemctl is-enabled {unit}", check=False).stdout.strip(),
            vm.run(f"systemctl is-active {unit}", check=False).stdout.strip())


def strike(vm: Machine, timer: str) -> None:
    """Let every second be an hour for this timer, until it has started its service once more."""
    folder = f"/run/systemd/system/{timer}.d"
    vm.run(f"mkdir -p {folder} && cat >{folder}/test.conf && systemctl daemon-reload && systemctl restart {timer}",
           input="[Timer]\nOnCalendar=\nOnCalendar=*-*-* *:*:*\nAccuracySec=1ms\n")
    service = timer.replace(".timer", ".service")

    def ended() -> bool:
        shown = vm.run(f"systemctl show -p ExecMainExitTimestampMonotonic,ActiveState,Result {service}").stdout
        return "Monotonic=0\n" not in shown and "ActiveState=inactive" in shown and "Result=success" in shown

    until(ended, f"{timer} starts {service}", 60)
    vm.run(f"rm -r {folder}; systemctl daemon-reload; systemctl restart {timer}")
    until(lambda: "inactive" in vm.run(f"systemctl is-active {service}", check=False).stdout, "the last one has ended")


@pytest.fixture
def installed(vm: Machine) -> Iterator[Machine]:
    """The VM with the service and the account alice."""
    make(vm, "install")
    assert ask(vm, "register", "alice")
    yield vm
    vm.run(f"rm -rf /run/systemd/system/{TIMER}.d")
    make(vm, "uninstall PURGE=yes")
    assert vm.run(f"ls -d {COPIES} /var/lib/systemd/timers/*classcord*", check=False).stdout == ""
    assert vm.run("systemctl list-unit-files 'classcord*' --no-legend", check=False).stdout == ""


def test_the_hour_strikes_and_a_copy_is_made_that_can_be_restored(installed: Machine) -> None:
    assert state(installed) == ("enabled", "active")
    shown = installed.run(f"systemctl list-timers --no-legend {TIMER}").stdout
    assert re.search(r" \d\d:00:00 ", shown), shown
    installed.run(f"install -d -m 700 {COPIES} && cd {COPIES} && touch {' '.join(OLD)} mine.db")
    strike(installed, TIMER)
    there = copies(installed)
    made = [name for name in there if name not in OLD and name != "mine.db"]
    assert made
    assert "mine.db" in there
    assert not set(OLD[:24]) <= set(there), "old ones are removed"
    assert OLD[23] in there, "but not the last one of a day"
    assert len(there) <= 1 + 24 + 7
    assert installed.run(f"stat -c '%U:%G %a' {COPIES} {COPIES}/{made[0]}").stdout == "root:root 700\nroot:root 600\n"
    assert ask(installed, "register", "bob")
    installed.run(
        f"sudo systemctl stop classcord; sudo python3 /opt/classcord/server.py restore --data /var/lib/classcord"
        f" {COPIES}/{made[0]}; sudo systemctl start classcord", user=USER,
    )
    assert ask(installed, "login", "alice")
    assert not ask(installed, "login", "bob")
    said = installed.run("journalctl --sync; journalctl -u classcord-backup -t classcord-backup -o cat").stdout
    assert f"{COPIES}/{made[0]}: accounts: 1, messages: 0" in said


def test_the_timer_runs_while_the_service_does(installed: Machine) -> None:
    installed.run("systemctl stop classcord")
    assert state(installed) == ("enabled", "inactive")
    installed.run("systemctl start classcord")
    assert state(installed) == ("enabled", "active")
    installed.reboot()
    wait_for_answer(installed, VM)
    assert state(installed) == ("enabled", "active")


def test_another_data_folder_in_the_settings_is_copied(installed: Machine) -> None:
    installed.run("systemctl stop classcord; cp -a /var/lib/private/classcord /srv/chat")
    installed.run("echo CLASSCORD_DATA=/srv/chat >>/etc/classcord/classcord.env; systemctl start classcord-backup")
    assert len(copies(installed)) == 1
    assert not installed.run("ls /srv/chat | grep -e -wal -e -shm", check=False).stdout
    installed.run("rm -r /srv/chat")
    assert installed.run("systemctl start classcord-backup", check=False).returncode == 1
    said = installed.run("journalctl --sync; journalctl -u classcord-backup -o cat -n 20").stdout
    assert "/srv/chat: there is no database" in said
    assert len(copies(installed)) == 1


def test_a_person_who_switches_it_off_finds_it_off_after_an_upgrade(installed: Machine) -> None:
    installed.run(f"systemctl disable -q --now {TIMER}")
    installed.run("echo '# new' >>classcord/data/ids.py", user=USER, cwd=PROJECT)
    make(installed, "upgrade")
    assert state(installed) == ("disabled", "inactive")
    make(installed, "install")
    assert state(installed) == ("enabled", "active")


def test_an_older_version_without_it_gets_it_and_a_rollback_takes_it_away(installed: Machine) -> None:
    installed.run(f"systemctl disable -q --now {TIMER}; rm /opt/classcord/deploy/classcord-backup.*"
                  " /usr/local/lib/systemd/system/classcord-backup.*; systemctl daemon-reload")
    installed.run("echo '# newer' >>classcord/data/ids.py", user=USER, cwd=PROJECT)
    make(installed, "upgrade")
    assert state(installed) == ("enabled", "active")
    assert make(installed, "rollback").stderr == ""
    assert state(installed)[1] == "inactive"
    assert installed.run("systemctl list-unit-files 'classcord-backup*' --no-legend", check=False).stdout == ""
    make(installed, "rollback")
    assert state(installed) == ("enabled", "active")
    installed.run("sed -i 's/^def serve.*/&\\n    sys.exit(\"broken\")/' server.py", cwd=PROJECT)
    make(installed, "upgrade", check=False)
    assert state(installed) == ("enabled", "active")
    installed.lay_project()


# --- the container ---


@pytest.fixture
def container(docker_vm: Machine) -> Iterator[Machine]:
    """The VM with the container and the account alice."""
    typed(docker_vm, "docker-run")
    assert ask(docker_vm, "register", "alice")
    yield docker_vm
    docker_vm.run("make docker-backups-off", cwd=PROJECT, check=False)
    clear(docker_vm)
    docker_vm.run("docker volume rm classcord-data")


def in_volume(vm: Machine) -> list[str]:
    line = "docker run --rm -v classcord-data:/data --entrypoint sh classcord-server -c 'ls /data/backups/hourly || :'"
    return vm.run(line).stdout.split()


def test_the_container_is_copied_each_hour_and_a_copy_can_be_restored(container: Machine) -> None:
    timer = "classcord-docker-backup.timer"
    done = typed(container, "docker-backups", check=False)
    assert done.stderr.startswith("docker.sh: only root may do that: sudo make docker-backups\n")
    done = make(container, "docker-backups")
    assert done.stderr == ""
    assert "The first copy is made.\n" in done.stdout
    assert state(container, timer) == ("enabled", "active")
    (first,) = in_volume(container)
    assert ask(container, "register", "bob")
    strike(container, timer)
    assert len(in_volume(container)) >= 2
    typed(container, "docker-stop")
    container.run(f"docker run --rm -v classcord-data:/data classcord-server restore /data/backups/hourly/{first}")
    typed(container, "docker-run")
    assert ask(container, "login", "alice")
    assert not ask(container, "login", "bob")
    typed(container, "docker-stop")
    kept = in_volume(container)
    container.run("systemctl start classcord-docker-backup.service")
    assert in_volume(container) == kept, "a container that does not run is left alone, without a failure"
    assert container.run("systemctl list-units --failed --no-legend 'classcord*'").stdout == ""
    (command,) = re.findall(r"To end this: (sudo make .*)$", done.stdout, re.MULTILINE)
    container.run(command, user=USER, cwd=PROJECT)
    assert container.run("ls -d /etc/systemd/system/classcord* /var/lib/systemd/timers/*classcord*",
                         check=False).stdout == ""
    assert "there are no hourly backups" in make(container, "docker-backups-off", check=False).stderr
