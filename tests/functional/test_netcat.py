"""The tools that students use to debug: nc of both kinds, ncat, telnet. Skipped if they are not installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading

import pytest

from tests.functional.lines import Address, Connect, Join
from tests.support import DEADLINE, Message, say, unique

PACKAGES = {
    "nc.openbsd": "netcat-openbsd", "nc.traditional": "netcat-traditional", "ncat": "ncat", "telnet": "telnet",
}

NETCATS = [
    # people write -q 1, which gives a busy server one second; it ends when the server closes, as the others do
    ["nc.openbsd", "-N"], ["nc.openbsd", "-C", "-N"], ["nc.traditional", "-q", f"{DEADLINE:.0f}"], ["ncat"],
    ["ncat", "-C"],
]


def needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is missing: sudo apt install {PACKAGES[tool]}")


def run(tool: list[str], address: Address, text: str | bytes) -> list[Message]:
    """The output of the tool with this text as its standard input: `printf text | tool HOST PORT`."""
    needs(tool[0])
    if tool[0] == "nc.traditional" and ":" in address[0]:
        pytest.skip("nc.traditional knows no IPv6: give the server's IPv4 address")
    done = subprocess.run(
        [*tool, address[0], str(address[1])], input=text.encode() if isinstance(text, str) else text,
        capture_output=True, timeout=DEADLINE, check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line for line in lines if line["type"] not in ("status", "message")]  # other people's


@pytest.fixture(params=NETCATS, ids=" ".join)
def netcat(request: pytest.FixtureRequest) -> list[str]:
    tool: list[str] = request.param
    return tool


def test_a_piped_request_is_answered_before_the_end(address: Address, join: Join, netcat: list[str]) -> None:
    alice = join("alice")
    answers = run(netcat, address, '{"type":"users"}\n')
    assert [answer["type"] for answer in answers] == ["users"]
    assert alice.name in answers[0]["users"]


def test_a_piped_last_line_without_newline_is_answered(address: Address, netcat: list[str]) -> None:
    assert [answer["type"] for answer in run(netcat, address, '{"type":"ping"}\n{"type":"users"}')] == ["pong", "users"]


def test_a_piped_session_registers_logs_in_and_talks(address: Address, join: Join, netcat: list[str]) -> None:
    alice, name = join("alice"), unique("pipé")
    credentials = f'"username":"{name}","password":"azerty"'
    text = (
        f'{{"type":"register",{credentials}}}\n{{"type":"login",{credentials}}}\n'
        '{"type":"message","content":"Bonjour à tous"}\n'
    )
    assert [(line["type"], line["status"]) for line in run(netcat, address, text)] == [
        ("register", "ok"), ("login", "ok"),
    ]
    assert alice.until(type="message", **{"from": name})["content"] == "Bonjour à tous"
    alice.until(type="status", user=name, state="offline")


def test_the_word_help_is_answered(address: Address, netcat: list[str]) -> None:
    answers = run(netcat, address, "help\naide\n?\n")
    assert [answer["type"] for answer in answers] == ["help", "help", "help"]
    assert {"type": "users"} in [entry["example"] for entry in answers[0]["types"]]


def test_junk_is_answered_with_a_line_to_type(address: Address, connect: Connect, netcat: list[str]) -> None:
    answers = run(netcat, address, "bonjour\n\nsalut à tous\n" + '{"type":"ping"}\n')
    assert [answer.get("code", answer["type"]) for answer in answers] == ["invalid_json", "invalid_json", "pong"]
    for answer in answers[:2]:
        hint = re.search(r"\{.*\}", answer["message"])
        assert hint, answer
        assert connect().ask(hint[0])["type"] == "users"


def test_junk_in_another_encoding_is_answered_too(address: Address) -> None:
    answers = run(["nc.openbsd", "-N"], address, "à bientôt\n".encode("cp1252") + b"\x81\x8d\n")
    assert [answer["code"] for answer in answers] == ["invalid_json", "invalid_json"]


def test_a_listening_netcat_sees_what_others_say(address: Address, join: Join) -> None:
    """Its standard input stays open, as at a prompt."""
    needs("nc.openbsd")
    alice, text = join("alice"), unique("hello")
    with subprocess.Popen(
        ["nc.openbsd", address[0], str(address[1])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        timer = threading.Timer(DEADLINE, process.kill)
        timer.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write('{"type":"users"}\n')
            process.stdin.flush()
            lines = map(json.loads, process.stdout)
            assert any(line["type"] == "users" for line in lines)
            alice.send(say(text))
            assert any(line.get("content") == text and line["from"] == alice.name for line in lines)
        finally:
            timer.cancel()
            process.kill()


def test_telnet(address: Address) -> None:
    """It ends when its standard input ends, so the input stays open until the answers are there."""
    needs("telnet")
    with subprocess.Popen(
        ["telnet", address[0], str(address[1])], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as process:
        timer = threading.Timer(DEADLINE, process.kill)
        timer.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Escape character"):
                    break
            process.stdin.write('{"type":"users"}\nhelp\nbonjour\n\n{"type":"ping"}\n')
            process.stdin.flush()
            types: list[str] = []
            for line in process.stdout:
                message = json.loads(line)
                if message["type"] not in ("status", "message"):
                    types.append(message["type"])
                if message["type"] == "pong":
                    break
        finally:
            timer.cancel()
            process.kill()
    assert types == ["users", "help", "error", "pong"]
