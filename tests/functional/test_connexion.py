"""The two client programs of docs/CONNEXION.md, as the document prints them, chat with each other."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.functional.lines import Address
from tests.functional.programs import Program, Words, block
from tests.support import DEADLINE, listener, nobody, unique

TEXTS = ["Été à la « plage »", 'il a dit "oui" \\ non', "\tune tabulation", "\U0001f600 émoji", "</b>{}[],:null"]


def test_the_two_programs_chat(
    address: Address, python: Words, java: Words, stack: ExitStack
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


def test_a_wrong_password_is_said(address: Address, either: Words, stack: ExitStack) -> None:
    first = stack.enter_context(Program(*either, address, unique("zoé")))
    first.starts("* ici :")
    code, said = stack.enter_context(Program(*either, address, first.name, "faux")).ends()
    assert (code, said.count("\n")) == (1, 1), said
    assert said.startswith("! Login failed.")


def test_an_address_where_nobody_listens_is_said(either: Words, stack: ExitStack) -> None:
    with nobody() as port:
        code, said = stack.enter_context(Program(*either, ("127.0.0.1", port), "zoé")).ends()
    assert (code, said.count("\n")) == (1, 1), said
    assert said.startswith("! connexion impossible : ")
    assert "Connection refused" in said


@pytest.mark.parametrize(("answer", "expected"), [
    (b"", "! le serveur a fermé la connexion\n"),
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "! ce qui répond n'est pas un serveur ClassCord\n"),
])
def test_what_is_not_the_server_is_said(
    either: Words, stack: ExitStack, answer: bytes, expected: str
) -> None:
    address = "127.0.0.1", stack.enter_context(listener(answer))
    assert stack.enter_context(Program(*either, address, "zoé")).ends() == (1, expected)


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_that_is_closed_at_once_is_said(
    either: Words, stack: ExitStack, reset: bool
) -> None:
    """Like a NAT in front of a port without a listener. It resets the connection if the first line is there already."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        program = stack.enter_context(Program(*either, server.getsockname(), "zoé"))
        server.settimeout(DEADLINE)
        with server.accept()[0] as connection:
            if reset:
                connection.settimeout(DEADLINE)
                connection.recv(1, socket.MSG_PEEK)  # closing a socket with unread bytes resets the connection
        assert program.ends() == (1, "! le serveur a fermé la connexion\n")


def test_a_server_that_says_nothing_is_said(
    request: pytest.FixtureRequest, either: Words, tmp_path: Path, stack: ExitStack
) -> None:
    """With one second instead of 10, so that the test is short."""
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
def test_a_wrong_port_is_said(either: Words, stack: ExitStack, port: str) -> None:
    code, said = stack.enter_context(Program(*either, ("127.0.0.1", port), "zoé")).ends()
    assert (code, said.count("\n")) == (1, 1), said
    assert said.startswith("! connexion impossible : ")
    assert port in said
