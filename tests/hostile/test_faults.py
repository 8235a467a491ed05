"""Faults in the server's own code: one client gets a number to report, and no other client notices."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.hostile.tools import eventually, launcher, open_files
from tests.support import Bystanders, Client, Closed, Message, Server, fields, member, unique

HANDLER = """
import handlers
def broken(context, message):
    raise KeyError("a fault\\nin a handler")
handlers._ROUTES["who"] = handlers._ROUTES["who"]._replace(handle=broken)
"""
ROOM = """
from classcord.chat.room import Room
def broken(self, seat, *arguments):
    raise ZeroDivisionError("a fault\\nin the room")
broken.__name__ = "set_state"
Room.set_state = broken
"""
LEAVING = """
from classcord.chat.room import Room
leave = Room._exit
def broken(self, seat):
    if seat.person.name.startswith("cursed"):
        raise ZeroDivisionError("a fault when leaving")
    leave(self, seat)
Room._exit = broken
"""
READING = """
from handlers.connection import ConnectionHandler
line = ConnectionHandler._line
def broken(self, data):
    if b"cursed" in data:
        raise ZeroDivisionError("a fault in a client's thread")
    line(self, data)
ConnectionHandler._line = broken
"""
SETTING_UP = """
from handlers.connection import ConnectionHandler
setup = ConnectionHandler.__init__
state = []
def broken(self, *arguments):
    state.append(1)
    if len(state) % 2 == 0 and len(state) > 10:
        raise ZeroDivisionError("a fault when a client comes")
    setup(self, *arguments)
ConnectionHandler.__init__ = broken
"""


def _incident(server: Server, answer: Message, error: str) -> dict[str, str]:
    """The log line of the fault with the number that a client got."""
    assert (answer["type"], answer["code"], answer["error"]) == ("error", "internal", answer["message"])
    found = re.search(r"incident ([0-9a-f]{8})\b", answer["message"])
    assert found, answer
    assert error not in answer["message"], "the details belong in the log only"
    line = fields(server.wait_log(f"event=internal_error .*incident={found[1]}"))
    assert line["detail"].startswith("Traceback")
    assert f"{error}: " in line["detail"]
    assert "in broken" in line["detail"]
    return line


def _check_going_on(own_server: Callable[..., Server], changes: str, request: Message, error: str) -> None:
    server = own_server(command=launcher(changes))
    address = server.host, server.port
    with Bystanders(address) as bystanders, member(address, unique("unlucky")) as client:
        incidents = set()
        for _ in range(3):
            line = _incident(server, client.ask(request), error)
            assert line["port"] == str(client.socket.getsockname()[1])
            incidents.add(line["incident"])
        assert len(incidents) == 3
        # in the middle of other requests: its answer is in the right place, and the others are executed
        client.send({"type": "ping"}, {"type": "message", "content": "before"}, request)
        client.send({"type": "message", "content": "after"}, {"type": "ping"})
        answers = [client.receive() for _ in range(3)]
        assert [answer.get("code", answer["type"]) for answer in answers] == ["pong", "internal", "pong"]
        bystanders.check()
        said = [line["content"] for line in bystanders.seen if line["type"] == "message"]
        assert said == ["before", "after"]
    assert server.stop() == 0
    assert sum("event=internal_error" in line for line in server.log) == 4
    assert all(re.match(r"\d{4}-\S+Z [A-Z]+ event=", line) for line in server.log), "a traceback in one line each"


def test_a_handler_raises(own_server: Callable[..., Server]) -> None:
    _check_going_on(own_server, HANDLER, {"type": "who"}, "KeyError")


def test_a_room_operation_raises(own_server: Callable[..., Server]) -> None:
    _check_going_on(own_server, ROOM, {"type": "status", "state": "away"}, "ZeroDivisionError")


def test_a_fault_among_the_requests_of_many(own_server: Callable[..., Server]) -> None:
    """Items of several clients share a batch; only the client with the broken item gets an error."""
    server = own_server(command=launcher(ROOM))
    address = server.host, server.port
    with Bystanders(address) as bystanders, member(address, unique("a")) as one, member(address, unique("b")) as two:
        one.until(type="status", user=two.name)
        for number in range(40):
            one.send({"type": "status", "state": "away"}, {"type": "message", "content": f"one {number}"})
            two.send({"type": "message", "content": f"two {number}"}, {"type": "status", "state": "away"})
        lines_of_one, lines_of_two = one.pending(), two.pending()
        lines_of_one += one.pending()  # by now the server has read everything from the second client
        for lines, other in ((lines_of_one, two), (lines_of_two, one)):
            assert sum(line.get("code") == "internal" for line in lines) == 40
            said = [line["content"] for line in lines if line.get("from") == other.name]
            assert said == [f"{'two' if other is two else 'one'} {number}" for number in range(40)]
        bystanders.check()
    assert server.stop() == 0
    assert sum("event=internal_error" in line for line in server.log) == 80


def test_a_fault_in_the_handling_of_a_line_costs_that_line(own_server: Callable[..., Server]) -> None:
    server = own_server(command=launcher(READING))
    address = server.host, server.port
    with Bystanders(address) as bystanders, member(address, unique("unlucky")) as client:
        threads, files = server.status("Threads"), open_files(server)
        with Client(address) as cursed:
            _incident(server, cursed.ask({"type": "cursed"}), "ZeroDivisionError")
            # outside a request the connection itself may end, but not without an error line
            cursed.half_close()
            assert cursed.at_end() == b""
        eventually(bystanders, lambda: server.status("Threads") == threads, "its thread has ended")
        eventually(bystanders, lambda: open_files(server) == files, "its socket is closed")
        assert client.ask({"type": "ping"})["type"] in ("pong", "message")


def test_a_fault_when_a_client_leaves_keeps_nothing_of_it(own_server: Callable[..., Server]) -> None:
    server = own_server(command=launcher(LEAVING))
    address = server.host, server.port
    with Bystanders(address) as bystanders:
        threads, files = server.status("Threads"), open_files(server)
        with member(address, unique("cursed")) as cursed:
            cursed.half_close()
            _incident(server, cursed.receive(), "ZeroDivisionError")
            assert cursed.at_end() == b"", "and then the server closes"
        eventually(bystanders, lambda: server.status("Threads") == threads, "its thread has ended")
        eventually(bystanders, lambda: open_files(server) == files, "its socket is closed")


def test_a_fault_when_a_client_comes(own_server: Callable[..., Server]) -> None:
    server = own_server(command=launcher(SETTING_UP))
    address = server.host, server.port
    with Bystanders(address) as bystanders:
        threads, files = server.status("Threads"), open_files(server)
        served = 0
        for _ in range(20):
            with Client(address) as client:
                try:
                    served += client.ask({"type": "ping"}) == {"type": "pong"}
                except (Closed, OSError):
                    pass  # one of the clients with the fault
        assert 10 <= served < 20
        assert "ZeroDivisionError" in fields(server.wait_log("event=internal_error"))["detail"]
        eventually(bystanders, lambda: server.status("Threads") == threads, "their threads have ended")
        eventually(bystanders, lambda: open_files(server) == files, "their sockets are closed")
