"""What the hops of the VM know: each fact is asked for once, when a hop needs it."""

from __future__ import annotations

from functools import cached_property

import addresses
from addresses import Address
from machine import Machine

__all__ = ["Vm"]


class Vm:
    """The machine on which the server should run.

    `port` is the one that clients connect to, `name` the container's, `desk` the address of a desk to check the way
    back to, or an empty text.
    """

    def __init__(self, machine: Machine, port: int, name: str = "classcord", desk: str = "") -> None:
        self.machine = machine
        self.port = port
        self.name = name
        self.desk = desk

    @cached_property
    def own(self) -> list[Address]:
        """The addresses of this machine, without those of bridges."""
        return addresses.own_addresses(self.machine)

    @cached_property
    def gateway(self) -> str:
        return addresses.gateway(self.machine)
