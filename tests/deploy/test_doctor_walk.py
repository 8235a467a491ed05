"""From the VM to its host and back: each says what was seen, what remains and the next place, and it comes to an end.

A person follows the last lines. A place that is broken is repaired there. Nobody is sent twice to the same place.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from machine import Recorded
from report import main

from tests.deploy.doctor import ask
from tests.deploy.lab import HOST, HOST_INSIDE, VM, Lab, wait_for_answer
from tests.deploy.machines import PROJECT
from tests.deploy.school import serve
from tests.deploy.test_doctor_host_recorded import HOSTS, seen
from tests.deploy.test_doctor_vm import CONTAINER

Ask = Callable[[], str]
BETWEEN = "between"


def way_of(start: str, places: dict[str, Ask]) -> list[str]:
    """The places that a person comes to: vm, host, and at last repair (where the last one is), desk or between."""
    way: list[str] = []
    place, last = start, ""
    while place in places:
        assert place not in way, f"{way}, and {place} again"
        way.append(place)
        said = places[place]()
        end = said.lower().rpartition("seen: ")[2]
        assert place == "host" or "✘" in said or "what remains: " in end, said
        if place == "vm" and "✘" in said:
            place = "repair"
        elif place == "vm":
            place = last or ("host" if "next, on the host:  " in end else "desk")
        elif "don't come back" in end:
            assert "in the vm" in said.lower()
            assert "unless you come from there" in end
            last = BETWEEN
            place = last if "vm" in way else "vm"
        elif "at a desk:" in end:
            place = "desk"
        else:
            assert "the first ✘ is on this host" in end, said
            assert "next: " in end or "then run this again" in end
            place = "repair"
        if place != "repair" and way[-1] == "host":
            assert "what remains: " in end, said
    return [*way, place]


def recorded(place: str, answers: dict[str, object], capsys: pytest.CaptureFixture[str], *arguments: str) -> Ask:
    def look() -> str:
        main([place, *arguments], Recorded({**answers, "environment CLASSCORD_LANG": "en"}))
        return capsys.readouterr().out

    return look


@pytest.mark.parametrize("host", sorted(HOSTS))
@pytest.mark.parametrize("start", ["vm", "host"])
def test_the_way_ends_whatever_is_broken_on_the_host(
    host: str, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {
        "vm": recorded("vm", CONTAINER, capsys),
        "host": recorded("host", seen(host), capsys, *HOSTS[host]["arguments"]),
    }
    way = way_of(start, places)
    if host in ("server down", "VM off", "VM lets no desk in", "no way back"):
        assert way[-1] == BETWEEN, "the VM is well, and the host does not get to it"
    elif host in ("well", "masquerade", "FORWARD lets through"):
        assert way[-1] == "desk"
    if start == "host" and way[-1] in ("desk", "repair"):
        assert "vm" not in way


@pytest.fixture(scope="module")
def school(lab: Lab) -> Lab:
    """The network with a server in the VM, and the host's NAT by the project's script."""
    serve(lab)
    lab.host.run(f"sh deploy/nat/linux.sh apply --vm {VM}", cwd=PROJECT)
    return lab


@pytest.fixture(params=["doctor", "linux.sh"])
def places(school: Lab, request: pytest.FixtureRequest) -> dict[str, Ask]:
    """The doctor in the VM, and on the host the doctor, or the script's own status."""
    status = "sh deploy/nat/linux.sh status"
    return {
        "vm": lambda: ask(school.vm).text,
        "host": lambda: (ask(school.host, f"--from-host --vm {VM}").text if request.param == "doctor" else
                         school.host.run(status, cwd=PROJECT, check=False).stdout),
    }


@pytest.mark.lab
@pytest.mark.parametrize("start", ["vm", "host"])
def test_between_a_real_host_and_vm_the_way_ends(school: Lab, places: dict[str, Ask], start: str) -> None:
    other = {"vm": "host", "host": "vm"}[start]
    assert way_of(start, places)[-1] == "desk"
    school.host.run("sysctl -qw net.ipv4.ip_forward=0")
    broken_host = way_of(start, places)
    school.host.run("sysctl -qw net.ipv4.ip_forward=1")
    school.vm.run("systemctl stop classcord")
    broken_vm = way_of(start, places)
    school.vm.run("systemctl start classcord")
    wait_for_answer(school.host, VM)
    # as if a hypervisor dropped the answers: the rules of neither show it
    lost = [f"ip rule {{}} pref 5 to {address} ipproto tcp sport 12345 blackhole" for address in (HOST, HOST_INSIDE)]
    school.vm.run("; ".join(lost).format("add", "add"))
    broken_between = way_of(start, places)
    school.vm.run("; ".join(lost).format("del", "del"))
    wait_for_answer(school.host, VM)
    assert broken_host[-2:] == ["host", "repair"]
    assert broken_vm[-2:] == ["vm", "repair"]
    assert broken_between == [start, other, BETWEEN]
