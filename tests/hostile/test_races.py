"""Many at the same moment: registrations of one name, logins and logouts of one account."""

from __future__ import annotations

import functools
import random
from contextlib import ExitStack

import pytest

from tests.hostile.tools import at_once, eventually
from tests.support import Bystanders, Client, Message, member, unique

EXISTS = {
    "type": "error", "message": "Username already exists.", "error": "Username already exists.", "code": "name_exists"
}
OK = {"type": "register", "status": "ok"}


def _register(client: Client, name: str, password: str) -> Message:
    return client.register(name, password)


def _spellings(name: str) -> list[str]:
    """Spellings that are all the same name."""
    fullwidth = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in name)
    return [name, name.upper(), name.title(), fullwidth]


def test_a_hundred_registrations_of_one_name(address: tuple[str, int]) -> None:
    name = unique("wanted")
    with Bystanders(address) as bystanders, ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(100)]
        spellings = _spellings(name)
        asked = [(spellings[number % 4], f"password {number}") for number in range(100)]
        answers = at_once([functools.partial(_register, c, *a) for c, a in zip(clients, asked, strict=True)])
        bystanders.check()
        winners = [number for number, answer in enumerate(answers) if answer == OK]
        assert len(winners) == 1, answers
        assert [answer for answer in answers if answer != OK] == [EXISTS] * 99
        # the account is the winner's alone: its spelling and its password
        winner = winners[0]
        for number in random.sample([n for n in range(100) if n != winner], 4):
            assert clients[winner].login(name, f"password {number}")["code"] == "login_failed"
        for spelling in spellings:
            assert clients[winner].login(spelling, f"password {winner}")["status"] == "ok"
        bystanders.one.until(type="status", state="online", user=asked[winner][0])


def test_two_registrations_of_each_name_a_hundred_times(address: tuple[str, int]) -> None:
    """While one name is being stored, two registrations of another name wait; then both are handled together."""
    with Bystanders(address) as bystanders, ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(10)]
        for number in range(20):
            names = [unique("twice") for _ in range(5)]
            asked = zip(clients, names + names, strict=True)
            answers = at_once([functools.partial(_register, client, name, "azerty") for client, name in asked])
            for first, second in zip(answers[:5], answers[5:], strict=True):
                assert sorted([first, second], key=str) == sorted([OK, EXISTS], key=str), number
            bystanders.check(1)


def test_registering_and_logging_in_in_one_segment_from_many_connections(address: tuple[str, int]) -> None:
    """The clients that lost the registration log in with a wrong password; the winner's password is valid by then."""
    name = unique("both")

    def both(client: Client, password: str) -> tuple[Message, Message]:
        client.send(
            {"type": "register", "username": name, "password": password},
            {"type": "login", "username": name, "password": password},
        )
        return client.receive(), client.receive()

    with Bystanders(address), ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(20)]
        answers = at_once([functools.partial(both, c, f"password {n}") for n, c in enumerate(clients)])
        assert sum(registered == OK for registered, _ in answers) == 1
        for registered, login in answers:
            if registered == OK:
                assert login == {"type": "login", "status": "ok", "username": name}
            else:
                assert (registered, login["code"]) == (EXISTS, "login_failed")


def test_simultaneous_logins_of_one_account(address: tuple[str, int]) -> None:
    name = unique("everywhere")
    with Bystanders(address) as bystanders, member(address, unique("observer")) as observer, ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(30)]
        assert clients[0].register(name) == OK
        answers = at_once([functools.partial(client.login, name) for client in clients])
        assert answers == [{"type": "login", "status": "ok", "username": name}] * 30
        listed = observer.ask({"type": "users"})
        while listed["type"] != "users":
            assert listed.get("user") != name or listed["state"] == "online"
            listed = observer.receive()
        assert listed["users"].count(name) == 1
        # a private message reaches every session once, and only the last session's end is announced
        observer.pending()
        observer.send({"type": "message", "subtype": "private", "to": name, "content": "hello"})
        for client in clients:
            assert client.until(type="message", subtype="private")["content"] == "hello"
        at_once([functools.partial(client.close) for client in clients[1:]])
        observer.send({"type": "users"})
        assert name in observer.until(type="users")["users"]
        clients[0].pending()
        assert [line for line in observer.pending() if line["type"] == "status" and line["user"] == name] == []
        clients[0].close()
        assert observer.until(type="status", user=name)["state"] == "offline"
        assert [line for line in observer.pending() if line.get("user") == name] == []
        bystanders.check()


@pytest.mark.parametrize("seed", range(3))
def test_logins_logouts_and_switches_in_a_muddle_leave_a_true_list(address: tuple[str, int], seed: int) -> None:
    names = [unique("muddle") for _ in range(4)]

    def muddle(client: Client, number: int) -> str | None:
        """Log in and out as one or the other; return the last name."""
        chance = random.Random(f"{seed} {number}")
        now: str | None = None
        for _ in range(15):
            if chance.random() < 0.3 and now:
                client.send({"type": "logout"})
                client.until(type="logout", status="ok")
                now = None
            else:
                now = chance.choice(names)
                client.send({"type": "login", "username": now, "password": "azerty"})
                client.until(type="login", status="ok", username=now)
        return now

    with Bystanders(address) as bystanders, member(address, unique("observer")) as observer, ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(8)]
        for name in names:
            assert clients[0].register(name) == OK
        remain = at_once([functools.partial(muddle, client, number) for number, client in enumerate(clients)])
        observer.send({"type": "users"})
        lines = observer.pending()
        listed = next(line for line in lines if line["type"] == "users")["users"]
        assert len(listed) == len(set(listed))
        assert {name for name in listed if name in names} == {name for name in remain if name}
        # for each, online and offline took turns, and the last one was true
        for name in names:
            states = [line["state"] for line in lines if line["type"] == "status" and line["user"] == name]
            assert states == [("online", "offline")[number % 2] for number in range(len(states))]
            assert (states[-1:] == ["online"]) == (name in remain)
        for client in clients:
            client.close()
        gone = set(names) & set(listed)
        while gone:
            line = observer.receive()
            if line["type"] == "status" and line["state"] == "offline":
                gone.discard(line["user"])
        bystanders.check()


def test_a_crowd_that_comes_and_goes_during_broadcasts_leaves_no_ghost(address: tuple[str, int]) -> None:
    def come_and_go(number: int) -> None:
        for turn in range(15):
            with Client(address) as guest:
                guest.send({"type": "message", "from": unique("ghost"), "content": "here I am"}, {"type": "users"})
                if (number + turn) % 3:
                    guest.until(type="users")

    def ghosts() -> list[str]:
        observer.send({"type": "users"})
        users = next(line["users"] for line in observer.pending() if line["type"] == "users")
        return [name for name in users if name.startswith("ghost_")]

    with Bystanders(address) as bystanders, member(address, unique("observer")) as observer:
        def said() -> int:
            return sum(line.get("content") == "here I am" for line in bystanders.seen)

        at_once([functools.partial(come_and_go, number) for number in range(8)])
        # the last clients may be gone before the server has accepted them
        eventually(bystanders, lambda: said() >= 8 * 15, "everybody was here")
        eventually(bystanders, lambda: not ghosts(), "all ghosts are gone")
        bystanders.check()
        assert said() == 8 * 15
