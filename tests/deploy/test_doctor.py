"""deploy/doctor.sh without a lab: its command line, and its questions to servers on this machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.deploy.doctor import SCRIPT, TOOLS, Diagnosis, only_tool, read
from tests.support import Server, listener


def call(
    *arguments: str, path: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    env = None if path is None else {"PATH": path}
    return subprocess.run(["/bin/sh", str(SCRIPT), *arguments], capture_output=True, text=True, env=env, check=False,
                          timeout=30, cwd=cwd)


@pytest.fixture(params=TOOLS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of commands for PATH: only one tool in it speaks TCP, and timeout(1) is missing, as on a Mac."""
    return only_tool(request.param, tmp_path)


def ask(port: int, path: str, host: str = "127.0.0.1") -> Diagnosis:
    return read(call("--from-slam", host, "--port", str(port), path=path))


def test_a_server(path: str, tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        ask(server.port, path).well("a ClassCord server answers")


def test_modules_of_the_folder_it_is_called_in_are_left_alone(tmp_path: Path) -> None:
    for name in ("socket", "json", "errno", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)\n")
    with Server(tmp_path) as server:
        done = call("--from-slam", "127.0.0.1", "--port", str(server.port), cwd=tmp_path)
    read(done).well("a ClassCord server answers")


def test_a_desk_needs_that_file_alone(tmp_path: Path) -> None:
    alone = shutil.copy(SCRIPT, tmp_path)
    with Server(tmp_path / "data") as server:
        line = ["/bin/sh", alone, "--from-slam", "127.0.0.1", "--port", str(server.port)]
        read(subprocess.run(line, capture_output=True, text=True, check=False, timeout=30)).well("server answers")


def test_on_a_mac_that_is_the_host(tmp_path: Path) -> None:
    """With stand-ins for its commands: it asks at its own address, and does not name linux.sh."""
    folder = tmp_path / "bin"
    folder.mkdir()
    only_tool("python3", folder)
    for name in ("awk", "dirname", "grep", "head", "id", "sort"):
        (folder / name).symlink_to(str(shutil.which(name)))
    (folder / "uname").unlink()
    for name, line in (("uname", "echo Darwin"), ("ipconfig", "echo 127.0.0.2"),
                       ("route", "test $3 = default && echo '  interface: en0'")):
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    with Server(tmp_path / "data", "--host", "0.0.0.0") as server:
        port = str(server.port)
        read(call("--from-host", "--port", port, path=str(folder))).well(f"server answers at 127.0.0.2 port {port}")
    said = read(call("--from-host", "--port", port, path=str(folder)))
    said.only_broken("through the NAT: 127.0.0.2 port", "CONTAINERS.md says how, for each hypervisor")
    (folder / "VBoxManage").symlink_to("/bin/true")
    said = read(call("--from-host", "--port", port, path=str(folder)))
    said.only_broken("through the NAT: 127.0.0.2 port", "without sudo:  sh deploy/nat/virtualbox.sh apply")
    assert "linux.sh" not in said.text


def test_a_full_server(path: str, tmp_path: Path) -> None:
    with (
        Server(tmp_path / "data", "--max-connections", "1", "--log-level", "debug") as server,
        socket.create_connection((server.host, server.port)),
    ):
        server.wait_log("event=connected")
        ask(server.port, path).well("a ClassCord server answers, and is full")


def test_something_else(path: str) -> None:
    with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        said = ask(port, path)
    said.only_broken("this is not a ClassCord server: HTTP/1.1 400 Bad Request", f"is {port} the right port?")


def test_no_answer(tmp_path: Path) -> None:
    folders = [tmp_path / tool for tool in TOOLS if tool == "python3" or shutil.which(tool)]
    for folder in folders:
        folder.mkdir()
        only_tool(folder.name, folder)
    with listener() as port, ThreadPoolExecutor() as pool:  # each waits for 3 s or more
        said = list(pool.map(lambda folder: ask(port, str(folder)), folders))
    for each in said:
        each.only_broken("server: connected, but no answer within 3 s", "in the VM:  sudo make doctor")


def test_closed_without_an_answer(tmp_path: Path) -> None:
    with listener(b"") as port:
        ask(port, only_tool("python3", tmp_path)).only_broken("closed at once without an answer", "in the VM")


def test_refused(path: str) -> None:
    with socket.socket() as nobody:  # it has the port, so that no other program gets it, and doesn't listen
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        said = ask(port, path)
    said.only_broken(f"127.0.0.1 refuses connections on {port}", "sudo make doctor ARGS=--from-host")
    assert said.marked("!") == ["127.0.0.1 is this desk itself; give the host's address"]


@pytest.mark.parametrize("host", ["10.0.108.420", "10.0.108", "10.0.108.", "1.2.3.4.5", "no.such.name.invalid"])
def test_no_address(host: str, tmp_path: Path) -> None:
    said = ask(12345, only_tool("python3", tmp_path), host)
    said.only_broken(f"{host} is not an address", "give the host's address, like 10.0.108.42")


def test_a_name(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        ask(server.port, only_tool("python3", tmp_path), "localhost").well("name: localhost is 127.0.0.1")


@pytest.mark.parametrize(("arguments", "hint"), [
    ("--from-slam", "--from-slam needs the host's address: --from-slam 10.0.108.42"),
    ("--from-slam --port 12345", "--from-slam needs the host's address"),
    ("--from-slam 10.0.108.42:2000", "--from-slam 10.0.108.42 --port 2000"),
    ("--from-slam http://10.0.108.42", "only an address, like 10.0.108.42"),
    ("--port", "--port needs a value"),
    ("--port 0", "a number from 1 to 65535, not '0'"),
    ("--port 65536", "a number from 1 to 65535, not '65536'"),
    ("--port 99999999999999999999", "a number from 1 to 65535"),
    ("--port many", "a number from 1 to 65535, not 'many'"),
    ("--vm 192.168.56.10", "--vm goes with --from-host"),
    ("--from-host --vm vm", "--vm must be an address like 192.168.56.10, not 'vm'"),
    ("please", "unknown argument 'please'; see --help"),
])
def test_a_wrong_command_line(arguments: str, hint: str) -> None:
    done = call(*arguments.split())
    assert (done.returncode, done.stdout) == (125, "")
    assert hint in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_tool(tmp_path: Path) -> None:
    done = call("--from-slam", "127.0.0.1", path=str(tmp_path))
    assert done.returncode == 125
    assert done.stderr == "doctor.sh: needs python3 or nc: sudo apt install python3 (Debian, Ubuntu)\n"


def test_help() -> None:
    done = call("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "125" in done.stdout


@pytest.mark.parametrize(("rules", "verdict"), [
    ("", "DROP|INPUT|policy DROP|"),
    ("-p tcp -m tcp --dport 12345 -j ACCEPT", "ACCEPT"),
    ("-p udp -m udp --dport 12345 -j ACCEPT", "DROP|INPUT|policy DROP|"),
    ("-p tcp -m multiport --dports 80,12000:13000 -j ACCEPT", "ACCEPT"),
    ("-p tcp -m tcp ! --dport 22 -j ACCEPT", "ACCEPT"),
    ("-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "DROP|INPUT|policy DROP|"),
    ("-p tcp -m tcp --dport 12345 -m conntrack --ctstate NEW -j ACCEPT", "ACCEPT"),
    ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m comment --comment \"a -j DROP\" -j ACCEPT", "ACCEPT"),
    ("-i lo -j ACCEPT", "DROP|INPUT|policy DROP|"),
    ("-i eth0 -j ACCEPT", "ACCEPT"),
    ("-i eth+ -j ACCEPT", "ACCEPT"),
    ("! -i lo -j ACCEPT", "ACCEPT"),
    ("-i wlan0 -j ACCEPT", "DROP|INPUT|policy DROP|"),
    ("-d 192.168.56.0/24 -j ACCEPT", "ACCEPT"),
    ("-d 192.168.57.0/24 -j ACCEPT", "DROP|INPUT|policy DROP|"),
    ("-s 10.0.108.0/24 -j ACCEPT", "DROP|INPUT|policy DROP| 10.0.108.0/24"),
    ("-s 127.0.0.0/8 -j ACCEPT", "DROP|INPUT|policy DROP|"),
    ("! -s 10.0.108.0/24 -j DROP\n-A INPUT -j ACCEPT", "ACCEPT|INPUT|-A INPUT -j ACCEPT| 10.0.108.0/24"),
    ("-s 10.0.108.0/24 -j DROP\n-A INPUT -j ACCEPT", "ACCEPT|INPUT|-A INPUT -j ACCEPT|| 10.0.108.0/24"),
    ("-j LOG\n-A INPUT -j MINE\n-N MINE\n-A MINE -j RETURN\n-A INPUT -j ACCEPT", "ACCEPT"),
    ("-j MINE\n-N MINE\n-A MINE -p tcp -j REJECT --reject-with tcp-reset\n-A INPUT -j ACCEPT", "DROP|MINE|"),
    ("-m set --match-set friends src -j ACCEPT", "DROP|INPUT|policy DROP|"),
])
def test_what_rules_of_iptables_do(rules: str, verdict: str) -> None:
    given = ["-v", "start=INPUT", "-v", "port=12345", "-v", "original=12345", "-v", "dst=192.168.56.10",
             "-v", "cards= eth0  eth1 "]
    text = "-P INPUT DROP\n" + (f"-A INPUT {rules}\n" if rules else "")
    awk = ["awk", *given, "-f", str(SCRIPT.parent / "doctor/filter.awk")]
    said = subprocess.run(awk, input=text, capture_output=True, text=True, check=True).stdout
    assert said.startswith(verdict), said
