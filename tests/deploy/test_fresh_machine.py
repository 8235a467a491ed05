"""README's first commands, typed on a fresh machine. The machine clones the project's last commit."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import machines
from tests.deploy.fresh import USER, FreshMachine, first_commands
from tests.support import ROOT

pytestmark = pytest.mark.lab

# Typed at a terminal: Ctrl-C goes to all programs there
RUN = r"""
import os, pty, re, socket, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execlp("sh", "sh", "-c", sys.argv[1])
said = b""
while b"event=listening" not in said:
    try:
        said += os.read(terminal, 65536)
    except OSError:
        sys.exit("it ended: " + said.decode())
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
    helpful = re.compile(r"apt install \w|pyenv install \d|as root$|sudo sysctl")
    unhelpful = [line for line in skipped if not helpful.search(line)]
    assert skipped, tested.stdout[-20000:]
    assert unhelpful == [], "a skipped test says how to run it"
