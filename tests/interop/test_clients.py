"""Known WebSocket clients talk to the real server: Python's `websockets`, npm's `ws`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.functional.test_console import admin
from tests.support import DEADLINE, ROOT, Client, Server, member

WEB = ROOT / "tests" / "web"


def opened(address: tuple[str, int], **more: Any) -> Connection:
    target = f"ws://{address[0]}:{address[1]}/ws"
    client: Connection = connect(
        target, open_timeout=DEADLINE, close_timeout=DEADLINE, max_size=1 << 24, **more
    )
    return client


def lines(client: Connection) -> list[dict[str, Any]]:
    """Those of the next message."""
    text = client.recv(DEADLINE)
    assert isinstance(text, str)
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def lines_until_the_end(client: Connection) -> None:
    while True:
        client.recv(DEADLINE)


def test_websockets_chats(own_server: Callable[..., Server]) -> None:
    server, name = own_server(), "websockets"  # where nobody else comes or goes
    address = (server.host, server.port)
    with opened(address) as client, member(address, "plain") as plain:
        plain.ask({"type": "users"})
        for kind in ("register", "login"):
            client.send(json.dumps({"type": kind, "username": name, "password": "azerty"}))
            assert lines(client)[0]["status"] == "ok"
        client.send(json.dumps({"type": "users"}))
        assert name in lines(client)[0]["users"]
        client.send(["{\"type\":\"message\",", "\"content\":\"été 😀\"}"])  # a message in two frames
        assert plain.until(type="message")["content"] == "été 😀"
        plain.send({"type": "message", "content": "x" * 4000})
        assert lines(client)[-1]["content"] == "x" * 4000
        assert client.ping().wait(DEADLINE)
        client.send("x" * 1_000_000)
        assert lines(client)[0]["code"] == "line_too_long"
    assert client.protocol.close_code == 1000


def test_websockets_takes_the_largest_blocks(own_server: Callable[..., Server]) -> None:
    """Lines of one batch are one message, of more than 64 KiB too."""
    server = own_server()
    with opened((server.host, server.port)) as client, Client((server.host, server.port)) as plain:
        client.send('{"type":"users"}')
        lines(client)
        plain.send(*[{"type": "message", "content": f"{number} " + "x" * 3990} for number in range(100)])
        got: list[str] = []
        while len(got) < 100:
            got += [line["content"] for line in lines(client) if line["type"] == "message"]
    assert [text.partition(" ")[0] for text in got] == [str(number) for number in range(100)]


def test_websockets_is_told_why_it_ends(own_server: Callable[..., Server]) -> None:
    server = own_server()
    address = (server.host, server.port)
    for data, code in ((b"binary", 1003), (None, 1008)):
        with opened(address) as client:
            client.send('{"type":"register","username":"bob","password":"a"}\n{"type":"login","username":"bob","password":"a"}')
            while lines(client)[-1]["type"] != "login":
                pass
            if data is not None:
                client.send(data)
            else:
                client.send('{"type":"users"}')
                assert admin(server.data, "kick", "bob", "bruit").returncode == 0
            with pytest.raises(ConnectionClosed) as caught:
                lines_until_the_end(client)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == code


def test_websockets_of_another_site_is_refused(address: tuple[str, int]) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        opened(address, origin="http://evil.example")
    with opened(address, origin=f"http://{address[0]}:{address[1]}"):
        pass


CHAT = """
const WebSocket = require("ws");
const chat = new WebSocket(process.argv[1]);
const account = {username: process.argv[2], password: "azerty"};
const send = (message) => chat.send(JSON.stringify(message));
chat.on("open", () => {
  for (const type of ["register", "login", "users"]) send({type, ...account});
});
chat.on("pong", (data) => { console.log("pong " + data); chat.send("x".repeat(1 << 20)); });
chat.on("message", (data, binary) => {
  for (const line of data.toString().trim().split("\\n")) {
    const got = JSON.parse(line);
    console.log(binary, got.code || got.type);
    if (got.type === "users") chat.ping("now");
    if (got.type === "error") chat.close(4000, "enough");
  }
});
chat.on("close", (code) => console.log("close " + code));
"""


def test_ws_chats(own_server: Callable[..., Server]) -> None:
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "ws").is_dir():
        pytest.skip("needs node and ws: apt install nodejs npm; npm ci --prefix tests/web")
    server = own_server()
    done = subprocess.run(
        [node, "-e", CHAT, f"ws://{server.host}:{server.port}/ws", "ws"], capture_output=True, text=True,
        timeout=DEADLINE, check=False, env={**os.environ, "NODE_PATH": str(WEB / "node_modules")},
    )
    assert done.stdout.splitlines() == [
        "false register", "false login", "false users", "pong now", "false line_too_long", "close 4000",
    ], done.stderr
