"""Answers longer than what may wait for a client: the one that asks is not dropped, and the others don't wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.hostile.tools import LARGE, launcher
from tests.support import Bystanders, Client, Server, WebClient, member, say, unique

COUNT = 60
"""Messages of 48 kB: much more than the least outbox and a socket take."""
OPTIONS = ("--outbox-limit", str(1 << 19), "--stall-timeout", "3600")
CONTENTS = [LARGE[:-6] + f"{number:6}" for number in range(COUNT)]


def filled(server: Server) -> tuple[str, int]:
    """The address of the server, where somebody has said all of this."""
    address = server.host, server.port
    with member(address, unique("busy")) as sender:
        for text in CONTENTS:
            sender.send(say(text))
        sender.pending()
    return address


def others_chat(address: tuple[str, int]) -> None:
    with Bystanders(address) as bystanders:
        bystanders.check()


@pytest.mark.parametrize("kind", [Client, WebClient])
def test_a_page_of_long_messages_comes_whole_as_it_is_taken(
    own_server: Callable[..., Server], kind: type[Client]
) -> None:
    address = filled(own_server(*OPTIONS))
    with kind(address, receive_buffer=4096) as reader:
        reader.send({"type": "history", "limit": COUNT}, {"type": "ping"})
        first = reader.receive()
        others_chat(address)
        assert [first["content"], *(reader.receive()["content"] for _ in CONTENTS[1:])] == CONTENTS
        assert reader.receive() == {"type": "history", "done": True, "count": COUNT, "more": False}
        assert reader.receive() == {"type": "pong"}


def test_a_typed_history_of_long_messages_comes_whole_as_it_is_taken(own_server: Callable[..., Server]) -> None:
    changes = "\n".join([
        "import handlers.history, classcord.delivery.registry",
        "handlers.history._APART = 0.0",
        "classcord.delivery.registry._TURNS = 0  # another thread delivers, as on a busy server",
    ])
    address = filled(own_server(*OPTIONS, command=launcher(changes)))
    with Client(address, receive_buffer=4096) as reader:
        reader.send(say("/historique 50"), {"type": "ping"})
        lines = [reader.until(type="message", **{"from": "Serveur"})["content"]]
        others_chat(address)
        lines += [reader.until(type="message", **{"from": "Serveur"})["content"] for _ in range(49)]
        assert [line.partition(" : ")[2][:3900] for line in lines] == [text[:3900] for text in CONTENTS[10:]]
        assert reader.until(type="pong")


def test_a_deleted_message_is_left_out_of_a_page_that_is_on_its_way(own_server: Callable[..., Server]) -> None:
    """The messages that a client has not taken yet are read again."""
    forget = "\n".join([
        "from classcord.data.history import History",
        "read = History.message",
        "History.message = lambda self, id: None if id == 9 else read(self, id)",
    ])
    server = own_server(command=launcher(forget))
    address = server.host, server.port
    with Bystanders(address) as bystanders, member(address, unique("busy")) as sender:
        for text in CONTENTS[:10]:
            sender.send(say(text))
        sender.pending()
        bystanders.check()
        sender.send({"type": "history", "before": 11})
        got = [sender.until(type="message", history=True)["id"] for _ in range(9)]
        assert got == [1, 2, 3, 4, 5, 6, 7, 8, 10]
        assert sender.until(type="history")["count"] == 9
