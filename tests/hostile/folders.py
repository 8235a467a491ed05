"""For the tests of data folders: servers of another user, and an operator who types the commands that a server prints.

If the tests run as root, the server and the operator are a separate user; `sudo` makes that operator root.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from classcord.console.place import NAME as SOCKET
from classcord.data.search import SEARCH
from tests.support import DEADLINE, ROOT, Client, Server, member

__all__ = [
    "FILES", "GROUP", "OPERATOR", "ROOT_ONLY", "Place", "as_user", "attempt", "check", "failure", "files", "in_place",
    "mounted", "remedies", "serves", "type_in", "used",
]

IS_ROOT = os.geteuid() == 0
ROOT_ONLY = pytest.mark.skipif(not IS_ROOT, reason="only root can give files away and mount: run the tests as root")
OPERATOR = 15_001 if IS_ROOT else os.geteuid()
"""A user that has no entry in /etc/passwd."""
GROUP = OPERATOR if IS_ROOT else os.getegid()
NAME = "lea"
FILES = ("classcord.lock", "classcord.db", "classcord.db-wal", "classcord.db-shm")

_DROP = f"""
import ctypes, importlib, os, pkgutil, sys
sys.path.insert(0, {str(ROOT)!r})
import argparse, encodings.ascii, encodings.idna, gettext, locale, shutil, sqlite3, stringprep, tempfile, urllib.parse
import server, classcord, handlers
for package in (classcord, handlers):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
user = int(sys.argv.pop(1))
if os.geteuid() == 0 and user != 0:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: /proc/self is its own again
os.environ["CLASSCORD_WEB"] = "off"
code = server.main(sys.argv[1:])
sys.stdout.flush()
os._exit(code)
"""
"""Becomes another user after all modules are loaded: that user may be unable to read them under /root, and the page's
files too."""


def as_user(user: int, *more: str) -> list[str]:
    """A command that runs server.py as this user."""
    return [sys.executable, "-c", _DROP, str(user), *more]


class Place:
    """A folder that everybody can enter, with the operator's home in it; `data` is the data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.clone = self.home / "clone"
        self.data = self.clone / "data"
        self.wrap: list[str] = []
        self.more: dict[str, str] = {}
        (folder / "bin").mkdir()
        for path in (self.home, self.clone):
            path.mkdir()
            os.chown(path, OPERATOR, OPERATOR if IS_ROOT else -1)
        sudo = folder / "bin" / "sudo"
        sudo.write_text('#!/bin/sh -p\nexec setpriv --reuid 0 --regid 0 --clear-groups -- "$@"\n')
        sudo.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        kept = {
            name: value for name, value in os.environ.items()
            if not name.startswith("CLASSCORD_") and name not in ("STATE_DIRECTORY", "container")
        }
        return {**kept, "HOME": str(self.home), "PATH": path, **self.more}


@contextmanager
def in_place() -> Iterator[Place]:
    """A new place. At the end it is removed with everything that is mounted in it."""
    folder = Path(tempfile.mkdtemp(prefix="classcord-test-", dir="/var/tmp")).resolve()
    folder.chmod(0o755)
    try:
        yield Place(folder)
    finally:
        for point in reversed(_mounts_in(folder)):
            subprocess.run(["umount", "-l", point], check=True)
        if not IS_ROOT:  # folders that the test closed to us
            subprocess.run(["chmod", "-R", "u+rwX", folder], check=True)
        shutil.rmtree(folder)


def _mounts_in(folder: Path) -> list[str]:
    points = [row.split()[4] for row in Path("/proc/self/mountinfo").read_text().splitlines()]
    plain = [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point) for point in points]
    return [point for point in plain if point.startswith(f"{folder}/")]


def mounted(point: Path, options: str, kind: str = "tmpfs") -> None:
    """Mount a file system in memory, or skip the test where that is not allowed."""
    point.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", kind, "-o", options, kind, str(point)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


def _typed(place: Place, user: int, option: str) -> list[str]:
    """The command of a start, with the words that an operator adds behind it in a shell."""
    return ["sh", "-c", f'exec "$@" {option}', "sh", *place.wrap, *as_user(user)]


def failure(place: Place, *arguments: str, user: int = OPERATOR, code: int = 78, option: str = "") -> str:
    """Start a server (or the subcommand in the arguments) that can't start; return its one line."""
    given = arguments or ("--host", "127.0.0.1", "--port", "0", "--data", str(place.data))
    done = subprocess.run(
        [*_typed(place, user, option), *given], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=DEADLINE, check=False, env=place.environment,
        cwd=place.clone if os.access(place.clone, os.X_OK) else place.home,
    )
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, done.stderr.decode()
    assert (done.returncode, done.stdout) == (code, b""), done
    assert lines[0].startswith("server.py: ")
    assert lines[0].isprintable()
    assert "Traceback" not in lines[0]
    return lines[0].removeprefix("server.py: ")


def attempt(place: Place) -> str:
    """Start where it may succeed or fail: the one line of the failure, or nothing."""
    arguments = ["--host", "127.0.0.1", "--port", "0", "--data", str(place.data)]
    with subprocess.Popen(
        [*as_user(OPERATOR), *arguments], stderr=subprocess.PIPE, env=place.environment, text=True
    ) as server:
        assert server.stderr is not None
        for first in server.stderr:
            if "event=listening" in first:
                server.terminate()
                assert server.wait(DEADLINE) == 0
                return ""
            if "WARNING" not in first:  # the chat works without the console, and without the index
                break
        assert server.stderr.read() == ""
        assert server.wait(DEADLINE) == 78
    return first.rstrip("\n")


def remedies(line: str) -> list[str]:
    """The commands that a line says to type, and the flags that it says to start with."""
    return re.findall(r"(?<=type: ).+?(?=, or | \(| on the host|$)|--data [~/].+?(?=, or | \(|$)", line)


def type_in(place: Place, command: str) -> None:
    """The operator types a command in a shell, in the current folder."""

    def become() -> None:
        if IS_ROOT:  # the real user stays root, because sudo needs it; a command has the effective user's rights
            os.setgroups([])
            os.setresgid(0, OPERATOR, 0)
            os.setresuid(0, OPERATOR, 0)

    done = subprocess.run(
        ["sh", "-p", "-c", command], capture_output=True, text=True, timeout=DEADLINE, check=False,
        env=place.environment, cwd=place.home, preexec_fn=become,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"


def serves(place: Place, option: str = "", *, user: int = OPERATOR, knows: bool | None = None) -> None:
    """Start with the operator's words, and see that it serves; `knows`: whether the first account must exist."""
    command = _typed(place, user, option)
    # the flags of Server come first: later flags win
    with Server(place.data, command=command, env=place.environment) as server:
        address = server.host, server.port
        with Client(address) as client:
            if knows is not None:
                assert (client.login(NAME)["status"] == "ok") is knows
            else:
                assert client.ask({"type": "ping"}) == {"type": "pong"}
        assert server.stop() == 0
        assert not [line for line in server.log if " ERROR " in line]


def files(data: Path) -> list[Path]:
    """The files there that matter: not the index, which can be made again, and not the console's socket."""
    return [path for path in data.iterdir() if not path.name.startswith((SEARCH, SOCKET))]


@functools.cache
def _used() -> dict[str, bytes]:
    with in_place() as place:
        with Server(place.data, command=as_user(OPERATOR), env=place.environment) as server:
            member((server.host, server.port), NAME).close()
            server.process.kill()
            server.wait()
        return {path.name: path.read_bytes() for path in files(place.data)}


def used(place: Place) -> None:
    """Make a data folder as a killed server leaves it: the lock, the database, and its two companion files."""
    place.data.mkdir(mode=0o700)
    for name, content in _used().items():
        (place.data / name).write_bytes(content)
        (place.data / name).chmod(0o600)
    for path in (place.data, *place.data.iterdir()):
        os.chown(path, OPERATOR, OPERATOR if IS_ROOT else -1)


def check(make: Callable[[Place], None], cause: str, count: int, *, knows: bool | None = None) -> None:
    """There are `count` remedies. Each is typed in a new place, and then the server serves; `knows` as for serves."""
    for number in range(count):
        with in_place() as place:
            make(place)
            line = failure(place)
            assert cause.format(place=place, user=f"user {OPERATOR}") in line
            commands = remedies(line)
            assert len(commands) == count, line
            if commands[number].startswith("--data"):
                serves(place, commands[number])
            else:
                type_in(place, commands[number])
                serves(place, knows=knows)
