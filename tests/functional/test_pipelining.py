"""Requests sent without waiting for answers: each runs after the one before it has finished."""

from __future__ import annotations

from contextlib import ExitStack

from tests.support import Client, unique


def test_registering_and_logging_in_back_to_back_while_others_do_too(address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(60)]
        for client in clients:
            client.name = unique("hasty")
            account = {"username": client.name, "password": "azerty"}
            client.send(
                {"type": "register", **account}, {"type": "login", **account}, {"type": "message", "content": "I'm in"}
            )
        for client in clients:
            assert client.receive() == {"type": "register", "status": "ok"}
            assert client.receive() == {"type": "login", "status": "ok", "username": client.name}


def test_a_whole_conversation_in_one_segment(address: tuple[str, int]) -> None:
    name = unique("hasty")
    account = {"username": name, "password": "azerty"}
    with Client(address) as client:
        client.send(
            {"type": "ping"}, {"type": "register", **account}, {"type": "register", **account},
            {"type": "login", **account}, {"type": "logout"}, {"type": "logout"}, {"type": "login", **account},
            {"type": "ping"},
        )
        answers = [client.receive() for _ in range(8)]
    assert [answer.get("code", answer["type"]) for answer in answers] == [
        "pong", "register", "name_exists", "login", "logout", "not_named", "login", "pong",
    ]
