"""Texts are plain: words that people with school English have to read twice are not used.

The list has only the patterns that a program can find. Short sentences with the subject first are the author's work.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLAIN = {
    r"\b[Ww]hoever\b": "the client that ...",
    r"\b[Ll]est\b": "so that ... not",
    r"[a-z,] whom [a-z]": "the people that ...",
    r"(?<![Tt]here\s)\b(?:is|are|was|were) no (?!longer\b|more\b)": "is not a ...",
    r"\b(?:is|are|was|were) nobody\b|\b[Nn]obody's\b": "name the thing",
    r"\b(?:count|counts) for nothing\b": "is ignored",
    r"\b[Tt]o no avail\b|\b[Ii]n vain\b|\b[Tt]hereby\b|\b[Hh]ence\b|\b[Aa]lbeit\b": "an everyday word",
    r"\b[Bb]ut for\b": "except",
    r", for (?:it|they|there|nobody|some|what|whoever)\b": "because",
    r"\b(?:nobody|nothing|anything) any more\b": "no longer",
    r"\b(?:save|stop|accept|tell)s? nobody\b": "does not ... anybody",
    r"\bat the (?:most|least)\b": "at most, at least",
    r"\btaken at (?:its|their) word\b": "say what the program does",
}
"""Patterns, and the plain form."""

_FOLDERS = ("classcord/", "handlers/", "deploy/", "tests/")
_FILES = (
    "server.py", "README.md", "CHANGELOG.md", "Makefile", "Dockerfile", "docker-compose.yml", ".ci/run",
    "pyproject.toml",
)
_TEXT = (
    "", ".py", ".c", ".md", ".sh", ".ps1", ".yml", ".toml", ".service", ".socket", ".conf", ".env", ".txt", ".js",
    ".mjs", ".html", ".css",
)


def _files() -> list[Path]:
    """The files of the project, without those that git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    except (FileNotFoundError, subprocess.CalledProcessError):
        listed = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if "__pycache__" not in path.parts]
    return [
        ROOT / name for name in sorted(filter(None, listed))
        if (name in _FILES or name.startswith(_FOLDERS)) and Path(name).suffix in _TEXT
        and (ROOT / name).is_file() and ROOT / name != Path(__file__)
    ]


def hard(text: str) -> Iterator[tuple[int, str, str]]:
    """The line, the words and the plain form for each place that is hard to read, also over the end of a line."""
    for pattern, plain in PLAIN.items():
        # between two words there may be a line break, with the marks of a comment or a list after it
        for found in re.finditer(pattern.replace(" ", r"(?: |\n[ \t]*(?:# |\* )?)"), text):
            yield text.count("\n", 0, found.start()) + 1, " ".join(found[0].split()), plain


def test_the_texts_are_plain() -> None:
    files = _files()
    assert len(files) > 100
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {words!r}: write: {plain}"
        for path in files for line, words, plain in hard(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("text", [
    "Whoever gets it carries out what is pending",
    "what listens at that port is no ClassCord server",
    "the backup is no text for a terminal",
    "this is\n    # no listening socket",
    "a guest whom it refuses",
    "the settings count for nothing then",
    "accepts nobody any more",
    "Items on nobody's behalf",
])
def test_hard_words_are_found(text: str) -> None:
    assert list(hard(text)), text


@pytest.mark.parametrize("text", [
    "there is no database", "it is no longer there", "this is not a ClassCord server", "no more than the least",
])
def test_plain_words_pass(text: str) -> None:
    assert not list(hard(text)), text
