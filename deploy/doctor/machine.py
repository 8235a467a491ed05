"""What the doctor asks of the system that it runs on. It changes nothing there. No other file touches the system."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

__all__ = ["WAIT", "Machine", "Outcome", "Output", "Process", "Recorded", "Recorder"]

WAIT = 3.0
"""Seconds that a command or a probe may take."""
_PATH = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


class Output(NamedTuple):
    """What a command printed, and its exit code: None if it took too long, 127 if there is no such command."""

    code: int | None
    out: str
    err: str

    @property
    def well(self) -> bool:
        return self.code == 0


class Outcome(NamedTuple):
    """What a server did. `kind`: answers, full, other (another program answers), silent, closed (without an answer),
    refused, noroute, timeout, failed. `detail`: the text that came instead of an answer."""

    kind: str
    detail: str = ""

    @property
    def answered(self) -> bool:
        """Whether a ClassCord server answered."""
        return self.kind in ("answers", "full")


class Process(NamedTuple):
    """A process. `unit` is the systemd unit that it belongs to, or an empty text."""

    pid: int
    name: str
    command: str
    unit: str


class Machine:
    """The machine that the doctor runs on. Each question takes a few seconds at most."""

    def run(self, *command: str, seconds: float = WAIT) -> Output:
        """Run a command without input, in the language C. It ends after `seconds`, with its children."""
        code, out, err = self._look(seconds, "run", *command)
        return Output(code, out, err)

    def read(self, path: str) -> str | None:
        """The text of a file, or None if it can't be read."""
        text = self._look(WAIT, "read", path)
        return None if text is None else str(text)

    def has(self, command: str) -> bool:
        """Whether there is a command of that name."""
        return bool(self._look(WAIT, "has", command))

    def probe(self, address: str, port: int, source: str = "") -> Outcome:
        """Ask the server there for a pong, from that address of this machine."""
        kind, detail = self._look(WAIT, "probe", address, str(port), *filter(None, [source]))
        return Outcome(kind, detail)

    def page(self, address: str, port: int) -> str:
        """What is answered to a browser that asks whether the server there is well; empty if nothing comes."""
        return str(self._look(WAIT, "page", address, str(port)))

    def owners(self, inodes: Collection[str]) -> list[Process]:
        """The processes that have these sockets open. Only root sees those of other users."""
        return [Process(*process) for process in self._look(WAIT, "owners", *sorted(inodes))]

    def neighbour(self, address: str) -> str:
        """The state of the kernel's entry for an address on a card's own network, like REACHABLE or FAILED, once a
        packet was sent there; an empty text if there is none."""
        return str(self._look(WAIT, "neighbour", address))

    def environment(self, name: str) -> str:
        """A variable of the environment, or an empty text."""
        return str(self._look(WAIT, "environment", name))

    @property
    def root(self) -> bool:
        """Whether the doctor runs as root."""
        return bool(self._look(WAIT, "root"))

    @property
    def system(self) -> str:
        """The kernel's name: Linux or Darwin."""
        return str(self._look(WAIT, "system"))

    def _look(self, seconds: float, kind: str, *words: str) -> Any:
        """Answer with what JSON can hold."""
        if kind == "run":
            return _run(words, seconds)
        if kind == "probe":
            return _probe(words[0], int(words[1]), words[2] if len(words) > 2 else "")
        if kind == "page":
            return _page(words[0], int(words[1]))
        if kind == "owners":
            return _owners(set(words))
        if kind == "neighbour":
            return _neighbour(words[0])
        if kind == "root":
            return os.geteuid() == 0
        if kind == "system":
            return os.uname().sysname
        if kind == "has":
            return shutil.which(words[0], path=_PATH) is not None
        if kind == "environment":
            return os.environ.get(words[0], "")
        return _read(words[0])


class Recorder(Machine):
    """Keeps all answers in `seen`, for a later Recorded."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    def _look(self, seconds: float, kind: str, *words: str) -> Any:
        answer = super()._look(seconds, kind, *words)
        self.seen[" ".join([kind, *words])] = answer
        return answer


class Recorded(Machine):
    """Gives the answers of a Recorder again.

    It has the commands whose runs were kept, no other file than those that were read, and one page at all addresses.
    Raises KeyError for any other question.
    """

    def __init__(self, seen: Mapping[str, Any]) -> None:
        self.seen = {"root": True, "system": "Linux", **seen}

    def _look(self, seconds: float, kind: str, *words: str) -> Any:
        key = " ".join([kind, *words])
        if key in self.seen:
            return json.loads(json.dumps(self.seen[key]))
        if kind == "has":
            return any(f"{kept} ".startswith(f"run {words[0]} ") for kept in self.seen)
        if kind == "page":
            return next(answer for question, answer in self.seen.items() if question.startswith("page "))
        if kind in ("read", "environment", "owners"):
            return {"read": None, "environment": "", "owners": []}[kind]
        raise KeyError(key)


def _run(command: tuple[str, ...], seconds: float) -> tuple[int | None, str, str]:
    env = {**os.environ, "LC_ALL": "C", "PATH": _PATH}
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
            start_new_session=True,
        )
    except OSError as error:
        return 127, "", str(error)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # with its children, which hold its output open
        except OSError:
            process.kill()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()
        return None, "", ""
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")


def _read(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 20).decode(errors="replace")
    except OSError:
        return None


def _probe(address: str, port: int, source: str) -> tuple[str, str]:
    try:
        connection = socket.create_connection((address, port), WAIT, (source, 0) if source else None)
    except ConnectionRefusedError:
        return "refused", ""
    except TimeoutError:
        return "timeout", ""
    except OSError as error:
        if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
            return "noroute", ""
        return "failed", str(error)
    with connection:
        return _converse(connection, time.monotonic() + WAIT)


def _converse(connection: socket.socket, end: float) -> tuple[str, str]:
    data = b""
    try:
        connection.sendall(b'{"type":"ping"}\n')
        while b"\n" not in data and len(data) < 65536:
            connection.settimeout(max(0.01, end - time.monotonic()))
            part = connection.recv(4096)
            if not part:
                break
            data += part
    except TimeoutError:
        if not data:
            return "silent", ""
    except OSError:
        pass  # the other side has closed it; what came before counts
    try:
        answer = json.loads(data.split(b"\n")[0].decode())
        if answer.get("type") == "pong":
            return "answers", ""
        if answer.get("code") == "server_full":
            return "full", ""
    except (ValueError, AttributeError, RecursionError):
        pass  # not an answer of ClassCord
    if not data:
        return "closed", ""
    text = "".join(letter if letter.isprintable() else " " for letter in data.decode("ascii", "replace"))
    return "other", text[:60].strip()


def _page(address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address
    end = time.monotonic() + WAIT
    data = b""
    try:
        with socket.create_connection((address, port), WAIT) as connection:
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            while len(data) < 65536:
                connection.settimeout(max(0.01, end - time.monotonic()))
                part = connection.recv(4096)
                if not part:
                    break
                data += part
    except OSError:
        pass  # what came before counts
    return "".join(
        letter if letter.isprintable() or letter == "\n" else " " for letter in data.decode("ascii", "replace")
    )


def _owners(inodes: set[str]) -> list[tuple[int, str, str, str]]:
    links = {f"socket:[{inode}]" for inode in inodes}
    found = []
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdecimal()):
        folder = f"/proc/{pid}"
        try:
            if not any(os.readlink(f"{folder}/fd/{number}") in links for number in os.listdir(f"{folder}/fd")):
                continue
        except OSError:
            continue  # it has ended, or it is another user's
        name = (_read(f"{folder}/comm") or "").strip()
        command = (_read(f"{folder}/cmdline") or "").replace("\0", " ").strip()
        groups = (_read(f"{folder}/cgroup") or "").replace("\n", "/").split("/")
        units = [part for part in groups if part.endswith((".service", ".scope"))]
        found.append((pid, name, command, units[-1] if units else ""))
    return found


def _neighbour(address: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        try:
            sender.sendto(b"", (address, 9))  # the discard service: the kernel must find the neighbour to send it
        except OSError:
            pass  # the entry below says why
    end = time.monotonic() + WAIT + 0.5  # the kernel gives up after three requests, one a second
    while True:
        words = _run(("ip", "-4", "neigh", "show", "to", address), WAIT)[1].split()
        state = words[-1] if words else ""
        if state not in ("INCOMPLETE", "PROBE") or time.monotonic() > end:
            return state
        time.sleep(0.1)
