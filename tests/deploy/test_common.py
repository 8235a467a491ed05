"""deploy/common.sh: the functions that the scripts share. `make assemble` puts some of them into other scripts."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from tests.support import ROOT, Server, nobody

CARDS = """\
1: lo    inet 127.0.0.1/8 scope host lo
2: enp1s0    inet 10.0.108.42/24 brd 10.0.108.255 scope global dynamic enp1s0
3: docker0    inet 172.17.0.1/16 scope global docker0
4: br-0123456789ab    inet 172.18.0.1/16 scope global br-0123456789ab
5: virbr0    inet 192.168.122.1/24 scope global virbr0
6: lxcbr0    inet 10.0.3.1/24 scope global lxcbr0
7: lxdbr0    inet 10.1.2.1/24 scope global lxdbr0
8: incusbr0    inet 10.9.8.1/24 scope global incusbr0
9: podman1    inet 10.89.0.1/24 scope global podman1
10: veth12ab34c    inet 169.254.3.4/16 scope global veth12ab34c
11: br0    inet 10.0.109.42/24 scope global br0
12: vmbr0    inet 10.0.110.42/24 scope global vmbr0
"""
"""What `ip -4 -o address` prints on a host that has everything, Proxmox's vmbr0 and a bridge of its own too."""


def shell(line: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", f". deploy/common.sh; {line}"], cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=60, env={"PATH": path},
    )


@pytest.mark.parametrize(("text", "right"), [
    ("1", True), ("12345", True), ("65535", True), ("0", False), ("65536", False), ("99999999999999999999", False),
    ("012", False), ("", False), ("-1", False), ("1e3", False), ("12345\\n12346", False), ("*", False),
])
def test_a_port_is_a_whole_number_from_1_to_65535(text: str, right: bool) -> None:
    assert shell(f"is_port \"$(printf '{text}')\"").returncode == (not right)


@pytest.mark.parametrize(("text", "right"), [
    ("10.0.108.42", True), ("0.0.0.0", True), ("255.255.255.255", True), ("256.1.1.1", False), ("1.2.3", False),
    ("1.2.3.4.", False), ("1.2.3.4.5", False), (".1.2.3", False), ("1..2.3", False), ("01.2.3.4", False),
    ("1.2.3.4/24", False), ("a.b.c.d", False), ("::1", False), ("", False), ("1.2.3.4\\n1.2.3.4.5", False),
    ("1.2.3.999", False), ("1.2.3.0009", False),
])
def test_an_ipv4_address_is_four_numbers_up_to_255(text: str, right: bool) -> None:
    assert shell(f"is_ipv4 \"$(printf '{text}')\"").returncode == (not right)


def test_the_bridges_of_containers_and_vms_are_no_addresses_to_give_away(tmp_path: Path) -> None:
    (tmp_path / "ip").write_text(f"#!/bin/sh\ncat <<END\n{CARDS.partition(chr(10))[2]}END\n")
    (tmp_path / "ip").chmod(0o755)
    printed = shell("addresses; cards", f"{tmp_path}:{os.environ['PATH']}").stdout.splitlines()
    assert printed == [
        "10.0.108.42", "10.0.109.42", "10.0.110.42",
        "enp1s0 10.0.108.42", "br0 10.0.109.42", "vmbr0 10.0.110.42",
    ]


@pytest.mark.parametrize("path", [
    path for path in sorted((ROOT / "deploy").rglob("*"))
    if path.suffix in (".sh", ".py", ".awk") and "virbr" in path.read_text() and path.name != "net.sh"
], ids=lambda path: path.name)
def test_every_list_of_bridges_has_all_of_them(path: Path) -> None:
    (bridges,) = re.findall(r"^BRIDGES='([^']*)'", (ROOT / "deploy" / "common.sh").read_text(), re.MULTILINE)
    for name in bridges.split("|"):
        assert name in path.read_text(), name


@pytest.mark.parametrize("path", [
    path for path in sorted((ROOT / "deploy").rglob("*.sh")) if path.name != "common.sh"
], ids=lambda path: path.name)
def test_no_script_has_a_function_of_the_library_once_more(path: Path) -> None:
    function = re.compile(r"^(\w+)\(\) [{(]", re.MULTILINE)
    library = set(function.findall((ROOT / "deploy" / "common.sh").read_text()))
    text = re.sub(r"^# --- from deploy/common.sh: (?:.*\n)*?# --- end of", "", path.read_text(), flags=re.MULTILINE)
    other_sense = {"fail", "warn"} if path.name == "doctor.sh" else set()  # its exit code is another; a hop marked !
    assert library & set(function.findall(text)) == other_sense


class Asked(BaseRequestHandler):
    """Answers whatever comes with the server's `answer`, or keeps silent until the client goes."""

    def handle(self) -> None:
        self.request.recv(4096)
        answer = self.server.answer  # type: ignore[attr-defined]
        if answer is None:
            self.request.recv(4096)
        else:
            self.request.sendall(answer)


@pytest.fixture
def other() -> Iterator[Callable[[bytes | None], int]]:
    """Starts a program that is not a ClassCord server; returns its port."""
    started = []

    def start(answer: bytes | None) -> int:
        server = ThreadingTCPServer(("127.0.0.1", 0), Asked)
        server.answer = answer  # type: ignore[attr-defined]
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        started.append(server)
        return int(server.server_address[1])

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture(params=["python3", "nc.openbsd", "nc.traditional", "busybox nc"])
def tool(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, bool]:
    """A PATH with one program that can ask a server and what `answers` needs beside it; can it choose its address?"""
    program, *words = str(request.param).split()
    found = sys.executable if program == "python3" else shutil.which(program)
    if found is None:
        pytest.skip(f"needs {program}: apt install busybox netcat-openbsd netcat-traditional")
    wrapper = tmp_path / ("python3" if program == "python3" else "nc")
    wrapper.write_text(f"#!/bin/sh\nexec {shlex.join([found, *words])} \"$@\"\n")
    wrapper.chmod(0o755)
    for each in ("uname", "sleep", "grep"):
        (tmp_path / each).symlink_to(str(shutil.which(each)))
    return str(tmp_path), program != "busybox"


def test_answers_is_true_for_a_classcord_server_even_a_full_one(
    tool: tuple[str, bool], own_server: Callable[..., Server], other: Callable[[bytes | None], int]
) -> None:
    path, chooses = tool
    server = own_server()
    assert shell(f"answers 127.0.0.1 {server.port}", path).returncode == 0
    assert shell(f"answers 127.0.0.1 {server.port} 127.0.0.1", path).returncode == (not chooses)
    full = other(b'{"type":"error","code":"server_full","message":"..."}\n')
    assert shell(f"answers 127.0.0.1 {full}", path).returncode == 0
    server.stop()
    with nobody(server.port) as port:
        done = shell(f"answers 127.0.0.1 {port}", path)
    assert (done.returncode != 0, done.stdout, done.stderr) == (True, "", "")


@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"pong\n"])
def test_answers_is_false_for_anything_else_that_takes_connections(
    tool: tuple[str, bool], other: Callable[[bytes | None], int], answer: bytes | None
) -> None:
    done = shell(f"answers 127.0.0.1 {other(answer)}", tool[0])
    assert (done.returncode != 0, done.stdout, done.stderr) == (True, "", "")


def test_a_command_that_fails_is_named_and_ends_the_script() -> None:
    done = shell("set -e; dry=; script=x.sh; run false one two; echo not reached")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "x.sh: failed: false one two\n")
    assert shell("set -e; dry=yes; run false one two").stdout == "+ false one two\n"
