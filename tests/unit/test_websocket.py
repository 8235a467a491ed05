"""WebSocket's frames: the same events however the bytes come, and nothing wrong is accepted."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.wire import http, websocket
from classcord.wire.websocket import BINARY, PING, PONG, TEXT, Close, Decoder, Event, Failed, Part, Ping, Pong
from tests.support.web import ACCEPT, KEY, frame, upgrade

MASK = b"\x01\x80\xff\x37"


def whole(events: Sequence[Event]) -> list[object]:
    """The events with the parts of each message joined. A control frame may stand between two parts."""
    seen: list[object] = []
    message = b""
    for event in events:
        if isinstance(event, Part):
            message += event.data
            if event.last:
                seen.append((event.opcode, message))
                message = b""
        else:
            seen.append(event)
    return [*seen, message]


def decoded(pieces: Sequence[bytes]) -> list[object]:
    decoder = Decoder()
    return whole([event for piece in pieces for event in decoder.feed(piece)])


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


CONTROLS = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))
MESSAGES = st.one_of(
    st.tuples(st.just(TEXT), st.text(max_size=300).map(str.encode)),
    st.tuples(st.just(BINARY), st.binary(max_size=300)),
    st.tuples(st.just(BINARY), st.integers(125, 70_000).map(bytes)),
)
CUTS = st.lists(st.integers(0, 1 << 20), max_size=20)


@given(st.lists(st.tuples(MESSAGES, CUTS, st.lists(CONTROLS, max_size=3)), max_size=5), CUTS)
def test_frames_round_trip_however_they_are_cut(
    messages: list[tuple[tuple[int, bytes], list[int], list[tuple[int, bytes]]]], cuts: list[int]
) -> None:
    stream = b""
    expected: list[object] = []
    for (opcode, data), places, controls in messages:
        pieces = cut(data, places)
        for number, piece in enumerate(pieces):
            stream += frame(opcode if number == 0 else 0, piece, last=number == len(pieces) - 1)
            if number < len(controls) and number < len(pieces) - 1:
                kind, text = controls[number]
                stream += frame(kind, text)
                expected.append(Ping(text) if kind == PING else Pong(text))
        expected.append((opcode, data))
    stream += frame(8, b"\x03\xe8bye")
    assert decoded(cut(stream, cuts)) == [*expected, Close(1000), b""]


@given(st.binary(max_size=400), CUTS)
def test_any_bytes_give_the_same_events_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    def until_failed(pieces: Sequence[bytes]) -> list[object]:
        return [event for event in decoded(pieces) if not isinstance(event, bytes)]

    assert until_failed(cut(data, cuts)) == until_failed([data])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 1 << 20])
def test_a_head_has_the_size_in_its_shortest_form(size: int) -> None:
    head = websocket.head(size)
    assert len(head) == (2 if size < 126 else 4 if size < 65536 else 10)
    assert head[0] == 0x81
    assert decoded([frame(BINARY, b"x" * size)])[0] == (BINARY, b"x" * size)


WRONG = {
    "no mask": (b"\x81\x01a", 1002),
    "a reserved bit": (b"\xc1", 1002), "another": (b"\xa1", 1002), "the third": (b"\x91", 1002),
    **{f"opcode {number}": (bytes([0x80 | number]), 1002) for number in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a long ping": (b"\x89\xfe\0\x7e" + MASK, 1002),
    "a ping in pieces": (b"\x09", 1002), "a close in pieces": (b"\x08", 1002),
    "a piece of nothing": (b"\x80", 1002), "the same, not the last": (b"\x00", 1002),
    "a message inside another": (frame(TEXT, b"a", last=False) + b"\x81", 1002),
    "another piece of nothing": (frame(TEXT, b"a") + b"\x80", 1002),
    "a size of 2 bytes that fits in one": (b"\x81\xfe\0\x7d" + MASK, 1002),
    "a size of 8 bytes that fits in two": (b"\x81\xff\0\0\0\0\0\0\xff\xff" + MASK, 1002),
    "a size of 64 bits": (b"\x81\xff\x80\0\0\0\0\0\0\0" + MASK, 1002),
    "half a close code": (frame(8, b"\x03"), 1002),
    **{f"close code {code}": (frame(8, code.to_bytes(2, "big")), 1002)
       for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535)},
    "a reason that is not text": (frame(8, b"\x03\xe8\xff"), 1007),
    "no text": (frame(TEXT, b"a\xff"), 1007), "half a letter": (frame(TEXT, b"\xc3"), 1007),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007), "overlong": (frame(TEXT, b"\xc0\xaf"), 1007),
    "half a letter in pieces": (frame(TEXT, b"a\xc3", last=False) + frame(0, b""), 1007),
    "no text, far from its end": (frame(TEXT, b"\xce\xba\xf4\x90", last=False), 1007),
}


@pytest.mark.parametrize(("data", "code"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_noticed_at_its_first_byte_that_shows_it(data: bytes, code: int) -> None:
    for pieces in ([data], [data[place : place + 1] for place in range(len(data))]):
        decoder = Decoder()
        events = [event for piece in pieces for event in decoder.feed(piece)]
        assert isinstance(events[-1], Failed)
        assert events[-1].code == code
        assert decoder.feed(frame(TEXT, b"more")) == []


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999])
def test_close_codes_that_may_be_sent(code: int) -> None:
    assert decoded([frame(8, code.to_bytes(2, "big") + "à".encode())]) == [Close(code), b""]


def test_a_close_frame_may_be_empty_and_nothing_comes_after_it() -> None:
    assert decoded([frame(8, b"") + frame(PING, b"a")]) == [Close(None), b""]


def test_a_letter_may_be_in_two_frames() -> None:
    assert decoded([frame(TEXT, b"a\xc3", last=False) + frame(PING, b"") + frame(0, b"\xa9")]) == [
        Ping(b""), (TEXT, "aé".encode()), b"",
    ]


def test_a_message_of_any_size_takes_no_memory() -> None:
    decoder = Decoder()
    decoder.feed(frame(BINARY, b"", last=False))
    opened = b"\x00\xff" + (1 << 62).to_bytes(8, "big") + MASK
    decoder.feed(opened)
    for _ in range(100):
        (part,) = decoder.feed(b"x" * 1001)
        assert isinstance(part, Part)
        assert not part.last
        assert len(decoder._kept) == 0


def test_unmasking_goes_on_at_the_right_byte() -> None:
    data = bytes(range(256)) * 5
    for size in range(1, 9):
        stream = frame(BINARY, data, mask=MASK)
        assert decoded([stream[at : at + size] for at in range(0, len(stream), size)]) == [(BINARY, data), b""]


# --- the handshake ---


def request(*changes: tuple[bytes, bytes]) -> http.Request:
    data = upgrade()
    for before, after in changes:
        assert before in data
        data = data.replace(before, after)
    return http.parse(data)


def test_the_answer_to_the_key_of_the_rfc() -> None:
    assert ("Sec-WebSocket-Accept", ACCEPT) in websocket.accept(request())
    assert ("Sec-WebSocket-Accept", ACCEPT) in websocket.accept(request((b"websocket\r", b"WebSocket\r")))


@pytest.mark.parametrize(("before", "after", "status"), [
    (b"Upgrade: websocket\r\n", b"", 426), (b"Upgrade: websocket", b"Upgrade: h2c", 426),
    (b"keep-alive, Upgrade", b"keep-alive", 426), (b"HTTP/1.1", b"HTTP/1.0", 426), (b"Version: 13", b"Version: 8", 426),
    (b"Sec-WebSocket-Version: 13\r\n", b"", 426), (KEY.encode(), b"", 400), (KEY.encode(), b"dGhlIHNh", 400),
    (KEY.encode(), base64.b64encode(bytes(17)), 400), (KEY.encode(), b"*" + KEY.encode(), 400),
])
def test_a_handshake_that_is_wrong(before: bytes, after: bytes, status: int) -> None:
    with pytest.raises(http.Refused) as caught:
        websocket.accept(request((before, after)))
    assert caught.value.status == status
    if b"Version" in before:
        assert ("Sec-WebSocket-Version", "13") in caught.value.headers
