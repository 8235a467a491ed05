"""deploy/doctor.sh in the VM, where the server is a systemd unit or a plain process: each hop broken in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.doctor import ask
from tests.deploy.lab import HOST_INSIDE, VM, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Machine, until

pytestmark = pytest.mark.lab

SERVER = f"/usr/bin/python3 {PROJECT}/server.py"
UNIT = f"""[Unit]
StartLimitIntervalSec=0
[Service]
Environment=CLASSCORD_DATA=/var/lib/classcord
StateDirectory=classcord
EnvironmentFile=-/etc/classcord/classcord.env
ExecStart={SERVER}
Restart=on-failure
"""


@pytest.fixture
def unit(vm: Machine) -> Iterator[Machine]:
    """The VM with the unit running, as it comes from a plain install."""
    vm.run("mkdir -p /etc/classcord; rm -f /etc/classcord/classcord.env")
    (vm.root / "etc/systemd/system/classcord.service").write_text(UNIT)
    vm.run("systemctl daemon-reload; systemctl start classcord")
    wait_for_answer(vm, "127.0.0.1")
    yield vm
    vm.run("systemctl kill -s CONT classcord; systemctl stop classcord; rm /etc/systemd/system/classcord.service")
    vm.run("systemctl daemon-reload; systemctl reset-failed classcord", check=False)


def configure(machine: Machine, setting: str) -> None:
    """Restart the unit with that in its environment."""
    (machine.root / "etc/classcord/classcord.env").write_text(setting + "\n")
    machine.run("systemctl restart classcord")


def test_each_hop_of_a_unit_that_works_is_named(unit: Machine) -> None:
    ask(unit).well(
        "the unit classcord.service is active", "a ClassCord server answers", "on all addresses",
        f"{VM} (eth0)", f"at {VM} port 12345", f"via {HOST_INSIDE}", "lets port 12345 in", "for /var/lib/classcord",
    )


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_machine_itself_is_not_a_desk(unit: Machine, form: str) -> None:
    configure(unit, f"CLASSCORD_LOG_FORMAT={form}")
    for address in ("127.0.0.1", "::1", VM):
        wait_for_answer(unit, address)
        unit.run(f"nc.openbsd -N -w 20 {address} 12345", input='{"type":"users"}\n')
    until(lambda: unit.run("journalctl -u classcord | grep -c event.*guest").stdout >= "3", "all three are logged")
    assert "desks: none has connected yet" in ask(unit).marked("·")


def test_what_only_root_can_see_is_not_broken(unit: Machine) -> None:
    said = ask(unit, user=USER)
    said.well("the unit classcord.service is active")
    firewall = next(line for line in said.lines if line[1].startswith("firewall:"))
    assert (firewall[0], firewall[2]) == ("?", ["sudo make doctor"]), said.text


def test_a_fresh_machine_is_told_how_to_start_the_server(vm: Machine) -> None:
    ask(vm).only_broken("nothing runs", "make docker-run")
    ask(vm).only_broken("nothing runs", "sudo make install")


def test_a_unit_that_starts_again_and_again_says_why(unit: Machine) -> None:
    configure(unit, "CLASSCORD_PORT=many")
    until(lambda: unit.run("systemctl show -p NRestarts --value classcord").stdout > "1\n", "it was restarted")
    ask(unit).only_broken("CLASSCORD_PORT: 'many' is not allowed", "journalctl -u classcord")


def test_a_unit_that_takes_long_to_start_is_not_called_failed(unit: Machine) -> None:
    slow = UNIT.replace(SERVER, "sleep infinity").replace("[Service]", "[Service]\nType=notify")
    (unit.root / "etc/systemd/system/classcord.service").write_text(slow)
    unit.run("systemctl daemon-reload; systemctl --no-block restart classcord")
    sub_state = "systemctl show -p SubState --value classcord"
    until(lambda: unit.run(sub_state).stdout == "start\n", "it is being started")
    ask(unit).only_broken("the unit classcord.service is still starting", "ask again:  sudo make doctor")


def test_a_unit_that_has_failed_says_why(unit: Machine) -> None:
    unit.run("systemctl kill -s KILL classcord; systemctl stop classcord")
    (unit.root / "etc/systemd/system/classcord.service").write_text(UNIT.replace("on-failure", "no"))
    (unit.root / "etc/classcord/classcord.env").write_text("CLASSCORD_PORT=many\n")
    # the journal stands still until half a second after a program wants to read it
    unit.run("pkill -STOP -x systemd-journal")
    unit.run("systemctl daemon-reload; systemctl start classcord")
    until(lambda: unit.run("systemctl is-active classcord", check=False).stdout == "failed\n", "it has failed")
    unit.run("systemd-run -q sh -c 'for _ in $(seq 1000); do pgrep -x journalctl && break; sleep 0.01; done; sleep 0.5;"
             " pkill -CONT -x systemd-journal'")
    reason = "(Result=exit-code ExecMainStatus=2): server.py: CLASSCORD_PORT: 'many' is not allowed"
    ask(unit).only_broken(f"classcord.service has failed {reason}",
                          "sudo systemctl reset-failed classcord; sudo systemctl start classcord")


def test_a_frozen_unit_is_to_be_restarted(unit: Machine) -> None:
    unit.run("systemctl kill -s STOP classcord")
    ask(unit).only_broken("connected, but no answer", "sudo systemctl restart classcord")


def test_a_unit_on_loopback_only_is_broken(unit: Machine) -> None:
    configure(unit, "CLASSCORD_HOST=127.0.0.1")
    wait_for_answer(unit, "127.0.0.1")
    ask(unit).only_broken("on loopback only (127.0.0.1)", "CLASSCORD_HOST")


def test_a_unit_on_the_vms_address_only_works(unit: Machine) -> None:
    configure(unit, f"CLASSCORD_HOST={VM}")
    wait_for_answer(unit, VM)
    ask(unit).well(f"listening: on {VM}")


def test_the_port_of_a_unit_is_compared_with_the_one_that_is_asked_for(unit: Machine) -> None:
    configure(unit, "CLASSCORD_PORT=2000")
    wait_for_answer(unit, "127.0.0.1", 2000)
    ask(unit).only_broken("listens on port 2000, not on 12345", "CLASSCORD_PORT=12345")
    ask(unit).only_broken("listens on port 2000, not on 12345", "sudo make doctor PORT=2000")
    ask(unit, "--port 2000").well("on all addresses")
    (unit.root / "etc/classcord/classcord.env").write_text("#CLASSCORD_PORT=1\nCLASSCORD_PORT='3000'\n")
    ask(unit, "--port 2000").warned("from its next start the unit's port is 3000, not 2000",
                                    "sudo systemctl restart classcord; sudo make doctor PORT=3000")
    unit.run("systemctl stop classcord")
    stopped = ask(unit)
    assert "settings: the unit's port is 3000, not 12345" in stopped.marked("!")[0], stopped.text
    configure(unit, "CLASSCORD_PORT=2000")
    wait_for_answer(unit, "127.0.0.1", 2000)
    made = unit.run("make doctor PORT=2000 CLASSCORD_LANG=en", cwd=PROJECT).stdout
    assert made.startswith("In this machine, port 2000:\n ✔ server: the unit classcord.service is active\n")


def test_a_socket_that_starts_the_server_works(unit: Machine) -> None:
    """It starts a stand-in here, which passes connections on to a server on another port."""
    unit.run(f"systemctl stop classcord; systemd-run -q --unit behind {SERVER} --port 2000 --data /tmp/behind")
    wait_for_answer(unit, "127.0.0.1", 2000)
    units = unit.root / "etc/systemd/system"
    (units / "classcord.service").write_text("[Service]\nExecStart=/lib/systemd/systemd-socket-proxyd 127.0.0.1:2000\n")
    (units / "classcord.socket").write_text("[Socket]\nListenStream=12345\n")
    unit.run("systemctl daemon-reload; systemctl start classcord.socket")
    said = ask(unit)
    (units / "classcord.socket").write_text("[Socket]\nListenStream=2000\n")
    unit.run("systemctl daemon-reload")
    edited = ask(unit)
    unit.run("systemctl stop classcord.socket behind; rm /etc/systemd/system/classcord.socket")
    said.well("the unit classcord.socket listens", f"at {VM} port 12345")
    edited.warned("from its next start the unit's port is 2000, not 12345",
                  "sudo systemctl start classcord.socket classcord; sudo make doctor PORT=2000")


def test_a_port_in_a_drop_in_is_seen(unit: Machine) -> None:
    folder = "/run/systemd/system/classcord.service.d"
    unit.run(f"mkdir -p {folder}; cat >{folder}/x.conf", input="[Service]\nEnvironment=CLASSCORD_PORT=2000\n")
    unit.run("systemctl daemon-reload")
    said = ask(unit)
    unit.run(f"rm -r {folder}; systemctl daemon-reload")
    said.warned("from its next start the unit's port is 2000, not 12345",
                "sudo systemctl restart classcord; sudo make doctor PORT=2000")


def test_ufw_must_let_the_port_in(unit: Machine) -> None:
    unit.run("ufw allow 22/tcp; ufw allow 12345/udp; ufw allow 1234; ufw --force enable")
    ask(unit).only_broken("ufw: is on and has no rule that lets port 12345 in", "sudo sh deploy/ufw.sh apply")
    for rule in ("allow 12345/tcp", "allow 12000:13000/tcp"):
        unit.run(f"ufw {rule}")
        ask(unit).well("ufw: lets port 12345 in")
        unit.run(f"ufw delete {rule}")
    unit.run("ufw allow proto tcp from 10.0.108.0/24 to any port 12345")
    hidden = f"addresses, they come as {HOST_INSIDE}; then:  sudo sh deploy/ufw.sh apply --from {HOST_INSIDE}"
    ask(unit).warned("ufw: lets port 12345 in from 10.0.108.0/24 only", "are the desks in it?", hidden)
    unit.run("ufw --force disable; ufw --force reset")


def test_rarely_used_tables_and_networks_that_are_dropped_are_named(unit: Machine) -> None:
    unit.run("iptables -t raw -I PREROUTING -p tcp --dport 12345 -j DROP")
    said = ask(unit)
    said.only_broken("the table raw of iptables drops port 12345", "sudo iptables -t raw -D PREROUTING -p tcp")
    unit.run("iptables -t raw -F; iptables -t mangle -A INPUT -i eth0 -s 10.0.108.0/24 -j DROP")
    ask(unit).warned("the table mangle of iptables drops some", "sudo iptables -t mangle -D INPUT")
    unit.run("iptables -t mangle -F; nft 'table ip6 x { chain c { type filter hook input priority 0; drop; }; }'")
    ask(unit).well("lets port 12345 in")  # that one is about IPv6
    unit.run("nft delete table ip6 x; iptables -I INPUT -s 10.0.108.0/24 -j DROP")
    assert "firewall: lets port 12345 in, but not from 10.0.108.0/24" in ask(unit).marked("!")
    unit.run("iptables -F INPUT")


def test_a_server_on_an_ipv6_address_only_is_broken(unit: Machine) -> None:
    unit.run("ip address add fd00::10/64 dev eth0 nodad")
    configure(unit, "CLASSCORD_HOST=fd00::10")
    until(lambda: "[fd00::10]:12345" in unit.run("ss -Hltn").stdout, "it listens")
    for user in ("root", USER):
        ask(unit, user=user).only_broken("on an IPv6 address only", "without CLASSCORD_HOST")
    unit.run("ip address del fd00::10/64 dev eth0")


def test_a_rule_of_iptables_that_drops_the_port_is_named(unit: Machine) -> None:
    unit.run("iptables -I INPUT -p tcp --dport 12345 -j REJECT")
    ask(unit, user=USER).only_broken("a firewall blocks it", "sudo make doctor")
    ask(unit).only_broken("iptables drops port 12345", "sudo iptables -I INPUT -p tcp --dport 12345 -j ACCEPT")
    unit.run("iptables -I INPUT -p tcp --dport 12345 -j ACCEPT")
    ask(unit).well("lets port 12345 in")
    unit.run("iptables -F INPUT; iptables -A INPUT -i eth0 -p tcp --dport 12345 ! -s 10.0.109.0/24 -j DROP")
    ask(unit).warned("firewall: lets port 12345 in from 10.0.109.0/24 only",
                     "in it? If not:  sudo iptables -I INPUT -s 10.0.108.0/24 -p tcp --dport 12345 -j ACCEPT")
    unit.run("iptables -F INPUT")


def test_a_table_of_nft_that_does_not_name_the_port_is_named(unit: Machine) -> None:
    chain = "chain in {{ type filter hook input priority 0; policy drop; iif lo accept; tcp dport {} accept; }}"
    unit.run(f"nft 'table inet mine {{ {chain.format(22)}; }}'")
    ask(unit).only_broken("the table 'inet mine' drops", "nft insert rule inet mine")
    unit.run(f"nft delete table inet mine; nft 'table inet mine {{ {chain.format(12345)}; }}'")
    ask(unit).well()
    unit.run("nft delete table inet mine")


def test_without_a_default_route_answers_get_lost(unit: Machine) -> None:
    unit.run("ip route del default")
    said = ask(unit)
    unit.run(f"ip route add default via {HOST_INSIDE}")
    said.only_broken("default route: none", f"sudo ip route add default via {HOST_INSIDE}")


def test_a_vm_without_an_address_is_told(unit: Machine) -> None:
    unit.run("ip addr del 192.168.56.10/24 dev eth0")
    said = ask(unit)
    unit.run(f"ip addr add 192.168.56.10/24 dev eth0; ip route add default via {HOST_INSIDE}")
    assert any(text == "address: this VM has no address" for text in said.marked("✘")), said.text


def test_a_plain_process_is_named_and_on_loopback_it_is_broken(vm: Machine) -> None:
    start = f"systemd-run -q --unit plain --uid {USER} {SERVER} --data /tmp/d"
    vm.run(start)
    wait_for_answer(vm, "127.0.0.1")
    said = ask(vm)
    vm.run(f"systemctl stop plain; {start} --host 127.0.0.1")
    wait_for_answer(vm, "127.0.0.1")
    also = ask(vm)
    vm.run("systemctl stop plain")
    said.well("a plain process listens on port 12345")
    also.only_broken("on loopback only", "--host 127.0.0.1")
