"""How deploy/ufw.sh and deploy/nat/linux.sh answer a wrong command line. Changes nothing, needs no root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

UFW, NAT = "deploy/ufw.sh", "deploy/nat/linux.sh"
WRONG = [
    (UFW, "", "apply, status or undo"),
    (UFW, "apply undo", "apply, status or undo"),
    (UFW, "apply --dry", "unknown word: '--dry'"),
    (UFW, "apply --from", "--from needs a value"),
    (UFW, "apply --from 10.0.108.34/24", "type the network: 10.0.108.0/24"),
    (UFW, "apply --from 10.0.108.0/33", "one like 10.0.108.0/24"),
    (UFW, "apply --from 10.0.108/24", "one like 10.0.108.0/24"),
    (UFW, "apply --from 10.0.300.0/24", "one like 10.0.108.0/24"),
    (UFW, "apply --from 10.0.108.0/24/8", "one like 10.0.108.0/24"),
    (UFW, "apply --from 10.0.108.0/", "one like 10.0.108.0/24"),
    (UFW, "apply --from 10.0.108.0/024", "one like 10.0.108.0/24"),
    (UFW, "apply --from 10.0.108.0.0/24", "one like 10.0.108.0/24"),
    (UFW, "apply --from 10.0.108.", "one like 10.0.108.0/24"),
    (UFW, "apply --from 10.0.0108.0/24", "one like 10.0.108.0/24"),
    (UFW, "apply --from room", "one like 10.0.108.0/24"),
    (UFW, "apply --from fd00::/64", "one like 10.0.108.0/24"),
    (UFW, "apply --from 0.0.0.0/0", "leave --from out"),
    (UFW, "apply --port 0", "from 1 to 65535"),
    (UFW, "apply --port 12a", "from 1 to 65535"),
    (NAT, "", "apply, status or undo"),
    (NAT, "apply", "--vm ADDRESS"),
    (NAT, "apply --vm", "--vm needs a value"),
    (NAT, "apply --vm debian", "one like 192.168.56.10"),
    (NAT, "apply --vm 192.168.56", "one like 192.168.56.10"),
    (NAT, "apply --vm 192.168.56.256", "one like 192.168.56.10"),
    (NAT, "apply --vm 192.168.056.10", "one like 192.168.56.10"),
    (NAT, "apply --vm 127.0.0.1", "one like 192.168.56.10"),
    (NAT, "apply --vm 192.168.56.10 --port 65536", "from 1 to 65535"),
    (NAT, "status 192.168.56.10", "unknown word: '192.168.56.10'"),
]


def run(
    script: str, arguments: str, user: int | None = None, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run it as it stands, from the project's folder."""
    return subprocess.run(
        ["sh", script, *arguments.split()], cwd=folder, capture_output=True, text=True, user=user, check=False
    )


@pytest.mark.parametrize(("script", "arguments", "hint"), WRONG)
def test_a_wrong_command_line_gets_one_line_with_a_hint(script: str, arguments: str, hint: str) -> None:
    done = run(script, arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert hint in done.stderr
    assert done.stderr.count("\n") == 1
    assert f"{script} --help" in done.stderr


@pytest.mark.parametrize("script", [UFW, NAT])
def test_help_names_every_option(script: str) -> None:
    text = (ROOT / script).read_text()
    options = {word for word in text.partition("while [ $# -gt 0 ]")[2].split() if word.startswith("--")}
    shown = run(script, "--help")
    assert shown.returncode == 0
    for option in options:
        assert option.rstrip(")") in shown.stdout + "--help"


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder with a copy of deploy/ that every user of this machine can read."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(ROOT / "deploy", Path(name, "deploy"))
        subprocess.run(["chmod", "-R", "a+rX", name], check=True)
        yield Path(name)


@pytest.mark.parametrize(("script", "arguments"), [(UFW, "status"), (NAT, "status"), (NAT, "apply --vm 192.168.56.10")])
def test_without_root_it_says_sudo(script: str, arguments: str, readable: Path) -> None:
    done = run(script, arguments, 65534 if os.geteuid() == 0 else None, readable)
    assert done.returncode == 1
    assert done.stderr.endswith(f"needs root: sudo sh {script} {arguments}\n")
