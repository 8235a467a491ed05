"""A class that registers and logs in at once, and sockets that guess passwords: memory, fairness, and the chat."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hostile.tools import abort, eventually, launcher, open_files, said
from tests.support import DEADLINE, Bystanders, Client, Message, Server, fields, member, unique

CLASS = 400
HELD = """
import threading
from classcord.chat import accounts
from classcord.net import hashing
from classcord.ops import logs
from classcord.ops.events import EVENTS
EVENTS["handed_in"] = EVENTS["hashes"] = EVENTS["login"]
hashing._THREADS = 1
flag = {flag!r}
add, scrypt = hashing._Turns.add, accounts._scrypt
def announced(self, job):
    add(self, job)
    logs.event("handed_in", port=job.link.socket.getpeername()[1])
def held(password, *more):
    logs.event("hashes", password=password)
    while os.path.exists(flag):
        threading.Event().wait(0.01)
    if password == "fault":
        raise MemoryError
    return scrypt(password, *more)
hashing._Turns.add, accounts._scrypt = announced, held
"""
"""Changes to a server: it hashes one password at a time, logs it, and finishes no hash while the file exists."""

class Held:
    """A server that hashes nothing between `hold` and `let_go`, and clients whose passwords wait there."""

    def __init__(self, server: Server, flag: Path, stack: ExitStack) -> None:
        self.server = server
        self.address = server.host, server.port
        self.bystanders = Bystanders(self.address)
        self._flag = flag
        self._stack = stack

    def hold(self) -> None:
        self._flag.touch()

    def let_go(self) -> None:
        self._flag.unlink()

    def connect(self, source: str = "127.0.0.1") -> Client:
        client = Client(self.address, source=source)
        self._stack.callback(client.close)
        return client

    def ask(
        self, password: str, source: str = "127.0.0.1", *, client: Client | None = None, more: Sequence[Message] = ()
    ) -> Client:
        """A client that has asked for a login with this password and waits for its turn."""
        client = client or self.connect(source)
        since = len(self.server.log_so_far())
        client.send({"type": "login", "username": "nobody", "password": password}, *more)
        self.server.wait_log(rf"event=handed_in port={client.socket.getsockname()[1]}\b", since)
        return client

    def end(self) -> list[str]:
        """Stop the server; the passwords that it hashed, in order, without those of the members of the room."""
        self.bystanders.check()
        self.bystanders.one.close()
        self.bystanders.two.close()
        assert self.server.stop() == 0
        hashed = [fields(line)["password"] for line in self.server.log if "event=hashes" in line]
        return [password for password in hashed if password != "azerty"]


@pytest.fixture
def held(own_server: Callable[..., Server], tmp_path: Path) -> Iterator[Held]:
    flag = tmp_path / "held"
    with ExitStack() as stack:
        yield Held(own_server(command=launcher(HELD.format(flag=str(flag)))), flag, stack)


def failed(client: Client) -> None:
    assert client.until(type="error")["code"] == "login_failed"


# --- a class that comes at once ---


class Chat:
    """Two people write now and then during the `with` block; it measures how long each message took."""

    def __init__(self, people: Bystanders) -> None:
        self._people = people
        self._over = threading.Event()
        self._times: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.wait(0.1):
            before = time.perf_counter()
            self._people.check(1)
            self._times.append((time.perf_counter() - before) / 2)

    def __enter__(self) -> Chat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def report(self) -> str:
        times = sorted(self._times)
        p50, p99 = (1000 * times[int(len(times) * part)] for part in (0.5, 0.99))
        return f"bystanders: p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(times)} messages each way"


def _come(client: Client, name: str) -> None:
    account = {"username": name, "password": "azerty"}
    client.send({"type": "register", **account}, {"type": "login", **account})


def _assert_in(client: Client, name: str) -> None:
    assert client.receive() == {"type": "register", "status": "ok"}
    assert client.receive() == {"type": "login", "status": "ok", "username": name}


def test_a_whole_class_at_the_default_cost(own_server: Callable[..., Server]) -> None:
    """Each pupil causes two hashes, on 400 open connections. Half have their own address, half share one."""
    server = own_server("--password-cost", "14")
    address = server.host, server.port
    people = Bystanders(address)
    names = [unique("pupil") for _ in range(CLASS)]
    with people.one, people.two, ExitStack() as stack:
        sources = [f"127.0.{1 + n // 200}.{1 + n % 200}" if n % 2 else "127.0.0.1" for n in range(CLASS)]
        clients = [stack.enter_context(Client(address, source=source)) for source in sources]
        for client in clients:
            client.socket.settimeout(40 * DEADLINE)  # 800 hashes come before the last, perhaps on a busy machine
        before = time.perf_counter()
        with Chat(people) as chat:
            for client, name in zip(clients, names, strict=True):
                _come(client, name)
            for client, name in zip(clients, names, strict=True):
                _assert_in(client, name)
        took, peak = time.perf_counter() - before, server.status("VmHWM") / 1024
        print(f"\n{CLASS} pupils: {took:.1f} s, peak {peak:.0f} MiB; {chat.report()}")
        assert peak < 120
    assert server.stop() == 0
    assert "internal_error" not in "".join(server.log)


@pytest.mark.parametrize("own", [True, False], ids=["an address each", "one address"])
def test_a_whole_class_is_served_in_order_of_arrival(held: Held, own: bool) -> None:
    passwords = [f"{number:03}" for number in range(60)]
    held.hold()
    clients = [held.ask(password, f"127.0.1.{1 + n if own else 1}") for n, password in enumerate(passwords)]
    held.let_go()
    for client in clients:
        failed(client)
    assert held.end() == passwords


def test_while_a_client_waits_it_gets_what_others_say_and_what_it_asked_before(held: Held) -> None:
    with member(held.address, unique("waits")) as client:
        held.hold()
        client.send({"type": "ping"})
        held.ask("wrong", client=client, more=[{"type": "message", "content": "behind"}])
        held.bystanders.check()
        assert client.until(type="pong")
        assert client.until(type="message")["content"].startswith("still here")
        held.let_go()
        failed(client)
        eventually(
            held.bystanders, lambda: "behind" in said(held.bystanders, client), "its later request is executed"
        )
    held.end()


# --- sockets that guess ---


def test_an_honest_login_from_another_address_waits_for_one_hash(held: Held) -> None:
    held.hold()
    guessing = [held.ask("guess", "127.0.0.2") for _ in range(100)]
    honest = held.ask("honest", "127.0.0.3")
    held.let_go()
    for client in (honest, *guessing):
        failed(client)
    hashed = held.end()
    # the first guess was being hashed, and the second comes first in the round
    assert hashed.index("honest") == 2
    assert hashed.count("guess") == 100


def test_nothing_is_hashed_for_a_guesser_that_has_left(held: Held) -> None:
    files = open_files(held.server)
    held.hold()
    first = held.ask("first")
    for _ in range(60):
        abort(held.ask("reset"))
    for _ in range(20):
        client = held.connect()
        client.send({"type": "ping"})
        client.socket.recv(1, socket.MSG_PEEK)
        held.ask("unread", client=client).close()  # Linux sends a reset if data was not read
    for _ in range(40):
        held.ask("closed").close()
    honest = [held.ask("same address"), held.ask("another address", "127.0.0.2")]
    held.let_go()
    for client in (first, *honest):
        failed(client)
        client.close()
    eventually(held.bystanders, lambda: open_files(held.server) == files, "no client waits any more")
    hashed = held.end()
    # a client that only closed looks like `nc -N`, which still reads
    assert hashed == ["first", "same address", "another address"] + ["closed"] * 40


def test_a_client_that_closed_its_side_only_is_answered(held: Held) -> None:
    held.hold()
    first, half = held.ask("first"), held.ask("half")
    half.half_close()
    other = held.ask("other")
    held.let_go()
    for client in (first, other, half):
        failed(client)
    assert half.at_end() == b""
    assert held.end() == ["first", "other", "half"]


def test_what_stands_behind_a_login_that_is_not_hashed_is_not_said_by_a_guest(held: Held) -> None:
    files = open_files(held.server)
    held.hold()
    first = held.ask("first")
    abort(held.ask("reset", more=[{"type": "message", "content": "as whom?"}, {"type": "users"}]))
    held.let_go()
    failed(first)
    first.close()
    eventually(held.bystanders, lambda: open_files(held.server) == files, "both have left")
    assert [line for line in held.bystanders.seen if line.get("content") == "as whom?"] == []
    held.end()


# --- the end, and faults ---


def test_the_server_stops_while_hundreds_wait(held: Held) -> None:
    held.hold()
    for number in range(300):
        held.ask("waits", f"127.0.1.{1 + number % 200}")
    held.end()
    assert "event=stopped" in held.server.log[-1]
    assert "internal_error" not in "".join(held.server.log)


def test_a_fault_of_the_hashing_costs_one_answer(held: Held) -> None:
    with held.connect() as client:
        for _ in range(3):
            assert held.ask("fault", client=client).receive()["code"] == "internal"
            failed(held.ask("wrong", client=client))
    assert held.end() == ["fault", "wrong"] * 3
    assert sum("event=internal_error" in line for line in held.server.log) == 3
