"""deploy/assemble.py: the scripts that are copied alone contain what their libraries say, and nothing older."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

ALONE = ("nat/linux.sh", "nat/virtualbox.sh", "nat/virtualbox.ps1", "nat/windows-portproxy.ps1")
LIBRARY = """# shellcheck shell=sh
# What it is for.

# why
one() { say "}" 'x' | sed 's/}/{/'; } # and more
TWO='a|b' # two
three() {
    if true; then
        echo "$1"
    fi
}

four() { cat <<END
{
END
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of deploy/, which a test may change."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    return tmp_path


def assemble(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "deploy/assemble.py", *words], cwd=project, capture_output=True, text=True, check=False
    )


def write(project: Path, script: str) -> Path:
    (project / "deploy" / "lib.sh").write_text(LIBRARY)
    path = project / "deploy" / "alone.sh"
    path.write_text(script)
    return path


def test_the_committed_scripts_are_what_their_libraries_make_them() -> None:
    done = assemble(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("script", ALONE)
def test_a_script_that_is_copied_alone_reads_no_other_file(script: str) -> None:
    text = (ROOT / "deploy" / script).read_text()
    assert "\n# --- from deploy/" in text
    assert not re.search(r"^\s*\. ", text, re.MULTILINE)
    assert "common.ps1'" not in text
    assert len(text.splitlines()) <= 400


@pytest.mark.parametrize("script", ["doctor.sh", *(script for script in ALONE if script.endswith(".sh"))])
def test_with_a_function_comes_what_it_calls(script: str) -> None:
    library = (ROOT / "deploy" / "common.sh").read_text()
    known = set(re.findall(r"^(\w+)(?:=|\(\))", library, re.MULTILINE))
    marks = r"^# --- from deploy/common.sh: (.*) ---\n((?:.*\n)*)# --- end of deploy/common.sh"
    ((taken, region),) = re.findall(marks, (ROOT / "deploy" / script).read_text(), re.MULTILINE)
    code = re.sub(r"(^| )#.*|'[^']*'", "", region, flags=re.MULTILINE)
    assert set(re.findall(r"\w+", code)) & known == set(taken.split())


def test_a_change_of_a_library_is_seen_and_reaches_every_script_that_uses_it(project: Path) -> None:
    for library, before, after, users in (
        ("common.sh", "veth|virbr", "veth|xenbr|virbr", ["nat/linux.sh"]),
        ("common.sh", '"server_full"', '"full"', ["nat/linux.sh", "nat/virtualbox.sh"]),
        ("nat/common.ps1", "net stop winnat", "net stop it", ["nat/virtualbox.ps1", "nat/windows-portproxy.ps1"]),
    ):
        path = project / "deploy" / library
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))
        done = assemble(project, "--check")
        assert done.returncode == 1
        assert [line.split()[0] for line in done.stdout.splitlines()] == [f"deploy/{user}" for user in users]
        assert assemble(project).returncode == 0
        for user in users:
            assert after in (project / "deploy" / user).read_text()
        assert (assemble(project, "--check").stdout, assemble(project).stdout) == ("", "")


def test_functions_and_variables_are_taken_whole_with_the_comments_above_them(project: Path) -> None:
    first, last = "head\n# --- from deploy/lib.sh: four TWO one ---\n", "# --- end of deploy/lib.sh ---\ntail\n"
    alone = write(project, f"{first}old\n\n{last}")
    assert assemble(project).returncode == 0
    one, two, rest = LIBRARY.partition("\n\n")[2].partition("TWO='a|b' # two\n")
    four = rest[rest.index("four()"):]
    assert alone.read_text() == f"{first}{one}{two}{four}{last}"


def test_without_names_the_whole_library_is_taken_but_the_comment_at_its_top(project: Path) -> None:
    alone = write(project, "# --- from deploy/lib.sh ---\n# --- end of deploy/lib.sh ---\n")
    assert assemble(project).returncode == 0
    assert alone.read_text().splitlines()[1:-1] == LIBRARY.partition("\n\n")[2].splitlines()


@pytest.mark.parametrize(("script", "fault"), [
    ("# --- from deploy/lib.sh: five ---\n# --- end of deploy/lib.sh ---\n", "the library does not define five"),
    ("# --- from deploy/none.sh ---\n# --- end of deploy/none.sh ---\n", "there is no file deploy/none.sh"),
    ("# --- from deploy/lib.sh ---\n", "has no partner"),
    ("# --- end of deploy/lib.sh ---\n", "has no partner"),
    ("# --- from deploy/lib.sh ---\n# --- end of deploy/common.sh ---\n", "has no partner"),
    ("# --- from deploy/lib.sh ---\n# --- from deploy/lib.sh ---\n# --- end of deploy/lib.sh ---\n", "has no partner"),
])
def test_a_wrong_region_is_a_line_and_changes_no_file(project: Path, script: str, fault: str) -> None:
    alone = write(project, script)
    done = assemble(project)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("assemble.py: deploy/alone.sh: ")
    assert fault in line
    assert alone.read_text() == script


def test_a_wrong_command_line_gets_the_usage(project: Path) -> None:
    assert assemble(project, "--chek").returncode == 2
