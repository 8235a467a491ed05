"""Peers that speak HTTP, TLS, SSH, SOCKS or PROXY: told so or closed, and nothing of theirs is run."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.hostile.asking import Connect, Join, Logged, heard, refused, works
from tests.hostile.tools import eventually
from tests.support import Bystanders, Client, Server, unique

pytestmark = pytest.mark.usefixtures("bystanders")

METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE", "TRACE", "CONNECT"]


def hijack(name: str) -> bytes:
    """Lines that a web page might have a browser post: an account, and a word to everybody as a guest."""
    lines = (
        {"type": "register", "username": name, "password": "stolen"},
        {"type": "message", "subtype": "global", "to": "global", "from": name, "content": "from a web page"},
    )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def request(method: str, target: str, body: bytes) -> bytes:
    """An HTTP request as a browser sends it."""
    return (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def told_once_then_closed(client: Client) -> None:
    """One plain line, nothing else, end of the stream. A member may hear meanwhile that somebody leaves."""
    *others, answer, end = client.at_end().split(b"\n")
    assert b"not an HTTP server" in answer
    assert end == b""
    assert not answer.startswith(b"{")
    assert [line for line in others if not client.name or json.loads(line)["type"] != "status"] == []


def not_run(connect: Connect, bystanders: Bystanders, name: str) -> None:
    """The name is free, and nobody heard of it."""
    assert heard(bystanders, name) == []
    assert connect().register(name) == {"type": "register", "status": "ok"}


@pytest.mark.parametrize("method", METHODS)
def test_http_is_told_once_and_its_body_is_not_run(
    connect: Connect, bystanders: Bystanders, logged: Logged, method: str
) -> None:
    client, name = connect(), unique("http")
    client.send_raw(request(method, "/", hijack(name)))
    told_once_then_closed(client)
    not_run(connect, bystanders, name)
    logged(client, "event=foreign_protocol protocol=http hint=.*")


def test_an_http_body_that_comes_after_the_answer_is_not_run(connect: Connect, bystanders: Bystanders) -> None:
    client, name = connect(), unique("http")
    client.send_raw(request("POST", "/", b""))
    assert b"not an HTTP server" in client.read_line()
    try:
        client.send_raw(hijack(name))
    except OSError:
        pass  # closed already
    assert client.at_end() == b""
    not_run(connect, bystanders, name)


def test_an_http_body_still_on_its_way_does_not_cause_a_reset(connect: Connect) -> None:
    """A reset makes some systems throw away the answer, which the browser has not shown yet."""
    client = connect()
    client.send_raw(request("POST", "/", b"x" * 10_000))
    assert b"not an HTTP server" in client.read_line()
    for _ in range(5):
        client.send_raw(b"x" * 10_000)  # raises after a reset
    assert client.at_end() == b""


def test_http_after_some_junk_lines_is_closed_too(connect: Connect, bystanders: Bystanders) -> None:
    client, name = connect(), unique("http")
    client.send_raw(b"hello\r\n\r\n{}\n" + request("POST", "/", hijack(name)))
    assert client.receive()["code"] == "invalid_json"
    assert client.receive()["code"] == "unknown_type"
    told_once_then_closed(client)
    not_run(connect, bystanders, name)


def test_http_from_somebody_who_is_logged_in_ends_the_session(
    connect: Connect, join: Join, bystanders: Bystanders
) -> None:
    client, name = join("http"), unique("http")
    client.pending()
    client.send_raw(request("GET", "/", hijack(name)))
    told_once_then_closed(client)
    assert bystanders.one.until(type="status", user=client.name, state="offline")
    not_run(connect, bystanders, name)


@pytest.mark.parametrize("length", [1000, 70_000, 200_000])
def test_http_with_a_long_address_is_known_as_http(connect: Connect, bystanders: Bystanders, length: int) -> None:
    client, name = connect(), unique("http")
    try:
        client.send_raw(request("POST", "/" + "a" * length, hijack(name)))
    except OSError:
        pass  # closed already
    told_once_then_closed(client)
    not_run(connect, bystanders, name)


def test_an_http_request_line_without_newline_then_half_close(connect: Connect) -> None:
    client = connect()
    client.send_raw(b"GET / HTTP/1.0")
    client.half_close()
    told_once_then_closed(client)


def test_an_http_library_sees_that_this_is_no_http(address: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*address, timeout=20)
    try:
        connection.request("POST", "/", body=hijack(unique("http")))
        with pytest.raises(http.client.BadStatusLine, match="not an HTTP server"):
            connection.getresponse()
    finally:
        connection.close()


def test_talk_about_http_is_no_http(join: Join, bystanders: Bystanders) -> None:
    client = join("webmaster")
    client.send({"type": "message", "content": "GET / HTTP/1.1"})
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)] == ["GET / HTTP/1.1"]
    refused(client, b"GET lost", "invalid_json")


@pytest.mark.parametrize("hello", [
    b"\x16\x03\x01", bytes.fromhex("16030100f8010000f40303"), b"\x16\x03\x01\n" + b'{"type":"ping"}\n' * 3,
])
def test_a_tls_hello_is_closed_at_once_with_a_hint_in_the_log(connect: Connect, logged: Logged, hello: bytes) -> None:
    client = connect()
    client.send_raw(hello)
    assert client.at_end() == b""
    logged(client, 'event=foreign_protocol protocol=tls hint="[^"]*TLS')


def test_a_tls_library_fails_at_once(connect: Connect) -> None:
    context = ssl.create_default_context()
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(connect().socket, server_hostname="localhost")


def test_tls_hellos_leave_no_thread_behind(own_server: Callable[..., Server]) -> None:
    server = own_server()  # where no thread of an earlier test is about to end
    address = server.host, server.port
    with Bystanders(address) as bystanders, ExitStack() as stack:
        before = server.status("Threads")
        clients = [stack.enter_context(Client(address)) for _ in range(20)]
        for client in clients:
            client.send_raw(b"\x16\x03\x01\x02\x00")
        assert [client.at_end() for client in clients] == [b""] * 20
        eventually(bystanders, lambda: server.status("Threads") == before, "the threads have ended")


@pytest.mark.parametrize("line", [
    b"SSH-2.0-OpenSSH_9.6\r", b"\x05\x01\x00", b"\x05\x02\x00\x02", b"\x04\x01\x30\x39\x7f\0\0\x01user\0",
    b"EHLO localhost\r", b"NICK alice\r", b"*1\r", b"\xff\xfb\x1f\xff\xfb\x20\xff\xfd\x03\r", b"\x03\0\0\x13\x0e\xe0",
    b"\0\x9c\0\x01\x1a\x2b\x3c\x4d", b"STARTTLS", b"GIOP\x01\x02",
])
def test_other_protocols_get_an_error_with_a_hint_and_may_go_on(connect: Connect, line: bytes) -> None:
    error = refused(connect(), line, "invalid_json")
    assert '{"type":"users"}' in error["message"]
    assert error["example"] == {"type": "users"}


@pytest.mark.parametrize("header", [
    b"PROXY TCP4 10.0.0.1 10.0.0.2 40000 12345\r\n", b"PROXY TCP6 ::1 ::1 40000 12345\r\n", b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\x9c\x40\x30\x39",
])
def test_a_proxy_header_from_a_peer_that_is_not_trusted_is_closed_and_what_follows_is_not_run(
    connect: Connect, bystanders: Bystanders, logged: Logged, header: bytes
) -> None:
    client, name = connect(), unique("proxied")
    client.send_raw(header + hijack(name))
    assert client.at_end() == b""
    not_run(connect, bystanders, name)
    logged(client, "event=foreign_protocol protocol=proxy hint=.*")
