"""The files of the page: small, readable, and without what its rules forbid."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT

WEB = ROOT / "classcord" / "web"
FILES = sorted(WEB.iterdir())
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
PAGES = [path for path in FILES if path.suffix == ".html"]
MOST = 100_000
"""Bytes of all files together: the page comes at once, also over a slow network."""


def test_all_files_together_are_small() -> None:
    assert sum(path.stat().st_size for path in FILES) < MOST
    assert {path.suffix for path in FILES} == {".html", ".css", ".js", ".svg"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_is_too_long_to_read_at_once(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400
    assert [line for line in lines if len(line) > 140] == []


FORBIDDEN = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser"
    r"|document\.cookie|sessionStorage|indexedDB"
)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_html_of_texts_or_keeps_anything(path: Path) -> None:
    script = path.read_text(encoding="utf-8")
    assert re.findall(FORBIDDEN, script) == []
    assert set(re.findall(r"localStorage\.\w+\((.*?)[,)]", script)) <= {'"language"'}
    assert set(re.findall(r"\bfrom \"(.*?)\"", script)) <= {f"./{other.name}" for other in SCRIPTS}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_have_no_scripts_or_styles_of_their_own(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert re.findall(r"\bstyle=|<style|\bon\w+=|javascript:", page) == []
    assert all(inside == "" for inside in re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL))
    for name in re.findall(r"(?:src|href)=\"([^\"#]+)\"", page):
        assert name == "data:," or (WEB / name).is_file(), name


def test_each_text_that_is_used_is_there_and_the_other_way_round() -> None:
    texts = (WEB / "texts.js").read_text(encoding="utf-8")
    known = set(re.findall(r"^\s+(\w+): \[", texts, re.MULTILINE))
    assert len(known) > 100
    others = "".join(path.read_text(encoding="utf-8") for path in FILES if path.name != "texts.js")
    used = set(re.findall(r"data-(?:text|label)=\"(\w+)\"", others)) | set(re.findall(r"\bsay\(\"(\w+)\"", others))
    assert used <= known
    loose = {name for name in known if not name.startswith(("error", "kind_"))}
    unused = {name for name in loose if not re.search(rf"\b{name}\b", others)}
    assert unused == set()


def test_the_modules_without_a_page() -> None:
    """What node can test: tests/web/*.test.mjs."""
    if shutil.which("node") is None:
        pytest.skip("needs node: apt install nodejs npm")
    if not (ROOT / "tests" / "web" / "node_modules").is_dir():
        pytest.skip("needs the packages of tests/web: npm ci --prefix tests/web")
    tests = sorted(str(path) for path in (ROOT / "tests" / "web").glob("*.test.mjs"))
    assert len(tests) >= 4
    result = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
