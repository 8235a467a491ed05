"""What the Makefile promises in its list of targets, and what it hands on."""

from __future__ import annotations

import os
import re
import subprocess

from tests.support import ROOT

TEXT = (ROOT / "Makefile").read_text()


def make(*arguments: str, **variables: str) -> str:
    done = subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=ROOT, env={**os.environ, **variables}, capture_output=True,
        text=True, check=True,
    )
    return done.stdout


def test_every_target_is_listed_with_what_it_does() -> None:
    targets: set[str] = set()
    for line in re.findall(r"^\.PHONY: (.*)$", TEXT, re.MULTILINE):
        targets |= set(line.split())
    listed = set(re.findall(r"^ +make ([a-z-]+) +\S", make(), re.MULTILINE))
    assert listed == targets - {"check-python", "docker-check"}, "but those that only others need"


def test_the_container_has_the_name_that_is_asked_for_and_not_that_of_the_machine() -> None:
    """WSL sets NAME to the machine's name in every environment."""
    assert "CONTAINER='classcord'" in make("--dry-run", "docker-run", NAME="PC-DE-BOB")
    assert "CONTAINER='second' PORT='2000'" in make("--dry-run", "docker-run", "NAME=second", "PORT=2000")
    assert "CONTAINER='classcord'" in make("--dry-run", "migrate-to-docker", NAME="PC-DE-BOB")
