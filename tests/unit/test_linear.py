"""Nothing that a client sends costs more than its length: patterns, normalization, nesting, names, whole requests.

Each function gets its worst inputs, from short ones to the longest that can reach it. The processor time for n must
stay under three times that for n/2; it is four times as much if the time grows with the square.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from classcord.chat.accounts import MAX_PASSWORD, _forms
from classcord.net import hashing
from classcord.ops import logs
from classcord.wire import channel_names, diagnosis, foreign, mask, names, protocol
from classcord.wire.protocol import MAX_CONTENT, MAX_LINE
from handlers.presence import state_of
from tests.unit.stubs import Crowd
from tests.unit.test_architecture import SOURCES, module

Make = Callable[[int], Any]

_SAMPLE = 0.004
"""Seconds that are measured at once: less, and the clock and the caches count too much."""
_LONG_RUN = 0.05
"""Seconds of one call after which no longer input is tried before this one is found to be linear."""


@pytest.fixture(scope="module", autouse=True)
def memory_as_in_a_server() -> None:
    hashing._give_memory_back()


def cpu(run: Callable[[Any], object], given: Any) -> float:
    """Seconds of processor time of one call, the least of several samples."""
    once = quick(run, given)
    if once > _LONG_RUN / 4:
        return once
    calls = max(1, min(1000, int(_SAMPLE / max(once, 1e-6))))
    least = once
    for _ in range(5):
        start = time.thread_time()
        for _ in range(calls):
            run(given)
        least = min(least, (time.thread_time() - start) / calls)
    return least


def quick(run: Callable[[Any], object], given: Any) -> float:
    """Seconds of processor time of one call, about."""
    start = time.thread_time()
    run(given)
    return time.thread_time() - start


def assert_linear(run: Callable[[Any], object], make: Make, limit: int) -> None:
    """Longer and longer inputs up to the limit: cubic work must be found before it takes minutes."""
    length = limit
    while length > 64:
        length //= 2
    while length < limit and quick(run, make(length)) < _LONG_RUN:
        length = min(2 * length, limit)
    compare(lambda size: cpu(run, make(size)), length)
    if length < limit:
        compare(lambda size: quick(run, make(size)), limit)


def compare(seconds: Callable[[int], float], length: int) -> None:
    """Fail if the length always takes three times as long as half of it. Another program may disturb a try."""
    for _ in range(8):
        half, whole = seconds(length // 2), seconds(length)
        if whole < 3 * half:
            return
    raise AssertionError(f"{length} characters take {whole:.6f} s, half of them {half:.6f} s")


def assert_linear_at_worst(run: Callable[[Any], object], makes: Iterable[Make], limit: int) -> None:
    """With the inputs that take longest at each of some lengths, of those that took long at the length before."""
    makes = list(makes)
    for length in sorted({min(limit, 200), min(limit, 2000), limit}):
        times = sorted((quick(run, make(length)), number) for number, make in enumerate(makes))
        makes = [makes[number] for _, number in times[-100:]]
        for make in makes[-2:]:
            assert_linear(run, make, length)


def repeated(unit: str, start: str = "", end: str = "") -> Make:
    """`start`, the unit as often as it fits, and `end`: n characters."""
    return lambda n: (start + unit * (n // len(unit) + 1))[: n - len(end)] + end


def then(make: Make, change: Callable[[Any], Any]) -> Make:
    """The input of `make`, changed."""
    return lambda n: change(make(n))


# --- patterns -------------------------------------------------------------------------------------------------------

PATTERNS = {
    "classcord.ops.logs:_BARE": ("fullmatch", logs._LONGEST),
    "classcord.wire.names:_INVISIBLE": ("match", 1),
    "classcord.wire.names:_BASE": ("fullmatch", 100),  # the name of a character
    "classcord.wire.names:_ENTITY": ("search", names._WRITTEN),
    "classcord.wire.names:_FIRST": ("match", MAX_CONTENT),
    "classcord.wire.names:_MARK": ("search", 2 * names._WRITTEN),
    "classcord.wire.names:_NUMBERED": ("fullmatch", 2 * names._WRITTEN),
    "classcord.console.following:_WRITTEN": ("search", MAX_LINE),
    "classcord.console.words:_WORD": ("match", 4000), "classcord.wire.durations:_PART": ("match", MAX_CONTENT),
    "classcord.wire.protocol:_CONTROL": ("search", MAX_CONTENT),
    "classcord.wire.mask:_STOP": ("search", MAX_LINE), "classcord.wire.mask:_HEADER": ("match", MAX_LINE),
    "classcord.wire.mask:_KEPT": ("fullmatch", MAX_LINE), "classcord.wire.mask:_OBJECT": ("match", MAX_LINE),
    "classcord.wire.mask:_PAIR": ("match", MAX_LINE), "classcord.wire.mask:_SIGN": ("match", MAX_LINE),
    "classcord.wire.mask:_TAIL": ("fullmatch", 3),
    "classcord.wire.secret_words:_INSIDE": ("search", MAX_LINE),
    "classcord.wire.secret_words:_BEGINS": ("match", MAX_LINE),
    "classcord.wire.secret_words:_WORD": ("finditer", MAX_LINE),
    "classcord.wire.secret_words:_OTHER": ("finditer", MAX_LINE),
    "classcord.wire.secret_words:_KEY_END": ("match", MAX_LINE),
    "classcord.chat.accounts:_CONTROL": ("search", MAX_PASSWORD),
    "classcord.data.export:_FORMULA": ("sub", MAX_CONTENT),
    "classcord.wire.diagnosis:_ODD_NULS": ("match", foreign.HEAD),
    "classcord.wire.diagnosis:_PYTHON": ("match", diagnosis._REACH),
    "classcord.wire.diagnosis:_NO_VALUE": ("match", diagnosis._REACH),
    "classcord.wire.diagnosis:_WORD": ("match", diagnosis._REACH),
    "classcord.wire.diagnosis:_NAME": ("match", diagnosis._REACH),
    "classcord.wire.foreign:_HTTP_START": ("match", MAX_LINE),
    "classcord.wire.foreign:_HTTP_METHOD": ("match", MAX_LINE),
    "classcord.wire.foreign:_HTTP_END": ("search", foreign.HEAD),
    "classcord.wire.foreign:_HOST": ("search", 4096),
    "classcord.wire.foreign:_NEGOTIATION": ("match", MAX_LINE),
    "classcord.wire.foreign:_SOCKS4": ("match", MAX_LINE),
    "classcord.wire.foreign:_DECIMAL": ("match", MAX_LINE),
    "classcord.wire.protocol:_LEAD": ("match", MAX_LINE),
    "classcord.wire.protocol:_MAYBE_SURROGATE": ("search", MAX_LINE),
    "classcord.wire.words:_WORDS": ("findall", 18 * MAX_CONTENT),
    "handlers.messages:_QUOTED": ("fullmatch", MAX_CONTENT),
    "handlers.messages:_UNSEEN": ("sub", MAX_CONTENT),
    "handlers.table:_LETTERS": ("match", MAX_CONTENT),
}
"""Every regular expression of the server: how it is used, and how many characters it can meet."""
NO_CLIENTS = {"classcord.data.folder", "classcord.data.ids", "classcord.data.mounts", "classcord.data.store"}
"""Modules whose regular expressions never meet a client's text: they read files of the system, and error messages."""
MADE = {"classcord.wire.diagnosis:_text_starts", "classcord.wire.diagnosis:_quotes"}
"""Functions that make some. Whole lines that are not JSON meet them, further below."""

UNITS = [
    " ", "a", "A", "1", '"', "“", '" ', "a ", ' "', "\\", "\\u", "\\ud", "(", "(lnvlte", "lnvlte", "lnvlte(", "&", "&a",
    "&a;", "%", "\n", "\0", "é", "GET ", " HTTP/1", " HTTP/1.1 ", " WITH ", "LATIN SMALL LETTER ", "X ", "\u0301",
]
STARTS = ["", '"', '"a', '"a"', "(lnvlte", "&", "&a", "GET /", "GET / HTTP/1.1", "\\u", "LATIN SMALL LETTER A WITH "]
ENDS = ["", "\0", " ", '"', "x", ";", "("]


def patterns() -> Iterable[str]:
    """Every regular expression, as module:NAME, or as module:function if a function makes it; other uses by line."""
    for path in SOURCES:
        if module(path) in NO_CLIENTS:
            continue
        tree = ast.parse(path.read_text())
        named = {
            id(node.value): node.targets[0].id
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for function in tree.body:
            if isinstance(function, ast.FunctionDef):
                named |= {id(node): function.name for node in ast.walk(function) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "re":
                yield f"{module(path)}:{node.lineno}"
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re":
                call = next((n for n in ast.walk(tree) if isinstance(n, ast.Call) and n.func is node), None)
                if call is not None:  # else a flag, or a type
                    yield f"{module(path)}:{named.get(id(call)) or node.lineno}"


def test_every_regular_expression_of_the_server_is_tested_here() -> None:
    """A new one needs a row in PATTERNS, and has to be compiled at the level of its module."""
    assert sorted(patterns()) == sorted([*PATTERNS, *MADE])


@pytest.mark.parametrize("where", PATTERNS)
def test_every_regular_expression_is_linear(where: str) -> None:
    home, name = where.split(":")
    imported = importlib.import_module(home)
    pattern: re.Pattern[Any] = getattr(imported, name)
    method, limit = PATTERNS[where]
    used = set(re.findall(rf"\b{name}\.(\w+)", inspect.getsource(imported)))
    assert used <= {method}, "it is used in another way"
    run = functools.partial(pattern.sub, "") if method == "sub" else getattr(pattern, method)
    makes = [repeated(*parts) for parts in itertools.product(UNITS, STARTS, ENDS)]
    if isinstance(pattern.pattern, bytes):
        makes = [then(make, str.encode) for make in makes]
    assert_linear_at_worst(run, makes, limit)


def test_a_pattern_that_is_not_linear_is_found() -> None:
    cubic = re.compile(r'"\s*([^"]+?)\s*"')
    with pytest.raises(AssertionError, match="characters take"):
        assert_linear(cubic.match, repeated(" ", '"'), MAX_CONTENT)


# --- normalization --------------------------------------------------------------------------------------------------

LONG = 60_000
"""Characters of a field, in a line of MAX_LINE bytes. Of characters of three bytes a third."""
DENSE: dict[str, Make] = {
    "one that becomes 18": repeated("\ufdfa"),
    "marks in order": repeated("\u0301", "a"),
    "marks out of order": lambda n: "a" + "\u0301" * (n // 2) + "\u0323" * (n // 2),
    "marks out of order, everywhere": repeated("\u0301\u0323", "a"),
    "one that becomes three marks": repeated("\U0001d160"),
    "syllables": repeated("\u1100\u1161\u11a8"),
    "capitals that become longer": repeated("\u0390"),
    "small letters": repeated("é"),
    "spaces": repeated(" ", "a", "a"),
    "wide spaces": repeated("\u3000", "a", "a"),
    "digits": repeated("\u0660"),
    "brackets": repeated("(", "invité"),
    "ASCII": repeated("aI"),
}


def refused_or_not(name: str) -> None:
    try:
        names.check(name)
    except names.NameRefused:
        pass


@pytest.mark.parametrize("make", DENSE.values(), ids=DENSE)
@pytest.mark.parametrize("function", [names.find, refused_or_not, state_of, channel_names.find.__wrapped__])
def test_names_and_states_are_bounded_before_they_are_normalized(function: Callable[[str], object], make: Make) -> None:
    assert_linear(function, make, names.MAX_NAME)
    assert_linear(function, make, names._FINDABLE)
    assert_linear(function, make, LONG)


@pytest.mark.parametrize("make", DENSE.values(), ids=DENSE)
def test_a_name_of_the_right_length_is_compared_in_linear_time(make: Make) -> None:
    assert_linear(names.likeness.__wrapped__, make, 2 * names.MAX_NAME)


@pytest.mark.parametrize("make", DENSE.values(), ids=DENSE)
def test_a_password_is_normalized_in_linear_time(make: Make) -> None:
    """Its length is looked at before."""
    assert_linear(_forms, make, MAX_PASSWORD)


NORMALIZE = (
    "classcord.wire.names", "classcord.wire.channel_names", "classcord.wire.words", "classcord.chat.accounts",
    "classcord.ops.config", "classcord.data.class_list",  # no client's text
    "classcord.wire.secret_words",  # one character at a time
)


def test_only_names_passwords_and_words_are_normalized() -> None:
    """Other places would not limit the length of the text first, and the marks in a row."""
    for path in SOURCES:
        if module(path) not in NORMALIZE:
            text = path.read_text()
            assert "casefold" not in text, path
            assert "normalize(" not in text, path


def test_the_hundredth_namesake_is_not_normalized_a_hundred_times(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd()
    for _ in range(99):
        crowd.do("announce_guest", crowd.sat(), "zoé")
    normalized = []
    key = names.key
    monkeypatch.setattr(names, "key", lambda name: normalized.append(name) or key(name))  # type: ignore[func-returns-value]
    crowd.do("announce_guest", crowd.sat(), "zoé")
    assert 0 < len(normalized) < 10


# --- nesting --------------------------------------------------------------------------------------------------------

NESTED = [
    "[],", "[[]],", "[1,", '{"a":', '"[[[["',
    "\\", '"\\', '"\\"', '["\\\\",', '"', "[]", "{}", "[{}]", "[}", "[1]x", "][",
    "é[],", "[" * 16 + "[]," * 16 + "]" * 16, "[" * 31 + "]" * 31,
    "".join("[" * n + "]" * n for n in range(33)),
]


@pytest.mark.parametrize("unit", NESTED)
def test_nesting_is_looked_at_in_linear_time(unit: str) -> None:
    assert_linear(protocol._too_deep, repeated(unit), MAX_LINE)


def test_looking_at_the_nesting_costs_less_than_reading_the_line() -> None:
    """Only the deepest allowed nesting costs a little more."""
    line = repeated("[],", '{"a":[', "[]]}")(MAX_LINE)
    assert cpu(protocol._too_deep, line) < cpu(json.loads, line)


# --- lines that people watch ----------------------------------------------------------------------------------------

_DIGITS = str.maketrans("0123456789", "pasdwordet")
WATCHED: list[Make] = [
    repeated("login "), repeated("mot de "), repeated("\\u0070"), repeated("%70"), repeated("é"), repeated('\\"', '{"'),
    repeated('"a":1,', "{", '"z":1}'), repeated('"pas",', "["), repeated("type:a,", "{login,"),
    repeated('"name":"a",', "{", "login"), repeated("/x"), repeated('{"login":["a"],"a":', "", "]"),
    repeated("pass=", "", "a"), repeated("\u0301"), repeated("\ufdfa"),
    lambda n: " ".join(f"{number:x}swor".translate(_DIGITS) for number in range(n // 9)),
    lambda n: json.dumps({f"k{number}": f"/y{number}" for number in range(n // 18)}),
    lambda n: json.dumps({"content": "x" * (n - 40) + '\\"'}),
]


@pytest.mark.parametrize("number", range(len(WATCHED)))
def test_hiding_passwords_takes_linear_time(number: int) -> None:
    assert_linear(mask.masked, lambda n: WATCHED[number](n).encode(), MAX_LINE // 3)
