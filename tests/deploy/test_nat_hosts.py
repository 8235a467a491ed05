"""deploy/nat/virtualbox.sh, with a stand-in for VBoxManage: the commands that it gives, and its own output."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, Server, listener, nobody

SCRIPT = ROOT / "deploy" / "nat" / "virtualbox.sh"
STANDIN = Path(__file__).with_name("standin_vboxmanage.py")
UUID = "00000000-0000-4000-8000-00000000000"
SEEN = "The server will see 10.0.2.2 for every client.\n"
ADDED = "classcord,tcp,,12345,,12345"

Done = subprocess.CompletedProcess[str]


class VirtualBox:
    """A host with these VMs. `changes` are the commands that changed something, as they were typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines: list[dict[str, Any]] = []
        self.shell = ["sh"]
        self.version = "7.1.12r169651"
        (folder / "bin").mkdir()
        wrapper = folder / "bin" / "VBoxManage"
        wrapper.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -S {shlex.quote(str(STANDIN))} \"$@\"\n")
        wrapper.chmod(0o755)

    def add(self, name: str = "Debian", state: str = "poweroff", *nics: dict[str, Any], **more: Any) -> None:
        uuid = UUID + str(len(self.machines) + 1)
        self.machines.append(
            {"name": name, "uuid": uuid, "state": state, "nics": list(nics) or [{"kind": "nat"}], **more}
        )

    def run(self, *words: str) -> Done:
        (self.folder / "changes").write_text("")
        (self.folder / "version").write_text(self.version)
        (self.folder / "machines.json").write_text(json.dumps(self.machines))
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        done = subprocess.run(
            [*self.shell, str(SCRIPT), *words], capture_output=True, text=True, timeout=60,
            env={**os.environ, "PATH": path, "VBOX_STANDIN": str(self.folder)},
        )
        self.machines = json.loads((self.folder / "machines.json").read_text())
        assert "line " not in done.stderr, f"the shell complained: {done.stderr}"
        return done

    def fails(self, code: int, *words: str) -> str:
        """Run it; it must fail with this exit code, change nothing, and print one line. Returns the line."""
        before = self.machines
        done = self.run(*words)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert done.stderr.startswith("virtualbox.sh: ")
        assert done.stderr.count("\n") == 1, done.stderr
        assert self.machines == before
        return done.stderr

    def works(self, *words: str) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    @property
    def changes(self) -> list[str]:
        return (self.folder / "changes").read_text().replace(UUID, "vm").splitlines()

    def rules(self, vm: int = 1, adapter: int = 1) -> list[str]:
        return list(self.machines[vm - 1]["nics"][adapter - 1].get("rules", []))


@pytest.fixture
def host(tmp_path: Path) -> VirtualBox:
    return VirtualBox(tmp_path)


def nat(*rules: str, **more: str) -> dict[str, Any]:
    return {"kind": "nat", "rules": list(rules), **more}


def test_a_stopped_vm_gets_the_rule_in_its_settings(host: VirtualBox) -> None:
    host.add()
    assert host.works("apply") == (
        '"Debian", adapter 1: rule classcord set; port 12345 of this host goes to port 12345 of the VM.\n'
        "The VM is not running: the port opens when it starts.\n" + SEEN
    )
    assert host.changes == [f"modifyvm vm1 --natpf1 {ADDED}"]
    assert host.rules() == [ADDED]


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_running_vm_gets_the_rule_at_once(host: VirtualBox, state: str) -> None:
    host.add("Debian", state)
    assert host.works("apply") == (
        '"Debian", adapter 1: rule classcord set; port 12345 of this host goes to port 12345 of the VM.\n' + SEEN
    )
    assert host.changes == [f"controlvm vm1 natpf1 {ADDED}"]


def test_a_saved_vm_gets_the_rule_in_its_settings_or_a_hint_to_start_it(host: VirtualBox) -> None:
    host.add("Debian", "saved")
    host.works("apply")
    assert host.changes == [f"modifyvm vm1 --natpf1 {ADDED}"]
    host.machines[0].update(strict=True, nics=[nat()])
    assert host.fails(1, "apply") == (
        "virtualbox.sh: VBoxManage modifyvm failed: The machine is not mutable (state is Saved); "
        "its state is saved: start the VM, then type the same again\n"
    )


def test_it_runs_in_the_shell_of_a_mac_which_is_bash(host: VirtualBox) -> None:
    host.shell = ["bash", "--posix"]
    host.add("Windows")
    host.add("Debian 12")
    for action in ("apply", "status", "undo"):
        assert '"Debian 12"' in host.works(action, "--vm", "Debian 12")
    assert host.changes == ["modifyvm vm2 --natpf1 delete classcord"]
    assert "which one" in host.fails(1, "apply")
    assert "--help" in host.fails(2, "apply", "--vm")


def test_a_second_apply_changes_nothing(host: VirtualBox) -> None:
    host.add("Debian", "running", nat(ADDED, "ssh,tcp,,2222,,22"))
    assert "is there already" in host.works("apply")
    assert host.changes == []


def test_a_rule_that_says_otherwise_is_replaced(host: VirtualBox) -> None:
    host.add("Debian", "running", nat("ssh,tcp,,2222,,22", ADDED))
    printed = host.works("apply", "--port", "2000", "--address", "10.0.108.42")
    assert "port 2000 of 10.0.108.42 goes to port 2000 of the VM" in printed
    assert host.changes == [
        "controlvm vm1 natpf1 delete classcord", "controlvm vm1 natpf1 classcord,tcp,10.0.108.42,2000,,2000",
    ]
    assert host.rules() == ["ssh,tcp,,2222,,22", "classcord,tcp,10.0.108.42,2000,,2000"]
    host.works("apply", "--address", "0.0.0.0")
    assert host.rules() == ["ssh,tcp,,2222,,22", ADDED]


def test_the_port_is_the_same_on_both_sides(host: VirtualBox) -> None:
    """As with linux.sh. A rule to another port was made by hand: status shows it, apply replaces it."""
    host.add("Debian", "running", nat("classcord,tcp,,2000,,12345"))
    assert "port 2000 of this host goes to port 12345 of the VM." in host.works("status")
    assert "port 2000 of this host goes to port 2000 of the VM." in host.works("apply", "--port", "2000")
    assert host.rules() == ["classcord,tcp,,2000,,2000"]
    assert "port 2000 of this host goes to port 2000 of the VM." in host.works("status")
    assert host.works("apply", "--port", "2000").startswith(
        '"Debian", adapter 1: the rule classcord is there already; port 2000 of this host goes to port 2000 of the VM.'
    )
    assert "--port N           the port, on this host and in the VM (12345)" in host.works("--help")


def test_the_nat_adapter_need_not_be_the_first(host: VirtualBox) -> None:
    host.add("Debian", "running", {"kind": "hostonly"}, nat())
    assert host.works("apply").endswith("The server will see 10.0.3.2 for every client.\n")
    assert host.changes == [f"controlvm vm1 natpf2 {ADDED}"]
    assert "adapter 2: the rule classcord is there" in host.works("status")
    host.works("undo")
    assert host.changes == ["controlvm vm1 natpf2 delete classcord"]


def test_a_rule_left_on_another_adapter_moves(host: VirtualBox) -> None:
    host.add("Debian", "poweroff", nat(), nat(ADDED))
    assert host.works("status").endswith("The server will see 10.0.3.2 for every client.\n")
    host.works("apply")
    assert (host.rules(adapter=1), host.rules(adapter=2)) == ([ADDED], [])


@pytest.mark.parametrize(("net", "gateway"), [("192.168.100.0/24", "192.168.100.2"), ("192.168/16", "192.168.0.2")])
def test_a_nat_network_of_ones_own_choice_changes_the_address_seen(host: VirtualBox, net: str, gateway: str) -> None:
    host.add("Debian", "poweroff", nat(net=net))
    assert host.works("apply").endswith(f"The server will see {gateway} for every client.\n")


@pytest.mark.parametrize(("nic", "hint"), [
    ({"kind": "bridged"}, "is bridged: it has an address on the school's network, and needs no forwarding"),
    ({"kind": "hostonly"}, "VBoxManage modifyvm vm1 --nic1 nat"),
    ({"kind": "natnetwork", "net": "Classe"}, "VBoxManage natnetwork modify --netname Classe --port-forward-4 "
        "'classcord:tcp:[]:12345:[ADDRESS OF THE VM]:12345'"),
])
def test_an_adapter_that_is_not_nat_gets_what_helps(host: VirtualBox, nic: dict[str, str], hint: str) -> None:
    host.add("Debian", "running", nic)
    for action in ("apply", "status"):
        assert hint in host.fails(1, action).replace(UUID, "vm")
    assert "nothing to do" in host.works("undo")


def test_the_only_running_vm_is_meant(host: VirtualBox) -> None:
    host.add("Windows")
    host.add("Debian 12", "running")
    host.works("apply")
    assert (host.rules(1), host.rules(2)) == ([], [ADDED])


@pytest.mark.parametrize("state", ["poweroff", "running"])
def test_which_of_several_vms_must_be_said(host: VirtualBox, state: str) -> None:
    host.add("Windows", state)
    host.add("Debian 12", state)
    said = host.fails(1, "apply")
    assert said == 'virtualbox.sh: there are several VMs; say which one with --vm: "Windows", "Debian 12"\n'
    host.works("apply", "--vm", "Debian 12")
    assert (host.rules(1), host.rules(2)) == ([], [ADDED])
    assert 'no VM is called "Debian"; the VMs are: "Windows", "Debian 12"' in host.fails(1, "apply", "--vm", "Debian")


@pytest.mark.parametrize("name", ["Serveur d'été", "a \"b\" {c}", "x; touch y", "$(id) `id`", "-v", "*", "50 % \\n"])
def test_a_name_with_special_characters_is_used_as_it_is(host: VirtualBox, name: str) -> None:
    host.add("other")
    host.add(name)
    assert f'"{name}", adapter 1: rule classcord set' in host.works("apply", "--vm", name)
    assert f'"{name}": rule classcord removed' in host.works("undo", "--vm", UUID + "2")
    assert f'"{name}"' in host.fails(1, "apply")


def test_a_user_without_a_vm_is_told_to_be_the_one_who_made_it(host: VirtualBox) -> None:
    for words in (["apply"], ["apply", "--vm", "Debian"]):
        assert "run this as the user who made the VM, without sudo" in host.fails(1, *words)


def test_a_machine_without_virtualbox_is_told_to_run_it_on_the_host(host: VirtualBox) -> None:
    if shutil.which("VBoxManage"):
        pytest.skip("VirtualBox is installed here")
    host.add()
    (host.folder / "bin" / "VBoxManage").unlink()
    assert "run this on the host, where VirtualBox is installed" in host.fails(1, "apply")


@pytest.mark.parametrize(("rule", "taken"), [
    ("web,tcp,,12345,,80", True), ("chat,tcp,,12345,,12345", True), ("web,tcp,127.0.0.1,12345,,80", True),
    ("dns,udp,,12345,,53", False), ("ssh,tcp,,2222,,22", False),
])
def test_a_port_that_another_rule_has_is_refused_with_its_name(host: VirtualBox, rule: str, taken: bool) -> None:
    host.add("Debian", "running", nat(rule))
    if taken:
        name = rule.partition(",")[0]
        assert f'the rule "{name}" of adapter 1 has port 12345 already' in host.fails(1, "apply")
        done = host.run("status")
        assert (done.returncode, f"Another rule has port 12345: {rule}." in done.stdout) == (1, True)
        host.works("apply", "--port", "12346")
    else:
        host.works("apply")
    assert host.rules()[0] == rule


def test_undo_removes_the_rule_and_no_other(host: VirtualBox) -> None:
    host.add("Debian", "poweroff", nat("ssh,tcp,,2222,,22", ADDED))
    assert host.works("undo") == '"Debian": rule classcord removed.\n'
    assert host.changes == ["modifyvm vm1 --natpf1 delete classcord"]
    assert host.rules() == ["ssh,tcp,,2222,,22"]
    assert host.works("undo") == '"Debian": there is no rule classcord; nothing to do.\n'


def test_a_dry_run_shows_the_commands_and_changes_nothing(host: VirtualBox) -> None:
    host.add("Debian", "running", nat(ADDED))
    shown = host.works("apply", "--port", "2000", "--dry-run").replace(UUID, "vm")
    assert shown == (
        "+ VBoxManage controlvm vm1 natpf1 delete classcord\n"
        "+ VBoxManage controlvm vm1 natpf1 classcord,tcp,,2000,,2000\n" + SEEN
    )
    assert host.changes == []
    shown = host.works("undo", "--dry-run").replace(UUID, "vm")
    assert shown == "+ VBoxManage controlvm vm1 natpf1 delete classcord\n"
    assert host.changes == []


def test_a_refusal_of_virtualbox_is_one_line(host: VirtualBox) -> None:
    host.add("Debian", "starting", nat())
    host.machines[0].update(state="saved", strict=True)
    assert "VBoxManage modifyvm failed: " in host.fails(1, "apply")


def test_status_of_a_vm_without_the_rule(host: VirtualBox) -> None:
    host.add("Debian", "running", nat("ssh,tcp,,2222,,22"))
    done = host.run("status")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines() == [
        f'"Debian" (running), adapter 1: there is no rule classcord; sh {SCRIPT} apply --port 12345 makes it.',
        "Seen: nothing forwards here. What remains: all of it. Next: repair what is named above, then status again.",
    ]
    done = host.run("status", "--vm", "Debian", "--port", "2000")
    assert f"sh {SCRIPT} apply --vm 'Debian' --port 2000 makes it." in done.stdout


def no_python(host: VirtualBox) -> None:
    """Hide python3, so that the script takes nc."""
    for name in ("uname", "nc"):
        (host.folder / "bin" / name).unlink(missing_ok=True)
    (host.folder / "bin" / "uname").write_text("#!/bin/sh\necho Darwin\n")
    (host.folder / "bin" / "uname").chmod(0o755)


@pytest.mark.parametrize("tool", ["python3", "nc"])
def test_status_asks_the_server_through_the_rule(
    host: VirtualBox, own_server: Callable[..., Server], tool: str
) -> None:
    """And it ends with what was seen, what remains, and one next place."""
    if shutil.which("nc") is None:
        pytest.skip("needs netcat: apt install netcat-openbsd")
    if tool == "nc":
        no_python(host)
    server = own_server()
    host.add("Debian", "running", nat(f"classcord,tcp,127.0.0.1,{server.port},,12345"))
    said = host.works("status").splitlines()
    assert said == [
        f'"Debian" (running), adapter 1: the rule classcord is there; '
        f"port {server.port} of 127.0.0.1 goes to port 12345 of the VM.",
        f"Seen: the server answers at 127.0.0.1 port {server.port}. What remains: a desk, then the network between. "
        "Next, once, unless you come from there, at a desk: "
        f"sh doctor.sh --from-slam ADDRESS_OF_THIS_HOST --port {server.port}", SEEN.strip(),
    ]
    server.stop()
    with nobody(server.port):
        said = host.works("status").splitlines()
    assert said[1:] == [
        f"Seen: the VM runs, but nothing listens at 127.0.0.1 port {server.port}. What remains: what comes after it.",
        "Next: shut the VM down and start it: VirtualBox opens the port at its start; then status again.", SEEN.strip(),
    ]
    with listener(b"") as port:  # as VirtualBox does if no server listens in the VM
        host.machines[0]["nics"][0]["rules"] = [f"classcord,tcp,127.0.0.1,{port},,2000"]
        assert host.works("status").splitlines()[1:] == [
            f"Seen: VirtualBox listens, and no server answers at 127.0.0.1 port {port}. "
            "What remains: the VM, then VirtualBox's NAT.",
            "Next, once, unless you come from there, in the VM: sudo make doctor PORT=2000",
            "If nothing is broken there, don't come back: shut the VM down and start it, or go around VirtualBox's NAT "
            "with a bridged adapter (see CONTAINERS.md, VirtualBox).", SEEN.strip(),
        ]
    host.machines[0]["state"] = "poweroff"
    assert host.works("status").splitlines()[1:3] == [
        "The VM is not running: the port opens when it starts.",
        "Seen: the rule is there. What remains: the VM, and what comes after it. Next: start it, then status again.",
    ]


@pytest.mark.parametrize("words", [
    [], ["start"], ["apply", "undo"], ["apply", "--vm"], ["apply", "--vm", ""], ["apply", "--port", "0"],
    ["apply", "--port", "65536"], ["apply", "--port", "99999999999999999999"], ["apply", "--port", "12a"],
    ["apply", "--port", "-1"], ["apply", "--address", "10.0.108"], ["apply", "--address", "10.0.108.256"],
    ["apply", "--address", "::1"], ["apply", "--address", "10.0.0.1,x"], ["apply", "Debian"], ["apply", "--force"],
])
def test_a_wrong_command_line_changes_nothing_and_names_the_help(host: VirtualBox, words: list[str]) -> None:
    host.add()
    assert f"see sh {SCRIPT} --help" in host.fails(2, *words)
    assert host.changes == []


@pytest.mark.parametrize("version", [
    "7.2.0r170228", "7.2.6r172322", "7.2.4_Ubuntur170995", "WARNING: The module vboxdrv is not loaded.\n7.2.2r170484",
])
def test_a_version_whose_nat_breaks_connections_gets_a_line_that_names_the_bridge(
    host: VirtualBox, version: str
) -> None:
    host.add("Debian", "running", nat())
    host.version = version
    for action in ("apply", "status"):
        done = host.run(action)
        assert done.returncode == 0
        (line,) = done.stderr.splitlines()
        number = re.search(r"7\.2\.\d", version)
        assert number
        assert line.startswith(f"virtualbox.sh: VirtualBox {number[0]} may reset or refuse the connections")
        assert "install 7.2.8 or later" in line
        assert "bridged adapter (see CONTAINERS.md, VirtualBox)" in line
    host.works("undo")


@pytest.mark.parametrize("version", [
    "7.2.8r173730", "7.2.10r1", "7.2.14r1", "7.1.16r1", "7.0.20_Debianr163906", "7.3.0r1", "17.2.1r1", "",
])
def test_no_other_version_gets_a_warning(host: VirtualBox, version: str) -> None:
    host.add("Debian", "running", nat())
    host.version = version
    host.works("apply")
    host.works("status")


def test_the_help_begins_with_the_usage(host: VirtualBox) -> None:
    assert host.works("--help").startswith("Usage: virtualbox.sh apply|status|undo ")
