"""README's first commands on a machine where nothing has been installed yet.

The machine is a Debian of mmdebstrap's smallest kind, with the packages that README names and no other: it has no `ip`,
`ps` or netcat, no locale, and no /etc/hosts either. What is cloned is the project's last commit.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import machines
from tests.support import ROOT

pytestmark = pytest.mark.lab

SUITE = "forky"
"""Debian testing, for its Python 3.14, which no other test runs with. Unlike in sid, its packages always fit together."""
USER = 1500
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
INDEX_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
"""The settings of pip that say where packages come from and how to get there."""

# Typed at a terminal: Ctrl-C goes to all that runs there
RUN = r"""
import os, pty, re, socket, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execlp("sh", "sh", "-c", sys.argv[1])
said = b""
while b"event=listening" not in said:
    said += os.read(terminal, 65536)
with socket.create_connection(("127.0.0.1", 12345), 20) as connection:
    connection.sendall(b'{"type":"ping"}\n')
    print("answer:", connection.makefile().readline().strip())
os.write(terminal, b"\x03")
try:
    while more := os.read(terminal, 65536):
        said += more
except OSError:
    pass  # all that had the terminal open has ended
print("exit:", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(said.decode())
"""


def first_commands() -> list[str]:
    """The lines of README's first block, without their comments."""
    block = re.search(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    return [line.partition("#")[0].strip() for line in block[1].splitlines()]


def packages() -> list[str]:
    words = shlex.split(first_commands()[0])
    assert words[:3] == ["sudo", "apt", "install"]
    return words[3:]


def pip_settings() -> dict[str, str]:
    """Where this machine's pip gets packages from, as pip's environment variables. Folders of this machine don't count."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        words = [word for word in ast.literal_eval(value).split() if not word.startswith("file:")]
        if key in INDEX_SETTINGS and words:
            found["PIP_" + key.upper().replace("-", "_")] = " ".join(words)
    return found


def bare_root() -> Path:
    """The root file system, made once."""
    # git recommends ca-certificates, so `apt install` brings it; mmdebstrap leaves out recommended packages
    arguments = [
        f"--include={','.join([*packages(), 'ca-certificates'])}",
        "--aptopt=Acquire::Check-Valid-Until \"false\"",  # a mirror's copy of testing may be older than a week
        SUITE,
    ]
    with machines.made_once("bare-{}", "\0".join(arguments)) as (made, draft):
        if draft is not None:
            machines.bootstrap(*arguments, str(draft))
    return made


class FreshMachine:
    """An overlay on the bare root. Nothing of what runs in it outlives its command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()
        layers = f"lowerdir={bare_root()},upperdir={folder}/upper,workdir={folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
        (self.root / "etc/hosts").unlink(missing_ok=True)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        if os.path.exists(CERTIFICATES):  # this machine's way to the package index may have one of its own
            shutil.copy(CERTIFICATES, self.root / CERTIFICATES.lstrip("/"))
        subprocess.run(
            ["chroot", self.root, "useradd", "--create-home", f"--uid={USER}", "--user-group", "eleve"], check=True
        )

    def run(self, command: str, *words: str, network: bool) -> subprocess.CompletedProcess[str]:
        """Run a line of shell as its only user, in that user's home; without `network` there is only the loopback."""
        names = ("proc", "sys", "dev")
        mounts = [f"mount --rbind /{name} {shlex.quote(str(self.root))}/{name}" for name in names]
        loopback = [] if network else ["ip link set lo up"]
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        environment = {
            "HOME": "/home/eleve", "USER": "eleve", "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PIP_CERT": CERTIFICATES, **proxies, **pip_settings(),
        }
        inside = [
            "chroot", f"--userspec={USER}:{USER}", str(self.root),
            "env", "-i", *(f"{name}={value}" for name, value in environment.items()),
            "sh", "-c", f"cd && {command}", "sh", *words,
        ]
        return subprocess.run(
            [
                "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                *([] if network else ["--net"]),
                "sh", "-c", " && ".join([*mounts, *loopback, "exec " + shlex.join(inside)]),
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=1800,
        )

    def close(self) -> None:
        subprocess.run(["umount", str(self.root)], check=True)
        shutil.rmtree(self.folder)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[FreshMachine]:
    lacking = machines.missing()
    if lacking:
        pytest.skip(lacking)
    try:
        machine = FreshMachine(tmp_path)
    except machines.NoMirror as error:
        pytest.skip(str(error))
    try:
        yield machine
    finally:
        machine.close()


def test_the_first_commands_of_the_readme_are_all_it_takes(fresh: FreshMachine) -> None:
    _, clone, change, run, test = first_commands()
    assert clone.split()[:2] == ["git", "clone"]
    assert change.split()[0] == "cd"
    assert (run, test) == ("make run", "make test")
    repository = fresh.root / "home/eleve/repository.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, repository], check=True)
    subprocess.run(["chown", "-R", f"{USER}:{USER}", repository], check=True)
    cloned = fresh.run(clone.replace(clone.split()[2], "/home/eleve/repository.git"), network=False)
    assert cloned.returncode == 0, cloned.stdout

    ran = fresh.run(f'{change} && python3 -c "$@"', RUN, run, network=False)
    assert ran.returncode == 0, ran.stdout
    answer, code, said = ran.stdout.split("\n", 2)
    assert (answer, code) == ('answer: {"type":"pong"}', "exit: -2"), ran.stdout  # a shell makes that 130
    assert "WARNING" not in said
    assert "ERROR" not in said

    tested = fresh.run(f"{change} && {test}", network=True)
    assert tested.returncode == 0, tested.stdout[-20000:]
    skipped = re.findall(r"^SKIPPED \[\d+\] (.*)$", tested.stdout, re.MULTILINE)
    unhelpful = [line for line in skipped if not re.search(r"apt install \w|as root$", line)]
    assert skipped, tested.stdout[-20000:]
    assert unhelpful == [], "a test that is left out says how to run it"
