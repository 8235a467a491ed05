"""Delivery under disturbance: one order for all, and nothing torn, lost or doubled for clients that read."""

from __future__ import annotations

import threading
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support import Client, Message, member, unique

Address = tuple[str, int]

READERS = 3


class Reader:
    """A client that talks and reads all the time, in its own thread, until it has seen each client's last message."""

    def __init__(self, address: Address, sizes: list[int]) -> None:
        self.client = member(address, unique("reader"))
        self.sizes = sizes
        self.seen: list[Message] = []
        self.fault: BaseException | None = None

    def text(self, number: int) -> str:
        return f"{self.client.name} {number} " + "é" * self.sizes[number]

    def talk(self) -> None:
        for number in range(len(self.sizes)):
            self.client.send({"type": "message", "content": self.text(number)})
        self.client.send({"type": "message", "content": "the last word"})

    def listen(self) -> None:
        try:
            last_words = 0
            while last_words < READERS - 1:
                line = self.client.receive()
                if line["type"] == "message":
                    self.seen.append(line)
                    last_words += line["content"] == "the last word"
        except BaseException as fault:
            self.fault = fault


def disturb(address: Address, deeds: list[str], keep: list[Client]) -> None:
    """Come and go in all the ways that have ever disturbed a chat server."""
    name = unique("busy")
    with member(address, name):
        pass
    for deed in deeds:
        client = Client(address)
        client.login(name)
        if deed == "leave":
            client.close()
        elif deed == "talk":
            client.send({"type": "message", "content": "x"}, {"type": "status", "state": "away"}, {"type": "logout"})
            client.until(type="logout")
            client.close()
        elif deed == "half_close":
            client.send({"type": "users"}, {"type": "message", "content": "bye"}, end=b"\r\n")
            client.half_close()
            assert b'"users"' in client.at_end()
            client.close()
        elif deed == "torn":
            client.send_raw(b'{"type":"message","content":"to')
            client.close()
        elif deed == "rename":
            client.send({"type": "logout"}, {"type": "users"}, {"type": "message", "from": unique("g"), "content": ""})
            client.until(type="users")
            client.close()
        else:  # stuck: never reads again, and stays
            keep.append(client)


DEEDS = st.lists(st.sampled_from(["leave", "talk", "half_close", "torn", "rename", "stuck"]), max_size=6)
SIZES = st.lists(st.integers(0, 900), min_size=5, max_size=40)


@settings(
    max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(SIZES, min_size=READERS, max_size=READERS), st.lists(DEEDS, min_size=1, max_size=3))
def test_readers_miss_nothing_whatever_others_do(
    address: Address, sizes: list[list[int]], deeds: list[list[str]]
) -> None:
    readers = [Reader(address, each) for each in sizes]
    stuck: list[Client] = []
    threads = [threading.Thread(target=disturb, args=(address, each, stuck)) for each in deeds]
    for reader in readers:
        threads += [threading.Thread(target=reader.listen), threading.Thread(target=reader.talk)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in [*stuck, *(reader.client for reader in readers)]:
        client.close()
    for reader in readers:
        assert reader.fault is None, reader.fault
        ids = [line["id"] for line in reader.seen]
        assert ids == sorted(set(ids)), "the order of ids, each once"
        for other in readers:
            got = [line["content"] for line in reader.seen if line["from"] == other.client.name]
            expected = [] if other is reader else [other.text(n) for n in range(len(other.sizes))] + ["the last word"]
            assert got == expected
    for reader in readers[1:]:
        mine, first = ({line["id"]: line for line in each.seen} for each in (reader, readers[0]))
        assert all(mine[id] == first[id] for id in mine.keys() & first.keys()), "equal ids are the same message"


def test_a_newcomer_gets_what_comes_after_it_and_nothing_before(join: Callable[[str], Client]) -> None:
    speaker = join("speaker")
    speaker.send(*({"type": "message", "content": f"before {n}"} for n in range(50)))
    newcomer = join("newcomer")
    speaker.until(type="status", user=newcomer.name, state="online")
    speaker.send(*({"type": "message", "content": f"after {n}"} for n in range(50)))
    speaker.pending()
    got = [m["content"] for m in newcomer.pending() if m["type"] == "message" and m["from"] == speaker.name]
    assert got[-50:] == [f"after {n}" for n in range(50)]
    before = got[:-50]
    assert before == [f"before {n}" for n in range(50 - len(before), 50)], "an unbroken end"
