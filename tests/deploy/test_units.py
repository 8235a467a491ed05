"""What people change in the units survives an upgrade, under load too, and they are told what is in force."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.deploy.lab import VM, answers
from tests.deploy.machines import PROJECT, USER, Done, Machine

pytestmark = pytest.mark.lab

CHANGED = f"/home/{USER}/changed"
"""A copy of the project that is another version."""
OURS = "/usr/local/lib/systemd/system"
COPIES = "/etc/systemd/system"
UNITS = ("classcord.service", "classcord.socket")

LOAD = f"""
import json, socket, sys, threading, time
over, confirmed, refused = threading.Event(), [], []
def chat(who):
    number = 0
    while not over.is_set():
        try:
            with socket.create_connection(("{VM}", 2000), 20) as connection:
                lines = connection.makefile("rw", buffering=1, encoding="utf-8", newline="\\n")
                while not over.is_set():
                    number += 1
                    text = f"{{who}} {{number}}"
                    for request in ({{"type": "message", "content": text}}, {{"type": "ping"}}):
                        lines.write(json.dumps(request) + "\\n")
                    while '"pong"' not in (line := lines.readline()):
                        if not line:
                            raise ConnectionResetError
                    confirmed.append(text)
        except ConnectionRefusedError:
            refused.append(1)
            over.wait(0.02)
        except OSError:
            pass
threads = [threading.Thread(target=chat, args=(f"desk-{{n}}",)) for n in range(5)]
for thread in threads:
    thread.start()
def wait_for(count):
    end = time.monotonic() + 60
    while len(confirmed) < count and time.monotonic() < end:
        over.wait(0.01)
wait_for(50)
print("go", flush=True)
sys.stdin.readline()
before = len(confirmed)
wait_for(before + 50)
after = len(confirmed) - before
over.set()
for thread in threads:
    thread.join()
print(json.dumps([confirmed, after, len(refused)]))
"""
"""Desks that write, and write again after the connection ended. A message counts once a ping after it was answered."""


def make(vm: Machine, target: str, *, cwd: str = PROJECT, check: bool = True) -> Done:
    return vm.run(f"sudo make {target}", user=USER, cwd=cwd, check=check)


def in_force(vm: Machine, unit: str) -> str:
    """The file of the unit that systemd uses."""
    return vm.run(f"systemctl show --property FragmentPath --value {unit}").stdout.strip()


def edit(vm: Machine, unit: str, lines: str) -> None:
    """`systemctl edit`, and a person who types these lines where the file says so."""
    vm.run("cat >/tmp/typed", input=lines)
    in_editor(vm, "/^### Anything between here/r /tmp/typed", unit)


def edit_full(vm: Machine, unit: str, script: str) -> None:
    """`systemctl edit --full`, and a person who makes this change of sed."""
    in_editor(vm, script, f"--full {unit}")


def in_editor(vm: Machine, script: str, words: str) -> None:
    vm.run("cat >/tmp/editor; chmod +x /tmp/editor", input=f"#!/bin/sh\nsed -i '{script}' \"$1\"\n")
    # systemctl wants a terminal
    vm.run(f"SYSTEMD_EDITOR=/tmp/editor script -qec 'systemctl edit {words}' /dev/null")


@pytest.fixture(scope="module")
def newer(vm: Machine) -> str:
    """The folder of another version of the project."""
    folder = vm.lay_project(CHANGED)
    change = "sed -i 's/^__version__.*/__version__ = \"9.8.7\"/' classcord/__init__.py"
    units = "for unit in classcord.service classcord.socket; do echo '# of version 9.8.7' >>deploy/$unit; done"
    vm.run(f"{change}; {units}", cwd=folder)
    return folder


@pytest.fixture
def installed(vm: Machine, newer: str) -> Iterator[Machine]:
    """The VM with the service as from a fresh install of this version."""
    del newer
    make(vm, "install")
    yield vm
    vm.run("systemctl unmask classcord.service", check=False)
    make(vm, "uninstall PURGE=yes")


def as_older_versions_did(vm: Machine) -> None:
    """Put the units where ClassCord put them before."""
    vm.run(f"mv {OURS}/classcord.* {COPIES}; systemctl daemon-reload; systemctl reenable -q classcord.service")


def test_they_lie_where_editing_does_not_write(installed: Machine) -> None:
    for unit in UNITS:
        assert in_force(installed, unit) == f"{OURS}/{unit}"
    assert installed.run(f"stat -c '%U:%G %a' {OURS}/classcord.*").stdout == "root:root 644\n" * 2


def test_where_usr_local_is_mounted_late_they_lie_in_usr_lib(vm: Machine) -> None:
    vm.run("mount --bind /usr/local /usr/local")
    try:
        assert make(vm, "install").stderr == ""
        places = ("/lib/systemd/system", "/usr/lib/systemd/system")
        assert in_force(vm, "classcord.service") in [f"{place}/classcord.service" for place in places]
        make(vm, "uninstall PURGE=yes")
        assert vm.run("systemctl cat classcord.service", check=False).returncode != 0
    finally:
        vm.run("umount /usr/local")


def test_units_of_an_older_installation_move_and_stay_enabled(installed: Machine, newer: str) -> None:
    as_older_versions_did(installed)
    installed.run("systemctl enable -q classcord.socket")
    done = make(installed, "upgrade", cwd=newer)
    assert done.stderr == ""
    assert [in_force(installed, unit) for unit in UNITS] == [f"{OURS}/{unit}" for unit in UNITS]
    assert installed.run("systemctl is-enabled classcord.service classcord.socket").stdout == "enabled\n" * 2
    assert installed.run(f"find {COPIES} -xtype l -name 'classcord*'").stdout == "", "links to nothing"
    assert installed.run(f"ls {COPIES}/classcord.service {COPIES}/classcord.socket", check=False).stdout == ""
    installed.reboot()
    assert answers(installed, VM)


@pytest.mark.parametrize("way", ["edit-full", "by-hand-where-they-were", "by-hand-where-they-are"])
def test_an_edited_unit_stays_in_force_and_that_is_said(installed: Machine, newer: str, way: str) -> None:
    sockets = f"{COPIES}/classcord.socket"
    if way == "edit-full":
        edit_full(installed, "classcord.socket", "s/=12345/=2000/")
    elif way == "by-hand-where-they-were":
        as_older_versions_did(installed)
        installed.run(f"sed -i s/=12345/=2000/ {sockets}")
    else:
        installed.run(f"sed -i s/=12345/=2000/ {OURS}/classcord.socket")
    installed.run("systemctl daemon-reload; systemctl stop classcord; systemctl enable -q --now classcord.socket")
    edited = installed.run(f"cat {in_force(installed, 'classcord.socket')}").stdout
    for folder, times in ((newer, 1), (PROJECT, 2)):
        done = make(installed, "upgrade", cwd=folder)
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"install.sh: a local copy hides ours: {sockets} stays as you wrote it, "), times
        assert f"    {VM} port 2000\n" in done.stdout
        assert answers(installed, VM, 2000)
        assert installed.run(f"cat {sockets}").stdout == edited
    assert in_force(installed, "classcord.service") == f"{OURS}/classcord.service"
    (differs, revert) = re.findall(r"What differs: (.*?)\. To use .*?: (sudo systemctl revert \S+) ", line)[0]
    assert "> ListenStream=2000\n" in installed.run(differs, check=False).stdout
    installed.run(revert, user=USER)
    edit(installed, "classcord.socket", "[Socket]\nListenStream=\nListenStream=2000\n")
    done = make(installed, "upgrade", cwd=newer)
    assert done.stderr == ""
    assert "# of version 9.8.7" in installed.run("systemctl cat classcord.socket").stdout
    installed.reboot()
    assert answers(installed, VM, 2000)
    assert not answers(installed, VM)


@pytest.mark.parametrize("way", ["drop-in", "local-copy"])
@pytest.mark.parametrize("socket", [False, True], ids=["service", "socket"])
def test_an_upgrade_under_load_keeps_the_port_and_the_messages(
    installed: Machine, newer: str, socket: bool, way: str
) -> None:
    unit, lines = "classcord.service", "[Service]\nEnvironment=CLASSCORD_PORT=2000\n"
    if socket:
        unit, lines = "classcord.socket", "[Socket]\nListenStream=\nListenStream=2000\n"
    if way == "drop-in":
        edit(installed, unit, lines)
    else:
        setting = "s/^.Service.$/&\\nEnvironment=CLASSCORD_PORT=2000/"
        edit_full(installed, unit, "s/=12345/=2000/" if socket else setting)
    if socket:
        installed.run("systemctl stop classcord; systemctl enable -q --now classcord.socket; systemctl start classcord")
    else:
        installed.run("systemctl restart classcord")
    installed.run("cat >/tmp/load.py", input=LOAD)
    with installed.start("exec python3 /tmp/load.py") as load:
        assert load.stdout is not None
        assert load.stdout.readline() == "go\n"
        done = make(installed, "upgrade", cwd=newer)
        confirmed, after, refused = json.loads(load.communicate("over\n")[0])
    assert "Version 9.8.7 is now in /opt/classcord" in done.stdout
    assert f"    {VM} port 2000\n" in done.stdout
    assert ("a local copy hides ours" in done.stderr) == (way == "local-copy")
    assert after >= 50, "they write on after the upgrade"
    query = "import sqlite3; print(*(row[0] for row in sqlite3.connect('/var/lib/classcord/classcord.db').execute("
    query += "'SELECT content FROM messages')), sep='\\n')"
    stored = installed.run(f'python3 -c "{query}"').stdout.splitlines()
    assert set(confirmed) <= set(stored)
    assert len(stored) == len(set(stored)), "none twice"
    if socket:
        assert refused == 0
    assert not answers(installed, VM, seconds=2)


def test_an_edited_port_of_the_socket_is_in_force_after_the_upgrade(installed: Machine, newer: str) -> None:
    """systemd closes the socket of before when it reads the edited unit, and the server keeps it until it ends."""
    installed.run("systemctl stop classcord; systemctl enable -q --now classcord.socket; systemctl start classcord")
    edit(installed, "classcord.socket", "[Socket]\nListenStream=\nListenStream=2000\n")
    done = make(installed, "upgrade", cwd=newer)
    assert f"    {VM} port 2000\n" in done.stdout
    assert done.stderr == ""
    assert "systemd" in installed.run("ss -Hltnp sport = :2000").stdout
    assert not answers(installed, VM)


def test_a_port_that_the_next_start_changes_is_told(installed: Machine) -> None:
    installed.run("systemctl stop classcord; systemctl enable -q --now classcord.socket; systemctl start classcord")
    edit(installed, "classcord.socket", "[Socket]\nListenStream=\nListenStream=2000\n")
    done = make(installed, "upgrade")
    assert f"    {VM} port 12345\n" in done.stdout, "nothing was replaced, so nothing was restarted"
    (line,) = done.stderr.splitlines()
    told = re.fullmatch(r"install\.sh: its port is 2000 after the next start: (sudo systemctl stop .*)", line)
    assert told is not None, line
    installed.run(told[1], user=USER)
    assert "systemd" in installed.run("ss -Hltnp sport = :2000").stdout
    assert answers(installed, VM, 2000)


def test_a_container_on_the_port_of_before_is_not_in_the_way(installed: Machine, newer: str) -> None:
    edit(installed, "classcord.service", "[Service]\nEnvironment=CLASSCORD_PORT=2000\n")
    installed.run("systemctl restart classcord")
    standin = "case $* in *publish=2000/tcp*) echo other;; *publish=12345/tcp*) echo web;; esac"
    installed.run("cat >/usr/local/bin/docker; chmod +x /usr/local/bin/docker", input=f"#!/bin/sh\n{standin}\n")
    try:
        done = make(installed, "upgrade", cwd=newer, check=False)
    finally:
        installed.run("rm /usr/local/bin/docker")
    assert done.stderr.splitlines()[0] == "install.sh: the container other has port 2000: sudo docker stop other"


def test_a_masked_service_is_said_before_anything_changes(installed: Machine, newer: str) -> None:
    installed.run("systemctl stop classcord; systemctl mask -q classcord.service")
    done = make(installed, "upgrade", cwd=newer, check=False)
    line = done.stderr.splitlines()[0]
    assert line == "install.sh: the service is masked: sudo systemctl unmask classcord.service"
    assert "9.8.7" not in installed.run("python3 /opt/classcord/server.py --version").stdout
    installed.run(line.partition(": the service is masked: ")[2], user=USER)
    assert "Version 9.8.7 is now" in make(installed, "upgrade", cwd=newer).stdout


@pytest.mark.parametrize("masked", [False, True], ids=["", "masked"])
def test_uninstall_keeps_what_a_person_changed_and_purge_does_not(installed: Machine, masked: bool) -> None:
    as_older_versions_did(installed)
    installed.run(f"sed -i s/=12345/=2000/ {COPIES}/classcord.socket")
    edit(installed, "classcord.service", "[Service]\nEnvironment=CLASSCORD_LANG=en\n")
    theirs = [f"{COPIES}/classcord.socket", f"{COPIES}/classcord.service.d"]
    if masked:
        installed.run(f"systemctl stop classcord; rm {COPIES}/classcord.service; systemctl mask -q classcord.service")
        theirs.insert(1, f"{COPIES}/classcord.service")
    said = make(installed, "uninstall").stdout.splitlines()
    assert said[1:] == [f"What you changed in its units stays too: {' '.join(theirs)}"]
    left = installed.run(f"ls -d {COPIES}/classcord.* {OURS}", check=False).stdout.split()
    assert left == sorted(theirs)
    assert make(installed, "uninstall PURGE=yes").stderr == ""
    assert installed.run(f"ls -d {COPIES}/classcord.* {OURS}", check=False).stdout == ""
    assert installed.run(f"find {COPIES} -name 'classcord*'").stdout == ""
