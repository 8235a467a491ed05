"""The hops of the VM, from the process to the network card."""

from __future__ import annotations

import vm_data
import vm_firewall
import vm_network
import vm_server
from hops import Hop
from vm_facts import Vm

__all__ = ["HOPS", "Vm"]

_SERVED = ("server", "health", "listening", "bridge")

HOPS = [
    Hop("server", vm_server.look_at_server),
    Hop("containers", vm_server.look_at_containers),
    Hop("settings", vm_server.look_at_settings),
    Hop("health", vm_server.look_at_health, needs=("server",)),
    Hop("memory", vm_server.look_at_memory, needs=("server",)),
    Hop("listening", vm_network.look_at_listening, needs=("server", "health")),
    Hop("bridge", vm_network.look_at_bridge, needs=("server", "health", "listening")),
    Hop("address", vm_network.look_at_addresses),
    Hop("from_here", vm_network.look_at_own_address, needs=_SERVED),
    Hop("page", vm_network.look_at_browsers, needs=(*_SERVED, "from_here")),
    Hop("route", vm_network.look_at_default_route),
    Hop("way_back", vm_network.look_at_way_back, needs=("server", "address", "route")),
    Hop("firewall", vm_firewall.look_at_firewall, needs=_SERVED),
    Hop("data", vm_data.look_at_data, needs=("server",)),
    Hop("desks", vm_data.look_at_desks, needs=("server",)),
    Hop("beyond", vm_network.look_beyond,
        needs=(*_SERVED, "address", "from_here", "route", "way_back", "firewall", "data")),
]
