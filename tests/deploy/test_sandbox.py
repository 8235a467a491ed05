"""The limits of the service: each line of its sandbox by itself, and all of them together."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.deploy.machines import PROJECT, USER, Machine, until
from tests.deploy.sandbox import PREVENTS
from tests.support import ROOT

pytestmark = pytest.mark.lab

UNIT = (ROOT / "deploy" / "classcord.service").read_text()
PROBE = "/opt/classcord/probe.py"
OTHER_ARCHITECTURE = "make a call of another architecture"


@pytest.fixture(scope="module")
def installed(vm: Machine) -> Machine:
    """The VM with the service installed and running, and the files that the probe looks for."""
    vm.run("sudo make install", user=USER, cwd=PROJECT)
    vm.run(f"cat >{PROBE}", input=(Path(__file__).parent / "probe.py").read_text())
    vm.run("touch /tmp/probe-of-others; mkdir -p /root/.probe /usr/lib/modules; mknod -m 666 /dev/probe c 1 11")
    return vm


def alone(vm: Machine, command: str, *directives: str) -> str:
    """The output of a command that runs as a service with only these directives."""
    given = "".join(f" -p '{directive}'" for directive in directives)
    return vm.run(f"systemd-run --quiet --wait --pipe --collect{given} {command}", check=False).stdout


def tried(vm: Machine, attempt: str, *directives: str) -> str:
    """The result of an attempt there."""
    results: dict[str, str] = json.loads(alone(vm, f'python3 {PROBE} "{attempt}"', *directives))
    return results[attempt]


# --- each by itself ---

WITH = {
    "NoNewPrivileges=yes": f"User={USER}",  # root needs no sudo
    "ProtectProc=invisible": f"User={USER}",  # root sees all processes anyway
    "SystemCallFilter=@system-service": "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=~@privileged @resources": "SystemCallErrorNumber=EPERM",
}


@pytest.mark.parametrize("directive", PREVENTS)
def test_each_directive_prevents_something_by_itself(installed: Machine, directive: str) -> None:
    attempt = PREVENTS[directive]
    others = [WITH[directive]] if directive in WITH else []
    free = tried(installed, attempt, *others)
    if attempt == OTHER_ARCHITECTURE and free != "done":
        pytest.skip("this kernel serves no other architecture than its own")
    assert free == "done"
    assert tried(installed, attempt, *others, directive) != "done"


def test_what_it_left_in_shared_memory_goes_with_it(installed: Machine) -> None:
    """DynamicUser= implies RemoveIPC=; with a permanent user one sees its effect."""
    leave = "touch /dev/shm/probe"
    alone(installed, leave, f"User={USER}")
    assert installed.run("rm /dev/shm/probe", check=False).returncode == 0
    alone(installed, leave, f"User={USER}", "RemoveIPC=yes")
    until(lambda: installed.run("ls /dev/shm").stdout == "", "systemd removes it")


def test_it_has_a_keyring_of_its_own(installed: Machine) -> None:
    """KeyringMode=private is also systemd's default, so the test compares it with the other choice."""
    number = {"x86_64": 250}.get(installed.run("uname -m").stdout.strip(), 219)
    keyring = f"python3 -c 'import ctypes; print(ctypes.CDLL(None).syscall({number}, 0, -3, 0))'"  # of the session
    shared = alone(installed, keyring, "KeyringMode=inherit")
    assert int(shared) > 0
    assert alone(installed, keyring, "KeyringMode=inherit") == shared
    own = alone(installed, keyring, "KeyringMode=private")
    assert int(own) > 0
    assert own not in (shared, alone(installed, keyring, "KeyringMode=private"))


def test_a_forbidden_call_fails_instead_of_killing(installed: Machine) -> None:
    lower = f'python3 {PROBE} "lower its priority"'
    assert alone(installed, lower, "SystemCallFilter=~@resources") == ""
    assert "EPERM" in alone(installed, lower, "SystemCallFilter=~@resources", "SystemCallErrorNumber=EPERM")


# --- all together ---


def test_what_the_kernel_holds_it_to(installed: Machine) -> None:
    pid = installed.run("systemctl show --property MainPID --value classcord").stdout.strip()
    status = dict(re.findall(r"^(\w+):\s+(.*)$", installed.run(f"cat /proc/{pid}/status").stdout, re.MULTILINE))
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    users = set(status["Uid"].split())
    assert users == set(status["Gid"].split())
    assert 61184 <= int(users.pop()) <= 65519, "its own user, made by systemd"
    assert status["Groups"].split() in ([], [status["Gid"].split()[0]])
    mounts = {
        line.split()[4]: line.split()[5].split(",")
        for line in installed.run(f"cat /proc/{pid}/mountinfo").stdout.splitlines()
    }
    assert "ro" in mounts["/"]
    assert "rw" in mounts["/var/lib/private/classcord"]
    assert {"/tmp", "/var/tmp", "/dev", "/home", "/root"} <= mounts.keys()
    assert len(installed.run(f"cat /proc/{pid}/uid_map").stdout.splitlines()) == 2, "root's number and its own"
    for kind in ("uts", "mnt", "user"):
        assert installed.run(f"readlink /proc/{pid}/ns/{kind} /proc/1/ns/{kind} | uniq -d").stdout == "", kind
    assert installed.run("stat -c '%a %F' /var/lib/classcord/").stdout == "700 directory\n"
    assert installed.run("stat -c %a /var/lib/classcord/classcord.db").stdout == "600\n"
    assert installed.run("ls /var/lib/classcord", user=USER, check=False).returncode != 0


def test_systemd_has_taken_every_directive_as_it_stands(installed: Machine) -> None:
    """test_unit_files.py checks that the unit has the lines of PREVENTS and OTHERS."""
    sandbox = UNIT[UNIT.index("CapabilityBoundingSet=") : UNIT.index("[Install]")]
    given = dict(re.findall(r"^(\w+)=(\S*)$", sandbox, re.MULTILINE))
    del given["SystemCallFilter"]
    shown = dict(
        line.split("=", 1)
        for line in installed.run(f"systemctl show classcord --property {','.join(given)}").stdout.splitlines()
    )
    given["SystemCallErrorNumber"] = "1"
    assert {name: value.removesuffix(" [EPERM]") for name, value in shown.items()} == given


ALLOWED = {"write its own data", "listen on a port"}


def test_what_it_may_not_do_fails(installed: Machine) -> None:
    """The same attempts, by root without a sandbox and from within the unit's own."""
    free = json.loads(installed.run(f"python3 {PROBE}").stdout)
    unit = re.sub(r"^(Watchdog.*|Restart.*|EnvironmentFile.*)\n", "", UNIT, flags=re.MULTILINE)
    unit = unit.replace("Type=notify", "Type=oneshot\nStandardOutput=truncate:/run/probe.json")
    unit = unit.replace("StateDirectory=classcord", "StateDirectory=probe").replace("server.py", "probe.py")
    installed.run("cat >/run/systemd/system/probe.service && systemctl daemon-reload", input=unit)
    installed.run("systemctl start probe")
    held = json.loads(installed.run("cat /run/probe.json").stdout)
    assert set(PREVENTS.values()) < held.keys()
    assert {name for name in free if free[name] != "done"} <= {OTHER_ARCHITECTURE}, free
    assert {name for name in held if held[name] == "done"} == ALLOWED, held
