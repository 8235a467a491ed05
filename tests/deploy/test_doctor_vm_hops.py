"""The VM's hops that are not about firewalls, each broken in turn, from recordings of the real commands."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.test_doctor_vm import (
    CONTAINER,
    DESK,
    HEALTH,
    INSPECT,
    LOGS,
    NO_RULES,
    NOBODY,
    OWNERS,
    PS,
    SERVICE,
    SILENT,
    UNIT,
    Said,
    changed,
    key,
    said,
)
from tests.support import ROOT

PORTS = "run docker port classcord"
CARDS = "run ip -4 -o addr show scope global"
SOCKET = key("run systemctl show --property=Active", UNIT)
TCP6 = "read /proc/net/tcp6"
ANY, LOOPBACK, ONE = "0" * 32, "0" * 24 + "01000000", "0" * 16 + "FFFF00000A38A8C0"
"""Addresses as the kernel prints them in /proc/net/tcp6: all, ::1, and 192.168.56.10."""


def logged(*peers: str) -> dict[str, Any]:
    """A log in which these clients have come."""
    lines = ["event=listening port=12345 data=/data", *(f"event=login peer={peer}" for peer in peers)]
    return {LOGS: said("", err="\n".join(lines) + "\n")}


def by_route(route: str, *desks: str) -> dict[str, Any]:
    """The way to these desks."""
    return {f"run ip -4 route get {desk}": said(f"{desk} {route} src 192.168.56.10 uid 0\n") for desk in desks}


# --- the server ---

def test_a_slow_check_in_the_network_of_the_vm_is_no_reason_for_a_restart() -> None:
    seen = {**changed(CONTAINER, INSPECT, "|default|bridge", "|host|host"), PORTS: said(""),
            "probe 127.0.0.1 12345": ["answers", ""]}
    got = Said({**seen, HEALTH: said("", code=None)})
    got.is_told("warn", "the server answers at port 12345, but the check in the container fails", "docker logs")
    assert "restart" not in str(got.lines)
    got = Said({**seen, **SILENT, HEALTH: said("", code=None)})
    got.is_told("broken", "health: inside", "docker restart classcord")


def test_a_limit_of_memory_without_effect_is_told_with_what_a_raspberry_pi_needs() -> None:
    """As Raspberry Pi OS starts."""
    got = Said(changed(CONTAINER, key("run docker info"), "|true|", "|false|"))
    got.is_told("warn", "the limit (--memory) has no effect", "cgroup_enable=memory", "/boot/firmware/cmdline.txt")
    assert got.marks("broken") == []


DOWN = said("", code=1, err="Cannot connect to the Docker daemon at unix:///var/run/docker.sock.\n")
FORBIDDEN = said("", code=1, err="permission denied while trying to connect to the Docker daemon socket\n")


@pytest.mark.parametrize("root", [True, False])
@pytest.mark.parametrize("usual", [DOWN, FORBIDDEN, said("", code=None), said("")])
def test_an_engine_of_the_user_is_asked_whatever_the_usual_one_says(usual: list[Any], root: bool) -> None:
    """A rootless engine runs the container; the system's engine is down, forbidden, hangs, or has none."""
    seen: dict[str, Any] = {PS: usual, "root": root, "environment SUDO_UID": "1000" if root else "",
                            "environment XDG_RUNTIME_DIR": "/run/user/0" if root else "/run/user/1000",
                            "run test -S /run/user/1000/docker.sock": said("")}
    for question, answer in CONTAINER.items():
        theirs = question.replace("run docker ", "run docker -H unix:///run/user/1000/docker.sock ", 1)
        seen.setdefault(theirs, answer)
    (info,) = [each for each in seen if " info " in each]
    seen[info] = said("Debian GNU/Linux 12 (bookworm)|true|[name=seccomp name=rootless]\n")
    got = Said({**seen, "run iptables-save": said("")})
    got.is_told("ok", "the container classcord runs")
    assert got.marks("broken") == []
    assert "plain process" not in str(got.lines)


def test_a_program_that_passes_the_port_on_is_not_called_the_server() -> None:
    gone = {SERVICE: said("LoadState=not-found\nActiveState=inactive\n")}
    for name in ("rootlesskit", "docker-proxy", "pasta"):
        got = Said({**UNIT, **gone, OWNERS: [[4321, name, f"/usr/bin/{name} --x", "user@1000.service"]]})
        got.is_told("unknown", f"{name} (process 4321) passes port 12345 on to a container",
                    "as the user who started the container, not as root:  make doctor")
        assert "its terminal" not in str(got.lines)


# --- its settings ---

def test_the_port_of_a_unit_that_is_not_the_asked_one_is_told() -> None:
    stopped = changed(changed(UNIT, SERVICE, "=active", "=inactive"), SERVICE, "=running", "=dead")
    env = {"read /etc/classcord/classcord.env": "CLASSCORD_PORT=2000\n"}
    got = Said({**stopped, **NOBODY, **env})
    got.is_told("warn", "the unit's port is 2000, not 12345", "set CLASSCORD_PORT=12345", "sudo make doctor PORT=2000")
    got = Said({**UNIT, **env})
    got.is_told("warn", "from its next start the unit's port is 2000, not 12345", "sudo systemctl restart classcord")
    socket = {SOCKET: said("ActiveState=active\nUnitFileState=enabled\nListen=[::]:2000 (Stream)\n")}
    got = Said({**stopped, **NOBODY, **socket})
    got.is_told("broken", "listens on port 2000, not on 12345", "sudo systemctl edit classcord.socket", "PORT=2000")
    assert got.marks("warn") == [], "one hop names it"


# --- where it listens ---

@pytest.mark.parametrize(("address", "mark", "part", "remedy"), [
    (LOOPBACK, "broken", "on loopback only (::1)", "start it without --host 127.0.0.1"),
    ("000080FE00000000FF8CB800024AB7FE", "broken", "on an IPv6 address only", "start it without --host"),
    (ONE, "ok", "listening: on 192.168.56.10", ""),
])
def test_an_address_at_which_the_unit_listens_is_judged(address: str, mark: str, part: str, remedy: str) -> None:
    seen = {**UNIT, TCP6: UNIT[TCP6].replace(f"{ANY}:3039", f"{address}:3039")}
    seen |= {f"probe {there} 12345": ["answers", ""] for there in ("::1", "fe80::b8:8cff:feb7:4a02")}
    Said(seen).is_told(mark, part, *filter(None, [remedy]))


@pytest.mark.parametrize(("ports", "part", "remedy"), [
    ("", "the container's port is not published", "docker rm -f classcord; make docker-run"),
    ("12345/tcp -> 0.0.0.0:8080\n", "port 12345 is not published, but 8080 is", "sudo make doctor PORT=8080"),
    ("12345/tcp -> 127.0.0.1:12345\n", "published: on 127.0.0.1 only", "docker rm -f classcord; make docker-run"),
    ("12345/tcp -> [::1]:12345\n", "published: on 127.0.0.1 only", "docker rm -f classcord; make docker-run"),
])
def test_a_port_of_the_container_that_nobody_reaches_is_broken(ports: str, part: str, remedy: str) -> None:
    Said({**CONTAINER, PORTS: said(ports), "probe 127.0.0.1 12345": ["refused", ""]}).is_told("broken", part, remedy)


def test_a_port_that_another_program_took_is_to_be_freed_first() -> None:
    seen = {**CONTAINER, PORTS: said(""), "probe 127.0.0.1 12345": ["other", "HTTP"],
            "owners 9741728": [[99, "python3", "python3 -m http.server 12345", "session-3.scope"]]}
    Said(seen).is_told("broken", "not published", "taken by python3 (process 99); stop it:  sudo kill 99")


def test_a_server_on_the_loopback_of_its_container_is_broken() -> None:
    inside = key("run docker exec classcord cat")
    seen = changed(CONTAINER, inside, f"{ANY}:3039", f"{LOOPBACK}:3039")
    Said(seen).is_told("broken", "inside the container on 127.0.0.1 only", "without --host", "make docker-run")


# --- the VM's address ---

def test_a_vm_without_an_address_is_told() -> None:
    none = {CARDS: said("3: docker0    inet 172.17.0.1/16 scope global docker0\n")}
    got = Said({**CONTAINER, **none, "probe 127.0.0.1 12345": ["answers", ""]})
    got.is_told("broken", "this VM has no address", "ip link", "sudo dhclient")
    assert not any("seen: " in text for text in got.marks("note"))
    Said({**CONTAINER, "has ip": False}).is_told("unknown", "needs the command ip", "sudo apt install iproute2")


def test_an_address_of_the_loopback_card_is_none_that_others_can_use() -> None:
    """WSL has one there, for its name server."""
    lo = "1: lo    inet 10.255.255.254/32 brd 10.255.255.254 scope global lo\n"
    got = Said({**UNIT, CARDS: said(lo + UNIT[CARDS][1])})
    got.is_told("ok", "address: 192.168.56.10 (eth0) - give it to --vm")


@pytest.mark.parametrize("seen", [CONTAINER, UNIT])
@pytest.mark.parametrize("kind", ["refused", "timeout", "silent", "closed"])
def test_a_server_that_does_not_answer_at_the_address_of_the_vm_is_broken(seen: dict[str, Any], kind: str) -> None:
    got = Said({**seen, "probe 192.168.56.10 12345": [kind, ""]})
    got.is_told("broken", "from here: 192.168.56.10 port 12345: conne" if kind != "timeout" else "from here: 192.168",
                "does it listen on that address?  sudo ss -ltnp 'sport = :12345'")
    assert not any("seen: " in text for text in got.marks("note"))


# --- the way back ---

def test_each_of_many_desks_is_checked_and_a_line_names_some() -> None:
    desks = [f"10.0.108.{number}" for number in range(2, 32)]
    seen = {**CONTAINER, **logged(*reversed(desks)), **by_route("via 192.168.56.1 dev eth0", *desks)}
    got = Said(seen)
    names = "10.0.108.2 10.0.108.3 10.0.108.4 10.0.108.5 10.0.108.6 10.0.108.7 10.0.108.8 10.0.108.9 … (30)"
    got.is_told("ok", f"answers to {names} leave by eth0 via 192.168.56.1")
    got.is_told("ok", f"desks: the server has seen {names}")
    networks = key("run docker network inspect")
    room = {networks: said(CONTAINER[networks][1] + "room|fedcba9876543210|<no value>|bridge\n"),
            "run docker network inspect -f {{range .Containers}}{{.IPv4Address}} {{end}} room": said("10.0.108.29/28 ")}
    last = {**by_route("dev br-fedcba987654", *desks[26:29]), f"run ip -4 route get {desks[29]}": said("", code=2)}
    got = Said({**seen, **room, **last})
    got.is_told("broken", "answers to 10.0.108.28 10.0.108.30 leave into the Docker network room")
    got.is_told("broken", "there is no way to 10.0.108.31", "ip route get 10.0.108.31")
    got.is_told("ok", "… (26) leave by eth0")


# --- the desks ---

@pytest.mark.parametrize(("peers", "address"), [(["10.0.2.2"], "10.0.2.2"), (["192.168.56.1"], "192.168.56.1")])
def test_one_address_for_all_desks_is_marked(peers: list[str], address: str) -> None:
    seen = {**CONTAINER, **logged(*peers), **by_route("dev eth0", *peers)}
    got = Said(seen)
    got.is_told("warn", f"desks: they come as {address}",
                "sudo sh deploy/nat/linux.sh apply --vm 192.168.56.10 --no-masquerade")
    assert "--port" not in str(got.lines)


def test_the_address_of_dockers_program_is_not_taken_for_that_of_a_nat() -> None:
    """The server warns of one address for all, and the NAT of the host is not the cause."""
    log = {LOGS: said("", err="event=listening port=12345 data=/data\nevent=login peer=172.17.0.1\n"
                              "event=nat_hides_clients peer=172.17.0.1\n")}
    got = Said({**CONTAINER, **NO_RULES, **log, "read /etc/docker/daemon.json": '{"iptables": false}'})
    got.is_told("note", "desks: they all come as 172.17.0.1, that of the program")
    assert "masquerade" not in str(got.lines)
    got.is_told("note", "way back to the desks: not checked")
    got = Said({**CONTAINER, **log})
    got.is_told("note", "desks: none has connected yet")


def test_the_commands_for_another_port_name_it() -> None:
    seen = changed(UNIT, SERVICE, "server.py ;", "server.py --port 2000 ;")
    seen[TCP6] = UNIT[TCP6].replace(":3039", ":07D0")
    seen |= {f"probe {there} 2000": ["answers", ""] for there in ("127.0.0.1", "192.168.56.10")}
    journal = key("run journalctl _SYSTEMD", UNIT)
    seen[journal] = said("event=listening port=2000 data=/var/lib/classcord\nevent=login peer=192.168.56.1\n")
    got = Said({**seen, **by_route("dev eth0", "192.168.56.1")}, port=2000)
    got.is_told("warn", "desks: they come as", "linux.sh apply --vm 192.168.56.10 --port 2000 --no-masquerade")
    got.is_told("note", "seen: the server answers", "--vm 192.168.56.10' PORT=2000", "status --port 2000",
                "10.0.108.Y --port 2000")


def test_without_desks_in_the_log_or_without_a_log_it_says_so() -> None:
    Said({**CONTAINER, **logged()}).is_told("note", "desks: none has connected yet")
    Said({**CONTAINER, LOGS: said("")}).is_told("unknown", "the server's log can't be read", "sudo make doctor")


# --- where to look next ---

def test_on_windows_the_next_command_runs_whatever_its_policy_says() -> None:
    got = Said(UNIT)
    got.is_told("note", "the host's forwarding (there is none if the VM is bridged)",
                r"powershell -ExecutionPolicy Bypass -File deploy\nat\windows-portproxy.ps1 status")
    seen = changed(UNIT, CARDS, "192.168.56.10", "10.0.2.15")
    got = Said({**seen, "probe 10.0.2.15 12345": ["answers", ""]})
    got.is_told("note", "seen: the server answers at 10.0.2.15", "-File deploy\\nat\\virtualbox.ps1 status",
                "on the host:  make doctor ARGS=--from-host")


def test_a_bridged_vm_is_not_sent_to_a_forwarding_of_the_host() -> None:
    """It is in the room's network, or on the same network as the desk that was given."""
    here = changed(UNIT, CARDS, "192.168.56.10", "10.0.108.50")
    too = {**here, CARDS: said("1: eth1    inet 10.0.2.15/24 scope global eth1\n" + here[CARDS][1])}
    answers = {"probe 10.0.108.50 12345": ["answers", ""]}
    there = by_route("dev eth0", "192.168.56.77")
    for got, address in ((Said({**here, **answers}), "10.0.108.50"), (Said({**too, **answers}), "10.0.108.50"),
                         (Said({**UNIT, **there}, desk="192.168.56.77"), "192.168.56.10")):
        got.is_told("note", f"the desk, and the address that it uses: {address}",
                    f"next, at a desk:  sh doctor.sh --from-slam {address}")
        assert "--from-host" not in str(got.lines)
        assert "powershell" not in str(got.lines)
    Said({**UNIT, **by_route("via 192.168.56.1 dev eth0", DESK)}, desk=DESK).is_told("note", "the host's forwarding")


def test_wsl_in_mirrored_mode_is_sent_to_the_firewall_of_windows() -> None:
    rule = ("New-NetFirewallHyperVRule -Name classcord -DisplayName classcord -Direction Inbound "
            "-VMCreatorId '{40E0AC32-46A5-438A-A0B2-2B479E8F2E90}' -Protocol TCP -LocalPorts 12345")
    got = Said({**UNIT, "run wslinfo --networking-mode": said("mirrored\n")})
    got.is_told("note", "WSL is in mirrored mode, Windows has nothing to forward", f"as administrator:  {rule}",
                "sh doctor.sh --from-slam 192.168.56.10")
    assert "--from-host" not in str(got.lines)
    assert rule in (ROOT / "CONTAINERS.md").read_text()
    got = Said({**UNIT, "run wslinfo --networking-mode": said("nat\n")})
    got.is_told("note", "the host's forwarding", "windows-portproxy.ps1 status")
