"""HTTP gets a real HTTP answer that names this server, and nothing after the request line is executed."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from classcord.wire.texts import LANGUAGES
from tests.hostile.asking import Connect, Join, Logged, heard, hijack, not_run, refused, works
from tests.support import DEADLINE, Bystanders, Client, Server, unique

pytestmark = pytest.mark.usefixtures("bystanders")

METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "FOO"]
SENTENCE = LANGUAGES["fr"]["http"].splitlines()[0]
MIB = 1024 * 1024


def request(method: str, target: str, body: bytes) -> bytes:
    """An HTTP request as a browser sends it."""
    return (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def answered(client: Client, method: str = "GET", host: str = "127.0.0.1") -> None:
    """One HTTP answer, nothing else, end of the stream. Before it, a member may hear that a person leaves."""
    before, status, rest = client.at_end().partition(b"HTTP/1.1 400 ")
    assert status
    assert [line for line in before.splitlines() if not client.name or json.loads(line)["type"] != "status"] == []
    head, _, body = rest.decode("utf-8").partition("\r\n\r\n")
    reason, *headers = head.split("\r\n")
    assert "not an HTTP server" in reason
    fields = dict(line.lower().split(": ", 1) for line in headers)
    assert fields["content-type"] == "text/plain; charset=utf-8"
    assert fields["connection"] == "close"
    assert not [name for name in fields if name.startswith("access-control")]
    if method == "HEAD":
        assert body == ""
        assert int(fields["content-length"]) > 100
    else:
        assert int(fields["content-length"]) == len(body.encode())
        assert body.startswith(SENTENCE)
        assert f"nc {host} " in body
        assert '{"type":"users"}' in body


@pytest.mark.parametrize("method", METHODS)
def test_http_is_answered_and_its_body_is_not_run(
    connect: Connect, bystanders: Bystanders, logged: Logged, method: str
) -> None:
    client, name = connect(), unique("http")
    client.send_raw(request(method, "/", hijack(name)))
    answered(client, method)
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
    assert client.at_end().count(b"HTTP/1.1") == 0
    not_run(connect, bystanders, name)


def test_the_answer_comes_while_a_large_body_is_on_its_way(connect: Connect) -> None:
    """After a reset, some systems throw away the answer before the browser has shown it."""
    client = connect()
    client.send_raw(request("POST", "/", b"x" * 100_000))
    assert b"HTTP/1.1 400" in client.read_line()
    for _ in range(160):
        client.send_raw(b"x" * 65536)  # raises after a reset
    client.half_close()
    assert client.at_end().decode().splitlines()[-1] == LANGUAGES["fr"]["http"].splitlines()[-1]


def test_http_after_some_junk_lines_is_closed_too(connect: Connect, bystanders: Bystanders) -> None:
    client, name = connect(), unique("http")
    client.send_raw(b"hello\r\n\r\n{}\n" + request("POST", "/", hijack(name)))
    assert client.receive()["code"] == "invalid_json"
    assert client.receive()["code"] == "unknown_type"
    answered(client)
    not_run(connect, bystanders, name)


def test_http_from_a_logged_in_client_ends_the_session(
    connect: Connect, join: Join, bystanders: Bystanders
) -> None:
    client, name = join("http"), unique("http")
    client.pending()
    client.send_raw(request("GET", "/", hijack(name)))
    answered(client)
    assert bystanders.one.until(type="status", user=client.name, state="offline")
    not_run(connect, bystanders, name)


@pytest.mark.parametrize("length", [1000, 70_000, 200_000])
def test_http_with_a_long_address_is_known_as_http(connect: Connect, bystanders: Bystanders, length: int) -> None:
    client, name = connect(), unique("http")
    try:
        client.send_raw(request("POST", "/" + "a" * length, hijack(name)))
    except OSError:
        pass  # closed already
    answered(client)
    not_run(connect, bystanders, name)


def test_an_http_request_line_without_newline_then_half_close(connect: Connect) -> None:
    client = connect()
    client.send_raw(b"GET / HTTP/1.0")
    client.half_close()
    answered(client)


def test_http_in_pieces_is_known_as_http(connect: Connect) -> None:
    client = connect()
    for piece in (b"GE", b"T / HTTP", b"/1.1\r", b"\nHost: a\r\n\r\n"):
        client.send_raw(piece)
    assert client.at_end().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("line", [
    b"\xef\xbb\xbfGET / HTTP/1.1\r\n", b"\r\nGET / HTTP/1.0\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
])
def test_other_beginnings_of_http(connect: Connect, line: bytes) -> None:
    client = connect()
    client.send_raw(line)
    assert client.at_end().startswith(b"HTTP/1.1 400 ")


def test_the_address_in_the_answer_is_the_one_that_the_client_used(connect: Connect) -> None:
    client = connect()
    client.send_raw(b"GET / HTTP/1.1\r\nHost: chat.example:2000\r\n\r\n")
    assert "\n    nc chat.example 2000\n" in client.at_end().decode()
    client = connect()
    client.send_raw(b"GET / HTTP/1.1\r\nHost: <script>alert(1)</script>\r\n\r\n")
    assert b"script" not in client.at_end()


def test_the_answer_is_in_the_servers_language(own_server: Callable[..., Server]) -> None:
    server = own_server("--lang", "en")
    with Client((server.host, server.port)) as client:
        client.send_raw(b"GET / HTTP/1.0\r\n\r\n")
        answer = client.at_end().decode()
    expected = LANGUAGES["en"]["http"].format(host=server.host, port=server.port)
    assert answer.partition("\r\n\r\n")[2] == expected


def test_pythons_library_shows_the_answer(address: tuple[str, int]) -> None:
    connection = http.client.HTTPConnection(*address, timeout=DEADLINE)
    try:
        connection.request("POST", "/", body=b"x" * (10 * MIB))
        response = connection.getresponse()
        assert response.status == 400
        assert "not an HTTP server" in response.reason
        assert response.read().decode().startswith(SENTENCE)
    finally:
        connection.close()


def test_pythons_urlopen_shows_the_answer(address: tuple[str, int]) -> None:
    with pytest.raises(urllib.error.HTTPError, match="not an HTTP server") as caught:
        urllib.request.urlopen(f"http://{address[0]}:{address[1]}/", timeout=DEADLINE)
    with caught.value as response:
        assert SENTENCE in response.read().decode()


@pytest.mark.parametrize("more", [[], ["--data-binary", "@BIG"], ["-T", "BIG"]], ids=["get", "post", "put"])
def test_curl_shows_the_sentence(address: tuple[str, int], tmp_path: Path, more: list[str]) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl: apt install curl")
    big = tmp_path / "big"
    big.write_bytes(b"x" * (10 * MIB))
    arguments = [argument.replace("BIG", str(big)) for argument in more]
    done = subprocess.run(
        [curl, "-sS", "--noproxy", "*", *arguments, f"http://{address[0]}:{address[1]}/"],
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )
    assert SENTENCE in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr


_JAVA = """
import java.io.InputStream;
import java.net.*;
public class Web {
    public static void main(String[] args) throws Exception {
        HttpURLConnection web = (HttpURLConnection) new URL(args[0]).openConnection(Proxy.NO_PROXY);
        System.out.println(web.getResponseCode() + " " + web.getResponseMessage());
        try (InputStream body = web.getErrorStream()) { System.out.write(body.readAllBytes()); }
        System.out.flush();
    }
}
"""


def test_javas_library_shows_the_answer(address: tuple[str, int], tmp_path: Path) -> None:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("needs a JDK: apt install default-jdk-headless")
    source = tmp_path / "Web.java"
    source.write_text(_JAVA)
    done = subprocess.run(
        [java, str(source), f"http://{address[0]}:{address[1]}/"], capture_output=True, timeout=3 * DEADLINE,
        check=False,
    )
    shown = done.stdout.decode("utf-8")
    assert shown.startswith("400 This is a ClassCord chat server, not an HTTP server"), done.stderr
    assert SENTENCE in shown


def test_talk_about_http_is_not_http(join: Join, bystanders: Bystanders) -> None:
    client = join("webmaster")
    client.send({"type": "message", "content": "GET / HTTP/1.1"})
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)] == ["GET / HTTP/1.1"]
    refused(client, b"GET lost", "invalid_json")
