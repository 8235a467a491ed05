"""deploy/doctor.sh in the VM: what breaks the way to a server that runs, and that looks well at first sight."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.deploy.docker import clear
from tests.deploy.doctor import ask
from tests.deploy.lab import BASE, HOST_INSIDE, VM, Lab, answers, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Desk, Machine, until
from tests.deploy.test_doctor_container import DROP, NAMED, PUBLISHED, run
from tests.deploy.test_doctor_unit import SERVER

pytestmark = pytest.mark.lab

DESK = "10.0.108.34"


@pytest.fixture
def container(docker_vm: Machine) -> Machine:
    """The VM with the server in a published container; the last test's container, if it still answers."""
    if docker_vm.run("docker ps -a --format '{{.Names}} {{.Ports}}'").stdout != "classcord 0.0.0.0:12345->12345/tcp\n":
        clear(docker_vm)
        run(docker_vm, PUBLISHED)
    wait_for_answer(docker_vm, "127.0.0.1")
    return docker_vm


@pytest.fixture
def process(docker_vm: Machine) -> Iterator[Machine]:
    """The VM with the server as a plain process."""
    clear(docker_vm)
    docker_vm.run(f"systemd-run -q --unit plain {SERVER} --data /tmp/plain")
    wait_for_answer(docker_vm, "127.0.0.1")
    yield docker_vm
    docker_vm.run("systemctl stop plain")


@pytest.fixture
def docker(docker_vm: Machine) -> Machine:
    """The VM with its engine, and no container."""
    clear(docker_vm)
    return docker_vm


# --- the kernel, and Docker's network ---

def test_a_machine_that_forwards_nothing_is_named_with_the_file_that_says_so(container: Machine) -> None:
    container.run("sysctl -qw net.ipv4.ip_forward=0; echo 'net.ipv4.ip_forward = 0' >/etc/sysctl.d/90-no.conf")
    said = ask(container)
    container.run("rm /etc/sysctl.d/90-no.conf")
    also = ask(container)
    container.run("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.eth0.forwarding=0")
    card = ask(container)
    container.run("sysctl -qw net.ipv4.conf.eth0.forwarding=1")
    said.only_broken("forwarding: off (ip_forward=0)", "sudo sysctl -w net.ipv4.ip_forward=1")
    said.only_broken("forwarding: off", "/etc/sysctl.d/90-no.conf")
    also.only_broken("forwarding: off", "a file may undo this at the next start; look at those in:  /etc/sysctl.d")
    card.only_broken("forwarding: off for the card eth0", "sudo sysctl -w net.ipv4.conf.eth0.forwarding=1")
    ask(container).well("forwarding: on")


def test_a_card_of_docker_that_is_down_needs_a_restart_of_docker(container: Machine) -> None:
    container.run("ip link set docker0 down")
    said = ask(container)
    container.run("ip link set docker0 up; ip addr flush dev docker0")
    gone = ask(container)
    container.run("systemctl restart docker; docker start classcord")
    said.only_broken("the card docker0 is down", "sudo systemctl restart docker")
    gone.only_broken("bridge has no card with the address 172.17.0.1", "sudo systemctl restart docker")


def test_a_slow_or_failing_check_is_no_reason_for_a_restart_while_the_port_answers(container: Machine) -> None:
    container.run("docker exec -u 0 classcord mv /usr/bin/python3 /usr/bin/python3.off")
    said = ask(container)
    container.run("docker exec -u 0 classcord mv /usr/bin/python3.off /usr/bin/python3")
    said.warned("the server answers at port 12345, but the check in the container fails", "docker logs --tail 20")
    assert "restart" not in said.text


# --- who has the port ---

@pytest.mark.parametrize("unit", ["web", ""])
def test_another_program_on_the_port_is_named_with_its_number(docker: Machine, unit: str) -> None:
    command = "python3 -m http.server 12345"
    if unit:
        docker.run(f"systemd-run -q --unit web {command}")
    else:
        docker.run(f"setsid -f {command} >/dev/null 2>&1 </dev/null")
    until(lambda: ":12345" in docker.run("ss -Hltn").stdout, "it listens")
    pid = docker.run("pgrep -f http.server").stdout.split()[0]
    said = ask(docker)
    stop = "sudo systemctl disable --now web" if unit else f"sudo kill {pid}"
    said.only_broken(f"port 12345 is taken by another program, python3 (process {pid})", f"stop it:  {stop}")
    said.only_broken("taken by another program", "then:  make docker-run")
    by_user = ask(docker, user=USER)
    docker.run(f"kill {pid}; systemctl stop web", check=False)
    by_user.only_broken("port 12345 is taken by another program: ", "root can see which one:  sudo make doctor")


def test_another_container_on_the_port_is_named(docker: Machine) -> None:
    docker.run(f"docker run -d --name web {PUBLISHED} {BASE} python3 -m http.server 12345")
    get = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 127.0.0.1 12345"
    until(lambda: "HTTP" in docker.run(get, check=False).stdout, "it answers")
    ask(docker).only_broken("port 12345 is taken by another container, web", "stop it:  docker stop web")


def test_two_servers_in_containers_are_told(container: Machine) -> None:
    run(container, "-p 2000:12345", name="--name second --stop-signal KILL")
    said = ask(container)
    container.run("docker rm -f second")
    said.warned("2 ClassCord servers run", "if it is not wanted:  docker stop second")
    assert "second (port 2000)" in said.marked("!")[0]
    assert "classcord (port 12345)" in said.marked("!")[0]


# --- an engine that leaves the firewall alone ---

def test_an_engine_without_iptables_passes_connections_on_by_a_program(docker: Machine) -> None:
    docker.run("mkdir -p /etc/docker; echo '{\"iptables\": false}' >/etc/docker/daemon.json; systemctl stop "
               "docker.service docker.socket; iptables -F; iptables -t nat -F; iptables -X; systemctl start docker")
    run(docker, PUBLISHED)
    said = ask(docker)
    docker.run("iptables -A INPUT -i eth0 -p tcp --dport 12345 -j DROP")
    dropped = ask(docker)
    docker.run("iptables -F INPUT; echo '{\"iptables\": false, \"userland-proxy\": false}' >/etc/docker/daemon.json; "
               "systemctl reset-failed; systemctl restart docker; docker start classcord")
    nobody = ask(docker)
    docker.run("rm /etc/docker/daemon.json; iptables -F; systemctl reset-failed; systemctl restart docker; "
               "docker start classcord")
    nobody.only_broken("and no program passes port 12345 on to the container: nobody can connect",
                       'take "userland-proxy": false out of this file')
    said.warned("Docker leaves the firewall alone", "/etc/docker/daemon.json")
    assert 'come as 172.17.0.1' in said.text
    assert "firewall: lets port 12345 in" in said.marked("✔")
    dropped.only_broken("iptables drops port 12345", "sudo iptables -I INPUT")
    for each in (said, dropped):
        assert "restart docker" not in each.text


# --- firewalls ---

def test_a_limit_of_ufw_is_marked_and_behind_one_address_it_is_broken(process: Machine) -> None:
    process.run("ufw --force enable; ufw limit 12345/tcp comment 'slow down'")
    said = ask(process)
    process.run("ip addr add 10.0.2.15/24 dev eth0; ip addr del 192.168.56.10/24 dev eth0; "
                "ip route replace default dev eth0")
    hidden = ask(process)
    process.run(f"ip addr add 192.168.56.10/24 dev eth0; ip addr del 10.0.2.15/24 dev eth0; ip route replace default "
                f"via {HOST_INSIDE}")
    process.run("ufw delete limit 12345/tcp; ufw --force disable; ufw --force reset")
    said.warned("ufw: lets port 12345 in, but a rule limits connections: ", "sudo ufw delete limit 12345/tcp",
                "then:  sudo sh deploy/ufw.sh apply")
    assert hidden.code == 1, hidden.text
    assert "all desks come as 10.0.2.2: it shuts the class out" in hidden.marked("✘")[0]
    assert "sudo ufw delete limit 12345/tcp" in hidden.text


@pytest.mark.parametrize("rule", [
    "-i eth0 -p tcp --dport 12345 -m connlimit --connlimit-above 2 --connlimit-mask 0 -j REJECT",
    "-i eth0 -p tcp --dport 12345 -m hashlimit --hashlimit-above 3/min --hashlimit-name few -j DROP",
])
def test_a_rule_that_counts_connections_is_marked(process: Machine, rule: str) -> None:
    process.run(f"iptables -A INPUT {rule}")
    said = ask(process)
    process.run("iptables -F INPUT")
    said.warned("firewall: lets port 12345 in, but a rule limits connections: -A", "sudo iptables -D INPUT -i eth0")


@pytest.mark.parametrize(("hook", "rule"), [
    ("forward priority 0", "tcp dport 12345 drop"),
    ("forward priority 0", "iifname eth0 drop"),
    ("prerouting priority -300", 'iifname "eth0" tcp dport 12345 drop'),
    ("prerouting priority -300", "iifname eth0 drop"),
])
def test_a_table_of_nft_that_drops_on_the_way_to_a_container_is_marked(
    container: Machine, hook: str, rule: str
) -> None:
    container.run(f"nft 'table inet mine {{ chain c {{ type filter hook {hook}; {rule}; }}; }}'")
    said = ask(container)
    advice = next(told[0] for mark, text, told in said.lines if mark == "!" and "nftables" in text)
    container.run(f"{advice} && nft delete table inet mine")  # as it says
    shown = rule.replace("iifname eth0", 'iifname "eth0"')
    said.warned(f"a rule of the table 'inet mine' drops port 12345: {shown}", "sudo nft delete rule inet mine c handle")


@pytest.mark.parametrize("rules", ["", "tcp dport 12345 accept;"])
def test_a_table_that_drops_all_it_does_not_name_is_opened_by_the_printed_commands(
    container: Machine, lab_without_host: Lab, rules: str
) -> None:
    """For what desks send, and for what the server sends back."""
    desk = Desk(lab_without_host.host.netns)
    chain = f"type filter hook forward priority 0; policy drop; {rules}"
    container.run(f"nft 'table inet mine {{ chain c {{ {chain} }}; }}'")
    closed = answers(desk, VM, seconds=2)
    said = ask(container)
    advice = [line.rpartition("  ")[2] for mark, _, told in said.lines if mark == "✘" for line in told]
    container.run("; ".join(line for line in advice if "insert" in line))
    opened = answers(desk, VM)
    also = ask(container)
    container.run("nft delete table inet mine")
    assert not closed
    if rules:
        said.only_broken("the table 'inet mine' drops the server's answers", "ct state established,related accept")
    else:
        said.only_broken("drops every port that it does not name", "tcp dport 12345 accept")
    assert opened
    also.well("DOCKER-USER: lets port 12345 through")


@pytest.mark.parametrize("rule", ["iptables -{} OUTPUT ! -o lo -p tcp --sport 12345 -j DROP",
                                  "iptables -t raw -{} OUTPUT ! -o lo -p tcp --sport 12345 -j DROP"])
def test_a_rule_that_drops_only_the_answers_is_named(process: Machine, lab_without_host: Lab, rule: str) -> None:
    desk = Desk(lab_without_host.host.netns)
    process.run(rule.format("A"))
    closed = answers(desk, VM, seconds=2)
    said = ask(process)
    advice = next(told[0] for mark, _, told in said.lines if mark == "✘")
    process.run(advice)
    opened = answers(desk, VM)
    also = ask(process)
    process.run("iptables -F OUTPUT; iptables -t raw -F OUTPUT")
    assert not closed
    said.only_broken("the server's answers are dropped", "sudo iptables ")
    assert opened
    also.well("firewall: lets port 12345 in")


def test_a_policy_before_connections_are_known_is_changed_by_the_printed_command(process: Machine) -> None:
    chain = "type filter hook output priority raw; policy drop; oif lo accept;"
    process.run(f"nft 'table inet mine {{ chain c {{ {chain} }}; }}'")
    said = ask(process)
    advice = next(told[0] for mark, _, told in said.lines if mark == "✘")
    process.run(advice)
    also = ask(process)
    process.run("nft delete table inet mine")
    said.only_broken("the table 'inet mine' drops the server's answers (policy drop)", "policy accept")
    also.well("firewall: lets port 12345 in")


def test_a_table_of_nft_that_drops_some_desks_is_marked(process: Machine) -> None:
    table = "nft 'table inet mine {{ chain c {{ type filter hook {}; {}; }}; }}'"
    process.run(table.format("prerouting priority -300", "ip saddr 10.0.108.0/24 tcp dport 12345 drop"))
    some = ask(process)
    process.run("nft delete table inet mine; "
                + table.format("input priority 0", "iif eth0 ip saddr != 10.0.107.0/24 drop"))
    only = ask(process)
    process.run("nft delete table inet mine; " + table.format("input priority 0", "tcp dport 12345 drop"))
    local = ask(process)
    process.run("nft delete table inet mine")
    some.warned("drops port 12345 from 10.0.108.0/24: ip saddr 10.0.108.0/24 tcp dport 12345 drop", "nft delete rule")
    only.warned("the table inet mine lets port 12345 through from 10.0.107.0/24 only", "ip saddr 10.0.108.0/24")
    # it drops connections of this machine too, so it is certain
    local.only_broken("a rule of the table 'inet mine' drops port 12345: tcp dport 12345 drop", "nft delete rule")


def test_a_rule_of_docker_user_that_counts_is_marked(container: Machine) -> None:
    rule = DROP.format("I").replace("-j DROP", "-m connlimit --connlimit-above 9 --connlimit-mask 0 -j DROP")
    container.run(f"iptables {rule}")
    said = ask(container)
    container.run(f"iptables {rule.replace('-I ', '-D ', 1)}")
    said.warned("DOCKER-USER: lets port 12345 through, but a rule limits connections", "iptables -D DOCKER-USER")


# --- the way back ---

def test_a_gateway_that_nobody_has_is_broken(process: Machine) -> None:
    process.run("ip route replace default via 192.168.56.77")
    said = ask(process)
    process.run(f"ip route replace default via {HOST_INSIDE}")
    said.only_broken("default route: via 192.168.56.77, an address that nobody has",
                     f"sudo ip route replace default via {HOST_INSIDE}")


def test_a_docker_network_with_the_desks_addresses_is_named(container: Machine) -> None:
    assert any("way back to the desks: not checked" in text for text in ask(container).marked("·"))
    ask(container, f"--desk {DESK}").well(f"answers to {DESK} leave by eth0 via {HOST_INSIDE}")
    container.run("docker network create --subnet 10.0.108.0/24 room")
    said = ask(container, f"--desk {DESK}")
    container.run("docker network rm room; ip route add unreachable 10.0.108.0/24")
    none = ask(container, f"--desk {DESK}")
    container.run("ip route del unreachable 10.0.108.0/24")
    said.only_broken(f"answers to {DESK} leave into the Docker network room", "docker network rm room")
    none.only_broken(f"there is no way to {DESK}", "ip route")


def test_each_desk_in_the_log_is_checked(container: Machine) -> None:
    log = f"event=listening port=12345 data=/tmp/d\nevent=login peer={DESK}\nevent=login peer=172.17.0.9"
    container.run("docker network create --subnet 10.0.108.0/24 room; docker rm -f classcord")
    container.run(f"docker run -d {NAMED} {PUBLISHED} -v {PROJECT}:/app:ro {BASE} sh -c "
                  f"'echo \"{log}\"; exec python3 /app/server.py --data /tmp/d --log-level error'")
    wait_for_answer(container, "127.0.0.1")
    said = ask(container)
    container.run("docker network rm room; docker rm -f classcord")
    said.only_broken(f"answers to {DESK} leave into the Docker network room", "docker network rm room")


# --- the data ---

def test_an_almost_full_volume_is_marked_with_what_frees_it(docker: Machine) -> None:
    run(docker, f"{PUBLISHED} --tmpfs /data:size=60m", "--data /data")
    said = ask(docker)
    said.warned("data: the disk is almost full", "docker exec classcord du -ah /data", "/data/backups",
                "frees nothing in a volume:  docker system prune")


# --- what the doctor says as a whole ---

def test_where_all_is_well_it_says_what_remains_and_the_next_place(container: Machine) -> None:
    said = ask(container)
    note = next(told for mark, text, told in said.lines if mark == "·" and text.startswith("seen: "))
    assert f"next, on the host:  sudo make doctor ARGS='--from-host --vm {VM}'" in note
    assert not any("in the VM" in line for line in note)


def test_it_speaks_french_and_with_json_it_says_the_same(container: Machine) -> None:
    text = container.run("make doctor", cwd=PROJECT).stdout
    assert text.startswith("Dans cette machine, port 12345 :\n ✔ serveur : le conteneur classcord tourne (Up ")
    assert text.endswith("Rien n'est rompu, pour autant qu'on puisse le voir d'ici.\n")
    said = json.loads(container.run("make doctor ARGS=--json", cwd=PROJECT).stdout)
    assert (said["place"], said["port"], said["broken"]) == ("vm", 12345, 0)
    for hop in said["hops"]:
        # times and sizes change, and the kernel's entry for the gateway ages: then nothing proves that it exists
        same = re.split("[,;]", hop["text"])[0].rstrip() if hop["name"] == "route" else hop["text"]
        assert hop["name"] in ("server", "data") or same in text
    english = container.run("make doctor CLASSCORD_LANG=en", cwd=PROJECT).stdout
    assert english.startswith("In this machine, port 12345:\n")
    assert container.run("find deploy -name __pycache__", cwd=PROJECT).stdout == ""
