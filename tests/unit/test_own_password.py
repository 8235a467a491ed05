"""Another password: the guard of login is asked first, and who has no account has nothing hashed."""

from __future__ import annotations

from typing import Any, cast

import pytest

from classcord.chat.accounts import Account, Accounts
from classcord.chat.effects import Answered
from classcord.chat.room import Item
from classcord.wire.protocol import ProtocolError
from handlers import dispatch
from handlers.context import Context
from tests.support import Message, say
from tests.unit.stubs import Crowd
from tests.unit.test_dispatch import a_context

JSON = {"type": "password", "old": "azerty", "new": "qsdfgh"}


class Guard:
    """Stands for Limiter: remembers which account was tried."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.patient = True

    def login(self, account: str, verify: Any) -> Any:
        self.tried.append(account)
        if not self.patient:
            raise ProtocolError("rate_limited", "Too many wrong passwords; try again in 9 seconds.")
        return verify()

    def presence(self, *what: object) -> None:
        pass


class Hashes:
    def __init__(self) -> None:
        self.done = 0

    def run(self, link: object, work: Any) -> Any:
        self.done += 1
        return work()


def asked(message: Message, *, account: str = "alice", patient: bool = True) -> tuple[Context, Guard, Hashes]:
    """The context in which alice, who has the password azerty, or somebody without an account, has sent this."""
    context, guard, hashes = a_context(), Guard(), Hashes()
    guard.patient = patient
    accounts = Accounts([], 1)
    accounts.publish(Account("alice", "alice", accounts.hash_password("azerty"), ""))
    unbound = cast(Any, context)
    unbound.accounts, unbound.limiter, unbound._hashing = accounts, guard, hashes

    class Registry:
        def ask(self, question: Any) -> Answered:
            operation = question(1)[0]
            return Answered(1, None, account if operation == "own_account" else "", (), operation != "own_account")

        def post(self, items: list[Item]) -> None:
            pass

    unbound.registry = Registry()
    dispatch(context, message)
    return context, guard, hashes


def test_the_guard_of_login_is_asked_first() -> None:
    context, guard, hashes = asked(JSON)
    assert (guard.tried, hashes.done) == (["alice"], 2)
    assert b'"type":"password","status":"ok"' in context._items[0][2][2][0][1][0]
    with pytest.raises(ProtocolError) as caught:
        asked(JSON, patient=False)
    assert (caught.value.code, caught.value.cost) == ("rate_limited", 6)


def test_a_typed_one_is_told_of_the_guard_in_its_language() -> None:
    context, guard, hashes = asked(say("/motdepasse azerty qsdfgh"), patient=False)
    assert (guard.tried, hashes.done) == (["alice"], 0)
    assert "Trop de mots de passe faux" in str(context._items)


def test_nothing_is_hashed_for_who_has_no_account_nor_for_a_password_that_can_not_be() -> None:
    context, guard, hashes = asked(JSON, account="")
    assert (guard.tried, hashes.done) == ([], 0)
    assert context._items[0][2] == ("account", False, ()), "the room refuses it"
    with pytest.raises(ProtocolError):
        asked({**JSON, "new": ""})


def test_a_password_that_has_changed_meanwhile_is_not_changed_again() -> None:
    crowd = Crowd()
    alice = crowd.sat()
    crowd.run(("register", alice.number, ("alice", "old", "")), ("login", alice.number, ("alice", "alice")))
    batch = crowd.run(
        ("change_password", alice.number, (1, "old", "new")), ("change_password", alice.number, (2, "old", "x"))
    )
    answers = {number: cast(Answered, answer) for number, answer in batch.answers.items()}
    assert (answers[1].code, answers[2].code) == (None, "login_failed")
    row = crowd.accounts.get("alice")
    assert row is not None
    assert row.password == "new"
    guest = crowd.sat()
    batch = crowd.run(("own_account", guest.number, (3,)), ("change_password", guest.number, (4, "", "x")))
    assert [cast(Answered, batch.answers[number]).code for number in (3, 4)] == [None, "login_failed"]


def test_if_it_can_not_be_stored_the_answer_is_an_error() -> None:
    crowd = Crowd()
    alice = crowd.sat()
    crowd.run(("register", alice.number, ("alice", "old", "")), ("login", alice.number, ("alice", "alice")))
    batch = crowd.run(("change_password", alice.number, (1, "old", "new")))
    batch.failed(b"")
    assert cast(Answered, batch.answers[1]).code == "unavailable"
