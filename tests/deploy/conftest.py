"""Labs for the tests of deploy/, one a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy import machines
from tests.deploy.lab import Lab, base_image


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest test, so that the end does not wait for it alone."""
    items.sort(key=lambda item: item.path.name != "test_fresh_machine.py")


def _lab(folder: Path, *, host: bool) -> Iterator[Lab]:
    lacking = machines.missing()
    if lacking:
        pytest.skip(lacking)
    lab = Lab(folder)
    try:
        try:
            base_image()
            lab.open(host=host)
        except machines.NoMirror as error:
            pytest.skip(str(error))
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The school's network with the VM and its host, new for each module. For tests marked `lab`."""
    yield from _lab(tmp_path_factory.mktemp("lab"), host=True)


@pytest.fixture(scope="module")
def lab_without_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The same with the host switched off. For tests marked `lab`."""
    yield from _lab(tmp_path_factory.mktemp("lab"), host=False)


@pytest.fixture(scope="module")
def vm(lab_without_host: Lab) -> machines.Machine:
    """The VM alone, new for each module. For tests marked `lab`."""
    return lab_without_host.vm


@pytest.fixture(scope="module")
def docker_vm(lab_without_host: Lab) -> machines.Machine:
    """The VM alone with a running engine, which has the base image; new for each module. For tests marked `lab`."""
    lab_without_host.start_engine(lab_without_host.vm)
    return lab_without_host.vm
