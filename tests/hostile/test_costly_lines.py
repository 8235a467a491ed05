"""Lines that take the server much time: all other clients go on, and the server can be stopped."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support import Bystanders, Client, Server

LINE = 64 * 1024
CONTENT = 4000
MARKS = "a" + "\u0301\u0323" * 10_000
LIGATURES = "\ufdfa" * 20_000


def content(text: str) -> str:
    return json.dumps({"type": "message", "content": text[:CONTENT]}, ensure_ascii=False)


def field(kind: str, name: str, text: str) -> str:
    return json.dumps({"type": kind, "content": "x", "username": "x", "password": "x", name: text}, ensure_ascii=False)


def nested(unit: str, start: str = "", end: str = "") -> str:
    return start + unit * ((LINE - len(start) - len(end)) // len(unit)) + end


COSTLY = {
    "a private message to spaces": content('/msg "' + " " * 3990),
    "a private message to spaces without an end": content('/msg "' + " " * 3990 + "x"),
    "a private message to spaces, and a text": content('/msg "' + " " * 3985 + 'a" b'),
    "quotes": content("/msg " + '" ' * 2000),
    "a state of marks": content("/etat " + MARKS),
    "a state of ligatures": content("/etat " + LIGATURES),
    "a command of marks": content("/" + MARKS),
    "a command of ligatures": content("/" + LIGATURES),
    "an addressee of marks": content(f'/msg "{MARKS[:3900]}" x'),
    "a guest of ligatures": field("message", "from", LIGATURES),
    "a guest of marks": field("message", "from", MARKS),
    "a user of marks": field("status", "user", MARKS),
    "a long user": field("status", "user", "x" * 60_000),
    "a long state": field("status", "state", "\ufdfa" * 16_000),
    "a login of ligatures": field("login", "username", LIGATURES),
    "a registration of marks": field("register", "username", MARKS),
    "a name of 40 ligatures": field("register", "username", "\ufdfa" * 40),
    "empty lists": nested("[],"),
    "empty lists in an object": nested("[],", '{"type":"users","x":[', "[]]}"),
    "lists in lists": nested("[" * 29 + "]" * 29 + ",", '{"type":"users","x":[', "[]]}"),
    "lists that nothing closes": nested("[1,"),
    "objects that nothing closes": nested('{"a":'),
    "strings of brackets": nested('"[[[["'),
    "backslashes": nested("\\", '{"type":"'),
}
TIMES = 20


@pytest.mark.parametrize("line", COSTLY.values(), ids=COSTLY)
def test_a_costly_line_delays_no_other_client(own_server: Callable[..., Server], line: str) -> None:
    assert len(line.encode()) <= LINE
    server = own_server()
    address = server.host, server.port
    with Client(address) as client:
        with Bystanders(address) as bystanders:
            client.send(*[line] * TIMES)
            bystanders.check()
            client.pending()
        client.send(*[line] * TIMES)
        assert server.stop() == 0, "a task that has begun must not stop it from ending"
