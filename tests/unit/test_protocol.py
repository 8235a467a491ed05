"""Framing and decoding: any bytes, cut anywhere, give the right lines or a ProtocolError, and nothing else."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.wire import protocol
from classcord.wire.protocol import MAX_LINE, LineSplitter, ProtocolError, TooLong, clean_content, decode

lines_with_newlines = st.lists(st.sampled_from([b"a", b"\n", b"\r\n", b"\xc3", b"\xa9", b"b" * 100]), max_size=30)


def split(data: bytes, cuts: list[int]) -> list[bytes | TooLong]:
    splitter = LineSplitter()
    found: list[bytes | TooLong] = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        found += splitter.feed(data[start:end])
    return found + splitter.rest()


@given(lines_with_newlines, st.lists(st.integers(0, 4000)))
def test_lines_do_not_depend_on_how_they_are_cut_into_reads(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert split(data, cuts) == expected


@given(st.integers(-3, 3), st.sampled_from([b"\n", b"\r\n"]), st.lists(st.integers(0, 3 * MAX_LINE), max_size=8))
def test_the_limit_is_exact_wherever_the_reads_are_cut(over: int, end: bytes, cuts: list[int]) -> None:
    first = b"x" * (MAX_LINE + over)
    found = split(first + end + b"next\n", cuts)
    kept = [line.removesuffix(b"\r") if isinstance(line, bytes) else None for line in found]
    assert kept == [first if over <= 0 else None, b"next"]


@given(st.integers(MAX_LINE + 2, 3 * MAX_LINE), st.integers(100, 70000))
def test_a_line_over_the_limit_shows_once_and_is_not_kept(length: int, chunk: int) -> None:
    splitter = LineSplitter()
    found: list[bytes | TooLong] = []
    data = b"y" * length
    for start in range(0, length, chunk):
        found += splitter.feed(data[start : start + chunk])
        assert len(splitter._tail) <= MAX_LINE + 1
    assert splitter.overrun == length
    assert found == [TooLong(b"y" * 64)]
    assert splitter.feed(b"tail\nnext\n") == [b"next"]
    assert splitter.overrun == 0


def refused(line: bytes) -> str:
    with pytest.raises(ProtocolError) as caught:
        decode(line)
    return caught.value.code


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(line: bytes) -> None:
    try:
        value = decode(line)
    except ProtocolError:
        return
    assert value is None or isinstance(value, dict)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5), st.booleans(), st.sampled_from([b"", b"\r", b"  "]))
def test_every_json_object_arrives_as_it_was_sent(value: dict[str, Any], escaped: bool, end: bytes) -> None:
    assert decode(json.dumps(value, ensure_ascii=escaped).encode() + end) == value


@given(st.text(), st.integers(0, 60))
def test_nesting_is_counted_outside_strings_only(text: str, depth: int) -> None:
    line = json.dumps({"a" + text + "[{": 0, "b": "[" * 100}).encode()
    assert decode(line) is not None
    nested = b'{"a":' + b"[" * depth + json.dumps(text).encode() + b"]" * depth + b"}"
    if depth + 1 > protocol.MAX_DEPTH:
        assert refused(nested) == "too_deep"
    else:
        assert decode(nested) is not None


STRINGS = st.sampled_from(["", ",", '"]"', '"[\\\\"', '"\\"[" '])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), STRINGS)))
def test_nesting_is_what_is_open_at_once(steps: list[tuple[int, int, str]]) -> None:
    text, depth, deepest = "", 0, 0
    for opened, closed, between in steps:
        depth += opened
        deepest = max(deepest, depth)
        closed = min(closed, depth)
        text += "[{"[opened % 2] * opened + between + "]}"[closed % 2] * closed
        depth -= closed
    assert protocol._too_deep(text) == (deepest > protocol.MAX_DEPTH)


def test_an_unfinished_string_costs_no_more_than_its_length() -> None:
    assert refused(b"{" * 40 + b'"\\' * 30000) in ("too_deep", "invalid_json")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{}{}", "invalid_json"), (b"[1]", "invalid_json"), (b"5", "invalid_json"), (b"null", "invalid_json"),
        (b'{"a":1e400}', "invalid_json"), (b'{"a":NaN}', "invalid_json"), (b'{"a":-Infinity}', "invalid_json"),
        (b'{"a":' + b"1" * 4301 + b"}", "invalid_json"), (b'{"a":"\\ud800"}', "invalid_text"),
        (b'{"\\udfff":1}', "invalid_text"), (b'{"a":["\\uDC00x"]}', "invalid_text"), (b"\x81\x8d", "invalid_json"),
        ('{"a":1}'.encode("utf-16"), "invalid_json"), ('{"a":1}'.encode("utf-32"), "invalid_json"),
    ],
)
def test_what_is_no_request_is_refused(line: bytes, code: str) -> None:
    assert refused(line) == code


def test_a_surrogate_pair_is_one_character() -> None:
    assert decode(b'{"a":"\\ud83d\\ude00"}') == {"a": "😀"}


@pytest.mark.parametrize(
    "blank", [b"", b"\r", b"  \t", b"\0", b"\xef\xbb\xbf", b"\xef\xbb\xbf \r", b"\xef\xbb\xbf" * 2]
)
def test_blank_lines_are_nothing(blank: bytes) -> None:
    assert decode(blank) is None


def test_text_is_utf8_or_else_cp1252_of_the_whole_line() -> None:
    assert decode('{"a":"é€"}'.encode()) == {"a": "é€"}
    assert decode('{"a":"é€"}'.encode("cp1252")) == {"a": "é€"}
    assert decode(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
    assert decode(b'\xef\xbb\xbf \xef\xbb\xbf\xef\xbb\xbf{"a":1}') == {"a": 1}


def test_content_keeps_tab_and_newline_and_no_other_control() -> None:
    assert clean_content("a\tb\nc\r\nd\u2028é") == "a\tb\nc\nd\u2028é"
    for control in "\0\x07\x1b\r\x7f\x85\x9b":
        with pytest.raises(ProtocolError) as caught:
            clean_content(f"a{control}b")
        assert caught.value.code == "invalid_text"
    assert clean_content("é" * protocol.MAX_CONTENT)
    with pytest.raises(ProtocolError) as caught:
        clean_content("é" * (protocol.MAX_CONTENT + 1))
    assert caught.value.code == "invalid_field"


def test_an_error_reply_has_its_text_under_both_keys_that_clients_read() -> None:
    reply = json.loads(ProtocolError("login_failed", "Login failed.").line())
    assert reply == {
        "type": "error", "message": "Login failed.", "error": "Login failed.", "code": "login_failed"
    }
