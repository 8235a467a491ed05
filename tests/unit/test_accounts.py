"""Passwords: which there may be, in which form they are hashed, and that a failed login never tells why."""

from __future__ import annotations

import itertools
import sys
import unicodedata
from typing import Any

import pytest

from classcord.chat import accounts
from classcord.chat.accounts import MAX_PASSWORD, Account, Accounts, check_password
from classcord.wire.protocol import ProtocolError

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0xD800, 0xDBFF, 0xDC00, 0xDFFF)]
SPELLINGS = [  # forms of one password; the first is the NFKC form of all of them
    ["café", "cafe\u0301", "ｃａｆé"], ["fin", "ﬁn"], ["a b", "a\u00a0b"], ["가", "\u1100\u1161"],
    ["Å", "\u212b", "A\u030a"],
]
LONGEST = "\ufdfa" * MAX_PASSWORD
"""NFKC makes 18 characters of each of these."""


def stored(password: str) -> Accounts:
    """Accounts with one of alice, as register makes it."""
    made = Accounts([], 1)
    made.publish(Account("alice", "alice", made.hash_password(password), ""))
    return made


def stored_as_typed(password: str) -> Accounts:
    """Accounts with one of alice, as versions made it that did not normalize."""
    salt = b"s" * 16
    row = Account("alice", "alice", accounts._pack(1, salt, accounts._scrypt(password, salt, 1, 8, 1)), "")
    return Accounts([row], 1)


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda spellings: spellings[0])
def test_a_password_may_be_typed_in_any_form_of_it(spellings: list[str]) -> None:
    for registered in spellings:
        made = stored(registered)
        for typed in spellings:
            assert made.verify("alice", typed) == "alice", (registered, typed)
        assert made.verify("alice", spellings[0] + "x") is None


@pytest.mark.parametrize("password", [*itertools.chain(*SPELLINGS), "azerty", "a\x07b", "\t", LONGEST], ids=ascii)
def test_a_hash_of_the_password_as_it_was_typed_still_works(password: str) -> None:
    made = stored_as_typed(password)
    assert made.verify("alice", password) == "alice"
    assert made.verify("alice", password + "x") is None


@pytest.mark.parametrize("password", ["x", "x" * MAX_PASSWORD, "pàss wörd", "\u202e\u200b", "\U0001f600", LONGEST])
def test_passwords_that_may_be(password: str) -> None:
    check_password(password)
    assert stored(password).verify("alice", password) == "alice"


@pytest.mark.parametrize("password", ["", "x" * (MAX_PASSWORD + 1), "\ufdfa" * 100_000], ids=len)
def test_the_length_is_that_of_the_password_as_typed(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        check_password(password)
    assert (refused.value.code, "1 to 256 characters" in refused.value.text) == ("invalid_field", True)
    made = stored("x")

    def normalize(form: str, text: str) -> str:
        assert len(text) <= MAX_PASSWORD
        return text

    monkeypatch.setattr(accounts.unicodedata, "normalize", normalize)  # type: ignore[attr-defined]
    assert made.verify("alice", password) is None


def test_what_is_hashed_has_a_bound() -> None:
    longest = max(len(unicodedata.normalize("NFKC", chr(code))) for code in range(sys.maxunicode + 1))
    assert len(unicodedata.normalize("NFKC", LONGEST)) == MAX_PASSWORD * longest == 4608


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: f"U+{ord(control):04X}")
def test_controls_are_refused_wherever_they_stand(control: str) -> None:
    for password in (control, f"a{control}b", f"{control}ab", f"ab{control}"):
        with pytest.raises(ProtocolError) as refused:
            check_password(password)
        assert refused.value.code == "invalid_text"
        assert f"U+{ord(control):04X}" in refused.value.text
        assert "choose one without" in refused.value.text


def test_normalizing_makes_no_control() -> None:
    for code in range(0xA0, sys.maxunicode + 1):
        if not 0xD800 <= code <= 0xDFFF:
            check_password(unicodedata.normalize("NFKC", chr(code))[:MAX_PASSWORD])


@pytest.mark.parametrize(
    "password", ["azertx", "", None, 5, ["azerty"], "x" * 257, "cafe\u0301", "a\x07b", LONGEST, LONGEST + "x"],
    ids=lambda password: repr(password)[:9],
)
def test_a_failed_login_takes_the_same_work_whether_the_name_is_known_or_not(
    monkeypatch: pytest.MonkeyPatch, password: Any
) -> None:
    made = stored("azerty")
    work: list[tuple[Any, ...]] = []
    scrypt = accounts._scrypt

    def counted(text: str, salt: bytes, *costs: int) -> bytes:
        work.append((text, len(salt), *costs))
        return scrypt(text, salt, *costs)

    monkeypatch.setattr(accounts, "_scrypt", counted)
    done = []
    for name in ("alice", "nobody", None, "x" * 5000):
        assert made.verify(name, password) is None
        done.append(work.copy())
        work.clear()
    assert done[0], "something is hashed anyway"
    assert all(each == done[0] for each in done)
