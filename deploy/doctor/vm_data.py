"""The VM's hops of the data, and of the desks that the server has seen."""

from __future__ import annotations

from collections.abc import Iterator

from addresses import first
from hops import Finding, Remedy, broken, note, ok, text, unknown, warn
from vm_facts import Vm

__all__ = ["look_at_data", "look_at_desks"]

_FULL, _ALMOST_FULL = 10 * 1024, 100 * 1024  # kB that are left


def look_at_data(vm: Vm) -> Iterator[Finding]:
    """Whether the server can write its data, and how much room is left."""
    folder = vm.log.field("data", "listening")
    if vm.runner == "container":
        assert vm.container is not None
        folder = folder or "/data"
        room = vm.docker.run("exec", vm.container.name, "df", "-P", folder).out
    elif vm.runner == "unit":
        room = vm.machine.run("df", "-P", folder or "/var/lib").out or vm.machine.run("df", "-P", "/var/lib").out
    else:
        return
    if vm.log.last_of("storage_failed", "storage_recovered", "listening") == "storage_failed":
        yield broken("data_not_written", text("disk_full", command="df -h"),
                     text("other_owner", command=f"ls -ld {folder or '/var/lib/classcord'}"),
                     detail=vm.log.field("detail", "storage_failed"))
        return
    lines = [line.split() for line in room.splitlines()[1:2]]
    free = lines[0][3] if lines and len(lines[0]) > 3 else ""
    if not free.isdecimal():
        yield unknown("data_unseen", "df -h")
    elif int(free) < _FULL:
        yield broken("data_full", *_free(vm, folder), free=free, folder=folder or "/var/lib")
    elif int(free) < _ALMOST_FULL:
        yield warn("data_almost_full", *_free(vm, folder), free=int(free) // 1024, folder=folder or "/var/lib")
    else:
        yield ok("data", free=int(free) // 1024, folder=folder or "/var/lib")


def _free(vm: Vm, folder: str) -> list[Remedy]:
    """What frees room: for a volume, only what is deleted in it, or on the disk that it lies on."""
    if vm.runner != "container":
        return [text("whats_in_it", command=f"df -h; sudo du -xah {folder or '/var/lib'} | sort -h | tail"),
                text("old_copies", command="sudo ls -l /var/backups/classcord"),
                text("disk_logs", command="sudo apt clean; sudo journalctl --vacuum-size=50M")]
    assert vm.container is not None
    inside = f"docker exec {vm.container.name}"
    return [text("whats_in_it", command=f"{inside} df -h {folder}; {inside} du -ah {folder}"),
            text("old_copies", command=f"{inside} sh -c 'rm {folder}/backups/*.db'"),
            text("disk_logs", command="df -h; sudo apt clean; sudo journalctl --vacuum-size=50M"),
            text("prune_is_no_help", command="docker system prune")]


def look_at_desks(vm: Vm) -> Iterator[Finding]:
    """The clients' addresses in the log. One address for all desks means that a NAT hides them."""
    if vm.runner not in ("container", "unit"):
        return
    if not vm.log.lines:
        yield unknown("desks_unseen", vm.sudo_doctor)
    elif vm.passed_as in vm.log.peers:
        yield note("desks_passed_on", address=vm.passed_as)
    elif vm.one_address in vm.log.peers:
        address = vm.own[0].address if vm.own else "ADDRESS"
        apply = f"sudo sh deploy/nat/linux.sh apply --vm {address}{vm.flag} --no-masquerade"
        yield warn("desks_hidden", text("without_masquerade", command=apply), address=vm.one_address)
    elif vm.peers:
        yield ok("desks", peers=first(vm.peers))
    else:
        yield note("desks_none")
