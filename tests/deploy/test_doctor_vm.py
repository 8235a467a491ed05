"""The VM's hops, from what the real commands printed on a machine of the lab, changed where something breaks.

tests/deploy/record_doctor.py wrote the files in recorded/.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hops import walk
from machine import Recorded
from texts import render
from vm import HOPS, Vm

RECORDED = Path(__file__).parent / "recorded"
CONTAINER: dict[str, Any] = json.loads((RECORDED / "vm_container.json").read_text())
UNIT: dict[str, Any] = json.loads((RECORDED / "vm_unit.json").read_text())
DESK = "10.0.108.34"


def key(start: str, seen: dict[str, Any] = CONTAINER) -> str:
    """The one question that begins like this."""
    (found,) = [each for each in seen if each.startswith(start)]
    return found


PS, INSPECT, LOGS = key("run docker ps"), key("run docker inspect"), key("run docker logs")
HEALTH, RULES = "run docker exec classcord python3 /app/server.py health", "run iptables-save"
NFT = "run nft -a list ruleset"
SERVICE = key("run systemctl show --property=Load", UNIT)
OWNERS = key("owners", UNIT)
SILENT = {"probe 192.168.56.10 12345": ["timeout", ""], "probe 127.0.0.1 12345": ["timeout", ""]}
NOBODY = {"read /proc/net/tcp": "", "read /proc/net/tcp6": ""}
"""Nothing listens."""


class Said:
    """What the doctor says of a machine: (name of the hop, mark, text in English, remedies)."""

    def __init__(self, seen: dict[str, Any], *, port: int = 12345, name: str = "classcord", desk: str = "") -> None:
        found = walk(HOPS, Vm(Recorded(seen), port, name, desk))
        self.lines = [
            (hop, finding.mark, render(finding.text, "en"), [render(each, "en") for each in finding.remedies])
            for hop, finding in found
        ]

    def marks(self, mark: str) -> list[str]:
        return [text for _, found, text, _ in self.lines if found == mark]

    def is_told(self, mark: str, part: str, *remedies: str) -> None:
        """One line has the mark and that part, and each of the remedies is under it."""
        told = [(text, each) for _, found, text, each in self.lines if found == mark and part in text]
        assert len(told) == 1, self.lines
        for remedy in remedies:
            assert any(remedy in each for each in told[0][1]), told


def changed(seen: dict[str, Any], question: str, old: str, new: str) -> dict[str, Any]:
    """The recording with another answer to a question."""
    code, out, err = seen[question]
    assert old in out + err, out + err
    return {**seen, question: [code, out.replace(old, new), err.replace(old, new)]}


def said(out: str, *, code: int | None = 0, err: str = "") -> list[Any]:
    """An answer of a command."""
    return [code, out, err]


def test_a_container_that_works_has_no_broken_hop() -> None:
    got = Said(CONTAINER)
    assert got.marks("broken") == got.marks("warn") == got.marks("unknown") == []
    got.is_told("ok", "the container classcord runs")
    got.is_told("ok", "DOCKER-USER: lets port 12345 through")
    got.is_told("note", "seen: the server answers", "next, on the host:  sudo make doctor")


def test_a_unit_that_works_has_no_broken_hop() -> None:
    got = Said(UNIT)
    assert got.marks("broken") == got.marks("warn") == got.marks("unknown") == []
    got.is_told("ok", "the unit classcord.service is active")
    got.is_told("ok", "firewall: lets port 12345 in")


# --- what runs ---

def test_a_check_that_fails_or_is_slow_is_marked_while_the_published_port_answers() -> None:
    for answer in (said("", code=1, err="no answer from 127.0.0.1 port 12345\n"), said("", code=None)):
        got = Said({**CONTAINER, HEALTH: answer})
        got.is_told("warn", "the server answers at port 12345, but the check in the container fails")
        assert "restart" not in str(got.lines)
        got = Said({**CONTAINER, **SILENT, HEALTH: answer})
        got.is_told("broken", "health: inside the container: no answer", "docker restart classcord")


@pytest.mark.parametrize("line", ["RuntimeError: can't start new thread", "server.py: no thread can be started here"])
def test_an_engine_that_forbids_threads_is_named(line: str) -> None:
    seen = {**changed(CONTAINER, INSPECT, "running|", "exited|"), LOGS: said("", err=line + "\n"),
            **NOBODY}
    version = "run docker version --format {{.Server.Version}}"
    got = Said({**seen, version: said("20.10.5\n")})
    got.is_told("broken", "Docker 20.10.5 is too old for the image: it forbids threads", "install Docker 20.10.10",
                "sudo make install")
    got = Said({**seen, version: said("20.10.10\n")})
    got.is_told("broken", "the container classcord is stopped", "make docker-run")
    loops = changed(changed(CONTAINER, INSPECT, "running|0", "restarting|7"), PS, "Up", "Restarting (1) Up")
    got = Said({**loops, LOGS: said("", err=line + "\n"), version: said("19.3.8\n")})
    got.is_told("broken", "Docker 19.3.8 is too old")


def test_another_program_is_named_unless_it_turns_out_to_be_the_server() -> None:
    gone = {SERVICE: said("LoadState=not-found\nActiveState=inactive\n")}
    web = {OWNERS: [[4321, "nginx", "nginx: master process", "nginx.service"]]}
    other = {"probe 127.0.0.1 12345": ["other", "HTTP/1.1 400 Bad Request"]}
    Said({**UNIT, **gone, **web, **other}).is_told(
        "broken", "taken by another program, nginx (process 4321): connected, but this is not a ClassCord server: HTTP",
        "stop it:  sudo systemctl disable --now nginx", "then:  make docker-run",
    )
    shell = {OWNERS: [[99, "python3", "python3 -m http.server 12345", "session-3.scope"]]}
    Said({**UNIT, **shell, **other}).is_told("broken", "python3 (process 99)", "stop it:  sudo kill 99",
                                             "then:  sudo systemctl restart classcord")
    Said({**UNIT, **gone, OWNERS: [], **other}).is_told("broken", "taken by another program", "root can see which one")
    mine = {OWNERS: [[99, "java", "java -jar MyServer.jar", "session-3.scope"]]}
    Said({**UNIT, **gone, **mine}).is_told("ok", "a plain process listens on port 12345, java (process 99)")


def test_two_containers_are_told_and_the_asked_one_is_kept() -> None:
    second = 'eager_turing|Up 2 hours|0.0.0.0:2000->12345/tcp|classcord-server|"python3 /app/server.py"\n'
    code, out, err = CONTAINER[PS]
    got = Said({**CONTAINER, PS: [code, second + out, err]})
    got.is_told("warn", "2 ClassCord servers run", "docker stop eager_turing")
    assert "docker stop classcord" not in str(got.lines)


def test_an_engine_that_hangs_while_the_server_answers_is_left_for_after_the_lesson() -> None:
    seen = {**CONTAINER, PS: said("", code=None), "probe 127.0.0.1 12345": ["answers", ""]}
    Said(seen).is_told("broken", "the Docker engine does not answer", "after the lesson only:  sudo systemctl restart")
    Said({**seen, **SILENT}).is_told("broken", "the Docker engine does not answer")
    assert "after the lesson" not in str(Said({**seen, **SILENT}).lines)


def test_a_unit_that_has_failed_says_why_from_its_own_log_beside_an_old_container() -> None:
    stopped = changed(changed(CONTAINER, INSPECT, "running|", "exited|"), PS, "Up", "Exited (0)")
    failed = changed(changed(UNIT, SERVICE, "=active", "=failed"), SERVICE, "Result=success", "Result=exit-code")
    journal = key("run journalctl _SYSTEMD", UNIT)
    reason = "server.py: CLASSCORD_PORT: 'many' is not allowed"
    got = Said({**stopped, SERVICE: failed[SERVICE], journal: said(f"{reason}\n"), "run journalctl --sync": said(""),
                **NOBODY, "has journalctl": True})
    got.is_told("broken", f"classcord.service has failed (Result=exit-code ExecMainStatus=0): {reason}",
                "sudo systemctl reset-failed classcord")


# --- Docker's network and firewall ---

def test_forwarding_that_is_off_is_broken_with_the_files_that_switch_it_off() -> None:
    off = {"read /proc/sys/net/ipv4/ip_forward": "0\n"}
    grep = "run grep -rlE ^[^#;]*ip_forward[[:space:]]*=[[:space:]]*0 /etc/sysctl.conf /etc/sysctl.d /run/sysctl.d " \
           "/usr/lib/sysctl.d /etc/ufw/sysctl.conf"
    Said({**CONTAINER, **off, grep: said("/etc/sysctl.d/99-lab.conf\n")}).is_told(
        "broken", "forwarding: off (ip_forward=0)", "sudo sysctl -w net.ipv4.ip_forward=1", "/etc/sysctl.d/99-lab.conf")
    Said({**CONTAINER, **off, grep: said("", code=1)}).is_told("broken", "forwarding: off", "/etc/sysctl.d")
    assert Said({**UNIT, **off}).marks("broken") == [], "a unit needs no forwarding"


def test_a_card_of_docker_that_is_down_or_gone_needs_a_restart_of_docker() -> None:
    link = "run ip -o link show dev docker0"
    down = changed(CONTAINER, link, "MULTICAST,UP", "MULTICAST")
    down = changed(down, link, "LOWER_UP", "NO-CARRIER") if "LOWER_UP" in down[link][1] else down
    Said({**down, **SILENT}).is_told("broken", "the card docker0 is down", "sudo systemctl restart docker")
    gone = changed(CONTAINER, "run ip -4 -o addr show scope global", "172.17.0.1/16", "172.18.0.1/16")
    Said({**gone, **SILENT}).is_told("broken", "bridge has no card with the address 172.17.0.1 any more",
                                     "sudo systemctl restart docker")
    other = changed(gone, INSPECT, "bridge 172.17", "macvlan 172.17")
    assert "any more" not in str(Said(other).lines), "a network of another kind"


NO_RULES = {RULES: said("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n"), NFT: said("")}


@pytest.mark.parametrize(("path", "text", "why"), [
    ("/etc/docker/daemon.json", '{"iptables": false}', '"iptables": false (/etc/docker/daemon.json)'),
    ("/var/snap/docker/current/config/daemon.json", '{"iptables": false}', "(/var/snap/docker/current"),
    ("/proc/77/cmdline", "/usr/bin/dockerd\0--iptables=false\0", "dockerd --iptables=false"),
    ("/dev/null", "", "rootless"),
])
def test_an_engine_that_leaves_the_firewall_alone_is_not_to_be_restarted(path: str, text: str, why: str) -> None:
    seen = {**CONTAINER, **NO_RULES, f"read {path}": text, "read /run/docker.pid": "77\n"}
    if why == "rootless":
        seen[key("run docker info")] = said("Debian GNU/Linux 12 (bookworm)|true|[name=seccomp name=rootless]")
    got = Said(seen)
    got.is_told("warn", "Docker leaves the firewall alone (")
    assert why in str(got.marks("warn"))
    assert "come as 172.17.0.1" in str(got.marks("warn"))
    got.is_told("ok", "firewall: lets port 12345 in")
    assert "restart docker" not in str(got.lines)
    closed = {RULES: said("*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n")}
    Said({**seen, **closed}).is_told("broken", "iptables drops port 12345 (policy DROP)", "-I INPUT -p tcp")


def test_without_its_rule_docker_is_restarted_later_while_its_program_passes_the_port_on() -> None:
    """After `iptables -t nat -F`, a restart would throw everybody out, though chatting works."""
    for settings in (None, '{"firewall-backend": "nftables"}', '{"iptables": true}'):
        seen = {**CONTAINER, **NO_RULES, "read /etc/docker/daemon.json": settings}
        got = Said(seen)
        got.is_told("warn", "Docker's NAT rule for port 12345 is gone", "only:  sudo systemctl restart docker")
        got.is_told("ok", "firewall: lets port 12345 in")
        assert got.marks("broken") == []
        dropped = {RULES: said("*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\nCOMMIT\n")}
        Said({**seen, **dropped}).is_told("broken", "iptables drops port 12345 (policy DROP)", "-I INPUT -p tcp")
        got = Said({**seen, **SILENT, **NOBODY})
        got.is_told("broken", "Docker's NAT rule for port 12345 is gone", "sudo systemctl restart docker")
        assert len(got.marks("broken")) == 1
        kept = {"owners 9741728": [[248, "dockerd", "/usr/sbin/dockerd -H fd://", "docker.service"]]}
        got = Said({**seen, **kept, "probe 192.168.56.10 12345": ["silent", ""]})
        got.is_told("broken", "Docker's NAT rule for port 12345 is gone", "sudo systemctl restart docker")
        assert len(got.marks("broken")) == 1, "the engine keeps the port, and answers nobody"
    snap = {"read /var/snap/docker/current/config/daemon.json": "{}", **SILENT, **NOBODY}
    Said({**CONTAINER, **NO_RULES, **snap}).is_told("broken", "NAT rule", "sudo snap restart docker")


def test_rules_that_cannot_be_seen_are_not_called_gone() -> None:
    for more in ({"read /etc/docker/daemon.json": '{"firewall-backend": "nftables"}'}, {"has iptables-save": False}):
        got = Said({**CONTAINER, **NO_RULES, "has nft": False, **more})
        got.is_told("unknown", "without the command nft, Docker's rules can't be seen", "sudo apt install nftables")
        assert "gone" not in str(got.lines)


@pytest.mark.parametrize(("path", "text", "remedies"), [
    ("/etc/docker/daemon.json", '{"iptables": false}',
     ['take "iptables": false out of this file (or make it true):  sudoedit /etc/docker/daemon.json']),
    ("/etc/docker/daemon.json", '{"iptables": false, "userland-proxy": false}',
     ['take "userland-proxy": false out of this file (or make it true):  sudoedit /etc/docker/daemon.json']),
    ("/proc/77/cmdline", "/usr/bin/dockerd\0--iptables=false\0--userland-proxy=false\0",
     ["take --userland-proxy=false out of dockerd's options", "systemctl cat docker; cat /etc/default/docker"]),
    ("/proc/77/cmdline", "/usr/bin/dockerd\0--iptables=0\0", ["take --iptables=0 out of dockerd's options"]),
    ("/dev/null", "", ["systemctl --user restart docker"]),
])
def test_an_engine_without_rules_and_without_its_program_lets_nobody_in(
    path: str, text: str, remedies: list[str]
) -> None:
    asked = {f"read {path}": text, "read /run/docker.pid": "77\n"}
    seen: dict[str, Any] = {**CONTAINER, **NO_RULES, **SILENT, **asked}
    if "userland" not in text:  # else the engine itself listens
        seen |= NOBODY
    if not text:
        seen[key("run docker info")] = said("Debian GNU/Linux 12 (bookworm)|true|[name=seccomp name=rootless]\n")
    got = Said(seen)
    got.is_told("broken", "no program passes port 12345 on", *remedies)
    assert ("sudoedit" in str(got.lines)) == path.endswith("json")


def test_the_tables_of_docker_29_are_followed() -> None:
    table = """table ip docker-bridges { # handle 1
    chain filter-FORWARD { # handle 2
        type filter hook forward priority filter; policy accept;
        oifname "docker0" jump in # handle 3
    }
    chain in { # handle 4
        ip daddr 172.17.0.2 tcp dport 12345 counter packets 0 bytes 0 accept # handle 5
        counter packets 0 bytes 0 drop comment "UNPUBLISHED PORT DROP" # handle 6
    }
    chain nat { # handle 7
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local tcp dport 12345 counter packets 0 bytes 0 dnat to 172.17.0.2:12345 # handle 8
    }
}
"""
    guard = """table inet classcord-guard {
    chain forward {
        type filter hook forward priority filter - 5; policy accept;
        ct state established,related accept
        meta l4proto tcp ip saddr 10.0.107.0/24 ct status dnat ct direction original ct original proto-dst 12345 accept
        ct status dnat drop
    }
}
"""
    got = Said({**CONTAINER, **NO_RULES, NFT: said(table)})
    assert got.marks("broken") == got.marks("warn") == []
    got = Said({**CONTAINER, **NO_RULES, NFT: said(table + guard)})
    got.is_told("warn", "guard of deploy/ufw.sh: lets port 12345 through from 10.0.107.0/24 only",
                "sudo sh deploy/ufw.sh apply --from 10.0.108.0/24")


def test_rules_of_the_old_iptables_beside_the_new_ones_are_told_and_followed() -> None:
    """As snap's Docker makes them."""
    docker = CONTAINER[RULES][1]
    seen = {**CONTAINER, **NO_RULES, "has iptables-legacy-save": True, "has iptables-nft-save": True,
            "run iptables -V": said("iptables v1.8.9 (nf_tables)\n"), "read /proc/net/ip_tables_names": "filter\nnat\n",
            "run iptables-legacy-save": said(docker.replace("-A DOCKER-USER -j RETURN", "-A DOCKER-USER -j DROP"))}
    seen[RULES] = said("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n")
    got = Said(seen)
    got.is_told("warn", "two variants of iptables have rules here", "sudo iptables-legacy -S")
    got.is_told("broken", "DOCKER-USER: a rule drops port 12345", "sudo iptables-legacy -D DOCKER-USER -j DROP")


# --- firewalls of the VM ---

LIMIT = """*filter
:INPUT DROP [0:0]
:ufw-user-input - [0:0]
:ufw-user-limit - [0:0]
-A INPUT -j ufw-user-input
-A ufw-user-input -p tcp -m tcp --dport 12345 -m conntrack --ctstate NEW -m recent --set --name DEFAULT --rsource
-A ufw-user-input -p tcp -m tcp --dport 12345 -m recent --update --seconds 30 --hitcount 6 --rsource -j ufw-user-limit
-A ufw-user-input -p tcp -m tcp --dport 12345 -j ACCEPT
-A ufw-user-limit -j REJECT --reject-with icmp-port-unreachable
COMMIT
"""
UFW = {"read /etc/ufw/ufw.conf": "ENABLED=yes\n", RULES: said(LIMIT)}


@pytest.mark.parametrize("rule", [
    "limit 12345/tcp", "limit 12345", "limit from 10.0.108.0/24 to any port 12345 proto tcp", "limit ClassCord",
    "limit 12000:13000/tcp", "limit in on eth0 to any port 12345 proto tcp",
])
def test_a_limit_of_ufw_is_marked_with_the_command_that_removes_it(rule: str) -> None:
    others = "ufw limit 22/tcp\nufw limit OpenSSH\nufw limit 12345/udp\nufw limit from any to any app OpenSSH\n"
    added = f"Added user rules (see 'ufw status' for running firewall):\n{others}ufw {rule} comment 'x'\n"
    got = Said({**UNIT, **UFW, "run ufw show added": said(added)})
    got.is_told("warn", "ufw: lets port 12345 in, but a rule limits connections", f"sudo ufw delete {rule}",
                "then:  sudo sh deploy/ufw.sh apply")
    assert str(got.lines).count("sudo ufw delete") == 1
    got.is_told("note", "What remains: the firewall's lines marked ! above, then the host's")


def test_a_rule_of_ufw_that_keeps_the_port_out_is_to_be_deleted_first() -> None:
    rules = LIMIT.replace("-j ACCEPT", "-j DROP").replace("-m recent --update --seconds 30 --hitcount 6 --rsource ", "")
    seen = {**UNIT, **UFW, RULES: said(rules.replace("-j ufw-user-limit", "-j DROP"))}
    got = Said({**seen, "run ufw show added": said("ufw allow 22/tcp\nufw deny 12345\nufw reject 80/tcp\n")})
    got.is_told("broken", "ufw: is on and has a rule that keeps port 12345 out", "sudo ufw delete deny 12345", "then:")
    got = Said({**seen, "run ufw show added": said("ufw allow 22/tcp\n")})
    got.is_told("broken", "ufw: is on and has no rule that lets port 12345 in", "sudo sh deploy/ufw.sh apply")


def test_a_limit_shuts_out_a_class_that_comes_from_one_address() -> None:
    seen = {**UNIT, **UFW, "run ufw show added": said("ufw limit 12345/tcp\n")}
    journal = key("run journalctl _SYSTEMD", UNIT)
    one = "event=listening port=12345 data=/var/lib/classcord\nevent=login peer=192.168.56.1 user=alice\n"
    way = "run ip -4 route get 192.168.56.1"
    got = Said({**seen, journal: said(one), way: said("192.168.56.1 dev eth0 src 192.168.56.10 uid 0\n")})
    got.is_told("broken", "all desks come as 192.168.56.1: it shuts the class out", "sudo ufw delete limit 12345/tcp")


# --- the way back ---

@pytest.mark.parametrize(("state", "mark", "part"), [
    ("REACHABLE", "ok", "via 192.168.56.1, which exists"), ("STALE", "ok", "could not be checked"),
    ("FAILED", "broken", "an address that nobody has"), ("INCOMPLETE", "broken", "an address that nobody has"),
])
def test_the_gateway_must_exist(state: str, mark: str, part: str) -> None:
    Said({**UNIT, "neighbour 192.168.56.1": state}).is_told(mark, part)


def test_a_desk_whose_answers_go_astray_is_named() -> None:
    way = f"run ip -4 route get {DESK}"
    question = key("run docker network inspect")
    bridges = CONTAINER[question][1] + "room|fedcba9876543210|{}|bridge\n"
    networks = {question: said(bridges.format("")),
                "run docker network inspect -f {{range .Containers}}{{.IPv4Address}} {{end}} room": said("")}
    seen = {**CONTAINER, way: said(f"{DESK} dev br-fedcba987654 src 10.0.108.1 uid 0\n"), **networks}
    named = {way: said(f"{DESK} dev room0 src 10.0.108.1 uid 0\n"), question: said(bridges.format("room0"))}
    Said({**seen, **named}, desk=DESK).is_told("broken", "into the Docker network room (room0)")
    got = Said(seen, desk=DESK)
    got.is_told("broken", f"answers to {DESK} leave into the Docker network room", "docker network rm room")
    Said({**CONTAINER, way: said("", code=2, err="RTNETLINK answers: Network is unreachable\n")}, desk=DESK).is_told(
        "broken", f"there is no way to {DESK}")
    inside = {**networks, "run docker network inspect -f {{range .Containers}}{{.IPv4Address}} {{end}} room":
              said(f"{DESK}/24 ")}
    log = said("", err=f"event=listening port=12345 data=/data\nevent=login peer={DESK}\n")
    assert Said({**seen, **inside, LOGS: log}).marks("broken") == [], "that client is a container"
    assert len(Said({**seen, LOGS: log}).marks("broken")) == 1


# --- the data ---

@pytest.mark.parametrize(("free", "mark", "part"), [
    ("9000", "broken", "the disk is full"), ("60000", "warn", "the disk is almost full"), ("900000", "ok", "878 MB"),
])
def test_a_volume_that_fills_up_is_told_with_what_frees_it(free: str, mark: str, part: str) -> None:
    df = key("run docker exec classcord df")
    room = f"Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 1 1 {free} 99% /\n"
    got = Said({**CONTAINER, df: said(room)})
    remedies = () if mark == "ok" else ("du -ah", "/backups", "frees nothing in a volume:  docker system prune")
    got.is_told(mark, part, *remedies)
