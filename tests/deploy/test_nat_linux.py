"""deploy/nat/linux.sh on the host of the lab, with nftables and with iptables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.deploy.lab import HOST, HOST_INSIDE, OTHER, SLAM, VM, Lab, answers, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Desk, Done, Machine, until
from tests.support import unique

pytestmark = pytest.mark.lab

NAT = f"sh {PROJECT}/deploy/nat/linux.sh"
KEPT = f"The server will see each client's own address, not {HOST_INSIDE}."
UNIT = "/usr/local/lib/systemd/system/classcord-nat.service"
LOCAL = "/etc/systemd/system/classcord-nat.service"
HIDDEN = f"The server will see {HOST_INSIDE} for every client (--masquerade)."


@pytest.fixture(scope="module", autouse=True)
def _server(lab: Lab) -> None:
    folder = PROJECT
    lab.vm.run(f"systemd-run -q --unit=chat -p WorkingDirectory={folder} python3 server.py --data /tmp/data")
    wait_for_answer(lab.host, VM)


@pytest.fixture(scope="module", params=["nft", "iptables"])
def backend(lab: Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """The host with nftables, then without it."""
    if request.param == "nft":
        yield "nft"
        return
    lab.host.run("mv /usr/sbin/nft /root/nft")
    yield "iptables"
    lab.host.run("mv /root/nft /usr/sbin/nft")


@pytest.fixture
def host(lab: Lab, backend: str) -> Iterator[Machine]:
    """The host. At the end, nothing of linux.sh must be left on it."""
    _flush(lab)
    before = state(lab.host)
    yield lab.host
    _flush(lab)
    lab.host.run(f"{NAT} undo")
    assert state(lab.host) == before


def _flush(lab: Lab) -> None:
    """Remove the obstacles that a test has made."""
    lab.host.run("iptables -P FORWARD ACCEPT")
    lab.host.run("! grep -qsx filter /proc/net/ip_tables_names || iptables-legacy -P FORWARD ACCEPT")
    lab.vm.run(f"ip route replace default via {HOST_INSIDE}")


def state(machine: Machine) -> str:
    """Everything that linux.sh may change, without counters. iptables' own tables stay, empty, after its first use."""
    rules = machine.run("$(ls /root/nft /usr/sbin/nft 2>/dev/null) list ruleset 2>/dev/null").stdout
    rules = re.sub(r"counter packets \d+ bytes \d+ ", "", rules)
    rules = re.sub(r"^\tchain [A-Z]+ {\n.*policy accept;\n\t}\n", "", rules, flags=re.MULTILINE)
    rules = re.sub(r"^table ip \w+ {\n}\n", "", re.sub(r"\n\n+", "\n", rules), flags=re.MULTILINE)
    rest = (
        "sysctl net.ipv4 | grep -E 'forward|redirects'",
        "find /run/classcord* /usr/local/sbin /usr/local/lib /etc/systemd/system | sort",
        "cat /etc/systemd/system/classcord*", "iptables-legacy -S FORWARD",
    )
    return rules + machine.run("; ".join(rest), check=False).stdout


def seen(lab: Lab, desk: Desk, address: str = HOST) -> str:
    """The desk's address as the server sees it. The desk registers a name, because linux.sh connects too."""
    name = unique("desk")
    request = json.dumps({"type": "register", "username": name, "password": "azerty"})
    assert '"ok"' in desk.run(f"nc.openbsd -N -w 20 {address} 12345", input=f"{request}\n").stdout
    found: list[str] = []

    def logged() -> bool:
        log = lab.vm.run("journalctl -q -o cat -u chat").stdout
        found[:] = re.findall(rf"event=register user=\"?{name}\"? peer=(\S+)", log)
        return bool(found)

    until(logged, f"{name} is logged")
    return found[0]


def last(done: Done) -> str:
    return done.stdout.splitlines()[-1]


def refused(desk: Desk, address: str = HOST, port: int = 12345) -> bool:
    return desk.run(f"nc.openbsd -z -w 1 {address} {port}", check=False).returncode != 0


def test_clients_reach_the_server_under_their_own_address(lab: Lab, host: Machine, backend: str) -> None:
    assert refused(lab.slam)
    assert host.run(f"{NAT} status", check=False).returncode == 1
    done = host.run(f"{NAT} apply --vm {VM}")
    assert last(done) == last(host.run(f"{NAT} status")) == KEPT
    assert f"({backend})" in done.stdout
    assert "✘" not in done.stdout
    assert seen(lab, lab.slam) == SLAM
    assert seen(lab, lab.other) == OTHER
    assert seen(lab, host) == HOST
    # the VM itself and its neighbours would get the answer past the host
    assert seen(lab, lab.vm) == HOST_INSIDE
    lab.vm.run("ip address replace 192.168.56.20/24 dev eth0")
    ask = f"printf '{{\"type\":\"ping\"}}\\n' | nc.openbsd -s 192.168.56.20 -N -w 20 {HOST} 12345"
    assert "pong" in lab.vm.run(ask).stdout
    host.run(f"{NAT} undo")
    assert refused(lab.slam)


def test_the_host_becomes_no_router(lab: Lab, host: Machine) -> None:
    desks = ((lab.slam, OTHER, HOST), (lab.slam, VM, HOST), (lab.other, SLAM, "10.0.109.42"))
    for desk, address, way in desks:
        desk.run(f"ip route replace {address} via {way}")

    def forwarded() -> list[bool]:
        return [desk.run(f"ping -c 1 -W 1 {address}", check=False).returncode == 0 for desk, address, _ in desks]

    host.run("sysctl -q -w net.ipv4.ip_forward=1")
    assert forwarded() == [True, True, True], "otherwise the lines below prove nothing"
    host.run("sysctl -q -w net.ipv4.ip_forward=0")
    assert "for this port only" in host.run(f"{NAT} apply --vm {VM}").stdout
    assert forwarded() == [False, False, False]
    assert seen(lab, lab.slam) == SLAM
    assert refused(lab.slam, VM), "only by the host's own address"
    host.run(f"{NAT} apply --vm {VM}")
    assert forwarded() == [False, False, False], "the second time too"
    host.run(f"{NAT} undo && sysctl -q -w net.ipv4.ip_forward=1")
    # a host that was a router stays one
    assert "for this port only" not in host.run(f"{NAT} apply --vm {VM}").stdout
    assert forwarded() == [True, True, True]
    host.run(f"{NAT} undo && sysctl -q -w net.ipv4.ip_forward=0")
    for desk, address, _ in desks:
        desk.run(f"ip route del {address}")


def test_masquerade_hides_everybody(lab: Lab, host: Machine) -> None:
    assert last(host.run(f"{NAT} apply --vm {VM} --masquerade")) == last(host.run(f"{NAT} status")) == HIDDEN
    assert seen(lab, lab.slam) == HOST_INSIDE
    assert last(host.run(f"{NAT} apply --vm {VM}")) == HIDDEN, "a second call keeps it: the VM may need it to answer"
    assert seen(lab, lab.slam) == HOST_INSIDE
    assert last(host.run(f"{NAT} apply --vm {VM} --no-masquerade")) == KEPT
    assert seen(lab, lab.slam) == SLAM
    assert last(host.run(f"{NAT} apply --vm {VM}")) == KEPT


def test_a_second_apply_and_a_dry_run_change_nothing(host: Machine) -> None:
    before = state(host)
    shown = host.run(f"{NAT} apply --vm {VM} --persist --dry-run").stdout
    assert "+ sysctl -q -w net.ipv4.ip_forward=1" in shown
    assert shown.splitlines()[-1] == KEPT
    assert f"classcord-nat apply --vm {VM} --port 12345 --persist --no-check" in shown
    assert state(host) == before
    host.run("iptables -P FORWARD DROP")
    host.run(f"{NAT} apply --vm {VM}")
    once = state(host)
    host.run(f"{NAT} apply --vm {VM}")
    host.run(f"{NAT} undo --dry-run")
    assert state(host) == once


def test_another_vm_or_port_replaces_the_first(lab: Lab, host: Machine) -> None:
    host.run(f"{NAT} apply --vm 192.168.56.77 --port 2000 --no-check")
    done = host.run(f"{NAT} apply --vm {VM} --port 2001")
    assert f"✘ {VM} doesn't answer on port 2001" in done.stdout
    assert "192.168.56.77" not in state(host)
    assert not re.search(r"\b2000\b", state(host))
    host.run(f"{NAT} apply --vm {VM}")
    assert answers(lab.slam, HOST)


BARRIERS = (
    ("iptables -P FORWARD DROP", "iptables -P FORWARD ACCEPT"),  # Docker, ufw
    ("iptables -A FORWARD -o vbox0 -j REJECT", "iptables -F FORWARD"),  # libvirt
    ("nft 'add table inet fw; add chain inet fw forward { type filter hook forward priority 10; policy drop; }'",
     "nft delete table inet fw"),  # firewalld
    ("iptables-legacy -P FORWARD DROP", "iptables-legacy -P FORWARD ACCEPT"),  # the Docker of snap
)


def test_what_drops_forwarded_packets_lets_these_through(lab: Lab, host: Machine, backend: str) -> None:
    host.run("sysctl -q -w net.ipv4.ip_forward=1")  # else it has rules of its own there
    for raise_it, lift in BARRIERS:
        if backend == "iptables" and raise_it.startswith("nft"):
            continue  # no program there has set such a rule
        host.run(f"{NAT} apply --vm {VM}")
        host.run(raise_it)
        found = host.run(f"{NAT} status", check=False)
        assert found.returncode == 1
        assert "✘ a rule of this host drops it" in found.stdout
        assert refused(lab.slam)
        assert last(host.run(f"{NAT} apply --vm {VM}")) == KEPT
        assert seen(lab, lab.slam) == SLAM
        assert seen(lab, lab.other) == OTHER
        host.run(f"{NAT} undo")
        assert "classcord" not in state(host).lower().partition("net.ipv4")[0]
        assert "-j CLASSCORD" not in state(host)
        host.run(lift)
    host.run("sysctl -q -w net.ipv4.ip_forward=0")


def test_a_vm_without_a_way_back_is_recognised(lab: Lab, host: Machine) -> None:
    lab.vm.run("ip route del default")
    done = host.run(f"{NAT} apply --vm {VM}")
    assert f"✘ {VM} answers {HOST_INSIDE}, but not {HOST}: it has no way back to the clients" in done.stdout
    assert f"ip route replace default via {HOST_INSIDE}; or here" in done.stdout
    assert last(done) == "The server will see nobody: its answers don't find the way back."
    assert last(host.run(f"{NAT} apply --vm {VM} --masquerade")) == HIDDEN
    assert seen(lab, lab.slam) == HOST_INSIDE


def test_status_names_a_server_that_is_not_there_and_rules_that_are_gone(host: Machine, backend: str) -> None:
    done = host.run(f"{NAT} apply --vm {VM} --port 2000")
    assert f"✘ {VM} doesn't answer on port 2000" in done.stdout
    assert last(done) == f"{KEPT[:-1]}, once it answers."
    host.run(f"{NAT} apply --vm {VM}")
    host.run("nft delete table ip classcord" if backend == "nft" else "iptables -t nat -F CLASSCORD-DNAT")
    host.run("sysctl -q -w net.ipv4.ip_forward=0")
    found = host.run(f"{NAT} status", check=False)
    assert found.returncode == 1
    assert "✘ the rule is gone" in found.stdout
    assert "✘ forwarding is off" in found.stdout


def test_a_vm_in_the_clients_own_network_sees_the_hosts_address(lab: Lab, host: Machine) -> None:
    host.run("ip route add default via 10.0.108.1 dev lan0")
    done = host.run(f"{NAT} apply --vm {SLAM} --no-check")
    host.run("ip route del default")
    assert last(done) == (
        f"The server will see {HOST} for clients of 10.0.108.0/24, which is the VM's network: "
        f"they can connect to {SLAM} directly."
    )


def test_persist_outlasts_a_reboot(lab: Lab, host: Machine) -> None:
    host.run(f"{NAT} apply --vm {VM} --persist")
    host.reboot()
    assert seen(lab, lab.slam) == SLAM
    assert "✔ set again at each boot" in host.run("classcord-nat status").stdout
    host.run("classcord-nat undo")
    assert refused(lab.slam)
    assert host.run("sysctl -n net.ipv4.ip_forward").stdout == "0\n"
    # a remedy without the flags keeps what is in force, and --no-persist ends it
    host.run(f"{NAT} apply --vm {VM} --port 2000 --persist --masquerade --no-check && {NAT} apply --vm {VM}")
    host.reboot()
    assert seen(lab, lab.slam) == HOST_INSIDE
    host.run(f"systemctl stop classcord-nat && rm /run/classcord-nat && {NAT} apply --vm {VM}")
    assert seen(lab, lab.slam) == HOST_INSIDE, "the unit would have set it"
    host.run(f"{NAT} apply --vm {VM} --no-persist")
    host.reboot()
    assert refused(lab.slam)


def test_each_remedy_has_what_is_in_force(host: Machine) -> None:
    nothing = host.run(f"{NAT} status --port 2000", check=False).stdout
    assert "    sudo sh deploy/nat/linux.sh apply --vm ADDRESS --port 2000\n" in nothing
    host.run(f"{NAT} apply --vm {VM} --port 2000 --masquerade --persist --no-check; sysctl -qw net.ipv4.ip_forward=0")
    found = host.run(f"{NAT} status", check=False).stdout
    again = f"sudo sh deploy/nat/linux.sh apply --vm {VM} --port 2000 --masquerade --persist\n"
    assert f"✘ forwarding is off\n    {again}" in found
    host.run("rm /run/classcord-nat")
    assert "    sudo systemctl restart classcord-nat.service\n" in host.run(f"{NAT} status", check=False).stdout
    plain = host.run(f"sh {PROJECT}/deploy/nat/linux.sh apply --vm {VM} --masquerade", check=False, user=USER)
    assert plain.stderr == f"linux.sh: needs root: sudo sh deploy/nat/linux.sh apply --vm {VM} --masquerade\n"


def test_status_ends_with_what_was_seen_what_remains_and_one_next_place(lab: Lab, host: Machine) -> None:
    def ends(more: str = "") -> str:
        return host.run(f"{more}; {NAT} status" if more else f"{NAT} status", check=False).stdout.partition("Seen: ")[2]

    assert ends().startswith("nothing is set on this host. What remains: all of it. Next: the command above")
    host.run(f"{NAT} apply --vm {VM}")
    desk = f"Next, once, unless you come from there, at a desk: sh doctor.sh --from-slam {HOST} --port 12345\n"
    assert ends() == f"the server answers this host. What remains: a desk, then the network between. {desk}{KEPT}\n"
    assert ends("sysctl -qw net.ipv4.ip_forward=0").startswith("the first ✘ is on this host. ")
    host.run(f"{NAT} apply --vm {VM} --port 2000 --no-check")
    said = ends()
    assert said.startswith(f"this host forwards, but {VM} does not answer it. What remains: the VM, then the network ")
    assert "\nNext, once, unless you come from there: the VM. If its line « adresse » shows another address" in said
    assert "\n    sudo sh deploy/nat/linux.sh apply --vm NEW --port 2000\n" in said
    assert "\nIf nothing is broken there, don't come back: look at the network between them" in said
    assert "in the VM: sudo make doctor PORT=2000\n" in host.run(f"{NAT} status", check=False).stdout
    lab.vm.run("ip route del default")
    assert ends(f"{NAT} apply --vm {VM}").startswith("the first ✘ is on this host. ")


OLD_UNIT = """\
[Unit]
Description=ClassCord: port 12345 of this host leads to the VM 192.168.56.77
Wants=network-online.target
# each of these may add rules that must come after ours, or delete all rules when it restarts
After=network-online.target nftables.service firewalld.service ufw.service docker.service libvirtd.service
PartOf=nftables.service firewalld.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/classcord-nat apply --vm 192.168.56.77 --port 12345 --masquerade --persist --no-check

[Install]
WantedBy=multi-user.target
"""
"""What older versions wrote to LOCAL."""


def install_old_unit(host: Machine) -> None:
    host.run(f"install -m 755 {PROJECT}/deploy/nat/linux.sh /usr/local/sbin/classcord-nat")
    host.run(f"cat >{LOCAL}", input=OLD_UNIT)
    host.run("systemctl daemon-reload && systemctl enable -q --now classcord-nat")


def test_the_unit_of_an_older_version_is_replaced_or_removed(lab: Lab, host: Machine) -> None:
    install_old_unit(host)
    assert not answers(lab.slam, HOST, seconds=1)
    assert host.run(f"{NAT} apply --vm {VM}").stderr == ""
    assert seen(lab, lab.slam) == HOST_INSIDE, "as the older one did"
    assert host.run(f"{NAT} apply --vm {VM} --no-masquerade").stderr == ""
    assert seen(lab, lab.slam) == SLAM
    assert host.run("systemctl show -P FragmentPath classcord-nat").stdout == f"{UNIT}\n"
    assert host.run(f"test -e {LOCAL}", check=False).returncode == 1
    host.reboot()
    assert seen(lab, lab.slam) == SLAM
    host.run(f"{NAT} undo")
    install_old_unit(host)
    host.run(f"{NAT} undo")  # and the fixture finds nothing left


def test_an_edited_unit_survives_and_is_in_force(lab: Lab, host: Machine) -> None:
    host.run(f"{NAT} apply --vm {VM} --port 2000 --persist --no-check")
    edited = host.run(f"cat {UNIT}").stdout + "TimeoutStartSec=90\n"
    host.run(f"cat >{LOCAL} && systemctl daemon-reload", input=edited)
    done = host.run(f"{NAT} apply --vm {VM} --persist")
    assert done.stderr == (
        f"linux.sh: at boot, {LOCAL} is used as you wrote it; "
        "sudo systemctl revert classcord-nat.service removes it\n"
    )
    assert seen(lab, lab.slam) == SLAM
    assert host.run(f"cat {LOCAL}").stdout == edited
    host.reboot()
    assert "port 2000 of this host leads to" in host.run("classcord-nat status", check=False).stdout
    assert f"{LOCAL} stays, because you changed it." in host.run(f"{NAT} undo").stdout
    assert host.run(f"cat {LOCAL}").stdout == edited
    host.run(f"rm {LOCAL} && systemctl daemon-reload")


def test_the_installed_copy_can_change_what_is_set_at_boot(lab: Lab, host: Machine) -> None:
    host.run(f"{NAT} apply --vm {VM} --port 2000 --persist --no-check")
    host.run(f"classcord-nat apply --vm {VM} --persist")
    assert "--port 12345" in host.run(f"cat {UNIT}").stdout
    host.reboot()
    assert seen(lab, lab.slam) == SLAM
    host.run("classcord-nat undo")


def test_without_python_netcat_asks_the_vm_and_one_that_cannot_is_no_fault_of_the_vm(host: Machine) -> None:
    host.run("mv /usr/bin/python3 /root/python3")
    try:
        assert f"✔ {VM} answers this host's {HOST}" in host.run(f"{NAT} apply --vm {VM}").stdout
        small = "BusyBox multi-call binary. Usage: nc [-iN] [-wN] [-l] [-p PORT] IPADDR PORT"
        small = f"#!/bin/sh\necho '{small}' >&2; exit 1\n"
        host.run("cat >/usr/local/bin/nc && chmod 755 /usr/local/bin/nc", input=small)
        assert f"- {VM} was not asked: that needs python3 or netcat" in host.run(f"{NAT} status").stdout
    finally:
        host.run("mv /root/python3 /usr/bin/python3; rm -f /usr/local/bin/nc")


def test_forwarding_stays_on_where_it_was_or_is_needed(host: Machine) -> None:
    host.run("sysctl -q -w net.ipv4.ip_forward=1")
    host.run(f"{NAT} apply --vm {VM} && {NAT} undo")
    assert host.run("sysctl -n net.ipv4.ip_forward").stdout == "1\n"
    host.run("sysctl -q -w net.ipv4.ip_forward=0")
    for bridge in ("virbr0", "incusbr0", "podman1"):
        host.run(f"{NAT} apply --vm {VM} && ip link add {bridge} type bridge")
        assert f"Forwarding stays on: {bridge} needs it." in host.run(f"{NAT} undo").stdout
        host.run(f"ip link del {bridge} && sysctl -q -w net.ipv4.ip_forward=0")
