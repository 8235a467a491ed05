"""The server as a systemd unit: what is in force, with all drop-ins, never one file."""

from __future__ import annotations

import re
from functools import cached_property

from machine import Machine, Output

__all__ = ["Unit"]

_FACTS = ("LoadState", "ActiveState", "SubState", "NRestarts", "Result", "ExecMainStatus", "ExecStart", "Environment",
          "EnvironmentFiles")
_SOCKET_FACTS = ("ActiveState", "UnitFileState", "Listen")
_LAYOUT = "/etc/classcord/classcord.env"


class Unit:
    """The units classcord.service and classcord.socket."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._service: dict[str, list[str]] = {}
        self._socket: dict[str, list[str]] = {}
        if machine.has("systemctl"):
            self._service = _read(machine.run("systemctl", "show", f"--property={','.join(_FACTS)}",
                                              "classcord.service"))
            self._socket = _read(machine.run("systemctl", "show", f"--property={','.join(_SOCKET_FACTS)}",
                                             "classcord.socket"))

    def says(self, fact: str) -> str:
        """A fact about the service, or an empty text."""
        return " ".join(self._service.get(fact, []))

    @property
    def state(self) -> str:
        """active, inactive, failed, activating... or an empty text if there is no unit."""
        return self.says("ActiveState") if self.says("LoadState") == "loaded" else ""

    @property
    def by_socket(self) -> bool:
        """Whether classcord.socket holds the port."""
        return bool(self.state) and self._socket.get("ActiveState") == ["active"]

    @cached_property
    def port(self) -> int:
        """The port that clients connect to from the next start on."""
        if self.by_socket or self._socket.get("UnitFileState") in (["enabled"], ["enabled-runtime"]):
            for line in self._socket.get("Listen", []):
                found = re.search(r":(\d+) \(Stream\)", line)
                if found:
                    return int(found[1])
        setting = self._setting("port")
        return int(setting) if setting.isdecimal() else 0 if setting else 12345

    def _setting(self, name: str) -> str:
        """A flag in ExecStart=, else the variable in EnvironmentFile=, else in Environment=; or an empty text."""
        flags = re.findall(rf" --{name}[ =]([^ ;]+)", self.says("ExecStart"))
        if flags:
            return str(flags[-1])
        lines = self.says("Environment").replace(" ", "\n").splitlines()
        for file in self._service.get("EnvironmentFiles", []) if self.state else [_LAYOUT]:
            lines += (self._machine.read(re.sub(r" \(ignore_errors=\w+\)$", "", file)) or "").splitlines()
        found = [re.fullmatch(rf"\s*CLASSCORD_{name.upper()}=[\"']*([^\"']*).*", line) for line in lines]
        return next((match[1].strip() for match in reversed(found) if match), "")

    def restart(self) -> str:
        """The commands that start it again, so that an edited port counts."""
        if self.by_socket:
            units = "classcord.socket classcord"
            return f"sudo systemctl stop {units}; sudo systemctl start {units}"
        return "sudo systemctl restart classcord"


def _read(got: Output) -> dict[str, list[str]]:
    facts: dict[str, list[str]] = {}
    for line in got.out.splitlines():
        name, _, value = line.partition("=")
        facts.setdefault(name, []).append(value)
    return facts
