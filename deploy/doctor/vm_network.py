"""The VM's hops of the network: its addresses, and the way back to the desks."""

from __future__ import annotations

from collections.abc import Iterator

from hops import Finding, broken, note, ok, unknown, warn
from vm_facts import Vm

__all__ = ["look_at_addresses", "look_at_default_route"]


def look_at_addresses(vm: Vm) -> Iterator[Finding]:
    """Whether the VM has an address, and which."""
    if not vm.machine.has("ip"):
        yield unknown("address_needs_ip", "sudo apt install iproute2")
    elif not vm.own:
        yield broken("address_none", "sudo dhclient", "ip link")
    else:
        yield ok("address", addresses=" ".join(f"{own.address} ({own.card})" for own in vm.own))
        if vm.own[0].address.startswith("10.0.2."):
            yield note("address_virtualbox")


def look_at_default_route(vm: Vm) -> Iterator[Finding]:
    """Whether there is a default gateway."""
    if not vm.machine.has("ip"):
        return
    if not vm.gateway:
        guess = vm.own[0].address.rpartition(".")[0] + ".1" if vm.own else "ADDRESS"
        yield broken("route_none", f"sudo ip route add default via {guess}")
        return
    state = vm.machine.neighbour(vm.gateway)
    if state in ("FAILED", "INCOMPLETE"):
        yield warn("route_nobody", "ip -4 route; ip neigh", gateway=vm.gateway)
    else:
        yield ok("route", gateway=vm.gateway)
