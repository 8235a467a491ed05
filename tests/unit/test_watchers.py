"""Who may see whose lines: the room's part, item by item."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import pytest

from classcord.chat.accounts import Account
from classcord.chat.effects import BoardShown, Wired
from classcord.chat.people import Seat
from classcord.net.addresses import to_hand_out
from classcord.net.nat import hidden
from classcord.net.peer import Peer
from classcord.wire.mask import masked, shortened
from tests.unit.stubs import Crowd


class School(Crowd):
    """Some accounts; `shown` has what each seat is shown now, as the effects say."""

    def __init__(self, *teachers: str) -> None:
        super().__init__()
        for name in ("alice", "bob", "prof"):
            self.accounts.publish(Account(name, name, "", "", "teacher" if name in teachers else "user"))

    def come(self, name: str) -> Seat:
        seat = self.sat()
        self.do("login", seat, name, name)
        return seat

    def ask(self, seat: Seat, operation: str, *arguments: object) -> list[dict[str, Any]]:
        before = len(self.wires[seat.number].messages())
        self.do(operation, seat, *arguments)
        return self.wires[seat.number].messages()[before:]

    def shown(self) -> dict[int, set[int]]:
        now: dict[int, set[int]] = {}
        for effect in self.caused:
            if isinstance(effect, Wired):
                now.pop(effect.watcher, None)
                if effect.seats is not None:
                    now[effect.watcher] = {seat for seat, _ in effect.seats}
        return now

    def boards(self) -> set[int]:
        now: set[int] = set()
        for effect in self.caused:
            if isinstance(effect, BoardShown):
                (now.add if effect.on else now.discard)(effect.seat)
        return now


def test_the_seats_of_ones_own_account() -> None:
    school = School()
    page, java = school.come("alice"), school.come("alice")
    school.come("bob")
    assert school.ask(page, "wire", True, "") == [{"type": "wire", "state": "on", "user": "alice"}]
    assert school.shown() == {page.number: {java.number}}
    later = school.come("alice")
    assert school.shown() == {page.number: {java.number, later.number}}
    school.do("logout", java)
    assert school.shown() == {page.number: {later.number}}
    school.do("login", later, "bob", "bob")
    assert school.shown() == {page.number: set()}
    school.do("leave", page)
    assert school.shown() == {}


def test_a_guest_with_the_name_of_an_account_is_not_that_account() -> None:
    school = School()
    page, guest = school.come("alice"), school.sat()
    school.do("wire", page, True, "")
    school.do("identify", guest, "alice")
    school.do("identify", school.sat(), "ALICE")
    assert school.shown() == {page.number: set()}


def test_a_guest_that_gets_another_name_is_watched_on() -> None:
    school = School("prof")
    prof, guest = school.come("prof"), school.sat()
    school.do("identify", guest)
    assert school.ask(prof, "wire", True, "invité-1")[0]["user"] == "invité-1"
    school.do("identify", guest, "zoé")
    wired = [effect for effect in school.caused if isinstance(effect, Wired)]
    assert wired[-1].seats == ((guest.number, "zoé"),)
    school.do("register", guest, "léa", "hash", "2026")
    school.do("login", guest, "bob", "bob")
    assert school.shown() == {}, "it is somebody else now"
    assert {"type": "wire", "state": "off", "user": "invité-1"} in school.wires[prof.number].messages()


def test_a_right_that_goes_ends_what_it_allowed_and_nothing_else() -> None:
    school = School("prof")
    prof, own = school.come("prof"), school.come("prof")
    bob = school.come("bob")
    school.do("board", prof, True)
    school.do("wire", prof, True, "bob")
    school.do("wire", own, True, "")
    assert school.shown() == {prof.number: {bob.number}, own.number: {prof.number}}
    assert school.boards() == {prof.number}
    school.run(("command", None, (1, "demote", ("prof",))))
    assert (school.shown(), school.boards()) == ({own.number: {prof.number}}, set())


def test_the_same_items_show_the_same_in_another_room() -> None:
    crowds = School("prof"), School("prof")
    for school in crowds:
        for number, operation, arguments in (
            (900, "login", ("prof", "prof")), (901, "login", ("bob", "bob")), (900, "wire", (True, "bob")),
            (902, "login", ("bob", "bob")), (900, "board", (True,)), (901, "leave", ()), (900, "wire", (False, "")),
        ):
            school.listen(number)
            school.run((operation, number, arguments))
    assert crowds[0].caused == crowds[1].caused
    assert crowds[0].boards() == {900}


# --- what the board tells ---


def test_an_address_that_hides_several_people() -> None:
    def peers(address: str, count: int) -> list[Peer]:
        return [Peer(address, port) for port in range(count)]

    assert hidden(peers("10.0.2.2", 1)) == {"10.0.2.2"}, "VirtualBox shows everybody so"
    assert hidden(peers("10.0.108.7", 3) + peers("10.0.108.8", 4)) == {"10.0.108.8"}
    assert hidden(peers("127.0.0.1", 9)) == set()


def test_addresses_to_hand_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_netlink() -> None:
        raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))

    monkeypatch.setattr(socket, "if_nameindex", no_netlink)  # as in the unit's sandbox
    assert to_hand_out(["127.0.0.1", "::1"], 12345) == ["127.0.0.1:12345", "[::1]:12345"]
    for address in to_hand_out(["0.0.0.0", "::"], 12345):
        host, _, port = address.rpartition(":")
        assert (port, host.startswith("127.")) == ("12345", False)


def test_a_line_that_is_shortened_hides_its_password_still() -> None:
    assert shortened(b"x" * 1000, 1000) == b"x" * 1000
    assert shortened(b"x" * 1001, 1000) == b"x" * 500
    for key in ("password", "p\\u0061ssword", "pass\u200bword"):
        for cut in range(40, 80):
            line = f'{{"type":"login","{key}":"s3cr3t-s3cr3t","x":"{"y" * 200}"}}'.encode()
            assert "s3cr" not in masked(shortened(line, cut)), (key, cut)
