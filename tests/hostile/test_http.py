"""HTTP gets a real HTTP answer, and nothing after the request line is ever run as lines."""

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
from tests.hostile.tools import launcher
from tests.support import DEADLINE, Bystanders, Client, Server, unique

pytestmark = pytest.mark.usefixtures("bystanders")

METHODS = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "FOO"]
SENTENCE = LANGUAGES["fr"]["web_method"].splitlines()[0]
LATE = LANGUAGES["fr"]["web_late"].splitlines()[0]
NO_WEB = LANGUAGES["fr"]["http"].splitlines()[0]
MIB = 1024 * 1024


@pytest.fixture
def patient(own_server: Callable[..., Server]) -> Server:
    """A server that goes on reading for longer after its answer: on a busy machine, a client may pause in its body."""
    changes = "from handlers import connection; connection._LINGER, connection._LINGER_MOST = 20, 60"
    return own_server(command=launcher(changes))


def request(method: str, target: str, body: bytes) -> bytes:
    """An HTTP request as a browser sends it."""
    return (
        f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def answered(client: Client, status: int, method: str = "GET", text: str | None = None) -> None:
    """One HTTP answer, nothing else, end of the stream. Before it, a member may hear that a person leaves."""
    before, begun, rest = client.at_end().partition(b"HTTP/1.1 %d " % status)
    assert begun, before
    assert [line for line in before.splitlines() if not client.name or json.loads(line)["type"] != "status"] == []
    head, _, body = rest.decode("utf-8").partition("\r\n\r\n")
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:])
    assert fields["content-type"] == "text/plain; charset=utf-8"
    assert fields["connection"] == "close"
    assert not [name for name in fields if name.startswith("access-control")]
    if method == "HEAD":
        assert body == ""
        assert int(fields["content-length"]) > 10
    else:
        assert int(fields["content-length"]) == len(body.encode())
        assert text is None or body.startswith(text)


@pytest.mark.parametrize("method", METHODS)
def test_http_is_answered_and_its_body_is_not_run(
    connect: Connect, bystanders: Bystanders, logged: Logged, method: str
) -> None:
    client, name = connect(), unique("http")
    client.send_raw(request(method, "/", hijack(name)))
    answered(client, 413 if method in ("GET", "HEAD") else 405, method)
    not_run(connect, bystanders, name)
    logged(client, "event=web_refused status=4.* detail=.*")


def test_an_http_body_that_comes_after_the_answer_is_not_run(connect: Connect, bystanders: Bystanders) -> None:
    client, name = connect(), unique("http")
    client.send_raw(request("POST", "/", b""))
    assert client.read_line().startswith(b"HTTP/1.1 405 ")
    try:
        client.send_raw(hijack(name))
    except OSError:
        pass  # closed already
    assert client.at_end().count(b"HTTP/1.1") == 0
    not_run(connect, bystanders, name)


def test_the_answer_comes_while_a_large_body_is_on_its_way(patient: Server) -> None:
    """After a reset, some systems throw away the answer before the browser has shown it."""
    with Client((patient.host, patient.port)) as client:
        client.send_raw(request("POST", "/", b"x" * 100_000))
        assert b"HTTP/1.1 405" in client.read_line()
        for _ in range(160):
            client.send_raw(b"x" * 65536)  # raises after a reset
        client.half_close()
        assert client.at_end().decode().splitlines()[-1] == SENTENCE


def test_http_after_some_junk_lines_is_closed_too(connect: Connect, bystanders: Bystanders) -> None:
    client, name = connect(), unique("http")
    client.send_raw(b"hello\r\n\r\n{}\n" + request("POST", "/", hijack(name)))
    assert client.receive()["code"] == "invalid_json"
    assert client.receive()["code"] == "unknown_type"
    answered(client, 400, text=LATE)
    not_run(connect, bystanders, name)


def test_http_from_a_logged_in_client_ends_the_session(
    connect: Connect, join: Join, bystanders: Bystanders
) -> None:
    client, name = join("http"), unique("http")
    client.pending()
    client.send_raw(request("GET", "/", hijack(name)))
    answered(client, 400, text=LATE)
    assert bystanders.one.until(type="status", user=client.name, state="offline")
    not_run(connect, bystanders, name)


@pytest.mark.parametrize("length", [1000, 70_000, 200_000])
def test_http_with_a_long_address_is_known_as_http(connect: Connect, bystanders: Bystanders, length: int) -> None:
    client, name = connect(), unique("http")
    try:
        client.send_raw(request("POST", "/" + "a" * length, hijack(name)))
    except OSError:
        pass  # closed already
    answered(client, 405 if length < 16_000 else 431)
    not_run(connect, bystanders, name)


def test_an_http_request_line_without_newline_then_half_close(connect: Connect) -> None:
    client = connect()
    client.send_raw(b"GET / HTTP/1.0")
    client.half_close()
    answered(client, 400)


def test_http_in_pieces_is_known_as_http(connect: Connect) -> None:
    client = connect()
    for piece in (b"GE", b"T / HTTP", b"/1.1\r", b"\nHost: a\r\n\r\n"):
        client.send_raw(piece)
    assert client.at_end().startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(("line", "status"), [
    (b"\xef\xbb\xbfGET / HTTP/1.1\r\n", 400), (b"\r\nGET / HTTP/1.0\n\n", 200),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
])
def test_other_beginnings_of_http(connect: Connect, line: bytes, status: int) -> None:
    client = connect()
    client.send_raw(line)
    assert client.at_end().startswith(b"HTTP/1.1 %d " % status)


def test_a_request_that_is_smuggled_in_a_body_is_not_run(connect: Connect, bystanders: Bystanders) -> None:
    name = unique("http")
    for body in (hijack(name), request("GET", "/healthz", b"")):
        client = connect()
        client.send_raw(request("GET", "/", b"x" + body))
        assert client.at_end().count(b"HTTP/1.1 ") == 1
    not_run(connect, bystanders, name)


def test_the_address_in_the_answer_without_a_page_is_the_one_that_the_client_used(
    own_server: Callable[..., Server]
) -> None:
    server = own_server("--web", "off")
    for host, shown in ((b"chat.example:2000", "chat.example 2000"), (b"<script>", f"{server.host} {server.port}")):
        with Client((server.host, server.port)) as client:
            client.send_raw(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
            assert f"\n    nc {shown}\n" in client.at_end().decode()


def test_the_answer_is_in_the_servers_language(own_server: Callable[..., Server]) -> None:
    server = own_server("--lang", "en", "--web", "off")
    with Client((server.host, server.port)) as client:
        client.send_raw(b"GET / HTTP/1.0\r\n\r\n")
        answer = client.at_end().decode()
    expected = LANGUAGES["en"]["http"].format(host=server.host, port=server.port)
    assert answer.partition("\r\n\r\n")[2] == expected


def test_pythons_library_shows_the_answer(patient: Server) -> None:
    connection = http.client.HTTPConnection(patient.host, patient.port, timeout=DEADLINE)
    try:
        connection.request("POST", "/", body=b"x" * (10 * MIB))
        response = connection.getresponse()
        assert response.status == 405
        assert response.read().decode().startswith(SENTENCE)
    finally:
        connection.close()


def test_pythons_urlopen_shows_the_answer(own_server: Callable[..., Server]) -> None:
    server = own_server("--web", "off")
    with pytest.raises(urllib.error.HTTPError, match="not an HTTP server") as caught:
        urllib.request.urlopen(f"http://{server.host}:{server.port}/", timeout=DEADLINE)
    with caught.value as response:
        assert NO_WEB in response.read().decode()


@pytest.mark.parametrize("more", [[], ["--data-binary", "@BIG"], ["-T", "BIG"]], ids=["get", "post", "put"])
def test_curl_shows_the_sentence(patient: Server, tmp_path: Path, more: list[str]) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl: apt install curl")
    big = tmp_path / "big"
    big.write_bytes(b"x" * (10 * MIB))
    arguments = [argument.replace("BIG", str(big)) for argument in more]
    done = subprocess.run(
        [curl, "-sS", "--noproxy", "*", *arguments, f"http://{patient.host}:{patient.port}/"],
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )
    assert (SENTENCE if more else "<!doctype html>") in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr


_JAVA = """
import java.io.InputStream;
import java.net.*;
public class Web {
    public static void main(String[] args) throws Exception {
        HttpURLConnection web = (HttpURLConnection) new URL(args[0]).openConnection(Proxy.NO_PROXY);
        System.out.println(web.getResponseCode() + " " + web.getResponseMessage());
        InputStream stream = web.getResponseCode() < 400 ? web.getInputStream() : web.getErrorStream();
        try (InputStream body = stream) { System.out.write(body.readAllBytes()); }
        System.out.flush();
    }
}
"""


def test_javas_library_shows_the_answer(own_server: Callable[..., Server], tmp_path: Path) -> None:
    server = own_server("--web", "off")
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None:
        pytest.skip("needs a JDK: apt install default-jdk-headless")
    source = tmp_path / "Web.java"
    source.write_text(_JAVA)
    done = subprocess.run(
        [java, str(source), f"http://{server.host}:{server.port}/"], capture_output=True, timeout=3 * DEADLINE,
        check=False,
    )
    shown = done.stdout.decode("utf-8")
    assert shown.startswith("400 This is a ClassCord chat server, not an HTTP server"), done.stderr
    assert NO_WEB in shown


def test_talk_about_http_is_not_http(join: Join, bystanders: Bystanders) -> None:
    client = join("webmaster")
    client.send({"type": "message", "content": "GET / HTTP/1.1"})
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)] == ["GET / HTTP/1.1"]
    refused(client, b"GET lost", "invalid_json")
