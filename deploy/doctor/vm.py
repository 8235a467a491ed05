"""The hops of the VM, from the process to the network card."""

from __future__ import annotations

import vm_network
from hops import Hop
from vm_facts import Vm

__all__ = ["HOPS", "Vm"]

HOPS = [
    Hop("address", vm_network.look_at_addresses),
    Hop("route", vm_network.look_at_default_route),
]
