"""The server is told to stop: everybody is told, nobody is waited for long, and it says that all went well."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.hostile.tools import fill, launcher, stuck_member
from tests.support import Bystanders, Client, Message, Server, member, unique

PATIENT = """
from classcord.registry import Registry
close = Registry.close
Registry.close = lambda self: close(self, drain=3600)
"""
"""Changes to a server that waits for ever until everybody has taken what is theirs, so that no test must be quick."""


def _lines(data: bytes) -> list[Message]:
    assert data == b"" or data.endswith(b"\n"), "a line was cut"
    return [json.loads(line) for line in data.splitlines()]


def _notices(client: Client) -> list[Message]:
    """What `Serveur` said to everybody until the connection ended."""
    return [line for line in _lines(client.at_end()) if line.get("from") == "Serveur" and line["subtype"] == "global"]


@pytest.mark.parametrize(("number", "crowd"), [(signal.SIGTERM, 200), (signal.SIGINT, 20)], ids=["SIGTERM", "SIGINT"])
def test_a_crowd_and_a_stuck_client(own_server: Callable[..., Server], number: int, crowd: int) -> None:
    server = own_server("--outbox-limit", str(64 << 20))
    address = server.host, server.port
    bystanders = Bystanders(address)
    with ExitStack() as stack:
        for client in (bystanders.one, bystanders.two):
            stack.enter_context(client)
        sender = stack.enter_context(member(address, unique("busy")))
        stuck = stack.enter_context(stuck_member(address))
        silent = stack.enter_context(Client(address))
        fill(bystanders, sender, 20)
        guests = [stack.enter_context(Client(address)) for _ in range(crowd)]
        for guest in guests:
            guest.send({"type": "users"})
        for guest in guests:
            guest.until(type="users")
        last = {"type": "message", "content": "my last words"}
        sender.send(last)
        sender.pending()
        bystanders.check()
        assert server.stop(number) == 0
        for client in [*guests, sender, bystanders.one, bystanders.two]:
            (notice,) = _notices(client)
            assert (notice["type"], notice["to"]) == ("message", "global")
            assert "s'arrête" in notice["content"]
            assert "fermez et relancez votre client" in notice["content"], "none reconnects by itself"
        # who has not said that it is there hears nothing, to the end; who doesn't read keeps nobody
        assert silent.at_end() == b""
        assert stuck.at_end() != b""
    assert "event=stopped" in server.log[-1]
    assert "internal_error" not in "".join(server.log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_asked_twice_it_waits_for_nobody(own_server: Callable[..., Server], number: int) -> None:
    server = own_server("--outbox-limit", str(64 << 20), "--stall-timeout", "3600", command=launcher(PATIENT))
    address = server.host, server.port
    bystanders = Bystanders(address)
    with bystanders.one, bystanders.two, member(address, unique("busy")) as sender, stuck_member(address):
        fill(bystanders, sender, 20)
        bystanders.check()
        server.process.send_signal(number)
        # the notice comes before the wait for the stuck client begins
        bystanders.one.until(type="message", **{"from": "Serveur"})
        assert server.stop() == 0
    assert [line for line in server.log if "event=stopped" in line] == [], "it ended before the wait did"


@pytest.mark.parametrize("round", range(3))
def test_a_server_that_has_just_started_stops(own_server: Callable[..., Server], round: int) -> None:
    server = own_server()
    assert server.stop() == 0
    assert ["event=stopping" in server.log[-2], "event=stopped" in server.log[-1]] == [True, True]


def test_a_signal_at_the_worst_moment(own_server: Callable[..., Server]) -> None:
    """The signal comes while the main thread holds the lock of whatever it begins to wait on for signals."""
    changes = """
import signal, threading
from classcord import logs
event, wait = logs.event, threading.Condition.wait
ready = False
def seen(name, *arguments, **more):
    global ready
    event(name, *arguments, **more)
    ready = ready or name == "listening"
def interrupted(self, timeout=None):
    global ready
    if ready and threading.current_thread() is threading.main_thread():
        ready = False
        os.kill(os.getpid(), signal.SIGTERM)
    return wait(self, timeout)
logs.event = seen
threading.Condition.wait = interrupted
"""
    server = own_server(command=launcher(changes))
    assert server.stop() == 0


def test_what_was_said_before_the_stop_is_delivered_and_the_next_start_knows_it(
    own_server: Callable[..., Server]
) -> None:
    """A client that is behind, but reads, gets all of it, though the server has been told to stop."""
    server = own_server("--outbox-limit", str(64 << 20), "--stall-timeout", "3600", command=launcher(PATIENT))
    address = server.host, server.port
    bystanders = Bystanders(address)
    with bystanders.one, bystanders.two, member(address, unique("busy")) as sender, stuck_member(address) as late:
        fill(bystanders, sender, 20)
        server.process.send_signal(signal.SIGTERM)
        bystanders.one.until(type="message", **{"from": "Serveur"})
        lines = _lines(late.at_end())
        assert sum(line.get("from") == sender.name for line in lines) == 20
        assert lines[-1]["from"] == "Serveur"
        assert server.wait() == 0
    again = own_server()
    with Bystanders((again.host, again.port)) as others, Client((again.host, again.port)) as back:
        assert back.login(sender.name)["status"] == "ok"
        back.send({"type": "message", "content": "hello again"})
        back.pending()
        others.check(1)
        assert others.seen[-1]["id"] > lines[-2]["id"]
