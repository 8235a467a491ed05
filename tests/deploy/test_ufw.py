"""deploy/ufw.sh with real ufw and a real engine, for a server in a process and one in a container.

Tests of the engine's kinds are in test_ufw_engines.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.deploy.lab import BASE, SLAM, VM, Lab, answers, wait_for_answer
from tests.deploy.machines import PROJECT, Machine, until
from tests.deploy.ufw import SCHOOL, SERVER, UFW, reached, route, silent

pytestmark = pytest.mark.lab

UNIT = "classcord-firewall.service"
OURS, LOCAL = f"/usr/local/lib/systemd/system/{UNIT}", f"/etc/systemd/system/{UNIT}"


@pytest.fixture(scope="module", autouse=True)
def _ways(lab: Lab) -> None:
    lab.start_engine(lab.vm)
    route(lab)


@pytest.fixture(scope="module")
def _enabled(lab: Lab) -> None:
    # the reload, because ufw writes slightly different rules when it is turned on than it has loaded before
    lab.vm.run("ufw --force enable && ufw reload && systemctl enable -q ufw")


@pytest.fixture
def active(lab: Lab, _enabled: None) -> Iterator[Machine]:
    """The VM with ufw on, closed to all. Tests of an inactive ufw come before."""
    yield lab.vm
    lab.vm.run(f"{UFW} undo")


def start_process(machine: Machine) -> None:
    """Start the server as a process of the machine."""
    machine.run(f"systemd-run -q --unit=chat -p WorkingDirectory={PROJECT} {SERVER}")
    wait_for_answer(machine, "127.0.0.1")


@pytest.fixture(scope="module")
def _running(lab: Lab) -> None:
    lab.vm.run("docker network create -o com.docker.network.bridge.name=plain0 plain")
    for name, port, network in (("chat", 12345, "bridge"), ("aside", 8080, "plain")):
        lab.vm.run(f"docker run -d --name {name} --restart unless-stopped --network {network} -p {port}:12345 -w /app "
                   f"-v {PROJECT}:/app:ro {BASE} {SERVER}")
        wait_for_answer(lab.vm, "127.0.0.1", port)


@pytest.fixture
def containers(active: Machine, _running: None) -> None:
    """The server in a container, published as 12345, and in another on its own network, published as 8080."""


def state(machine: Machine) -> str:
    """Everything that ufw.sh may change, without counters and without empty tables."""
    rules = machine.run("iptables-save; ip6tables-save").stdout
    rules = re.sub(r" \[\d+:\d+\]|^#.*\n", "", rules, flags=re.MULTILINE)
    rules = re.sub(r"^\*\w+\n(:[A-Z]+ ACCEPT\n)*COMMIT\n", "", rules, flags=re.MULTILINE)
    files = "find /etc/ufw /etc/systemd /usr/local/lib/systemd ! -type d | sort | xargs -d '\\n' sha256sum"
    return rules + machine.run(f"{files}; ls -d /var/lib/classcord*", check=False).stdout


def test_undo_restores_all_byte_for_byte(lab: Lab) -> None:
    before = state(lab.vm)
    for options in ("", f"--from {SCHOOL}", "--port 2000", f"--from {SCHOOL} --port 2000"):
        lab.vm.run(f"{UFW} apply {options}")
        assert state(lab.vm) != before
    lab.vm.run(f"{UFW} undo")
    assert state(lab.vm) == before
    lab.vm.run(f"{UFW} undo")
    assert state(lab.vm) == before


def test_it_never_turns_ufw_on_and_says_how_to_do_so_over_ssh(lab: Lab) -> None:
    done = lab.vm.run(f"{UFW} apply", env={"SSH_CONNECTION": "10.0.108.34 50000 192.168.56.10 2222"}).stdout
    assert done.startswith("✘ ufw is inactive")
    assert done.index("sudo ufw allow 2222/tcp") < done.index("sudo ufw enable")
    assert "Status: inactive" in lab.vm.run("ufw status").stdout
    assert lab.vm.run(f"{UFW} status", check=False).returncode == 1
    lab.vm.run(f"{UFW} undo")


def test_undo_restores_what_was_before_ufw_was_turned_on(lab: Lab) -> None:
    files = "cat /etc/ufw/user.rules /etc/ufw/user6.rules"
    before = lab.vm.run(files).stdout
    lab.vm.run(f"{UFW} apply && ufw --force enable")
    assert "12345" in lab.vm.run("iptables-save").stdout
    lab.vm.run(f"{UFW} undo")
    assert "12345" not in lab.vm.run("iptables-save; ip6tables-save").stdout
    assert lab.vm.run(files).stdout == before
    lab.vm.run("ufw disable")


@pytest.mark.parametrize("options", ["", f"--from {SCHOOL}"])
def test_a_second_apply_and_a_dry_run_change_nothing(active: Machine, options: str) -> None:
    before = state(active)
    shown = active.run(f"{UFW} apply {options} --dry-run").stdout
    assert "+ ufw allow" in shown
    assert state(active) == before
    active.run(f"{UFW} apply {options}")
    once = state(active)
    assert "+ ufw" not in active.run(f"{UFW} apply {options} --dry-run").stdout
    active.run(f"{UFW} apply {options}")
    active.run(f"{UFW} undo --dry-run")
    assert state(active) == once
    active.run(f"{UFW} undo")
    assert state(active) == before


def test_undo_keeps_rules_that_came_from_elsewhere(active: Machine) -> None:
    active.run("ufw allow 22/tcp")
    active.run(f"{UFW} apply --from {SCHOOL}")
    active.run("ufw allow 80/tcp")
    active.run(f"{UFW} undo")
    assert active.run("ufw show added").stdout.splitlines()[1:] == ["ufw allow 22/tcp", "ufw allow 80/tcp"]


def test_the_rule_is_replaced_and_another_network_stays_out(lab: Lab, active: Machine) -> None:
    start_process(active)
    for options, words, who in (
        ("", "everybody", [True, True]),
        (f"--from {SCHOOL}", f"{SCHOOL} only, over IPv4", [True, False]),
        ("--from 10.0.109.7/32", "10.0.109.7 only, over IPv4", [False, True]),
        ("", "everybody", [True, True]),
    ):
        done = active.run(f"{UFW} apply {options} && {UFW} status").stdout
        assert f"Port 12345 of a systemd service: open to {words}." in done
        assert "✘" not in done
        assert reached(lab) == who
    active.run(f"{UFW} undo")
    assert reached(lab) == [False, False]
    assert "Port 12345 of a systemd service: closed." in active.run(f"{UFW} status", check=False).stdout
    active.run("systemctl stop chat")


def from_container(machine: Machine, address: str, port: int) -> bool:
    """Whether a connection from a new container gets through."""
    code = f"import socket; socket.create_connection(('{address}', {port}), 2)"
    return machine.run(f'docker run --rm {BASE} python3 -c "{code}"', check=False).returncode == 0


def test_docker_goes_around_ufw_until_a_network_is_named(lab: Lab, containers: None) -> None:
    vm = lab.vm
    inner = vm.run("docker inspect -f '{{.NetworkSettings.IPAddress}}' chat").stdout.strip()
    lab.host.run(f"ip route replace 172.17.0.0/16 via {VM}")
    assert reached(lab, 12345, 8080) == [True] * 4, "ufw stops it, and this script isn't needed any more"
    assert not silent(lab.host, inner)
    assert "container: open to everybody, whatever ufw says" in vm.run(f"{UFW} apply").stdout
    assert reached(lab, 12345, 8080) == [True] * 4

    done = vm.run(f"{UFW} apply --from {SCHOOL}").stdout
    assert f"container: open to {SCHOOL} only; every other port that Docker publishes is closed." in done
    assert reached(lab, 12345, 8080) == [True, False, False, False]
    assert silent(lab.host, inner), "a neighbour reaches the container by its own address"
    # these must still work
    assert answers(vm, VM)
    assert answers(vm, "127.0.0.1", 8080)
    assert from_container(vm, inner, 12345)
    listener = lab.slam.start("nc.openbsd -l 7000")
    until(lambda: from_container(vm, SLAM, 7000), "a container reaches the outside")
    listener.kill()
    listener.communicate()

    lab.vm.run(f"{UFW} apply")
    assert reached(lab, 8080) == [True, True]


def test_status_finds_what_is_missing_or_too_much(active: Machine) -> None:
    active.run(f"{UFW} apply --from {SCHOOL} && {UFW} status")
    for break_it, words, repair in (
        ("iptables -D DOCKER-USER -j CLASSCORD", "DOCKER-USER has no guard: Docker goes around ufw", "APPLY"),
        ("systemctl disable -q classcord-firewall", "the guard is lost at the next boot", "APPLY"),
        ("ufw allow 12345/tcp", "another rule lets more people in: allow 12345/tcp", "ufw delete allow 12345/tcp"),
        ("ufw deny 12345", "another rule is about this port: deny 12345", "ufw delete deny 12345"),
        ("ufw default allow incoming", "ufw is active, but lets in", "ufw default deny incoming"),
    ):
        active.run(break_it)
        found = active.run(f"{UFW} status", check=False)
        assert found.returncode == 1
        assert f"✘ {words}" in found.stdout
        shown = re.search(r"✘ .*\n    (?:sudo )?(.*)", found.stdout)
        assert shown is not None
        # the printed command repairs it
        active.run(shown[1], cwd=PROJECT)
        assert repair in (shown[1], "APPLY")
        active.run(f"{UFW} status")


def test_a_port_that_wider_rules_open_is_not_called_closed(active: Machine) -> None:
    others = ("allow 12000:12344/tcp", "allow 12000:13000/udp", "allow in on eth0 to any port 2222", "deny 8000")
    wider = ("allow 12000:13000/tcp", "allow 80,12345/tcp", "allow from 10.0.109.0/24", "allow in on eth0")
    active.run("; ".join(f"ufw {rule}" for rule in others))
    assert "Port 12345 of a systemd service: closed.\n" in active.run(f"{UFW} status", check=False).stdout
    active.run("; ".join(f"ufw {rule}" for rule in wider))
    said = active.run(f"{UFW} status", check=False).stdout
    assert f"Port 12345 of a systemd service: open to all that these rules let in: {';'.join(wider)}.\n" in said
    said = active.run(f"{UFW} apply --from {SCHOOL}").stdout
    active.run("; ".join(f"ufw delete {rule}" for rule in (*others, *wider)))
    assert re.findall("another rule lets more people in: (.*)", said) == [rule for rule in wider if "from" not in rule]
    assert "Port 12345 of a systemd service: open to others too.\n" in said


def test_over_ipv6_nobody_gets_in_once_a_network_is_named(lab: Lab, containers: None) -> None:
    lab.host.run("ip address replace fd00::1/64 dev vbox0 nodad")
    lab.vm.run("ip address replace fd00::10/64 dev eth0 nodad")
    lab.vm.run(f"{UFW} apply")
    assert not silent(lab.host, "fd00::10")
    lab.vm.run(f"{UFW} apply --from {SCHOOL}")
    assert silent(lab.host, "fd00::10")
    # this engine publishes over IPv6 by a proxy of its own, which ufw sees; newer ones can do it as over IPv4
    lab.vm.run("ip6tables -C DOCKER-USER -j CLASSCORD && ip6tables -C CLASSCORD -m conntrack --ctstate DNAT -j DROP")
    assert "Over IPv6" not in lab.vm.run(f"{UFW} status").stdout
    lab.vm.run("ufw disable")
    assert not silent(lab.host, "fd00::10")
    said = lab.vm.run(f"{UFW} status", check=False).stdout
    lab.vm.run("ufw --force enable")
    assert "publishes is closed. Over IPv6, like a service: open to everybody.\n" in said


def test_the_profile_and_a_rule_typed_by_hand_are_understood(active: Machine) -> None:
    active.run(f"{UFW} apply && {UFW} undo")
    active.run(f"cp {PROJECT}/deploy/ufw/classcord /etc/ufw/applications.d && ufw allow ClassCord")
    assert "ufw has the rule: allow ClassCord" in active.run(f"{UFW} status").stdout
    assert re.search(r"12345/tcp \(ClassCord\) +ALLOW IN", active.run("ufw status verbose").stdout)
    active.run("ufw delete allow ClassCord && rm /etc/ufw/applications.d/classcord")


def test_the_rules_outlast_reload_restart_and_reboot(lab: Lab, containers: None) -> None:
    vm = lab.vm
    vm.run(f"{UFW} apply --from {SCHOOL}")
    for event in (
        lambda: vm.run("ufw reload && systemctl restart docker"),
        lambda: vm.run("iptables -F; iptables -X; systemctl restart docker; ufw reload"),
        vm.reboot,
    ):
        event()
        route(lab)
        wait_for_answer(lab.slam, VM)
        wait_for_answer(vm, "127.0.0.1", 8080)  # otherwise a closed port would prove nothing
        assert reached(lab, 12345, 8080) == [True, False, False, False]
        vm.run(f"{UFW} status")
    vm.run("docker rm -f chat")
    start_process(vm)
    assert reached(lab) == [True, False]


def test_the_unit_of_an_older_version_is_replaced_or_removed(active: Machine) -> None:
    before = state(active)
    change = "-e /classcord.nft/d -e 's/^Description=.*/Description=ClassCord: who may reach the ports/'"
    for action in (f"apply --from {SCHOOL}", "undo"):
        active.run(f"{UFW} apply --from {SCHOOL} && systemctl disable -q {UNIT} && sed {change} {OURS} >{LOCAL}")
        active.run(f"rm {OURS}; systemctl daemon-reload && systemctl enable -q --now {UNIT}")
        assert active.run(f"{UFW} {action}").stderr == ""
        assert active.run(f"test -e {LOCAL}", check=False).returncode == 1
        if action != "undo":
            assert active.run(f"systemctl show -P FragmentPath {UNIT}").stdout == f"{OURS}\n"
            assert active.run(f"{UFW} status").returncode == 0
    assert state(active) == before


def test_an_edited_unit_survives_and_is_in_force(active: Machine) -> None:
    active.run(f"{UFW} apply --from {SCHOOL}")
    edited = active.run(f"sed '/^Type=/aTimeoutStartSec=90' {OURS}").stdout
    active.run(f"cat >{LOCAL} && systemctl daemon-reload", input=edited)
    done = active.run(f"{UFW} apply --from {SCHOOL}")
    assert done.stderr == f"ufw.sh: {LOCAL} is used as you wrote it; sudo systemctl revert {UNIT} removes it\n"
    assert active.run(f"systemctl show -P TimeoutStartUSec {UNIT}").stdout == "1min 30s\n"
    assert active.run(f"{UFW} status").returncode == 0
    assert f"{LOCAL} stays, because you changed it." in active.run(f"{UFW} undo").stdout
    assert active.run(f"cat {LOCAL}; systemctl is-enabled {UNIT}", check=False).stdout == f"{edited}disabled\n"
    active.run(f"rm {LOCAL} && systemctl daemon-reload")
