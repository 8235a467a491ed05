"""The way back from an upgrade of the service: the version before, and the database as it was."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.deploy.lab import VM, answers
from tests.deploy.machines import PROJECT, USER, Done, Machine

pytestmark = pytest.mark.lab

CHANGED = f"/home/{USER}/changed"
BACKUPS = "/var/backups/classcord"


def make(vm: Machine, target: str, *, cwd: str = PROJECT, check: bool = True) -> Done:
    return vm.run(f"sudo make {target}", user=USER, cwd=cwd, check=check)


def version(vm: Machine) -> str:
    return vm.run("python3 /opt/classcord/server.py --version").stdout.split()[1]


def ask(vm: Machine, kind: str, name: str) -> bool:
    """Whether a request about an account succeeds."""
    line = json.dumps({"type": kind, "username": name, "password": "azerty"})
    return '"ok"' in vm.run(f"nc.openbsd -N -w 20 {VM} 12345", input=line + "\n").stdout


def backups(vm: Machine) -> list[str]:
    return vm.run(f"ls {BACKUPS}", check=False).stdout.split()


def told(done: Done, thing: str) -> str:
    """The commands after "To go back to it: " in the line about that."""
    (command,) = re.findall(rf"^{thing}.* To go back to it: (.*)$", done.stdout, re.MULTILINE)
    return str(command)


def change(vm: Machine, number: str, more: str = "true") -> str:
    """Make a copy of the project into another version. Returns its folder."""
    folder = vm.lay_project(CHANGED)
    script = f's/^__version__.*/__version__ = "{number}"/'
    vm.run(f"sed -i '{script}' classcord/__init__.py; {more}", user=USER, cwd=folder)
    return folder


@pytest.fixture
def installed(vm: Machine) -> Iterator[Machine]:
    """The VM with the service and the account alice."""
    make(vm, "install")
    assert ask(vm, "register", "alice")
    yield vm
    make(vm, "uninstall PURGE=yes")
    assert vm.run(f"ls -d {BACKUPS} /opt/classcord*", check=False).stdout == ""


def test_program_and_database_go_back_as_the_upgrade_says(installed: Machine) -> None:
    before = version(installed)
    done = make(installed, "upgrade", cwd=change(installed, "9.8.7"))
    (file,) = re.findall(rf"^The database as it was before is in ({BACKUPS}/\S+)\. ", done.stdout, re.MULTILINE)
    assert installed.run(f"stat -c '%U:%G %a' {BACKUPS} {file}").stdout == "root:root 700\nroot:root 600\n"
    assert ask(installed, "register", "bob")
    installed.run(told(done, "The version before is in /opt/classcord.previous"), user=USER, cwd=PROJECT)
    assert version(installed) == before
    assert ask(installed, "login", "bob"), "messages and accounts stay"
    installed.run(told(done, "The database as it was"), user=USER, cwd=PROJECT)
    assert ask(installed, "login", "alice")
    assert not ask(installed, "login", "bob")
    forward = make(installed, "rollback")
    assert forward.stdout.startswith(f"Version 9.8.7 is now in /opt/classcord, instead of {before}\n")
    assert version(installed) == "9.8.7"
    assert answers(installed, VM)


def test_three_backups_are_kept_and_none_is_made_without_a_change(installed: Machine) -> None:
    folder = change(installed, "1.0.0")
    made: list[str] = []
    for number in range(5):
        installed.run(f"echo '# {number}' >>classcord/data/ids.py", cwd=folder)
        make(installed, "upgrade", cwd=folder)
        made.append(backups(installed)[-1])
        make(installed, "upgrade", cwd=folder)
    assert len(set(made)) == 5
    assert backups(installed) == made[-3:]


def test_a_version_that_does_not_start_costs_neither_the_version_before_nor_a_backup(installed: Machine) -> None:
    before = version(installed)
    make(installed, "upgrade", cwd=change(installed, "9.8.7"))
    kept = backups(installed)
    broken = change(installed, "6.6.6", "sed -i 's/^def serve.*/&\\n    sys.exit(\"broken\")/' server.py")
    done = make(installed, "upgrade", cwd=broken, check=False)
    assert "install.sh: version 9.8.7 is back and runs\n" in done.stderr
    assert "To go back" not in done.stdout
    assert backups(installed) == kept
    make(installed, "rollback")
    assert version(installed) == before


def test_back_from_a_version_that_changed_the_database(installed: Machine) -> None:
    before = version(installed)
    newer = change(installed, "9.8.7", "sed -i 's/^VERSION/MIGRATIONS += ((),)\\n&/' classcord/data/schema.py")
    make(installed, "upgrade", cwd=newer)
    assert ask(installed, "register", "bob")
    done = make(installed, "rollback", check=False)
    assert "a newer ClassCord wrote it" in done.stderr
    assert "install.sh: version 9.8.7 is back and runs\n" in done.stderr
    assert ask(installed, "login", "bob"), "nothing is lost"
    (commands,) = re.findall(rf"the database is too new for version {before}, .* too: (.*)$", done.stderr, re.MULTILINE)
    installed.run(f"set -e; {commands}", user=USER, cwd=PROJECT)
    assert version(installed) == before
    assert ask(installed, "login", "alice")


def test_the_commit_tells_two_of_the_same_number_apart(installed: Machine) -> None:
    before = version(installed)
    folder = change(installed, before, "echo >classcord/extra.py")
    commit = "git -c user.name=t -c user.email=t@example.org commit -qam x"
    hashes = installed.run(f"git init -q; git add -A; {commit}; git rev-parse --short HEAD;"
                           f"echo '# new' >>classcord/extra.py; {commit}; git rev-parse --short HEAD",
                           user=USER, cwd=folder).stdout.split()
    installed.run("git checkout -q HEAD~", user=USER, cwd=folder)
    said = [make(installed, "upgrade", cwd=folder).stdout.splitlines()[0]]
    installed.run("git checkout -q -", user=USER, cwd=folder)
    said.append(make(installed, "upgrade", cwd=folder).stdout.splitlines()[0])
    installed.run("echo '# mine' >>classcord/extra.py", user=USER, cwd=folder)
    said.append(make(installed, "upgrade", cwd=folder).stdout.splitlines()[0])
    assert said == [
        f"Version {before} (commit {hashes[0]}) is now in /opt/classcord, instead of {before}",
        f"Version {before} (commit {hashes[1]}) is now in /opt/classcord, instead of {before} (commit {hashes[0]})",
        f"Version {before} (commit {hashes[1]}+) is now in /opt/classcord, instead of {before} (commit {hashes[1]})",
    ]
    assert installed.run("find .git -user root", cwd=folder).stdout == "", "root left nothing in the pupil's repository"


def test_the_backup_is_of_the_folder_that_the_settings_name(installed: Machine) -> None:
    setting = "CLASSCORD_DATA=/var/lib/classcord/class-b"
    installed.run(f"echo {setting} >>/etc/classcord/classcord.env; systemctl restart classcord")
    assert ask(installed, "register", "bob")
    done = make(installed, "upgrade", cwd=change(installed, "9.8.7"))
    assert "--data /var/lib/classcord/class-b " in told(done, "The database as it was")
    query = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT name FROM accounts'))"
    assert installed.run(f'python3 -c "{query}" {BACKUPS}/*.db').stdout == "('bob',)\n"


def test_a_database_that_cannot_be_copied_stops_the_upgrade_before_it_begins(installed: Machine) -> None:
    before = version(installed)
    installed.run(f"mkdir -p {BACKUPS} && mount -t tmpfs -o size=8k none {BACKUPS}")
    done = make(installed, "upgrade", cwd=change(installed, "9.8.7"), check=False)
    installed.run(f"umount {BACKUPS}")
    assert done.stderr.startswith("install.sh: the database can't be copied, so nothing was changed: ")
    assert (version(installed), answers(installed, VM)) == (before, True)
    assert installed.run("ls -A /opt").stdout.split() == ["classcord"]


@pytest.mark.parametrize("moment", ["mv /opt/classcord /opt/classcord.old", "cp -r /opt/classcord /opt/classcord.old"],
                         ids=["before-the-new-one-is-there", "before-it-is-proven"])
def test_an_upgrade_that_was_stopped_is_taken_up_again(installed: Machine, moment: str) -> None:
    installed.run(moment)
    done = make(installed, "upgrade", cwd=change(installed, "9.8.7"))
    assert done.stderr == ""
    assert version(installed) == "9.8.7"
    assert installed.run("ls -A /opt").stdout.split() == ["classcord", "classcord.previous"]


def test_without_a_version_before_there_is_nothing_to_go_back_to(installed: Machine) -> None:
    done = make(installed, "rollback", check=False)
    assert done.stderr.splitlines()[0].startswith("install.sh: there is no version to go back to: ")
    assert answers(installed, VM)


def test_what_sudo_backs_up_belongs_to_the_person(installed: Machine) -> None:
    command = "sudo python3 /opt/classcord/server.py backup --data /var/lib/classcord"
    for file in ("../mine.db", "/tmp/mine.db"):
        installed.run(f"{command} {file}", user=USER, cwd=PROJECT)
        assert installed.run(f"stat -c '%U:%G %a' {file}", cwd=PROJECT).stdout == f"{USER}:{USER} 600\n"
        installed.run(f"rm {file}", user=USER, cwd=PROJECT)
