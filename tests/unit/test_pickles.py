"""The reader of the first server's accounts: it understands what that wrote, and executes nothing, whatever comes."""

from __future__ import annotations

import os
import pickle
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.data import pickles
from classcord.data.pickles import LONGEST, PickleError, pairs

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Evil:
    """Loading it makes a folder."""

    def __init__(self, trap: Path) -> None:
        self.trap = trap

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trap),)


def refusal(data: bytes) -> str:
    with pytest.raises(PickleError) as caught:
        pairs(data)
    return str(caught.value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_the_first_server_wrote_is_read(protocol: int) -> None:
    users = {"alice": "azerty", "Zoé": "été", "李雷": "𝄞", "x": "azerty", "": ""}
    assert dict(pairs(pickle.dumps(users, protocol))) == users
    many = {f"user {number}": "azerty" for number in range(5000)}
    assert pairs(pickle.dumps(many, protocol)) == list(many.items())


@given(st.dictionaries(st.text(), st.text()), st.sampled_from(PROTOCOLS))
def test_every_dictionary_of_texts_is_read_as_pickle_reads_it(users: dict[str, str], protocol: int) -> None:
    assert pairs(pickle.dumps(users, protocol)) == list(users.items())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_a_text_is_told_apart_and_the_rest_is_read(protocol: int) -> None:
    """The first server let people register with such passwords and names."""
    odd: dict[Any, Any] = {"a": None, "b": 12, "c": [], "d": ["x", ["y"]], "e": {"f": {}}, "g": True, "h": 1.5,
                          "i": 1 << 70, "j": -1, "k": "azerty", 7: "seven"}
    assert pairs(pickle.dumps(odd, protocol)) == [
        *((name, None) for name in "abcdeghij"), ("k", "azerty"), (None, "seven")
    ]


# --- what would be executed ---


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_that_calls_a_function_calls_nothing(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "trap"
    for value in (Evil(trap), {"alice": Evil(trap)}, {"a": "b", "c": [Evil(trap)]}):
        assert "instruction" in refusal(pickle.dumps(value, protocol))
    assert not trap.exists()


@pytest.mark.parametrize(("data", "instruction"), [
    (b"cos\nsystem\n(S'true'\ntR.", "GLOBAL"),
    (b"(S'true'\nios\nsystem\n.", "STRING"),
    (b"(ios\nsystem\n.", "INST"),
    (b"((dobuiltins\n.", "OBJ"),
    (b"(do.", "OBJ"),
    (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "STACK_GLOBAL"),
    (b"}}b.", "BUILD"),
    (b"]]\x81.", "NEWOBJ"),
    (b"]]}\x92.", "NEWOBJ_EX"),
    (b"\x82\x01.", "EXT1"), (b"\x83\x01\x01.", "EXT2"), (b"\x84\x01\x01\x01\x01.", "EXT4"),
    (b"Pid\n.", "PERSID"), (b"}Q.", "BINPERSID"),
    (b"]]R.", "REDUCE"), (b"\x97.", "NEXT_BUFFER"), (b"}\x98.", "READONLY_BUFFER"),
    (b"\x8f.", "EMPTY_SET"), (b"\x85.", "TUPLE1"), (b"}2.", "DUP"), (b"}0.", "POP"),
    (b"U\x01a.", "SHORT_BINSTRING"), (b"C\x01a.", "SHORT_BINBYTES"), (b"\x96" + bytes(8) + b".", "BYTEARRAY8"),
])
def test_every_instruction_that_is_not_plain_data_is_refused(data: bytes, instruction: str) -> None:
    assert f"instruction {instruction})" in refusal(data)


# --- what would never end, or take all memory ---

U32, U64 = b"\xff\xff\xff\x7f", b"\xff" * 7 + b"\x7f"
BOMBS = {
    "a text of 2 GiB": b"}X" + U32 + b"a",
    "a text of 8 EiB": b"}\x8d" + U64 + b"a",
    "bytes of 8 EiB": b"\x8e" + U64 + b"a",
    "a bytearray of 8 EiB": b"\x96" + U64 + b"a",
    "a number of 2 GiB": b"\x8b" + U32 + b"a",
    "a frame of 8 EiB": b"\x80\x04\x95" + U64 + b"}",
    "a memory of 2 billion places": b"}r" + U32,
    "a far place": b"}p9999999999999999999\n0",
    "a number of 100,000 digits": b"I" + b"9" * 100_000 + b"\n.",
    "a long number of 100,000 digits": b"L" + b"9" * 100_000 + b"L\n.",
    "marks": b"(" * LONGEST,
    "dictionaries": b"}" * LONGEST,
    "one remembered again and again": b"}" + b"\x94" * LONGEST,
    "lists in lists": b"]" * 50_000 + b"a" * 49_999 + b".",
    "a tower of dictionaries": b"}" + b"q\0}X\1\0\0\0ah\0sX\1\0\0\0bh\0s" * 40_000 + b".",
    "doubling": b"](" + b"h\0h\0" * 1000,
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_bomb_ends_with_a_refusal_soon_and_in_little_memory(data: bytes) -> None:
    began = time.process_time()
    refusal(data)
    assert time.process_time() - began < 10, "a pickle machine would still be at it"
    tracemalloc.start()
    try:
        refusal(data)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_a_place_far_away_costs_nothing() -> None:
    assert pairs(b"}r" + U32 + b".") == []


def test_every_beginning_of_a_good_file_is_refused() -> None:
    whole = pickle.dumps({"alice": "azerty", "bob": "x"})
    for length in range(len(whole)):
        assert "damaged" in refusal(whole[:length])


@pytest.mark.parametrize("data", [
    b"", b".", b"\0", b"no pickle", b"}u.", b"s.", b"h\0.", b"(}X\1\0\0\0au.", b"]X\1\0\0\0aX\1\0\0\0bs.", b"}}.",
    b"X\1\0\0\0\xff.", b"(X\1\0\0\0ad.", b"V\\uzz\n.", b"F1.x\n.", b"g\n.", b"e.", b"a.",
])
def test_nonsense_is_refused(data: bytes) -> None:
    assert "damaged" in refusal(data)


@pytest.mark.parametrize("value", [["alice"], "alice", 12, None])
def test_other_data_is_refused(value: object) -> None:
    assert "names and passwords" in refusal(pickle.dumps(value))


@given(st.lists(st.sampled_from([bytes([code]) for code in b"}](].sueadlXVq\x94hgprK.IJ"] + [
    b"X\1\0\0\0a", b"Va\n", b"q\0", b"h\0", b"K\1", b"(", b"N", b"\x80\x04", b"cos\nsystem\n", b"\x8c\1x",
]), max_size=40).map(b"".join) | st.binary(max_size=200))
def test_any_bytes_end_in_an_answer_or_in_a_refusal(data: bytes) -> None:
    try:
        found = pairs(data)
    except PickleError:
        return
    assert all(isinstance(text, str | None) for pair in found for text in pair)


def test_the_limits_let_a_school_through() -> None:
    school = pickle.dumps({f"prénom.nom{number}": "azerty12" for number in range(20_000)})
    assert len(school) < LONGEST
    assert len(pairs(school)) == 20_000
    assert pickles._MOST >= 2 * 20_000
