"""What VirtualBox forwards on this host, as VBoxManage tells it."""

from __future__ import annotations

import re
from typing import NamedTuple

from machine import Machine, Output

__all__ = ["Redirection", "is_faulty", "redirection", "version"]

_FIRST_FAULTY, _REPAIRED = (7, 2, 0), (7, 2, 8)
"""The versions from the first to just before the second reset or refuse connections to forwarded ports."""


class Redirection(NamedTuple):
    """A port forwarding: the state and the name of the VM that has it, and the rule as VirtualBox shows it."""

    state: str
    vm: str
    rule: str

    @property
    def runs(self) -> bool:
        """Whether the VM is running, so that the rule works."""
        return self.state == "running"

    @property
    def inner(self) -> int:
        """The port in the VM."""
        return int(self.rule.split(",")[5])


def _ask(machine: Machine, *words: str) -> Output:
    """Each user has their own VMs: under sudo, ask for those of the user who typed sudo."""
    user = machine.environment("SUDO_USER") if machine.root else ""
    sudo = ("sudo", "-n", "-H", "-u", user) if user else ()
    return machine.run(*sudo, "VBoxManage", *words)


def redirection(machine: Machine, port: int) -> Redirection | None:
    """The forwarding of the port, that of a running VM if there are several. None without one or without VirtualBox."""
    if not machine.has("VBoxManage"):
        return None
    found = []
    for uuid in re.findall(r'^".*" \{(.*)\}', _ask(machine, "list", "vms").out, re.MULTILINE):
        shown = _ask(machine, "showvminfo", uuid, "--machinereadable").out
        facts = dict(re.findall(r'^([^=\n]+)="(.*)"$', shown, re.MULTILINE))
        for name, rule in facts.items():
            words = rule.split(",")
            if name.startswith("Forwarding(") and words[1:2] == ["tcp"] and words[3:4] == [str(port)]:
                found.append(Redirection(facts.get("VMState", ""), facts.get("name", ""), rule))
    return next((each for each in found if each.runs), found[0] if found else None)


def version(machine: Machine) -> str:
    """VirtualBox's version, like 7.2.4; an empty text without VirtualBox."""
    if not machine.has("VBoxManage"):
        return ""
    lines = _ask(machine, "--version").out.split()
    found = re.match(r"\d+\.\d+\.\d+", lines[-1]) if lines else None  # warnings may stand before it
    return found[0] if found else ""


def is_faulty(number: str) -> bool:
    """Whether this version forwards ports unreliably."""
    parts = tuple(map(int, number.split("."))) if number else ()
    return _FIRST_FAULTY <= parts < _REPAIRED
