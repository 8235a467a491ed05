"""install.sh in a booted systemd: install, upgrade and its way back, uninstall."""

from __future__ import annotations

import json
import re

import pytest

from tests.deploy.lab import VM, answers
from tests.deploy.machines import PROJECT, USER, Done, Machine

pytestmark = pytest.mark.lab

CHANGED = f"/home/{USER}/changed"
"""A copy of the project, to be changed."""
ANNOUNCED = f"""The service classcord runs and answers. The address to give to SLAM:
    {VM} port 12345
To open in a browser:
    http://{VM}:12345/
In a virtual machine behind NAT, give the host's address instead: see CONTAINERS.md.
To try it:
    printf '{{"type":"ping"}}\\n' | nc -N {VM} 12345
To watch it: sudo systemctl status classcord; sudo journalctl -u classcord -f
"""


def make(vm: Machine, target: str, *, cwd: str = PROJECT, check: bool = True) -> Done:
    return vm.run(f"sudo make {target}", user=USER, cwd=cwd, check=check)


def version(vm: Machine) -> str:
    return vm.run("python3 /opt/classcord/server.py --version").stdout.split()[1]


def ask(vm: Machine, kind: str) -> bool:
    """Whether a request about an account succeeds."""
    line = json.dumps({"type": kind, "username": "alice", "password": "azerty"})
    return '"ok"' in vm.run(f"nc.openbsd -N -w 20 {VM} 12345", input=line + "\n").stdout


def main_pid(vm: Machine) -> str:
    return vm.run("systemctl show --property MainPID --value classcord").stdout.strip()


def files(vm: Machine) -> str:
    """Every file in the folders where an installation may leave something."""
    listed = "find / -xdev " + " ".join(
        f"! -path '{folder}/*'" for folder in ("/home", "/root", "/tmp", "/var/tmp", "/var/log/journal", "/var/backups")
    )
    mounted = "find /run /var/lib ! -path '/run/log/*' ! -path '/run/systemd/*' ! -path '/run/sudo/*'"
    # Debian makes backups at midnight;
    # the first use of DynamicUser makes a folder for all services, and the first journal one for all of its files
    return vm.run(f"({listed}; {mounted}) | grep -v -e '^/var/lib/private$' -e '^/var/lib/sudo' | sort -u").stdout


@pytest.fixture(scope="module")
def before(vm: Machine) -> str:
    """The files before the first installation."""
    return files(vm)


@pytest.fixture(scope="module")
def changed(vm: Machine) -> str:
    return vm.lay_project(CHANGED)


def test_without_root_each_target_names_sudo_and_changes_nothing(vm: Machine, before: str) -> None:
    for target in ("install", "upgrade", "uninstall"):
        done = vm.run(f"make {target}", user=USER, cwd=PROJECT, check=False)
        assert done.returncode != 0
        assert done.stderr.splitlines()[0] == f"install.sh: only root may do that: sudo make {target}"
    assert files(vm) == before


def test_a_machine_without_python_or_systemd_is_told_what_to_do(vm: Machine, before: str) -> None:
    python = vm.run("readlink -f /usr/bin/python3").stdout.strip()
    old = '#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2; exit 1\n'
    vm.run("cat >/tmp/python && chmod +x /tmp/python", input=old)
    vm.run(f"mount --bind /tmp/python {python}")
    done = make(vm, "install", check=False)
    vm.run(f"umount {python}; rm /tmp/python")
    assert done.stderr.splitlines()[0] == (
        "install.sh: the service needs Python 3.10 or later, and /usr/bin/python3 is Python 3.9.2; start the container"
        " instead: make docker-run"
    )
    vm.run("mv /usr/bin/python3 /usr/bin/python3.away")
    done = make(vm, "install", check=False)
    vm.run("mv /usr/bin/python3.away /usr/bin/python3")
    assert done.stderr.splitlines()[0] == "install.sh: the service needs /usr/bin/python3: sudo apt install python3"
    done = vm.run("mount -t tmpfs none /run/systemd; make install", cwd=PROJECT, check=False)
    vm.run("umount /run/systemd")
    assert "systemd doesn't run here" in done.stderr
    done = make(vm, "upgrade", check=False)
    assert done.stderr.splitlines()[0] == "install.sh: nothing is installed yet: sudo make install"
    assert files(vm) == before


def test_a_dry_run_changes_nothing(vm: Machine, before: str) -> None:
    done = vm.run("sudo sh deploy/install.sh install --dry-run", user=USER, cwd=PROJECT)
    assert all(line.startswith("+ ") for line in done.stdout.splitlines())
    assert "systemctl enable" in done.stdout
    assert files(vm) == before


def test_a_second_install_changes_nothing_and_restarts_nothing(vm: Machine) -> None:
    done = make(vm, "install")
    first, _, rest = done.stdout.partition("\n")
    assert re.fullmatch(r"Version [\d.]+ is now in /opt/classcord", first)
    assert rest == ANNOUNCED
    assert done.stderr == ""
    assert answers(vm, VM)
    enabled = vm.run("systemctl is-enabled classcord.service classcord.socket classcord-backup.timer", check=False)
    assert enabled.stdout == "enabled\ndisabled\nenabled\n"
    places = "/opt/classcord /etc/classcord /usr/local/lib/systemd"
    owned = vm.run(f"find {places} -printf '%u:%g %m\\n' | sort -u")
    assert owned.stdout == "root:root 644\nroot:root 755\n"
    assert vm.run("ls /opt/classcord").stdout.split() == ["__pycache__", "classcord", "deploy", "handlers", "server.py"]
    pid, kept = main_pid(vm), files(vm)
    done = make(vm, "install")
    assert done.stdout.partition("\n")[2] == ANNOUNCED
    assert main_pid(vm) == pid, "nothing has changed, so nothing was restarted"
    assert files(vm) == kept


def test_the_service_starts_from_installed_bytecode(vm: Machine) -> None:
    """The service can't write bytecode, so the installed bytecode must be valid."""
    shown = vm.run("env -C / PYTHONDONTWRITEBYTECODE=1 python3 -v /opt/classcord/server.py --version").stderr
    assert "matches /opt/classcord/classcord/ops/config.py" in shown
    assert "code object from /opt/classcord/" not in shown, "from source"


def test_the_service_starts_at_boot(vm: Machine) -> None:
    vm.reboot()
    assert answers(vm, VM)


def test_an_upgrade_replaces_files_and_restarts(vm: Machine, changed: str) -> None:
    old, pid = version(vm), main_pid(vm)
    vm.run("sed -i 's/^__version__.*/__version__ = \"9.8.7\"/' classcord/__init__.py; echo >classcord/extra.py;"
           " echo '# new' >>deploy/classcord.env", cwd=changed)
    vm.run("echo CLASSCORD_LANG=en >>/etc/classcord/classcord.env")
    done = make(vm, "upgrade", cwd=changed)
    assert done.stdout.splitlines()[:2] == [
        f"Version 9.8.7 is now in /opt/classcord, instead of {old}",
        "/etc/classcord/classcord.env stays as you wrote it; the new settings:"
        " diff /etc/classcord/classcord.env /opt/classcord/deploy/classcord.env",
    ]
    assert done.stdout.endswith(ANNOUNCED)
    assert main_pid(vm) != pid
    assert version(vm) == "9.8.7"
    assert vm.run("ls -d /opt/classcord*").stdout == "/opt/classcord\n/opt/classcord.previous\n"
    assert "CLASSCORD_LANG=en" in vm.run("cat /etc/classcord/classcord.env").stdout
    make(vm, "upgrade")
    assert vm.run("ls /opt/classcord/classcord/extra.py", check=False).returncode != 0, "old files are removed"


def test_a_settings_file_that_nobody_changed_is_replaced_by_the_new_one(vm: Machine, changed: str) -> None:
    vm.run("cp /opt/classcord/deploy/classcord.env /etc/classcord/classcord.env")
    make(vm, "upgrade", cwd=changed)
    assert vm.run("tail -n 1 /etc/classcord/classcord.env").stdout == "# new\n"
    make(vm, "upgrade")
    assert vm.run("cmp /etc/classcord/classcord.env /opt/classcord/deploy/classcord.env").stdout == ""


@pytest.mark.parametrize("sabotage", [
    "sed -i 's/^def serve.*/&\\n    sys.exit(\"server.py: this version is broken\")/' server.py",
    "sed -i 's/^ExecStart=.*/&x/' deploy/classcord.service",
], ids=["program", "unit"])
def test_a_version_that_does_not_start_is_taken_back(vm: Machine, sabotage: str) -> None:
    old, kept = version(vm), files(vm)
    folder = vm.lay_project(CHANGED)
    vm.run(f"sed -i 's/^__version__.*/__version__ = \"6.6.6\"/' classcord/__init__.py; {sabotage}", cwd=folder)
    done = make(vm, "upgrade", cwd=folder, check=False)
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    assert lines[0].startswith("install.sh: the service does not start: ")
    if "broken" in sabotage:
        assert lines[0].endswith("server.py: this version is broken")
    assert lines[1] == f"install.sh: version {old} is back and runs"
    assert (version(vm), files(vm)) == (old, kept)
    assert answers(vm, VM)


def test_the_last_words_are_told_however_late_the_journal_gets_them(vm: Machine) -> None:
    folder = vm.lay_project(CHANGED)
    vm.run("sed -i 's/^def serve.*/&\\n    sys.exit(\"server.py: this version is broken\")/' server.py", cwd=folder)
    # the journal stands still until half a second after the service has failed
    vm.run("pkill -STOP -x systemd-journal")
    vm.run("systemd-run -q sh -c 'until systemctl is-failed -q classcord; do sleep 0.05; done; sleep 0.5;"
           " pkill -CONT -x systemd-journal'")
    done = make(vm, "upgrade", cwd=folder, check=False)
    assert "the service does not start: server.py: this version is broken\n" in done.stderr


def test_a_server_that_answers_late_is_not_a_failure(vm: Machine) -> None:
    # the first three SYNs over IPv4, of which one check sends two, and the first over IPv6; not the server's own
    packets = "OUTPUT -p tcp --dport 12345 -m owner --uid-owner root -m quota --quota"
    vm.run(f"iptables -I {packets} 200 -j DROP; ip6tables -I {packets} 100 -j DROP")
    pid = main_pid(vm)
    done = vm.run("sh deploy/install.sh upgrade", cwd=PROJECT)
    assert done.stdout.endswith(ANNOUNCED)
    dropped = vm.run("iptables -vnL OUTPUT; iptables -F OUTPUT; ip6tables -F OUTPUT").stdout
    assert re.search(r"^ +3 +180 DROP ", dropped, re.MULTILINE), dropped
    assert main_pid(vm) == pid, "and none for another start"


def test_install_works_through_a_link_and_ignores_the_settings_of_the_shell(vm: Machine) -> None:
    vm.run(f"ln -s {PROJECT}/deploy/install.sh /tmp/link; mkdir -p /tmp/other/deploy")
    settings = {"CLASSCORD_LANG": "none", "CLASSCORD_PORT": "1", "CDPATH": "/tmp/other:.", "LANG": "fr_FR.UTF-8"}
    for command in ("sh /tmp/link install", "sh deploy/install.sh install", "bash deploy/install.sh install"):
        assert vm.run(command, cwd=PROJECT, env=settings).stdout.endswith(ANNOUNCED)
    vm.run("rm -r /tmp/link /tmp/other")


def test_uninstall_keeps_data_and_settings(vm: Machine) -> None:
    assert ask(vm, "register")
    done = make(vm, "uninstall")
    # the hour may have struck meanwhile
    assert done.stdout.replace(" and /var/backups/classcord-hourly", "") == (
        "The service classcord is gone; its settings are in /etc/classcord, its data in /var/lib/classcord"
        " and /var/backups/classcord (sudo make uninstall PURGE=yes removes them too)\n"
    )
    assert not answers(vm, VM)
    assert vm.run("systemctl cat classcord", check=False).returncode != 0
    make(vm, "install")
    assert ask(vm, "login")


def test_purge_leaves_nothing(vm: Machine, before: str) -> None:
    vm.run("systemctl enable -q classcord.socket; mkdir -p /etc/systemd/system/classcord.service.d")
    vm.run("echo '[Service]' >/etc/systemd/system/classcord.service.d/override.conf")
    done = make(vm, "uninstall PURGE=yes")
    assert done.stdout == "The service classcord is gone, with its settings and data\n"
    assert set(files(vm).splitlines()) - set(before.splitlines()) == set()
    assert vm.run("systemctl list-units --all 'classcord*' --no-legend").stdout == ""
    assert make(vm, "uninstall PURGE=yes").returncode == 0, "a second time changes nothing"
