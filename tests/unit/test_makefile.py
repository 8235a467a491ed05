"""The promises of the Makefile in its list of targets, and the variables that it passes on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

TEXT = (ROOT / "Makefile").read_text()


def run(
    *arguments: str, check: bool = True, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    # without the variables of the make that runs the tests
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**environment, **(variables or {})}, capture_output=True, text=True, check=check
    )


def make(*arguments: str, **variables: str) -> str:
    return run(*arguments, variables=variables).stdout


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


def test_the_environment_of_other_programs_changes_nothing() -> None:
    foreign = dict.fromkeys(("NAME", "PORT", "ARGS", "IMAGE", "FILE", "TESTS", "BACKUP", "VOLUME", "PURGE"), "x")
    for target in ("run", "test", "docker-run", "docker-clean", "docker-save", "uninstall", "doctor"):
        # not its text as such: make names in it which target depends on which
        assert make("--dry-run", target, **foreign) == make("--dry-run", target)


def test_run_obeys_its_variables(tmp_path: Path) -> None:
    """All except one show in the settings that the server prints."""
    check = f"ARGS=--check-config --data {tmp_path}"
    assert "port=2000 (--port)\n" in make("run", "PORT=2000", check)
    assert "port=12345 (default)\n" in make("run", check, PORT="2000")
    assert "port=3000 (CLASSCORD_PORT)\n" in make("run", check, PORT="2000", CLASSCORD_PORT="3000")
    assert "port=2001 (--port)\n" in make("run", "PORT=2000", f"{check} --port 2001")
    assert "lang=en (CLASSCORD_LANG)\n" in make("run", "CLASSCORD_LANG=en", check)
    assert "--port '2000'" in make("--dry-run", "run", "PORT=2000")


@pytest.mark.parametrize(
    ("words", "useless"),
    [
        ("run PROT=2000", "PROT"), ("run NAME=x", "NAME"), ("run port=1", "port"), ("test PORT=3", "PORT"),
        ("PORT=3", "PORT"), ("help PORT=3", "PORT"), ("clean VOLUME=yes", "VOLUME"), ("install PORT=1", "PORT"),
        ("docker-run PYTHON=x", "PYTHON"), ("docker-stop PORT=1", "PORT"), ("lint TESTS=x", "TESTS"),
        ("uninstall VOLUME=yes", "VOLUME"), ("docker-clean PURGE=yes", "PURGE"), ("run PORT=1 NAME=x", "NAME"),
        ("docker-load docker-run FILE=x PROT=1", "PROT"), ("doctor CLASSCORD_PORT=1", "CLASSCORD_PORT"),
        ("run used-PORT=x", "used-PORT"), ("docker-stop BACKUP=no", "BACKUP"), ("upgrade BACKUP=no", "BACKUP"),
    ],
)
def test_a_variable_that_a_target_cannot_use_is_refused(words: str, useless: str) -> None:
    done = run("--dry-run", *words.split(), check=False)  # it is refused all the same
    (line,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (2, "")
    assert f" does not use {useless}=; it takes " in line


def test_every_variable_is_used_where_the_table_says_so() -> None:
    """The commands of a target differ with the variable. Those of the server and pytest are in the environment."""
    table = re.findall(r"^used-([A-Z]+) := (.*(?:\\\n.*)*)$", TEXT, re.MULTILINE)
    groups = dict(re.findall(r"^(venv|docker) := (.*(?:\\\n.*)*)$", TEXT, re.MULTILINE))
    seen = 0
    for name, row in table:
        for group, members in groups.items():
            row = row.replace(f"$({group})", members)
        for target in row.replace("\\", "").split():
            one, other = ("one", "") if name == "PURGE" else ("one", "two")
            seen += 1
            assert make("--dry-run", target, f"{name}={one}") != make("--dry-run", target, f"{name}={other}"), target
    assert seen > 30


# --- make's own line about a failure: "make: *** [Makefile:1: run] Error 1" ---

ENGLISH = "make: the reason is above; the next line is not another fault"
FRENCH = "make: la raison est plus haut ; la ligne suivante n'est pas une autre panne"


def failure(*words: str, **variables: str) -> tuple[str, str]:
    """The two lines before make's own when it fails: the reason, and that there is no other fault."""
    done = run(*words, check=False, variables={"CLASSCORD_LANG": "", **variables})
    assert done.returncode == 2
    reason, explanation, last = done.stderr.splitlines()
    assert last.startswith("make: *** [")
    return reason, explanation


def targets(start: str) -> list[str]:
    """The targets with a description that begins like this."""
    return re.findall(rf"^([a-z-]+):.* ## {start}", TEXT, re.MULTILINE)


@pytest.mark.parametrize("target", re.findall(r"^(docker-[a-z]+):", TEXT, re.MULTILINE))
def test_a_failure_of_docker_is_not_followed_by_what_looks_like_another(target: str) -> None:
    reason, explanation = failure(target, "IMAGE=classcord-server:previous")  # it needs no engine to refuse that
    assert reason.startswith("docker.sh: IMAGE=classcord-server:previous: ")
    assert explanation == ENGLISH


@pytest.mark.parametrize("variables", [{}, {"CLASSCORD_LANG": "fr"}, {"CLASSCORD_LANG": "english"}])
def test_the_line_about_a_failure_of_the_doctor_has_the_doctors_language(variables: dict[str, str]) -> None:
    french = "en" not in variables.values() and "english" not in variables.values()
    reason, explanation = failure("doctor", "ARGS=--fly", **variables)
    assert ("argument inconnu" in reason, explanation) == (french, FRENCH if french else ENGLISH)
    assert failure("doctor", "ARGS=--fly", "CLASSCORD_LANG=en")[1] == ENGLISH
    assert failure("docker-check", "IMAGE=classcord-server:previous", **variables)[1] == ENGLISH


def test_a_python_that_is_missing_is_not_followed_by_what_looks_like_another_fault(tmp_path: Path) -> None:
    for python in ("none-of-this-name", "false"):  # the second stands for one that is too old
        for target in ("run", "test"):
            assert failure(target, f"PYTHON={python}")[1] == ENGLISH
    bare = tmp_path / "python3"
    bare.write_text(
        f'#!/bin/sh\ncase $2 in *print*) echo 0.0 && exit ;; *venv*) exit 1 ;; esac\nexec {sys.executable} "$@"\n'
    )
    bare.chmod(0o755)
    reason, explanation = failure("test", f"PYTHON={bare}")
    assert (reason[:27], explanation) == ("The venv module is missing:", ENGLISH)


@pytest.mark.parametrize("target", targets("as root: "))
def test_every_target_of_root_explains_its_failure(target: str) -> None:
    """Not run: as root it would do it."""
    assert "&2; exit $code; }" in make("--dry-run", target)


def test_what_is_typed_after_admin_is_one_word_for_the_shell() -> None:
    line = r"""announce C'est "l'heure" de #dev, 5 $ ou a\b"""
    shown = make("--dry-run", "admin", f"ARGS={line}")
    words = shlex.split(shown.partition(" ||")[0])
    assert words[-2:] == ["admin", line]
    assert shlex.split(make("--dry-run", "admin").partition(" ||")[0])[-1] == "admin"
