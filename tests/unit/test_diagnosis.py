"""Why a line is not JSON: every cause with its variants, and that any line gets one short sentence at little cost."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from classcord.wire.diagnosis import CAUSES
from classcord.wire.protocol import MAX_LINE, ProtocolError, decode

USERS = '{"type":"users"}'
TAIL = '; send one JSON object a line, for example {"type":"users"}'
NBSP, NARROW, ZERO, JOINER, BOM, SOFT = "\xa0", "\u202f", "\u200b", "\u2060", "\ufeff", "\xad"

# cause: lines, each with the column that is named
CASES: dict[str, list[tuple[str | bytes, int | None]]] = {
    "telnet": [
        (b"\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x18\xff\xfb\x27\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03", None),
        (b"\xff\xfd\x03" + USERS.encode(), None), (b"\xff\xf4\xff\xfd\x06", None), (b"\xff\xfe\x01x", None),
        (b"\xff\xfa\x18\0xterm\xff\xf0x", None),
    ],
    "java_object": [(b"\xac\xed\0\x05", None), (b"\xac\xed\0\x05t\0\x10" + USERS.encode(), None)],
    "utf16": [
        *((USERS.encode(name), None) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le")),
        (b"\0" + USERS.encode("utf-16-le"), None), (b"\xfe\xff" + USERS.encode("utf-16-be"), None),
        ("bonjour".encode("utf-16-le"), None), (b"\xff\xfe", None), (USERS.encode("utf-16-le") + b"\r\0", None),
    ],
    "length_prefix": [
        (b"\0\x10" + USERS.encode(), None), (b"\0\x11" + USERS.encode(), None), (b"\0\x12" + USERS.encode() + b"\r",
        None),
        (b"\0\0\0\x10" + USERS.encode(), None), (b"\x10\0\0\0" + USERS.encode(), None), (b"\x10\0" + USERS.encode(),
        None),
        (b"\0\x05hello", None), (b"\x01\x2c{" + b" " * 297 + b"x}", None),
        (b'\0\x20{"type":"login","username":"abc"}'[:34], None), ("16" + USERS, None), ("16:" + USERS + ",", None),
        ("16" + " " * 62 + USERS, None),
    ],
    "socks": [(b"\x05\x01\0", None), (b"\x05\x02\0\x02", None), (b"\x04\x01\x30\x39\x7f\0\0\x01user\0", None)],
    "ssh": [("SSH-2.0-OpenSSH_9.6", None), ("SSH-1.99-x", None)],
    "not_text": [(b"\x81\x8d", 1), (b'{"a":"\x9d"}', 7), (b'  {"a":"\x9d"}', 9), ('{"é":"'.encode() + b'\x9d"}', 7)],
    "encoded_twice": [(json.dumps(USERS), 1), (json.dumps("[1]"), 1)],
    "not_object": [(value, 1) for value in ("[]", '"x"', "12", "null", "true", "-1.5", f"[{USERS}]")],
    "invisible": [
        *(("{" + char + '"type":"users"}', 2) for char in (NBSP, NARROW, ZERO, JOINER, BOM, SOFT)),
        *(("{" + char + '"type":"users"}', 2) for char in ("\u2003", "\u200e", "\u3000", "\u2066")),
        (USERS + ZERO, 17), (ZERO + USERS, 1), ('{"type":' + NBSP + '"users"}', 9), ('{"a":1' + NBSP + "}", 7),
        ('{"type"' + "\u2028" + ':"users"}', 8), (b'{\xa0"type":"users"}', 2), (BOM + ' {"a":' + NBSP + "1}", 7),
        (USERS + BOM, 17),
    ],
    "control": [
        ("\x1b[A" + USERS, 1), ('{"type"\x1b[D:"users"}', 8), (USERS + "\x7f", 17), ("\x16" + USERS, 1),
        (USERS + "\0x", 17),
    ],
    "curly_quotes": [
        ("{“type”:“users”}", 2), ('{"type”:"users"}', 7), ('{"type":"users”}', 15), ('{"type":“users"}', 9),
        ("{„type“:„users“}", 2), ("{« type » : « users »}", 2), (b"{\x93type\x94:\x93users\x94}", 2), ("“bonjour”", 1),
        ('{"type" : "users” }', 17),
    ],
    "single_quotes": [
        ("{'type':'users'}", 2), ("{‘type’:‘users’}", 2), ('{"type":\'users\'}', 9), ("{\"type':\"users\"}", 7),
        ("{’type’:’users’}", 2), (f"'{USERS}'", 1), (USERS + "'", 17), ("{`type`:`users`}", 2),
    ],
    "several_lines": [
        ("{", 1), ("[", 1), ('{"type":"users",', 16), ('{"type":', 8), ('  "type": "users",', 3), ('"type":"users"', 1),
        ("}", 1), ("},", 1), ("  }", 3), ("]", 1), ('{"a":[', 6), ('"alice",', 1), ("{\r", 1),
    ],
    "two_objects": [
        (USERS * 2, 17), (f"{USERS} {USERS}", 18), (f"{USERS}, {USERS}", 19), (f"{USERS};{USERS}", 18),
        (USERS + "{", 17),
        (f"  {USERS}{USERS}", 19), ("[1]{}", 4),
    ],
    "typed_newline": [(USERS + "\\n", 17), (USERS + " \\r\\n", 18)],
    "http": [("GET /", 1), ("HTTP/1.1 200 OK", 1), ("POST /chat", 1)],
    "markup": [("<users/>", 1), ("<?xml version='1.0'?>", 1)],
    "command": [("/aide", 1), ("/msg bob salut", 1)],
    "python_bytes": [(f"b'{USERS}'", 1), ('b"x"', 1)],
    "pair": [("type=users&user=bob", 1), ("type: users", 1), ("type:users", 1), ("type = users", 1)],
    "words": [
        ("hello", 1), ("bonjour tout le monde", 1), ("é", 1), ("2 minutes", 1), ("GET lost", 1),
        ("é hello".encode("cp1252"), 1),
        ("???", 1), ("EHLO localhost", 1), (BOM + "hello", 1), ("-5 ?", 1),
    ],
    "comma_before_end": [
        ('{"type":"users",}', 16), ('{"a":[1,2,]}', 10), ('{"type":"users" , }', 17), ('{"a":{"b":1,},"c":2}', 12),
    ],
    "bad_escape": [
        ('{"a":"C:\\Users"}', 9), ('{"a":"\\x41"}', 7), ('{"a":"\\\'"}', 7), ('{"a":"\\u12"}', 7),
        ('{\\"type\\":1}', 2),
        ('{"a":"ok\\u12zz"}', 9),
    ],
    "number_range": [
        ('{"a":1e400}', 6), ('{"a":' + "1" * 4301 + "}", 6), ('{"a":"1e400","b":-1e400}', 18), ("9" * 4301, 1),
        ('{"a":["\\"1e400",1e400]}', 17),
    ],
    "no_value": [
        ('{"a":NaN}', 6), ('{"NaN":"NaN","b":[NaN]}', 19), ('{"a":-Infinity}', 6), ('{"a":undefined}', 6),
        ('{"a":NULL}', 6),
        ('{"a":nan}', 6), ('{"a":TRUE}', 6),
    ],
    "python_value": [('{"a":True}', 6), ('{"a":None}', 6), ('{"a":[False]}', 7)],
    "number_form": [
        ('{"a":01}', 7), ('{"a":+1}', 6), ('{"a":.5}', 6), ('{"a":1.}', 7), ('{"a":0x10}', 7), ('{"a":1_000}', 7),
        ('{"a":1,5}', 7),
        ('{"a":-}', 6),
    ],
    "separator": [
        ('{"type"="users"}', 8), ('{"type";"users"}', 8), ('{"type","users"}', 8), ('{"a":1;"b":2}', 7),
        ('{"a"=>1}', 5),
        ('{"a":"b":"c"}', 9), ('{"a"：1}', 5), ('{"a":"b"，"c":1}', 9),
    ],
    "unquoted_key": [
        ('{type:"users"}', 2), ("{type:users}", 2), ('{"a":1,b:2}', 8), ('{1:"x"}', 2), ("{_a:1}", 2), ("{é:1}", 2),
    ],
    "unquoted_value": [('{"type":users}', 9), ('{"a":[x]}', 7), ('{"a":tru}', 6), ('{"a":été}', 6)],
    "quote_inside": [
        ('{"a":"il dit "oui" et"}', 14), ('{"a":"x"y}', 8), ('{"a":"le "s" final"}', 10),
        ('{"type:"users"}', 8), ('"{"type":"users"}"', 3),
    ],
    "missing_comma": [
        ('{"type":"ping" "a":1}', 16), ('{"a":1 "b":2}', 8), ('{"a":"x""b":1}', 9), ('{"a":1"b":2}', 7),
        ('{"a":{} "b":1}', 9),
        ('{"a":[1 2]}', 9), ('{"a":1 b:2}', 8),
    ],
    "unclosed_string": [('{"type":"users}', 9), ('{"type', 2), ('{"a":"b\\"}', 6), ('{"a":"bonjour', 6), ('"', 1)],
    "unclosed_object": [('{"type":"users"', 15), ('{"type"', 7), ('{"a":[1]', 8), ("[1", 2), ('{"a":{"b":1}', 12)],
    "after_object": [(USERS + "}", 17), (USERS + " x", 18), (USERS + ";", 17), (USERS + "//", 17), (USERS + ",", 17)],
    "other": [
        ('{"type":}', 9), ("{,", 2), ('{"a" 1}', 6), ('{"a":["b"}', 10), ('{"a":"b"]', 9), ('{"a":"b")}', 9),
        ('{"a":1,,"b":2}', 8), ('{"a":€}', 6),
    ],
}


def refusal(line: str | bytes) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        decode(line.encode() if isinstance(line, str) else line)
    return caught.value


def test_every_cause_has_cases() -> None:
    assert list(CASES) == [cause.name for cause in CAUSES]


@pytest.mark.parametrize(
    ("cause", "line", "column"), [(name, *case) for name, cases in CASES.items() for case in cases]
)
def test_a_cause_is_named_with_its_column(cause: str, line: str | bytes, column: int | None) -> None:
    error = refusal(line)
    assert (error.details.get("cause"), error.details.get("column")) == (cause, column)
    assert error.code == "invalid_json"
    assert error.text.endswith(TAIL)
    if f"column {column}" not in error.text:  # the whole line is the fault
        assert column is None or column - 1 <= len(line) - len(line.lstrip())


@pytest.mark.parametrize(("char", "name"), [
    (NBSP, "U+00A0 NO-BREAK SPACE"), (NARROW, "U+202F NARROW NO-BREAK SPACE"), (ZERO, "U+200B ZERO WIDTH SPACE"),
    (JOINER, "U+2060 WORD JOINER"), (BOM, "U+FEFF BYTE ORDER MARK"), (SOFT, "U+00AD SOFT HYPHEN"),
    ("“", "U+201C LEFT DOUBLE QUOTATION MARK"), ("’", "U+2019 RIGHT SINGLE QUOTATION MARK"), ("\x1b", "U+001B ESCAPE"),
    ("；", "U+FF1B FULLWIDTH SEMICOLON"), ("\x01", "U+0001 is a control character"), ("\ue000", "U+E000"), ("'",
    "apostrophe"),
])
def test_a_character_that_people_mistake_is_named(char: str, name: str) -> None:
    assert name in refusal('{"a":1' + char + "}").text


@pytest.mark.parametrize(("value", "found"), [
    ("[]", "an array"), ('"x"', "a string"), ("1", "a number"), ("null", "null"), ("true", "true or false"),
])
def test_another_value_is_told_what_was_expected(value: str, found: str) -> None:
    assert refusal(value).text == f"expected an object, found {found}{TAIL}"


def test_a_word_keeps_the_friendly_hint() -> None:
    assert refusal("hello").text == "not JSON" + TAIL


PIECES = st.sampled_from([
    *'{}[]:,;="\\\'/<', " ", "\t", "\r", "\0", "\x1b", "a", "true", "None", "NaN", "1", "-", "1e400", "é", "“", "”",
    "’", NBSP,
    ZERO, BOM, "\U0001f600", '"a"', '"a":', "GET /", "16",
])


@given(st.one_of(
    st.lists(PIECES, max_size=30).map("".join).map(str.encode), st.binary(max_size=100),
    st.lists(PIECES, max_size=8).map("".join).map(lambda text: text.encode("utf-16")),
    st.tuples(st.text(max_size=20), st.integers(0, 30)).map(lambda t: json.dumps({"a": t[0]}).encode()[: t[1]]),
))
@example(b"\0\x01")
@example(b"\x05")
def test_any_line_gets_one_short_sentence_whose_column_is_in_the_line(line: bytes) -> None:
    try:
        decode(line)
        return
    except ProtocolError as error:
        if error.code != "invalid_json":
            return
        found = error
    assert found.text.isascii()
    assert found.text.isprintable()
    assert len(found.text) < 220
    assert found.details["cause"] in CASES
    column = found.details.get("column")
    if column is not None:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            text = line.decode("cp1252", "replace")
        assert 1 <= column <= len(text)


@pytest.mark.parametrize("word", ["secret", "motdepasse"])
@pytest.mark.parametrize(
    "line", ["{password:%s}", "%s", '{"password":%s}', '{"password":"%s', "<%s>", '{"a" %s}', "/login %s"]
)
def test_nothing_that_was_sent_is_shown_but_one_character(line: str, word: str) -> None:
    assert word not in refusal(line % word).text


# the start of a long line, its repeated part, its end
WORST: dict[str, tuple[str, str | bytes, str]] = {
    "strings": ('{"a":', '"",', ""), "strings and a number": ('{"a":["', '","', '",1e400]}'),
    "the number in strings": ('{"a":[', '"1e400",', "1e400]}"), "curly quotes": ('{"a":"', "”", ""),
    "curly quotes and colons": ('{"a":"', "”:", ""), "spaces": ("{", " ", ""),
    "spaces and a brace": ('{"a":1,', " ", "}"),
    "backslashes": ('{"a":"', "\\", ""), "digits": ("", "1", ""), "marks": ("", BOM, "x"), "letters": ("", "a", ""),
    "objects": ("", "{}", ""), "braces": ("", "}", ""), "invisible": ("", ZERO, ""),
    "digits and spaces": ("", "1 ", ""),
    "NULs": ("", "\0", "x"), "telnet": ("", b"\xff\xfb\x01", ""), "IAC": ("", b"\xff\xfa", ""),
    "minus": ('{"a":', "-", ""),
    "words": ("", "a:", ""), "a word and spaces": ("a", " ", "b"), "not text": ("", b"\x81", ""),
    "half text": ("", "é", "?"),
    "equals": ("", "=", ""), "NaN in strings": ('{"a":[', '"NaN",', "NaN]}"),
    "escaped": ('{"a":["', '\\"\\\\', '",1e400]}'),
}


def long_line(head: str, unit: str | bytes, tail: str, length: int) -> bytes:
    repeated = unit.encode() if isinstance(unit, str) else unit
    return head.encode() + repeated * (length // len(repeated)) + tail.encode("cp1252", "replace")


def cpu(line: bytes) -> float:
    """The least CPU time of this thread that decoding takes, in a few tries."""
    times = []
    for _ in range(7):
        start = time.thread_time_ns()
        for _ in range(3):
            try:
                decode(line)
            except ProtocolError:
                pass
        times.append(time.thread_time_ns() - start)
    return min(times)


@pytest.mark.parametrize("parts", WORST.values(), ids=WORST.keys())
def test_the_cost_grows_with_the_length_and_no_faster(parts: tuple[str, str | bytes, str]) -> None:
    quarter, whole = long_line(*parts, MAX_LINE // 4), long_line(*parts, MAX_LINE - 100)
    tries = []
    for _ in range(5):  # on some machines the clock of the processor time may be wrong for a moment
        tries.append((cpu(quarter), cpu(whole)))
        if tries[-1][1] < 8 * tries[-1][0] + 200_000:
            return
    raise AssertionError(f"four times as long takes about four times as long, in nanoseconds: {tries}")
