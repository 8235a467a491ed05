"""What the tests of deploy/docker.sh share: typing its targets, and asking the engine."""

from __future__ import annotations

import json
from typing import Any

from tests.deploy.machines import PROJECT, USER, Done, Machine, until

__all__ = ["DOCKER", "clear", "containers", "held", "make", "refused", "state"]

DOCKER = '/usr/bin/docker "$@"'
"""The command that a stand-in for docker was called with."""


def make(vm: Machine, words: str, *, check: bool = True, user: str = USER, **more: Any) -> Done:
    """What a person types in the project's folder."""
    return vm.run(f"make --no-print-directory {words}", user=user, cwd=PROJECT, check=check, **more)


def refused(vm: Machine, words: str, **more: Any) -> str:
    """The one line that says why make failed, without make's own line."""
    done = make(vm, words, check=False, **more)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines(keepends=True) if not line.startswith("make:")]
    assert len(lines) == 1, done.stderr
    return lines[0]


def state(vm: Machine, name: str = "classcord") -> dict[str, Any]:
    (facts,) = json.loads(vm.run(f"docker inspect {name}").stdout)
    assert isinstance(facts, dict)
    return facts


def held(vm: Machine, command: str, *, before: str = ":", after: str = ":") -> str:
    """A PATH whose docker stands still at this command: it does `before`, makes /tmp/held, waits for /tmp/go, and does
    `after`."""
    wait = ": >/tmp/held\nuntil test -e /tmp/go; do sleep 0.05; done"
    script = f'#!/bin/sh\n[ "$1" = {command} ] || exec {DOCKER}\n{before}\n{wait}\n{after}\n'
    vm.run("rm -rf /tmp/slow /tmp/held /tmp/go && install -D /dev/stdin /tmp/slow/docker", input=script)
    return "/tmp/slow:$PATH"


def clear(vm: Machine) -> None:
    """Remove all containers. A stopped container of --rm still exists for a moment, and can't be removed twice."""
    remove = "docker ps -aq | xargs -r docker rm -fv >/dev/null; docker ps -aq"
    until(lambda: not vm.run(remove, check=False).stdout, "all containers are gone")


def containers(vm: Machine) -> list[str]:
    return vm.run("docker ps -a --format '{{.Names}}'").stdout.split()
