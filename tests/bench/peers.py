"""The servers that are measured, and how each is started: on loopback, pinned to one core, without limits on speed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import ROOT

HOST = "127.0.0.1"
DEADLINE = 20.0
"""Seconds within which a server must accept connections."""
MAX_CONNECTIONS = 10_000

_NGIRCD = """[Global]
Name = irc.bench.test
Info = bench
Listen = {host}
Ports = {port}
[Limits]
MaxConnections = {most}
MaxConnectionsIP = 0
MaxJoins = 1000
MaxNickLength = 30
MaxPenaltyTime = 0
PingTimeout = 600
PongTimeout = 600
[Options]
DNS = no
Ident = no
PAM = no
SyslogFacility = local1
"""


class StartError(Exception):
    """A server didn't start; the text has its output."""


@dataclass(frozen=True)
class Peer:
    """A server program. `command` gets a port and an empty folder; `protocol` is loadgen's name for its protocol."""

    name: str
    protocol: str
    command: Callable[[int, Path], list[str]]
    program: str = ""
    """Must be on the PATH, if not empty."""

    @property
    def installed(self) -> bool:
        return not self.program or shutil.which(self.program) is not None

    @property
    def version(self) -> str:
        """The program's version, in a line."""
        if not self.program:
            return ""
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, timeout=10, check=False)
        return done.stdout.partition("\n")[0][:60]


@dataclass(frozen=True)
class Running:
    """A server that accepts connections; `took` is how many seconds after exec it began to. Ours has its `data`."""

    port: int
    pid: int
    took: float
    data: Path


def _ours(port: int, folder: Path) -> list[str]:
    return [
        sys.executable, str(ROOT / "server.py"), "--host", HOST, "--port", str(port), "--data", str(folder / "data"),
        "--password-cost", "1", "--limits", "off", "--max-connections", str(MAX_CONNECTIONS),
    ]


def _naive(port: int, folder: Path) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("naive.py")), str(port)]


def _redis(port: int, folder: Path) -> list[str]:
    return [
        "redis-server", "--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--daemonize", "no",
        "--dir", str(folder), "--maxclients", str(MAX_CONNECTIONS),
    ]


def _ngircd(port: int, folder: Path) -> list[str]:
    path = folder / "ngircd.conf"
    path.write_text(_NGIRCD.format(host=HOST, port=port, most=MAX_CONNECTIONS))
    return ["ngircd", "--nodaemon", "--config", str(path)]


def _ours_with_channels(port: int, folder: Path) -> list[str]:
    return [*_ours(port, folder), "--channels", ",".join(f"b{number}" for number in range(10))]


OURS = Peer("ClassCord", "classcord", _ours)
WITH_CHANNELS = Peer("ClassCord", "classcord", _ours_with_channels)
WEBSOCKET = Peer("ClassCord, WebSocket", "websocket", _ours)
NAIVE = Peer("naive", "classcord", _naive)
REDIS = Peer("redis", "redis", _redis, "redis-server")
NGIRCD = Peer("ngircd", "irc", _ngircd, "ngircd")
PEERS = (OURS, NAIVE, REDIS, NGIRCD)


@contextlib.contextmanager
def on_cores(*cores: int) -> Iterator[None]:
    """Processes started inside run on these cores, if any are named; this thread too, until the end."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _free_port() -> int:
    """A port without a listener, below the ports that the system gives to clients."""
    while True:
        port = random.randint(15000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _wait_accepting(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not _accepts(port):
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace")[-500:].strip()
            raise StartError(f"{process.args!r} doesn't accept connections: {said or 'it said nothing'}")
        time.sleep(0.001)  # another process must get on; nothing tells when it has


@contextlib.contextmanager
def running(peer: Peer, folder: Path, *cores: int) -> Iterator[Running]:
    """A fresh server with an empty database in a new folder inside `folder`; killed and cleared away at the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CLASSCORD_")}
    clean.pop("PYTHONDONTWRITEBYTECODE", None)  # else each start compiles the server again
    with tempfile.TemporaryDirectory(dir=folder, prefix=peer.name + "-") as made:
        own, port = Path(made), _free_port()
        log = own / "log"
        with log.open("wb") as output:
            command = peer.command(port, own)
            with on_cores(*cores):
                began = time.monotonic()
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=own, env=clean
                )
        try:
            _wait_accepting(process, port, log)
            yield Running(port, process.pid, time.monotonic() - began, own / "data")
        finally:
            process.kill()
            process.wait()
