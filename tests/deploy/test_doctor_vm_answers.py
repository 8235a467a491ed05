"""The doctor follows what the VM's server sends back: from recordings of the real commands, with rules that drop it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.test_doctor_vm import CONTAINER, LOGS, NFT, NO_RULES, RULES, UNIT, Said, changed, key, said

TABLE = """table inet mine {{ # handle 9
	chain c {{ # handle 1
		type filter hook {hook}; policy {policy};
{rules}
	}}
}}
"""


def nft(seen: dict[str, Any], hook: str, *rules: str, policy: str = "drop") -> dict[str, Any]:
    """The recording with one more table of nft."""
    table = TABLE.format(hook=hook, policy=policy, rules="\n".join(f"\t\t{rule} # handle 5" for rule in rules))
    return {**seen, NFT: said(seen[NFT][1] + table)}


def iptables(seen: dict[str, Any], *rules: str, table: str = "filter", policies: str = "") -> dict[str, Any]:
    """The recording with these rules of iptables before the others of that table."""
    old = seen[RULES][1]
    if f"*{table}\n" not in old:
        return {**seen, RULES: said("\n".join([old, f"*{table}", policies, *rules, "COMMIT\n"]))}
    place = old.index("\n-A", old.index(f"*{table}\n"))
    return {**seen, RULES: said("\n".join([old[:place], *rules]) + old[place:])}


ESTABLISHED = "ct state established,related accept"


def test_a_table_that_lets_connections_in_but_no_answers_out_is_broken() -> None:
    for seen, hook, card in ((CONTAINER, "forward priority filter", 'oifname "docker0" '),
                             (CONTAINER, "forward priority filter - 5", ""), (UNIT, "output priority filter", "")):
        accept = card + "tcp dport 12345 accept"
        got = Said(nft(seen, hook, accept))
        got.is_told("broken", "the table 'inet mine' drops the server's answers (policy drop)",
                    f"sudo nft insert rule inet mine c {ESTABLISHED}")
        assert len(got.marks("broken")) == 1
        assert Said(nft(seen, hook, accept, ESTABLISHED)).marks("broken") == [], "after the printed command"
        assert Said(nft(seen, hook, accept, "tcp sport 12345 accept")).marks("broken") == []


def test_the_commands_for_a_table_that_drops_all_are_enough() -> None:
    got = Said(nft(CONTAINER, "forward priority filter"))
    got.is_told("broken", "the table 'inet mine' drops every port that it does not name",
                "open:  sudo nft insert rule inet mine c tcp dport 12345 accept",
                f"and the answers too:  sudo nft insert rule inet mine c {ESTABLISHED}")
    assert len(got.marks("broken")) == 1
    assert Said(nft(CONTAINER, "forward priority filter", ESTABLISHED, "tcp dport 12345 accept")).marks("broken") == []
    got = Said(nft(UNIT, "input priority filter", 'iif "lo" accept'))
    got.is_told("broken", "drops every port that it does not name", "tcp dport 12345 accept")
    assert "and the answers too" not in str(got.lines), "they take another hook"


@pytest.mark.parametrize(("hook", "port"), [
    ("forward priority filter", 12345), ("prerouting priority raw", 2000), ("prerouting priority dstnat + 10", 12345),
])
def test_the_command_names_the_port_that_the_chain_sees(hook: str, port: int) -> None:
    """With -p 2000:12345, Docker changes the port before most chains."""
    seen = changed(CONTAINER, RULES, "--dport 12345 -j DNAT", "--dport 2000 -j DNAT")
    seen = changed(seen, "run docker port classcord", ":12345", ":2000")
    for question, answer in CONTAINER.items():
        if question.startswith("read /proc/net/tcp"):
            seen[question] = answer.replace("00000000:3039 0", "00000000:07D0 0")
    seen["probe 192.168.56.10 2000"] = ["answers", ""]
    assert Said(seen, port=2000).marks("broken") == []
    accept = f"tcp dport {port} accept"
    Said(nft(seen, hook), port=2000).is_told("broken", "does not name", f"insert rule inet mine c {accept}")
    got = Said(nft(seen, hook, ESTABLISHED, f"ip saddr 10.0.107.0/24 {accept}"), port=2000)
    got.is_told("warn", "from 10.0.107.0/24 only", f"c ip saddr 10.0.108.0/24 {accept}")


def test_a_table_of_firewalld_on_the_way_to_a_container_is_loaded_again() -> None:
    for seen, hook, command in ((CONTAINER, "forward", "open:  sudo firewall-cmd --reload"),
                                (UNIT, "input", "open:  sudo firewall-cmd --permanent --add-port=12345/tcp; sudo f")):
        seen = nft(seen, f"{hook} priority filter + 10", ESTABLISHED, "reject with icmpx admin-prohibited")
        seen = changed(seen, NFT, "inet mine", "inet firewalld")
        Said(seen).is_told("broken", "the table 'inet firewalld' drops", command)


@pytest.mark.parametrize(("seen", "rule", "command"), [
    (CONTAINER, "-A DOCKER-USER -i docker0 -j DROP", "-I DOCKER-USER -m conntrack --ctstate ESTABLISHED,RELATED"),
    (CONTAINER, "-A FORWARD -s 172.17.0.0/16 -j REJECT", "-I FORWARD -m conntrack"),
    (UNIT, "-A OUTPUT -p tcp -m tcp --sport 12345 -j DROP", "-I OUTPUT -m conntrack"),
    (UNIT, "-A OUTPUT ! -o lo -p tcp -m tcp ! --dport 443 -j REJECT", "-I OUTPUT -m conntrack"),
])
def test_a_rule_of_iptables_that_drops_answers_is_named(seen: dict[str, Any], rule: str, command: str) -> None:
    got = Said(iptables(seen, rule))
    got.is_told("broken", f"answers are dropped (iptables, table filter: {rule})", f"sudo iptables {command}")
    established = f"-A {rule.split()[1]} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
    assert Said(iptables(seen, established, rule)).marks("broken") == [], "after the printed command"


def test_in_a_table_before_connections_are_known_the_rule_itself_is_to_go() -> None:
    rule = "-A OUTPUT -p tcp -m tcp --sport 12345 -j DROP"
    got = Said(iptables(UNIT, rule, table="raw"))
    got.is_told("broken", "table raw", f"sudo iptables -t raw {rule.replace('-A', '-D')}")
    got = Said(iptables(UNIT, table="raw", policies=":OUTPUT DROP [0:0]"))
    got.is_told("broken", "table raw: policy DROP", "sudo iptables -t raw -P OUTPUT ACCEPT")
    got = Said(nft(UNIT, "output priority raw", "tcp sport 12345 drop", policy="accept"))
    got.is_told("broken", "drops the server's answers", "sudo nft delete rule inet mine c handle 5")
    got = Said(nft(UNIT, "output priority raw"))
    got.is_told("broken", "drops the server's answers", "sudo nft 'add chain inet mine c { policy accept; }'")


def test_what_the_container_answers_must_reach_the_program_that_passes_it_on() -> None:
    seen = {**CONTAINER, **NO_RULES, "read /etc/docker/daemon.json": '{"iptables": false}'}
    closed = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 12345 -j ACCEPT\n{}COMMIT\n"
    got = Said({**seen, RULES: said(closed.format(""))})
    got.is_told("broken", "answers are dropped", "sudo iptables -I INPUT -m conntrack --ctstate ESTABLISHED")
    known = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    assert Said({**seen, RULES: said(closed.format(known))}).marks("broken") == []


def test_answers_that_may_pass_are_not_called_dropped() -> None:
    """A rule for certain desks can only be judged once a desk is known."""
    hook, accept = "forward priority filter", "tcp dport 12345 accept"
    log = said("", err="event=listening port=12345 data=/data\nevent=login peer=10.0.108.34\n")
    for network, count in (("10.0.108.0/24", 0), ("10.0.107.0/24", 1)):
        seen = nft(CONTAINER, hook, f"ip daddr {network} accept", accept)
        assert Said(seen).marks("broken") == []
        assert len(Said({**seen, LOGS: log}).marks("broken")) == count
    assert Said(nft(UNIT, "output priority filter", "meta skuid 0 accept")).marks("broken") == []
    for rule in ("-m owner --uid-owner 0 -j DROP", "-o lo -j DROP", "-d 10.0.9.0/24 -j DROP", "-p udp -j DROP"):
        assert Said(iptables(UNIT, f"-A OUTPUT {rule}")).marks("broken") == [], rule


def test_answers_are_followed_by_the_card_of_the_default_route() -> None:
    cards = "run ip -4 -o addr show scope global"
    two = "9: eth9    inet 10.7.0.3/24 scope global eth9\n"
    seen = {**UNIT, cards: said(two + UNIT[cards][1]), "probe 10.7.0.3 12345": ["answers", ""]}
    rule = "oifname != \"eth0\" drop"
    assert Said(nft(seen, "output priority filter", rule, policy="accept")).marks("broken") == []
    default = key("run ip -4 route show default", UNIT)
    seen[default] = said("default via 10.7.0.1 dev eth9\n")
    seen["neighbour 10.7.0.1"] = "REACHABLE"
    Said(nft(seen, "output priority filter", rule, policy="accept")).is_told("broken", "drops the server's answers")
