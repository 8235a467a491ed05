"""Fixtures for the client programs of docs/CONNEXION.md, and for moderation."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.functional.programs import CONNEXION, Words, block, command
from tests.functional.school import School
from tests.support import Server


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Words:
    folder = tmp_path_factory.mktemp("python")
    words = command("python3")
    (folder / words[1]).write_text(block("python"), encoding="utf-8")
    return [sys.executable, *words[1:]], folder


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> Words:
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("needs a JDK: apt install default-jdk-headless")
    folder = tmp_path_factory.mktemp("java")
    compile_line = re.search(r"^javac -encoding UTF-8 (\S+)$", CONNEXION, re.MULTILINE)
    assert compile_line is not None
    (folder / compile_line[1]).write_text(block("java"), encoding="utf-8")
    subprocess.run(
        [*shlex.split(compile_line[0]), "--release", "11", "-Xlint:all,-options", "-Werror"], cwd=folder, check=True,
        timeout=120,
    )
    words = command("java")
    return ["java", "-XX:TieredStopAtLevel=1", *words[1:]], folder


@pytest.fixture(params=["python", "java"])
def either(request: pytest.FixtureRequest) -> Words:
    found: Words = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def school(own_server: Callable[..., Server]) -> Iterator[School]:
    with ExitStack() as stack:
        yield School(own_server("--log-level", "debug"), stack)
