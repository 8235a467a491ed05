"""Other protocols: recognized by their first bytes or lines, in any pieces, and never taken for ours."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.wire.foreign import (
    HEAD,
    JAVA_STREAM,
    foreign_line,
    foreign_start,
    http_answer,
    http_host,
    kind,
    negotiation,
    undecided,
    unended,
)
from classcord.wire.protocol import LineSplitter

PROXY_V2 = b"\r\n\r\n\0\r\nQUIT\n"
STARTS = {
    "tls": [
        *(b"\x16\x03" + bytes([minor]) for minor in range(5)), bytes.fromhex("802e0103010015000000"),
        b"\x80\x80\x01\x03\x03",
        b"\x81\x2b\x01\x03\x01", b"\x80\x1c\x01\0\x02", b"\x80\x2e\x01\x02\0",
    ],
    "proxy": [PROXY_V2, PROXY_V2 + b"\x21\x11\0\x0c"],
}
OURS = [
    b'{"type":"ping"}\n', b"\x16hello\n", b"\x16\n", b"\x16\x16\x03", b"\r\n", b"\r\n\r\n{", b"\r\n\r\n\0\r\nQUIX",
    b"QUIT\n",
    b"\x80\n", "€\n".encode("cp1252"), "€uro\n".encode("cp1252"), b"\x80\x2e\x02", b"\x80\x05\x01", b"\x15\x03",
    b"hello\n",
]


@pytest.mark.parametrize(("name", "data"), [(name, data) for name, starts in STARTS.items() for data in starts])
def test_first_bytes_are_known_wherever_they_are_cut(name: str, data: bytes) -> None:
    got = b""
    for byte in data:
        got += bytes([byte])
        foreign = foreign_start(got)
        assert (foreign is None) == undecided(got), got
        if foreign is not None:
            assert foreign.name == name
            return
    pytest.fail(f"{data!r} was not known")


@pytest.mark.parametrize("data", OURS)
def test_first_bytes_of_ours_are_neither_foreign_nor_kept_waiting(data: bytes) -> None:
    assert foreign_start(data) is None
    if data != b"\r\n":  # a blank line gets no answer anyway
        assert not undecided(data)


@given(st.binary(max_size=20) | st.sampled_from(STARTS["tls"] + STARTS["proxy"]), st.integers(0))
def test_while_the_first_bytes_are_undecided_no_line_waits_for_an_answer(data: bytes, cut: int) -> None:
    data = data[: cut % (len(data) + 1)]
    if undecided(data):
        assert data.replace(b"\0", b"").rpartition(b"\n")[0].strip() == b""


def test_a_request_line_of_another_protocol_is_known_by_its_form() -> None:
    for method in (
        "GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "M-SEARCH",
        "VERSION-CONTROL", "FOO",
    ):
        for end in ("HTTP/1.1\r", "HTTP/1.0", "HTTP/2"):
            foreign = foreign_line(f"{method} /a?b {end}".encode())
            assert foreign is not None
            assert foreign.name == "http"
    for head in (b"PRI * HTTP/2.0\r", b"GET /" + b"a" * 60000 + b" HTTP/1.1", b"CONNECT a:1 HTTP/1.1"):
        assert foreign_line(head) is not None
    assert foreign_line(b"POST /aaaaaaaa", whole=False) is not None
    for line in (b"GET lost", b"GET /", b"get / http/1.1", b'{"a":"GET / HTTP/1.1"}', b"SSH-2.0-x", b"PROXY"):
        assert foreign_line(line) is None
    assert foreign_line(b'{"content":"GET /', whole=False) is None
    foreign = foreign_line(b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r")
    assert foreign is not None
    assert foreign.name == "proxy"


def test_the_http_answer_is_whole_and_has_no_body_for_head() -> None:
    head, _, body = http_answer(b"GET / HTTP/1.1", "é\n").partition(b"\r\n\r\n")
    assert body == "é\n".encode()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nContent-Length: 3\r\n" in head
    assert b"access-control" not in head.lower()
    assert http_answer(b"HEAD / HTTP/1.1", "é\n") == head + b"\r\n\r\n"


@pytest.mark.parametrize(("header", "host"), [
    (b"Host: chat.example:12345\r\n", ("chat.example", "12345")), (b"host:10.0.108.42\r\n", ("10.0.108.42", "80")),
    (b"HOST: [::1]:2000\r\n", ("::1", "2000")), (b"Host: <b>:1\r\n", None), (b"Host: a b\r\n", None), (b"", None),
    (b"X-Host: a:1\r\n", None), (b"Host: " + b"a" * 200 + b"\r\n", None), ("Host: é:1\r\n".encode(), None),
])
def test_the_host_that_a_web_client_names_is_taken_if_it_is_fit_to_be_shown(
    header: bytes, host: tuple[str, str] | None
) -> None:
    request = b"GET / HTTP/1.1\r\nAccept: */*\r\n" + header
    assert http_host(request + b"\r\n") == host
    assert http_host(request[:-3]) is None  # cut off by the end of a read


def length_and(text: bytes, size: int = 2, order: str = "big") -> bytes:
    return len(text).to_bytes(size, order) + text  # type: ignore[arg-type]


USERS = b'{"type":"users"}'
LONG = b'{"type":"message","content":"' + b"x" * 400 + b'"}'
# data without a newline, and the number of its bytes that get one answer
UNENDED = [
    *(length_and(text, size, order) for text in (USERS, LONG) for size in (2, 4) for order in ("big", "little")),
    length_and(b"hello"), length_and(b'{"a":"' + b"x" * 115 + b'"}'), b"16" + USERS, b"16" + b" " * 62 + USERS,
    b"16:" + USERS,
    b"\xac\xed\0\x05", b"\x05\x01\0", b"\x05\x02\0\x02", b"\x04\x01\x30\x39\x7f\0\0\x01user\0", b"\xff\xfb\x1f",
    b"\xff\xf4",
    b"\xff\xfa\x18\0xterm\xff\xf0",
]


@pytest.mark.parametrize("data", UNENDED)
def test_what_never_ends_in_a_newline_is_answered_once_it_is_whole(data: bytes) -> None:
    for end in range(1, len(data)):
        assert unended(data[:end][:HEAD], end) is None
    splitter = LineSplitter()
    answered = []
    for byte in data:
        assert splitter.feed(bytes([byte])) == []
        answered += list(splitter.unended())
    assert answered == [data]
    assert splitter.feed(b"\n") in ([], [b""])  # its newline, if one comes after all, is nothing
    assert splitter.feed(USERS + b"\n") == [USERS]


def test_several_frames_are_answered_one_by_one() -> None:
    splitter = LineSplitter()
    assert splitter.feed(length_and(USERS) * 3 + length_and(USERS)[:5]) == []
    assert list(splitter.unended()) == [length_and(USERS)] * 3
    assert splitter.feed(length_and(USERS)[5:]) == []
    assert list(splitter.unended()) == [length_and(USERS)]


@pytest.mark.parametrize("text", [
    USERS, b"hello", "é€".encode(), b"  " + LONG, b"\0" + USERS, "bonjour".encode("utf-16-le"), b"7 mots", b"\x05",
    b"\xff",
])
def test_a_line_that_may_end_is_never_answered_before_its_end(text: bytes) -> None:
    splitter = LineSplitter()
    for byte in text:
        assert splitter.feed(bytes([byte])) == []
        assert list(splitter.unended()) == []
    assert splitter.feed(b"\n") == [text]


def test_utf16_is_not_telnets_negotiation() -> None:
    for text in ('{"a":1}', "  ", "a", "\x1f"):
        data = b"\xff\xfe" + text.encode("utf-16-le")
        for end in range(len(data)):
            assert negotiation(data[:end]) == 0


@given(
    st.dictionaries(st.text(), st.text(), max_size=4),
    st.sampled_from([b"", b" ", b"\t", b"\r", b"\xef\xbb\xbf", b" \t\r"]),
)
def test_no_object_of_ours_looks_like_a_frame(value: dict[str, str], before: bytes) -> None:
    line = before + json.dumps(value).encode()
    assert unended(line[:HEAD], len(line) + 100_000) is None


@pytest.mark.parametrize(("data", "expected"), [
    (b'{"type":"users"}\n', "json"), (b"\xef\xbb\xbf\r\n {", "json"), (b"bonjour\n", "netcat"),
    ("été".encode(), "netcat"),
    (b"\xff\xfb\x1f", "netcat"), (JAVA_STREAM + b"x", "java"), (b"", ""), (b"\r\n", ""), (b"\0\x10{", ""),
])
def test_what_a_client_is_as_far_as_its_first_bytes_tell(data: bytes, expected: str) -> None:
    assert kind(data) == expected
