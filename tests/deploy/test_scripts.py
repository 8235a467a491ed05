"""The common part of the scripts in deploy/, and the command lines of docker.sh, install.sh and migrate.sh."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

DEPLOY = ROOT / "deploy"
WORDS = {
    "docker.sh": "build run rollback stop logs shell admin test save load clean backups backups-off check",
    "install.sh": "install upgrade rollback --no-start uninstall --purge --dry-run",
    "migrate.sh": "to-systemd to-docker --dry-run",
}
WRONG = [
    ("docker.sh", "", "say one command"),
    ("docker.sh", "run now", "say one command"),
    ("docker.sh", "fly", "there is no command fly"),
    ("install.sh", "", "say install, upgrade, rollback or uninstall"),
    ("install.sh", "install upgrade", "say install, upgrade, rollback or uninstall"),
    ("install.sh", "instal", "unknown word: 'instal'"),
    ("install.sh", "--dry-run", "say install, upgrade, rollback or uninstall"),
    ("install.sh", "install --purge", "--purge goes with uninstall"),
    ("install.sh", "uninstall --purge now", "unknown word: 'now'"),
    ("install.sh", "uninstall --purge --no-start", "--no-start goes with install, upgrade and rollback"),
    ("migrate.sh", "", "say to-systemd or to-docker"),
    ("migrate.sh", "to-systemd to-docker", "say to-systemd or to-docker"),
    ("migrate.sh", "to-systemd --dry", "unknown word: '--dry'"),
]


def run(script: str, arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", f"deploy/{script}", *arguments.split()], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, **settings},
    )


@pytest.mark.parametrize(("script", "arguments", "hint"), WRONG)
def test_a_wrong_command_line_gets_one_line_with_a_hint(script: str, arguments: str, hint: str) -> None:
    done = run(script, arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{script}: {hint}")
    assert line.endswith(f"; see sh deploy/{script} --help")


@pytest.mark.parametrize("port", ["0", "08", "65536", "12x", "123456", "-1", " "])
def test_a_wrong_port_is_refused_in_the_words_of_the_other_scripts(port: str) -> None:
    done = run("docker.sh", "run", PORT=port)
    words = f"'{port}' is not a port; type a number from 1 to 65535; see sh deploy/"
    assert (done.returncode, done.stderr) == (2, f"docker.sh: PORT: {words}docker.sh --help\n")
    assert f"--port: {words}ufw.sh --help\n" in subprocess.run(
        ["sh", "deploy/ufw.sh", "status", "--port", port], cwd=ROOT, capture_output=True, text=True, check=False
    ).stderr


@pytest.mark.parametrize("script", sorted(WORDS))
def test_help_explains_every_word(script: str) -> None:
    done = run(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(rf"Usage: (sudo )?sh deploy/{script} ", done.stdout)
    explained = re.findall(r"^ +([\w-]+)  +\w", done.stdout, re.MULTILINE)
    assert explained == WORDS[script].split()


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.sh")), ids=lambda path: path.name)
def test_no_script_is_executable_because_the_texts_start_it_with_sh(path: os.PathLike[str]) -> None:
    assert not os.stat(path).st_mode & 0o111


def test_a_machine_without_ip_is_told_how_to_get_it(tmp_path: Path) -> None:
    """The server runs, but its address can't be shown: one line says so, and the shell prints no error."""
    line = '. deploy/common.sh; announce "It runs" 12345 on $(addresses)'
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=ROOT, capture_output=True, text=True, check=False, env={"PATH": str(tmp_path)}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n    the command ip prints it: sudo apt install iproute2; ip -4 address\n" in done.stdout


def test_the_addresses_for_browsers_are_printed_unless_there_is_no_page() -> None:
    def printed(page: str) -> str:
        line = f'. deploy/common.sh; announce "It runs" 2000 "{page}" 10.0.108.42 ::1'
        return subprocess.run(["/bin/sh", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    part = "To open in a browser:\n    http://10.0.108.42:2000/\n    http://[::1]:2000/\n"
    for page in ("on", ""):
        assert f"    ::1 port 2000\n{part}In a virtual machine" in printed(page)
    assert "    ::1 port 2000\nIn a virtual machine" in printed("off")


def test_make_has_a_target_for_every_command_of_docker() -> None:
    for command in WORDS["docker.sh"].split():
        target = command if command == "admin" else f"docker-{command}"
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()


def test_the_help_of_make_fits_a_screen() -> None:
    command = ["make", "--no-print-directory", "help"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line for line in lines if len(line) >= 120] == []
    assert len({len(start) for line in lines for start in re.findall(r"^  make \S+ +", line)}) == 1, "not aligned"


def test_a_part_of_the_deployment_tests_can_be_chosen() -> None:
    def runs(*words: str) -> str:
        command = ["make", "--no-print-directory", "--dry-run", "test-deploy", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert " tests/deploy " in runs()
    assert " tests/deploy/test_ufw.py " in runs("TESTS=tests/deploy/test_ufw.py")
