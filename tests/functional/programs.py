"""The two client programs of docs/CONNEXION.md, as the document prints them and as it says that they are started."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import subprocess
import termios
import threading
from pathlib import Path

from tests.support import DEADLINE, ROOT

__all__ = ["CONNEXION", "Program", "Terminal", "Words", "block", "command"]

CONNEXION = (ROOT / "docs" / "CONNEXION.md").read_text()
Words = tuple[list[str], Path]
"""The command line of a program, and its folder."""


def block(kind: str) -> str:
    found = re.findall(rf"^```{kind}\n(.*?)^```", CONNEXION, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"one {kind} block is expected"
    return str(found[0])


def command(program: str) -> list[str]:
    """The command that the document gives to start this program."""
    line = re.search(rf"^({program} .* 10\.0\.108\.42 12345 \S+ \S+)$", CONNEXION, re.MULTILINE)
    assert line is not None
    return shlex.split(line[1])


UTF8 = {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "1", "JAVA_TOOL_OPTIONS": "-Dfile.encoding=UTF-8"}
"""A console that can show everything."""


def _environment(console: dict[str, str]) -> dict[str, str]:
    """This process's, with the settings of one console instead of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON", "JAVA"))}
    return {**kept, **console}


class Program:
    """A client started as the document says, with another address, name and password. Use it in a with statement."""

    def __init__(
        self, words: list[str], folder: Path, address: tuple[str, int | str], name: str | bytes,
        password: str = "azerty", *, console: dict[str, str] = UTF8,
    ) -> None:
        self.name = os.fsdecode(name)
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._read = 0
        self.process = subprocess.Popen(
            [*words[:-4], address[0], str(address[1]), name, password], cwd=folder, text=True, encoding="utf-8",
            errors="replace", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=_environment(console),
        )
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    def shows(self, text: str) -> None:
        """Wait until it has printed this line, since the last one that was waited for."""
        def found() -> bool:
            return text in self.lines[self._read:]

        with self._more:
            self._more.wait_for(lambda: found() or not self._reader.is_alive(), DEADLINE)
            assert found(), f"{text!r} is not among {self.lines[self._read:]}"
            self._read = self.lines.index(text, self._read) + 1

    def starts(self, text: str) -> None:
        """Wait until it has printed a line that begins with this text."""
        with self._more:
            self._more.wait_for(
                lambda: any(line.startswith(text) for line in self.lines) or not self._reader.is_alive(), DEADLINE
            )
            assert any(line.startswith(text) for line in self.lines), self.lines

    def types(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ends(self) -> tuple[int, str]:
        """Close its standard input: its exit code and its standard error."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        said = self.process.stderr.read()
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code, re.sub("^Picked up JAVA_TOOL_OPTIONS.*\n", "", said)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(DEADLINE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


class Terminal:
    """A client at its own terminal, where Ctrl-C and Ctrl-D are keys. Use it in a with statement."""

    def __init__(
        self, words: list[str], folder: Path, address: tuple[str, int | str], name: str, *,
        console: dict[str, str] = UTF8,
    ) -> None:
        self.name = name
        self.shown = b""
        self._keys, screen = pty.openpty()
        mode = termios.tcgetattr(screen)
        mode[3] &= ~termios.ECHO  # only the output of the program is shown
        termios.tcsetattr(screen, termios.TCSANOW, mode)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *words[:-4], address[0], str(address[1]), name, "azerty"], cwd=folder,
            stdin=screen, stdout=screen, stderr=screen, env=_environment(console),
        )
        os.close(screen)

    def press(self, keys: bytes) -> None:
        os.write(self._keys, keys)

    def shows(self, text: bytes) -> None:
        """Wait until it has shown this."""
        while text not in self.shown:
            assert self._read(), f"{text!r} is not in {self.shown!r}"

    def handles(self, number: int) -> bool:
        """It has a handler for this signal."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)

    def ends(self) -> tuple[int, bytes]:
        """Wait for its end: its exit code (or the number of a signal, negative), and all that it has shown."""
        while self._read():
            pass
        return self.process.wait(DEADLINE), re.sub(rb"Picked up JAVA_TOOL_OPTIONS.*\r\n", b"", self.shown)

    def _read(self) -> bool:
        if not select.select([self._keys], [], [], DEADLINE)[0]:
            return False
        try:
            more = os.read(self._keys, 65536)
        except OSError:  # no process has the terminal open any longer
            more = b""
        self.shown += more
        return bool(more)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._keys)
