"""deploy/doctor.sh at a SLAM desk, for real: with each tool, and with a desk that is itself the cause."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.deploy.doctor import TOOLS, ask_desk, only_tool
from tests.deploy.lab import HOST, SLAM, VM, Lab
from tests.deploy.machines import rootfs
from tests.deploy.school import load, mine, serve, set_nat

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


@pytest.fixture(params=TOOLS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of commands for PATH: only one tool in it speaks TCP."""
    return only_tool(request.param, tmp_path)


def test_a_desk_finds_the_server_with_each_tool(nat: Lab, path: str) -> None:
    ask_desk(nat.slam, f"--from-slam {HOST}", path=path).well("a ClassCord server answers", "from its own address")


def test_a_refusal_leads_to_the_host_with_each_tool(school: Lab, path: str) -> None:
    ask_desk(school.slam, f"--from-slam {HOST}", path=path).only_broken(
        f"{HOST} refuses connections on 12345", "on the host:  sudo make doctor ARGS=--from-host"
    )


def test_silence_leads_to_the_host_and_to_the_desks_own_firewall_with_each_tool(school: Lab, tmp_path: Path) -> None:
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
        (suspicion,) = each.marked("!")
        assert suspicion.startswith(f"this desk: {HOST} reacts elsewhere (22 80 443 445 3389), but not on port 12345")


@pytest.fixture
def desk_firewall(school: Lab) -> Iterator[Callable[[str], None]]:
    """Gives the desk SLAM these rules of nft; taken away afterwards."""
    nft = f"chroot {rootfs()} /usr/sbin/nft"
    yield lambda rules: (school.slam.run(f"{nft} -f -", input="flush ruleset\n" + rules), None)[1]
    school.slam.run(f"{nft} flush ruleset")


@pytest.mark.parametrize("tool", ["python3", "nc.openbsd"])
@pytest.mark.parametrize("verdict", ["drop", "reject with icmp host-prohibited"])
def test_a_desk_that_blocks_the_port_suspects_itself_alone(
    nat: Lab, desk_firewall: Callable[[str], None], tool: str, verdict: str, tmp_path: Path
) -> None:
    desk_firewall(mine("output", f"tcp dport 12345 {verdict}"))
    said = ask_desk(nat.slam, f"--from-slam {HOST}", path=only_tool(tool, tmp_path) + ":$PATH")
    said.only_broken("this desk: its own firewall blocks port 12345 (even to itself)", "sudo ufw allow out 12345/tcp")
    assert "SISR" not in said.text


def test_a_desk_that_gets_no_answers_suspects_itself_too(nat: Lab, desk_firewall: Callable[[str], None]) -> None:
    desk_firewall(mine("input", "iif lo accept\ntcp dport 22 accept\ndrop"))
    said = ask_desk(nat.slam, f"--from-slam {HOST}")
    said.only_broken(f"no answer from {HOST} port 12345 within 3 s", "on the host")
    (suspicion,) = said.marked("!")
    assert suspicion.startswith(f"this desk: nothing answers it, no other port of {HOST}")


def test_a_gateway_clears_the_desk(nat: Lab) -> None:
    """The room's router refuses the port at once, so this desk lets it out."""
    load(nat, "table ip d {\nchain i {\ntype filter hook input priority 0;\n"
              f"ip daddr {HOST} drop\n}}\n}}\n")
    nat.host.run("ip address add 10.0.108.1/24 dev lan0")
    nat.slam.run("ip route add default via 10.0.108.1")
    said = ask_desk(nat.slam, f"--from-slam {HOST}")
    nat.slam.run("ip route del default")
    nat.host.run("ip address del 10.0.108.1/24 dev lan0")
    said.only_broken(f"no answer from {HOST} port 12345 within 3 s", "on the host")
    assert "this desk: it lets port 12345 out, the gateway 10.0.108.1 reacts to it" in said.marked("✔")
    assert said.marked("!") == []


def test_an_address_that_is_not_the_hosts_is_named(school: Lab) -> None:
    ask_desk(school.slam, f"--from-slam {VM}").only_broken(f"this desk has no way to {VM}", "cable")
    school.slam.run(f"ip route add 192.168.56.0/24 via {SLAM}")  # as a default route would be
    # else the kernel gives up looking for an address after 3 s, just when doctor.sh does
    school.slam.run("sysctl -qw net.ipv4.neigh.eth0.retrans_time_ms=200")
    with ThreadPoolExecutor() as pool:  # each waits for 3 s
        said = list(pool.map(lambda address: ask_desk(school.slam, f"--from-slam {address}"), (VM, "10.0.108.99")))
    school.slam.run("ip route del 192.168.56.0/24")
    assert said[0].code == 1
    assert f"{VM} looks like the VM's own address; from here use the host's address (10.0.108.Y)" in said[0].marked("!")
    said[1].only_broken("10.0.108.99 can't be reached: nobody on this network has this address", "on the host")
