"""deploy/ufw.sh and the kinds of Docker's engine: a published port takes another way with each, and status says which.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.lab import VM, Lab, wait_for_answer
from tests.deploy.machines import Machine
from tests.deploy.ufw import CHAT, SCHOOL, UFW, reached, route

pytestmark = pytest.mark.lab

RESTART = ("systemctl stop docker.service docker.socket; iptables -F; iptables -t nat -F; iptables -X; "
           "systemctl start docker; ufw reload")
"""Starts the engine without the rules that it made before."""


@pytest.fixture(scope="module")
def vm(lab: Lab) -> Machine:
    """The VM with ufw on, closed to all, and an engine."""
    lab.start_engine(lab.vm)
    route(lab)
    lab.vm.run("ufw --force enable; mkdir -p /etc/docker")
    return lab.vm


@pytest.fixture
def engine(vm: Machine) -> Iterator[Machine]:
    """The same for one test, which may change the engine's settings, and starts containers named chat."""
    yield vm
    vm.run(f"rm -f /etc/docker/daemon.json; {RESTART}; docker rm -f chat; ufw --force enable; {UFW} undo")


def start(machine: Machine, settings: str) -> None:
    """Start the engine with these settings, and the server in a container."""
    machine.run(f"cat >/etc/docker/daemon.json && {{ {RESTART}; }} && {CHAT}", input=settings)


def test_an_engine_that_does_not_use_docker_user_is_guarded_by_nft(lab: Lab, engine: Machine) -> None:
    """The packets of an engine with rules of nft pass FORWARD without DOCKER-USER: here the test makes its rule."""
    start(engine, '{"iptables": false, "userland-proxy": false}')
    inner = engine.run("docker inspect -f '{{.NetworkSettings.IPAddress}}' chat").stdout.strip()
    engine.run("sysctl -qw net.ipv4.ip_forward=1; iptables -P FORWARD ACCEPT")
    engine.run("nft -f -", input=f"table ip docker-bridges {{ chain p {{ type nat hook prerouting priority dstnat; "
                                 f"fib daddr type local tcp dport 12345 dnat to {inner}:12345; }}; }}\n")
    wait_for_answer(lab.slam, VM)
    assert reached(lab) == [True, True]
    engine.run(f"ufw allow 12345/tcp; {UFW} undo; {UFW} apply --from {SCHOOL} && ufw delete allow 12345/tcp")
    assert reached(lab) == [True, False]
    done = engine.run(f"{UFW} apply --from {SCHOOL} && {UFW} status").stdout
    assert "the table inet classcord-guard of nft guards the ports that Docker publishes" in done
    assert "✔ a stranger (192.0.2.2) does not reach the container" in done
    assert f"container: open to {SCHOOL} only" in done
    engine.run("systemctl restart classcord-firewall")
    assert reached(lab) == [True, False]
    engine.run("nft delete table inet classcord-guard")
    found = engine.run(f"{UFW} status", check=False)
    assert (found.returncode, "DOCKER-USER is not used" in found.stdout) == (1, True)
    engine.run(f"{UFW} undo; nft delete table ip docker-bridges")
    assert "classcord" not in engine.run("nft list ruleset; ls /etc/ufw").stdout


def test_apply_says_if_a_stranger_still_gets_in(lab: Lab, engine: Machine) -> None:
    start(engine, "{}")
    wait_for_answer(engine, "127.0.0.1")
    engine.run("iptables -I FORWARD -m conntrack --ctstate DNAT -j ACCEPT")  # before DOCKER-USER
    done = engine.run(f"{UFW} apply --from {SCHOOL}", check=False)
    engine.run("iptables -D FORWARD -m conntrack --ctstate DNAT -j ACCEPT")
    assert done.returncode == 1
    assert "the guard does not hold: 192.0.2.2, which is not in 10.0.108.0/24, reaches the container" in done.stderr
    assert "✔ a stranger" in engine.run(f"{UFW} apply --from {SCHOOL}").stdout
    assert "classcord-test" not in engine.run("ip netns; ip link").stdout


def ufw_decides(lab: Lab, machine: Machine) -> None:
    """A program of Docker's takes the connections, as a service would: check what ufw.sh does and says then."""
    wait_for_answer(machine, "127.0.0.1")
    for said in (machine.run(f"{UFW} apply --from {SCHOOL}").stdout, machine.run(f"{UFW} status").stdout):
        assert "✔ ufw guards the ports that Docker publishes\n" in said
        assert f"of a container: open to {SCHOOL} only, over IPv4: a program of Docker's listens on it, so ufw" in said
        assert "DOCKER-USER" not in said
    assert reached(lab) == [True, False]
    machine.run("ufw disable")
    assert reached(lab) == [True, True]
    found = machine.run(f"{UFW} status", check=False)
    assert found.returncode == 1
    assert "✘ ufw is inactive" in found.stdout
    assert "Port 12345 of a container: open to everybody: a program of Docker's listens on it" in found.stdout
    done = machine.run(f"{UFW} apply --from {SCHOOL}", check=False)
    assert (done.returncode, "the guard does not hold: 192.0.2.2" in done.stderr) == (1, True)
    machine.run(f"ufw --force enable; {UFW} undo")
    assert reached(lab) == [False, False]
    assert "of a container: closed: a program of Docker's" in machine.run(f"{UFW} status", check=False).stdout


def test_with_iptables_switched_off_ufw_decides_about_the_port_of_a_container(lab: Lab, engine: Machine) -> None:
    start(engine, '{"iptables": false}')
    ufw_decides(lab, engine)


def test_after_a_flush_of_the_rule_of_docker_ufw_decides(lab: Lab, engine: Machine) -> None:
    start(engine, "{}")
    wait_for_answer(engine, "127.0.0.1")
    assert "✔ DOCKER-USER guards" in engine.run(f"{UFW} apply --from {SCHOOL}").stdout
    assert reached(lab) == [True, False]
    engine.run("iptables -t nat -F")
    ufw_decides(lab, engine)


def test_with_a_rootless_engine_ufw_decides(lab: Lab, engine: Machine) -> None:
    """Its containers are in a network of their own, and a program of the user listens for them."""
    engine.run("systemctl stop docker.service docker.socket; iptables -F; iptables -t nat -F; iptables -X; ufw reload")
    docker = lab.start_rootless_engine(engine)
    engine.run(CHAT.replace("docker", docker, 1))
    try:
        ufw_decides(lab, engine)
    finally:
        engine.run(f"{docker} rm -f chat; systemctl stop rootless")


@pytest.mark.parametrize(("settings", "guard"), [
    ('{"iptables": false}', "ufw"),
    ('{\n  "firewall-backend":\n    "nftables"\n}', "the table inet classcord-guard of nft"),
    ('{"ip6tables": false}', "DOCKER-USER"),
])
def test_an_engine_that_is_down_is_judged_by_its_settings(engine: Machine, settings: str, guard: str) -> None:
    engine.run("systemctl stop docker.socket docker.service; iptables -F; iptables -X; ufw reload")
    engine.run("cat >/etc/docker/daemon.json", input=settings)
    said = engine.run(f"{UFW} apply --from {SCHOOL} && {UFW} status").stdout
    assert said.count(f"✔ {guard} guards the ports that Docker publishes\n") == 2
    has_table = engine.run("nft list table inet classcord-guard", check=False).returncode == 0
    assert has_table == (guard != "DOCKER-USER")
