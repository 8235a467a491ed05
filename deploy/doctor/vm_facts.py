"""What the hops of the VM know: each fact is asked for once, when a hop needs it."""

from __future__ import annotations

import re
from functools import cached_property

import addresses
import firewall
import listening
import nftables
from addresses import Address
from engine import Container, Docker
from listening import Listener
from machine import Machine, Outcome, Process
from server_log import ServerLog
from unit import Unit

__all__ = ["ROOM", "Vm"]

ROOM = "10.0.108.0/24"
"""The desks' network in CONTAINERS.md."""


class Vm:
    """The machine on which the server should run.

    `port` is the one that clients connect to, `name` the container's, `desk` the address of a desk to check the way
    back to, or an empty text.
    """

    def __init__(self, machine: Machine, port: int, name: str = "classcord", desk: str = "") -> None:
        self.machine = machine
        self.port = port
        self.asked = name
        self.desk = desk
        self.doubtful = False  # whether the rules of the firewall may keep desks out
        # what is added to the commands in the advice, for scripts and for make
        self.flag = "" if port == 12345 else f" --port {port}"
        self.setting = "" if port == 12345 else f" PORT={port}"
        named = "" if name == "classcord" else f" NAME={name}"
        self.docker_run = f"make docker-run{self.setting}{named}"
        self.doctor = f"make doctor{self.setting}{named}"
        self.sudo_doctor = f"sudo {self.doctor}"

    # --- what runs here ---

    @cached_property
    def docker(self) -> Docker:
        return Docker(self.machine)

    @cached_property
    def unit(self) -> Unit:
        return Unit(self.machine)

    @cached_property
    def container(self) -> Container | None:
        """The container that was asked for, or the one that has the port, or another one of ClassCord."""
        asked = self.docker.inspect(self.asked) if self.docker.state == "up" else None
        if asked is not None and asked.state == "running":
            return asked
        there = [each for each in self.docker.containers if each.name != self.asked]
        others = [each for each in there if each.up and each.publishes(self.port)]
        if self.asked == "classcord":  # nobody has asked for a certain one
            others += [each for each in there if each.up and each.ours]
            if asked is None and not self.unit.state:
                others += [each for each in there if each.ours]
        return self.docker.inspect(others[0].name) if others else asked

    @cached_property
    def listeners(self) -> list[Listener]:
        """The sockets of this machine that listen on the port."""
        return listening.listening_here(self.machine, self.port)

    @cached_property
    def owners(self) -> list[Process]:
        """The processes that listen on the port, as far as they can be seen."""
        return listening.owners(self.machine, self.listeners)

    @cached_property
    def local_answer(self) -> Outcome:
        """What answers on this machine itself, where a program listens."""
        found = [each.address for each in self.listeners]
        at = "127.0.0.1"
        if found and not {"*", "127.0.0.1"}.intersection(found):
            at = next((address for address in found if "." in address), found[0])
        return self.machine.probe(at, self.port)

    @cached_property
    def stranger(self) -> Process | None:
        """The program that has the port though it is not the server, or None if that isn't certain."""
        found = next((each for each in self.owners if not self._may_serve(each)), None)
        return None if found is None or self.local_answer.answered else found

    def _may_serve(self, process: Process) -> bool:
        return (
            "server.py" in process.command or process.pid == 1 or process.unit.startswith("classcord.")
            or self.docker.is_proxy(process.name)
        )

    @cached_property
    def runner(self) -> str:
        """What runs the server: container, unit, process, unseen (something, but what can't be seen), stranger
        (another program has the port), or none."""
        container, unit = self.container, self.unit
        if self.docker.state == "hangs":
            return "unseen" if self.listeners else "none"
        if container is not None and container.state == "running":
            return "none" if self.loops else "container"
        if unit.state == "active" and (self.listeners or unit.says("NRestarts") in ("", "0")):
            return "stranger" if self.stranger else "unit"
        if unit.state == "inactive" and unit.by_socket:
            return "unit"
        if unit.state in ("active", "activating") or (container and container.state in ("restarting", "paused")):
            return "stranger" if self.stranger else "none"
        if not self.listeners:
            return "none"
        if self.stranger or (self.local_answer.kind == "other" and not self.owners):
            return "stranger"
        if self.passer is not None or (self.docker.state == "forbidden" and not self.owners):
            return "unseen"
        return "process"

    @property
    def passer(self) -> Process | None:
        """The program that passes the port on to a container, or None."""
        return next((each for each in self.owners if self.docker.is_proxy(each.name)), None)

    @property
    def loops(self) -> bool:
        """Whether the engine restarts the container again and again."""
        container = self.container
        if container is None:
            return False
        young = re.search("[sS]econd", container.status) is not None
        return container.state == "restarting" or (container.state == "running" and young and container.restarts >= 3)

    @cached_property
    def log(self) -> ServerLog:
        """The log of what runs the server, or should."""
        text, unit = "", self.unit.state
        if self.container is not None and (self.runner == "container" or self.loops or unit in ("", "inactive")):
            got = self.docker.run("logs", "--tail", "3000", self.container.name)
            text = got.out + got.err
        elif unit and self.machine.has("journalctl"):
            self.machine.run("journalctl", "--sync")  # its newest lines may be on their way; for root only
            text = self.machine.run("journalctl", "_SYSTEMD_UNIT=classcord.service", "-n", "3000", "-o", "cat",
                                    "--no-pager", "-q").out
        return ServerLog(text)

    # --- how the port leads to it ---

    @property
    def bridged(self) -> bool:
        """Whether the server is behind a Docker network."""
        return self.runner == "container" and self.container is not None and self.container.network_mode != "host"

    @cached_property
    def published(self) -> list[tuple[str, str]]:
        """What the container publishes: its own port, and the address and port of this machine."""
        assert self.container is not None
        lines = self.docker.run("port", self.container.name).out.splitlines()
        return [(inner.partition("/")[0], outer) for inner, _, outer in (line.partition(" -> ") for line in lines)]

    @cached_property
    def inner_port(self) -> int:
        """The server's port in the container."""
        return next((int(inner) for inner, outer in self.published if outer.endswith(f":{self.port}")), 12345)

    @cached_property
    def container_card(self) -> str:
        """The card by which this machine reaches the container."""
        way = addresses.way_to(self.machine, self.container.address) if self.container is not None else None
        return way.card if way else "docker0"

    @cached_property
    def answer(self) -> Outcome:
        """What answers at the address that the host or the desks use: this machine's first one."""
        return self.machine.probe(self.own[0].address if self.own else "127.0.0.1", self.port)

    @property
    def rejected(self) -> bool:
        """Whether it listens, and even connections from this machine itself do not reach it."""
        return not self.bridged and bool(self.listeners) and self.local_answer.kind in ("refused", "timeout")

    @cached_property
    def delivery(self) -> str:
        """How a desk's packet comes to the server: input (this machine's own socket), forward (by a rule that changes
        its destination), proxy (there is no such rule, but Docker's program listens and passes it on), or gone."""
        if not self.bridged:
            return "input"
        rule = re.compile(rf"--dport {self.port} .*-j DNAT")
        if any(rule.search(line) for table in self.tables if table.name == "nat" for line in table.rules()):
            return "forward"
        if nftables.forwards(self.nft, self.port):
            return "forward"
        names = {each.name for each in self.owners}
        # without its program, the engine itself listens, but only to keep the port: it answers nobody
        kept = "dockerd" in names if names else self.docker.no_proxy is not None
        return "proxy" if self.listeners and not kept else "gone"

    @property
    def blind(self) -> bool:
        """Whether no command of this machine shows the rules that Docker makes."""
        return not self.machine.has("nft") and (self.docker.rules_by_nft or not self.machine.has("iptables-save"))

    @property
    def passed_as(self) -> str:
        """The address by which all desks come because a program passes the port on to the container, or an empty text.
        Only root can see the rule that would lead there otherwise."""
        if self.delivery != "proxy" or not (self.machine.root or self.docker.left_alone):
            return ""
        return (self.container.gateway if self.container is not None else "") or "172.17.0.1"

    # --- the network ---

    @cached_property
    def all_addresses(self) -> list[Address]:
        return addresses.cards(self.machine)

    @cached_property
    def own(self) -> list[Address]:
        """The addresses of this machine, without those of bridges; those in the desks' own network first."""
        bridges = self.docker.bridges
        found = [own for own in self.all_addresses if not addresses.is_bridge(own.card) and own.card not in bridges]
        return sorted(found, key=lambda own: not firewall.within(own.address, ROOM))

    @cached_property
    def gateway(self) -> str:
        return addresses.gateway(self.machine)

    @cached_property
    def card(self) -> str:
        """The card by which answers to desks leave: that of the default route, else the first one."""
        shown = re.search(r" dev (\S+)", self.machine.run("ip", "-4", "route", "show", "default").out)
        cards = [own.card for own in self.own]
        return shown[1] if shown and shown[1] in cards else [*cards, ""][0]

    @cached_property
    def network(self) -> str:
        """mirrored (WSL that has Windows' own addresses), room (an address in the desks' own network: the VM is
        bridged), or an empty text: then a NAT may be before this machine."""
        if self.machine.has("wslinfo") and "mirrored" in self.machine.run("wslinfo", "--networking-mode").out:
            return "mirrored"
        if not self.own:
            return ""
        way = addresses.way_to(self.machine, self.desk) if self.desk else None
        direct = way is not None and not way.via and way.card in [own.card for own in self.own]
        return "room" if direct or firewall.within(self.own[0].address, ROOM) else ""

    @cached_property
    def peers(self) -> list[str]:
        """The addresses in the log that clients came from, without this machine's own and that of Docker's program."""
        mine = {own.address for own in self.all_addresses} | {"::1", self.passed_as}
        mine |= set(re.findall(r"inet6 ([0-9a-f:]+)/", self.machine.run("ip", "-6", "-o", "addr", "show").out))
        return [peer for peer in self.log.peers if peer not in mine and not peer.startswith("127.")]

    @cached_property
    def one_address(self) -> str:
        """The one address that all desks seem to come from because a NAT hides theirs, or an empty text."""
        hidden = self.log.field("peer", "nat_hides_clients")
        if self.container is not None and hidden == self.container.gateway:
            hidden = ""  # by Docker's program, not by a NAT
        if self.peers in (["10.0.2.2"], [self.gateway]):
            hidden = self.peers[0]
        if not hidden and self.own and self.own[0].address.startswith("10.0.2."):
            hidden = "10.0.2.2"  # VirtualBox's NAT
        return hidden

    @cached_property
    def tables(self) -> list[firewall.Table]:
        """The rules of iptables; empty if they can't be read."""
        return firewall.iptables(self.machine)

    @cached_property
    def nft(self) -> list[nftables.NftTable]:
        return nftables.nftables(self.machine)

    @cached_property
    def ufw_on(self) -> bool:
        return re.search("^ENABLED=yes", self.machine.read("/etc/ufw/ufw.conf") or "", re.MULTILINE) is not None
