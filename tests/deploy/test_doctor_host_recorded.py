"""The host's hops without a lab, from what real commands printed on hosts with these faults.

recorded/host.json was made with record_doctor.py, in a network like the lab's (tests/deploy/lab.py). It has a host on
which all is well, and of each other host what differs from it. test_doctor_host.py makes the same faults for real.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from machine import Machine, Recorded
from report import main

from tests.deploy.doctor import Diagnosis
from tests.support import ROOT, Server

HOSTS: dict[str, dict[str, Any]] = json.loads((ROOT / "tests/deploy/recorded/host.json").read_text())
VM, LAN = "192.168.56.10", "10.0.108.42"
WELL = [
    ("✔", f"NAT rule: port 12345 leads to {VM} port 12345"),
    ("✔", f"VM: a ClassCord server answers at {VM} port 12345 (by vbox0)"),
    ("✔", "forwarding: on"),
    ("✔", "firewall: lets port 12345 through to the VM, and its answers"),
    ("✔", f"through the NAT: a ClassCord server answers at {LAN} port 12345: give that address to SLAM"),
    ("✔", f"page: answers, in a browser: http://{LAN}:12345/"),
    ("✔", "desks: the server sees each desk's true address; the VM's answers must go back through this host"),
    ("·", "seen: from here the port leads to the server, and it answers. "
          "What remains: the way from a desk to this host"),
]


def seen(host: str, **changes: object) -> dict[str, Any]:
    """The answers of a recorded host, with `changes` to those whose question is one word."""
    return {**HOSTS["well"]["seen"], **HOSTS[host]["seen"], "environment CLASSCORD_LANG": "en", **changes}


def look(machine: Machine, capsys: pytest.CaptureFixture[str], *arguments: str) -> Diagnosis:
    code = main(["host", *arguments], machine)
    return Diagnosis(code, capsys.readouterr().out)


def recorded(host: str, capsys: pytest.CaptureFixture[str], **changes: object) -> Diagnosis:
    return look(Recorded(seen(host, **changes)), capsys, *HOSTS[host]["arguments"])


def test_a_host_on_which_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    said = recorded("well", capsys)
    assert [(mark, text) for mark, text, _ in said.lines] == WELL
    desk, between = said.lines[-1][2]
    assert desk == f"next, once, at a desk:  sh deploy/doctor.sh --from-slam {LAN}"
    assert between.startswith("if you come from there, and it is not to blame itself: the network between the two")


APPLY = f"sudo sh deploy/nat/linux.sh apply --vm {VM}"
ESTABLISHED = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"


@pytest.mark.parametrize(("host", "part", "advice"), [
    ("forwarding off", "forwarding: off, this host sends nothing on to the VM", "sudo sysctl -w net.ipv4.ip_forward=1"),
    ("forwarding off for the VM's card", "forwarding: off for the card vbox0", "net.ipv4.conf.vbox0.forwarding=1"),
    ("forwarding off for the desks' card", "forwarding: off for the card lan0", "net.ipv4.conf.lan0.forwarding=1"),
    ("no NAT rule", "NAT rule: nothing on this host forwards port 12345", APPLY),
    ("no NAT rule, no address", "NAT rule: nothing on this host forwards port 12345", "prints it:  make doctor"),
    ("NAT to another address", f"port 12345 leads to 192.168.56.11, and the VM is {VM}", APPLY),
    ("FORWARD drops", "FORWARD drops packets to the VM (policy DROP)", f"sudo iptables -I FORWARD -p tcp -d {VM}"),
    ("FORWARD drops", "firewall: FORWARD drops packets to the VM", f"sudo iptables -I FORWARD {ESTABLISHED}"),
    ("FORWARD drops the answers", "FORWARD drops the VM's answers (policy DROP)", f"-I FORWARD {ESTABLISHED}"),
    ("INPUT drops the answers", "INPUT drops what is answered to this host", f"sudo iptables -I INPUT {ESTABLISHED}"),
    ("nft input drops the answers", "inet mine i drops what is answered", "rule inet mine i ct state established"),
    ("nft forward drops", "'inet mine' drops packets to the VM (policy drop)", f"inet mine f ip daddr {VM} tcp dport"),
    ("nft forward drops the answers", "'inet mine' drops the VM's answers", "rule inet mine f ct state established"),
    ("nft prerouting drops", "drops packets to the VM (tcp dport 12345 drop)", "delete rule inet mine p handle 2"),
    ("legacy drops", f"packets to the VM (-A FORWARD -d {VM}/32", "sudo iptables-legacy -I FORWARD"),
    ("VM lets no desk in", f"answers this host's 192.168.56.1, but not {LAN}", "the VM:  sudo sh deploy/ufw.sh status"),
    ("no way back", f"answers this host's 192.168.56.1, but not {LAN}", "ip route replace default via 192.168.56.1"),
    ("address changed", "server answers at 192.168.56.77: the VM's address has changed", "apply --vm 192.168.56.77"),
    ("VM off", "nobody has that address on the VM's network", "changed (DHCP)? In the VM, line « address »:"),
    ("VM off", f"VM: {VM} does not answer, not even a ping", "then:  sudo sh deploy/nat/linux.sh apply --vm ADDRESS"),
    ("VM off", f"VM: {VM} does not answer, not even a ping", "CONTAINERS.md, « Garder les mêmes adresses »"),
    ("server down", f"VM: it is on, but {VM} port 12345: connection refused", "in the VM:  sudo make doctor"),
])
def test_a_fault_is_named_with_what_to_type(
    host: str, part: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(host, capsys).only_broken(part, advice)


@pytest.mark.parametrize(("host", "part", "advice"), [
    ("forwarding off for another card", "forwarding: off for the card lan1", "net.ipv4.conf.lan1.forwarding=1"),
    ("FORWARD lets some through", "through to the VM from 10.0.107.0/24 only", "-I FORWARD -s 10.0.108.0/24 -p"),
    ("FORWARD limits", "stop port 12345, on a condition: -A FORWARD", "sudo iptables -D FORWARD"),
    ("nft drops some addresses", "(ip saddr 10.0.108.0/24 drop)", "sudo nft delete rule inet mine p handle 2"),
    ("masquerade", "the server sees this host's address for all of them (masquerade)", "without --masquerade"),
])
def test_what_may_shut_out_some_desks_is_a_warning(
    host: str, part: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(host, capsys).warned(part, advice)


@pytest.mark.parametrize(("host", "part"), [
    ("NAT of another port", f"NAT rule: port 2345 leads to {VM} port 12345"),
    ("NAT by iptables", f"NAT rule: port 12345 leads to {VM} port 12345"),
    ("NAT by iptables in a chain of its own", f"through the NAT: a ClassCord server answers at {LAN} port 12345"),
    ("FORWARD lets through", "firewall: lets port 12345 through to the VM, and its answers"),
])
def test_other_ways_to_forward_are_understood(host: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(host, capsys).well(part)


@pytest.mark.parametrize("rules", ["dport 2345 ", "dport { 80, 2345 } ", "dport 12000-12300 "])
def test_a_rule_of_other_ports_is_not_taken_for_this_one(rules: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, error = HOSTS["NAT of another port"]["seen"]["run nft -a list ruleset"]
    answers = {**seen("no NAT rule"), "run nft -a list ruleset": [code, shown.replace("dport 2345 ", rules), error]}
    look(Recorded(answers), capsys, "--vm", VM).only_broken("nothing on this host forwards port 12345", APPLY)
    answers["run nft -a list ruleset"][1] = shown.replace("dport 2345 ", "dport { 80, 12000-13000 } ")
    look(Recorded(answers), capsys).well(f"NAT rule: port 12345 leads to {VM} port 12345")


def test_rules_of_both_iptables_beside_each_other_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    (warning,) = recorded("legacy drops", capsys).marked("!")
    assert "iptables-legacy are beside those of nft" in warning


def test_two_rules_for_one_port_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The rule of an address that the VM had before, and the new one."""
    save = HOSTS["NAT by iptables"]["seen"]["run iptables-save"]
    old = [save[0], save[1].replace(VM, "192.168.56.99"), save[2]]
    said = look(Recorded({**seen("well"), "run iptables-save": old}), capsys)
    said.warned("another rule leads port 12345 to 192.168.56.99")


def test_another_vm_may_have_the_address_that_the_vm_had(capsys: pytest.CaptureFixture[str]) -> None:
    said = look(Recorded({**seen("address changed"), f"probe {VM} 12345 {LAN}": ["refused", ""]}), capsys)
    said.only_broken(f"VM: it is on, but {VM} port 12345: connection refused", "in the VM:  sudo make doctor")
    assert f"answers at 192.168.56.77:  {APPLY.replace(VM, '192.168.56.77')}" in said.text


def test_a_host_that_hears_nothing_does_not_ask_whether_the_vm_is_on(capsys: pytest.CaptureFixture[str]) -> None:
    said = recorded("INPUT drops the answers", capsys)
    assert said.marked("?") == [f"VM: this host's firewall drops what {VM} answers it; nothing can be known from here"]
    assert "is the VM on" not in said.text


def test_a_user_who_is_not_root_is_told_what_only_root_sees(capsys: pytest.CaptureFixture[str]) -> None:
    said = look(Recorded(seen("no NAT rule", root=False)), capsys, "--vm", VM)
    said.well(f"VM: a ClassCord server answers at {VM} port 12345")
    assert said.marked("?") == ["NAT rule: only root can read it", "firewall: only root can read its rules"]
    assert said.text.count(f"→ sudo make doctor ARGS='--from-host --vm {VM}'\n") == 2


def test_the_last_line_names_one_next_place_and_how_to_end_the_search(capsys: pytest.CaptureFixture[str]) -> None:
    mark, text, told = recorded("server down", capsys).lines[-1]
    assert mark == "·"
    assert text.startswith("seen: this host forwards, but the VM's server does not answer desks. ")
    assert "the network between the two is to blame" in told[0]
    assert told[0].endswith("sudo tcpdump -ni any tcp port 12345")
    for host in ("forwarding off", "no NAT rule", "address changed", "nft prerouting drops"):
        mark, text, told = recorded(host, capsys).lines[-1]
        assert (mark, told) == ("·", [])
        assert text.startswith("seen: the first ✘ is on this host.")


def test_json_has_the_findings_of_the_host_too(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["host", "--json"], Recorded(seen("forwarding off")))
    said = json.loads(capsys.readouterr().out)
    assert (said["place"], said["port"], said["broken"]) == ("host", 12345, code) == ("host", 12345, 1)
    names = ["nat", "vm", "forwarding", "firewall", "through", "page", "desks", "next"]
    assert [hop["name"] for hop in said["hops"]] == names
    forwarding = said["hops"][2]
    assert (forwarding["mark"], forwarding["remedies"][0]) == ("broken", APPLY)


def test_the_host_speaks_french(capsys: pytest.CaptureFixture[str]) -> None:
    main(["host"], Recorded({**seen("VM off"), "environment CLASSCORD_LANG": ""}))
    said = capsys.readouterr().out
    assert said.startswith("Sur cet hôte, de son port 12345 à la VM :\n ✔ règle NAT : le port 12345 mène à ")
    assert f" ✘ VM : {VM} ne répond pas, même à un ping : personne n'a cette adresse" in said
    assert "Dans la VM, ligne « adresse » :  sudo make doctor\n" in said
    assert said.endswith("1 étape est rompue.\n")


# --- VirtualBox, which can't run here: what it prints, as its manual shows it ---


def virtualbox(state: str, *rules: str, version: str = "7.1.4r165100") -> dict[str, Any]:
    """A host without a NAT rule of the kernel, with a VM of VirtualBox and a forwarder that answers for it."""
    shown = f'name="Debian 12"\nUUID="vm-1"\nVMState="{state}"\nnatnet1="nat"\n'
    shown += "".join(f'Forwarding({number})="{rule}"\n' for number, rule in enumerate(rules))
    return {
        **seen("no NAT rule"), "has VBoxManage": True, "run VBoxManage list vms": [0, '"Debian 12" {vm-1}\n', ""],
        "run VBoxManage showvminfo vm-1 --machinereadable": [0, shown, ""],
        "run VBoxManage --version": [0, f"WARNING: the vboxdrv kernel module is not loaded.\n{version}\n", ""],
        f"probe {LAN} 12345": ["answers", ""],
    }


RULE = "classcord,tcp,,12345,,12345"


def test_virtualbox_that_forwards_to_a_running_vm_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    said = look(Recorded(virtualbox("running", "ssh,tcp,,2222,,22", RULE)), capsys)
    said.well(f"VirtualBox forwards port 12345 (Debian 12: {RULE})", "firewall: lets port 12345 in on this host")
    assert said.marked("!") == [
        "desks: the server sees 10.0.2.2 for all of them; chatting works (VirtualBox's NAT always does this)"
    ]


def test_virtualbox_with_a_vm_that_is_off_says_to_start_it(capsys: pytest.CaptureFixture[str]) -> None:
    look(Recorded(virtualbox("saved", RULE)), capsys).only_broken("VM is not running (saved)", "start the VM; then")


@pytest.mark.parametrize(("version", "faulty"), [
    ("7.2.0r170228", True), ("7.2.6r172322", True), ("7.2.8r173000", False), ("7.1.14r170994", False),
    ("7.3.0r180000", False), ("", False),
])
def test_a_virtualbox_that_forwards_unreliably_is_named(
    version: str, faulty: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    said = look(Recorded(virtualbox("running", RULE, version=version)), capsys)
    assert [text for text in said.marked("!") if "before 7.2.8" in text] == faulty * [
        f"VirtualBox {version.partition('r')[0]}: the versions 7.2 before 7.2.8 reset or refuse forwarded connections"
    ]
    assert ("install VirtualBox 7.2.8 or newer" in said.text) == faulty


def test_the_hosts_own_firewall_may_shut_out_virtualbox(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own probe passes by the loopback card, which ufw and others let through."""
    rules = "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n"
    said = look(Recorded({**virtualbox("running", RULE), "run iptables-save": [0, rules, ""]}), capsys)
    said.only_broken("INPUT drops what comes for port 12345 (policy DROP)", "iptables -I INPUT -p tcp")


def test_virtualbox_under_sudo_is_asked_as_the_user_who_has_the_vms(capsys: pytest.CaptureFixture[str]) -> None:
    answers = {
        key.replace("run VBoxManage", "run sudo -n -H -u lea VBoxManage"): answer
        for key, answer in virtualbox("running", RULE).items()
    }
    said = look(Recorded({**answers, "environment SUDO_USER": "lea"}), capsys)
    said.well("VirtualBox forwards port 12345")


# --- a Mac ---


class Mac(Machine):
    """This machine, with a Mac's answers to all that asks no server."""

    def __init__(self, *, virtualbox: bool = False) -> None:
        self.virtualbox = virtualbox

    def _look(self, seconds: float, kind: str, *words: str) -> Any:
        answers: dict[str, Any] = {
            "system": "Darwin", "root": False, "environment CLASSCORD_LANG": "en", "environment SUDO_USER": "",
            "has VBoxManage": self.virtualbox, "run VBoxManage list vms": [0, "", ""], "has ip": False,
            "run VBoxManage --version": [0, "7.1.4r165100\n", ""],
            "run route -n get default": [0, "   route to: default\n    gateway: 10.0.108.1\n  interface: en0\n", ""],
            "run ipconfig getifaddr en0": [0, "127.0.0.2\n", ""],
            "read /proc/net/tcp": None, "read /proc/net/tcp6": None,
        }
        if kind in ("probe", "page"):
            return super()._look(seconds, kind, *words)
        return answers[" ".join([kind, *words])]


def test_a_mac_that_is_the_host_is_asked_at_its_own_address(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with Server(tmp_path / "data", "--host", "0.0.0.0") as server:
        port = str(server.port)
        look(Mac(), capsys, "--port", port).well(
            f"server answers at 127.0.0.2 port {port}", f"in a browser: http://127.0.0.2:{port}/"
        )
    said = look(Mac(), capsys, "--port", port)
    said.only_broken("through the NAT: 127.0.0.2 port", "CONTAINERS.md says how, for each hypervisor")
    said = look(Mac(virtualbox=True), capsys, "--port", port)
    said.only_broken("through the NAT: 127.0.0.2 port", "as a normal user:  sh deploy/nat/virtualbox.sh apply")
    assert "linux.sh" not in said.text
