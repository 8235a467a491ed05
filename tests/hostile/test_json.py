"""Lines that are not a request: nesting bombs, odd numbers, broken text, other encodings, other JSON values."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from classcord.wire.protocol import MAX_DEPTH, MAX_LINE
from handlers import REQUESTS
from tests.hostile.asking import PING, Connect, Join, answers, heard, refused, works
from tests.hostile.tools import launcher
from tests.support import DEADLINE, ROOT, Bystanders, Client, Server, say, unique

pytestmark = pytest.mark.usefixtures("bystanders")


# --- nesting ---

BOMBS = {
    "arrays": b"[" * 8000,
    "arrays in a field": b'{"type":' + b"[" * 8000,
    "closed arrays": b'{"type":' + b"[" * 8000 + b"]" * 8000 + b"}",
    "objects": b'{"a":' * 5000,
    "closed objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "both": b'[{"a":' * 4000,
    "with spaces": b"[ \t" * 8000,
    "after strings that look like brackets": b'{"a":"]]]]]]]]]","b":' + b"[" * 8000,
    "after an escaped quote": b'{"a":"\\"]]","b":' + b"[" * 8000,
    "after an escaped backslash": b'{"a":"\\\\","b":' + b"[" * 8000,
    "after closed brackets": b'{"a":[[],[],[]],"b":' + b"[" * 8000,
    "as long as a line may be": b"[" * MAX_LINE,
    "one too many arrays": b'{"type":"ping","a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}",
    "one too many objects": b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
}

_IN_A_THREAD = """
import sys, threading
from classcord import serving
from classcord.wire.protocol import ProtocolError, decode

def run():
    for line in sys.stdin.buffer.read().split(b"\\n"):
        try:
            print(type(decode(line)).__name__)
        except ProtocolError as error:
            print(error.code)

threading.stack_size(serving.THREAD_STACK)
thread = threading.Thread(target=run)
thread.start()
thread.join()
print("alive")
"""


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_nesting_bomb_is_refused(connect: Connect, bomb: bytes) -> None:
    refused(connect(), bomb, "too_deep")


def test_nesting_bombs_do_not_kill_a_process_whose_threads_have_the_servers_stack() -> None:
    """A crash of the C decoder ends the process; no exception handler can catch that."""
    deepest = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_THREAD], cwd=ROOT, input=b"\n".join([*BOMBS.values(), deepest]),
        capture_output=True, timeout=DEADLINE, check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split() == ["too_deep"] * len(BOMBS) + ["dict", "alive"]


def least_stack() -> int:
    """The smallest stack in KiB that this interpreter allows a thread: 32 up to Python 3.13, 52 in Python 3.14."""
    before = threading.stack_size()
    try:
        for size in range(32, 512, 4):
            try:
                threading.stack_size(size * 1024)
            except ValueError:
                continue
            return size
    finally:
        threading.stack_size(before)
    raise AssertionError("this interpreter allows no thread the stack of the server's")


@pytest.mark.parametrize("stack", [1024, least_stack()], ids=["musl", "least"])
def test_nesting_bombs_do_not_kill_a_server_with_another_stack(
    own_server: Callable[..., Server], stack: int
) -> None:
    """1 MiB is the stack that Python gives its threads on musl (Alpine)."""
    server = own_server(command=launcher(f"from classcord import serving; serving.THREAD_STACK = {stack} * 1024"))
    deepest = b'{"type":"ping","a":' + b'{"a":' * (MAX_DEPTH - 1) + b"1" + b"}" * MAX_DEPTH
    with Bystanders((server.host, server.port)), Client((server.host, server.port)) as client:
        for bomb in BOMBS.values():
            assert client.ask(bomb)["code"] == "too_deep"
        assert client.ask(deepest) == {"type": "pong"}
    assert server.process.poll() is None


def test_nesting_up_to_the_limit_is_accepted(connect: Connect) -> None:
    depth = MAX_DEPTH - 1
    client = connect()
    client.send(b'{"type":"ping","a":' + b"[" * depth + b"]" * depth + b"}")
    assert client.receive() == {"type": "pong"}
    client.send(b'{"type":"ping","a":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}")
    assert client.receive() == {"type": "pong"}
    client.send(b'{"type":"ping","a":[' + b"[],{}," * 5000 + b"0]}")
    assert client.receive() == {"type": "pong"}


@pytest.mark.parametrize("text", ["[[[[" * 1000, '"[{' * 1000, "\\[" * 1000, '\\"[{\\\\' * 500, "]}" * 2000])
def test_brackets_inside_a_string_are_text(join: Join, bystanders: Bystanders, text: str) -> None:
    client = join("brackets")
    client.send(say(text))
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)] == [text]


# --- numbers and keys ---


@pytest.mark.parametrize("value", [
    b"1" * 4301, b"-" + b"1" * 4301, b"1" * 60000, b"1e400", b"-1e400", b"1" * 400 + b".0", b"NaN", b"Infinity",
    b"-Infinity", b"01", b"+1", b".5", b"1.", b"0x10", b"1_000", b"'a'", b"undefined", b"True", b"None", b"\xd9\xa3",
])
def test_a_number_that_is_not_json_is_refused(connect: Connect, value: bytes) -> None:
    client = connect()
    refused(client, b'{"type":"ping","a":' + value + b"}", "invalid_json")
    refused(client, value, "invalid_json")


@pytest.mark.parametrize("line", [
    b"{", b'{"type"', b'{"type":}', b'{"type":"ping",}', b"{type:ping}", b'{"type":"ping"', b'{"type":"ping}',
    b'{"type":"ping"}}', b'{"type":"ping"}{"type":"ping"}', b'{"type":"ping"} x', b'{"type":"ping"}\0x',
    b'{"type":"ping" "a":1}', b'{"type":"\\x41"}', b'{"type":"\\u12"}', b'{"type":"ping"}//', b'{1:"ping"}', b'"' * 9,
    b'{"type":"' + b'\\"' * 30000, b"\\" * 60000, b'{"a":"' + b"\\" * 60001,
])
def test_broken_json_is_refused(connect: Connect, line: bytes) -> None:
    refused(connect(), line, "invalid_json")


@pytest.mark.parametrize(("line", "cause", "column"), [
    ('{\xa0"type":"users"}', "invisible", 2), ("{“type”:“users”}", "curly_quotes", 2),
    ("{'type':'users'}", "single_quotes", 2),
    ('{"type":"users",}', "comma_before_end", 16), (b'{"type":"users"}{"type":"users"}', "two_objects", 17),
    ("{", "several_lines", 1), ("\ufeff {type:1}", "unquoted_key", 3),
])
def test_a_refusal_says_where_and_what(connect: Connect, line: str | bytes, cause: str, column: int) -> None:
    error = refused(connect(), line, "invalid_json")
    assert list(error) == ["type", "message", "error", "code", "cause", "column", "example"]
    assert (error["cause"], error["column"]) == (cause, column)
    assert f"column {column}: " in error["message"]
    assert error["example"] == {"type": "users"}


def test_of_a_key_given_twice_the_last_is_checked_and_used(join: Join, bystanders: Bystanders) -> None:
    client = join("twice")
    client.pending()
    assert client.ask(b'{"type":"dance","type":"ping"}') == {"type": "pong"}
    refused(client, b'{"type":"ping","type":"dance"}', "unknown_type")
    refused(client, b'{"type":"message","content":"a","content":12}', "invalid_field")
    refused(client, b'{"type":"message","content":"fine","content":"\\u001b[2J"}', "invalid_text")
    client.send(b'{"type":"message","content":12,"content":"the last"}')
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)] == ["the last"]


# --- text ---

HALVES = ["\\ud800", "\\uDFFF", "a\\udc00b", "\\ud83d", "\\ude00\\ud83d", "\\ud800\\ud800", "\\ud83dx\\ude00"]


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("line", [
    '{"type":"message","content":"%s"}', '{"type":"private","to":"x","content":"%s"}', '{"type":"%s"}',
    '{"type":"message","content":"x","to":"%s"}', '{"type":"message","content":"x","from":"%s"}',
    '{"type":"status","state":"%s"}', '{"type":"status","state":"away","user":"%s"}', '{"type":"ping","%s":1}',
    '{"type":"ping","a":{"b":[1,{"c":"%s"}]}}', '{"type":"register","username":"%s","password":"azerty"}',
    '{"type":"register","username":"x","password":"%s"}', '{"type":"login","username":"%s","password":"azerty"}',
])
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(connect: Connect, line: str, half: str) -> None:
    refused(connect(), line.replace("%s", half), "invalid_text")


def test_surrogate_pairs_and_escaped_backslashes_are_text(join: Join, bystanders: Bystanders) -> None:
    client = join("pairs")
    client.send(b'{"type":"message","content":"\\ud83d\\ude00"}', b'{"type":"message","content":"\\\\ud800"}')
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)] == ["😀", "\\ud800"]


@pytest.mark.parametrize("bad", [b"\x81\x8d", b"\x90", b"\xc3\x81\x8d", b"caf\xe9 \x9d"])
def test_bytes_that_are_no_text_are_refused(connect: Connect, bad: bytes) -> None:
    client = connect()
    refused(client, b'{"type":"message","content":"' + bad + b'"}', "invalid_json")
    refused(client, bad, "invalid_json")


@pytest.mark.parametrize("odd", [
    b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80", b"\xff", b"\xfe\xff", b"\xc3", b"\xe2\x82", b"\x80", b"\xbf\xbf",
])
def test_invalid_utf8_is_read_as_cp1252_or_refused_and_no_client_is_dropped(
    join: Join, bystanders: Bystanders, odd: bytes
) -> None:
    client = join("odd")
    client.pending()
    client.send(b'{"type":"message","content":"a' + odd + b'z"}')
    errors = [error["code"] for error in answers(client)]
    relayed = [line["content"] for line in heard(bystanders, client.name)]
    try:
        expected = "a" + odd.decode("cp1252") + "z"
    except UnicodeDecodeError:
        assert (errors, relayed) == (["invalid_json"], [])
    else:
        assert (errors, relayed) == ([], [expected])
    client.send(say("still here"))
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)][-1] == "still here"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
def test_utf16_and_utf32_are_refused(connect: Connect, encoding: str) -> None:
    client = connect()
    client.send_raw('{"type":"ping"}\n'.encode(encoding))
    got = answers(client)
    assert [(error["type"], error["code"]) for error in got] == [("error", "invalid_json")]
    works(client)


@pytest.mark.parametrize("separator", ["\u2028", "\u2029"])
@pytest.mark.parametrize("escaped", [True, False])
def test_a_line_separator_in_content_is_one_message_on_one_line(
    join: Join, bystanders: Bystanders, separator: str, escaped: bool
) -> None:
    client = join("separators")
    text = f"one{separator}" + '{"type":"ping"}' + separator
    client.send(json.dumps(say(text), ensure_ascii=escaped))
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)] == [text]


# --- values that are not a request ---


@pytest.mark.parametrize("value", ["[]", '"x"', "1", "null", "true", "false", "-1.5", '[{"type":"ping"}]', '""'])
def test_another_json_value_is_told_what_was_expected(connect: Connect, value: str) -> None:
    assert "expected an object" in refused(connect(), value, "invalid_json")["message"]


@pytest.mark.parametrize("line", [
    b"{}", b'{"content":"x"}', b'{"type":null}', b'{"type":1}', b'{"type":1.5}', b'{"type":true}', b'{"type":[]}',
    b'{"type":["message"]}', b'{"type":{}}', b'{"type":{"type":"ping"}}', b'{"type":""}', b'{"type":"dance"}',
    b'{"type":"PING"}', b'{"type":" ping"}', b'{"type":"ping\\u0000"}', b'{"type":"__class__"}', b'{"Type":"ping"}',
])
def test_a_missing_or_unknown_type_is_told_which_there_are(connect: Connect, line: bytes) -> None:
    error = refused(connect(), line, "unknown_type")
    assert all(known in error["message"] for known in REQUESTS)


def test_at_most_32_characters_of_an_unknown_type_are_echoed(connect: Connect) -> None:
    mark = "0123456789abcdefghijklmnopqrstuv"
    assert len(mark) == 32
    error = refused(connect(), {"type": mark + "w" + "x" * 1000}, "unknown_type")
    assert mark in error["message"]
    assert mark + "w" not in error["message"]
    assert "xxx" not in error["message"]


@pytest.mark.parametrize("kind", ["\x1b[31mred", "a\nb", "\u202eabc", "\0", "a\x9bb", "é", "%s{}", "'\""])
def test_an_unknown_type_is_echoed_escaped(connect: Connect, kind: str) -> None:
    message = refused(connect(), {"type": kind}, "unknown_type")["message"]
    assert message.isascii()
    assert message.isprintable()


def test_all_of_it_at_once_on_one_connection(connect: Connect, bystanders: Bystanders) -> None:
    client, name = connect(), unique("survivor")
    for bomb in list(BOMBS.values())[:5]:
        client.send(bomb, b"junk", b"[]", b"{}", b'{"type":"\\ud800"}', b"\x81", b"", PING)
        got = [client.receive() for _ in range(7)]
        assert [line.get("code", line["type"]) for line in got] == [
            "too_deep", "invalid_json", "invalid_json", "unknown_type", "invalid_text", "invalid_json", "pong"
        ]
    client.send(say("I am still here", **{"from": name}))
    works(client)
    assert [line["content"] for line in heard(bystanders, name)] == ["I am still here"]
