"""deploy/doctor.sh on the host and at a SLAM desk: the NAT and what leads to it, each hop broken in turn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.deploy.doctor import TOOLS, Diagnosis, ask, ask_desk, only_tool
from tests.deploy.lab import HOST, HOST_INSIDE, SLAM, VM, Lab, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Machine, until
from tests.deploy.test_doctor_unit import UNIT

pytestmark = pytest.mark.lab

NAT = """table ip classcord {
    chain prerouting {
        type nat hook prerouting priority dstnat;
        %s
    }
    chain output {
        type nat hook output priority -100;
        ip daddr 10.0.108.42 %s
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        %s
    }
}
"""
DNAT = f"tcp dport 12345 dnat to {VM}"


@pytest.fixture(scope="module")
def school(lab: Lab) -> Lab:
    """The network with a server in the VM."""
    (lab.vm.root / "etc/systemd/system/classcord.service").write_text(UNIT)
    lab.vm.run("systemctl daemon-reload; systemctl start classcord")
    wait_for_answer(lab.vm, "127.0.0.1")
    return lab


@pytest.fixture
def nat(school: Lab) -> Iterator[Lab]:
    """The network with the server and the host's NAT, as deploy/nat/linux.sh makes it; repaired afterwards."""
    # like deploy/nat/linux.sh: hide the VM's neighbours, because its answers to them would not pass the host
    load(school, NAT % (DNAT, DNAT, f"ct status dnat ip saddr 192.168.56.0/24 ip daddr {VM} masquerade"))
    school.host.run("sysctl -qw net.ipv4.ip_forward=1")
    yield school
    school.host.run("nft flush ruleset")


def load(school: Lab, rules: str) -> None:
    """Replace all of the host's rules by these."""
    school.host.run("nft -f -", input="flush ruleset\n" + rules)


@pytest.fixture(params=TOOLS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of commands for PATH: only one tool in it speaks TCP."""
    return only_tool(request.param, tmp_path)


def test_all_is_well_from_everywhere(nat: Lab) -> None:
    with nat.slam.start(f"ncat -v {HOST} 12345") as client:  # somebody chats
        until(lambda: f"peer={SLAM}" in nat.vm.run("journalctl -u classcord").stdout, "the server has seen the desk")
        ask(nat.vm).well(f"desks: the server has seen {SLAM}")
        client.terminate()
    ask(nat.host, "--from-host").well(
        f"port 12345 leads to {VM} port 12345", f"at {VM} port 12345 (by vbox0)", "forwarding: on",
        "lets port 12345 through", f"at {HOST} port 12345", "each desk's true address",
    )
    said = ask_desk(nat.slam, f"--from-slam {HOST}")
    said.well(f"address: {HOST}", f"from its own address {SLAM}", f"ping: {HOST} answers", "takes connections on 12345",
              "a ClassCord server answers")
    assert f"peer={SLAM}" in said.marked("·")[0]


def test_what_a_user_sees_on_the_host(nat: Lab) -> None:
    said = ask(nat.host, f"--from-host --vm {VM}", user=USER)
    said.well(f"at {VM} port 12345", f"at {HOST} port 12345")
    assert len(said.marked("?")) == 2, said.text


def test_all_is_well_with_each_tool(nat: Lab, path: str) -> None:
    ask_desk(nat.slam, f"--from-slam {HOST}", path=path).well("a ClassCord server answers", "from its own address")


def test_forwarding_off(nat: Lab) -> None:
    nat.host.run("sysctl -qw net.ipv4.ip_forward=0")
    ask(nat.host, "--from-host").only_broken("forwarding: off", f"deploy/nat/linux.sh apply --vm {VM}")


def test_no_nat_rule(school: Lab) -> None:
    school.host.run("sysctl -qw net.ipv4.ip_forward=1")
    ask(school.host, f"--from-host --vm {VM}").only_broken("nothing on this host forwards port 12345", f"--vm {VM}")
    ask(school.host, "--from-host").only_broken("nothing on this host forwards port 12345", "make doctor  in the VM")


def test_nat_to_another_address(nat: Lab) -> None:
    wrong = DNAT.replace(VM, "192.168.56.11")
    load(nat, NAT % (wrong, wrong, ""))
    ask(nat.host, f"--from-host --vm {VM}").only_broken(
        f"NAT rule: port 12345 leads to 192.168.56.11, and the VM is {VM}", f"deploy/nat/linux.sh apply --vm {VM}"
    )


def test_nat_of_another_port(nat: Lab) -> None:
    other = DNAT.replace("12345", "2345")
    load(nat, NAT % (other, other, ""))
    ask(nat.host, f"--from-host --vm {VM}").only_broken("nothing on this host forwards port 12345", "apply")
    load(nat, NAT % (f"{other}:12345", f"{other}:12345", ""))
    ask(nat.host, "--from-host --port 2345").well(f"port 2345 leads to {VM} port 12345", f"at {HOST} port 2345")


def test_nat_by_iptables(school: Lab) -> None:
    rule = f"-p tcp --dport 12345 -j DNAT --to-destination {VM}:12345"
    school.host.run(f"iptables -t nat -A PREROUTING {rule}; sysctl -qw net.ipv4.ip_forward=1")
    said = ask(school.host, "--from-host")
    school.host.run(f"iptables -t nat -A OUTPUT -d {HOST} {rule}")
    also = ask(school.host, "--from-host")
    own = "-t nat -{} OUTPUT -j OWN; iptables -t nat -{} PREROUTING -j OWN"
    school.host.run(f"iptables -t nat -F; iptables -t nat -N OWN; iptables {own.format('A', 'A')}; "
                    f"iptables -t nat -A OWN ! -d 127.0.0.0/8 {rule}")
    in_chain = ask(school.host, "--from-host")
    school.host.run("iptables -t nat -F; iptables -t nat -X")
    said.well(f"port 12345 leads to {VM} port 12345")
    assert f"make doctor ARGS='--from-slam {HOST}'" in said.text  # it can't be asked from the host itself
    also.well(f"at {HOST} port 12345")
    in_chain.well(f"port 12345 leads to {VM} port 12345", f"at {HOST} port 12345")


def test_forward_drops(nat: Lab) -> None:
    nat.host.run("iptables -P FORWARD DROP")
    said = ask(nat.host, "--from-host")
    nat.host.run(f"iptables -A FORWARD -s 10.0.107.0/24 -p tcp -d {VM} --dport 12345 -j ACCEPT")
    some = ask(nat.host, "--from-host")
    nat.host.run(f"iptables -A FORWARD -p tcp -d {VM} --dport 12345 -j ACCEPT")
    mended = ask(nat.host, "--from-host")
    nat.host.run("iptables -P FORWARD ACCEPT; iptables -F")
    said.only_broken("FORWARD drops packets to the VM (policy DROP)", "sudo iptables -I FORWARD")
    some.warned("lets port 12345 through to the VM from 10.0.107.0/24 only", "-I FORWARD -s 10.0.108.0/24 -p")
    mended.well("firewall: lets port 12345 through")


def test_nftables_drop(nat: Lab) -> None:
    chain = "type filter hook forward priority 0; policy drop;\n ct state established accept"
    load(nat, NAT % (DNAT, DNAT, "") + f"table inet mine {{\n chain f {{\n {chain}\n }}\n}}\n")
    ask(nat.host, "--from-host").only_broken("the table 'inet mine' drops", "nft list table inet mine")


def test_masquerade(nat: Lab) -> None:
    load(nat, NAT % (DNAT, DNAT, f"ip daddr {VM} tcp dport 12345 masquerade"))
    said = ask(nat.host, "--from-host")
    said.well()
    assert "the server sees this host's address for all" in said.marked("!")[0], said.text
    nat.vm.run("systemctl restart classcord")
    wait_for_answer(nat.slam, HOST)
    log = "journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID classcord)"
    until(lambda: f"peer={HOST_INSIDE}" in nat.vm.run(log).stdout, "the server has seen the desk")
    said = ask(nat.vm)
    said.well()
    assert f"desks: they come as {HOST_INSIDE}" in said.marked("!")[0], said.text


def test_the_vm_is_off(nat: Lab) -> None:
    nat.vm.run("ip link set eth0 down")
    said = ask(nat.host, "--from-host")
    nat.vm.run(f"ip link set eth0 up; ip route add default via {HOST_INSIDE}")
    wait_for_answer(nat.host, VM)  # until then the host's kernel believes that the VM is unreachable
    said.only_broken(f"VM: {VM} does not answer, not even a ping", "is the VM on")


def test_no_way_back(nat: Lab) -> None:
    nat.vm.run("ip route del default")
    said, slam = ask(nat.host, "--from-host"), ask_desk(nat.slam, f"--from-slam {HOST}")
    nat.vm.run(f"ip route add default via {HOST_INSIDE}")
    said.only_broken(f"it answers this host's {HOST_INSIDE}, but not {HOST}",
                     f"in the VM:  sudo ip route replace default via {HOST_INSIDE}")
    slam.only_broken(f"no answer from {HOST} port 12345 within 3 s", "in the VM:  sudo make doctor")


def test_a_vm_that_lets_the_desks_in_but_not_the_host(nat: Lab) -> None:
    nat.vm.run(f"iptables -A INPUT -s {HOST_INSIDE} -j DROP")
    said = ask(nat.host, "--from-host")
    nat.vm.run("iptables -F")
    said.well(f"at {VM} port 12345")


def test_the_server_is_down(nat: Lab) -> None:
    nat.vm.run("systemctl stop classcord")
    said, slam = ask(nat.host, "--from-host"), ask_desk(nat.slam, f"--from-slam {HOST}")
    nat.vm.run("systemctl start classcord")
    wait_for_answer(nat.vm, "127.0.0.1")
    said.only_broken(f"VM: it is on, but {VM} port 12345: connection refused", "in the VM:  sudo make doctor")
    slam.only_broken(f"{HOST} refuses connections on 12345", "in the VM:  sudo make doctor")


@pytest.fixture
def virtualbox(school: Lab) -> Iterator[VirtualBox]:
    """The host with a stand-in for VBoxManage. Like VirtualBox, it shows each user only their own VMs."""
    yield VirtualBox(school.host)
    school.host.run("rm -f /usr/local/bin/VBoxManage; systemctl stop forwarder.socket forwarder.service", check=False)


class VirtualBox:
    """VirtualBox on a host, where USER has the VM "SISR Débian 12/b"; another user, and root, have none."""

    def __init__(self, host: Machine) -> None:
        self.host = host
        standin = f"exec env VBOX_STANDIN=$HOME python3 {PROJECT}/tests/deploy/standin_vboxmanage.py"
        host.run("cat >/usr/local/bin/VBoxManage && chmod +x /usr/local/bin/VBoxManage",
                 input=f'#!/bin/sh\ntest -f $HOME/machines.json || exit 0\n{standin} "$@"\n')

    def has(self, state: str, *rules: str) -> None:
        """Give the VM this state and these rules. If it runs, add a copy of it that is off."""
        vm = {"name": "SISR Débian 12/b", "uuid": "vm-2", "state": state, "nics": [{"kind": "nat", "rules": rules}]}
        machines = [{**vm, "name": "copy", "uuid": "vm-1", "state": "poweroff"}, vm][0 if state == "running" else 1:]
        self.host.run("cat >machines.json", user=USER, input=json.dumps(machines))

    def forwards(self) -> None:
        """Forward like VirtualBox for a running VM with the rule, except to clients that end their side first."""
        self.host.run(f"systemd-run -q --unit forwarder --socket-property=ListenStream=12345 "
                      f"/lib/systemd/systemd-socket-proxyd {VM}:12345")
        # without -N: if the client's end comes before the answer, this forwarder loses the answer
        line = f"printf '{{\"type\":\"ping\"}}\\n' | nc.openbsd -w 1 {HOST} 12345"
        until(lambda: "pong" in self.host.run(line, check=False).stdout, "it forwards")

    def ask(self, arguments: str = "") -> Diagnosis:
        """As the students type it."""
        return ask(self.host, f"--from-host {arguments}", user=USER, sudo=True)


RULE = "classcord,tcp,,12345,,12345"
STATUS = "without sudo:  sh deploy/nat/virtualbox.sh status"


@pytest.mark.parametrize("arguments", ["", f"--vm {VM}", "--vm 10.0.2.15"])
def test_virtualbox(school: Lab, virtualbox: VirtualBox, arguments: str) -> None:
    virtualbox.has("running", "ssh,tcp,,2222,,22", RULE)
    virtualbox.forwards()
    said = virtualbox.ask(arguments)
    said.well(f"VirtualBox forwards port 12345 (SISR Débian 12/b: {RULE})", f"at {HOST} port 12345")
    assert "10.0.2.2" in said.marked("!")[0]
    assert "its address is not needed" in said.marked("·")[0]
    ask(school.host, "--from-host", user=USER).well("VirtualBox forwards port 12345")


def test_virtualbox_whose_server_is_down(school: Lab, virtualbox: VirtualBox) -> None:
    virtualbox.has("running", RULE)
    said = virtualbox.ask()
    said.only_broken(f"through the NAT: {HOST} port 12345: connection refused", STATUS)
    assert "linux.sh" not in said.text


@pytest.mark.parametrize("state", ["poweroff", "saved"])
def test_virtualbox_whose_vm_is_off(school: Lab, virtualbox: VirtualBox, state: str) -> None:
    virtualbox.has(state, RULE)
    said = virtualbox.ask()
    said.only_broken(f"but that VM is not running ({state})", f"start the VM; then, {STATUS}")
    assert "linux.sh" not in said.text


def test_virtualbox_without_the_rule(school: Lab, virtualbox: VirtualBox) -> None:
    virtualbox.has("running", "dns,udp,,12345,,53", "other,tcp,,2345,,12345")
    said = virtualbox.ask()
    said.only_broken("nothing on this host forwards port 12345", "virtualbox.sh apply")
    advice = next(told for mark, _, told in said.lines if mark == "✘")
    assert advice[0] == "without sudo:  sh deploy/nat/virtualbox.sh apply"
    assert advice[1].startswith("or, if the VM is not VirtualBox's:  sudo sh deploy/nat/linux.sh apply --vm ADDRESS")


def test_another_program_forwards(school: Lab, virtualbox: VirtualBox) -> None:
    virtualbox.forwards()  # but no user has a VM: another program has the port
    other = virtualbox.ask()
    other.well(f"at {HOST} port 12345")
    assert "a program of this host (a forwarder or a server) listens on port 12345" in other.marked("!")[0]


def test_refused_with_each_tool(school: Lab, path: str) -> None:
    ask_desk(school.slam, f"--from-slam {HOST}", path=path).only_broken(
        f"{HOST} refuses connections on 12345", "on the host:  sudo make doctor ARGS=--from-host"
    )


def test_timed_out_with_each_tool(school: Lab, tmp_path: Path) -> None:
    load(school, "table ip d {\nchain i {\ntype filter hook input priority 0;\ntcp dport 12345 drop\n}\n}\n")
    folders = [tmp_path / tool for tool in TOOLS if tool == "python3" or shutil.which(tool)]
    for folder in folders:
        folder.mkdir()
        only_tool(folder.name, folder)
    with ThreadPoolExecutor() as pool:  # each waits for 3 s
        said = list(pool.map(lambda path: ask_desk(school.slam, f"--from-slam {HOST}", path=str(path)), folders))
    school.host.run("nft flush ruleset")
    for each in said:
        each.only_broken(f"no answer from {HOST} port 12345 within 3 s", "on the host")


def test_wrong_addresses(school: Lab) -> None:
    ask_desk(school.slam, f"--from-slam {VM}").only_broken(f"this desk has no way to {VM}", "cable")
    school.slam.run(f"ip route add 192.168.56.0/24 via {SLAM}")  # as a default route would be
    # else the kernel gives up looking for an address after 3 s, just when doctor.sh does
    school.slam.run("sysctl -qw net.ipv4.neigh.eth0.retrans_time_ms=200")
    with ThreadPoolExecutor() as pool:  # each waits for 3 s
        said = list(pool.map(lambda address: ask_desk(school.slam, f"--from-slam {address}"), (VM, "10.0.108.99")))
    school.slam.run("ip route del 192.168.56.0/24")
    assert said[0].code == 1
    slip = f"{VM} looks like the VM's own address; from here use the host's address (10.0.108.Y)"
    assert said[0].marked("!") == [slip]
    said[1].only_broken("10.0.108.99 can't be reached", "on the host")
