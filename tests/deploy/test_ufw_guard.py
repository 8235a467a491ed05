"""How deploy/ufw/guard.sh finds out which way a packet for a published port takes, from what other commands print."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

ROOTS, USERS = "/var/run/docker.sock", "/run/user/1000/docker.sock"
NAT = "-A DOCKER ! -i docker0 -p {0} -m {0} --dport {1} -j DNAT --to-destination 172.17.0.2:12345"
NFT = "tcp dport 12345 counter packets 0 bytes 0 {} comment \"DNAT\""
LISTENS = 'LISTEN 0 4096 0.0.0.0:12345 0.0.0.0:* users:(("{}",pid=4711,fd=4))'
JUMP = "iptables -w -C FORWARD -j DOCKER-USER"


def says(folder: Path, function: str, engines: str = ROOTS, **printed: str) -> bool:
    """What that function says where commands print this. `iptables` names the one question that it answers with yes."""
    output = dict.fromkeys(("iptables_save", "ip6tables_save", "nft", "ss", "systemctl", "iptables"), "") | printed
    for name, text in output.items():
        path = folder / name.replace("_", "-")
        answer = f"cat <<'END'\n{text}\nEND\n" if name != "iptables" else f"[ \"iptables $*\" = '{text}' ]\n"
        path.write_text(f"#!/bin/sh\n{answer}")
        path.chmod(0o755)
    line = f". deploy/common.sh; . deploy/ufw/guard.sh; port=12345; engines='{engines}'; {function}"
    done = subprocess.run(
        ["/bin/sh", "-euc", line], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": f"{folder}:/usr/bin:/bin"},
    )
    assert (done.stdout, done.stderr) == ("", "")
    return done.returncode == 0


@pytest.mark.parametrize(("printed", "ufw"), [
    ({}, False),  # the engine will make a rule
    ({"iptables_save": NAT.format("tcp", 12345)}, False),
    ({"iptables_save": NAT.format("tcp", 12345), "ss": LISTENS.format("docker-proxy")}, False),
    ({"ss": LISTENS.format("docker-proxy")}, True),  # its rule was flushed
    ({"iptables_save": NAT.format("udp", 12345), "ss": LISTENS.format("docker-proxy")}, True),
    ({"iptables_save": NAT.format("tcp", 1234), "ss": LISTENS.format("docker-proxy")}, True),
    ({"iptables_save": NAT.format("tcp", 112345), "ss": LISTENS.format("docker-proxy")}, True),
    ({"nft": NFT.format("dnat to 172.17.0.2:12345"), "ss": LISTENS.format("docker-proxy")}, False),  # Docker 29
    ({"nft": NFT.format('xt target "DNAT"')}, False),  # iptables-nft, as an old nft lists it
    ({"ss": LISTENS.format("rootlesskit")}, True),
    ({"ss": LISTENS.format("rootlesskit"), "engines": USERS}, True),
    ({"engines": USERS}, True),
    ({"engines": f"{ROOTS}\n{USERS}"}, False),
    ({"engines": ""}, False),
    ({"ss": LISTENS.format("python3"), "engines": ""}, False),
])
def test_ufw_sees_the_packets_where_no_rule_changes_their_destination(
    tmp_path: Path, printed: dict[str, str], ufw: bool
) -> None:
    assert says(tmp_path, "meets_ufw", **printed) == ufw


@pytest.mark.parametrize(("options", "ufw", "table"), [
    ("", False, False),
    ("--iptables=false", True, True),
    ("--iptables=0 --debug", True, True),
    ("--iptables=F", True, True),
    ("--iptables=true", False, False),
    ("--ip6tables=false", False, False),
    ("--firewall-backend=nftables", False, True),
    ("--firewall-backend nftables", False, True),
    ("--firewall-backend=iptables", False, False),
])
def test_the_options_of_an_engine_that_is_down_tell_what_it_will_do(
    tmp_path: Path, options: str, ufw: bool, table: bool
) -> None:
    unit = {"systemctl": f"{{ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd -H fd:// {options} ; }}"}
    assert says(tmp_path, "meets_ufw", "", **unit) == ufw
    assert says(tmp_path, "needs_table", "", **unit) == table


@pytest.mark.parametrize(("engines", "jump", "table"), [
    (ROOTS, JUMP, False), (ROOTS, "", True), (f"{ROOTS}\n{USERS}", "", True), ("", "", False), (USERS, "", False),
])
def test_the_table_is_needed_where_an_engine_of_root_runs_without_docker_user(
    tmp_path: Path, engines: str, jump: str, table: bool
) -> None:
    assert says(tmp_path, "needs_table", engines, iptables=jump) == table
