"""More connections than the limit allows, or than files or threads allow; and very many, one after the other."""

from __future__ import annotations

import os
import resource
import select
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.hostile.tools import abort, eventually, launcher, open_files
from tests.support import Bystanders, Client, Server, fields, unique

PING, PONG = {"type": "ping"}, {"type": "pong"}


def _served(address: tuple[str, int]) -> bool:
    """Whether a new client is let in."""
    with Client(address) as client:
        return client.ask(PING) == PONG


def _assert_refused(client: Client) -> None:
    answer = client.receive()
    assert (answer["type"], answer["code"]) == ("error", "server_full")
    assert answer["message"] == answer["error"]
    assert client.at_end() == b""


def test_more_connections_than_allowed(own_server: Callable[..., Server]) -> None:
    server = own_server("--max-connections", "5")
    address = server.host, server.port
    with Bystanders(address) as bystanders, ExitStack() as stack:
        inside = [stack.enter_context(Client(address)) for _ in range(3)]
        for client in inside:
            assert client.ask(PING) == PONG
        threads, files = server.status("Threads"), open_files(server)
        refused = [stack.enter_context(Client(address)) for _ in range(200)]
        for client in refused:
            _assert_refused(client)  # though none of them closes
            assert server.status("Threads") == threads
        # a client that is already talking, and one that resets, get the same line or nothing
        with Client(address) as talker:
            talker.send(PING, PING)
            _assert_refused(talker)
        for _ in range(20):
            abort(Client(address))
        bystanders.check()
        eventually(bystanders, lambda: open_files(server) == files, "refused connections are closed")
        assert server.status("Threads") == threads
        for client in inside:
            assert client.ask(PING) == PONG
        # room for one again
        inside[0].close()
        eventually(bystanders, lambda: server.status("Threads") == threads - 1, "the client that left is gone")
        with Client(address) as client:
            assert client.ask(PING) == PONG
            with Client(address) as other:
                _assert_refused(other)
    assert server.stop() == 0
    lines = [fields(line) for line in server.log if "event=refused" in line]
    assert {(line["reason"], line["peer"]) for line in lines} == {("max_connections", "127.0.0.1")}
    assert len(lines) < 10, "a flood of refusals must not flood the log"
    assert sum(int(line["count"]) for line in lines) >= 202, "the last ones are told at the stop"
    assert "internal_error" not in "".join(server.log)


def test_a_full_server_with_few_open_files_refuses_and_needs_no_more(own_server: Callable[..., Server]) -> None:
    """The files that the server asked the system for are enough for its clients and for all refused connections."""
    few = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""
    server = own_server("--max-connections", "100", command=launcher(few))
    address = server.host, server.port
    with Bystanders(address) as bystanders, ExitStack() as stack:
        for _ in range(98):
            assert stack.enter_context(Client(address)).ask(PING) == PONG
        for client in [stack.enter_context(Client(address)) for _ in range(150)]:
            _assert_refused(client)
        bystanders.check()
    assert server.stop() == 0
    assert [line for line in server.log if "event=accept_failed" in line] == []


def test_resets_right_after_connecting(own_server: Callable[..., Server]) -> None:
    server = own_server()
    address = server.host, server.port
    with Bystanders(address) as bystanders:
        threads, files = server.status("Threads"), open_files(server)
        for number in range(300):
            client = Client(address)
            if number % 3 == 1:
                client.send(PING)
            elif number % 3 == 2:
                client.send({"type": "message", "from": unique("brief"), "content": "hello"}, {"type": "users"})
            abort(client)
            if number % 50 == 0:
                bystanders.check(1)
        eventually(bystanders, lambda: server.status("Threads") == threads, "their threads have ended")
        eventually(bystanders, lambda: open_files(server) == files, "their sockets are closed")
        assert _served(address)
    assert server.stop() == 0
    assert [line for line in server.log if " ERROR " in line or " WARNING " in line] == []


def _processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def test_no_file_left_for_a_new_connection(own_server: Callable[..., Server]) -> None:
    server = own_server()
    address = server.host, server.port
    with Bystanders(address) as bystanders, ExitStack() as stack:
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        highest = max(int(name) for name in os.listdir(f"/proc/{server.pid}/fd"))
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        waiting = [stack.enter_context(Client(address)) for _ in range(20)]
        for client in waiting:
            client.send(PING)
        line = fields(server.wait_log("event=accept_failed"))
        assert "files" in line["hint"]
        bystanders.check()
        # it tries now and then, but does not spin; measure while a select finds nothing
        last = waiting[-1].socket
        used = _processor_time(server.pid)
        assert select.select([last], [], [], 1.0)[0] == []
        assert _processor_time(server.pid) - used < 0.3
        bystanders.check()
        # waiting clients are served as soon as there are files again
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        for client in waiting:
            assert client.receive() == PONG
        assert _served(address)
    assert server.stop() == 0
    assert sum("event=accept_failed" in line for line in server.log) <= 2, "once, and not again for a while"


def test_no_thread_left_for_a_new_connection(own_server: Callable[..., Server], tmp_path: Path) -> None:
    flag = tmp_path / "no more threads"
    changes = f"""
import _thread
start = _thread.start_new_thread
def limited(*arguments):
    if os.path.exists({str(flag)!r}):
        raise RuntimeError("can't start new thread")
    return start(*arguments)
_thread.start_new_thread = limited
"""
    server = own_server(command=launcher(changes))
    address = server.host, server.port
    with Bystanders(address) as bystanders:
        files = open_files(server)
        assert _served(address)
        flag.touch()
        with ExitStack() as stack:
            for client in [stack.enter_context(Client(address)) for _ in range(100)]:
                _assert_refused(client)
        assert fields(server.wait_log("event=refused"))["reason"] == "no_thread"
        bystanders.check()
        flag.unlink()
        assert _served(address)
        eventually(bystanders, lambda: open_files(server) == files, "their sockets are closed")
    assert server.stop() == 0
    assert "internal_error" not in "".join(server.log)


def test_the_thread_of_a_silent_connection_is_for_a_newcomer(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    most = tmp_path / "threads at most"
    changes = f"""
import _thread
start = _thread.start_new_thread
def limited(*arguments):
    if os.path.exists({str(most)!r}) and len(os.listdir("/proc/self/task")) >= int(open({str(most)!r}).read()):
        raise RuntimeError("can't start new thread")
    return start(*arguments)
_thread.start_new_thread = limited
"""
    # the newcomer waits for as long as the silent one's thread takes to end
    changes += "from classcord.net import newcomers; newcomers._PATIENCE_HERE = 10"
    server = own_server("--limits", "on", command=launcher(changes))
    address = server.host, server.port
    with Bystanders(address) as bystanders:
        before = server.status("Threads")
        with Client(address) as silent:
            eventually(bystanders, lambda: server.status("Threads") == before + 1, "it has a thread")
            most.write_text(str(before + 1))
            with Client(address) as newcomer:
                assert newcomer.ask(PING) == PONG
                assert b"server_full" in silent.at_end()
                with Client(address) as another:
                    _assert_refused(another)
        bystanders.check()


def test_ten_thousand_connections_one_after_the_other(own_server: Callable[..., Server]) -> None:
    server = own_server()
    address = server.host, server.port

    def brief(number: int) -> None:
        client = Client(address)
        kind = number % 5
        if kind == 1:
            abort(client)
        elif kind == 2:
            client.send_raw(b'{"type":"mess')
            client.close()
        elif kind == 3:
            client.send_raw(b'{"type":"use')
            abort(client)
        elif kind == 4 and number % 50 == 4:
            client.send({"type": "message", "from": f"guest {number}", "content": ""})
            client.half_close()
            client.at_end()
        client.close()

    with Bystanders(address) as bystanders:
        threads, files = server.status("Threads"), open_files(server)

        def settled() -> bool:
            return server.status("Threads") == threads and open_files(server) == files

        for number in range(1000):
            brief(number)
            if number % 100 == 99:
                bystanders.check(1)
        eventually(bystanders, settled, "threads and files are back where they were")
        memory = server.status("VmRSS")
        for number in range(10_000):
            brief(number)
            if number % 500 == 499:
                bystanders.check(1)
        eventually(bystanders, settled, "threads and files are back where they were")
        assert server.status("VmRSS") - memory < 8 * 1024, "kB more than after the first thousand"
        bystanders.one.send({"type": "users"})
        users = next(line for line in bystanders.one.pending() if line["type"] == "users")
        assert users["users"] == sorted([bystanders.one.name, bystanders.two.name])
    assert server.stop() == 0
    assert [line for line in server.log if " ERROR " in line or " WARNING " in line] == []
