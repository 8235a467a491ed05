"""docs/CONNEXION.md agrees with the server: its netcat sessions are typed, its errors are provoked."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from classcord.wire.protocol import MAX_CONTENT, MAX_LINE
from tests.support import DEADLINE, ROOT, Client, Server, member
from tests.unit.test_documents import same, table

CONNEXION = (ROOT / "docs" / "CONNEXION.md").read_text()
ADDRESS = "10.0.108.42 12345"


def netcat() -> str:
    found = shutil.which("nc.openbsd")
    if found is None:
        pytest.skip("needs netcat: apt install netcat-openbsd")
    return found


def test_the_line_beside_an_error_provokes_it(own_server: Callable[..., Server]) -> None:
    server = own_server()
    address = (server.host, server.port)
    provoked = [(row[0].strip("`"), row[1].strip("`")) for row in table(CONNEXION, "code") if row[1]]
    assert len(provoked) >= 9
    with member(address, "alice"), Client(address) as client:
        for code, line in provoked:
            assert client.ask(line).get("code") == code, line


def test_the_limits_in_the_text_are_those_of_the_code() -> None:
    assert f"plus de {MAX_LINE:,} octets".replace(",", " ") in CONNEXION
    assert f"plus de {MAX_CONTENT:,} caractères".replace(",", " ") in CONNEXION


def test_the_commands_print_what_the_document_says(own_server: Callable[..., Server]) -> None:
    program = netcat()
    server = own_server()
    session = re.search(r"```console\n(.*?)```", CONNEXION, re.DOTALL)
    assert session is not None
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session[1], re.MULTILINE)
    assert len(commands) == 3
    for command, expected in commands:
        here = command.replace(ADDRESS, f"{server.host} {server.port}").replace("nc -N", f"{program} -N")
        assert here != command
        done = subprocess.run(["sh", "-c", here], capture_output=True, text=True, timeout=DEADLINE)
        assert done.stdout == expected


def test_the_session_in_two_terminals(own_server: Callable[..., Server]) -> None:
    """Typed into netcat line by line. An output line that isn't in the document fails the next reading."""
    program = netcat()
    server = own_server()
    block = re.search(r"```exchange\n(.*?)```", CONNEXION, re.DOTALL)
    assert block is not None
    steps = re.findall(r"^(\w+)([<>]) (.*)$", block[1], re.MULTILINE)
    assert len(steps) == len(block[1].splitlines())
    with ExitStack() as stack:
        terminals: dict[str, subprocess.Popen[str]] = {}
        for name, direction, line in steps:
            if name not in terminals:
                terminals[name] = stack.enter_context(subprocess.Popen(
                    [program, "-w", str(int(DEADLINE)), server.host, str(server.port)],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                ))
                stack.callback(terminals[name].kill)
            terminal = terminals[name]
            assert terminal.stdin is not None
            assert terminal.stdout is not None
            if direction == ">":
                terminal.stdin.write(line + "\n")
                terminal.stdin.flush()
            else:
                got = terminal.stdout.readline()  # netcat gives up at DEADLINE
                assert got, f"{name} got nothing, the document says {line}"
                assert same(json.loads(got), json.loads(line)), f"{name} got {got}, the document says {line}"


def test_what_a_web_client_is_told(own_server: Callable[..., Server]) -> None:
    server = own_server("--web", "off")
    with Client((server.host, server.port)) as client:
        client.send_raw(b"GET / HTTP/1.1\r\n\r\n")
        head, _, body = client.at_end().decode().partition("\r\n\r\n")
    assert f"`{head.splitlines()[0]}`" in CONNEXION
    assert f"`{body.splitlines()[0]}`" in CONNEXION


def form(line: str) -> str:
    """A line of the log without its time and with everybody's address. Clients of this machine are logged as debug."""
    line = re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (INFO|DEBUG) ", "TIME INFO ", line)
    return re.sub(r"peer=[\d.]+ port=\d+$", "peer=ADDRESS port=PORT", line)


def test_the_extract_of_the_log_is_what_a_login_leaves(own_server: Callable[..., Server]) -> None:
    shown = re.search(r"```log\n(.*?)```", CONNEXION, re.DOTALL)
    assert shown is not None
    server = own_server("--log-level", "debug")
    with member((server.host, server.port), "alice"):
        server.wait_log("event=login")
    lines = [line for line in server.log_so_far() if "port=" in line and "event=listening" not in line]
    extract = shown[1].splitlines()
    assert [form(line) for line in lines[:len(extract)]] == [form(line) for line in extract]
    assert all(form(line).startswith("TIME INFO event=") for line in extract)


@pytest.mark.parametrize(("console", "seen"), [("cp850", "‚t‚"), ("cp1252", "été"), ("utf-8", "été")])
def test_what_a_windows_console_makes_of_a_line(own_server: Callable[..., Server], console: str, seen: str) -> None:
    """Why the guide says `chcp 1252`: the server reads text that is not UTF-8 as cp1252."""
    assert f"`{seen}`" in CONNEXION
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, member(address, "bob") as bob:
        alice.ask({"type": "users"})
        bob.send('{"type":"message","content":"été"}'.encode(console))
        assert alice.until(type="message")["content"] == seen


@pytest.mark.parametrize(("row", "before"), [
    ("avec PuTTY", bytes.fromhex("fffb1f fffb20 fffb18 fffb27 fffd01 fffb03 fffd03")),
    ("writeUTF", b"\x00\x10"),
    ("ObjectOutputStream", b"\xac\xed\x00\x05t\x00\x10"),
])
def test_what_other_programs_put_before_the_text(own_server: Callable[..., Server], row: str, before: bytes) -> None:
    assert [line for line in CONNEXION.splitlines() if row in line and "`invalid_json`" in line]
    server = own_server()
    with Client((server.host, server.port)) as client:
        assert client.ask(before + b'{"type":"users"}')["code"] == "invalid_json"
        client.send({"type": "ping"})
        client.until(type="pong")
