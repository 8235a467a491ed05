"""The two client programs of docs/CONNEXION.md at consoles that can't show everything, and at keyboards that misbehave.

With every such console the program goes on, and it doesn't blame the server.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.functional.lines import Address
from tests.functional.programs import Program, Terminal, Words
from tests.support import DEADLINE, Client, member, say, unique

CONSOLES = {
    "python": {
        "C": {"LC_ALL": "C"},
        "C and nothing else": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        "cp850": {"PYTHONIOENCODING": "cp850"},
        "cp1252": {"PYTHONIOENCODING": "cp1252:strict"},
        "ascii": {"PYTHONIOENCODING": "ascii:strict"},
    },
    "java": {
        "C": {"LC_ALL": "C"},
        "cp850": {"JAVA_TOOL_OPTIONS": "-Dfile.encoding=Cp1252 -Dsun.stdout.encoding=Cp850 -Dstdout.encoding=Cp850"},
        "cp1252": {"JAVA_TOOL_OPTIONS": "-Dfile.encoding=Cp1252"},
        "ascii": {"JAVA_TOOL_OPTIONS": "-Dfile.encoding=US-ASCII -Dstdout.encoding=US-ASCII"},
    },
}
PAIRS = [(program, name) for program, consoles in CONSOLES.items() for name in consoles]
UNSHOWABLE = ["Été, \u20ac, ça, œuf", "\U0001f600 émoji", "李雷, Ольга, \u202e, \u0301"]
TYPED = [b"\x82t\x82", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", "été 😀".encode()]
BLAME = ("serveur", "connexion perdue", "Traceback", "Exception", "Error")


@pytest.fixture(params=PAIRS, ids=lambda pair: "-".join(pair))
def hostile(request: pytest.FixtureRequest) -> tuple[Words, dict[str, str]]:
    """One of the two programs, and the environment of a console that lacks characters."""
    program, name = request.param
    return request.getfixturevalue(program), CONSOLES[program][name]


@pytest.fixture
def peer(address: Address, stack: ExitStack) -> Client:
    """Another person in the chat, with a name that every console can show."""
    client = stack.enter_context(member(address, unique("peer")))
    client.ask({"type": "users"})
    return client


def hears(peer: Client, speaker: str) -> str:
    return str(peer.until(**{"type": "message", "from": speaker})["content"])


def test_what_the_console_cannot_show_ends_nothing(
    address: Address, hostile: tuple[Words, dict[str, str]], peer: Client, stack: ExitStack
) -> None:
    words, console = hostile
    program = stack.enter_context(Program(*words, address, unique("bob"), console=console))
    program.starts("* ici : ")
    for text in UNSHOWABLE:
        peer.send(say(text))
        peer.send(say("still there"))
        program.shows(f"{peer.name} : still there")
    with member(address, unique("zoé_李")):  # a name that can't be shown, coming and going
        pass
    peer.send({"type": "message", "subtype": "private", "to": program.name, "content": "psst"})
    program.starts(f"{peer.name} (en priv")
    code, said = program.ends()
    assert (code, said, program.lines[-1]) == (0, "", "* fin de la connexion")


def test_what_the_keyboard_sends_is_no_fault_of_the_server(
    address: Address, hostile: tuple[Words, dict[str, str]], peer: Client, stack: ExitStack
) -> None:
    """Bytes that are not text in the console's encoding are sent as something else, and the next line as it is."""
    words, console = hostile
    program = stack.enter_context(Program(*words, address, unique("bob"), console=console))
    program.starts("* ici : ")
    assert program.process.stdin is not None
    for typed in TYPED:
        os.write(program.process.stdin.fileno(), typed + b"!\nplain\n")
        assert hears(peer, program.name).endswith("!")
        assert hears(peer, program.name) == "plain"
    code, said = program.ends()
    assert (code, said, program.lines[-1]) == (0, "", "* fin de la connexion")
    assert not [line for line in program.lines for word in BLAME if word in line]


@pytest.mark.parametrize("console", ["C", "C and nothing else"])
def test_a_name_that_the_console_could_not_read_is_said(
    address: Address, either: Words, stack: ExitStack, console: str
) -> None:
    kind = "java" if either[0][0] == "java" else "python"
    environment = CONSOLES[kind].get(console, CONSOLES[kind]["C"])
    code, said = stack.enter_context(Program(*either, address, b"zo\xe9", console=environment)).ends()
    assert (code, said.count("\n")) == (1, 1), said
    assert said.startswith("! cette console n'a pas su lire un caract")


def test_a_console_that_is_closed_ends_the_program_quietly(
    address: Address, either: Words, peer: Client, stack: ExitStack
) -> None:
    words, folder = either
    piped = ["sh", "-c", '"$@" | head -n 1', "sh", *words]
    program = stack.enter_context(Program(piped, folder, address, unique("bob")))
    program.starts("* ici : ")
    for _ in range(2):
        peer.send(say("nobody reads this"))
    code, said = program.ends()
    assert (code, said) == (0, "")


def test_java_reads_the_keyboard_in_the_encoding_of_the_console(
    address: Address, java: Words, peer: Client, stack: ExitStack
) -> None:
    """Before Java 18, System.in has the encoding of files. On a French Windows that is not the console's encoding."""
    console = {"LC_ALL": "C.UTF-8", "JAVA_TOOL_OPTIONS": "-Dfile.encoding=Cp1252"}
    program = stack.enter_context(Terminal(*java, address, unique("bob"), console=console))
    program.shows(b"* ici : ")
    program.press("été\n".encode())
    assert hears(peer, program.name) == "été"


def test_ctrl_c_ends_a_chat_quietly(address: Address, either: Words, peer: Client, stack: ExitStack) -> None:
    program = stack.enter_context(Terminal(*either, address, unique("bob")))
    program.shows(b"* ici : ")
    # A handler of Python runs between two of its steps: it would miss a Ctrl-C just before a read, until the next key.
    assert not program.handles(signal.SIGINT) or either[0][0] == "java"
    program.press(b"\x03")
    quiet(*program.ends())
    assert peer.until(type="status", user=program.name, state="offline")


def test_ctrl_d_ends_a_chat_when_everything_is_said(
    address: Address, either: Words, peer: Client, stack: ExitStack
) -> None:
    program = stack.enter_context(Terminal(*either, address, unique("bob")))
    program.shows(b"* ici : ")
    program.press("été\n".encode() + b"\x04")
    code, shown = program.ends()
    assert (code, shown.splitlines()[-1]) == (0, b"* fin de la connexion")
    assert hears(peer, program.name) == "été"


def test_ctrl_c_while_the_server_is_silent_is_quiet(either: Words, stack: ExitStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        program = stack.enter_context(Terminal(*either, server.getsockname(), "bob"))
        with server.accept()[0] as connection:
            connection.settimeout(DEADLINE)
            assert connection.recv(1)
            program.press(b"\x03")
            quiet(*program.ends())


def test_ctrl_c_while_it_connects_is_quiet(either: Words, stack: ExitStack) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        stack.enter_context(socket.create_connection(("127.0.0.1", port)))  # no room for another
        program = stack.enter_context(Terminal(*either, ("127.0.0.1", port), "bob"))
        wait_until_it_connects(port)
        program.press(b"\x03")
        quiet(*program.ends())


def wait_until_it_connects(port: int) -> None:
    """Wait for a connection to this port in the state SYN_SENT (02)."""
    end = time.monotonic() + DEADLINE
    tables = [path for path in map(Path, ("/proc/net/tcp", "/proc/net/tcp6")) if path.exists()]  # Java uses the second
    while not any(re.search(rf":{port:04X} 02 ", table.read_text()) for table in tables):
        assert time.monotonic() < end, "it doesn't connect"
        time.sleep(0.02)


def quiet(code: int, shown: bytes) -> None:
    """Ended by Ctrl-C, without a word of why."""
    assert code in (0, 130, -signal.SIGINT)
    assert [line for line in shown.splitlines() if not line.startswith(b"* ")] == [], shown
