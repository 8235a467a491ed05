"""The VM's hops of the network: where the server listens, the VM's addresses, and the way back to the desks."""

from __future__ import annotations

from collections.abc import Iterator

from addresses import first, is_bridge, way_to
from firewall import within
from hops import Finding, Remedy, broken, note, ok, text, unknown, warn
from listening import listeners, loopback_only
from page import look_at_page
from texts import in_words
from vm_facts import Vm

__all__ = [
    "look_at_addresses", "look_at_bridge", "look_at_default_route", "look_at_listening", "look_at_own_address",
    "look_at_way_back", "look_beyond",
]

_FORWARDING = "net.ipv4.ip_forward"
_DOCKERS = "172.16.0.0/12"  # from these, Docker takes addresses for networks
_WSL = "{40E0AC32-46A5-438A-A0B2-2B479E8F2E90}"
"""The number under which Hyper-V's firewall knows WSL, as Get-NetFirewallHyperVVMCreator prints it."""


def look_at_listening(vm: Vm) -> Iterator[Finding]:
    """Whether the port is open on other addresses than loopback."""
    if vm.bridged:
        yield _container_listening(vm)
        return
    found = [each.address for each in vm.listeners]
    if not found:
        return
    shown = " ".join("*" if each == "*" else each for each in found)
    if loopback_only(vm.listeners):
        yield broken("listening_loopback", text("start_without_host", command="/etc/classcord/classcord.env"),
                     addresses=shown)
    elif not any("." in each or each == "*" for each in found):
        yield broken("listening_ipv6", text("start_without_host_ipv6"))
    else:
        yield ok("listening_all") if "*" in found else ok("listening", addresses=shown)


def _container_listening(vm: Vm) -> Finding:
    assert vm.container is not None
    name = vm.container.name
    again = text("make_again", command=f"docker rm -f {name}; {vm.docker_run}", volume=f"{vm.asked}-data")
    inside = vm.docker.run("exec", name, "cat", "/proc/net/tcp", "/proc/net/tcp6").out
    if loopback_only(listeners(inside, vm.inner_port)):
        return broken("listening_inside", text("run_without_host"), again)
    at = [(inner, outer) for inner, outer in vm.published if outer.endswith(f":{vm.port}")]
    if not vm.published:
        return broken("published_none", *_freed(vm), again)
    if not at:
        others = sorted({outer.rpartition(":")[2] for _, outer in vm.published})
        return broken("published_other", *_freed(vm), again,
                      text("or_check_port", command=f"sudo make doctor PORT={others[0]}"),
                      port=vm.port, others=" ".join(others))
    if all(outer.startswith(("127.", "[::1]")) for _, outer in at):
        return broken("published_loopback", again)
    return ok("published", outer=at[0][1], inner=at[0][0])


def _freed(vm: Vm) -> list[Remedy]:
    """How to free the port, if another program has it."""
    if vm.stranger is None:
        return []
    return [text("port_taken", command=f"sudo kill {vm.stranger.pid}", name=vm.stranger.name, pid=vm.stranger.pid)]


def look_at_bridge(vm: Vm) -> Iterator[Finding]:
    """Whether Docker's network card is up, and whether this machine sends packets on to it."""
    if not vm.bridged:
        return
    assert vm.container is not None
    if vm.docker.kind:
        return  # its networks are elsewhere
    restart = vm.docker.restart
    card = next((own.card for own in vm.all_addresses if own.address == vm.container.gateway), "")
    if vm.container.gateway and vm.machine.has("ip"):
        if not card and vm.container.network not in vm.docker.bridges.values():
            return  # a network of another kind
        if not card:
            yield broken("bridge_gone", restart, network=vm.container.network, gateway=vm.container.gateway)
            return
        if "UP" not in _flags(vm, card):
            yield broken("bridge_down", restart, card=card)
            return
    if vm.passed_as:
        return  # a program passes the packets on
    yield from _forwarding(vm, card)


def _flags(vm: Vm, card: str) -> list[str]:
    said = vm.machine.run("ip", "-o", "link", "show", "dev", card).out
    return said.partition("<")[2].partition(">")[0].split(",")


def _forwarding(vm: Vm, bridge: str) -> Iterator[Finding]:
    """The kernel's switches: the one for all cards, then those of the cards on the way."""
    if (vm.machine.read("/proc/sys/net/ipv4/ip_forward") or "1").strip() == "0":
        yield broken("forwarding_off", f"sudo sysctl -w {_FORWARDING}=1", *_undone_by(vm, _FORWARDING))
        return
    for card in dict.fromkeys([*(own.card for own in vm.own), bridge]):
        if card and (vm.machine.read(f"/proc/sys/net/ipv4/conf/{card}/forwarding") or "1").strip() == "0":
            setting = f"net.ipv4.conf.{card.replace('.', '/')}.forwarding"
            yield broken("forwarding_card_off", f"sudo sysctl -w {setting}=1", *_undone_by(vm, "forwarding"), card=card)
            return
    yield ok("forwarding")


def _undone_by(vm: Vm, setting: str) -> list[Remedy]:
    """The files that switch it off again at the next start."""
    folders = ("/etc/sysctl.conf", "/etc/sysctl.d", "/run/sysctl.d", "/usr/lib/sysctl.d", "/etc/ufw/sysctl.conf")
    pattern = f"^[^#;]*{setting.rpartition('.')[2]}[[:space:]]*=[[:space:]]*0"
    said = vm.machine.run("grep", "-rlE", pattern, *folders).out.split()
    if said:
        return [text("sysctl_file", files=" ".join(sorted(said)))]
    return [text("sysctl_may", command="/etc/sysctl.d")]


def look_at_addresses(vm: Vm) -> Iterator[Finding]:
    """Whether the VM has an address, and which."""
    if not vm.machine.has("ip"):
        yield unknown("address_needs_ip", "sudo apt install iproute2")
    elif not vm.own:
        yield broken("address_none", text("card_connected", command="ip link"), "sudo dhclient")
    else:
        yield ok("address", addresses=" ".join(f"{own.address} ({own.card})" for own in vm.own))
        if vm.own[0].address.startswith("10.0.2."):
            yield note("address_virtualbox")


def look_at_own_address(vm: Vm) -> Iterator[Finding]:
    """Whether the server answers at the VM's own address."""
    if not vm.own or vm.rejected or not (vm.listeners or vm.bridged):
        return
    if vm.delivery == "gone" and vm.machine.root and not vm.blind:
        return  # the firewall's hop says why nobody gets in
    address = vm.own[0].address
    if vm.answer.answered:
        yield ok("from_here", said=in_words(vm.answer), address=address, port=vm.port)
    else:
        yield broken("from_here_not", text("listens_there", command=f"sudo ss -ltnp 'sport = :{vm.port}'"),
                     said=in_words(vm.answer), address=address, port=vm.port)


def look_at_browsers(vm: Vm) -> Iterator[Finding]:
    """Whether a browser gets the page at that address."""
    if not vm.own or vm.answer.kind != "answers":
        return
    turn_on = text("page_on", command="make run ARGS='--web on'")
    look: Remedy = text("end_and_start", command="make run")
    if vm.runner == "container" and vm.container is not None:
        turn_on = text("page_on", command=f"{vm.docker_run} CLASSCORD_WEB=on")
        look = text("look", command=f"docker logs --tail 20 {vm.container.name}")
    elif vm.runner == "unit":
        turn_on = text("page_on_unit", command=vm.unit.restart())
        look = text("look", command="sudo journalctl -u classcord -n 20")
    elif vm.runner == "unseen":
        turn_on = look = text("who_is_it", command=vm.sudo_doctor)
    yield look_at_page(vm.machine, vm.own[0].address, vm.port, turn_on=turn_on, look=look)


def look_at_default_route(vm: Vm) -> Iterator[Finding]:
    """Whether there is a default gateway, and whether it exists."""
    if not vm.machine.has("ip"):
        return
    guess = vm.own[0].address.rpartition(".")[0] + ".1" if vm.own else "ADDRESS"
    if vm.gateway:
        state = vm.machine.neighbour(vm.gateway)
        if state not in ("FAILED", "INCOMPLETE"):
            yield ok("route", gateway=vm.gateway) if state in ("REACHABLE", "PERMANENT") else ok(
                "route_unproved", gateway=vm.gateway)
            return
        repair = f"sudo ip route replace default via {guess if guess != vm.gateway else 'ADDRESS'}"
        near = [peer for peer in vm.peers if (way := way_to(vm.machine, peer)) is not None and not way.via]
        look = text("look", command="ip route; ip neigh")
        if near:  # a NAT hides the desks behind an address of this network: no gateway is needed
            yield warn("route_nobody_needed", text("routers_address", command=repair), look, gateway=vm.gateway)
        else:
            yield broken("route_nobody", text("routers_address", command=repair), look, gateway=vm.gateway)
        return
    default = vm.machine.run("ip", "-4", "route", "show", "default").out.split()
    if default:
        yield ok("route_direct", card=default[default.index("dev") + 1] if "dev" in default[:-1] else "?")
    else:
        yield broken("route_none", text("routers_address", command=f"sudo ip route add default via {guess}"))


def look_at_way_back(vm: Vm) -> Iterator[Finding]:
    """Where an answer to each known desk goes: to the one that was given, and to those in the log."""
    if not vm.machine.has("ip"):
        return
    desks = [vm.desk] if vm.desk else []
    desks += [peer for peer in vm.peers if ":" not in peer and peer != vm.desk]
    if not desks:
        yield note("way_back_unchecked", f"{vm.sudo_doctor} ARGS='--desk 10.0.108.34'")
        return
    nowhere: list[str] = []
    good: dict[str, list[str]] = {}
    inside: dict[str, list[str]] = {}
    for desk in desks:
        way = way_to(vm.machine, desk)
        if way is None:
            nowhere.append(desk)
        elif way.card == "lo":
            yield broken("way_back_self", text("address_of_desk"), desk=desk)
        elif is_bridge(way.card) or way.card in vm.docker.bridges:
            inside.setdefault(way.card, []).append(desk)
        else:
            good.setdefault(f"{way.card} via {way.via}" if way.via else way.card, []).append(desk)
    if nowhere:
        look = text("look", command=f"ip route get {nowhere[0]}; ip route")
        yield broken("way_back_none", look, desks=first(nowhere))
    for card, there in inside.items():
        yield from _overlap(vm, there, card)
    for where, there in good.items():
        yield ok("way_back", desks=first(there), where=where)


def _overlap(vm: Vm, clients: list[str], card: str) -> Iterator[Finding]:
    """A network of containers (or VMs) has the desks' addresses, unless the clients are, or were, in it themselves."""
    network = vm.docker.bridges.get(card, "")
    usual = network in ("", "bridge")
    there = [] if usual else vm.docker.addresses_in(network)
    desks = [each for each in clients
             if each == vm.desk or not (usual or within(each, _DOCKERS) or each in there)]
    if desks and usual:
        yield broken("way_back_bridge", text("other_range", command="/etc/docker/daemon.json"),
                     text("look", command=f"ip route get {desks[0]}"), desks=first(desks), card=card)
    elif desks:
        yield broken("way_back_network", f"docker network rm {network}",
                     text("make_network_again", command=f"docker network create --subnet 172.30.0.0/24 {network}"),
                     desks=first(desks), network=network, card=card)


def look_beyond(vm: Vm) -> Iterator[Finding]:
    """What was seen, what remains, and the next place to look. It never sends anybody back to the VM."""
    if not vm.own or not vm.answer.answered:
        return
    address = vm.own[0].address
    if not vm.network:
        remains, remedies = text("remains_host"), _on_the_host(vm, address)
    elif vm.network == "mirrored":
        rule = ("New-NetFirewallHyperVRule -Name classcord -DisplayName classcord -Direction Inbound "
                f"-VMCreatorId '{_WSL}' -Protocol TCP -LocalPorts {vm.port}")
        remains, remedies = text("remains_wsl", address=address), [text("next_wsl", command=rule)]
    else:
        remains, remedies = text("remains_desk", address=address), []
    target = address if vm.network else "10.0.108.Y"
    remedies.append(text("next_desk" if remedies else "next_desk_only",
                         command=f"sh doctor.sh --from-slam {target}{vm.flag}"))
    if vm.doubtful:
        yield note("beyond_doubtful", *remedies, address=address, port=vm.port, remains=remains)
    elif vm.machine.root:
        yield note("beyond", *remedies, address=address, port=vm.port, remains=remains)
    else:
        yield note("beyond_unprivileged", *remedies, address=address, port=vm.port, remains=remains)


def _on_the_host(vm: Vm, address: str) -> list[Remedy]:
    command, windows = f"sudo make doctor ARGS='--from-host --vm {address}'", "windows-portproxy.ps1"
    if address.startswith("10.0.2."):
        command, windows = "make doctor ARGS=--from-host", "virtualbox.ps1"
    windows = f"powershell -ExecutionPolicy Bypass -File deploy\\nat\\{windows} status{vm.flag}"
    return [text("next_host", command=command + vm.setting), text("next_windows", command=windows)]
