"""The messages to systemd, the watchdog, and the lines in the journal. All with real sockets."""

from __future__ import annotations

import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from classcord.net.listener import ChatServer
from classcord.ops import health
from classcord.ops.port_conflict import in_the_way, port_conflict
from classcord.ops.systemd import Manager
from tests.hostile.tools import launcher
from tests.support import DEADLINE, IPV6_IS_OFF, ROOT, Client, Server, fields
from tests.support import listener as answering

OwnServer = Callable[..., Server]
_numbers = itertools.count()


class Listener:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.settimeout(DEADLINE)

    def next(self) -> list[str]:
        """The lines of the next message."""
        return self.socket.recv(4096).decode().split("\n")

    def drain(self) -> list[str]:
        """The messages that have come so far."""
        lines = []
        while select.select([self.socket], [], [], 0)[0]:
            lines += self.next()
        return lines


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    abstract = f"@classcord-test-{os.getpid()}-{next(_numbers)}"
    made = Listener(str(tmp_path / "notify") if request.param == "path" else abstract)
    yield made
    made.socket.close()


# --- notifications ---


def test_ready_once_it_serves_and_stopping_when_told_to_stop(own_server: OwnServer, listener: Listener) -> None:
    server = own_server(env={"NOTIFY_SOCKET": listener.address})
    assert listener.next() == ["READY=1", f"STATUS=Listening on 127.0.0.1 port {server.port}"]
    assert (server.data / "classcord.db").exists()
    with Client((server.host, server.port)) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}
    assert listener.drain() == []
    assert server.stop() == 0
    assert listener.drain() == ["STOPPING=1"]


def test_never_ready_where_it_cannot_start(tmp_path: Path) -> None:
    listener = Listener(str(tmp_path / "notify"))
    (tmp_path / "data").write_text("a file")
    with listener.socket:
        done = subprocess.run(
            [sys.executable, str(ROOT / "server.py"), "--port", "0", "--data", str(tmp_path / "data")],
            env={**os.environ, "NOTIFY_SOCKET": listener.address}, capture_output=True, check=False,
        )
        assert done.returncode == 78
        assert listener.drain() == []


@pytest.mark.parametrize("address", ["/nowhere/notify", "@classcord-nobody", "vsock:2:1234", "here", "/" + "x" * 300])
def test_a_message_that_cannot_be_sent_stops_nothing(own_server: OwnServer, address: str) -> None:
    server = own_server(env={"NOTIFY_SOCKET": address})
    with Client((server.host, server.port)) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}
    assert server.stop() == 0


def test_the_variables_are_taken_out_of_the_environment() -> None:
    variables = {
        "NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "LISTEN_FDS": "1", "LISTEN_PID": "1",
        "LISTEN_FDNAMES": "a", "HOME": "/root",
    }
    manager = Manager(variables)
    assert variables == {"HOME": "/root"}
    assert manager.present
    assert manager.listening_socket() is None, "it was meant for another process"
    assert not Manager({}).present


# --- the watchdog ---


def test_the_watchdog_is_fed_while_the_test_passes(listener: Listener) -> None:
    results: list[object] = [True, False, True, OSError("no test today"), False, True]
    called: list[object] = []
    over = threading.Event()

    def test() -> tuple[bool, str]:
        if len(called) == len(results):
            over.set()
            threading.Event().wait()  # for good: the thread is a daemon
        called.append(results[len(called)])
        if isinstance(called[-1], Exception):
            raise called[-1]
        return bool(called[-1]), "why not"

    Manager({"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "3000"}).watch(test)
    assert over.wait(DEADLINE)
    assert listener.drain() == ["WATCHDOG=1"] * 3


@pytest.mark.parametrize("variables", [{}, {"WATCHDOG_USEC": "3000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}])
def test_nobody_asks_for_a_watchdog(variables: dict[str, str]) -> None:
    before = threading.active_count()
    Manager(variables).watch(lambda: pytest.fail("nobody wants to know"))
    assert threading.active_count() == before


def test_a_server_feeds_its_watchdog_and_does_not_speak_of_it(own_server: OwnServer, tmp_path: Path) -> None:
    listener = Listener(str(tmp_path / "notify"))
    # even if this test reads the messages late, and the server its own answer
    patient = launcher(
        "from classcord.net import listener\nfrom classcord.ops import systemd\n"
        "systemd._PATIENCE = listener.TEST_TIME = 3600"
    )
    with listener.socket:
        server = own_server(command=patient, env={"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "60000"})
        assert listener.next()[0] == "READY=1"
        for _ in range(8):
            assert listener.next() == ["WATCHDOG=1"]
        server.process.send_signal(signal.SIGTERM)
        while listener.next() != ["STOPPING=1"]:
            pass  # messages that were on their way
        assert server.wait() == 0
    assert [fields(line)["event"] for line in server.log] == ["listening", "stopping", "stopped"]


@pytest.mark.parametrize("host", ["*", "::1", "0.0.0.0", "127.0.0.1"])
def test_the_self_test_passes_wherever_it_listens(start: Callable[..., ChatServer], host: str) -> None:
    try:
        made = start(host=host)
    except OSError:
        pytest.skip(IPV6_IS_OFF)
    assert made.self_test()[0]


def flush_lock(made: ChatServer) -> threading.Lock:
    """The lock without which its registry makes no progress."""
    registry = cast(Any, made._makes_progress).__self__
    return cast(threading.Lock, registry._lock)


def test_the_self_test_fails_when_the_registry_is_stuck(
    start: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start()
    with flush_lock(made), monkeypatch.context() as context:
        context.setattr("classcord.net.listener.TEST_TIME", 0.2)
        passes, text = made.self_test()
    assert not passes
    assert "no answer" in text
    assert made.self_test()[0], "it goes on"


def test_the_self_test_of_a_full_server_fails_when_the_registry_is_stuck(
    start: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(max_connections="1", poll=0.1)
    with Client(("127.0.0.1", made.server_address[1])) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}
        passes, text = made.self_test()
        assert passes, f"full is not stuck: {text}"
        with flush_lock(made), monkeypatch.context() as context:
            context.setattr("classcord.net.listener.TEST_TIME", 0.2)
            assert not made.self_test()[0]


def test_the_self_test_fails_when_nobody_accepts(
    start: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, stuck = threading.Event(), threading.Event()

    def hang(self: ChatServer) -> None:
        stuck.set()
        go_on.wait(DEADLINE)

    made = start()
    monkeypatch.setattr(ChatServer, "service_actions", hang)
    with Client(("127.0.0.1", made.server_address[1])):
        assert stuck.wait(DEADLINE)
        with monkeypatch.context() as context:
            context.setattr("classcord.net.listener.TEST_TIME", 0.2)
            assert not made.self_test()[0]
        go_on.set()
        assert made.self_test()[0], "it goes on"


def test_a_server_that_stops_is_not_called_ill(
    start: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start()
    made._stopping.set()
    monkeypatch.setattr("classcord.net.listener.TEST_TIME", 0.2)
    assert made.self_test()[0]


# --- other users of this machine ---


def test_who_has_the_port_that_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has it, and it never looks at itself."""
    check = health.check  # it may need more than a second for the answer
    monkeypatch.setattr(health, "check", lambda host, port, seconds: check(host, port, DEADLINE))
    with answering(b"220 mail.example ESMTP\r\n") as port:
        text = port_conflict("127.0.0.1", port, Manager({}))
        assert f"'sport = :{port}'" in text
        assert "--port" in text
        assert "CLASSCORD_PORT" in port_conflict("127.0.0.1", port, Manager({"NOTIFY_SOCKET": "/x"}))
    with answering(b'{"type":"pong"}\n') as port:
        text = port_conflict("127.0.0.1", port, Manager({"NOTIFY_SOCKET": "/x"}))
        # this test may run as root, as Docker's proxy does
        assert (f"sudo docker stop $(sudo docker ps -q --filter publish={port})" in text) == (os.getuid() == 0)
        assert "classcord" in text.lower()


def test_who_is_in_the_way_of_a_socket_unit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for host, shown in (("127.0.0.1", "127.0.0.1"), ("::", "[::]")):
            (line,) = in_the_way(f"{shown}:{port} (Stream)\n")
            assert line.startswith(f"can't listen on {host} port {port}: Address already in use; another program has ")
            assert "ListenStream=" in line
    nobody = f"127.0.0.1:{port} (Stream)\n192.0.2.1:{port} (Stream)\n/run/chat (Stream)\n"
    assert list(in_the_way(nobody)) == []
    assert list(in_the_way("\n")) == []


def test_lines_for_the_journal_have_a_priority_and_no_time(tmp_path: Path) -> None:
    script = """
import logging
from classcord.ops import logs
logs.start("debug", {format!r})
for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
    logs.event("login", level, user="a\\n<0>b")
logs.stop(3600)
"""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        status = os.fstat(theirs.fileno())
        for stream, format, pattern in (
            (f"{status.st_dev}:{status.st_ino}", "text", r'<(\d)>[A-Z]+ event=login user="a\\n<0>b"'),
            (f"{status.st_dev}:{status.st_ino}", "json", r"<(\d)>{.*}"),
            (f"{status.st_dev}:{status.st_ino + 1}", "text", r"()20\d\d-.*"),
        ):
            subprocess.run(
                [sys.executable, "-c", script.format(format=format)], cwd=ROOT, stderr=theirs.fileno(), check=True,
                env={**os.environ, "JOURNAL_STREAM": stream},
            )
            lines = ours.recv(65536).decode().splitlines()
            found = [re.fullmatch(pattern, line) for line in lines]
            assert None not in found, lines
            expected = [""] * 4 if pattern.startswith("()") else ["7", "6", "4", "3"]
            assert [match[1] for match in found if match] == expected
            if format == "json":
                assert json.loads(lines[0][3:])["user"] == "a\n<0>b"
