"""Peers that speak TLS, SSH, SOCKS, PROXY, telnet or Java's formats get an error or are closed; nothing is executed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.hostile.asking import PONG, Connect, Logged, answers, hijack, not_run, refused, works
from tests.hostile.tools import eventually
from tests.support import Bystanders, Client, Server, unique

pytestmark = pytest.mark.usefixtures("bystanders")


def one_by_one(client: Client, data: bytes) -> None:
    """Send each byte in its own segment, so that the server reads it alone if possible."""
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in data:
        client.send_raw(bytes([byte]))


# --- TLS ---


HELLOS = [
    b"\x16\x03\x01", bytes.fromhex("16030100f8010000f40303"), b"\x16\x03\x01\n" + b'{"type":"ping"}\n' * 3,
    b"\x16\x03\0\0\x2f\x01", b"\x16\x03\x04", b"\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10", b"\x80\x2e\x01\0\x02\0\x15",
]


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("hello", HELLOS)
def test_a_tls_hello_is_closed_at_once_with_a_hint_in_the_log(
    connect: Connect, logged: Logged, hello: bytes, cut: bool
) -> None:
    client = connect()
    try:
        (one_by_one if cut else Client.send_raw)(client, hello)
    except OSError:
        pass  # closed already
    assert client.at_end() == b""
    logged(client, 'event=foreign_protocol protocol=tls hint="[^"]*TLS')


def test_a_tls_library_fails_at_once(connect: Connect) -> None:
    context = ssl.create_default_context()
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(connect().socket, server_hostname="localhost")


@pytest.mark.parametrize("before", [b"\x16", b"\x16\x16\x03", b"\x80", b"\x80\x2e", b"\x80\x2e\x01"])
def test_what_only_begins_like_tls_is_a_line_of_ours(connect: Connect, before: bytes) -> None:
    """Ctrl-V at a terminal sends 16, a lone euro sign of Windows is 80."""
    client = connect()
    client.send_raw(before)
    client.send_raw(b"hello\n")
    error = client.receive()
    assert error["code"] == "invalid_json"
    works(client)
    assert client.ask(b"\x16\x03\x01")["cause"] == "control"  # later it is a line like any other


@pytest.mark.parametrize("begun", [b"\x16", b"\x80", b"\x80\x2e\x01", b"\r\n\r\n\0\r\nQUIT"])
def test_what_only_begins_like_another_protocol_waits_for_nothing_at_the_end(connect: Connect, begun: bytes) -> None:
    client = connect()
    client.send_raw(begun)
    client.half_close()
    assert client.receive()["code"] == "invalid_json"
    assert client.at_end() == b""


def test_ctrl_v_alone_keeps_the_connection(connect: Connect, bystanders: Bystanders) -> None:
    client = connect()
    client.send_raw(b"\x16")
    bystanders.check()  # enough time for a close, if the server wrongly closed
    client.send_raw(b"\n")
    error = client.receive()
    assert (error["code"], error["cause"], error["column"]) == ("invalid_json", "control", 1)
    assert "U+0016" in error["message"]
    works(client)


def test_tls_hellos_leave_no_thread_behind(own_server: Callable[..., Server]) -> None:
    server = own_server()  # on a server where no thread of an earlier test is ending
    address = server.host, server.port
    with Bystanders(address) as bystanders, ExitStack() as stack:
        before = server.status("Threads")
        clients = [stack.enter_context(Client(address)) for _ in range(20)]
        for client in clients:
            client.send_raw(b"\x16\x03\x01\x02\x00")
        assert [client.at_end() for client in clients] == [b""] * 20
        eventually(bystanders, lambda: server.status("Threads") == before, "the threads have ended")


# --- protocols with lines, and some that have none ---


@pytest.mark.parametrize("line", [
    b"SSH-2.0-OpenSSH_9.6\r", b"\x05\x01\x00", b"\x05\x02\x00\x02", b"\x04\x01\x30\x39\x7f\0\0\x01user\0",
    b"EHLO localhost\r", b"NICK alice\r", b"*1\r", b"\xff\xfb\x1f\xff\xfb\x20\xff\xfd\x03\r", b"\x03\0\0\x13\x0e\xe0",
    b"\0\x9c\0\x01\x1a\x2b\x3c\x4d", b"STARTTLS", b"GIOP\x01\x02",
])
def test_other_protocols_get_an_error_with_a_hint_and_may_go_on(connect: Connect, line: bytes) -> None:
    error = refused(connect(), line, "invalid_json")
    assert '{"type":"users"}' in error["message"]
    assert error["example"] == {"type": "users"}


USERS = b'{"type":"users"}'
PUTTY = b"\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x18\xff\xfb\x27\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03"
"""What PuTTY sends at once in its mode Telnet."""
JAVA = b"\xac\xed\0\x05"


@pytest.mark.parametrize(("data", "cause"), [
    (b"\0\x10" + USERS, "length_prefix"), (b"\0\0\0\x10" + USERS, "length_prefix"),
    (b"\x10\0\0\0" + USERS, "length_prefix"),
    (b"\0\x05hello", "length_prefix"), (b"16" + b" " * 62 + USERS, "length_prefix"), (JAVA, "java_object"),
    (JAVA + b"t\0\x10" + USERS, "java_object"), (b"\x05\x01\0", "socks"), (b"\x04\x01\x30\x39\x7f\0\0\x01\0", "socks"),
    (PUTTY, "telnet"), (b"\xff\xf4\xff\xfd\x06", "telnet"),
])
def test_what_never_ends_in_a_newline_is_answered_at_once(connect: Connect, data: bytes, cause: str) -> None:
    """Its sender waits for an answer; without one it would wait for ever."""
    client = connect()
    client.send_raw(data)
    error = client.receive()
    assert (error["code"], error["cause"]) == ("invalid_json", cause)
    client.send_raw(b"\n")
    works(client)


def test_each_text_of_writeutf_is_answered_and_none_is_run(connect: Connect, bystanders: Bystanders) -> None:
    client, name = connect(), unique("frames")
    for line in hijack(name).splitlines() * 2:
        client.send_raw(len(line).to_bytes(2, "big") + line)
        assert client.receive()["cause"] == "length_prefix"
    client.send_raw((b"\0\x10" + USERS) * 5)
    assert [client.receive()["cause"] for _ in range(5)] == ["length_prefix"] * 5
    works(client)
    not_run(connect, bystanders, name)


@pytest.mark.parametrize("length", [9, 12, 13, 32, 64, 123, 266])
def test_a_length_that_looks_like_white_space_is_a_length_too(connect: Connect, length: int) -> None:
    if length < 15:
        text = b'{"a":"' + b"x" * (length - 8) + b'"}' if length > 8 else b"{}"
    else:
        text = b'{"type":"ping","a":"' + b"x" * (length - 22) + b'"}'
    assert len(text) == length
    client = connect()
    client.send_raw(length.to_bytes(2, "big") + text + b"\n")
    assert client.receive()["code"] == "invalid_json"


def test_the_rest_of_a_java_object_is_not_told_about_again(connect: Connect) -> None:
    client = connect()
    client.send_raw(JAVA)
    assert client.receive()["cause"] == "java_object"
    client.send_raw(b"t\0\x10" + USERS)
    client.send_raw(b"t\0\x10" + USERS + b"\n")
    works(client)


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte by byte"])
def test_telnets_negotiation_is_told_once_and_the_typed_line_is_carried_out(connect: Connect, cut: bool) -> None:
    client = connect()
    (one_by_one if cut else Client.send_raw)(client, PUTTY + b'{"type":"ping"}\r\n' + PUTTY + b'{"type":"ping"}\r\n')
    error = client.receive()
    assert (error["code"], error["cause"]) == ("invalid_json", "telnet")
    assert "PuTTY" in error["message"]
    assert "Raw" in error["message"]
    assert [client.receive(), client.receive()] == [PONG, PONG]
    assert client.ask(PUTTY + b"help\r")["type"] == "help"
    works(client)


def test_utf16_is_told_line_by_line(connect: Connect) -> None:
    client = connect()
    client.send_raw('{"type":"ping"}\r\n{"type":"ping"}\n'.encode("utf-16"))
    assert [error["cause"] for error in answers(client)] == ["utf16"] * 2
    works(client)


# --- PROXY ---


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("header", [
    b"PROXY TCP4 10.0.0.1 10.0.0.2 40000 12345\r\n", b"PROXY TCP6 ::1 ::1 40000 12345\r\n", b"PROXY UNKNOWN\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\x9c\x40\x30\x39",
])
def test_a_proxy_header_from_a_peer_that_is_not_trusted_is_closed_and_what_follows_is_not_run(
    connect: Connect, bystanders: Bystanders, logged: Logged, header: bytes, cut: bool
) -> None:
    client, name = connect(), unique("proxied")
    try:
        (one_by_one if cut else Client.send_raw)(client, header + hijack(name))
    except OSError:
        pass  # closed already
    assert client.at_end() == b""
    not_run(connect, bystanders, name)
    logged(client, "event=foreign_protocol protocol=proxy hint=.*")
