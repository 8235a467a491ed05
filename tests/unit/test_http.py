"""Heads of HTTP: what is right, what is refused, and what the answers say."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord import site
from classcord.ops.failure import Failure
from classcord.wire import http
from classcord.wire.http import Answer, Refused, Request
from tests.support.web import ask_http

NAMES = frozenset({"localhost", "vm", "vm.local"})


def parsed(*headers: str, target: str = "/") -> Request:
    return http.parse(ask_http(target, *headers))


def test_a_request_has_its_path_and_its_headers() -> None:
    request = parsed("Accept: a", "ACCEPT:  b\t", "X-é: no".replace("é", "e"), target="/a?b=c")
    assert (request.method, request.path, request.minor, request.host) == ("GET", "/a", 1, "127.0.0.1")
    assert request.headers["accept"] == "a, b"
    assert not request.has_body
    assert not request.last


@pytest.mark.parametrize("head", [
    b"GET / HTTP/1.1\nHost: a\n\n", b"GET / HTTP/1.1\r\nHost:a\r\n\r\n", b"GET http://a HTTP/1.1\r\nHost: b\r\n\r\n",
    b"GET HTTP://A/ HTTP/1.1\r\n\r\n",
])
def test_forms_that_are_right_too(head: bytes) -> None:
    assert http.head_end(head + b"GET") == len(head)
    request = http.parse(head)
    assert (request.host, request.path) == ("a", "/")


@pytest.mark.parametrize(("head", "status"), {
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n": 505, "PRI * HTTP/2.0\r\n\r\n": 505, "GET / HTTP/1.1\r\n\r\n": 400,
    "GET / HTTP/1.1 \r\nHost: a\r\n\r\n": 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n": 400,
    "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n": 400, "GET /é HTTP/1.1\r\nHost: a\r\n\r\n": 400, "GET /\r\n\r\n": 400,
    "G(T / HTTP/1.1\r\nHost: a\r\n\r\n": 400, "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n": 400,
    "GET / HTTP/1.1\r\n Host: a\r\n\r\n": 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n": 400,
    "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n": 400, "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n": 400,
    "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n": 400, "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n": 400,
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n": 400,
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n": 400,
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: ²\r\n\r\n": 400,
    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
    "GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\nOrigin: http://b\r\n\r\n": 400,
}.items())
def test_requests_that_are_refused(head: str, status: int) -> None:
    with pytest.raises(Refused) as caught:
        http.parse(head.encode("latin-1"))
    assert caught.value.status == status


def test_bodies_and_ends() -> None:
    assert parsed("Content-Length: 1").has_body
    assert parsed("Transfer-Encoding: chunked").has_body
    assert not parsed("Content-Length: 00").has_body
    assert parsed("Connection: x, Close").last
    assert http.parse(b"GET / HTTP/1.0\r\n\r\n").last


@given(st.binary(max_size=300))
def test_whatever_comes_is_a_request_or_refused(data: bytes) -> None:
    http.begins(data)
    for head in (data + b"\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n" + data + b"\r\n\r\n"):
        try:
            request = http.parse(head[: http.head_end(head)])
        except Refused:
            continue
        assert request.path.isascii()


@pytest.mark.parametrize(("data", "expected"), [
    (b"GET / HTTP/1.1\r\n", True), (b"\r\n\r\nPOST /x HTTP/1.0\n", True), (b"FOO / HTTP/1.1\n", True), (b"GE", None),
    (b"GET /a b", None), (b"M-SEARCH", None), (b"HELLO\n", False), (b"GET lost\n", False), (b"GET / HTTP/1.1", None),
    (b"", False), (b"{", False), (b"hello", False), (b"\xff\xfb", False), (b"A" * 40, False), (b"PROXY TCP4 ", None),
    (b"PROXY TCP4 1.2.3.4\r\n", False), (b"GET /" + b"a" * 20_000, True), (b"GET" + b" " * 20_000, False),
])
def test_which_first_bytes_are_http(data: bytes, expected: bool | None) -> None:
    assert http.begins(data) is expected


@pytest.mark.parametrize("host", [
    "10.0.108.42", "10.0.108.42:12345", "10.0.108.42:", "[::1]", "[fe80::1]:2000", "localhost:80", "localhost.:80",
    "vm", "vm.local",
])
def test_hosts_that_are_ours(host: str) -> None:
    assert http.is_ours(host, NAMES)


@pytest.mark.parametrize("host", [
    "evil.example", "10.0.108.42.evil.example", "localhost.evil.example", "vm.evil.example", "", ":80", "a@10.0.0.1",
    "10.0.0.1:80:80", "10.0.0.1:x", "10.0.0.1:123456", "::1", "[::1", "[10.0.0.1]", "[vm]", "127.1", "2130706433",
    "0x7f.1", "10.0.0.1 evil", "[::1]x", "10.0.0.1,vm", "10.0.0.1\0",
])
def test_hosts_that_are_not(host: str) -> None:
    assert not http.is_ours(host, NAMES)


PAGE = http.file("a.js", b"let a = 1;\n" * 100)
TINY = http.file("a.css", b"a{}")


def test_a_file_is_handed_out_as_the_client_takes_it() -> None:
    plain = http.found(PAGE, parsed())
    assert (plain.status, plain.body, plain.kind) == (200, b"let a = 1;\n" * 100, "text/javascript; charset=utf-8")
    packed = http.found(PAGE, parsed("Accept-Encoding: br, gzip"))
    assert dict(packed.headers)["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert dict(packed.headers)["ETag"] != dict(plain.headers)["ETag"]
    for headers in (plain.headers, packed.headers):
        assert dict(headers)["Vary"] == "Accept-Encoding"
        assert dict(headers)["Cache-Control"] == "no-cache"
    assert http.found(TINY, parsed("Accept-Encoding: gzip")).body == b"a{}"


@pytest.mark.parametrize(("header", "packed"), [
    ("gzip", True), ("GZIP;q=0.5", True), ("*", True), ("gzip;q=0", False), ("gzip; q=0.000", False), ("br", False),
    ("", False),
])
def test_who_takes_gzip(header: str, packed: bool) -> None:
    assert (http.found(PAGE, parsed(f"Accept-Encoding: {header}")).body == PAGE.packed) == packed


def test_a_file_that_the_client_has_is_not_sent_again() -> None:
    tag = dict(http.found(PAGE, parsed()).headers)["ETag"]
    for known in (tag, f'"x", W/{tag}', "*"):
        answer = http.found(PAGE, parsed(f"If-None-Match: {known}"))
        assert (answer.status, answer.body) == (304, b"")
        assert dict(answer.headers)["ETag"] == tag
    assert http.found(PAGE, parsed('If-None-Match: "x"')).status == 200
    assert http.found(PAGE, parsed(f"If-None-Match: {tag}", "Accept-Encoding: gzip")).status == 200


def test_what_every_answer_says() -> None:
    answer = Answer(404, "à\n".encode(), "text/plain; charset=utf-8")
    head, _, body = http.encode(answer, 784111777, host="[::1]:80", last=True, head_only=False).partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    fields = dict(header.split(": ", 1) for header in headers)
    assert status == "HTTP/1.1 404 Not Found"
    assert fields["Date"] == "Sun, 06 Nov 1994 08:49:37 GMT"  # the example of RFC 9110
    assert fields["Content-Length"] == str(len(body)) == "3"
    assert fields["Connection"] == "close"
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Referrer-Policy"] == "no-referrer"
    policy = dict(part.strip().split(" ", 1) for part in fields["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'",
        "connect-src": "'self' ws://[::1]:80", "frame-ancestors": "'none'", "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not [name for name in fields if re.match("access-control|set-cookie", name, re.IGNORECASE)]
    only = http.encode(answer, 784111777, host="[::1]:80", last=True, head_only=True)
    assert only == head + b"\r\n\r\n"


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    for name in ("index.html", "tableau.html", "app.js", "a.svg", "README", "secret.db", ".hidden.txt~"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.js").mkdir()
    loaded = site.load(["Chat.Lycee.Example."], tmp_path)
    assert sorted(loaded.files) == ["/", "/a.svg", "/app.js", "/tableau"]
    assert {"localhost", "chat.lycee.example"} < loaded.names
    with pytest.raises(Failure, match="--web off"):
        site.load([], tmp_path / "missing")


def test_every_file_of_the_page_is_handed_out() -> None:
    names = [path.name for path in site.FOLDER.iterdir()]
    assert {"index.html", "tableau.html"} <= set(names)
    assert [name for name in names if http.kind_of(name) is None] == []
