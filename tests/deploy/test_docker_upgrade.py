"""An upgrade of the container: the image before and the data before are kept, and there is a way back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count

import pytest

from tests.deploy.docker import clear, containers, make, refused, state
from tests.deploy.lab import VM, answers, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Machine
from tests.support import unique

pytestmark = pytest.mark.lab
LABELS = "org.opencontainers.image."
GIT = "git -c user.name=t -c user.email=t@example.org"
ROLLBACK = "To return to the image before, classcord-server:previous: make docker-rollback\n"
_numbers = count()


@pytest.fixture(scope="module")
def cached(docker_vm: Machine) -> Machine:
    """The VM with an engine that has built the project as it is here, under a name that no test uses."""
    docker_vm.run("docker build -q -t cache .", cwd=PROJECT)
    return docker_vm


@pytest.fixture
def vm(cached: Machine) -> Iterator[Machine]:
    """The same with the project as it is here, and no container, image and data of other tests."""
    cached.lay_project()
    yield cached
    clear(cached)
    names = "classcord-server classcord-server:previous classcord-server:last-classcord"
    cached.run(f"docker rmi {names}; docker volume rm classcord-data", check=False)


def change(vm: Machine) -> None:
    """Make the next image another one, in the shortest time: the builder takes the rest from its cache."""
    add(vm, f"LABEL change={next(_numbers)}", "Dockerfile")


def add(vm: Machine, line: str, file: str) -> None:
    vm.run(f"echo '{line}' >>{file}", user=USER, cwd=PROJECT)


def commit(vm: Machine) -> str:
    """Commit all that is in the project's folder; the commit."""
    line = f"git init -q . && git add -A && {GIT} commit -qm all && git rev-parse HEAD"
    return vm.run(line, user=USER, cwd=PROJECT).stdout.strip()


def image(vm: Machine, name: str = "classcord-server") -> str:
    return vm.run(f"docker image inspect -f '{{{{.Id}}}}' {name}").stdout.strip()


def labels(vm: Machine, name: str = "classcord-server") -> dict[str, str]:
    found: dict[str, str] = json.loads(vm.run(f"docker image inspect -f '{{{{json .Config.Labels}}}}' {name}").stdout)
    return {label.removeprefix(LABELS): value for label, value in found.items()}


def backups(vm: Machine) -> list[str]:
    line = "docker run --rm -v classcord-data:/data --entrypoint sh classcord-server -c 'ls /data/backups || :'"
    return vm.run(line).stdout.split()


def ask(vm: Machine, kind: str, name: str) -> str:
    line = json.dumps({"type": kind, "username": name, "password": "azerty"})
    return vm.run(f"nc.openbsd -N {VM} 12345", input=line + "\n").stdout


def test_the_image_before_and_the_data_before_are_kept_and_run_again(vm: Machine) -> None:
    first_commit = commit(vm)
    make(vm, "docker-run")
    first = image(vm)
    alice, bob = unique("alice"), unique("bob")
    assert '"ok"' in ask(vm, "register", alice)
    # the same image again, with another setting, is not an upgrade
    assert "backup" not in make(vm, "docker-run CLASSCORD_LANG=en").stdout
    assert backups(vm) == []
    change(vm)
    second_commit = commit(vm)
    said = make(vm, "docker-run CLASSCORD_LANG=en")
    assert said.stderr == ""
    saved = re.search(
        r"^The data of before the upgrade is in the volume classcord-data: (/data/backups/classcord-\d+T\d+Z\.db)"
        r" \(the last 3 are kept\)\.$", said.stdout, re.MULTILINE,
    )
    assert saved is not None, said.stdout
    assert (
        f"Now it is version 0.1.0 (commit {second_commit[:12]}), before it was version 0.1.0 (commit"
        f" {first_commit[:12]}).\n{ROLLBACK.strip()} CLASSCORD_LANG=en\n"
    ) in said.stdout
    second = image(vm)
    assert (image(vm, "classcord-server:previous"), first == second) == (first, False)
    assert '"ok"' in ask(vm, "register", bob)

    back = make(vm, "docker-rollback CLASSCORD_LANG=en")
    assert state(vm)["Image"] == first == image(vm)
    assert image(vm, "classcord-server:previous") == second
    assert "CLASSCORD_LANG=en" in state(vm)["Config"]["Env"]
    assert f"Now it is version 0.1.0 (commit {first_commit[:12]}), before it was" in back.stdout
    assert '"ok"' in ask(vm, "login", bob), "what was written meanwhile is still there"
    assert len(backups(vm)) == 2
    # and the data of before the upgrade can be put back
    vm.run(f"docker stop classcord && docker run --rm -v classcord-data:/data classcord-server restore {saved[1]}")
    vm.run("docker start classcord")
    wait_for_answer(vm, VM)
    assert '"ok"' in ask(vm, "login", alice)
    assert '"ok"' not in ask(vm, "login", bob)

    make(vm, "docker-rollback")
    assert state(vm)["Image"] == second
    assert containers(vm) == ["classcord"]


def test_the_last_three_backups_are_kept_and_other_files_too(vm: Machine) -> None:
    make(vm, "docker-run")
    vm.run("docker exec classcord sh -c 'mkdir /data/backups && touch /data/backups/mine.db'")
    kept: list[str] = []
    for number in range(5):
        change(vm)
        make(vm, "docker-run")
        now = [name for name in backups(vm) if name != "mine.db"]
        assert len(now) == min(number + 1, 3)
        assert kept[-2:] == now[:-1][-2:], "the newest stay"
        kept = now
    assert "mine.db" in backups(vm)
    modes = "docker exec classcord stat -c %a /data/backups /data/backups/" + kept[0]
    assert vm.run(modes).stdout.split()[1] == "600"


def test_data_that_cannot_be_saved_stops_the_upgrade_before_anything_is_replaced(vm: Machine) -> None:
    make(vm, "docker-run")
    first = state(vm)
    vm.run("docker exec classcord sh -c 'echo no >/data/backups'")
    add(vm, "# changed", "classcord/__init__.py")
    line = refused(vm, "docker-run")
    assert line.startswith("docker.sh: the data can't be saved before the upgrade, so nothing was replaced: mkdir: ")
    assert line.endswith("; to go on without that: make docker-run BACKUP=no\n")
    assert (state(vm)["Id"], state(vm)["State"]["StartedAt"]) == (first["Id"], first["State"]["StartedAt"])
    assert answers(vm, VM)
    assert "can't be saved" in refused(vm, "docker-stop docker-run"), "it is the same without a container"
    assert "BACKUP=maybe: give yes or no" in refused(vm, "docker-run BACKUP=maybe")
    make(vm, "docker-run BACKUP=no")
    assert "# changed" in vm.run("docker exec classcord cat /app/classcord/__init__.py").stdout


def test_a_stopped_container_and_a_removed_one_are_upgraded_with_a_backup_too(vm: Machine) -> None:
    make(vm, "docker-run")
    vm.run("docker kill classcord")  # so that a write-ahead log is left
    change(vm)
    assert "The data of before the upgrade is in" in make(vm, "docker-run").stdout
    make(vm, "docker-stop")
    change(vm)
    assert "The data of before the upgrade is in" in make(vm, "docker-run").stdout
    assert len(backups(vm)) == 2


@pytest.mark.parametrize(("container", "way"), [
    ("kept", "make docker-build"), ("removed", "make docker-build"), ("removed", "make docker-load FILE=/tmp/new.gz"),
    ("removed", "docker build -t classcord-server ."),
])
def test_whatever_way_a_new_image_comes_its_first_run_saves_the_data_and_names_the_way_back(
    vm: Machine, container: str, way: str
) -> None:
    make(vm, "docker-run")
    first = image(vm)
    assert '"ok"' in ask(vm, "register", unique("alice"))
    if "load" in way:
        change(vm)
        make(vm, "docker-build docker-save FILE=/tmp/new.gz")
        vm.run(f"docker tag {first} classcord-server")
    if container == "removed":
        make(vm, "docker-stop")
    if "load" not in way:  # an image that never runs; it must not become the one to return to
        change(vm)
        vm.run(way, user=USER, cwd=PROJECT)
        change(vm)
    vm.run(way, user=USER, cwd=PROJECT)
    assert image(vm) != first
    said = make(vm, "docker-run").stdout
    assert "The data of before the upgrade is in the volume classcord-data: /data/backups/classcord-" in said
    assert said.index(ROLLBACK) < said.index("The server runs in the container classcord and answers")
    assert image(vm, "classcord-server:previous") == first
    # the same image again is not an upgrade
    assert "image before" not in make(vm, "docker-stop docker-build docker-run").stdout
    assert len(backups(vm)) == 1


def test_data_of_an_image_that_is_not_known_is_saved_too(vm: Machine) -> None:
    """Another image may have used it: one of Compose, or one that docker-clean removed."""
    make(vm, "docker-run docker-clean")
    assert vm.run("docker images -q classcord-server").stdout == ""
    change(vm)
    said = make(vm, "docker-build docker-run").stdout
    assert "The data of before the upgrade is in" in said
    assert "image before" not in said, "there is none"
    make(vm, "docker-run")
    assert len(backups(vm)) == 1
    # a container that kept its data elsewhere says nothing about the data in the volume
    change(vm)
    make(vm, "docker-stop docker-build")
    vm.run("docker run -d --name classcord classcord-server")
    make(vm, "docker-run")
    assert len(backups(vm)) == 2


def test_the_last_image_is_that_of_this_data_whatever_the_image_is_called(vm: Machine) -> None:
    make(vm, "docker-run")
    first = image(vm)
    make(vm, "docker-run NAME=second PORT=2000")
    change(vm)
    said = make(vm, "docker-stop docker-run IMAGE=other").stdout
    assert "The data of before the upgrade is in" in said
    assert image(vm, "other:previous") == first
    assert "To return to the image before, other:previous: make docker-rollback IMAGE=other\n" in said
    make(vm, "docker-stop NAME=second")
    second = make(vm, "docker-run NAME=second PORT=2000").stdout
    assert "The data of before the upgrade is in the volume second-data: " in second
    vm.run("docker rm -f classcord second; docker volume rm second-data; docker rmi other:previous other"
           " classcord-server:last-second")
    assert "make docker-run gives that name" in refused(vm, "docker-run IMAGE=classcord-server:last-classcord")


def test_an_image_without_labels_names_its_version_itself(vm: Machine) -> None:
    """Compose and docker build know neither version nor commit."""
    commit(vm)
    vm.run("docker build -q -t by-hand .", cwd=PROJECT)
    vm.run("docker run -d --name classcord -v classcord-data:/data by-hand")
    by_hand = image(vm, "by-hand").removeprefix("sha256:")[:12]
    version = vm.run("docker run --rm by-hand --version").stdout.split()[1]
    said = make(vm, "docker-run").stdout
    line = rf"^Now it is version {version} \(commit .*\), before it was version {version}, image {by_hand}\.$"
    assert re.search(line, said, re.MULTILINE), said
    vm.run("docker rmi by-hand")


def test_an_image_that_does_not_start_names_the_way_back(vm: Machine) -> None:
    make(vm, "docker-run docker-stop")
    add(vm, 'raise SystemExit("broken")', "classcord/__init__.py")
    done = make(vm, "docker-run", check=False)
    assert done.stderr.startswith(
        "docker.sh: the container stopped: broken\ndocker.sh: to start the image before: make docker-rollback\n"
    )
    assert "Now it is" in make(vm, "docker-rollback").stdout
    assert answers(vm, VM)
    # a rollback to the broken image leaves all as it is
    names = image(vm), image(vm, "classcord-server:previous")
    done = make(vm, "docker-rollback", check=False)
    assert done.stderr.startswith(
        "docker.sh: the container stopped: broken\ndocker.sh: nothing was replaced: the old container runs again\n"
    )
    assert answers(vm, VM, seconds=2)
    assert (image(vm), image(vm, "classcord-server:previous")) == names


def test_the_old_container_runs_again_is_only_said_when_it_answers(vm: Machine) -> None:
    """A file in its data makes the old server fail at its next start."""
    make(vm, "docker-run")
    vm.run("docker exec classcord sh -c 'rm /data/classcord.db* && mkdir /data/classcord.db'")
    done = make(vm, "docker-run CLASSCORD_LANG=xx", check=False)
    assert "docker.sh: the container stops each time that it is started: " in done.stderr
    assert "the old container runs again" not in done.stderr
    line = "nothing was replaced, but the old container does not answer again: make docker-logs shows why\n"
    assert line in done.stderr
    vm.run("docker rm -f classcord; docker volume rm classcord-data")


def test_without_an_image_before_a_rollback_says_so(vm: Machine) -> None:
    make(vm, "docker-run")
    first = state(vm)["Id"]
    assert refused(vm, "docker-rollback") == (
        "docker.sh: there is no image classcord-server:previous: make docker-run keeps the old image when it makes a"
        " new one\n"
    )
    assert "make docker-rollback starts the image of that name" in refused(
        vm, "docker-run IMAGE=classcord-server:previous"
    )
    assert state(vm)["Id"] == first


def test_clean_removes_the_image_before_too(vm: Machine) -> None:
    make(vm, "docker-build")
    change(vm)
    make(vm, "docker-build")
    said = make(vm, "docker-clean VOLUME=yes").stdout
    assert said == "The image classcord-server is removed.\nThe image classcord-server:previous is removed.\n"


def test_the_labels_say_which_code_it_is_and_never_a_password(vm: Machine) -> None:
    def in_project(line: str) -> None:
        vm.run(line, user=USER, cwd=PROJECT)

    vm.run("docker build -q -t by-hand .", cwd=PROJECT)
    assert labels(vm, "by-hand").keys() == {"title", "description"}, "what is not known is not said"
    make(vm, "docker-build")
    version = vm.run("docker run --rm classcord-server --version").stdout.split()[1]
    # not a repository: neither is one around it
    assert (labels(vm)["version"], "revision" in labels(vm), "source" in labels(vm)) == (version, False, False)
    head = commit(vm)
    in_project("git remote add origin https://alice:sec@ret@git.example.org/classcord.git")
    vm.run("sh deploy/docker.sh build", cwd=PROJECT)  # root, in a folder of another user
    assert labels(vm)["revision"] == head
    assert labels(vm)["source"] == "https://git.example.org/classcord.git"
    add(vm, "changed", "README.md")
    make(vm, "docker-build")
    assert labels(vm)["revision"] == head, "README is not in the image"
    change(vm)
    make(vm, "docker-build")
    assert labels(vm)["revision"] == f"{head}-dirty"
    in_project("git remote set-url origin /srv/classcord.git")
    make(vm, "docker-build")
    assert "source" not in labels(vm)
    vm.run("docker rmi by-hand")
    # a zip of the project in a folder of another repository
    in_project(f"rm -rf .git && git init -q ~ && cd ~ && git add .bashrc && {GIT} commit -qm other")
    make(vm, "docker-build")
    assert "revision" not in labels(vm)
    vm.run("rm -rf ~/.git", user=USER)


OLD_ENGINE = """#!/bin/sh
[ "$1" != version ] || { echo 20.10.5+dfsg1; exit; }
exec /usr/bin/docker "$@"
"""


def test_an_engine_that_is_too_old_for_the_base_is_named(vm: Machine) -> None:
    """Such an engine refuses clone3, by which the C library of the base starts a thread."""
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["clone3"], "action": "SCMP_ACT_ERRNO"}]}
    vm.run("cat >/etc/docker/old.json", input=json.dumps(profile))
    vm.run("cat >/etc/docker/daemon.json", input='{"seccomp-profile": "/etc/docker/old.json"}')
    vm.run("mkdir -p /tmp/old && cat >/tmp/old/docker && chmod 755 /tmp/old/docker", input=OLD_ENGINE)
    vm.run("systemctl restart docker")
    try:
        make(vm, "docker-build")
        old = vm.run("PATH=/tmp/old:$PATH sh deploy/docker.sh run", user=USER, cwd=PROJECT, check=False)
        new = make(vm, "docker-run", check=False)
    finally:
        vm.run("rm /etc/docker/daemon.json; systemctl reset-failed docker; systemctl restart docker")
    assert (old.returncode, old.stderr) == (1, (
        "docker.sh: Docker 20.10.5+dfsg1 is too old for the image: it forbids threads there. Install Docker 20.10.10 or"
        " later (https://docs.docker.com/engine/install/); or do without: sudo make install\n"
    ))
    # a newer engine with such a profile is not blamed for its age
    assert "the container stopped: server.py: no thread can be started" in new.stderr
    assert containers(vm) == []


NO_MEMORY_CGROUP = """#!/bin/sh
[ "$1 $2" != "run --detach" ] || echo "WARNING: Your kernel does not support memory limit capabilities or the cgroup is\
 not mounted. Limitation discarded." >&2
exec /usr/bin/docker "$@"
"""


def test_a_kernel_that_ignores_the_memory_limit_is_named(vm: Machine) -> None:
    """Raspberry Pi OS; the engine says so only once, when it makes the container."""
    vm.run("mkdir -p /tmp/pi && cat >/tmp/pi/docker && chmod 755 /tmp/pi/docker", input=NO_MEMORY_CGROUP)
    run = "sh deploy/docker.sh run"
    done = vm.run(f"PATH=/tmp/pi:$PATH {run}", user=USER, cwd=PROJECT)
    assert done.stderr == (
        "docker.sh: this system does not count the memory of a container, so its limit of 512 MB is off."
        " On a Raspberry Pi: see CONTAINERS.md, cgroup_enable=memory\n"
    )
    assert vm.run(run, user=USER, cwd=PROJECT).stderr == ""
    make(vm, "docker-stop")
