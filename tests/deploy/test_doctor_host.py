"""deploy/doctor.sh on the host: the NAT and what leads to it, each hop broken in turn."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.deploy.doctor import Diagnosis, ask, ask_desk
from tests.deploy.lab import HOST, HOST_INSIDE, SLAM, VM, Lab, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Machine, until
from tests.deploy.school import DNAT, NAT, load, mine, serve, set_nat

pytestmark = pytest.mark.lab

@pytest.fixture(scope="module")
def school(lab: Lab) -> Lab:
    """The network with a server in the VM."""
    serve(lab)
    return lab


@pytest.fixture
def nat(school: Lab) -> Iterator[Lab]:
    """The network with the server and the host's NAT; mended afterwards."""
    set_nat(school)
    yield school
    school.host.run("nft flush ruleset")


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


def test_a_user_who_is_not_root_sees_all_but_the_rules(nat: Lab) -> None:
    said = ask(nat.host, f"--from-host --vm {VM}", user=USER)
    said.well(f"at {VM} port 12345", f"at {HOST} port 12345")
    assert len(said.marked("?")) == 2, said.text


def test_a_kernel_that_sends_nothing_on_is_named(nat: Lab) -> None:
    nat.host.run("sysctl -qw net.ipv4.ip_forward=0")
    ask(nat.host, "--from-host").only_broken("forwarding: off", f"deploy/nat/linux.sh apply --vm {VM}")


@pytest.mark.parametrize("card", ["vbox0", "lan0"])
def test_a_card_that_sends_nothing_on_is_named(nat: Lab, card: str) -> None:
    setting = f"net.ipv4.conf.{card}.forwarding"
    nat.host.run(f"sysctl -qw {setting}=0")
    said, slam = ask(nat.host, "--from-host"), ask_desk(nat.slam, f"--from-slam {HOST}")
    nat.host.run(f"sysctl -qw {setting}=1")
    said.only_broken(f"forwarding: off for the card {card}", f"sudo sysctl -w {setting}=1")
    assert slam.code == 1, "it is a real fault"


def test_a_port_that_nothing_forwards_is_named(school: Lab) -> None:
    school.host.run("sysctl -qw net.ipv4.ip_forward=1")
    ask(school.host, f"--from-host --vm {VM}").only_broken("nothing on this host forwards port 12345", f"--vm {VM}")
    ask(school.host, "--from-host").only_broken("nothing on this host forwards port 12345", "in the VM prints it")


def test_a_rule_that_leads_past_the_vm_is_named(nat: Lab) -> None:
    wrong = DNAT.replace(VM, "192.168.56.11")
    load(nat, NAT % (wrong, wrong, ""))
    ask(nat.host, f"--from-host --vm {VM}").only_broken(
        f"NAT rule: port 12345 leads to 192.168.56.11, and the VM is {VM}", f"deploy/nat/linux.sh apply --vm {VM}"
    )


def test_a_rule_of_another_port_is_not_taken_for_this_one(nat: Lab) -> None:
    other = DNAT.replace("12345", "2345")
    load(nat, NAT % (other, other, ""))
    ask(nat.host, f"--from-host --vm {VM}").only_broken("nothing on this host forwards port 12345", "apply")
    load(nat, NAT % (f"{other}:12345", f"{other}:12345", ""))
    ask(nat.host, "--from-host --port 2345").well(f"port 2345 leads to {VM} port 12345", f"at {HOST} port 2345")


def test_rules_of_iptables_count_as_those_of_nft(school: Lab) -> None:
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


def test_a_forward_chain_that_drops_either_way_is_named(nat: Lab) -> None:
    def desk() -> int:
        return ask_desk(nat.slam, f"--from-slam {HOST}").code

    nat.host.run("iptables -P FORWARD DROP")
    said = ask(nat.host, "--from-host")
    nat.host.run(f"iptables -A FORWARD -p tcp -d {VM} --dport 12345 -j ACCEPT")
    answers, lost = ask(nat.host, "--from-host"), desk()
    nat.host.run("iptables -I FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
    mended, found = ask(nat.host, "--from-host"), desk()
    nat.host.run("iptables -D FORWARD 2")
    nat.host.run(f"iptables -A FORWARD -s 10.0.107.0/24 -p tcp -d {VM} --dport 12345 -j ACCEPT")
    some = ask(nat.host, "--from-host")
    nat.host.run("iptables -P FORWARD ACCEPT; iptables -F")
    said.only_broken("FORWARD drops packets to the VM (policy DROP)", "sudo iptables -I FORWARD")
    answers.only_broken("FORWARD drops the VM's answers (policy DROP)", "--ctstate ESTABLISHED,RELATED -j ACCEPT")
    some.warned("lets port 12345 through to the VM from 10.0.107.0/24 only", "-I FORWARD -s 10.0.108.0/24 -p")
    mended.well("firewall: lets port 12345 through")
    assert (lost, found) == (1, 0)


def test_an_input_chain_that_drops_the_answers_is_named_not_the_vm(nat: Lab) -> None:
    nat.host.run("iptables -P INPUT DROP; iptables -A INPUT -i lo -j ACCEPT")
    said = ask(nat.host, "--from-host")
    nat.host.run("iptables -I INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT")
    mended = ask(nat.host, "--from-host")
    nat.host.run("iptables -P INPUT ACCEPT; iptables -F")
    load(nat, NAT % (DNAT, DNAT, "") + mine("input", "iif lo accept\ntcp dport 22 accept\ndrop"))
    by_nft = ask(nat.host, "--from-host")
    said.only_broken("INPUT drops what is answered to this host", "-I INPUT -m conntrack --ctstate ESTAB")
    mended.well(f"at {VM} port 12345")
    by_nft.only_broken("inet mine c drops what is answered to this host (drop)", "sudo nft insert rule inet mine c ct")
    assert "is the VM on" not in said.text + by_nft.text


def test_tables_of_nft_that_drop_are_named_with_their_rule(nat: Lab) -> None:
    def say(rules: str) -> tuple[Diagnosis, int]:
        load(nat, NAT % (DNAT, DNAT, "") + rules)
        return ask(nat.host, "--from-host"), ask_desk(nat.slam, f"--from-slam {HOST}").code

    said, desk = say(mine("forward", "ct state established accept\ndrop"))
    said.only_broken("the table 'inet mine' drops packets to the VM (drop)", "nft -a list table inet mine")
    assert desk == 1
    said, desk = say(mine("forward", f"ip daddr {VM} accept\ndrop"))
    said.only_broken("the table 'inet mine' drops the VM's answers", "ct state established,related accept")
    assert desk == 1
    said, desk = say(mine("prerouting", 'iifname "lan0" tcp dport 12345 drop', -300))
    said.only_broken('drops packets to the VM (iifname "lan0" tcp dport 12345 drop)', "nft delete rule inet mine c")
    assert desk == 1
    said, desk = say(mine("prerouting", "ip saddr { 10.0.108.30-10.0.108.40, 10.0.7.0/24 } drop", -300))
    said.warned("drops what comes from some addresses (ip saddr {", "sudo nft delete rule inet mine c handle")
    assert desk == 1


def test_rules_of_iptables_legacy_beside_nft_are_seen(nat: Lab) -> None:
    rule = f"FORWARD -p tcp -d {VM} --dport 12345 -j DROP"
    if nat.host.run(f"iptables-legacy -A {rule}", check=False).returncode:
        pytest.skip("needs a kernel with iptables-legacy: modprobe iptable_filter")
    said = ask(nat.host, "--from-host")
    nat.host.run(f"iptables-legacy -D {rule}")
    said.only_broken("FORWARD drops packets to the VM", "sudo iptables-legacy -I FORWARD")
    assert "iptables-legacy are beside those of nft" in said.marked("!")[0]


def test_json_of_the_host_has_the_same_findings(nat: Lab) -> None:
    said = ask(nat.host, "--from-host")
    line = "CLASSCORD_LANG=en sh deploy/doctor.sh --from-host --json"
    hops = json.loads(nat.host.run(line, cwd=PROJECT).stdout)["hops"]
    assert [hop["text"] for hop in hops] == [text for _, text, _ in said.lines]


def test_a_masquerade_hides_the_desks_and_both_ends_say_so(nat: Lab) -> None:
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


def test_a_vm_that_is_off_may_have_another_address(nat: Lab) -> None:
    nat.vm.run("ip link set eth0 down")
    said = ask(nat.host, "--from-host")
    nat.vm.run(f"ip link set eth0 up; ip route add default via {HOST_INSIDE}")
    wait_for_answer(nat.host, VM)  # until then the host's kernel believes that the VM is unreachable
    said.only_broken(f"VM: {VM} does not answer, not even a ping: nobody has that address", "is the VM on")
    assert "apply --vm ADDRESS" in said.text


def test_a_vm_whose_address_has_changed_is_found(nat: Lab) -> None:
    new = "192.168.56.77"
    nat.vm.run(f"ip address flush dev eth0; ip address add {new}/24 dev eth0")
    nat.vm.run(f"ip route replace default via {HOST_INSIDE}; ping -c 1 {HOST_INSIDE}")
    said = ask(nat.host, "--from-host")
    nat.vm.run(f"ip address flush dev eth0; ip address add {VM}/24 dev eth0; ip route add default via {HOST_INSIDE}")
    nat.host.run("ip neigh flush dev vbox0")
    wait_for_answer(nat.host, VM)
    said.only_broken(f"server answers at {new}: the VM's address has changed (DHCP)", f"linux.sh apply --vm {new}")
    assert "« Garder les mêmes adresses »" in said.text


def test_a_vm_without_a_way_back_to_the_desks_is_named(nat: Lab) -> None:
    nat.vm.run("ip route del default")
    said, slam = ask(nat.host, "--from-host"), ask_desk(nat.slam, f"--from-slam {HOST}")
    nat.vm.run(f"ip route add default via {HOST_INSIDE}")
    said.only_broken(f"it answers this host's {HOST_INSIDE}, but not {HOST}",
                     f"in the VM:  sudo ip route replace default via {HOST_INSIDE}")
    slam.only_broken(f"no answer from {HOST} port 12345 within 3 s: a firewall", "on the host:  sudo make doctor ARGS=")


def test_a_vm_may_let_the_desks_in_and_not_the_host(nat: Lab) -> None:
    nat.vm.run(f"iptables -A INPUT -s {HOST_INSIDE} -j DROP")
    said = ask(nat.host, "--from-host")
    nat.vm.run("iptables -F")
    said.well(f"at {VM} port 12345")


def test_a_server_that_is_down_is_to_be_looked_for_in_the_vm(nat: Lab) -> None:
    nat.vm.run("systemctl stop classcord")
    said, slam = ask(nat.host, "--from-host"), ask_desk(nat.slam, f"--from-slam {HOST}")
    nat.vm.run("systemctl start classcord")
    wait_for_answer(nat.vm, "127.0.0.1")
    said.only_broken(f"VM: it is on, but {VM} port 12345: connection refused", "in the VM:  sudo make doctor")
    slam.only_broken(f"{HOST} refuses connections on 12345", "on the host:  sudo make doctor ARGS=--from-host")


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
                 input=f'#!/bin/sh\ntest "$1" != --version || exec echo 7.2.4r170995\n'
                   f'test -f $HOME/machines.json || exit 0\n{standin} "$@"\n')

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
STATUS = "as a normal user:  sh deploy/nat/virtualbox.sh status"


@pytest.mark.parametrize("arguments", ["", f"--vm {VM}", "--vm 10.0.2.15"])
def test_virtualbox_that_forwards_is_well(school: Lab, virtualbox: VirtualBox, arguments: str) -> None:
    virtualbox.has("running", "ssh,tcp,,2222,,22", RULE)
    virtualbox.forwards()
    said = virtualbox.ask(arguments)
    said.well(f"VirtualBox forwards port 12345 (SISR Débian 12/b: {RULE})", f"at {HOST} port 12345")
    assert "VirtualBox 7.2.4: the versions 7.2 before 7.2.8" in said.marked("!")[0]
    assert "10.0.2.2" in said.marked("!")[1]
    assert "its address is not needed" in said.marked("·")[0]
    ask(school.host, "--from-host", user=USER).well("VirtualBox forwards port 12345")


def test_a_server_that_is_down_behind_virtualbox_leads_to_the_vm(school: Lab, virtualbox: VirtualBox) -> None:
    virtualbox.has("running", RULE)
    said = virtualbox.ask()
    said.only_broken(f"through the NAT: {HOST} port 12345: connection refused", STATUS)
    assert "linux.sh" not in said.text


@pytest.mark.parametrize("state", ["poweroff", "saved"])
def test_a_vm_of_virtualbox_that_is_off_is_to_be_started(school: Lab, virtualbox: VirtualBox, state: str) -> None:
    virtualbox.has(state, RULE)
    said = virtualbox.ask()
    said.only_broken(f"but that VM is not running ({state})", f"start the VM; then, {STATUS}")
    assert "linux.sh" not in said.text


def test_virtualbox_without_the_rule_gets_it_before_other_hypervisors(school: Lab, virtualbox: VirtualBox) -> None:
    virtualbox.has("running", "dns,udp,,12345,,53", "other,tcp,,2345,,12345")
    said = virtualbox.ask()
    said.only_broken("nothing on this host forwards port 12345", "virtualbox.sh apply")
    advice = next(told for mark, _, told in said.lines if mark == "✘")
    assert advice[0] == "as a normal user:  sh deploy/nat/virtualbox.sh apply"
    assert advice[1].startswith("or, if the VM is not VirtualBox's:  sudo sh deploy/nat/linux.sh apply --vm ADDRESS")


def test_another_program_that_forwards_is_named(school: Lab, virtualbox: VirtualBox) -> None:
    virtualbox.forwards()  # but no user has a VM: another program has the port
    other = virtualbox.ask()
    other.well(f"at {HOST} port 12345")
    assert "a program of this host (a forwarder or a server) listens on port 12345: systemd (1)" in other.marked("!")[0]


def test_another_program_that_has_the_port_is_stopped_by_the_printed_command(
    school: Lab, virtualbox: VirtualBox
) -> None:
    virtualbox.has("running", "ssh,tcp,,2222,,22")
    school.host.run("systemd-run -q --unit other python3 -m http.server 12345")
    until(lambda: school.host.run(f"nc.openbsd -z -w 1 {HOST} 12345", check=False).returncode == 0, "it listens")
    pid = school.host.run("systemctl show -P MainPID other").stdout.strip()
    plain, with_vm = virtualbox.ask(), virtualbox.ask(f"--vm {VM}")
    for said in (plain, with_vm):
        said.only_broken(f"because python3 ({pid}) has port 12345 of this host", f"stop it:  sudo kill {pid}")
        said.only_broken("this is not a ClassCord server: <!DOCTYPE", "comes back:  sudo systemctl stop other.service")
        assert "in the VM:  " not in said.text
        assert said.lines[-1][1].startswith("seen: the first ✘ is on this host.")
    assert f"✔ VM: a ClassCord server answers at {VM}" in with_vm.text
    school.host.run(f"kill {pid}; systemctl reset-failed other", check=False)
    virtualbox.ask().only_broken("nothing on this host forwards port 12345", "apply")


@pytest.mark.parametrize("flags", [" --masquerade --persist", " --persist", " --masquerade", ""])
def test_the_printed_command_keeps_what_is_in_force(school: Lab, flags: str) -> None:
    host = school.host
    host.run(f"sh deploy/nat/linux.sh apply --vm {VM} --no-masquerade --no-persist{flags} --no-check", cwd=PROJECT)
    host.run("sysctl -qw net.ipv4.ip_forward=0")
    command = next(told[0] for mark, _, told in ask(host, "--from-host").lines if mark == "✘")
    assert command == f"sudo sh deploy/nat/linux.sh apply --vm {VM}{flags}"
    done = host.run(command, cwd=PROJECT)
    ask(host, "--from-host").well(f"at {HOST} port 12345")
    assert ("✔ set again at each boot" in done.stdout) == ("--persist" in flags)
    assert ("for every client (--masquerade)" in done.stdout) == ("--masquerade" in flags)
    if "--masquerade" in flags:
        hidden = next(told[0] for mark, text, told in ask(host, "--from-host").lines if "masquerade" in text)
        command = hidden.rpartition(":  ")[2]
        assert "each client's own address" in host.run(command, cwd=PROJECT).stdout
        ask(host, "--from-host").well("each desk's true address")
        assert (host.run("systemctl is-enabled classcord-nat", check=False).returncode == 0) == ("--persist" in flags)
    host.run("sh deploy/nat/linux.sh undo", cwd=PROJECT)
