"""What the doctor makes of firewall rules: an imagined connection through iptables' rules and through nft's tables."""

from __future__ import annotations

import pytest
from firewall import Connection, Verdict, follow, iptables, parse
from machine import Recorded
from nftables import Ruling, forwards, parse_ruleset, rule_on

HERE = Connection(12345, 12345, "192.168.56.10", ("eth0", "eth1"))
THERE = Connection(12345, 8080, "172.17.0.2", ("eth0",), "docker0")
"""To a container that is published as 8080->12345."""


def through(rules: str, chain: str = "INPUT", connection: Connection = HERE) -> Verdict:
    """The verdict on a chain with these rules, separated by lines, and the policy DROP."""
    lines = [line if line.startswith(("-A", ":")) else f"-A {chain} {line}" for line in rules.splitlines()]
    lines.sort(key=lambda line: not line.startswith(":"))
    (table,) = parse("\n".join(["*filter", f":{chain} DROP [0:0]", *lines, "COMMIT"]))
    return follow(table, chain, connection)


@pytest.mark.parametrize(("rules", "accepted", "decides"), [
    ("", False, "policy DROP"),
    ("-p tcp -m tcp --dport 12345 -j ACCEPT", True, ""),
    ("-p udp -m udp --dport 12345 -j ACCEPT", False, "policy DROP"),
    ("-p tcp -m multiport --dports 80,12000:13000 -j ACCEPT", True, ""),
    ("-p tcp -m tcp ! --dport 22 -j ACCEPT", True, ""),
    ("-p tcp -m tcp --sport 1024:65535 --dport 12345 -j ACCEPT", True, ""),
    ("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", False, "policy DROP"),
    ("-m conntrack ! --ctstate ESTABLISHED -j ACCEPT", True, ""),
    ("-p tcp -m tcp --dport 12345 -m conntrack --ctstate NEW -j ACCEPT", True, ""),
    ('-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m comment --comment "a -j DROP" -j ACCEPT', True, ""),
    ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP\n-j ACCEPT", True, "-A INPUT -j ACCEPT"),
    ("-f -j DROP\n-j ACCEPT", True, "-A INPUT -j ACCEPT"),
    ("-i lo -j ACCEPT", False, "policy DROP"),
    ("-i eth0 -j ACCEPT", True, ""),
    ("-i eth+ -j ACCEPT", True, ""),
    ("! -i lo -j ACCEPT", True, ""),
    ("-i wlan0 -j ACCEPT", False, "policy DROP"),
    ("-d 192.168.56.0/24 -j ACCEPT", True, ""),
    ("-d 192.168.57.0/24 -j ACCEPT", False, "policy DROP"),
    ("-s 127.0.0.0/8 -j ACCEPT", False, "policy DROP"),
    ("-m addrtype --dst-type LOCAL -j ACCEPT", True, ""),
    ("-m mark --mark 0x8000/0x8000 -j DROP\n-j ACCEPT", True, ""),
    ("-j LOG\n-j MINE\n:MINE - [0:0]\n-A MINE -j RETURN\n-j ACCEPT", True, "-A INPUT -j ACCEPT"),
    ("-j MINE\n:MINE - [0:0]\n-A MINE -p tcp -j REJECT --reject-with tcp-reset\n-j ACCEPT", False, "-A MINE -p tcp"),
])
def test_a_rule_of_iptables_is_for_a_connection_or_not(rules: str, accepted: bool, decides: str) -> None:
    verdict = through(rules)
    assert verdict.accepted == accepted
    assert verdict.rule.text.startswith(decides)
    assert (verdict.only, verdict.denied, verdict.conditions) == ([], [], [])


@pytest.mark.parametrize(("rules", "accepted", "only", "denied"), [
    ("-s 10.0.108.0/24 -j ACCEPT", False, ["10.0.108.0/24"], []),
    ("! -s 10.0.108.0/24 -j DROP\n-j ACCEPT", True, ["10.0.108.0/24"], []),
    ("-s 10.0.108.0/24 -j DROP\n-j ACCEPT", True, [], ["10.0.108.0/24"]),
    ("! -s 10.0.108.0/24 -j ACCEPT", True, [], ["10.0.108.0/24"]),
    ("-s 10.0.108.0/24 -j ACCEPT\n-s 10.0.108.0/24 -j DROP\n-j ACCEPT", True, [], []),
])
def test_a_rule_of_iptables_for_some_sources_is_kept_apart(
    rules: str, accepted: bool, only: list[str], denied: list[str]
) -> None:
    verdict = through(rules)
    assert (verdict.accepted, verdict.only, verdict.denied) == (accepted, only, denied)


UFW_LIMIT = """:ufw-user-limit - [0:0]
:ufw-user-limit-accept - [0:0]
-p tcp -m tcp --dport 12345 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --mask 255.255.255.255 --rsource
-p tcp -m tcp --dport 12345 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 -j ufw-user-limit
-p tcp -m tcp --dport 12345 -j ufw-user-limit-accept
-A ufw-user-limit -m limit --limit 3/min -j LOG --log-prefix "[UFW LIMIT BLOCK] "
-A ufw-user-limit -j REJECT --reject-with icmp-port-unreachable
-A ufw-user-limit-accept -j ACCEPT"""


@pytest.mark.parametrize(("rules", "accepted", "condition"), [
    (UFW_LIMIT, True, "--hitcount 6"),
    ("-p tcp -m hashlimit --hashlimit-above 5/sec --hashlimit-name x -j DROP\n-j ACCEPT", True, "hashlimit"),
    ("-p tcp --syn -m connlimit --connlimit-above 3 --connlimit-mask 32 -j REJECT\n-j ACCEPT", True, "connlimit"),
    ("-p tcp -m connlimit --connlimit-upto 3 -j ACCEPT", False, "connlimit"),
    ("-p tcp --dport 12345 -m limit --limit 10/min -j ACCEPT", False, "--limit 10/min"),
    ("-m time --timestart 08:00 --timestop 18:00 -j ACCEPT", False, "time"),
    ("-m statistic --mode random --probability 0.5 -j DROP\n-j ACCEPT", True, "statistic"),
    ("-m set --match-set friends src -j ACCEPT", False, "friends"),
])
def test_a_condition_of_iptables_is_neither_open_nor_closed(rules: str, accepted: bool, condition: str) -> None:
    verdict = through(rules)
    assert verdict.accepted == accepted
    assert [condition in rule.text for rule in verdict.conditions] == [True]


@pytest.mark.parametrize("rules", [
    "-j ACCEPT\n-p tcp -m connlimit --connlimit-above 3 -j DROP",
    "-m limit --limit 3/min -j LOG\n-j ACCEPT",
    "-p tcp --dport 22 -m recent --update --seconds 30 --hitcount 6 -j DROP\n-j ACCEPT",
    "-m recent --set --name DEFAULT\n-j ACCEPT",
])
def test_a_condition_that_changes_nothing_is_not_told(rules: str) -> None:
    assert through(rules).conditions == []


def test_a_forwarded_connection_is_known_by_the_port_of_its_client_too() -> None:
    rules = "-i eth0 -p tcp -m conntrack --ctstate DNAT --ctorigdstport {} --ctdir ORIGINAL -o docker0 -j ACCEPT"
    assert through(rules.format(8080), "FORWARD", THERE).accepted
    assert not through(rules.format(12345), "FORWARD", THERE).accepted
    assert through("! -i docker0 -o docker0 -d 172.17.0.2/32 -p tcp --dport 12345 -j ACCEPT", "FORWARD", THERE).accepted


def test_the_rules_of_both_variants_of_iptables_are_read_if_both_have_some() -> None:
    old, new = "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"
    seen = {
        "run iptables -V": [0, "iptables v1.8.9 (nf_tables)\n", ""], "run iptables-save": [0, new, ""],
        "run iptables-nft-save": [0, new, ""], "run iptables-legacy-save": [0, old, ""],
    }
    assert [table.program for table in iptables(Recorded(seen))] == ["iptables"]
    used = iptables(Recorded({**seen, "read /proc/net/ip_tables_names": "filter\n"}))
    assert [table.program for table in used] == ["iptables", "iptables-legacy"]
    legacy = iptables(Recorded({**seen, "run iptables -V": [0, "iptables v1.8.9 (legacy)\n", ""]}))
    assert [table.program for table in legacy] == ["iptables", "iptables-nft"]


# --- nft ---

def rulings(text: str, way: str = "input", connection: Connection = HERE) -> list[Ruling]:
    return list(rule_on(parse_ruleset(text), way, connection))


def ruling(rules: str, hook: str = "input", *, policy: str = "accept", more: str = "", priority: str = "filter",
           connection: Connection | None = None) -> Verdict:
    """The verdict on a chain at that hook with these rules, in a table with more parts."""
    lines = "\n".join(f"\t\t{rule} # handle {number}" for number, rule in enumerate(rules.splitlines(), 5))
    text = (f"table inet mine {{ # handle 3\n{more}\tchain c {{ # handle 1\n"
            f"\t\ttype filter hook {hook} priority {priority}; policy {policy};\n{lines}\n\t}}\n}}\n")
    way = "forward" if hook == "forward" else "input"
    (found,) = rulings(text, way, connection or (THERE if hook == "forward" else HERE))
    return found.verdict


@pytest.mark.parametrize(("rules", "accepted"), [
    ("tcp dport 12345 drop", False),
    ("tcp dport 12345 counter packets 0 bytes 0 reject with tcp reset", False),
    ("tcp dport { 22, 12000-13000 } drop", False),
    ("tcp dport { 22, 80 } drop", True),
    ("tcp dport != { 22, 80 } drop", False),
    ("udp dport 12345 drop", True),
    ("ip6 saddr ::/0 drop", True),
    ('iif "lo" drop', True),
    ('iifname "eth*" tcp dport 12345 drop', False),
    ('iifname != "lo" log prefix "no drop " level info drop', False),
    ("meta l4proto { tcp, udp } th dport 12345 drop", False),
    ("ct state established,related accept\ndrop", False),
    ("ct state { established, related } accept\nct state new accept\ndrop", True),
    ("ct state invalid drop", True),
    ("ct state vmap { established : accept, new : drop }", False),
    ("tcp flags & (fin | syn | rst | ack) != syn ct state new drop", True),
    ("tcp dport vmap { 22 : accept, 12345 : drop }", False),
    ("ip daddr 192.168.56.10 drop", False),
    ("ip daddr 192.168.57.0/24 drop", True),
    ("ip protocol icmp accept\ncomment \"all others\"\ndrop", False),
    ("meta mark 0x00000001 drop", True),
    ("fib saddr . iif oif 0 drop", True),
    ("meta mark set 0x1\nreturn", True),
])
def test_a_rule_of_nft_is_for_a_connection_or_not(rules: str, accepted: bool) -> None:
    verdict = ruling(rules)
    assert verdict.accepted == accepted
    assert (verdict.only, verdict.denied, verdict.conditions) == ([], [], [])


@pytest.mark.parametrize(("rules", "policy", "accepted", "only", "denied"), [
    ("ip saddr 10.0.108.0/24 tcp dport 12345 accept", "drop", False, ["10.0.108.0/24"], []),
    ("ip saddr { 10.0.108.0/24, 10.0.109.7 } drop", "accept", True, [], ["10.0.108.0/24", "10.0.109.7"]),
    ("ip saddr != 10.0.108.0/24 drop", "accept", True, ["10.0.108.0/24"], []),
    ("ip saddr @class accept", "drop", False, ["10.0.108.1-10.0.108.99"], []),
])
def test_a_rule_of_nft_for_some_sources_is_kept_apart(
    rules: str, policy: str, accepted: bool, only: list[str], denied: list[str]
) -> None:
    more = "\tset class { # handle 2\n\t\ttype ipv4_addr\n\t\telements = { 10.0.108.1-10.0.108.99 }\n\t}\n"
    verdict = ruling(rules, policy=policy, more=more)
    assert (verdict.accepted, verdict.only, verdict.denied) == (accepted, only, denied)


@pytest.mark.parametrize("rule", [
    "tcp dport 12345 limit rate over 3/minute burst 5 packets drop",
    "tcp dport 12345 ct count over 3 reject",
    "tcp dport 12345 ct state new add @seen { ip saddr limit rate over 5/second } drop",
    "ip saddr . tcp dport @pairs drop",
    'meta hour "18:00"-"23:00" drop',
    "tcp dport 12345 queue num 0",
])
def test_a_condition_of_nft_is_neither_open_nor_closed(rule: str) -> None:
    policy = "drop" if "queue" in rule else "accept"
    verdict = ruling(rule, policy=policy)
    assert verdict.accepted == (policy == "accept")
    assert [found.text for found in verdict.conditions] == [rule]


def test_a_rule_that_decides_is_named_so_that_it_can_be_deleted() -> None:
    verdict = ruling("ct state established accept\ntcp dport 12345 drop")
    assert (verdict.rule.table, verdict.rule.chain, verdict.rule.handle) == ("inet mine", "c", "6")


def test_before_the_destination_changes_a_rule_sees_the_port_of_the_client() -> None:
    for hook, priority, port, accepted in (
        ("prerouting", "raw", 8080, False), ("prerouting", "raw", 12345, True),
        ("prerouting", "filter", 12345, False), ("prerouting", "dstnat + 10", 12345, False),
        ("prerouting", "-300", 8080, False), ("ingress device \"eth0\"", "0", 8080, False),
    ):
        assert ruling(f"tcp dport {port} drop", hook, priority=priority, connection=THERE).accepted == accepted, hook


def test_a_chain_of_another_card_or_direction_is_not_on_the_way() -> None:
    text = "table {} {{\n\tchain c {{\n\t\ttype filter hook {} priority 0; policy accept;\n\t\tdrop\n\t}}\n}}\n"
    assert rulings(text.format("netdev x", 'ingress device "wlan0"')) == []
    for table, hook in (("inet x", "output"), ("ip6 x", "input"), ("inet x", "forward"), ("bridge x", "input")):
        assert rulings(text.format(table, hook)) == [], hook
    assert len(rulings(text.format("netdev x", 'ingress device "eth1"'))) == 1


DOCKER = """table ip docker-bridges {
    map filter-forward-in-jumps {
        type ifname : verdict
        elements = { "br-1" : jump filter-forward-in__br-1,
                 "docker0" : jump filter-forward-in__docker0 }
    }
    chain filter-FORWARD {
        type filter hook forward priority filter; policy accept;
        oifname vmap @filter-forward-in-jumps
    }
    chain filter-forward-in__docker0 {
        ct state established,related counter packets 0 bytes 0 accept
        iifname "docker0" counter packets 0 bytes 0 accept comment "ICC"
        ip daddr 172.17.0.2 tcp dport 12345 counter packets 0 bytes 0 accept
        counter packets 0 bytes 0 drop comment "UNPUBLISHED PORT DROP"
    }
    chain nat-PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local counter packets 0 bytes 0 jump nat-prerouting-and-output
    }
    chain nat-prerouting-and-output {
        tcp dport 8080 counter packets 0 bytes 0 dnat to 172.17.0.2:12345 comment "DNAT"
    }
    chain raw-PREROUTING {
        type filter hook prerouting priority raw; policy accept;
        ip daddr 172.17.0.2 iifname != "docker0" counter packets 0 bytes 0 drop comment "DROP DIRECT ACCESS"
    }
}
"""


def test_the_tables_of_docker_29_let_a_published_port_through() -> None:
    tables = parse_ruleset(DOCKER)
    assert forwards(tables, 8080) == ["172.17.0.2:12345"]
    assert forwards(tables, 12345) == []
    assert all(found.verdict.accepted for found in rule_on(tables, "forward", THERE))
    gone = parse_ruleset(DOCKER.replace("tcp dport 12345 counter", "tcp dport 80 counter"))
    assert [found.verdict.accepted for found in rule_on(gone, "forward", THERE)].count(False) == 1


def test_the_tables_that_iptables_keeps_are_left_to_it() -> None:
    text = "table ip {} {{\n\tchain {} {{\n\t\ttype filter hook input priority filter; policy drop;\n\t}}\n}}\n"
    assert rulings(text.format("filter", "INPUT")) == []
    assert len(rulings(text.format("filter", "input"))) == len(rulings(text.format("mine", "INPUT"))) == 1
