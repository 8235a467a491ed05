"""A fresh machine: mmdebstrap's smallest Debian, and the packages that README names first.

It has no `ip`, `ps` or netcat, no locale, and no /etc/hosts either. Root only.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy import machines
from tests.support import ROOT

__all__ = ["USER", "FreshMachine", "bare_root", "first_commands"]

SUITE = "forky"
"""Debian testing, for its Python 3.14, which no other test runs with. In sid, packages do not always fit together."""
USER = 1500
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
INDEX_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
"""The settings of pip that say where packages come from and how to get there."""


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
    """Where this machine's pip gets packages from, as pip's environment variables. Its folders are left out."""
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
    """An overlay on the bare root. All processes in it end with their command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        for name in ("upper", "work", "root"):
            (folder / name).mkdir()
        layers = f"lowerdir={bare_root()},upperdir={folder}/upper,workdir={folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        (self.root / "etc/hosts").unlink(missing_ok=True)
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")
        if os.path.exists(CERTIFICATES):  # the package index may have a certificate of its own
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
        # not as arguments, because other users may read those: the way to the package index may have a password
        environment = {
            "HOME": "/home/eleve", "USER": "eleve", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "PIP_CERT": CERTIFICATES, **proxies, **pip_settings(),
            # they take most of the time, and another interpreter runs them
            "PYTEST_ADDOPTS": "--ignore tests/hostile --ignore-glob tests/unit/test_linear*"
                              " --ignore tests/functional/test_over_websocket.py",
        }
        inside = [
            "chroot", f"--userspec={USER}:{USER}", str(self.root), "env", "PATH=/usr/local/bin:/usr/bin:/bin",
            "sh", "-c", f"cd && {command}", "sh", *words,
        ]
        return subprocess.run(
            [
                "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
                *([] if network else ["--net"]),
                "sh", "-c", " && ".join([*mounts, *loopback, "exec " + shlex.join(inside)]),
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            env=environment, timeout=1800,
        )

    def close(self) -> None:
        subprocess.run(["umount", str(self.root)], check=True)
        shutil.rmtree(self.folder)
