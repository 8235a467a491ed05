"""The addresses of a machine, and its routes, as the command ip prints them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from machine import Machine

__all__ = ["Address", "cards", "first", "gateway", "is_bridge", "own_addresses", "way_to"]

_BRIDGES = re.compile(r"(docker|br-|veth|virbr|lxdbr|lxcbr|incusbr|podman)")  # of containers and VMs
_SHOWN = 8  # addresses that a line names


class Address(NamedTuple):
    """An IPv4 address of this machine, and the network card that has it."""

    address: str
    card: str


def first(found: Sequence[str]) -> str:
    """The first addresses as a text; of many, it ends with their number."""
    return " ".join(found[:_SHOWN]) + (f" … ({len(found)})" if len(found) > _SHOWN else "")


def is_bridge(card: str) -> bool:
    """Whether the card leads to containers or VMs of this machine only."""
    return _BRIDGES.match(card) is not None


def cards(machine: Machine) -> list[Address]:
    """All IPv4 addresses of this machine that others can use, with those of bridges."""
    lines = machine.run("ip", "-4", "-o", "addr", "show", "scope", "global").out.splitlines()
    found = [Address(words[3].partition("/")[0], words[1]) for words in map(str.split, lines) if len(words) > 3]
    return [own for own in found if own.card != "lo"]  # WSL has one there that no other machine can use


def own_addresses(machine: Machine) -> list[Address]:
    """This machine's IPv4 addresses, without those of bridges of containers and VMs."""
    return [own for own in cards(machine) if not is_bridge(own.card)]


def gateway(machine: Machine) -> str:
    """The default gateway's address, or an empty text."""
    found = re.search(r" via ([0-9.]+)", machine.run("ip", "-4", "route", "show", "default").out)
    return found[1] if found else ""


class Way(NamedTuple):
    """A route: by which card, through which gateway (or an empty text), from which address of this machine."""

    card: str
    via: str
    source: str


def way_to(machine: Machine, address: str) -> Way | None:
    """How a packet to that address leaves this machine; None if it can't."""
    got = machine.run("ip", "-4", "route", "get", address)
    if not got.well:
        return None
    words = got.out.split()
    after = dict(pairwise(words))
    return Way(after.get("dev", ""), after.get("via", ""), after.get("src", ""))
