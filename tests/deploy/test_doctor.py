"""deploy/doctor.sh at a desk, without a lab: its command line, its questions to servers, and how it suspects itself."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.deploy.doctor import SCRIPT, TOOLS, Diagnosis, only_tool, read
from tests.support import Server, listener, nobody

HOST, SELF, GATEWAY = "10.0.108.42", "10.0.108.34", "10.0.108.1"
THREE = re.compile(r"(?<=^WAIT=)3\b|(?<=monotonic\(\) \+ )3$|(?<=\), )3(?=\))", re.MULTILINE)
PATIENT, CHANGES = THREE.subn("20", SCRIPT.read_text())
"""The script with 20 s for all that may take 3 s: on a busy machine a tool may be late."""
assert CHANGES == 5


def call(
    *arguments: str, path: str | None = None, cwd: Path | None = None, language: str = "en", shell: str = "/bin/sh",
    script: Path | None = None, settings: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `script`, or else the patient one in the same place."""
    env = {"CLASSCORD_LANG": language, **(settings or {})}
    if path is not None:
        env["PATH"] = path
    line = [*shell.split(), *(["-c", PATIENT, str(SCRIPT)] if script is None else [str(script)]), *arguments]
    return subprocess.run(line, capture_output=True, text=True, env=env, check=False, timeout=60, cwd=cwd)


@pytest.fixture(params=TOOLS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of commands for PATH: only one tool in it speaks TCP, and timeout(1) is missing, as on a Mac."""
    return only_tool(request.param, tmp_path)


def ask(port: int, path: str, host: str = "127.0.0.1", script: Path | None = None) -> Diagnosis:
    return read(call("--from-slam", host, "--port", str(port), path=path, script=script))


def put(folder: Path, name: str, script: str) -> None:
    """A stand-in for a command."""
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_server_is_found_with_each_tool(path: str, tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        ask(server.port, path).well("a ClassCord server answers")


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_every_shell_of_a_desk_can_run_it(shell: str, tmp_path: Path) -> None:
    found = shutil.which(shell.split()[0])
    if found is None:
        pytest.skip(f"needs {shell}: apt install {shell.split()[0]}")
    shell, path = shell.replace(shell.split()[0], found), only_tool("python3", tmp_path)
    with Server(tmp_path / "data") as server:
        done = call("--from-slam", "127.0.0.1", "--port", str(server.port), shell=shell, path=path)
    read(done).well("a ClassCord server answers")


def test_it_speaks_french_unless_english_is_asked_for(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        line = ("--from-slam", "127.0.0.1", "--port", str(server.port))
        french, english = (call(*line, language=language).stdout for language in ("", "en_US.UTF-8"))
    assert " ✔ serveur : un serveur ClassCord répond\n" in french
    assert french.endswith("Rien n'est rompu, pour autant qu'on puisse le voir d'ici.\n")
    assert " ✔ server: a ClassCord server answers\n" in english
    assert call("--port", language="").stderr == "doctor.sh: --port veut une valeur ; voir --help\n"


def test_every_text_is_there_in_both_languages_and_is_used() -> None:
    script = SCRIPT.read_text()
    table = script[script.index("\nt() {"): script.index("\n}\n", script.index("\nt() {"))]
    entries = re.findall(r"^    (\w+)\) fr=\"(.+)\"\s+en=\"(.+)\" ;;$", table, re.MULTILINE)
    assert len(entries) == table.count(";;") - 2, "all but the two that choose the language"
    keys = [key for key, *_ in entries]
    assert len(keys) == len(set(keys)) > 50
    outcomes = {"answers", "full", "other", "silent", "closed", "refused", "noroute", "nobody", "timeout"}
    code = re.sub(r"(^|\s)# .*", "", script[script.index("\n}\n", script.index("\nt() {")):])
    used = set(re.findall(r"(?:\$\(|^ *|\) )t ([a-z_]+)\b", code + table, re.MULTILINE))
    assert used | outcomes == set(keys)


def test_modules_of_the_folder_it_is_called_in_are_left_alone(tmp_path: Path) -> None:
    for name in ("socket", "json", "errno", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(1)\n")
    with Server(tmp_path) as server:
        done = call("--from-slam", "127.0.0.1", "--port", str(server.port), cwd=tmp_path)
    read(done).well("a ClassCord server answers")


def test_a_desk_needs_that_file_alone(tmp_path: Path) -> None:
    alone = tmp_path / SCRIPT.name
    alone.write_text(PATIENT)
    with Server(tmp_path / "data") as server:
        done = call("--from-slam", "127.0.0.1", "--port", str(server.port), script=alone)
        read(done).well("server answers")
    done = call(script=alone)
    assert (done.returncode, done.stdout) == (125, "")
    assert "at a SLAM desk, with --from-slam 10.0.108.42" in done.stderr


def test_a_full_server_is_told_from_a_broken_one(path: str, tmp_path: Path) -> None:
    with (
        Server(tmp_path / "data", "--max-connections", "1", "--log-level", "debug") as server,
        socket.create_connection((server.host, server.port)),
    ):
        server.wait_log("event=connected")
        ask(server.port, path).well("a ClassCord server answers, and is full")


def test_another_program_on_the_port_is_shown_by_what_it_says(path: str) -> None:
    with listener(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        said = ask(port, path)
    said.only_broken("this is not a ClassCord server: HTTP/1.1 400 Bad Request", f"is {port} the right port?")


def test_a_silent_server_is_to_be_looked_for_in_the_vm(tmp_path: Path) -> None:
    folders = [tmp_path / tool for tool in TOOLS if tool == "python3" or shutil.which(tool)]
    for folder in folders:
        folder.mkdir()
        only_tool(folder.name, folder)
    with listener() as port, ThreadPoolExecutor() as pool:  # each waits for 3 s or more
        said = list(pool.map(lambda folder: ask(port, str(folder), script=SCRIPT), folders))
    for each in said:
        each.only_broken("server: connected, but no answer within 3 s", "in the VM:  sudo make doctor")
        assert "Next, once: the VM; if all is well there, the host" in each.marked("·")[-1]


def test_a_connection_closed_without_an_answer_is_to_be_looked_for_in_the_vm(tmp_path: Path) -> None:
    with listener(b"") as port:
        ask(port, only_tool("python3", tmp_path)).only_broken("closed at once without an answer", "in the VM")


def test_a_refusal_leads_to_the_host(path: str) -> None:
    with nobody() as port:
        said = ask(port, path)
    said.only_broken(f"127.0.0.1 refuses connections on {port}", "sudo make doctor ARGS=--from-host")
    assert said.marked("!") == ["127.0.0.1 is this desk itself; give the host's address"]
    assert "Next, once: the host" in said.marked("·")[-1]


@pytest.mark.parametrize("host", ["10.0.108.420", "10.0.108", "10.0.108.", "1.2.3.4.5", "no.such.name.invalid"])
def test_what_is_not_an_address_gets_an_example_of_one(host: str, tmp_path: Path) -> None:
    said = ask(12345, only_tool("python3", tmp_path), host, SCRIPT)
    said.only_broken(f"{host} is not an address", "give the host's address, like 10.0.108.42")


def test_a_name_is_looked_up(tmp_path: Path) -> None:
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
    ("--desk 10.0.108", "--desk must be an address like 192.168.56.10, not '10.0.108'"),
    ("--from-host --desk 10.0.108.34", "--desk goes only in the VM"),
    ("--from-slam 10.0.108.42 --json", "--json does not go with --from-slam"),
    ("please", "unknown argument 'please'; see --help"),
])
def test_a_wrong_command_line_gets_one_line_with_a_hint(arguments: str, hint: str) -> None:
    done = call(*arguments.split())
    assert (done.returncode, done.stdout) == (125, "")
    assert hint in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_tells_the_exit_code_in_english(tmp_path: Path) -> None:
    done = call("--help", language="fr")
    assert (done.returncode, done.stderr) == (0, "")
    assert "125" in done.stdout
    assert done.stdout.startswith("Usage: ")


# --- tools that are missing, or can't do it: nothing is known about the port then ---


def test_without_a_tool_that_speaks_tcp_it_says_what_to_install(tmp_path: Path) -> None:
    done = call("--from-slam", "127.0.0.1", path=str(tmp_path))
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == "doctor.sh: needs python3 or nc:  sudo apt install python3  (Debian, Ubuntu)\n"


BUSYBOX_NC = """\
echo "nc: invalid option -- '$(printf %.1s "${1#-}")'
BusyBox v1.35.0 (Debian 1:1.35.0-4+deb12u1+b1) multi-call binary.

Usage: nc [-iN] [-wN] [-l] [-p PORT] [-f FILE|IPADDR PORT] [-e PROG]

Open a pipe to IP:PORT or FILE

	-l	Listen mode, for inbound connects
		(use -ll with -e for persistent server)
	-p PORT	Local port
	-w SEC	Connect timeout
	-i SEC	Delay interval for lines sent
	-f FILE	Use file (ala /dev/ttyS0) instead of network
	-e PROG	Run PROG after connect" >&2
exit 1"""
"""What Debian's prints for -h and -v."""


@pytest.mark.parametrize("real", [True, False], ids=["real", "recorded"])
def test_busybox_nc_is_not_taken_for_a_closed_port(real: bool, tmp_path: Path) -> None:
    only_tool("nc.openbsd", tmp_path)
    put(tmp_path, "nc", BUSYBOX_NC)
    if real:
        busybox = shutil.which("busybox") or "false"
        usage = subprocess.run([busybox, "nc", "-h"], capture_output=True, text=True, check=False).stderr
        if "Usage" not in usage or "-v" in usage:
            pytest.skip("needs Debian's BusyBox, whose nc has no -v: apt install busybox")
        (tmp_path / "nc").unlink()
        (tmp_path / "nc").symlink_to(busybox)
    with Server(tmp_path / "data") as server:
        done = call("--from-slam", "127.0.0.1", "--port", str(server.port), path=str(tmp_path))
    assert (done.returncode, done.stdout) == (125, "")
    assert "BusyBox's has no option -v" in done.stderr
    assert "sudo apt install python3" in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_nc_is_taken_where_the_first_one_is_busybox(tmp_path: Path) -> None:
    (tmp_path / "ncat").symlink_to(Path(only_tool("nc.openbsd", tmp_path), "nc").readlink())
    put(tmp_path, "nc", BUSYBOX_NC)
    with Server(tmp_path / "data") as server:
        ask(server.port, str(tmp_path)).well("a ClassCord server answers")


@pytest.mark.parametrize(("tool", "script"), [
    ("nc", "case $* in -h) echo '	-v		Verbose' ;; *) echo 'nc: getaddrinfo: no memory' >&2; exit 1 ;; esac"),
    ("nc", "case $* in -h) echo '	-v		Verbose' ;; *) exit 1 ;; esac"),
    ("python3", "case $* in *socket*) echo 'MemoryError: no memory' >&2; exit 1 ;; esac"),
    ("python3", "case $* in *socket*) exit 1 ;; esac"),
])
def test_a_tool_that_could_not_ask_says_nothing_about_the_port(tool: str, script: str, tmp_path: Path) -> None:
    only_tool("nc.openbsd", tmp_path)
    put(tmp_path, tool, script)
    done = call("--from-slam", "127.0.0.1", path=str(tmp_path))
    assert done.returncode == 125
    assert f"doctor.sh: {tool} could not ask, so nothing is known about the port" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "✘" not in done.stdout


@pytest.mark.parametrize("place", ["", "--from-host"])
@pytest.mark.parametrize("python", [None, "exit 1", "case $* in *version_info*) exit 1 ;; esac"])
def test_the_vm_and_its_host_need_a_python_that_is_new_enough(place: str, python: str | None, tmp_path: Path) -> None:
    only_tool("nc.openbsd", tmp_path)
    (tmp_path / "dirname").symlink_to(str(shutil.which("dirname")))
    if python is not None:
        put(tmp_path, "python3", python)
    done = call(*place.split(), path=str(tmp_path))
    assert (done.returncode, done.stdout) == (125, "")
    assert "this needs python3, 3.10 or newer:  sudo apt install python3" in done.stderr
    assert done.stderr.count("\n") == 1


# --- a desk that may be the cause itself: what real commands printed, at a desk with such a firewall ---


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Commands of a desk 10.0.108.34 with a gateway and OpenBSD's nc. `reach` says what nc gets back."""
    only_tool("nc.openbsd", tmp_path)
    put(tmp_path, "ip", f"""case $* in
    'route get {HOST}') echo '{HOST} dev eth0 src {SELF} uid 0 '; echo '    cache ' ;;
    '-4 route show default') echo 'default via {GATEWAY} dev eth0 ' ;;
    'neigh show to {HOST}') echo '{HOST} dev eth0 lladdr 6e:f5:36:5f:0b:1c REACHABLE ' ;;
    esac""")
    put(tmp_path, "ping", "exit 1")
    return tmp_path


def reach(folder: Path, answers: dict[str, str], *, otherwise: str = "silence") -> None:
    """What nc gets from each ADDRESS PORT."""
    says = {
        "silence": "nc: connect to $address port $port (tcp) timed out: Operation now in progress",
        "refusal": "nc: connect to $address port $port (tcp) failed: Connection refused",
        "no route": "nc: connect to $address port $port (tcp) failed: No route to host",
        "ssh": "Connection to $address $port port [tcp/ssh] succeeded!\nSSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\n"
               "Invalid SSH identification string.",
    }
    cases = "\n".join(f"'{peer}') say={kind.replace(' ', '-')} ;;" for peer, kind in answers.items())
    texts = "\n".join(f'{kind.replace(" ", "-")}) printf \'%b\\n\' "{text}" >&2 ;;' for kind, text in says.items())
    put(folder, "nc", f"""if [ "$1" = -h ]; then echo '	-N		Shutdown the network socket after EOF on stdin
	-v		Verbose'; exit; fi
for word; do address=$port port=$word; done
case "$address $port" in {cases}
*) say={otherwise.replace(" ", "-")} ;; esac
case $say in {texts} esac
exit 1""")


def test_a_desk_that_blocks_the_port_even_to_itself_is_named_and_nobody_else(desk: Path) -> None:
    reach(desk, {f"{HOST} 22": "ssh", f"{HOST} 80": "refusal"})
    said = ask(12345, str(desk), HOST)
    said.only_broken("this desk: its own firewall blocks port 12345 (even to itself)", "sudo ufw allow out 12345/tcp")
    assert "port: can't be seen as long as this desk blocks it" in said.marked("·")
    assert "this desk itself blocks" in said.marked("·")[-1]
    assert "--from-host" not in said.text


@pytest.mark.parametrize("rule", ["-P OUTPUT DROP", "-A OUTPUT -p tcp -m tcp --dport 12345 -j DROP",
                                  "-A ufw-user-output -p tcp -m tcp --dport 12345 -j REJECT --reject-with tcp-reset"])
def test_root_is_shown_the_rule_of_the_desk_that_blocks_the_port(desk: Path, rule: str) -> None:
    reach(desk, {f"{SELF} 12345": "refusal", f"{HOST} 22": "ssh"})
    put(desk, "iptables", f"echo '-P INPUT ACCEPT\n-P FORWARD DROP\n{rule}'")
    ask(12345, str(desk), HOST).only_broken(f"its own firewall blocks port 12345 ({rule})", "sudo ufw status verbose")
    put(desk, "iptables", f"echo '{rule}\n-A OUTPUT -p tcp -m tcp --dport 12345 -j ACCEPT'")
    ask(12345, str(desk), HOST).only_broken("port: no answer from 10.0.108.42 port 12345", "--from-host")


def test_other_ports_of_the_host_that_answer_bring_both_firewalls_under_suspicion(desk: Path) -> None:
    reach(desk, {f"{SELF} 12345": "refusal", f"{HOST} 22": "ssh", f"{HOST} 443": "refusal", f"{GATEWAY} 80": "refusal"})
    said = ask(12345, str(desk), HOST)
    said.only_broken("port: no answer from 10.0.108.42 port 12345 within 20 s", "on the host")
    assert said.marked("!") == ["this desk: 10.0.108.42 reacts elsewhere (22 443), but not on port 12345: "
                                "the host's firewall blocks it, or this desk's own"]
    assert "sudo ufw status verbose" in said.text
    assert "10.0.108.42 is on" in said.marked("·")[-1]


def test_a_gateway_that_reacts_on_the_port_clears_the_desk(desk: Path) -> None:
    reach(desk, {f"{SELF} 12345": "refusal", f"{HOST} 22": "ssh", f"{GATEWAY} 12345": "refusal"})
    said = ask(12345, str(desk), HOST)
    said.only_broken("port: no answer from 10.0.108.42 port 12345", "on the host")
    assert f"this desk: it lets port 12345 out, the gateway {GATEWAY} reacts to it" in said.marked("✔")
    assert said.marked("!") == []


def test_a_gateway_that_answers_shows_that_the_network_of_the_desk_works(desk: Path) -> None:
    reach(desk, {f"{SELF} 12345": "refusal", f"{GATEWAY} 443": "refusal"})
    said = ask(12345, str(desk), HOST)
    said.only_broken("port: no answer from 10.0.108.42 port 12345", "on the host")
    assert f"this desk: its network works, the gateway {GATEWAY} answers" in said.marked("✔")
    assert "nothing comes back from 10.0.108.42" in said.marked("·")[-1]


def test_a_desk_that_nothing_answers_suspects_itself(desk: Path) -> None:
    reach(desk, {f"{SELF} 12345": "refusal"})
    said = ask(12345, str(desk), HOST)
    said.only_broken("port: no answer from 10.0.108.42 port 12345 within 20 s: it is off, or", "on the host")
    (suspicion,) = said.marked("!")
    assert suspicion.startswith(f"this desk: nothing answers it, no other port of {HOST}, not the gateway {GATEWAY}")


def test_a_tool_that_is_ended_for_its_slowness_proves_nothing_against_the_desk(desk: Path) -> None:
    put(desk, "python3", f"case $* in *{SELF}* | *threading*) exec sleep 60 ;; *socket*) echo timeout ;; esac")
    said = ask(12345, str(desk), HOST, SCRIPT)
    said.only_broken("port: no answer from 10.0.108.42 port 12345 within 3 s", "on the host")
    assert said.marked("!") == []


def test_an_address_that_no_card_has_is_not_a_matter_of_firewalls(desk: Path) -> None:
    reach(desk, {}, otherwise="no route")
    put(desk, "ip", f"""case $* in
    'route get {HOST}') echo '{HOST} dev eth0 src {SELF} uid 0 ' ;;
    'neigh show to {HOST}') echo '{HOST} dev eth0 FAILED ' ;;
    esac""")
    said = ask(12345, str(desk), HOST)
    said.only_broken("nobody on this network has this address", "on the host")
    assert said.marked("!") == []


@pytest.mark.parametrize(("system", "advice"), [
    ("Darwin", "System Settings › Network › Firewall"),
    ("MINGW64_NT-10.0-22631", "Get-NetFirewallRule -Direction Outbound -Action Block -Enabled True"),
])
def test_the_firewall_of_another_system_is_named_in_its_own_words(desk: Path, system: str, advice: str) -> None:
    put(desk, "uname", f"echo {system}")
    put(desk, "route", f"echo '    gateway: {GATEWAY}'; echo '  interface: en0'")
    put(desk, "ipconfig", f"echo {SELF}")
    reach(desk, {f"{HOST} 22": "ssh"})
    ask(12345, str(desk), HOST).only_broken("this desk: its own firewall blocks port 12345", advice)
