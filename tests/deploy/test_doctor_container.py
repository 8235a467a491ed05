"""deploy/doctor.sh in the VM, where the server is a container: each hop broken in turn."""

from __future__ import annotations

import pytest

from tests.deploy.docker import clear
from tests.deploy.doctor import ask, read
from tests.deploy.lab import BASE, HOST_INSIDE, VM, Lab, answers
from tests.deploy.machines import PROJECT, USER, Desk, Machine, until

pytestmark = pytest.mark.lab

CODE = f"-v {PROJECT}:/app:ro {BASE} python3 /app/server.py"
NAMED = "--name classcord --stop-signal KILL"
PUBLISHED = "-p 12345:12345"
DROP = "-{} DOCKER-USER -p tcp -m conntrack --ctorigdstport 12345 --ctdir ORIGINAL -j DROP"


@pytest.fixture
def docker(docker_vm: Machine) -> Machine:
    """The VM with its engine up, and no container."""
    clear(docker_vm)
    return docker_vm


@pytest.fixture
def published(docker_vm: Machine) -> Machine:
    """The VM with the server in a published container; the last test's container, if it is unchanged."""
    if docker_vm.run("docker port classcord", check=False).stdout != "12345/tcp -> 0.0.0.0:12345\n":
        clear(docker_vm)
        run(docker_vm, PUBLISHED)
    return docker_vm


def run(machine: Machine, options: str, settings: str = "--data /tmp/d", *, name: str = NAMED) -> None:
    """Run the server in a container and wait until it answers in there."""
    made = machine.run(f"docker run -d {name} {options} {CODE} {settings}").stdout.strip()
    asked = f"docker exec {made} python3 /app/server.py health"
    until(lambda: machine.run(asked, check=False).returncode == 0, "the server in the container answers")


def test_each_hop_of_a_container_that_works_is_named(published: Machine) -> None:
    ask(published).well(
        "the container classcord runs", "the server in the container answers", "0.0.0.0:12345 leads to", f"{VM} (eth0)",
        f"at {VM} port 12345", f"via {HOST_INSIDE}", "DOCKER-USER: lets port 12345 through", "left for /tmp/d",
    )


def test_what_only_root_can_see_is_marked_for_others(published: Machine) -> None:
    ask(published, user=USER).well("the container classcord runs")
    published.run("cp -r deploy /srv", cwd=PROJECT)
    said = read(published.run("CLASSCORD_LANG=en runuser -u nobody sh /srv/deploy/doctor.sh", check=False))
    assert said.code == 0
    assert "only root and the group docker can see whether it is a container" in said.marked("?")[0], said.text


def test_a_container_by_another_name_is_found(docker: Machine) -> None:
    run(docker, PUBLISHED, name="--name eager_turing")
    ask(docker).well("the container eager_turing runs")
    ask(docker, "--name second --port 2000").only_broken("no container second", "make docker-run PORT=2000 NAME=second")


def test_a_container_in_a_network_of_its_own_works(docker: Machine) -> None:
    docker.run("docker network create class")
    run(docker, f"--network class {PUBLISHED}")
    ask(docker).well("DOCKER-USER: lets port 12345 through", f"at {VM} port 12345")
    docker.run("docker rm -f classcord; docker network rm class")


def test_a_container_in_the_network_of_the_vm_works(docker: Machine) -> None:
    run(docker, "--network host")
    ask(docker).well("on all addresses", "firewall: lets port 12345 in")
    docker.run("docker exec -u 0 classcord mv /usr/bin/python3 /usr/bin/python3.off")
    said = ask(docker)
    said.warned("the server answers at port 12345, but the check in the container fails", "docker logs --tail 20")
    assert "restart" not in said.text


def test_a_container_restarted_again_and_again_says_why(docker: Machine) -> None:
    docker.run(f"docker run -d --name classcord --restart always {PUBLISHED} {CODE} --port many")
    count = "docker inspect -f '{{.RestartCount}}' classcord"
    until(lambda: int(docker.run(count).stdout) >= 3, "it was restarted")
    ask(docker).only_broken("again and again: server.py: --port: 'many' is not allowed", "docker logs")


def test_a_paused_container_is_to_be_unpaused(published: Machine) -> None:
    published.run("docker pause classcord")
    ask(published).only_broken("the container classcord is paused", "docker unpause classcord")


def test_a_server_on_another_port_inside_is_broken(docker: Machine) -> None:
    docker.run(f"docker run -d {NAMED} {PUBLISHED} {CODE} --data /tmp/d --port 2000")
    ask(docker).only_broken("health: inside the container: no answer from 127.0.0.1", "docker restart classcord")


def test_a_container_that_is_not_published_is_broken(docker: Machine) -> None:
    run(docker, "")
    ask(docker).only_broken("the container's port is not published", "make docker-run")


def test_the_published_port_is_compared_with_the_one_that_is_asked_for(docker: Machine) -> None:
    run(docker, "-p 8080:12345")
    ask(docker).only_broken("port 12345 is not published, but 8080 is", "sudo make doctor PORT=8080")
    ask(docker, "--port 8080").well("0.0.0.0:8080 leads to the container's 12345/tcp", "lets port 8080 through")
    docker.run("iptables " + DROP.format("I").replace("12345", "8080"))
    said = ask(docker, "--port 8080")
    docker.run("iptables " + DROP.format("D").replace("12345", "8080"))
    said.only_broken("DOCKER-USER: a rule drops port 8080", "sudo iptables -D DOCKER-USER")


def test_a_container_published_on_loopback_is_broken(docker: Machine) -> None:
    run(docker, "-p 127.0.0.1:12345:12345")
    ask(docker).only_broken("published: on 127.0.0.1 only", "make docker-run")


def test_a_server_on_the_containers_loopback_is_broken(docker: Machine) -> None:
    run(docker, PUBLISHED, "--data /tmp/d --host 127.0.0.1")
    ask(docker).only_broken("inside the container on 127.0.0.1 only", "without CLASSCORD_HOST")


def test_a_container_and_a_unit_at_once_are_one_too_many(published: Machine) -> None:
    published.run("systemd-run --unit classcord sleep infinity")
    said = ask(published)
    published.run("systemctl stop classcord")
    said.only_broken("the container classcord and the unit classcord.service both run", "docker rm -f classcord")


def test_a_rule_of_docker_user_that_drops_the_port_can_be_deleted_as_it_says(published: Machine) -> None:
    published.run("iptables " + DROP.format("I"))
    said = ask(published)
    said.only_broken("DOCKER-USER: a rule drops port 12345", "sudo iptables -D DOCKER-USER")
    advice = next(told for mark, _, told in said.lines if mark == "✘")[0]
    published.run(advice)  # the printed command repairs it
    ask(published).well("DOCKER-USER: lets port 12345 through")


def test_docker_user_that_lets_other_ports_through_only_is_broken(published: Machine) -> None:
    published.run("iptables -I DOCKER-USER -i eth0 -j DROP; iptables -I DOCKER-USER -i eth0 -p tcp -m conntrack "
               "--ctorigdstport 8080 --ctdir ORIGINAL -j RETURN")
    said = ask(published)
    published.run("iptables -F DOCKER-USER; iptables -A DOCKER-USER -j RETURN")
    said.only_broken("DOCKER-USER: a rule drops port 12345 (-A DOCKER-USER -i eth0 -j DROP)", "iptables -D DOCKER-USER")


def test_docker_user_that_lets_one_network_through_is_marked(published: Machine) -> None:
    published.run("iptables -N GUARD; iptables -A GUARD -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN; "
               "iptables -A GUARD -s 10.0.108.0/24 -p tcp -m conntrack --ctstate DNAT --ctorigdstport 12345 "
               "--ctdir ORIGINAL -j RETURN; iptables -A GUARD -m conntrack --ctstate DNAT -j DROP; "
               "iptables -I DOCKER-USER -j GUARD")
    said = ask(published)
    published.run("iptables -D DOCKER-USER -j GUARD; iptables -F GUARD; iptables -X GUARD")
    said.warned("DOCKER-USER: lets port 12345 through from 10.0.108.0/24 only",
                f"sudo iptables -I DOCKER-USER -s {HOST_INSIDE} -p tcp -m conntrack --ctorigdstport 12345")


def test_flushed_rules_of_docker_need_a_restart_of_docker_once_nobody_gets_in(
    published: Machine, lab_without_host: Lab
) -> None:
    """Without its NAT rule, Docker's program still passes the port on. A restart would throw everybody out."""
    published.run("iptables-save >/root/rules; iptables -t nat -F")
    said = ask(published)
    passed_on = answers(Desk(lab_without_host.host.netns), VM)
    published.run("iptables-restore /root/rules; iptables -F DOCKER; iptables -P FORWARD DROP")
    also = ask(published)
    published.run("iptables-restore /root/rules")
    said.warned("Docker's NAT rule for port 12345 is gone", "after the lesson only:  sudo systemctl restart docker")
    assert "firewall: lets port 12345 in" in said.marked("✔")
    assert passed_on
    also.only_broken("Docker's own rules are gone", "sudo systemctl restart docker")


def test_a_full_volume_is_broken(docker: Machine) -> None:
    run(docker, f"{PUBLISHED} --tmpfs /data:size=5m", "--data /data")
    ask(docker).only_broken("data: the disk is full", "df -h")


def test_a_server_that_cannot_write_is_broken(docker: Machine) -> None:
    run(docker, f"{PUBLISHED} --tmpfs /data:size=20m", "--data /data --password-cost 1")
    docker.run("docker exec classcord sh -c 'cat /dev/zero >/data/full'", check=False)
    line = '{"type":"register","username":"alice","password":"azerty"}'
    docker.run(f"""echo '{line}' | nc -N -w 20 127.0.0.1 12345""")
    until(lambda: "storage_failed" in docker.run("docker logs classcord 2>&1").stdout, "it is in the log")
    ask(docker).only_broken("data: the server can't write", "df -h")


def test_an_engine_that_hangs_or_is_down_is_named(published: Machine) -> None:
    published.run("systemctl kill --kill-who=main -s STOP docker")
    # its threads stop one after the other
    engine = "/proc/$(systemctl show -p MainPID --value docker)"
    published.run(f"while grep -L '^State:.T' {engine}/task/*/status | grep -q .; do :; done")
    hangs = ask(published)
    published.run("systemctl kill --kill-who=main -s CONT docker; systemctl stop docker.service docker.socket")
    down = ask(published)
    published.run("systemctl start docker")
    hangs.only_broken("the Docker engine does not answer", "sudo systemctl restart docker")
    down.only_broken("nothing runs", "sudo systemctl start docker")


def test_the_container_of_a_rootless_engine_is_found_under_sudo(docker: Machine, lab_without_host: Lab) -> None:
    """Docker's usual engine is down then, and that is not a fault."""
    docker.run("systemctl stop docker.service docker.socket")
    docker.run("iptables -F; iptables -t nat -F; iptables -P FORWARD ACCEPT")
    rootless = lab_without_host.start_rootless_engine(docker)
    docker.run(f"{rootless} run -d {NAMED} {PUBLISHED} {CODE} --data /tmp/d")
    try:
        until(lambda: answers(docker, "127.0.0.1"), "the server in the container answers")
        said = ask(docker, user=USER, sudo=True)
    finally:
        docker.run(f"{rootless} rm -f classcord; systemctl stop rootless; systemctl start docker")
    said.well("the container classcord runs", "the server in the container answers", f"at {VM} port 12345")
    assert "systemctl start docker" not in said.text
