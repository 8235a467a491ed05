"""The service in a booted systemd: it starts, stops, comes back, stays in its sandbox, and logs its actions."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from classcord.ops.systemd import OTHER_PORT
from tests.deploy.lab import VM, answers, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Machine, until
from tests.support import ROOT

pytestmark = pytest.mark.lab

DROP_INS = "/run/systemd/system/classcord.service.d"


@pytest.fixture(scope="module")
def installed(vm: Machine) -> Machine:
    """The VM with the service installed and running."""
    vm.run("sudo make install", user=USER, cwd=PROJECT)
    return vm


@pytest.fixture
def service(installed: Machine) -> Iterator[Machine]:
    """The same, reset to the state after a fresh install."""
    yield installed
    installed.run(f"rm -rf {DROP_INS}; install -m 644 /opt/classcord/deploy/classcord.env /etc/classcord/classcord.env")
    installed.run("systemctl daemon-reload; systemctl reset-failed classcord; systemctl restart classcord")


def show(vm: Machine, name: str) -> str:
    """A property of the unit."""
    return vm.run(f"systemctl show --property {name} --value classcord.service").stdout.strip()


def main_pid(vm: Machine) -> int:
    return int(show(vm, "MainPID"))


def wait_for_another(vm: Machine, pid: int) -> None:
    """Wait until the service has a new process, not this one."""
    until(lambda: main_pid(vm) not in (0, pid), "systemd starts it again", 60)


def journal(vm: Machine, since: str, *options: str) -> str:
    """The journal since then: the service's own lines and systemd's lines about it."""
    command = f"journalctl -u classcord -o cat --no-pager --since {since} {' '.join(options)}"
    return vm.run(f"journalctl --sync; {command}").stdout


def now(vm: Machine) -> str:
    """Now, as journalctl understands it. A line that the journal gets later counts as later."""
    return vm.run("journalctl --sync; date +@%s.%N").stdout.strip()


def drop_in(vm: Machine, text: str) -> None:
    """Change the unit for a test."""
    vm.run(f"mkdir -p {DROP_INS} && cat >{DROP_INS}/test.conf && systemctl daemon-reload", input=f"[Service]\n{text}\n")


def ask(vm: Machine, line: str) -> str:
    return vm.run("nc.openbsd -N -w 20 127.0.0.1 12345", input=line + "\n").stdout


# --- start, stop and restart ---


def test_it_starts_stops_and_starts_again_with_its_data(service: Machine) -> None:
    assert answers(service, VM)
    assert 'Status: "Listening on :: port 12345"' in service.run("systemctl status classcord").stdout
    assert "ok" in ask(service, '{"type":"register","username":"alice","password":"azerty"}')
    pid = main_pid(service)
    service.run("systemctl restart classcord")
    assert main_pid(service) != pid
    assert answers(service, VM), "restart returns once it listens"
    assert '"status":"ok"' in ask(service, '{"type":"login","username":"alice","password":"azerty"}')
    service.run("systemctl stop classcord")
    assert not answers(service, VM)
    assert show(service, "Result") == "success"
    assert service.run("systemctl status classcord", check=False).returncode == 3


def test_a_killed_server_comes_back(service: Machine) -> None:
    pid = main_pid(service)
    service.run(f"kill -9 {pid}")
    wait_for_another(service, pid)
    wait_for_answer(service, VM)


def test_a_server_that_is_killed_again_and_again_comes_back(service: Machine) -> None:
    drop_in(service, "RestartSec=0")
    for _ in range(6):
        pid = main_pid(service)
        service.run(f"kill -9 {pid}")
        wait_for_another(service, pid)
    wait_for_answer(service, VM)


def test_a_server_that_always_crashes_is_given_up(service: Machine) -> None:
    drop_in(service, "RestartSec=10ms\nExecStart=\nExecStart=/bin/sh -c 'kill -KILL $$$$'")
    since = now(service)
    service.run("systemctl restart classcord", check=False)
    # 20 starts, however long this machine takes for each
    until(lambda: show(service, "ActiveState") == "failed", "systemd gives it up", 60)
    assert "Start request repeated too quickly" in journal(service, since)


def test_a_frozen_server_is_killed_by_the_watchdog_and_comes_back(service: Machine) -> None:
    drop_in(service, "WatchdogSec=12")  # a healthy server may be late on a busy machine
    service.run("systemctl restart classcord")
    pid = main_pid(service)
    since = now(service)
    service.run(f"kill -STOP {pid}")
    wait_for_another(service, pid)
    wait_for_answer(service, VM)
    assert "Watchdog timeout" in journal(service, since)


def test_the_watchdog_leaves_a_server_alone_that_listens_on_one_address(service: Machine) -> None:
    drop_in(service, f"WatchdogSec=12\nEnvironment=CLASSCORD_HOST={VM}")
    since = now(service)
    service.run("systemctl restart classcord")
    pid = main_pid(service)
    fed = {show(service, "WatchdogTimestampMonotonic")}

    def is_fed() -> bool:
        fed.add(show(service, "WatchdogTimestampMonotonic"))
        return len(fed) > 5

    until(is_fed, "the server feeds its watchdog", 90)
    assert main_pid(service) == pid
    assert "event=connected" not in journal(service, since), "it does not log its own checks"


def test_what_it_prints_is_a_line_an_event_with_its_priority(service: Machine) -> None:
    since = now(service)
    service.run("echo CLASSCORD_PROT=1 >>/etc/classcord/classcord.env; systemctl restart classcord")
    lines = journal(service, since, "-t classcord").splitlines()
    assert [line.split()[1] for line in lines] == [
        "event=stopping", "event=stopped", "event=unknown_setting", "event=listening"
    ]
    for line in lines:
        assert re.fullmatch(r'[A-Z]+ event=\w+( \w+=("[^"]*"|\S+))*', line), line
    (warning,) = journal(service, since, "-p warning").splitlines()
    assert 'event=unknown_setting name="CLASSCORD_PROT"' in warning
    full = service.run("journalctl -u classcord -t classcord -n 1 --no-pager").stdout
    assert re.fullmatch(r"\w{3} \d\d \d\d:\d\d:\d\d vm classcord\[\d+\]: INFO event=listening .*\n", full), full


# --- its settings ---


def test_a_changed_setting_is_in_force_after_a_restart(service: Machine) -> None:
    service.run("sed -i 's/^#CLASSCORD_PORT=.*/CLASSCORD_PORT=2000/' /etc/classcord/classcord.env")
    service.run("systemctl restart classcord")
    assert answers(service, VM, 2000)
    assert not answers(service, VM)


@pytest.mark.parametrize(("setting", "says"), [
    ("CLASSCORD_PORT=12e4", "server.py: CLASSCORD_PORT: '12e4' is not allowed; give a whole number from 0 to 65535"),
    ("CLASSCORD_HOST=192.0.2.1", "server.py: can't listen on 192.0.2.1 port 12345: "),
    ("CLASSCORD_PORT=79", "only root may use this port: choose one from 1024 up"),
    ("CLASSCORD_DATA=/srv/chat", "server.py: /srv/chat: "),
], ids=lambda text: text.partition("=")[2])
def test_a_wrong_setting_is_said_in_one_line_and_not_tried_again(service: Machine, setting: str, says: str) -> None:
    since = now(service)
    service.run(f"echo '{setting}' >>/etc/classcord/classcord.env")
    assert service.run("systemctl restart classcord", check=False).returncode == 1
    assert show(service, "ActiveState") == "failed", "and no restart is under way"
    assert show(service, "NRestarts") == "0"
    (line,) = journal(service, since, "-t classcord -p err").splitlines()
    assert says in line
    assert says in service.run("systemctl status classcord", check=False).stdout


def test_a_person_who_tries_settings_is_not_locked_out(service: Machine) -> None:
    service.run("echo CLASSCORD_PORT=12e4 >>/etc/classcord/classcord.env")
    service.run("for _ in $(seq 8); do systemctl restart classcord; done", check=False)
    assert show(service, "ActiveState") == "failed"
    service.run("sed -i '$d' /etc/classcord/classcord.env; systemctl restart classcord")
    assert answers(service, VM)


def test_more_connections_than_files_are_a_warning(service: Machine) -> None:
    since = now(service)
    service.run("echo CLASSCORD_MAX_CONNECTIONS=100000 >>/etc/classcord/classcord.env; systemctl restart classcord")
    assert answers(service, VM)
    assert "LimitNOFILE=" in journal(service, since, "-p warning -t classcord")


def test_a_server_that_was_started_by_hand_and_has_the_port_is_named(service: Machine) -> None:
    service.run("systemctl stop classcord")
    by_hand = service.start("echo $$; exec python3 classcord/server.py --data /tmp/by-hand", user=USER)
    assert by_hand.stdout is not None
    pid = by_hand.stdout.readline()
    try:
        assert "event=listening" in by_hand.stdout.readline()
        since = now(service)
        assert service.run("systemctl start classcord", check=False).returncode == 1
        assert (show(service, "ActiveState"), show(service, "NRestarts")) == ("failed", "0")
        (line,) = journal(service, since, "-t classcord").splitlines()
        assert "another ClassCord server has it: sudo ss -ltnp 'sport = :12345' shows the program; stop it" in line
        assert "CLASSCORD_PORT in /etc/classcord/classcord.env" in line
    finally:
        service.run(f"kill {pid}")
        by_hand.communicate()
    service.run("systemctl start classcord")
    done = service.run("python3 server.py", user=USER, cwd=PROJECT, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "the service classcord has it: sudo systemctl stop classcord, or choose another port with --port" in line


@pytest.fixture
def containers(service: Machine, docker_vm: Machine) -> Iterator[None]:
    """Two containers with the server instead of the service, on the ports 12345 and 2000. Docker stops afterwards."""
    service.run("systemctl stop classcord; systemctl start docker")
    start = "-v /opt/classcord:/app python:3.13-slim-trixie python3 /app/server.py --data /tmp"
    docker_vm.run(f"docker run -d --rm --name old -p 12345:12345 {start}")
    docker_vm.run(f"docker run -d --rm --name bystander -p 2000:12345 {start}")
    for port in (12345, 2000):
        wait_for_answer(service, VM, port)
    yield
    service.run("docker kill $(docker ps -q); systemctl disable -q --now docker docker.socket")


@pytest.mark.usefixtures("containers")
def test_a_container_that_has_the_port_is_named_whatever_it_is_called(service: Machine) -> None:
    since = now(service)
    assert service.run("systemctl start classcord", check=False).returncode == 1
    (line,) = journal(service, since, "-t classcord").splitlines()
    (stop,) = re.findall(r"most likely a container has it: (sudo docker stop .*) \(if it is called classcord, ", line)
    service.run(stop, user=USER)
    assert service.run("docker ps --format '{{.Names}}'").stdout == "bystander\n"
    service.run("systemctl start classcord")
    assert answers(service, VM)


@pytest.mark.usefixtures("containers")
def test_the_socket_unit_names_what_has_its_port(service: Machine) -> None:
    """Through its current port, the default one or another."""
    folder = "/run/systemd/system/classcord.socket.d"

    def start_on(listen: str) -> tuple[int, str]:
        service.run(
            f"mkdir -p {folder} && printf '[Socket]\nListenStream=\nListenStream={listen}\n' >{folder}/test.conf"
            " && systemctl daemon-reload"
        )
        since = now(service)
        code = service.run("systemctl start classcord.socket", check=False).returncode
        said = service.run(
            f"journalctl --sync; journalctl -u classcord.socket -t classcord -p err -o cat --no-pager --since {since}"
        ).stdout
        assert said.strip() in service.run("systemctl status classcord.socket", check=False).stdout
        return code, said

    try:
        for listen, host, port in (("12345", "::", 12345), (f"{VM}:2000", VM, 2000)):
            code, said = start_on(listen)
            assert code == 1
            assert said.startswith(f"classcord.socket: can't listen on {host} port {port}: Address already in use; ")
            assert f"a container has it: sudo docker stop $(sudo docker ps -q --filter publish={port}) (" in said
            assert said.endswith(f"or choose another port: {OTHER_PORT}\n")
        assert start_on("3000") == (0, "")
    finally:
        service.run(f"systemctl stop classcord.socket classcord; rm -rf {folder}; systemctl daemon-reload")


# --- its limits ---

CROWD = """
import contextlib, socket, sys
count = int(sys.argv[1])
there = [socket.create_connection(("127.0.0.1", 12345)) for _ in range(count)]
for each in there:
    with contextlib.suppress(OSError):  # it was refused
        each.sendall(b'{"type":"ping"}\\n')
answers = [each.makefile().readline() for each in there]
print(sum("pong" in answer for answer in answers), sum("server_full" in answer for answer in answers), flush=True)
sys.stdin.readline()
"""


def crowd_of(vm: Machine, count: int) -> subprocess.Popen[str]:
    """Open so many clients at once. Prints how many were served and how many were refused as full; ends at a line."""
    vm.run("cat >/tmp/crowd.py", input=CROWD)
    return vm.start(f"ulimit -n 4096; exec python3 /tmp/crowd.py {count}")


def group(vm: Machine, controller: str) -> str:
    """The folder of the unit's control group for a controller, of either version."""
    for line in vm.run(f"cat /proc/{main_pid(vm)}/cgroup").stdout.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return f"/sys/fs/cgroup/{controller}{path}"
    return f"/sys/fs/cgroup{path}"


def test_the_service_holds_as_many_connections_as_the_settings_allow(service: Machine) -> None:
    with crowd_of(service, 2005) as crowd:
        assert crowd.stdout is not None
        assert crowd.stdout.readline() == "2000 5\n"
        assert answers(service, VM) is False, "it is full"
        assert int(service.run(f"cat {group(service, 'pids')}/pids.current").stdout) > 2000
        crowd.communicate("over\n")
    assert main_pid(service) != 0


def test_the_process_has_the_limits_of_the_unit(service: Machine) -> None:
    unit = (ROOT / "deploy" / "classcord.service").read_text()
    files = "memory.limit_in_bytes memory.max"  # of either version
    memory = service.run(f"cd {group(service, 'memory')}; cat {files} 2>&-", check=False).stdout
    assert int(memory.split()[0]) == 512 << 20
    assert "MemoryMax=512M" in unit
    tasks = service.run(f"cat {group(service, 'pids')}/pids.max").stdout.strip()
    assert f"TasksMax={tasks}\n" in unit
    limits = service.run(f"cat /proc/{main_pid(service)}/limits").stdout
    (allowed,) = re.findall(r"^Max open files +(\d+) +(\d+)", limits, re.MULTILINE)
    assert allowed[0] == allowed[1]
    assert f"LimitNOFILE={allowed[0]}\n" in unit
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


def test_beyond_the_tasks_that_are_allowed_clients_are_told(service: Machine) -> None:
    drop_in(service, "TasksMax=20")
    service.run("systemctl restart classcord")
    since = now(service)
    with crowd_of(service, 30) as crowd:
        assert crowd.stdout is not None
        served, refused = map(int, crowd.stdout.readline().split())
        assert served + refused == 30
        assert 0 < served < 20
        crowd.communicate("over\n")
    assert "reason=no_thread" in journal(service, since)
    wait_for_answer(service, VM)


def test_beyond_the_memory_that_is_allowed_it_is_killed_and_comes_back(service: Machine) -> None:
    drop_in(service, "MemoryMax=24M\nMemorySwapMax=0")
    service.run("systemctl restart classcord")
    pid = main_pid(service)
    crowd_of(service, 1500).communicate("")
    wait_for_another(service, pid)
    wait_for_answer(service, VM)


# --- with classcord.socket ---

VISITORS = f"""
import socket, sys, threading
over, answered, ended, failures = threading.Event(), [], [], []
def come_and_go():
    while not over.is_set():
        try:
            with socket.create_connection(("{VM}", 12345), 20) as connection:
                connection.sendall(b'{{"type":"ping"}}\\n')
                (answered if "pong" in connection.makefile().readline() else ended).append(1)
        except ConnectionResetError:
            ended.append(1)
        except OSError as error:
            failures.append(str(error))
threads = [threading.Thread(target=come_and_go) for _ in range(3)]
for thread in threads:
    thread.start()
print("go", flush=True)
sys.stdin.readline()
over.set()
for thread in threads:
    thread.join()
print(len(answered), len(ended), failures)
"""


def test_with_the_socket_unit_a_restart_refuses_no_connection(service: Machine) -> None:
    service.run("systemctl stop classcord; systemctl enable -q --now classcord.socket; systemctl start classcord")
    try:
        assert answers(service, VM)
        since = now(service)
        service.run("cat >/tmp/visitors.py", input=VISITORS)
        with service.start("exec python3 /tmp/visitors.py") as visitors:
            assert visitors.stdout is not None
            assert visitors.stdout.readline() == "go\n"
            for _ in range(3):
                service.run("systemctl restart classcord")
            assert answers(service, VM)
            answered, ended, failures = visitors.communicate("over\n")[0].split(maxsplit=2)
        assert failures == "[]\n"
        assert int(answered) > 20
        assert int(ended) <= 9, "at most the clients of a server that stopped"
        assert "event=listening host=:: port=12345" in journal(service, since)
        service.run("systemctl stop classcord")
        assert answers(service, VM), "the next client starts it"
    finally:
        service.run("systemctl disable -q --now classcord.socket")
