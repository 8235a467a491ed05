"""The documents agree with the code: tables are compared, examples are run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from classcord.ops import config
from classcord.wire.diagnosis import CAUSES
from classcord.wire.protocol import ERRORS, MAX_CONTENT, MAX_DEPTH, MAX_LINE, ProtocolError, decode
from classcord.wire.texts import LANGUAGES
from handlers import ALIASES, HELP, REQUESTS
from handlers.commands import _COMMANDS, _EXPLAINED
from handlers.presence import STATES
from tests.support import ROOT, Client, Server, member

PROTOCOL = (ROOT / "docs" / "PROTOCOLE.md").read_text()
DOCS = sorted((ROOT / "docs").glob("*.md"))
README = (ROOT / "README.md").read_text()
INDIA = {**os.environ, "TZ": "IST-5:30"}
"""The environment of a machine in India (no summer time), even if the names of time zones are not installed."""


def table(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading."""
    rows = re.search(rf"^\| {re.escape(heading)} \|.*\n\|[- |]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert rows is not None, heading
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in rows[1].splitlines()]


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", ["README.md", "CONTAINERS.md", *(f"docs/{path.name}" for path in DOCS)])
def test_links_lead_somewhere(name: str) -> None:
    document = ROOT / name
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", document.read_text()):
        target = document.parent / file if file else document
        assert target.exists(), file
        assert not anchor or anchor in anchors(target.read_text()), f"{file}#{anchor}"


def test_every_error_code_is_documented() -> None:
    assert [row[0].strip("`") for row in table(PROTOCOL, "code")] == list(ERRORS)


def test_every_cause_of_invalid_json_is_documented_with_a_line_that_has_it() -> None:
    rows = table(PROTOCOL, "cause")
    assert [row[0].strip("`") for row in rows] == [cause.name for cause in CAUSES]
    typed = [(row[0].strip("`"), row[1][1:-1]) for row in rows if row[1]]
    assert len(typed) > 25
    for cause, line in typed:
        with pytest.raises(ProtocolError) as caught:
            decode(line.encode())
        assert caught.value.details["cause"] == cause, line


def test_every_request_type_is_documented_with_its_fields() -> None:
    rows = table(PROTOCOL, "type")
    assert [row[0].strip("`") for row in rows] == list(REQUESTS)
    for row, request in zip(rows, REQUESTS.values(), strict=True):
        required = {field.name for field in request.fields if field.required}
        if row[0] == "`message`":
            row[1] = row[1].partition("(")[0]  # and to, for a private one
        optional = {field.name for field in request.fields if not field.required}
        assert set(re.findall(r"`(\w+)`", row[1])) == required
        assert set(re.findall(r"`(\w+)`", row[2])) - {"from", "user"} == optional


def test_every_other_word_for_a_request_is_documented_and_left_out_of_help() -> None:
    rows = table(PROTOCOL, "autre mot")
    documented = {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows}
    assert documented == {kind: {field.name for field in request.fields} for kind, request in ALIASES.items()}
    assert not ALIASES.keys() & REQUESTS.keys()
    assert not {f'"{kind}"'.encode() for kind in ALIASES if f'"{kind}"'.encode() in HELP}


def test_every_command_is_in_the_list_and_explained() -> None:
    for language in LANGUAGES.values():
        words = re.findall(r"/(\w+)", language["help"].partition(".")[0])
        assert {_COMMANDS[word] for word in words} == set(_COMMANDS.values()) - {_COMMANDS["password"]}
        for word in words:
            assert language[_EXPLAINED[_COMMANDS[word]]].startswith(f"/{word}")


def test_every_state_and_command_is_documented() -> None:
    rows = table(PROTOCOL, "état")
    written = {word: row[0].strip("`") for row in rows for word in re.findall(r"`([^`]+)`", row[0] + row[1])}
    assert written == STATES
    commands = {name for row in table(PROTOCOL, "commande") for name in re.findall(r"`/([^`]+)`", row[0])}
    assert commands == {name for name, run in _COMMANDS.items() if run.__name__ != "_password"}


def test_the_limits_in_the_text_are_those_of_the_code() -> None:
    assert f"dépasse {MAX_LINE:,} octets".replace(",", " ") in PROTOCOL
    assert f"plus de {MAX_DEPTH} niveaux" in PROTOCOL
    assert f"de 1 à {MAX_CONTENT:,} caractères".replace(",", " ") in PROTOCOL


def test_both_languages_have_the_same_texts() -> None:
    french, english = LANGUAGES["fr"], LANGUAGES["en"]
    assert french.keys() == english.keys()
    for name in french:
        assert set(re.findall(r"{(\w+)}", french[name])) == set(re.findall(r"{(\w+)}", english[name]))


def same(got: Any, expected: Any) -> bool:
    """Equal, except for the parts that the document leaves out with …"""
    if isinstance(expected, dict):
        return isinstance(got, dict) and list(got) == list(expected) and all(same(got[k], expected[k]) for k in got)
    return expected == "…" or bool(got == expected)


def test_the_exchanges_in_the_protocol_are_what_happens(own_server: Callable[..., Server]) -> None:
    server = own_server()
    blocks = "".join(re.findall(r"```exchange\n(.*?)```", PROTOCOL, re.DOTALL))
    steps = re.findall(r"^(\w+)([<>]) (.*)$", blocks, re.MULTILINE)
    assert len(steps) > 40
    with ExitStack() as stack:
        clients: dict[str, Client] = {}
        for name, direction, line in steps:
            if name not in clients:
                clients[name] = stack.enter_context(Client((server.host, server.port)))
            if direction == ">":
                clients[name].send(line)
                continue
            got = clients[name].receive()
            assert same(got, json.loads(line)), f"{name} got {got}, the document says {line}"


def snippet(language: str) -> str:
    """The document's only block in that language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PROTOCOL, re.DOTALL)
    return str(found)


def a_timestamp(server: Server) -> str:
    address = (server.host, server.port)
    with member(address, "alice") as alice, member(address, "bob") as bob:
        alice.ask({"type": "users"})
        bob.send({"type": "message", "content": "Bonjour"})
        return str(alice.until(type="message")["timestamp"])


def in_india(timestamp: str) -> str:
    """The time of day there in that minute, as the system's own clock shows it."""
    return subprocess.run(
        ["date", f"--date={timestamp}", "+%H:%M"], capture_output=True, text=True, check=True, env=INDIA
    ).stdout


def test_the_time_of_a_message_in_python(own_server: Callable[..., Server]) -> None:
    """With the oldest interpreter that the tests run with, this shows that the Z must go."""
    timestamp = a_timestamp(own_server())
    program = f"timestamp = {timestamp!r}\n{snippet('python')}\nprint(heure)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=INDIA)
    assert done.stdout == in_india(timestamp)


def test_the_time_of_a_message_in_java(own_server: Callable[..., Server], tmp_path: Path) -> None:
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("needs a JDK: apt install default-jdk-headless")
    timestamp = a_timestamp(own_server())
    imports, _, statements = snippet("java").partition("\n\n")
    (tmp_path / "Heure.java").write_text(
        f"{imports}\nclass Heure {{ public static void main(String[] a) {{\nString timestamp = a[0];\n{statements}\n"
        "System.out.println(heure); } }\n"
    )
    done = subprocess.run(
        ["java", "Heure.java", timestamp], cwd=tmp_path, capture_output=True, text=True, check=True, env=INDIA
    )
    assert done.stdout == in_india(timestamp)


def test_the_settings_table_is_that_of_the_code() -> None:
    assert config.markdown() in README


def test_every_flag_is_in_the_help() -> None:
    shown = subprocess.run(
        [sys.executable, str(ROOT / "server.py"), "--help"], capture_output=True, text=True, check=True
    ).stdout
    for setting in config.SETTINGS:
        assert setting.flag in shown
        assert setting.variable in shown


def test_the_map_of_the_code_names_every_file() -> None:
    described: list[str] = []
    folders: list[str] = []
    for indent, name in re.findall(r"^( *)(\w+/|\w+\.py)  +\S", README, re.MULTILINE):
        folders[len(indent) // 2 :] = [name]
        described.append("".join(folders))
    files = [path for folder in ("classcord", "handlers") for path in (ROOT / folder).rglob("*.py")]
    empty = {path for path in files if path.stat().st_size == 0} | {ROOT / "classcord" / "__init__.py"}
    named = sorted(str(path.relative_to(ROOT)) for path in {ROOT / "server.py", *files} - empty)
    assert sorted(path for path in described if path.endswith(".py")) == named


def test_the_netcat_session_prints_what_it_says(own_server: Callable[..., Server]) -> None:
    netcat = subprocess.run(["sh", "-c", "command -v nc.openbsd || command -v nc"], capture_output=True, text=True)
    if netcat.returncode:
        pytest.skip("needs netcat: apt install netcat-openbsd")
    server = own_server()
    session = re.search(r"```console\n(\$ printf.*?)```", README, re.DOTALL)
    assert session is not None
    commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session[1], re.MULTILINE)
    assert len(commands) >= 2
    for command, expected in commands:
        here = command.replace("localhost 12345", f"{server.host} {server.port}")
        here = here.replace("nc -N", f"{netcat.stdout.strip()} -N")
        printed = subprocess.run(["sh", "-c", here], capture_output=True, text=True, timeout=20).stdout
        assert re.sub(r'"timestamp":"[^"]*"', '"timestamp":"…"', printed) == expected
