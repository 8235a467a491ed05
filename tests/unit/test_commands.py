"""The commands other than serving: each is loaded when it is typed, and has a help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from server import COMMANDS
from tests.support import ROOT
from tests.unit.test_command_line import run


def test_a_server_loads_no_command() -> None:
    """Neither to serve nor for another command: each is imported when it is typed."""
    show = (
        "import sys, server\nimport classcord.serving, handlers.connection\nserver.main(sys.argv[1:])\n"
        "print(*(name for name in sys.modules if name.startswith('classcord.commands.')))"
    )
    for words, loaded in ((["--check-config"], []), (["forget", "--help"], ["forget"]), (["backup", "-h"], ["backup"])):
        done = subprocess.run(
            [sys.executable, "-c", show, *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1].split() == [f"classcord.commands.{name}" for name in loaded]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_help_and_has_a_help_of_its_own(name: str) -> None:
    assert f"`server.py {name}" in " ".join(run("--help").stdout.split())
    own = run(name, "--help")
    assert (own.returncode, own.stderr) == (0, "")
    assert f"usage: server.py {name}" in own.stdout
