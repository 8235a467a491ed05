"""Text that people choose can't forge a line of the log, and secrets are never in the log."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import Bystanders, Client, Message, Server, fields, member, unique

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
LINE = re.compile(TIME + r' (DEBUG|INFO|WARNING|ERROR) event=\w+( \w+=("([^"\\]|\\.)*"|[^\s"]+))*')

NASTY = [
    "x\nINFO event=login user=admin",
    "x\r\n2026-01-01T00:00:00.000Z INFO event=login user=admin",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "%s %d %(name)s %n %",
    "{} {0} {user} {0.__class__}",
    'quote " event=login user=admin \\" \\',
    "\u2028\u2029\x85\x0b\x0c",
    "\u202e\u200b\ufeff\U000e0001",
    "\x00\x01\x9b31m",
    "é 😀 ＢＯＢ",
    "event=login",
    "",
]


class JsonServer(Server):
    """A server that logs JSON."""

    def wait_log(self, pattern: str, since: int = 0) -> str:
        """The line as logfmt, for fields with numbers; `pattern` is event=word."""
        line = json.loads(super().wait_log(pattern.replace("event=", '"event": "'), since))
        return " ".join(f"{name}={value}" for name, value in line.items() if isinstance(value, int))


SERVERS: dict[str, Callable[[Path], Server]] = {
    "text": lambda data: Server(data, "--log-level", "debug"),
    "json": lambda data: JsonServer(data, "--log-level", "debug", "--log-format", "json"),
}


def _plain(server: Server) -> list[dict[str, str]]:
    """The fields of each line. Each must be one line of printable ASCII."""
    for line in server.log:
        assert line.isascii(), line
        assert line.isprintable(), line
        assert LINE.fullmatch(line), line
    return [fields(line) for line in server.log]


def _json(server: Server) -> list[dict[str, str]]:
    lines = []
    for line in server.log:
        assert line.isascii(), line
        assert line.isprintable(), line
        value = json.loads(line)
        assert isinstance(value, dict)
        assert isinstance(value["event"], str)
        assert value["level"] in ("DEBUG", "INFO", "WARNING", "ERROR")
        assert re.fullmatch(TIME, value["time"])
        lines.append({name: str(value) for name, value in value.items()})
    return lines


def _be_nasty(address: tuple[str, int]) -> None:
    with Bystanders(address) as bystanders, Client(address) as client:
        for text in NASTY:
            assert client.ask({"type": "login", "username": text, "password": "wrong"})["code"] == "login_failed"
            client.ask({"type": "register", "username": text, "password": "azerty"})
            client.ask({"type": text})
            client.ask({"type": "status", "state": text})
            with Client(address) as guest:
                guest.send({"type": "message", "from": text, "content": f"said {text}"}, {"type": "logout"})
                guest.send({"type": "private", "to": text, "content": f"/{text}"}, text)
                guest.half_close()
                guest.at_end()
            bystanders.check(1)


@pytest.mark.parametrize("style", SERVERS)
def test_nothing_that_people_choose_forges_a_line(tmp_path: Path, style: str) -> None:
    with SERVERS[style](tmp_path / "data") as server:
        _be_nasty((server.host, server.port))
        assert server.stop() == 0
    lines = _json(server) if style == "json" else _plain(server)
    # one line per event, each with its text unchanged
    failed = [line["user"] for line in lines if line["event"] == "login_failed"]
    assert failed == [text[:40] for text in NASTY]
    assert sum(line["event"] == "connected" for line in lines) == 3 + len(NASTY)
    # the server may stop before it has noticed that the last three have gone
    assert len(NASTY) <= sum(line["event"] == "disconnected" for line in lines) <= 3 + len(NASTY)
    assert not any(line["event"] == "internal_error" for line in lines)
    named = {line["user"] for line in lines if line["event"] in ("register", "login", "guest", "logout", "renamed")}
    assert "admin" not in named
    assert {"%s %d %(name)s %n %", "{} {0} {user} {0.__class__}", "event=login"} <= named


def _say_secrets(address: tuple[str, int], name: str) -> None:
    number = 0

    def secret() -> str:
        nonlocal number
        number += 1
        return f"s3cret{number:03}"

    password = secret()
    with Bystanders(address) as bystanders, Client(address) as client, member(address, unique("friend")) as friend:
        assert client.register(name, password)["status"] == "ok"
        assert client.register(name, secret())["code"] == "name_exists"
        assert client.login(name, secret())["code"] == "login_failed"
        assert client.login(unique("nobody"), secret())["code"] == "login_failed"
        assert client.login(name, password)["status"] == "ok"
        requests: list[Message | str] = [
            {"type": "register", "username": "x\n", "password": secret()},
            {"type": "register", "username": unique("long"), "password": secret() * 100},
            {"type": "register", "username": unique("list"), "password": [secret()]},
            {"type": "register", "user": name, "password": secret()},
            {"type": "login", "username": [name], "password": secret()},
            {"type": "login", "username": name, "password": {"is": secret()}},
            {"type": "login", "user": name, "password": secret()},
            {"type": "logon", "username": name, "password": secret()},
            {"password": secret()},
            json.dumps([{"type": "login", "username": name, "password": secret()}]),
            f'{{"type":"login","username":"{name}","password":"{secret()}"',
            f'{{"type":"login","username":"{name}","password":"{secret()}\\ud800"}}',
            f"/login {name} {secret()}",
            f"USER {name} PASS {secret()}",
            secret(),
            secret() * 10_000,
            {"type": "message", "content": secret()},
            {"type": "message", "content": secret() + "\x1b"},
            {"type": "message", "content": secret() * 1000},
            {"type": "message", "content": f"/login {name} {secret()}"},
            {"type": "message", "content": f"/{secret()} x"},
            {"type": "message", "content": f"/etat {secret()}"},
            {"type": "message", "content": f"/msg {friend.name} {secret()}"},
            {"type": "message", "subtype": "private", "to": friend.name, "content": secret()},
            {"type": "message", "subtype": "private", "to": "nobody", "content": secret()},
            {"type": "private", "to": friend.name, "content": secret()},
            {"type": "private", "content": secret()},
            {"type": "message", "subtype": "global", "content": [secret()]},
            {"type": "message", "text": secret(), "content": None},
        ]
        for request in requests:
            client.send(request)
        client.pending()
        assert [line["subtype"] for line in friend.pending() if line.get("from") == name].count("private") == 3
        bystanders.check()


@pytest.mark.parametrize("style", SERVERS)
def test_neither_passwords_nor_what_people_write_are_logged(tmp_path: Path, style: str) -> None:
    name = unique("discreet")
    with SERVERS[style](tmp_path / "data") as server:
        _say_secrets((server.host, server.port), name)
        assert server.stop() == 0
    lines = _json(server) if style == "json" else _plain(server)
    assert sum(line["event"] == "login" and line["user"] == name for line in lines) == 1
    assert [line for line in server.log if "s3cret" in line.casefold()] == []
