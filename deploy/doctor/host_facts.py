"""What the hops of the host know: each fact is asked for once, when a hop needs it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import addresses
import virtualbox
from addresses import Address, Way
from firewall import CLIENT_PORT, Connection, Table, iptables, listed, within
from listening import Listener, listening_here, loopback_only, owners
from machine import Machine, Outcome, Process
from nftables import NftTable, nftables

__all__ = ["Forward", "Host"]

_USUAL_PORT = 12345
_STATE = "/run/classcord-nat"  # what linux.sh set
_UNIT = "/etc/systemd/system/multi-user.target.wants/classcord-nat.service"  # its unit, if it is enabled
_DOCKERS = "172.16.0.0/12"  # from these, Docker takes addresses for networks
_FORWARDERS = re.compile(
    r"VBox|VirtualBox|vmnet-natd|vmware|qemu|socat|rinetd|redir$|haproxy|xinetd|ssh$|systemd-socket|slirp4netns|pasta|"
    r"passt|gvproxy|incus|lxd"
)  # programs that forward connections
_OTHERS = 8  # machines of the VM's network that are asked, if the VM does not answer


@dataclass(frozen=True)
class Forward:
    """A rule of the kernel that sends the port to another address. `own`: this host's own connections too."""

    address: str
    port: int
    own: bool


class Host:
    """The machine that forwards the port to the VM. `given` is the VM's address that a person typed, or an empty text.

    The hops keep here what later hops need: `vm_answers` once the server in the VM has answered, `reached` once it has
    answered through the NAT, `next_is_vm` if the VM is the next place to look at, `faults` for the broken hops' names.
    """

    def __init__(self, machine: Machine, port: int, given: str = "") -> None:
        self.machine = machine
        self.port = port
        self.given = given
        self.vm_answers = False
        self.reached = False
        self.next_is_vm = False
        self.faults: list[str] = []

    @cached_property
    def mac(self) -> bool:
        return self.machine.system == "Darwin"

    @property
    def linux(self) -> bool:
        return self.machine.system == "Linux"

    # --- rules

    @cached_property
    def nft(self) -> list[NftTable]:
        """All tables of nft; empty for a user who is not root."""
        return nftables(self.machine) if self.machine.root else []

    @cached_property
    def iptables(self) -> list[Table]:
        """All tables of iptables, of both variants; empty for a user who is not root."""
        return iptables(self.machine) if self.machine.root else []

    @cached_property
    def forwards(self) -> list[Forward]:
        """The kernel's rules that forward the port, those of nft first."""
        found: dict[tuple[str, int], bool] = {}
        for target, own, other in [*self._nft_forwards(), *self._iptables_forwards()]:
            address, _, port = target.partition(":")
            key = address, int(port or self.port)
            if other or own:
                found[key] = found.get(key, False) or own
        return [Forward(address, port, own) for (address, port), own in found.items()]

    def _nft_forwards(self) -> list[tuple[str, bool, bool]]:
        found = []
        for table in self.nft:
            if table.of_iptables:
                continue
            for chain in table.chains.values():
                for rule in chain.rules:
                    target = re.search(r"dnat (?:ip )?to ([0-9][0-9.:]*)", rule.text)
                    ports = re.search(r"dport (\{[^}]*\}|[\d-]+)", rule.text)
                    if target and ports and listed(self.port, ports[1]):
                        found.append((target[1], chain.hook == "output", chain.hook != "output"))
        return found

    def _iptables_forwards(self) -> list[tuple[str, bool, bool]]:
        found = []
        for table in self.iptables:
            rules = table.rules()
            own = {"OUTPUT"} | {rule.split()[-1] for rule in rules if re.match(r"-A OUTPUT .*-j \S+$", rule)}
            for rule in rules:
                target = re.search(r"--to-destination ([0-9][0-9.:]*)", rule)
                ports = re.search(r"--dports? (\S+)", rule)
                if table.name == "nat" and target and ports and listed(self.port, ports[1]):
                    chain = rule.split()[1]
                    found.append((target[1], chain in own, chain != "OUTPUT"))
        return found

    @cached_property
    def hides_clients(self) -> bool:
        """Whether a rule replaces the desks' addresses in packets to the VM by this host's."""
        rules = [rule.text for table in self.nft if not table.of_iptables for each in table.chains.values()
                 for rule in each.rules]
        rules += [rule for table in self.iptables for rule in table.rules()]
        return any(map(self._hides, rules))

    def _hides(self, rule: str) -> bool:
        if not re.search(r"\bmasquerade\b|\bsnat\b|-j (MASQUERADE|SNAT)\b", rule) or re.search(r"saddr|-s [0-9]", rule):
            return False
        if not re.search(r"\boif|-o |daddr|-d ", rule):
            return True
        named = bool(self.card) and (f'"{self.card}"' in rule or f"-o {self.card} " in rule)
        return named or (bool(self.vm) and re.search(rf"\b{re.escape(self.vm)}\b", rule) is not None)

    # --- who forwards

    @cached_property
    def virtualbox(self) -> virtualbox.Redirection | None:
        return virtualbox.redirection(self.machine, self.port)

    @cached_property
    def has_virtualbox(self) -> bool:
        return self.machine.has("VBoxManage")

    @cached_property
    def listeners(self) -> list[Listener]:
        return listening_here(self.machine, self.port)

    @cached_property
    def processes(self) -> list[Process]:
        """The processes that listen on the port, as far as this user may see them."""
        return owners(self.machine, self.listeners)

    @property
    def programs(self) -> str:
        """Their names and process numbers, or an empty text."""
        return ", ".join(f"{process.name} ({process.pid})" for process in self.processes)

    def known_forwarder(self, of: str = "") -> bool:
        """Whether a program that forwards has the port, one whose name begins with `of`."""
        names = [process.name for process in self.processes]
        return any(_FORWARDERS.match(name) and name.startswith(of) for name in names)

    @cached_property
    def through(self) -> Outcome:
        """What answers at the address that desks use."""
        return self.machine.probe(self.lan, self.port)

    @cached_property
    def container(self) -> bool:
        """Whether the kernel's rule leads to a container of this host."""
        if self.forward is None or not within(self.forward.address, _DOCKERS):
            return False
        way = self.way_to(self.forward.address)
        return way is not None and re.match(r"docker\d|br-[0-9a-f]{12}$", way.card) is not None

    @cached_property
    def forward(self) -> Forward | None:
        """The kernel's rule that counts: the one that leads to the given VM, or the first one."""
        fitting = [each for each in self.forwards if each.address == self.given]
        return next(iter(fitting or self.forwards), None)

    @cached_property
    def forwarder(self) -> str:
        """What forwards the port: kernel, virtualbox, off (VirtualBox, but its VM isn't running), program, none,
        unseen, elsewhere (the kernel, to another address than the VM's), or taken (something that is not the server,
        nor on the way to it)."""
        if self.forward is not None:
            if self.container and not self.machine.probe(self.forward.address, self.forward.port).answered:
                return "taken"
            return "elsewhere" if self.given and self.forward.address != self.given else "kernel"
        if self.virtualbox is not None and not self.virtualbox.runs:
            return "off"
        if self.virtualbox is not None:
            stranger = bool(self.processes) and not self.known_forwarder("V")
            return "taken" if stranger and not self.through.answered else "virtualbox"
        if self.listeners and not loopback_only(self.listeners):
            return "taken" if self._is_stranger() else "program"
        return "none" if self.linux and self.machine.root else "unseen"

    def _is_stranger(self) -> bool:
        """Whether the program that listens is not on the way to the server."""
        if not self.lan or self.through.answered:
            return False
        if self.through.kind == "other" and not self.known_forwarder():
            return True
        return bool(self.given) and self.answer.answered

    @property
    def by_program(self) -> bool:
        """Whether a program forwards the port, so that connections end on this host."""
        return self.forwarder in ("virtualbox", "off", "program", "taken")

    # --- the VM, and the desks

    @cached_property
    def vm(self) -> str:
        """The VM's address, or an empty text."""
        return self.given or (self.forward.address if self.forward is not None else "")

    @cached_property
    def inner(self) -> int:
        """The port in the VM."""
        if self.forward is not None and not self.container:
            return self.forward.port
        return self.virtualbox.inner if self.virtualbox is not None else self.port

    def way_to(self, address: str) -> Way | None:
        """How a packet to that address leaves this host; None if it can't."""
        if not self.mac:
            return addresses.way_to(self.machine, address) if self.machine.has("ip") else Way("", "", "")
        shown = self.machine.run("route", "-n", "get", address)
        card = re.search(r"interface: (\S+)", shown.out)
        if not shown.well or card is None:
            return None
        return Way(card[1], "", self.machine.run("ipconfig", "getifaddr", card[1]).out.strip())

    @cached_property
    def way(self) -> Way | None:
        """The way to the VM."""
        return self.way_to(self.vm) if self.vm else None

    @cached_property
    def card(self) -> str:
        """The card that leads to the VM, or an empty text."""
        return self.way.card if self.way is not None and not self.mac else ""

    @property
    def inside(self) -> str:
        """This host's address, as the VM sees it."""
        return self.way.source if self.way is not None else ""

    @cached_property
    def desks(self) -> list[Address]:
        """This host's addresses on networks where desks may be: those that aren't on the VM's card."""
        if self.mac:
            way = self.way_to("default")
            return [Address(way.source, way.card)] if way is not None and way.source else []
        return [own for own in addresses.own_addresses(self.machine) if own.card != self.card]

    @property
    def desk_cards(self) -> tuple[str, ...]:
        """The cards by which desks come in."""
        return tuple(dict.fromkeys(own.card for own in self.desks))

    @property
    def lan(self) -> str:
        """This host's address on the desks' network, or an empty text."""
        return self.desks[0].address if self.desks else ""

    @cached_property
    def desk_like(self) -> str:
        """The address from which to ask the VM so that it answers as it answers a desk; empty if any will do."""
        return "" if self.hides_clients or self.mac else self.lan

    @cached_property
    def answer(self) -> Outcome:
        """What the VM's server said when it was asked like a desk asks."""
        return self.machine.probe(self.vm, self.inner, self.desk_like)

    def pings(self, address: str) -> bool:
        """Whether the address answers a ping."""
        wait = ("-t", "2") if self.mac else ("-W", "2")  # a Mac's -W counts milliseconds
        return self.machine.run("ping", "-c", "1", *wait, address).well

    @cached_property
    def moved(self) -> str:
        """Another address of the VM's network at which a ClassCord server answers, or an empty text."""
        others = [each for each, state in self.neighbours.items() if each != self.vm and state != "FAILED"][:_OTHERS]
        if not others:
            return ""
        with ThreadPoolExecutor(len(others)) as pool:  # each may wait for some seconds
            outcomes = pool.map(lambda other: self.machine.probe(other, self.inner), others)
        return next((other for other, outcome in zip(others, outcomes, strict=True) if outcome.answered), "")

    @cached_property
    def neighbours(self) -> dict[str, str]:
        """The machines of the VM's network that the kernel knows, with the state of each entry, like FAILED."""
        if not self.card:
            return {}
        shown = self.machine.run("ip", "-4", "neigh", "show", "dev", self.card).out
        return {words[0]: words[-1] for words in map(str.split, shown.splitlines()) if words}

    def arriving(self, *, answer: bool = False) -> Connection:
        """A desk's connection on its way to the VM, or with `answer` what the VM sends back."""
        if answer:
            out = self.desks[0].card if self.desks else ""
            return Connection(CLIENT_PORT, self.port, self.lan, (self.card,), out, True, self.vm, self.inner)
        return Connection(self.inner, self.port, self.vm, self.desk_cards, self.card)

    def ending_here(self, *, answer: bool = False) -> Connection:
        """A desk's connection to a program of this host, or with `answer` what the VM sends to this host itself."""
        if answer:
            return Connection(CLIENT_PORT, self.port, self.inside, (self.card,), "", True, self.vm, self.inner)
        return Connection(self.port, self.port, self.lan, self.desk_cards)

    # --- commands to type

    @property
    def flag(self) -> str:
        """The port, as the scripts take it."""
        return "" if self.port == _USUAL_PORT else f" --port {self.port}"

    @property
    def inner_flag(self) -> str:
        """The same for the scripts in the VM."""
        return "" if self.inner == _USUAL_PORT else f" --port {self.inner}"

    @property
    def setting(self) -> str:
        """The port, as make takes it."""
        return "" if self.port == _USUAL_PORT else f" PORT={self.port}"

    @cached_property
    def masquerades(self) -> bool:
        """Whether linux.sh replaces the desks' addresses, or would at the next boot. Any rule that does counts as its
        own if it has not noted what it set."""
        state = self.machine.read(_STATE)
        if state is not None:
            return "MASQUERADE=yes" in state.splitlines()
        return self.hides_clients or " --masquerade" in (self.machine.read(_UNIT) or "")

    def apply(self, vm: str = "", *, masquerade: bool | None = None) -> str:
        """The command that sets the kernel's rule, with the flags that are in force, or with this `masquerade`."""
        flags = self.flag
        if self.masquerades if masquerade is None else masquerade:
            flags += " --masquerade"
        elif masquerade is not None:
            flags += " --no-masquerade"
        if self.machine.read(_UNIT) is not None:
            flags += " --persist"
        return f"sudo sh deploy/nat/linux.sh apply --vm {vm or self.vm or 'ADDRESS'}{flags}"

    def again(self) -> str:
        """The command that runs this doctor as root."""
        arguments = f"'--from-host --vm {self.given}'" if self.given else "--from-host"
        return f"sudo make doctor ARGS={arguments}{self.setting}"

    def in_vm(self) -> str:
        """The command that runs the doctor in the VM."""
        return "sudo make doctor" + ("" if self.inner == _USUAL_PORT else f" PORT={self.inner}")

    def at_desk(self) -> str:
        """The command for a desk."""
        return f"sh deploy/doctor.sh --from-slam {self.lan or 'ADDRESS'}{self.flag}"
