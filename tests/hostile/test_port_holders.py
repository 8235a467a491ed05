"""The port is taken: the line names the process, and the printed command frees the port."""

from __future__ import annotations

import functools
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hostile.test_lacking import NOBODY, at, line_of, needs_root, public, public_python
from tests.hostile.tools import launcher
from tests.support import DEADLINE, ROOT, Client, Server, insisted, nobody

__all__ = ["public"]  # a fixture

OwnServer = Callable[..., Server]
PROGRAM = [sys.executable, str(ROOT / "server.py")]


def refused(tmp_path: Path, port: int, *options: str, program: list[str] = PROGRAM) -> str:
    line = line_of([*program, *at(tmp_path / "other"), "--port", str(port), *options])
    assert f"port {port}" in line
    return line


def type_in(commands: str) -> None:
    """Type the printed command, as root."""
    subprocess.run(["sh", "-c", commands.replace("sudo ", "")], check=True)


@pytest.fixture
def port() -> Iterator[int]:
    """A port for all programs of a test. No other test's server can get it between two of them."""
    with nobody() as kept:
        yield kept


def starts(own_server: OwnServer, port: int) -> None:
    with own_server("--port", str(port)) as server, Client((server.host, port)) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}


def test_a_server_that_ctrl_z_suspended(own_server: OwnServer, tmp_path: Path, port: int) -> None:
    server = own_server("--port", str(port))
    server.process.send_signal(signal.SIGSTOP)
    line = refused(tmp_path, server.port)
    assert f"a ClassCord server that doesn't answer has it, process {server.pid}: Ctrl-Z suspended it" in line
    assert "type fg in its terminal, then Ctrl-C" in line
    found = re.search(r"\(or (kill \d+; kill -CONT \d+)\)", line)
    assert found is not None
    type_in(found[1])
    assert server.wait() == 0
    starts(own_server, port)


def test_fg_and_ctrl_c_free_the_port(own_server: OwnServer, port: int) -> None:
    """The signals that the shell sends for fg and for Ctrl-C."""
    server = own_server("--port", str(port))
    server.process.send_signal(signal.SIGTSTP)
    server.process.send_signal(signal.SIGCONT)
    assert server.stop(signal.SIGINT) == 0
    starts(own_server, port)


def test_a_server_that_hangs(own_server: OwnServer, tmp_path: Path, port: int) -> None:
    hangs = f"""
sys.argv[0] = {str(ROOT / "server.py")!r}
import socketserver, threading
socketserver.BaseServer._handle_request_noblock = lambda self: threading.Event().wait()
import runpy
"""
    script = tmp_path / "server.py"
    script.write_text(launcher(hangs)[2])
    (tmp_path / "classcord").mkdir()
    (tmp_path / "classcord" / "__init__.py").touch()
    server = own_server("--port", str(port), command=[sys.executable, str(script)])
    line = refused(tmp_path, server.port)
    assert f"a ClassCord server that doesn't answer has it, process {server.pid}: " in line
    found = re.search(r": (kill -9 \d+) ", line)
    assert found is not None
    type_in(found[1])
    server.wait()
    starts(own_server, port)


def test_another_server_that_answers(own_server: OwnServer, tmp_path: Path, port: int) -> None:
    server = own_server("--port", str(port))
    line = insisted(lambda: refused(tmp_path, port), lambda line: "another ClassCord server has it" in line)
    found = re.search(rf"another ClassCord server has it, process {server.pid}: (kill \d+), or choose", line)
    assert found is not None
    type_in(found[1])
    assert server.wait() == 0
    starts(own_server, port)


LISTENS = """
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listening:
    print(listening.getsockname()[1], flush=True)
    while True:
        listening.accept()[0].close()
"""


@pytest.fixture
def other_program(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], int]]]:
    """Starts a program that listens on this port."""
    started: list[subprocess.Popen[str]] = []

    def start(port: int = 0) -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen([sys.executable, "-c", LISTENS, str(port)], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_another_program(
    own_server: OwnServer, other_program: Callable[..., tuple[subprocess.Popen[str], int]], tmp_path: Path, port: int
) -> None:
    process, _ = other_program(port)
    line = refused(tmp_path, port)
    found = re.search(rf"the program python\S* has it, process {process.pid}: (kill \d+), or choose", line)
    assert found is not None, line
    type_in(found[1])
    process.wait(DEADLINE)
    starts(own_server, port)
    _, other = other_program()
    assert re.search(r"or (choose another port with --port)$", refused(tmp_path, other)) is not None


def test_another_program_that_is_called_server_py(
    own_server: OwnServer, tmp_path: Path, other_program: Callable[..., tuple[subprocess.Popen[str], int]]
) -> None:
    script = tmp_path / "server.py"
    script.write_text(LISTENS)
    process = subprocess.Popen([sys.executable, str(script), "0"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "the program python" in refused(tmp_path, int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


@needs_root
def test_what_another_user_can_see(own_server: OwnServer, public: Path, port: int) -> None:
    """The open files of other people's processes are hidden; their command line is not."""
    # only the command line shows which of root's servers it is
    server = own_server("--port", str(port), command=[sys.executable, str(public / "server.py")])
    become = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"]
    program = [*become, public_python(), str(public / "server.py")]

    def told() -> str:
        return line_of([*program, "--host", "127.0.0.1", "--port", str(server.port), "--data", str(public / "data")],
                       cwd=public)

    text = f"another ClassCord server has it, process {server.pid}: sudo kill {server.pid}"
    assert text in insisted(told, lambda line: text in line)
    server.process.send_signal(signal.SIGSTOP)
    line = told()
    assert f"most likely a ClassCord server that doesn't answer has it, process {server.pid}: Ctrl-Z" in line
    found = re.search(r"\(or (sudo kill \d+; sudo kill -CONT \d+)\)", line)
    assert found is not None
    type_in(found[1])
    assert server.wait() == 0
    with socket.create_server(("127.0.0.1", server.port)):  # a program of root's with hidden files
        line = told()
    assert "another program has it" in line
    shown = re.search(r"(sudo ss -ltnp 'sport = :\d+')", line)
    assert shown is not None
    assert shlex.split(shown[1])[2:] == ["-ltnp", f"sport = :{server.port}"]


@pytest.mark.parametrize("taken", ["127.0.0.1", "::1"])
def test_localhost_where_one_of_its_addresses_is_taken(tmp_path: Path, taken: str) -> None:
    family = socket.AF_INET6 if ":" in taken else socket.AF_INET
    try:
        holder = socket.create_server((taken, 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with holder:
        line = refused(tmp_path, holder.getsockname()[1], "--host", "localhost")
    assert f"({taken}): Address already in use" in line


# --- the addresses of a host name ---


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def hosts_file(text: str) -> list[str]:
    """Words in front of a command that show it this /etc/hosts, in its own mount namespace."""
    return ["unshare", "--mount", "sh", "-c",
            f"printf %s {shlex.quote(text)} >/dev/shm/hosts-$$ && mount --bind /dev/shm/hosts-$$ /etc/hosts"
            ' && rm /dev/shm/hosts-$$ && exec "$@"', "sh"]


NAMES = {
    "localhost": "127.0.0.1 localhost\n", "LOCALHOST": "", "desk": "127.0.0.1 localhost\n127.0.1.1 desk\n",
}


@needs_root
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_leads_to_this_machine_alone(own_server: OwnServer, name: str) -> None:
    """Debian gives a machine's own name the address 127.0.1.1; a bare root has no /etc/hosts."""
    server = own_server("--host", name, command=[*hosts_file(NAMES[name]), *PROGRAM])
    addresses = ["127.0.0.1"] + ["127.0.1.1"] * (name == "desk") + ["::1"] * _has_ipv6()
    for address in addresses:
        with Client((address, server.port)) as client:
            assert client.ask({"type": "ping"}) == {"type": "pong"}
            asked = [*hosts_file(NAMES[name]), *PROGRAM, "health", "--host", name, "--port", str(server.port)]
            check = functools.partial(subprocess.run, asked, capture_output=True, check=False)
            assert insisted(check, lambda done: done.returncode == 0).returncode == 0
    line = server.wait_log("event=listening")
    assert all(address in line for address in addresses)
    assert " WARNING " in line
    remedy = re.search(r"no other machine can connect; (--host '\*') listens on every address", line)
    assert remedy is not None
    assert server.stop() == 0
    again = own_server("--host", name, *shlex.split(remedy[1]))
    assert again.stop() == 0
    assert "no other machine" not in "".join(again.log)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_an_address_that_only_this_machine_reaches(own_server: OwnServer, host: str) -> None:
    """It was given as a number, so it is meant: no warning, but the line says so."""
    if host == "::1" and not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    line = own_server("--host", host).wait_log("event=listening")
    assert " INFO " in line
    assert "no other machine can connect" in line


def test_many_clients_on_both_loopbacks(own_server: OwnServer) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    server = own_server("--host", "localhost")
    for _ in range(20):
        with Client(("127.0.0.1", server.port)) as one, Client(("::1", server.port)) as two:
            assert one.ask({"type": "ping"}) == two.ask({"type": "ping"}) == {"type": "pong"}
    server.stop()
    assert [line for line in server.log if "ERROR" in line] == []


@needs_root
def test_a_name_with_an_address_of_another_machine(own_server: OwnServer) -> None:
    server = own_server("--host", "two", command=[*hosts_file("127.0.0.1 two\n192.0.2.1 two\n"), *PROGRAM])
    assert "192.0.2.1" in server.wait_log("event=address_left_out")
    with Client(("127.0.0.1", server.port)) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}


@pytest.mark.parametrize(
    "host", ["a b", "[::1]", "localhost:2000", "http://localhost", "x" * 300, "256.1.1.1", "-", "...", "\udcff", "é*"]
)
def test_what_is_not_a_host(tmp_path: Path, host: str) -> None:
    line = line_of([*PROGRAM, *at(tmp_path / "data"), f"--host={host}"])
    assert "--host" in line
    assert not (tmp_path / "data").exists()
