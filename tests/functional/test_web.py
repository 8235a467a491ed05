"""The page over HTTP, on the port of the lines: what is served, to whom, and how long a connection lives."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.hostile.tools import STEADY, launcher
from tests.support import DEADLINE, ROOT, Client, Server, ask_http
from tests.support.web import answer, upgrade

OwnServer = Callable[..., Server]
Connect = Callable[[], Client]
PAGE, BOARD = ((ROOT / "classcord" / "web" / name).read_bytes() for name in ("index.html", "tableau.html"))


def ask(connect: Connect, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """The answer to the only request of a connection, which the server ends if the answer says so."""
    client = connect()
    client.send_raw(request)
    found = answer(client, head_only=request.startswith(b"HEAD "))
    if found[1].get("connection") == "close":
        assert client.at_end() == b""
    return found


def test_the_page_and_its_files(connect: Connect) -> None:
    status, headers, body = ask(connect, ask_http("/", "Connection: close"))
    assert (status, body) == (200, PAGE)
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "ws://127.0.0.1;" in headers["content-security-policy"]
    for path in (ROOT / "classcord" / "web").iterdir():
        target = {"index.html": "/", "tableau.html": "/tableau"}.get(path.name, "/" + path.name)
        assert ask(connect, ask_http(target + "?a=b"))[2] == path.read_bytes()


@pytest.mark.parametrize("target", [
    "/nothing", "/../server.py", "/%2e%2e/server.py", "//", "/index.html", "/web/index.html", "/.", "*", "/tableau/",
    "/WS",
])
def test_nothing_else_is_there(connect: Connect, target: str) -> None:
    status, headers, body = ask(connect, ask_http(target))
    assert (status, headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert b"class" not in body.lower()


def test_a_browser_asks_many_times_over_one_connection(connect: Connect) -> None:
    client = connect()
    client.send_raw(ask_http("/nothing") + b"\r\n" + ask_http(method="HEAD") + ask_http("/tableau") + ask_http()[:20])
    assert answer(client)[0] == 404
    status, headers, _ = answer(client, head_only=True)
    assert (status, headers["content-length"]) == (200, str(len(PAGE)))
    status, _, body = answer(client)
    assert (status, body) == (200, BOARD)
    client.send_raw(ask_http()[20:])
    assert answer(client)[2] == PAGE


def test_its_health_is_asked_for_like_a_page(own_server: OwnServer) -> None:
    server = own_server(command=launcher("from handlers import web; web._PROGRESS = 20"))  # a disk may stand still
    with Client((server.host, server.port)) as client:
        for _ in range(2):
            client.send_raw(ask_http("/healthz"))
            status, headers, body = answer(client)
            assert (status, headers["cache-control"], body) == (200, "no-store", b"ok\n")


def test_the_hundredth_answer_is_the_last(connect: Connect) -> None:
    client = connect()
    client.send_raw(ask_http("/nothing") * 101)
    seen = [answer(client)[1].get("connection") for _ in range(100)]
    assert seen == [None] * 99 + ["close"]
    assert client.at_end() == b""


def test_a_page_that_the_browser_has_is_not_sent_again(address: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*address, timeout=DEADLINE)
    try:
        connection.request("GET", "/", headers={"Accept-Encoding": "gzip"})
        first = connection.getresponse()
        assert first.status == 200
        first.read()
        connection.request("GET", "/", headers={"Accept-Encoding": "gzip", "If-None-Match": first.headers["ETag"]})
        second = connection.getresponse()
        assert (second.status, second.read()) == (304, b"")
        assert second.headers["ETag"] == first.headers["ETag"]
    finally:
        connection.close()


@pytest.mark.parametrize(("request_", "status"), [
    (ask_http(method="POST"), 405), (ask_http("/ws", method="HEAD"), 405), (ask_http("*", method="OPTIONS"), 405),
    (ask_http("/", "Content-Length: 5") + b"12345", 413), (ask_http("/", "Transfer-Encoding: chunked"), 413),
    (ask_http("/", "A: " + "x" * 17_000), 431), (ask_http("/" + "x" * 17_000), 431), (ask_http("/", "A: \0"), 400),
    (ask_http(host=""), 400), (ask_http("/", "Host: b"), 400), (ask_http("/", " folded"), 400),
    (b"GET / HTTP/1.1\r\n", 400), (b"GET / HTTP/3.0\r\n\r\n", 505), (ask_http("/ws"), 426),
    (upgrade().replace(b"13", b"12"), 426), (upgrade().replace(b"dGhl", b"****"), 400),
], ids=repr)
def test_what_is_wrong_is_answered_and_the_connection_ends(connect: Connect, request_: bytes, status: int) -> None:
    client = connect()
    client.send_raw(request_)
    client.half_close()
    seen = answer(client, head_only=request_.startswith(b"HEAD "))
    assert seen[0] == status
    assert seen[1]["connection"] == "close"
    assert client.at_end() == b""
    if status == 405:
        assert "GET" in seen[1]["allow"]


# --- who may ---


@pytest.mark.parametrize("host", ["localhost:12345", "127.0.0.1", "[::1]:80", "192.168.1.2:8080"])
def test_the_servers_own_names(connect: Connect, host: str) -> None:
    assert ask(connect, ask_http(host=host, method="HEAD"))[0] == 200


@pytest.mark.parametrize("host", [
    "evil.example", "evil.example:12345", "127.0.0.1.evil.example", "localhost.evil.example",
])
def test_a_name_of_elsewhere_that_leads_here_gets_nothing(connect: Connect, host: str) -> None:
    """DNS rebinding: the page of a site whose name suddenly is that of this address."""
    for request in (ask_http(host=host), upgrade(f"Origin: http://{host}", host=host),
                    ask_http(f"http://{host}/", host="127.0.0.1")):
        status, _, body = ask(connect, request)
        assert status == 403
        assert b"--web-host" in body


@pytest.mark.parametrize("origin", [
    "http://evil.example", "null", "", "https://10.0.0.1:12345", "http://10.0.0.1", "http://10.0.0.1:12346", "file://",
    "http://10.0.0.1:12345.evil.example", "http://10.0.0.2:12345", "http://evil@10.0.0.1:12345",
    "http://10.0.0.1:12345/",
])
def test_the_page_of_another_site_may_not_open_a_websocket(connect: Connect, origin: str) -> None:
    status, _, body = ask(connect, upgrade(f"Origin: {origin}", host="10.0.0.1:12345"))
    assert status == 403
    assert "autre site" in body.decode()


@pytest.mark.parametrize("host", ["10.0.0.1:12345", "[::1]:12345", "localhost"])
def test_the_servers_own_page_may_open_one_and_so_may_a_program(connect: Connect, host: str) -> None:
    for headers in ([f"Origin: http://{host}"], []):
        client = connect()
        client.send_raw(upgrade(*headers, host=host))
        assert client.read_line().startswith(b"HTTP/1.1 101 ")


def test_names_that_a_setting_adds(own_server: OwnServer) -> None:
    server = own_server("--web-host", "Chat.Lycee.example, salle12", "--lang", "en")
    for host, status in (("chat.lycee.example:12345", b"200"), ("salle12", b"200"), ("x.lycee.example", b"403")):
        with Client((server.host, server.port)) as client:
            client.send_raw(ask_http("/", "Connection: close", host=host))
            assert client.read_line().split(b" ")[1] == status
            client.at_end()
    server.wait_log(r"event=web_refused status=403 detail=.*x\.lycee\.example.* hint=.*--web-host")


# --- its place among the connections ---


def test_a_class_that_loads_the_page_at_once_behind_one_address(own_server: OwnServer) -> None:
    """A browser takes six connections, and a page about ten requests."""
    server = own_server("--limits", "on")

    def load(done: list[int]) -> None:
        with ExitStack() as stack:
            clients = [stack.enter_context(Client((server.host, server.port))) for _ in range(5)]
            for client in clients:
                client.send_raw(ask_http() + ask_http("/tableau"))
            done += [answer(client)[0] for client in clients * 2]

    statuses: list[int] = []
    threads = [threading.Thread(target=load, args=(statuses,)) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert statuses == [200] * 400
    assert server.stop() == 0
    assert not [line for line in server.log if "rate_limited" in line]


@pytest.mark.parametrize(("what", "flags", "request_"), [
    ("lines", ("--line-rate", "5", "--line-burst", "10"), ask_http("/nothing")),
    ("bytes", ("--byte-rate", "1024", "--byte-burst", "131072", "--line-burst", "1000"),
     ask_http("/", "A: " + "x" * 9000)),
])
def test_who_asks_too_fast_is_ended_and_gets_no_line(
    own_server: OwnServer, what: str, flags: tuple[str, ...], request_: bytes
) -> None:
    server = own_server(
        "--limits", "on", "--excess-time", "1", "--log-level", "debug", *flags, command=launcher(STEADY)
    )
    with Client((server.host, server.port)) as client:
        try:
            client.send_raw(request_ * 90)
        except OSError:
            pass  # it was ended before
        assert b'"type"' not in client.at_end()
    server.wait_log(f"event=rate_limited what={what}")
    server.wait_log("event=disconnected reason=flooding")


def test_without_the_web_there_is_one_sentence(own_server: OwnServer) -> None:
    server = own_server("--web", "off")
    for request in (ask_http(), upgrade(), ask_http("/healthz")):
        with Client((server.host, server.port)) as client:
            client.send_raw(request)
            assert client.at_end().startswith(b"HTTP/1.1 400 This is a ClassCord chat server, not an HTTP server\r\n")
    with Client((server.host, server.port)) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}


def test_the_first_line_of_the_log_says_what_to_open(own_server: OwnServer) -> None:
    server = own_server()
    assert f" page=http://127.0.0.1:{server.port}/ " in server.wait_log("event=listening")
    server.stop()
    assert " page=" not in own_server("--web", "off").wait_log("event=listening")


def test_people_who_type_capital_letters_are_answered(connect: Connect) -> None:
    client = connect()
    client.send_raw(b"HEL")
    client.send_raw(b"LO\n")
    assert json.loads(client.read_line())["code"] == "invalid_json"
    client = connect()
    client.send_raw(b"HELLO")
    client.half_close()
    assert json.loads(client.at_end())["code"] == "invalid_json"
