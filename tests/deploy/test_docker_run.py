"""deploy/docker.sh by the Makefile's targets, as a student types them in the VM."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.docker import DOCKER, clear, containers, held, make, refused, state
from tests.deploy.lab import BASE, VM, answers, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Desk, Machine, rootfs, until
from tests.support import DEADLINE, ROOT, unique

pytestmark = pytest.mark.lab
# As at a terminal: what runs in the background ignores SIGINT, and then a shell can't trap it
HEED = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
BACK = "docker.sh: nothing was replaced: the old container runs again\n"
UNIT = """[Unit]
Before=docker.service
[Service]
Type=exec
ExecStart=python3 -m http.server 12345
ExecStartPost=sh -c 'until ss -Hltn "sport = :12345" | grep -q .; do sleep 0.05; done'
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def vm(docker_vm: Machine) -> Iterator[Machine]:
    """The VM with an engine, and no container when the test begins and ends; images and volumes stay."""
    yield docker_vm
    clear(docker_vm)


def ask(vm: Machine, *requests: dict[str, str]) -> list[dict[str, Any]]:
    """The answers to these requests on one connection."""
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    printed = vm.run(f"nc.openbsd -N {VM} 12345", input=lines).stdout
    return [json.loads(line) for line in printed.splitlines()]


def test_run_starts_a_hardened_container_and_prints_how_to_reach_it(vm: Machine) -> None:
    done = make(vm, "docker-run")
    assert done.stderr == ""
    command = f"printf '{{\"type\":\"ping\"}}\\n' | nc -N {VM} 12345"
    assert done.stdout == (
        "Building the image classcord-server...\n"
        "The server runs in the container classcord and answers. The address to give to SLAM:\n"
        f"    {VM} port 12345\n"
        f"To open in a browser:\n    http://{VM}:12345/\n"
        "In a virtual machine behind NAT, give the host's address instead: see CONTAINERS.md.\n"
        f"To try it:\n    {command}\n"
    )
    assert vm.run(command).stdout == '{"type":"pong"}\n'
    host = state(vm)["HostConfig"]
    assert host["RestartPolicy"]["Name"] == "unless-stopped"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
    assert state(vm)["Config"]["StopTimeout"] == 10
    status = vm.run("docker exec classcord cat /proc/1/status").stdout
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Uid:\s+10001\s+10001", status, re.MULTILINE)
    files = vm.run("docker exec classcord grep files /proc/1/limits").stdout.split()
    assert files[3:5] == ["4096", "4096"]
    second, first = "memory.max pids.max", "memory/memory.limit_in_bytes pids/pids.max"  # kinds of control groups
    limits = f"cd /sys/fs/cgroup && if [ -e memory.max ]; then cat {second}; else cat {first}; fi"
    assert vm.run(f"docker exec classcord sh -c '{limits}'").stdout.split() == [str(512 << 20), "2200"]
    writing = "touch /data/a /tmp/a; touch /app/a /etc/a"
    assert vm.run(f"docker exec classcord sh -c '{writing}'", check=False).stderr.count("Read-only file system") == 2


CLASS = """
import json, socket, sys
pupils = [(f"pupil{n}", socket.create_connection((sys.argv[1], 12345), 300)) for n in range(400)]
for name, pupil in pupils:
    for kind in "register", "login":
        pupil.sendall(json.dumps({"type": kind, "username": name, "password": "azerty"}).encode() + b"\\n")
for name, pupil in pupils:
    lines = pupil.makefile()
    assert [json.loads(lines.readline()).get("status") for _ in range(2)] == ["ok", "ok"], name
print("all are in")
"""


def test_a_class_that_registers_and_logs_in_at_once_fits_into_the_containers_memory(vm: Machine) -> None:
    make(vm, "docker-run CLASSCORD_EXEMPT_NETWORKS=0.0.0.0/0")  # an address may make only 100 accounts
    assert vm.run(f"python3 - {VM}", input=CLASS, timeout=600).stdout == "all are in\n"
    status = vm.run("docker exec classcord cat /proc/1/status").stdout
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    second, first = "memory.peak", "memory/memory.max_usage_in_bytes"  # kinds of control groups
    line = f"cd /sys/fs/cgroup && cat {second} || cat {first}"
    group = vm.run(f"docker exec classcord sh -c '{line}'", check=False).stdout.strip()
    print(f"\n400 pupils: the server took {int(found[1]) / 1024:.0f} MiB, its control group {group} bytes")
    assert int(found[1]) < 120 * 1024
    assert state(vm)["RestartCount"] == 0


def test_data_survives_a_replaced_a_removed_and_a_killed_container(vm: Machine) -> None:
    account = {"username": unique("alice"), "password": "azerty"}
    make(vm, "docker-run")
    assert ask(vm, {"type": "register", **account})[0]["status"] == "ok"
    first = state(vm)["Id"]
    assert "Stopping the container classcord to replace it...\n" in make(vm, "docker-run").stdout
    assert containers(vm) == ["classcord"]
    assert state(vm)["Id"] != first
    assert ask(vm, {"type": "login", **account})[0]["status"] == "ok"
    vm.run("docker rm -f classcord")
    make(vm, "docker-run CLASSCORD_LANG=en")
    assert ask(vm, {"type": "login", **account})[0]["status"] == "ok"
    assert "CLASSCORD_LANG=en" in state(vm)["Config"]["Env"]
    vm.run(f"kill -9 {state(vm)['State']['Pid']}")
    until(lambda: state(vm)["RestartCount"] == 1 and answers(vm, VM), "the engine starts it again")
    assert ask(vm, {"type": "login", **account})[0]["status"] == "ok"


def test_a_new_container_that_cannot_start_leaves_the_old_one_running(vm: Machine) -> None:
    make(vm, "docker-run")
    first = state(vm)["Id"]
    done = make(vm, "docker-run CLASSCORD_LANG=xx", check=False)
    assert done.stderr.startswith(
        "docker.sh: the container stopped: server.py: CLASSCORD_LANG: 'xx' is not allowed; give fr or en\n" + BACK
    )
    assert state(vm)["Id"] == first
    assert state(vm)["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert containers(vm) == ["classcord"]
    wait_for_answer(vm, VM)


@pytest.mark.parametrize(("command", "begun"), [("stop", f"{DOCKER} &"), ("run", DOCKER)])
def test_the_old_container_is_back_after_a_run_that_is_ended_half_way(vm: Machine, command: str, begun: str) -> None:
    make(vm, "docker-run")
    first = state(vm)["Id"]
    run = f"PATH={held(vm, command, before=begun)} setsid sh deploy/docker.sh run"
    end = "until test -e /tmp/held; do sleep 0.02; done; kill -TERM -- -$running; wait $running; test $? = 130"
    vm.run(f":\n{run} >/tmp/run.log 2>&1 & running=$!\n{end}", cwd=PROJECT)
    assert BACK in vm.run("cat /tmp/run.log").stdout
    assert (state(vm)["Id"], containers(vm)) == (first, ["classcord"])
    wait_for_answer(vm, VM)
    # a killed run had no time for that
    vm.run("docker stop classcord && docker rename classcord classcord.replaced && "
           "docker create --name classcord classcord-server")
    make(vm, "docker-run")
    assert containers(vm) == ["classcord"]


def test_a_second_run_waits_for_the_first_to_end(vm: Machine) -> None:
    for _ in range(2):  # the first time there is no container to replace
        first = vm.start(f"PATH={held(vm, 'run', after=DOCKER)} sh classcord/deploy/docker.sh run", user=USER)
        until(vm.outside("/tmp/held").exists, "the first is half way", 120)
        second = vm.start("sh classcord/deploy/docker.sh run", user=USER)
        assert second.stdout is not None
        assert second.stdout.readline() == "Waiting for another docker-run...\n"
        vm.run("touch /tmp/go")
        said = [each.communicate(timeout=120)[0] for each in (first, second)]
        assert (first.returncode, second.returncode) == (0, 0), said
        assert containers(vm) == ["classcord"]
        assert answers(vm, VM)


def test_a_container_started_by_hand_is_replaced_and_its_data_named(vm: Machine) -> None:
    make(vm, "docker-build")
    by_hand = "docker run -d --name classcord -p 12345:12345"
    vm.run(f"{by_hand} --rm classcord-server")
    wait_for_answer(vm, VM)
    saving = "docker exec classcord python3 server.py backup - >backup.db"
    assert refused(vm, "docker-run") == (
        "docker.sh: the container classcord was started with --rm: its data is lost when it stops."
        f" Save it first: {saving}; or give it up: docker stop classcord\n"
    )
    assert refused(vm, "docker-run NAME=second") == (
        "docker.sh: port 12345 is taken by the container classcord: docker stop classcord, which deletes its data"
        f" (to save it first: {saving}), or choose another port with PORT=...\n"
    )
    assert answers(vm, VM)
    vm.run(saving)
    assert make(vm, "docker-stop").stdout == "The container classcord is stopped and removed; it kept no data.\n"
    vm.run(f"{by_hand} --rm -v mine:/data classcord-server")
    assert "kept its data in mine; the new one" in make(vm, "docker-run").stderr
    vm.run(f"docker rm -f classcord; {by_hand} --rm -v mine:/data classcord-server")
    assert make(vm, "docker-stop").stdout.endswith("; its data stays in mine.\n")
    vm.run("docker volume rm mine; mkdir -p /srv/chat && chown 10001 /srv/chat")
    vm.run(f"{by_hand} -v /srv/chat:/data classcord-server")
    assert make(vm, "docker-run").stderr == (
        "docker.sh: the old container kept its data in /srv/chat;"
        " the new one uses the volume classcord-data\n"
    )


def test_a_container_of_rm_that_was_just_stopped_is_not_in_the_way(vm: Machine) -> None:
    """`docker stop` returns before the engine has removed it; with many files, that takes time."""
    make(vm, "docker-build")
    many = "cd /var && seq 50000 | xargs touch && echo made && exec sleep infinity"
    options = "-d --rm --name classcord -u 0 --stop-signal KILL --entrypoint sh"
    vm.run(f"docker run {options} classcord-server -c '{many}'")
    until(lambda: vm.run("docker logs classcord").stdout == "made\n", "the files are there", 120)
    assert vm.run("docker stop classcord && sh deploy/docker.sh run", cwd=PROJECT).stderr == ""


def test_data_that_cannot_be_used_is_said_and_not_tried_for_ever(vm: Machine) -> None:
    make(vm, "docker-run docker-stop")
    spoil = "docker run --rm -u 0 --entrypoint chown -v classcord-data:/data classcord-server -R {0}:{0} /data"
    vm.run(spoil.format(0))
    try:
        done = vm.run("sh deploy/docker.sh run", cwd=PROJECT, check=False)
        assert done.returncode == 78
        assert done.stderr.startswith("docker.sh: the container stopped: server.py: /data: user 10001 cannot write")
        assert containers(vm) == []
    finally:
        vm.run(spoil.format(10001))
    make(vm, "docker-run")


def test_a_taken_port_is_reported_with_its_holder(vm: Machine) -> None:
    make(vm, "docker-build")
    vm.run("systemd-run --quiet --unit=other-program python3 -m http.server 12345")
    listening = "ss -Hltn 'sport = :12345'"
    until(lambda: vm.run(listening).stdout, "the other program listens")
    try:
        line = refused(vm, "docker-run", user="root")
        holder = r"docker\.sh: port 12345 is taken by python3 \(process \d+\): stop it, "
        assert re.fullmatch(holder + r"or choose another port with PORT=\.\.\.\n", line)
        make(vm, "docker-run NAME=second PORT=2000")
    finally:
        vm.run("systemctl stop other-program")
    assert refused(vm, "docker-run PORT=2000") == (
        "docker.sh: port 2000 is taken by the container second: docker stop second,"
        " or choose another port with PORT=...\n"
    )
    assert containers(vm) == ["second"]
    make(vm, "docker-stop NAME=second")
    vm.run("docker volume rm second-data")


def test_container_and_unit_keep_out_of_each_others_way_even_at_boot(vm: Machine) -> None:
    unit = vm.root / "etc/systemd/system/classcord.service"
    unit.write_text(UNIT)
    vm.run("systemctl daemon-reload && systemctl enable -q --now classcord")
    assert refused(vm, "docker-run") == (
        "docker.sh: port 12345 is taken by the systemd service classcord: sudo systemctl disable --now"
        " classcord.service (sudo make migrate-to-docker copies its data),"
        " or choose another port with PORT=...\n"
    )
    vm.run("systemctl stop classcord")
    warning = make(vm, "docker-run").stderr
    assert warning == (
        "docker.sh: the systemd service is enabled too, and may take the port first after a reboot:"
        " sudo systemctl disable classcord.service\n"
    )
    vm.reboot()
    assert vm.run("systemctl is-active classcord").stdout == "active\n"
    found = state(vm)
    assert (found["State"]["Status"], found["RestartCount"]) == ("exited", 0)
    assert "12345" in found["State"]["Error"]
    line = refused(vm, "docker-run")
    assert "taken by the systemd service classcord" in line
    vm.run("systemctl disable -q --now classcord")
    unit.unlink()
    vm.run("systemctl daemon-reload")
    assert make(vm, "docker-run").stderr == ""


def test_a_container_that_runs_starts_again_at_boot(vm: Machine) -> None:
    make(vm, "docker-run")
    vm.reboot()
    wait_for_answer(vm, VM)
    assert containers(vm) == ["classcord"]


def test_logs_and_shell_need_a_container_and_only_clean_removes_the_data(vm: Machine) -> None:
    make(vm, "docker-run")
    assert make(vm, "docker-shell", input="id -u; pwd\n").stdout == "10001\n/app\n"
    follower = vm.start(f"cd {PROJECT} && exec sh deploy/docker.sh logs", user=USER)
    assert follower.stdout is not None
    assert "event=listening" in follower.stdout.readline()
    assert make(vm, "docker-stop").stdout == (
        "The container classcord is stopped and removed; its data stays in classcord-data.\n"
    )
    assert "event=stopped" in follower.communicate(timeout=DEADLINE)[0]
    assert make(vm, "docker-stop").stdout == "There is no container classcord; nothing to stop.\n"
    none = "docker.sh: there is no container classcord: make docker-run starts it\n"
    assert [refused(vm, "docker-shell"), refused(vm, "docker-logs")] == [none, none]
    make(vm, "docker-run")
    assert make(vm, "docker-clean VOLUME=yes").stdout == (
        "The container classcord is stopped and removed; its data stays in classcord-data.\n"
        "The image classcord-server is removed.\n"
        "The data, the volume classcord-data, is removed.\n"
    )
    assert "classcord-data" not in vm.run("docker volume ls -q").stdout.split()
    assert make(vm, "docker-clean VOLUME=yes").stdout == ""


def test_a_log_that_ends_by_control_c_and_a_shell_that_ends_by_a_wrong_command_are_no_failures(vm: Machine) -> None:
    make(vm, "docker-run")
    command = vm.command(f"cd {PROJECT} && exec make docker-logs", user=USER)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, preexec_fn=HEED
    ) as follower:
        assert follower.stdout is not None
        assert any("event=listening" in line for line in follower.stdout)
        os.killpg(follower.pid, signal.SIGINT)
        assert "***" not in follower.communicate(timeout=DEADLINE)[0]
    screen, keyboard = pty.openpty()
    try:
        os.write(screen, b"no-such-command\nexit\n")
        typed = vm.command(f"cd {PROJECT} && exec make docker-shell", user=USER)
        done = subprocess.run(typed, stdin=keyboard, stdout=keyboard, stderr=keyboard, timeout=DEADLINE, check=False)
    finally:
        os.close(keyboard)
        os.close(screen)
    assert done.returncode == 0
    assert "***" in make(vm, "docker-shell", input="no-such-command", check=False).stderr, "a program must see it"


def test_a_container_of_another_program_is_left_alone(vm: Machine) -> None:
    vm.run(f"docker run -d --name web --stop-signal KILL {BASE} sleep infinity")
    line = "docker.sh: the container web is not ClassCord's: choose another name with NAME=...\n"
    assert {refused(vm, f"{target} NAME=web") for target in ("docker-run", "docker-stop", "docker-clean")} == {line}
    assert state(vm, "web")["State"]["Running"]


def test_a_wrong_name_and_a_fixed_setting_get_a_line_that_helps(vm: Machine) -> None:
    assert "NAME=a/b: give two or more of" in refused(vm, "docker-run NAME=a/b")
    assert "PORT=2000 publishes another port" in refused(vm, "docker-run CLASSCORD_PORT=2000")


# --- docker-test: the tests run here, in the VM's network and with its engine ---


def docker_test(vm: Machine, folder: Path, pytest_command: str) -> list[str]:
    """The command that runs `deploy/docker.sh test` as if typed in the VM, which has no pytest."""
    (folder / "docker").symlink_to(rootfs() / "usr/bin/docker")
    settings = {
        "PATH": f"{folder}:{os.environ['PATH']}", "DOCKER_CONFIG": str(folder), "PYTEST": pytest_command,
        "DOCKER_HOST": f"unix://{vm.outside('/run/docker.sock')}",
    }
    return Desk(vm.netns).command(f"exec sh {ROOT}/deploy/docker.sh test", env=settings)


def left_over(vm: Machine) -> str:
    return vm.run("docker ps -aq; docker volume ls -q --filter name=test").stdout


def test_the_functional_tests_run_against_a_container_of_their_own(vm: Machine, tmp_path: Path) -> None:
    command = docker_test(vm, tmp_path, f"{sys.executable} -m pytest -p no:cacheprovider -k presence")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^Testing the container classcord-test-\d+ at 127\.0\.0\.1:\d+\.\.\.$", done.stdout, re.MULTILINE)
    assert re.search(r"^=+ \d\d+ passed, \d+ deselected", done.stdout, re.MULTILINE)
    assert left_over(vm) == ""


def test_control_c_ends_the_tests_and_takes_their_container_away(vm: Machine, tmp_path: Path) -> None:
    waits = tmp_path / "pytest"
    waits.write_text('#!/bin/sh\n[ "$1" = --version ] || { echo $CLASSCORD_TEST_ADDR; exec sleep 100; }\n')
    waits.chmod(0o755)
    command = docker_test(vm, tmp_path, str(waits))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=HEED
    ) as running:
        assert running.stdout is not None
        assert any(re.match(r"127\.0\.0\.1:\d+$", line) for line in running.stdout)
        assert left_over(vm) != ""
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(DEADLINE) == 130
    assert left_over(vm) == ""


# --- without an engine; last, because the engine is stopped ---


def test_without_an_engine_it_says_what_to_install_or_to_start(vm: Machine) -> None:
    vm.run(f"gpasswd --delete {USER} docker")
    assert refused(vm, "docker-run") == (
        f"docker.sh: you may not use Docker: sudo usermod -aG docker {USER}, then log in again (or type sudo first)\n"
    )
    vm.run(f"usermod -aG docker {USER}")
    vm.run("systemctl stop docker.socket docker")
    assert refused(vm, "docker-test") == refused(vm, "docker-run") == (
        "docker.sh: the Docker engine is not running: sudo systemctl enable --now docker;"
        " or do without Docker: sudo make install\n"
    )
    vm.run("mv /usr/bin/docker /usr/bin/docker.away")
    assert refused(vm, "docker-logs") == (
        "docker.sh: Docker is not installed: sudo apt install docker.io; or do without Docker: sudo make install\n"
    )


