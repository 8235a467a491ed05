"""What the doctor of the host tells people to type: it stops the right program, and keeps what is in force.

Without a lab, from the recordings of test_doctor_host_recorded.py.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from machine import Recorded

from tests.deploy.test_doctor_host_recorded import APPLY, HOSTS, LAN, RULE, VM, look, recorded, seen, virtualbox

# --- programs of the host that have the port ---


def program(
    name: str, outcome: str, detail: str = "", *, pid: int = 812, unit: str = "", address: str = "00000000"
) -> dict[str, Any]:
    """A host without a NAT rule, on which a program listens, and what it answers at the address that desks use."""
    table = f"  0: {address}:3039 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4711 1 0 100 0 0 10"
    return {
        **seen("no NAT rule"), "read /proc/net/tcp": table, "owners 4711": [[pid, name, name, unit]],
        f"probe {LAN} 12345": [outcome, detail],
    }


HTTP = "HTTP/1.0 501 Unsupported method"


def test_a_program_that_forwards_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    said = look(Recorded(program("socat", "answers")), capsys)
    said.warned("a program of this host (a forwarder or a server) listens on port 12345: socat (812)")


@pytest.mark.parametrize("arguments", [(), ("--vm", VM)])
def test_another_program_on_the_port_is_to_be_stopped(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers, but not as the server. The VM has no part in that, whether it answers or not."""
    for vm in ("answers", "refused"):
        answers = {**program("python3", "other", HTTP), f"probe {VM} 12345 {LAN}": [vm, ""],
                   "run ip -4 neigh show dev vbox0": [0, "", ""]}
        said = look(Recorded(answers), capsys, *arguments)
        text, told = next((text, told) for mark, text, told in said.lines if mark == "✘")
        assert text.startswith("NAT rule: none, because python3 (812) has port 12345 of this host")
        assert text.endswith(HTTP)
        assert told[0] == "the port is taken by python3 (process 812); stop it:  sudo kill 812"
        assert "sudo sh deploy/nat/linux.sh apply --vm" in told[1]
        if not arguments or vm == "answers":
            assert said.code == 1
            assert "in the VM:  " not in said.text
        assert said.lines[-1][1].startswith("seen: the first ✘ is on this host.")


def test_a_program_that_does_not_lead_to_a_vm_that_answers_is_to_be_stopped(
    capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("nc", "socat"):
        for outcome in ("silent", "closed"):
            said = look(Recorded(program(name, outcome)), capsys, "--vm", VM)
            said.only_broken(f"because {name} (812) has port 12345", "sudo kill 812")
            assert f"✔ VM: a ClassCord server answers at {VM}" in said.text


def test_a_forwarder_to_a_vm_that_is_down_leads_to_the_vm(capsys: pytest.CaptureFixture[str]) -> None:
    said = look(Recorded(program("qemu-system-x86", "other", HTTP)), capsys)
    said.only_broken(f"through the NAT: {LAN} port 12345", "in the VM:  sudo make doctor")
    assert said.lines[-1][1].startswith("seen: this host forwards")
    assert "kill" not in said.text
    said = look(Recorded(program("nc", "silent")), capsys)
    said.only_broken(f"through the NAT: {LAN} port 12345", "if nc (process 812) is not meant to forward the port")


@pytest.mark.parametrize(("process", "told"), [
    ({"name": "nginx", "unit": "nginx.service"}, ["sudo kill 812", "comes back:  sudo systemctl stop nginx.service"]),
    ({"name": "nginx", "unit": "session-2.scope"}, ["sudo kill 812", "then:  sudo sh"]),
    ({"name": "systemd", "pid": 1}, ["systemctl list-sockets", "then:  sudo sh"]),
    ({"name": "docker-proxy"}, ["docker ps --filter publish=12345", "then:  sudo sh"]),
])
def test_what_stops_a_program_depends_on_what_started_it(
    process: dict[str, Any], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = look(Recorded(program(outcome="other", detail=HTTP, **process)), capsys)
    advice = next(advice for mark, _, advice in said.lines if mark == "✘")
    assert all(part in line for part, line in zip(told, advice, strict=False)), advice
    assert "kill 1\n" not in said.text


def test_a_program_whose_name_only_root_sees_is_to_be_looked_for(capsys: pytest.CaptureFixture[str]) -> None:
    said = look(Recorded({**program("", "other", HTTP), "root": False, "owners 4711": []}), capsys)
    said.only_broken("NAT rule: none, because a program has port 12345", "sudo ss -ltnp sport = :12345")


def test_a_program_for_this_host_only_does_not_have_the_port(capsys: pytest.CaptureFixture[str]) -> None:
    said = look(Recorded(program("ssh", "refused", address="0100007F")), capsys, "--vm", VM)
    said.only_broken("NAT rule: nothing on this host forwards port 12345", APPLY)


def test_a_program_that_took_virtualboxs_port_is_to_be_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    for name, broken in (("python3", True), ("VBoxHeadless", False)):
        said = look(Recorded({**virtualbox("running", RULE), **program(name, "other", HTTP),
                              "has VBoxManage": True}), capsys)
        if broken:
            said.only_broken("because python3 (812) has port 12345", "sudo kill 812")
            said.only_broken("because python3 (812) has port 12345", "then shut the VM down and start it")
            assert "in the VM" not in said.text
        else:
            said.only_broken("through the NAT", "in the VM:  sudo make doctor")
            assert "VirtualBox's NAT is to blame" in said.lines[-1][2][0]


def test_a_container_of_the_host_that_has_the_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Docker's rule for -p 12345:80."""
    save = HOSTS["NAT by iptables"]["seen"]["run iptables-save"]
    web, way = "172.17.0.2", "172.17.0.2 dev docker0 src 172.17.0.1 uid 0 \n    cache \n"
    answers = {
        **seen("NAT by iptables"), "run iptables-save": [0, save[1].replace(f"{VM}:12345", f"{web}:80"), ""],
        f"run ip -4 route get {web}": [0, way, ""], f"probe {web} 80": ["other", HTTP],
    }
    for arguments in ((), ("--vm", VM)):
        said = look(Recorded(answers), capsys, *arguments)
        said.only_broken(f"leads to a container of this host ({web})", "docker ps --filter publish=12345")
        assert "in the VM" not in said.text


# --- what is in force, and the port, go with each command ---


def flags(capsys: pytest.CaptureFixture[str], host: str, **changes: object) -> set[str]:
    said = recorded(host, capsys, **changes)
    found = {line.partition("linux.sh apply ")[2] for line in said.text.splitlines() if "linux.sh apply" in line}
    assert found, said.text
    return {line.removeprefix(f"--vm {VM}").removeprefix("--vm 192.168.56.77") for line in found}


STATE, NAT_UNIT = "read /run/classcord-nat", "read /etc/systemd/system/multi-user.target.wants/classcord-nat.service"


@pytest.mark.parametrize("host", [
    "forwarding off", "NAT to another address", "FORWARD drops", "FORWARD drops the answers", "address changed",
    "no NAT rule",
])
def test_what_is_in_force_stays_after_each_remedy(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = {f"probe {VM} 12345": HOSTS[host]["seen"].get(f"probe {VM} 12345 {LAN}", ["answers", ""])}
    assert flags(capsys, host, **asked) == {""}
    state = {STATE: f"VM={VM}\nPORT=12345\nMASQUERADE=yes\nBACKEND=nft\nFORWARDING_WAS=1\n"}
    assert flags(capsys, host, **asked, **state) == {" --masquerade"}
    state[NAT_UNIT] = f"ExecStart=/usr/local/sbin/classcord-nat apply --vm {VM} --port 12345 --masquerade --persist\n"
    assert flags(capsys, host, **asked, **state) == {" --masquerade --persist"}
    del state[STATE]  # since the last boot, for example because the unit failed
    assert flags(capsys, host, **asked, **state) == {" --masquerade --persist"}
    state[NAT_UNIT] = state[NAT_UNIT].replace(" --masquerade", "")
    assert flags(capsys, host, **asked, **state) == {" --persist"}


def test_without_masquerade_is_said_with_a_flag_and_keeps_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    assert flags(capsys, "masquerade") == {" --no-masquerade"}
    assert flags(capsys, "masquerade", **{NAT_UNIT: ""}) == {" --no-masquerade --persist"}
    other = recorded("masquerade", capsys, **{STATE: f"VM={VM}\nMASQUERADE=\n"})
    other.warned("this host's address for all of them", "look:  sudo nft list ruleset; sudo iptables -t nat -S")
    assert "linux.sh" not in other.text, "it has not set that rule"


@pytest.mark.parametrize("host", sorted(set(HOSTS) - {"NAT of another port"}))
def test_another_port_is_in_each_command(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    answers = json.loads(json.dumps(seen(host)).replace("12345", "2000"))
    said = look(Recorded(answers), capsys, *HOSTS[host]["arguments"], "--port", "2000")
    for line in said.text.splitlines():
        if "make doctor" in line:
            assert "PORT=2000" in line, line
        elif "deploy/" in line and "sysctl" not in line:
            assert "--port 2000" in line, line


@pytest.mark.parametrize(("state", "rules"), [
    ("running", ("classcord,tcp,,2000,,12345",)), ("saved", ("classcord,tcp,,2000,,12345",)), ("running", ()),
])
def test_another_port_is_in_the_commands_for_virtualbox(
    state: str, rules: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule may lead to another port of the VM: that one is for the commands there."""
    answers = {**virtualbox(state, *rules), f"probe {LAN} 2000": ["closed", ""]}
    said = look(Recorded(answers), capsys, "--port", "2000")
    for line in said.text.splitlines():
        if "in the VM:  " in line and rules:
            assert line.endswith("sudo make doctor")
        elif "deploy/" in line:
            assert "--port 2000" in line, line
    assert "virtualbox.sh" in said.text
