"""The whole picture: from a desk of the pupils' network through the host's NAT to the VM, with Docker, then systemd.

One story in one test, because each step builds on the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.deploy.lab import HOST, SLAM, VM, Lab, answers, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Desk, Machine, until
from tests.support import Client

pytestmark = pytest.mark.lab


@contextmanager
def two_who_chat(desk: Desk) -> Iterator[tuple[Client, Client]]:
    """Alice and Bob at the desk, logged in through the host's address; each has heard the other."""
    with desk.inside(), ExitStack() as stack:
        clients = []
        for name in ("alice", "bob"):
            client = stack.enter_context(Client((HOST, 12345)))
            client.register(name)  # refused from the second time on: the account is still there
            assert client.login(name) == {"type": "login", "status": "ok", "username": name}
            clients.append(client)
        alice, bob = clients
        for sender, receiver in ((alice, bob), (bob, alice)):
            sender.send({"type": "message", "content": f"Bonjour, ici {sender.name}"})
            got = receiver.until(type="message")
            assert (got["from"], got["content"]) == (sender.name, f"Bonjour, ici {sender.name}")
        yield alice, bob


def two_peers(vm: Machine, log: str) -> set[str]:
    """The addresses from which the two have logged in, from the log that this command prints. It waits for them."""
    found: list[str] = []

    def logged() -> bool:
        found[:] = re.findall(r"event=login .*?peer=(\S+)", vm.run(log).stdout)
        return len(found) >= 2

    until(logged, "both are in the log")
    return set(found)


def state(machine: Machine) -> dict[str, str]:
    """The state that the project's scripts may change on a machine, without counters and times."""
    rules = r"iptables-save | sed '/^#/d; s/\[[0-9:]*\]//'; nft list ruleset | sed 's/packets [0-9]* bytes [0-9]*//'"
    return {
        "firewall": machine.run(rules).stdout,
        "sysctl": machine.run("sysctl -a 2>/dev/null | grep -E '^net.ipv4.*(forward|route_localnet)'").stdout,
        "files": machine.run(
            "find /etc /opt /usr/local /var/lib/classcord /var/lib/private -newer /tmp/before -type f 2>/dev/null"
            " | grep -vE '^/etc/(machine-id|docker/key.json)$' | sort", check=False
        ).stdout,
        "units": machine.run("systemctl list-unit-files --no-legend | grep -i classcord", check=False).stdout,
        "listening": machine.run("ss -Hltn | awk '{print $4}' | sort").stdout,
        "folders": machine.run("ls -d /opt/* /etc/classcord* /var/lib/classcord* 2>/dev/null", check=False).stdout,
    }


def test_from_slam_to_the_container_then_to_the_unit_and_back(lab: Lab) -> None:
    vm, host, slam = lab.vm, lab.host, lab.slam
    lab.start_engine(vm)
    vm.run("ufw --force enable && ufw default deny incoming")
    for machine in (vm, host):
        machine.run("touch /tmp/before")
    before = state(vm), state(host)
    assert not answers(slam, HOST)

    # Docker in the VM, NAT on the host
    vm.run("make docker-build && make docker-run", user=USER, cwd=PROJECT)
    vm.run("sh deploy/ufw.sh apply --from 10.0.108.0/24", cwd=PROJECT)
    host.run(f"sh deploy/nat/linux.sh apply --vm {VM}", cwd=PROJECT)
    with two_who_chat(slam):
        assert two_peers(vm, "docker logs classcord 2>&1") == {SLAM}
    assert not answers(lab.other, HOST, seconds=2), "another network got in"

    # killed, it comes back by itself
    first = "docker inspect -f '{{.State.Pid}}' classcord"
    pid = vm.run(first).stdout.strip()
    vm.run(f"kill -9 {pid}")
    until(lambda: vm.run(first).stdout.strip() not in (pid, "0"), "the container has another PID 1")
    wait_for_answer(slam, HOST)
    with two_who_chat(slam):
        pass

    # systemd takes over with the accounts
    vm.run("make migrate-to-systemd", cwd=PROJECT)
    assert vm.run("docker ps -q").stdout == ""
    vm.run("systemctl stop classcord && systemctl start classcord")
    with two_who_chat(slam) as (alice, _):
        assert alice.register("alice")["message"] == "Username already exists."
        assert two_peers(vm, "journalctl -u classcord --no-pager -o cat") == {SLAM}
    assert not answers(lab.other, HOST, seconds=2), "another network got in"

    # and back
    vm.run("make migrate-to-docker", cwd=PROJECT)
    assert vm.run("systemctl is-active classcord", check=False).stdout.strip() != "active"
    with two_who_chat(slam) as (alice, _):
        assert alice.register("alice")["message"] == "Username already exists."

    # undone, everything is as it was
    host.run("sh deploy/nat/linux.sh undo", cwd=PROJECT)
    vm.run("sh deploy/ufw.sh undo", cwd=PROJECT)
    vm.run("make docker-clean VOLUME=yes", user=USER, cwd=PROJECT)
    vm.run("make uninstall PURGE=yes", cwd=PROJECT)
    assert not answers(slam, HOST)
    assert (state(vm), state(host)) == before
    assert vm.run("docker ps -aq; docker volume ls -q; docker images -q classcord-server").stdout == ""
