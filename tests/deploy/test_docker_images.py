"""deploy/docker.sh and its images: copied to a machine without a registry, run as they are, removed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.deploy.docker import clear, make, refused, state
from tests.deploy.lab import BASE, VM, answers
from tests.deploy.machines import PROJECT, Machine

pytestmark = pytest.mark.lab


@pytest.fixture
def vm(docker_vm: Machine) -> Iterator[Machine]:
    """The VM with an engine, and no container when the test begins and ends; images and volumes stay."""
    yield docker_vm
    clear(docker_vm)


def test_an_image_is_copied_to_a_machine_without_registry_and_built_again_there(vm: Machine) -> None:
    make(vm, "docker-run docker-stop")
    said = make(vm, "docker-save").stdout
    assert said.startswith("The image is in build/classcord-server.tar.gz (")
    vm.run(f"docker image rm -f {BASE}")
    assert make(vm, "docker-clean").stdout == (
        "The image classcord-server is removed.\n"
        "The data stays in the volume classcord-data; VOLUME=yes removes it too.\n"
    )
    assert vm.run("docker images -aq").stdout == ""
    assert "make docker-save writes it" in refused(vm, "docker-load FILE=/tmp/none.tar.gz")
    vm.run("echo nonsense >/tmp/nonsense")
    assert "/tmp/nonsense is not an image" in refused(vm, "docker-load FILE=/tmp/nonsense")
    assert make(vm, "docker-load").stdout == "The image classcord-server is here. Start it: make docker-run\n"
    before = state(vm, "classcord-server")["Id"]
    vm.run(f"echo '# changed' >>{PROJECT}/classcord/__init__.py")
    make(vm, "docker-run")
    vm.lay_project()
    assert state(vm, "classcord-server")["Id"] != before
    assert "# changed" in vm.run("docker exec classcord cat /app/classcord/__init__.py").stdout
    assert vm.run("docker images -q --filter dangling=true").stdout == "", "there must be no unused images"


def test_an_image_is_run_as_it_is_where_its_base_cannot_be_had(vm: Machine) -> None:
    make(vm, "docker-build")
    vm.run(f"docker tag {BASE} kept && docker rmi {BASE}")
    route = vm.run("ip route show default && ip route del default").stdout
    try:
        done = make(vm, "docker-run")
    finally:
        vm.run(f"ip route add {route.strip()}; docker tag kept {BASE} && docker rmi kept")
    assert done.stderr.endswith(
        f"docker.sh: the base image {BASE} can't be downloaded, so nothing was built: the old image classcord-server"
        " is used\n"
    )
    assert answers(vm, VM)


def test_an_image_that_another_container_uses_is_kept(vm: Machine) -> None:
    make(vm, "docker-run")
    vm.run("docker tag classcord-server another-tag")  # with only one tag, the engine itself refuses
    make(vm, "docker-run NAME=second PORT=2000")
    assert make(vm, "docker-clean NAME=second VOLUME=yes").stdout == (
        "The container second is stopped and removed; its data stays in second-data.\n"
        "The image classcord-server stays: the container classcord uses it.\n"
        "The data, the volume second-data, is removed.\n"
    )
    vm.run("docker image inspect classcord-server; docker rmi another-tag")


def test_an_image_for_another_processor_is_copied_without_the_base_of_this_one(vm: Machine) -> None:
    build = "DOCKER_BUILDKIT=1 docker build --quiet --platform linux/arm64 --tag foreign --file - ."
    vm.run(build, cwd=PROJECT, input="FROM scratch\nCOPY server.py /\n")
    make(vm, "docker-save IMAGE=foreign FILE=/tmp/foreign.tar.gz")
    assert json.loads(vm.run("tar -xzOf /tmp/foreign.tar.gz repositories").stdout).keys() == {"foreign"}
    vm.run("docker rmi foreign")
