"""The server is told to stop: it tells every client, does not wait long, and reports success."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.hostile.tools import fill, launcher, stuck_member
from tests.support import DEADLINE, ROOT, Bystanders, Client, Message, Server, fields, member, unique

PATIENT = """
from classcord.delivery.registry import Registry
close = Registry.close
Registry.close = lambda self: close(self, drain=3600)
"""
"""Changes to a server: at a stop it waits without limit until all clients have read everything, for slow machines."""


def _lines(data: bytes) -> list[Message]:
    assert data == b"" or data.endswith(b"\n"), "a line was cut"
    return [json.loads(line) for line in data.splitlines()]


def _notices(client: Client) -> list[Message]:
    """The messages of `Serveur` to everybody until the connection ended."""
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
            assert "fermez et relancez votre client" in notice["content"], "no client reconnects by itself"
        # a client that has sent nothing hears nothing to the end; a client that doesn't read delays no other
        assert silent.at_end() == b""
        assert stuck.at_end() != b""
    assert "event=stopped" in server.log[-1]
    assert "internal_error" not in "".join(server.log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_asked_twice_it_stops_waiting(own_server: Callable[..., Server], number: int) -> None:
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


def test_lines_that_were_left_out_just_before_are_counted(own_server: Callable[..., Server]) -> None:
    server = own_server("--limits", "on")
    with ExitStack() as stack:
        for _ in range(40):
            client = stack.enter_context(Client((server.host, server.port)))
            assert client.ask({"type": "nothing"})["code"] == "unknown_type"
        assert server.stop() == 0
    written = sum("event=request_refused" in line for line in server.log)
    counted = [fields(line) for line in server.log if "event=log_lines_left_out what=request_refused" in line]
    assert sum(int(each["count"]) for each in counted) + written == 40
    assert "event=stopped" in server.log[-1]


@pytest.mark.parametrize("round", range(3))
def test_a_server_that_has_just_started_stops(own_server: Callable[..., Server], round: int) -> None:
    server = own_server()
    assert server.stop() == 0
    assert ["event=stopping" in server.log[-2], "event=stopped" in server.log[-1]] == [True, True]


def test_a_signal_at_the_worst_moment(own_server: Callable[..., Server]) -> None:
    """The signal comes while the main thread holds the lock of the object on which it waits for signals."""
    changes = """
import signal, threading
from classcord.ops import logs
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
    """A slow client that reads gets everything, although the server has been told to stop."""
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


# --- while it starts ---

START = """
import signal, time
step, wanted = 0, {number}
def count(frame, event, argument):
    global step
    if event == "call":
        step += 1
        if step == wanted:
            os.kill(os.getpid(), signal.{name})
sys.setprofile(count)
"""
"""Changes to a server that gets a signal at the call of this number, in its main thread."""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
@pytest.mark.parametrize("number", [1, 10, 100, 1000, 2000, 4000, 8000, 16000])
def test_a_signal_while_it_starts(tmp_path: Path, name: str, number: int) -> None:
    """server.py blocks the signal before the first import. Later a separate thread obeys it, as soon as that runs."""
    begin = launcher("")[2].replace("import server\n", f"import server\nserver.see_to_signals()\n{START}", 1)
    begin = begin.format(number=number, name=name)
    done = subprocess.run(
        [sys.executable, "-c", begin, "--port", "0", "--host", "127.0.0.1", "--data", str(tmp_path / "data")],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=DEADLINE, check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "event=stopped" in done.stderr.splitlines()[-1]


def test_a_signal_while_it_checks_the_database(tmp_path: Path) -> None:
    """Checking gigabytes on a slow disk takes minutes, in one call. A stopped start leaves nothing behind."""
    slow = """
import sqlite3, threading
from classcord import serving
class Slow(serving.Store):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        print("checking", file=sys.stderr, flush=True)
        threading.Event().wait()
serving.Store = Slow
"""
    command = [*launcher(slow), "--port", "0", "--host", "127.0.0.1", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("checking" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
        assert "event=stopped signal=SIGTERM" in process.stderr.read()


LOOK = """
import _signal, os, sys
def look(name, arguments):
    if name == "import" and arguments[0] == {module!r}:
        blocked = sorted(_signal.pthread_sigmask(_signal.SIG_BLOCK, []))
        os.write(2, repr((blocked, str(_signal.getsignal(2)))).encode() + bytes([10]))
        os._exit(0)
sys.addaudithook(look)
import runpy
sys.argv = [{path!r}, *sys.argv[1:]]
runpy.run_path({path!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("arguments", "serves"),
    [
        ([], True), (["--port", "0"], True), (["--data", "health"], True), (["health"], False),
        (["backup", "x"], False), (["restore", "x"], False), (["--help"], False), (["--version"], False),
        (["--port", "0", "--check-config"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_which_signals_are_blocked_at_the_first_import(arguments: list[str], serves: bool) -> None:
    """With any inherited signal settings. Commands other than serving end at Ctrl-C at once, without a traceback."""
    script = LOOK.format(module="classcord.command_line", path=str(ROOT / "server.py"))
    for inherited in ([], [signal.SIGTERM, signal.SIGINT]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False,
            preexec_fn=partial(signal.pthread_sigmask, signal.SIG_SETMASK, inherited),
        )
        blocked, action = ast.literal_eval(done.stderr)
        assert (blocked == [1, 2, 15]) == serves, done.stderr
        assert serves or blocked == []
        assert serves or "default_int_handler" not in action


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a process 1: run the tests as root")
@pytest.mark.parametrize("moment", ["server.py", "classcord.delivery.registry", "classcord.data.store", "sqlite3"])
def test_process_1_of_a_container_obeys_while_it_imports(tmp_path: Path, moment: str) -> None:
    """The kernel drops signals that process 1 neither blocks nor handles; the engine would kill it after 10 s."""
    hold = f"""
import os, sys
def look(name, arguments):
    if name == "import" and arguments[0] == {moment!r} or {moment!r} == "server.py" and name == "import" \
            and arguments[0] == "classcord.command_line":
        os.write(2, b"here" + bytes([10]))
        os.read(0, 1)
sys.addaudithook(look)
import runpy
sys.argv = [{str(ROOT / "server.py")!r}, *sys.argv[1:]]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-c", hold, "--port", "0",
               "--host", "127.0.0.1", "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stdin is not None
        assert process.stderr.readline() == "here\n"
        (one,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(one), signal.SIGTERM)
        process.stdin.write("\n" * 10)
        process.stdin.close()
        assert process.wait(DEADLINE) == 0
        assert "event=stopped" in process.stderr.read().splitlines()[-1]


def test_control_c_during_a_backup_leaves_nothing(own_server: Callable[..., Server], tmp_path: Path) -> None:
    own_server().stop()
    slow = """
import os, threading
from classcord.data import backup
def slow(source, target):
    os.kill(os.getpid(), 2)
    threading.Event().wait(60)
backup._copy = slow
"""
    begin = launcher("")[2].replace("import server\n", f"import server\nserver.see_to_signals()\n{slow}", 1)
    done = subprocess.run(
        [sys.executable, "-c", begin, "backup", "--data", str(tmp_path / "data"), str(tmp_path / "copy")],
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
