"""The lines of a name, from the first line of its connection."""

from __future__ import annotations

from classcord.console.following import Following
from classcord.delivery.watching import WireLines
from tests.unit.test_watching import a_link

LOGIN = b'{"type":"login","username":"alice","password":"azerty"}'
OK = b'{"type":"login","status":"ok"}\n'
FAILED = b'{"type":"error","code":"login_failed"}\n'


class Show:
    def __init__(self, key: str | None = "alice") -> None:
        self.following = Following(key)

    def line(self, seat: int, way: str, data: bytes) -> list[bytes]:
        return [each.data for each in self.following.line(WireLines(0, way, a_link(seat), data))]

    def look(self, **people: int) -> list[bytes]:
        return [each.data for each in self.following.look({seat: name for name, seat in people.items()})]


def test_a_login_is_shown_from_the_first_line_of_its_connection() -> None:
    show = Show()
    assert show.line(1, ">", b"bonjour") == show.line(1, "<", b"quoi ?\n") == []
    assert show.line(1, ">", LOGIN) == [b"bonjour", b"quoi ?\n", LOGIN]
    assert show.line(1, "<", OK) == [OK]
    assert show.line(1, ">", b'{"type":"message","from":"al"}') != []
    assert show.look(alice=1) == []
    assert show.line(1, "end", b"closed") == [b"closed"]


def test_a_login_that_fails_is_shown() -> None:
    show = Show()
    assert show.line(1, ">", LOGIN) == [LOGIN]
    assert show.line(1, "<", FAILED) == [FAILED]
    assert show.look() == []
    assert show.line(1, ">", LOGIN) == [LOGIN]
    assert show.line(1, "end", b"closed") == [b"closed"]


def test_a_client_that_never_gets_through_is_shown_by_the_name_that_it_writes() -> None:
    for line in (b'{"type":"login","username":"Alice","password";"x"}', b"{'from': 'alice'", b"username=alice&x",
                 b'{"type":"message","from":"alice","content":"x",}'):
        assert Show().line(1, ">", line) == [line]


def test_the_lines_of_somebody_else_are_not_shown() -> None:
    show = Show()
    bob = LOGIN.replace(b"alice", b"bob")
    assert show.look(zoé=3) == []
    for seat in (2, 3):
        assert show.line(seat, ">", b"a") == show.line(seat, ">", bob) == show.line(seat, "<", OK) == []
        assert show.line(seat, ">", b'{"type":"message","from":"alice"}') == []
    assert show.look(bob=2) == show.line(2, ">", b"b") == []
    assert show.line(2, ">", LOGIN) == [LOGIN], "nothing of before"
    assert show.line(2, ">", bob) == show.line(2, "<", OK) == []


def test_a_name_that_no_line_has_given_is_found_by_looking() -> None:
    show = Show()
    assert show.line(1, ">", b"a") == []
    assert [show.look(**{"invité-1": 1}), show.line(1, ">", b"b")] == [[], []]
    assert show.look(alice=1) == [b"a", b"b"]
    assert show.line(1, ">", b"c") == [b"c"]
    assert show.look() == show.line(1, ">", b"d") == [], "it has logged out"
    assert show.line(1, "end", b"closed") == [b"closed"]


def test_what_is_kept_is_bounded() -> None:
    show = Show()
    for _ in range(1000):
        assert show.line(1, ">", b"x") == show.line(2, "<", b"x" * 3000) == []
    assert len(show.line(1, ">", LOGIN)) == 65
    assert len(show.line(2, ">", LOGIN)) == 6
    for seat in range(3, 1000):
        show.line(seat, ">", b"x")
    assert show.line(3, ">", LOGIN) == [LOGIN]
    assert show.line(999, ">", LOGIN) == [b"x", LOGIN]


def test_a_target_that_is_not_a_name_is_nobody() -> None:
    for key in (None, ""):
        for name in (b"", b"\\u0000", b"alice"):
            assert Show(key).line(1, ">", LOGIN.replace(b"alice", name)) == []
