"""The two client programs of docs/CONNEXION.md, as the document prints them, chat with each other."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.functional.lines import Address
from tests.support import DEADLINE, ROOT, listener, unique

CONNEXION = (ROOT / "docs" / "CONNEXION.md").read_text()
TEXTS = ["Été à la « plage »", 'il a dit "oui" \\ non', "\tune tabulation", "\U0001f600 émoji", "</b>{}[],:null"]


def block(kind: str) -> str:
    found = re.findall(rf"^```{kind}\n(.*?)^```", CONNEXION, re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"one {kind} block is expected"
    return str(found[0])


def command(program: str) -> list[str]:
    """The command that the document gives to start this program."""
    line = re.search(rf"^({program} .* 10\.0\.108\.42 12345 \S+ \S+)$", CONNEXION, re.MULTILINE)
    assert line is not None
    return shlex.split(line[1])


class Program:
    """A client started as the document says, but for address, name and password. Use it in a with statement."""

    def __init__(
        self, words: list[str], folder: Path, address: tuple[str, int | str], name: str, password: str = "azerty"
    ) -> None:
        self.name = name
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._read = 0
        self.process = subprocess.Popen(
            [*words[:-4], address[0], str(address[1]), name, password], cwd=folder, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUTF8": "1", "JAVA_TOOL_OPTIONS": "-Dfile.encoding=UTF-8"},
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
        """Wait until it has printed a line that begins so."""
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
        """Close its standard input: its exit code and what it said on standard error."""
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


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    folder = tmp_path_factory.mktemp("python")
    words = command("python3")
    (folder / words[1]).write_text(block("python"), encoding="utf-8")
    return [sys.executable, *words[1:]], folder


@pytest.fixture(scope="module")
def java(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
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
def either(request: pytest.FixtureRequest) -> tuple[list[str], Path]:
    found: tuple[list[str], Path] = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def test_the_two_programs_chat(
    address: Address, python: tuple[list[str], Path], java: tuple[list[str], Path], stack: ExitStack
) -> None:
    alice = stack.enter_context(Program(*python, address, unique("aliçe")))
    alice.starts("* ici : ")
    bob = stack.enter_context(Program(*java, address, unique('bob "b"')))
    bob.starts("* ici : ")
    here = next(line for line in bob.lines if line.startswith("* ici : "))
    assert {alice.name, bob.name} <= set(here.removeprefix("* ici : ").split(", ")), here
    alice.shows(f"* {bob.name} : online")
    for speaker, reader in ((alice, bob), (bob, alice)):
        for text in TEXTS:
            speaker.types(text)
            reader.shows(f"{speaker.name} : {text}")
    alice.types(f'/msg {bob.name.split()[0]} coucou')
    alice.starts("Serveur (en privé) : ")
    bob.types("/qui")
    bob.starts("Serveur (en privé) : ")
    code, said = bob.ends()
    assert (code, said, bob.lines[-1]) == (0, "", "* fin de la connexion")
    alice.shows(f"* {bob.name} : offline")
    code, said = alice.ends()
    assert (code, said, alice.lines[-1]) == (0, "", "* fin de la connexion")


def test_a_wrong_password_is_said(address: Address, either: tuple[list[str], Path], stack: ExitStack) -> None:
    first = stack.enter_context(Program(*either, address, unique("zoé")))
    first.starts("* ici :")
    code, said = stack.enter_context(Program(*either, address, first.name, "faux")).ends()
    assert (code, said.count("\n")) == (1, 1), said
    assert said.startswith("! Login failed.")


def test_an_address_where_nobody_listens_is_said(either: tuple[list[str], Path], stack: ExitStack) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, and not listening: refused
        code, said = stack.enter_context(Program(*either, nobody.getsockname(), "zoé")).ends()
    assert (code, said.count("\n")) == (1, 1), said
    assert said.startswith("! connexion impossible : ")
    assert "Connection refused" in said


@pytest.mark.parametrize(("answer", "expected"), [
    (b"", "! le serveur a fermé la connexion\n"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "! ce qui répond n'est pas un serveur ClassCord\n"),
])
def test_what_is_not_the_server_is_said(
    either: tuple[list[str], Path], stack: ExitStack, answer: bytes, expected: str
) -> None:
    address = "127.0.0.1", stack.enter_context(listener(answer))
    assert stack.enter_context(Program(*either, address, "zoé")).ends() == (1, expected)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_that_is_closed_at_once_is_said(
    either: tuple[list[str], Path], stack: ExitStack, reset: bool
) -> None:
    """As a NAT does behind which nothing listens. It resets the connection if the first line is there already."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = stack.enter_context(Program(*either, server.getsockname(), "zoé"))
        server.settimeout(DEADLINE)
        with server.accept()[0] as connection:
            if reset:
                connection.settimeout(DEADLINE)
                connection.recv(1, socket.MSG_PEEK)  # what is closed with something unread is reset
        assert program.ends() == (1, "! le serveur a fermé la connexion\n")


def test_a_server_that_says_nothing_is_said(
    request: pytest.FixtureRequest, either: tuple[list[str], Path], tmp_path: Path, stack: ExitStack
) -> None:
    """With its 10 seconds made one, so as not to wait for them here."""
    words, _ = either
    kind = request.node.callspec.params["either"]
    source = block(kind)
    impatient = re.sub(r"timeout=10\b|10_000\b", lambda found: found[0].replace("10", "1"), source)
    assert impatient.count("timeout=1)") + impatient.count("1_000)") == {"python": 1, "java": 2}[kind]
    name = "client.py" if kind == "python" else "ClientClassCord.java"
    (tmp_path / name).write_text(impatient, encoding="utf-8")
    if kind == "java":
        words = [*words[:-5], "-Dfile.encoding=UTF-8", name, *words[-4:]]
    address = "127.0.0.1", stack.enter_context(listener())
    assert stack.enter_context(Program(words, tmp_path, address, "zoé")).ends() == (1, "! le serveur ne répond pas\n")


@pytest.mark.parametrize("port", ["http", "99999", "-1"])
def test_a_wrong_port_is_said(either: tuple[list[str], Path], stack: ExitStack, port: str) -> None:
    code, said = stack.enter_context(Program(*either, ("127.0.0.1", port), "zoé")).ends()
    assert (code, said.count("\n")) == (1, 1), said
    assert said.startswith("! connexion impossible : ")
    assert port in said
