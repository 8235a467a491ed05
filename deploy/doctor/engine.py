"""The Docker engine of this machine: its containers, and how it was told to treat the firewall."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from machine import WAIT, Machine, Output

__all__ = ["Container", "Docker", "Listed", "Setting"]

_TITLE = "classcord-server"
_LABEL = "org.opencontainers.image.title"
_LIST = "{{.Names}}|{{.Status}}|{{.Ports}}|{{.Label \"" + _LABEL + "\"}}|{{.Command}}"
_FACTS = (
    "{{.State.Status}}|{{.RestartCount}}|{{.State.ExitCode}}|{{.HostConfig.NetworkMode}}|"
    "{{range $name, $at := .NetworkSettings.Networks}}{{$name}} {{$at.IPAddress}} {{$at.Gateway}};{{end}}"
)
_NETWORK = '{{.Name}}|{{.Id}}|{{index .Options "com.docker.network.bridge.name"}}|{{.Driver}}'
_INFO = "{{.OperatingSystem}}|{{.MemoryLimit}}|{{.SecurityOptions}}"
_SNAPS = "/var/snap/docker/current/config/daemon.json"
_FILES = ("/etc/docker/daemon.json", _SNAPS)
_PROXIES = {"docker-proxy", "dockerd", "com.docker.backend", "rootlesskit", "rootlessport", "slirp4netns", "pasta",
            "pasta.avx2"}


@dataclass(frozen=True)
class Listed:
    """A container in the engine's list. `ours`: whether a ClassCord server should run in it."""

    name: str
    status: str
    ports: str
    ours: bool

    @property
    def up(self) -> bool:
        return self.status.startswith("Up")

    def publishes(self, port: int) -> bool:
        return f":{port}->" in self.ports

    @property
    def published(self) -> str:
        """The ports that clients connect to, as a text."""
        return ", ".join(sorted(set(re.findall(r":(\d+)->", self.ports)))) or "-"


@dataclass(frozen=True)
class Container:
    """What the engine knows about one container. `state`: running, exited, restarting, paused, created..."""

    name: str
    state: str
    status: str
    restarts: int
    exit_code: int
    network_mode: str
    network: str
    address: str
    gateway: str


class Setting(NamedTuple):
    """A setting of the engine as somebody wrote it: in a file, or as an option of dockerd, and then `file` is empty."""

    text: str
    file: str

    def __str__(self) -> str:
        return f"{self.text} ({self.file})" if self.file else f"dockerd {self.text}"


class Docker:
    """The engine. `state`: none (not installed), forbidden (not for this user), down, hangs, or up."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._command: tuple[str, ...] = ("docker",)
        self.state = "none"
        self.containers: list[Listed] = []
        if not machine.has("docker"):
            return
        self._read_list()
        if not any(each.ours for each in self.containers):
            self._try_rootless()

    def _read_list(self) -> None:
        got = self.run("ps", "-a", "--no-trunc", "--format", _LIST)
        self.state = "up"
        if got.code is None:
            self.state = "hangs"
        elif not got.well:
            self.state = "forbidden" if "ermission denied" in got.err else "down"
        self.containers = [_listed(line) for line in got.out.splitlines() if line.count("|") >= 4]

    def _try_rootless(self) -> None:
        """Ask the engine of this user, or under sudo of the user who typed sudo, if that user has one."""
        folder = self._machine.environment("XDG_RUNTIME_DIR")
        if self._machine.root:
            user = self._machine.environment("SUDO_UID")
            folder = f"/run/user/{user}" if user else ""
        if not folder or not self._machine.run("test", "-S", f"{folder}/docker.sock").well:
            return
        kept = self._command, self.state, self.containers
        self._command = "docker", "-H", f"unix://{folder}/docker.sock"
        self._read_list()
        if self.state != "up" or (kept[1] == "up" and not self.containers):
            self._command, self.state, self.containers = kept

    def run(self, *words: str, seconds: float = WAIT) -> Output:
        """What docker answers."""
        return self._machine.run(*self._command, *words, seconds=seconds)

    def inspect(self, name: str) -> Container | None:
        """A container, or None if there is none of that name."""
        got = self.run("inspect", "--type", "container", "-f", _FACTS, name)
        parts = got.out.strip().split("|")
        if not got.well or len(parts) < 5:
            return None
        network, address, inside = [*parts[4].split(";")[0].split(" "), "", ""][:3]
        status = next((each.status for each in self.containers if each.name == name), "")
        return Container(name, parts[0], status, int(parts[1]), int(parts[2]), parts[3], network, address, inside)

    @cached_property
    def version(self) -> tuple[int, ...]:
        """The engine's version, like (20, 10, 24)."""
        return tuple(map(int, re.findall(r"\d+", self.version_text)[:3]))

    @cached_property
    def version_text(self) -> str:
        return self.run("version", "--format", "{{.Server.Version}}").out.strip()

    @cached_property
    def _info(self) -> list[str]:
        """The system's name, whether the kernel counts a container's memory, and the engine's kinds of protection."""
        got = self.run("info", "-f", _INFO).out if self.state == "up" else ""
        return [*got.strip().split("|"), "", "", ""][:3]

    @cached_property
    def kind(self) -> str:
        """rootless, Docker Desktop, or an empty text for the usual engine."""
        if "rootless" in self._info[2]:
            return "rootless"
        return "Docker Desktop" if "Docker Desktop" in self._info[0] else ""

    @cached_property
    def counts_memory(self) -> bool:
        """Whether a limit of a container's memory has an effect. True if that can't be seen."""
        return self._info[1] != "false"

    @cached_property
    def no_rules(self) -> Setting | None:
        """The setting that keeps the engine from making rules."""
        return self._setting("iptables", False)

    @cached_property
    def no_proxy(self) -> Setting | None:
        """The setting that keeps the engine from passing connections on by a program."""
        return self._setting("userland-proxy", False)

    @cached_property
    def rules_by_nft(self) -> bool:
        """Whether the engine makes its rules with nft, and none of iptables."""
        return self._setting("firewall-backend", "nftables") is not None

    @property
    def left_alone(self) -> str:
        """What keeps the engine from making rules for published ports, or an empty text if nothing does."""
        return self.kind or str(self.no_rules or "")

    @property
    def restart(self) -> str:
        """The command that restarts the engine."""
        if self.kind == "rootless":
            return "systemctl --user restart docker"
        if self._machine.read(_SNAPS) is not None:
            return "sudo snap restart docker"
        return "sudo systemctl restart docker"

    def _setting(self, name: str, value: object) -> Setting | None:
        """Where a setting has that value; None if it has another one, or none."""
        for path in _FILES:
            try:
                settings = json.loads(self._machine.read(path) or "{}")
            except ValueError:
                continue
            if isinstance(settings, dict) and settings.get(name) == value:
                return Setting(f'"{name}": {json.dumps(value)}', path)
        pid = (self._machine.read("/run/docker.pid") or "").strip()
        words = (self._machine.read(f"/proc/{pid}/cmdline") or "").split("\0") if pid else []
        options = [*words, *map("=".join, pairwise(words))]  # a value may be a word of its own
        allowed = ("false", "f", "0") if value is False else (value,)
        return next((Setting(each, "") for each in options if each.lower() in [f"--{name}={one}" for one in allowed]),
                    None)

    @cached_property
    def bridges(self) -> dict[str, str]:
        """The cards of this machine that lead to containers, and the names of their Docker networks."""
        numbers = self.run("network", "ls", "-q").out.split() if self.state == "up" else []
        cards = {}
        if numbers:
            for line in self.run("network", "inspect", "-f", _NETWORK, *numbers).out.splitlines():
                name, number, card, driver = [*line.split("|"), "", "", ""][:4]
                if driver == "bridge":
                    cards[card if card[:1].isalnum() else f"br-{number[:12]}"] = name  # else "<no value>"
        return cards

    def addresses_in(self, network: str) -> list[str]:
        """The addresses of the containers in a network."""
        form = "{{range .Containers}}{{.IPv4Address}} {{end}}"
        return [each.partition("/")[0] for each in self.run("network", "inspect", "-f", form, network).out.split()]

    @staticmethod
    def is_proxy(program: str) -> bool:
        """Whether a program of that name has ports for Docker's containers."""
        return program in _PROXIES


def _listed(line: str) -> Listed:
    name, status, ports, title, command = line.split("|", 4)
    return Listed(name, status, ports, title == _TITLE or "server.py" in command)
