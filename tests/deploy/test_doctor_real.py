"""deploy/doctor.sh in networks that the project's scripts make, from all three places: all well, then broken."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.deploy.doctor import Diagnosis, ask, ask_desk
from tests.deploy.lab import HOST, HOST_INSIDE, VM, Lab, answers, wait_for_answer
from tests.deploy.machines import PROJECT, USER

pytestmark = pytest.mark.lab

NAT = f"sh deploy/nat/linux.sh apply --vm {VM}"
UFW = "sh deploy/ufw.sh apply --from 10.0.108.0/24"
START = "sudo systemctl reset-failed classcord; sudo systemctl start classcord"
DROP_INS = "/run/systemd/system/classcord.service.d"
STATUS = "in the VM:  sudo sh deploy/ufw.sh status"


def ask_all(lab: Lab) -> tuple[Diagnosis, Diagnosis, Diagnosis]:
    """Its output in the VM, on the host and at the desk."""
    with ThreadPoolExecutor() as pool:
        host = pool.submit(ask, lab.host, f"--from-host --vm {VM}")
        slam = pool.submit(ask_desk, lab.slam, f"--from-slam {HOST}")
        return ask(lab.vm), host.result(), slam.result()


def all_is_well(lab: Lab) -> Diagnosis:
    """All three say that nothing is broken. The VM marks that it lets in one network only. Returns the VM's output."""
    vm, host, slam = ask_all(lab)
    vm.warned("from 10.0.108.0/24 only", f"addresses, they come as {HOST_INSIDE}")
    host.well(f"leads to {VM} port 12345", f"at {VM} port 12345", f"at {HOST} port 12345", "each desk's true address")
    slam.well("a ClassCord server answers")
    assert host.marked("!") == slam.marked("!") == []
    return vm


@pytest.fixture(scope="module")
def school(lab: Lab) -> Lab:
    """The network with the host's NAT, and with ufw in the VM."""
    lab.host.run(NAT + " --no-check", cwd=PROJECT)
    lab.vm.run(f"ufw --force enable; {UFW}", cwd=PROJECT)
    return lab


@pytest.fixture(scope="module")
def container(school: Lab) -> Lab:
    """The network with the server in its container."""
    school.start_engine(school.vm)
    school.vm.run("make docker-run", user=USER, cwd=PROJECT)
    return school


@pytest.fixture(scope="module")
def unit(school: Lab) -> Lab:
    """The network with the server installed as a unit. The container's tests are over then."""
    school.vm.run("systemctl stop docker.service docker.socket; make install", cwd=PROJECT)
    return school


def let_in(lab: Lab, line: str) -> None:
    lab.vm.run(line, cwd=PROJECT)


def test_from_all_three_places_a_container_works(container: Lab) -> None:
    said = all_is_well(container)
    assert any(text.startswith("ufw: on, but Docker goes around it") for text in said.marked("·")), said.text


def test_a_guard_for_the_wrong_network_is_marked(container: Lab) -> None:
    let_in(container, UFW.replace("108", "107"))
    said = ask(container.vm)
    let_in(container, UFW)
    said.warned("DOCKER-USER: lets port 12345 through from 10.0.107.0/24 only", f"If not:  sudo {UFW}")


def test_from_all_three_places_a_stopped_container_is_found(container: Lab) -> None:
    container.vm.run("docker stop classcord")
    vm, host, slam = ask_all(container)
    vm.only_broken("the container classcord is stopped", "make docker-run")
    host.only_broken("connection refused", "in the VM:  sudo make doctor")
    slam.only_broken("refuses connections", "on the host:  sudo make doctor ARGS=--from-host")
    container.vm.run("make docker-run", user=USER, cwd=PROJECT)  # as it says
    wait_for_answer(container.slam, HOST)


def test_a_container_with_a_name_of_dockers_choice_is_repaired_by_the_printed_commands(container: Lab) -> None:
    """As `docker run` without --name makes it. The test types the commands that the doctor prints."""
    vm = container.vm
    vm.run("docker rm -f classcord; docker run -d -p 127.0.0.1:12345:12345 classcord-server")
    name = vm.run("docker ps --format '{{.Names}}'").stdout.strip()
    wait_for_answer(vm, "127.0.0.1")
    vm.run(f"docker stop {name}")
    stopped = ask(vm)
    vm.run(f"docker start {name}")
    wait_for_answer(vm, "127.0.0.1")
    local = ask(vm)
    stopped.only_broken(f"the container {name} is stopped", f"docker start {name}")
    local.only_broken("published: on 127.0.0.1 only", f"docker rm -f {name}; make docker-run  (")
    advice = next(told[0] for mark, _, told in local.lines if mark == "✘")
    vm.run(advice.partition("  (")[0], user=USER, cwd=PROJECT)
    assert answers(container.slam, HOST)


def test_from_all_three_places_a_unit_works(unit: Lab) -> None:
    all_is_well(unit)


def test_from_all_three_places_a_stopped_unit_is_found(unit: Lab) -> None:
    unit.vm.run("systemctl stop classcord")
    vm, host, slam = ask_all(unit)
    unit.vm.run("systemctl start classcord")
    vm.only_broken("the unit classcord.service is not started", "sudo systemctl start classcord")
    host.only_broken("connection refused", "in the VM:  sudo make doctor")
    slam.only_broken("refuses connections", "on the host:  sudo make doctor ARGS=--from-host")


def test_a_unit_that_has_failed_runs_again_after_the_printed_command(unit: Lab) -> None:
    env = unit.vm.root / "etc/classcord/classcord.env"
    kept = env.read_text()
    env.write_text("CLASSCORD_PORT=many\n")
    unit.vm.run("systemctl restart classcord", check=False)
    wrong = ask(unit.vm)
    env.write_text(kept)
    # the unit's own limit, 20 starts a minute, is out of reach of a machine that takes more than 3 s for each
    limit = "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=3\n"
    unit.vm.run(f"mkdir -p {DROP_INS} && cat >{DROP_INS}/test.conf && systemctl daemon-reload", input=limit)
    unit.vm.run("systemctl reset-failed classcord; while systemctl restart classcord; do :; done")
    unit.vm.run(f"rm -r {DROP_INS}; systemctl daemon-reload")
    restarted = ask(unit.vm)
    wrong.only_broken("failed (Result=exit-code ExecMainStatus=2): server.py: CLASSCORD_PORT: 'many' is not allowed",
                      "sudo journalctl -u classcord -n 20")
    restarted.only_broken("the unit classcord.service has failed (Result=start-limit-hit", START)
    assert "event=" not in restarted.text
    unit.vm.run(START)  # as it says
    wait_for_answer(unit.slam, HOST)


def test_from_all_three_places_a_wrong_network_in_ufw_is_found(unit: Lab) -> None:
    let_in(unit, UFW.replace("108", "107"))
    vm, host, slam = ask_all(unit)
    let_in(unit, UFW)
    vm.warned("ufw: lets port 12345 in from 10.0.107.0/24 only", f"If not:  sudo {UFW}")
    host.only_broken("timed out", f"or its firewall doesn't let {HOST} in: {STATUS}")
    slam.only_broken("no answer", "on the host:  sudo make doctor ARGS=--from-host")


def test_the_nat_hides_the_network_that_ufw_lets_in(unit: Lab) -> None:
    unit.host.run(NAT + " --masquerade --no-check", cwd=PROJECT)
    vm, host, slam = ask_all(unit)
    advice = next(line for mark, _, told in vm.lines if mark == "!" for line in told if "hides" in line)
    let_in(unit, advice.rpartition("sudo ")[2])
    wait_for_answer(unit.slam, HOST)
    let_in(unit, UFW)
    unit.host.run(NAT + " --no-masquerade --no-check", cwd=PROJECT)  # as it says below
    vm.warned("from 10.0.108.0/24 only", f"addresses, they come as {HOST_INSIDE}")
    host.only_broken("timed out", f"or its firewall doesn't let {HOST_INSIDE} in: {STATUS}")
    host.only_broken("timed out", f"without --masquerade:  sudo {NAT} --no-masquerade")
    slam.only_broken("no answer", "on the host:  sudo make doctor ARGS=--from-host")


def test_without_a_way_back_all_three_places_say_so(unit: Lab) -> None:
    unit.vm.run("ip route del default")
    vm, host, slam = ask_all(unit)
    unit.vm.run(f"ip route add default via {HOST_INSIDE}")
    vm.only_broken("default route: none", f"sudo ip route add default via {HOST_INSIDE}")
    host.only_broken("timed out", "in the VM:  sudo make doctor")  # because ufw doesn't let the host's other address in
    slam.only_broken("no answer", "on the host:  sudo make doctor ARGS=--from-host")


def test_a_nat_that_is_undone_works_again_after_the_printed_command(unit: Lab) -> None:
    unit.host.run("sh deploy/nat/linux.sh undo", cwd=PROJECT)
    _, host, slam = ask_all(unit)
    assert host.marked("✘")[0] == "NAT rule: nothing on this host forwards port 12345", host.text
    assert f"sudo {NAT}" in host.text
    slam.only_broken("refuses connections", "on the host:  sudo make doctor ARGS=--from-host")
    unit.host.run(NAT, cwd=PROJECT)  # as it says
    wait_for_answer(unit.slam, HOST)
