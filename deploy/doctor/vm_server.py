"""The VM's hops of the server: what runs it, whether it answers, which port its unit has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine import Container
from hops import Finding, Remedy, broken, note, ok, text, unknown, warn
from machine import WAIT
from texts import in_words
from vm_facts import Vm

__all__ = ["look_at_containers", "look_at_health", "look_at_memory", "look_at_server", "look_at_settings"]

_THREADS_ALLOWED = (20, 10, 10)
"""The first Docker whose seccomp profile lets newer systems start a thread (it knows clone3)."""
_NEWER_ENGINE = (
    text("install_docker", command="https://docs.docker.com/engine/install/"),
    text("without_docker", command="sudo make install"),
)


def look_at_server(vm: Vm) -> Iterator[Finding]:
    """What runs the server: a container, a unit, a plain process, or nothing."""
    container, unit = vm.container, vm.unit.state
    state = container.state if container else ""
    if vm.docker.state == "hangs":
        restart = vm.docker.restart
        answers = vm.listeners and vm.local_answer.answered
        yield broken("engine_hangs", text("after_the_lesson", command=restart) if answers else restart)
    elif container and state == "running" and unit == "active":
        yield broken("server_twice", text("keep_container", command="sudo systemctl disable --now classcord"),
                     text("keep_unit", command=f"docker rm -f {container.name}"), name=container.name, port=vm.port)
    elif container and vm.loops and vm.runner == "none":
        yield from _restarts_again(vm, container)
    elif container and state == "running" and _is_another(vm, container):
        yield broken("server_stranger_container", text("stop_it", command=f"docker stop {container.name}"),
                     text("then", command=vm.docker_run), name=container.name, port=vm.port, said=in_words(vm.answer))
    elif container and state == "running":
        yield ok("server_container", name=container.name, status=container.status)
    elif vm.runner == "stranger":
        yield from _stranger(vm)
    elif vm.runner == "unit":
        yield ok("server_unit") if unit == "active" else ok("server_socket")
    elif container and state == "paused":
        yield broken("server_paused", f"docker unpause {container.name}", name=container.name)
    elif unit in ("active", "activating"):
        if unit == "activating" and vm.unit.says("SubState") == "start" and vm.unit.says("NRestarts") == "0":
            yield broken("server_starting", text("ask_again", command=vm.sudo_doctor))
        else:
            yield _unit_fails(vm, "server_unit_again")
    elif vm.runner == "unseen" and vm.passer is not None:
        yield unknown("server_passed_on", text("as_its_user", command=vm.doctor),
                      port=vm.port, name=vm.passer.name, pid=vm.passer.pid)
    elif vm.runner == "unseen":
        yield unknown("server_unseen", vm.sudo_doctor, port=vm.port)
    elif vm.runner == "process":
        process = vm.owners[0] if vm.owners else None
        if process:
            yield ok("server_process_named", port=vm.port, name=process.name, pid=process.pid)
        else:
            yield ok("server_process", port=vm.port)
    elif unit == "failed":
        yield _unit_fails(vm, "server_unit_failed")
    else:
        yield from _nothing(vm)


def _is_another(vm: Vm, container: Container) -> bool:
    """Whether the container that has the port is not ClassCord's."""
    ours = any(each.ours for each in vm.docker.containers if each.name == container.name)
    return not ours and not vm.answer.answered and vm.answer.kind in ("other", "closed", "silent")


def _restarts_again(vm: Vm, container: Container) -> Iterator[Finding]:
    logs = f"docker logs --tail 20 {container.name}"
    yield _engine_is_old(vm, vm.log.lines) or broken("server_restarts", logs, name=container.name, last=vm.log.last)


def _engine_is_old(vm: Vm, lines: Sequence[str]) -> Finding | None:
    """An old engine forbids threads to newer systems. Whether that is why the server in the container fails."""
    said = "\n".join(lines)
    if "can't start new thread" not in said and "no thread can be started" not in said:
        return None
    if not vm.docker.version or vm.docker.version >= _THREADS_ALLOWED:
        return None
    return broken("engine_old", *_NEWER_ENGINE, version=vm.docker.version_text)


def _unit_fails(vm: Vm, key: str) -> Finding:
    result, status = vm.unit.says("Result"), vm.unit.says("ExecMainStatus")
    facts = f" (Result={result} ExecMainStatus={status})" if result not in ("", "success") else ""
    reason = vm.log.complaint()
    remedies: list[Remedy] = [
        "sudo journalctl -u classcord -n 20",
        text("then", command="sudo systemctl reset-failed classcord; sudo systemctl start classcord"),
    ]
    if key == "server_unit_again":
        return broken("server_unit_again", *remedies, facts=facts, reason=f": {reason}" if reason else "")
    return broken("server_unit_failed", *remedies, facts=facts, reason=f": {reason}" if reason else "")


def _stranger(vm: Vm) -> Iterator[Finding]:
    """Another program has the port."""
    start = text("then", command="sudo systemctl restart classcord" if vm.unit.state else vm.docker_run)
    said = in_words(vm.local_answer)
    process = vm.stranger
    if process is None:
        yield broken("server_stranger_unseen", text("who_is_it", command=vm.sudo_doctor), port=vm.port, said=said)
        return
    stop = f"sudo kill {process.pid}"
    if process.unit.endswith(".service") and not process.unit.startswith("user@"):
        stop = f"sudo systemctl disable --now {process.unit.removesuffix('.service')}"
    yield broken("server_stranger", text("stop_it", command=stop), start, port=vm.port, name=process.name,
                 pid=process.pid, said=said)


def _nothing(vm: Vm) -> Iterator[Finding]:
    container = vm.container
    if vm.docker.state == "forbidden":
        yield unknown("containers_unseen", vm.sudo_doctor)
    if container is not None:
        start = vm.docker_run if container.name == vm.asked else f"docker start {container.name}"
        yield _engine_is_old(vm, vm.log.lines) or broken(
            "server_stopped", start, text("why_stopped", command=f"docker logs --tail 20 {container.name}"),
            name=container.name, code=container.exit_code,
        )
    elif vm.unit.state:
        yield broken("server_not_started", "sudo systemctl start classcord", state=vm.unit.state)
    else:
        remedies: list[Remedy] = [text("with_docker", command=vm.docker_run)]
        if vm.docker.state == "down":
            remedies.insert(0, text("engine_first", command="sudo systemctl start docker"))
        if vm.port == 12345:
            remedies.append(text("without_docker", command="sudo make install"))
        else:
            remedies.append(text("without_docker_port", command="sudo make install", port=vm.port))
        yield broken("server_nothing", *remedies, name=vm.asked, port=vm.port)
        if vm.docker.state == "up" and () < vm.docker.version < _THREADS_ALLOWED:
            yield warn("engine_old", *_NEWER_ENGINE, version=vm.docker.version_text)


def look_at_containers(vm: Vm) -> Iterator[Finding]:
    """Whether there is more than one ClassCord container."""
    ours = [each for each in vm.docker.containers if each.ours and each.up]
    if len(ours) > 1:
        used = vm.container.name if vm.container else ""
        yield warn("containers_two",
                   *(text("if_not_wanted", command=f"docker stop {each.name}") for each in ours if each.name != used),
                   count=len(ours), names=", ".join(f"{each.name} (port {each.published})" for each in ours))
    elif ours and vm.container and vm.container.name != vm.asked and any(
            each.name == vm.asked for each in vm.docker.containers):
        yield note("containers_other", asked=vm.asked, name=vm.container.name)


def look_at_memory(vm: Vm) -> Iterator[Finding]:
    """Whether the limit of the container's memory has an effect."""
    if vm.runner == "container" and not vm.docker.counts_memory:
        yield warn("memory_unlimited", text("memory_raspberry", command="/boot/firmware/cmdline.txt"))


def look_at_settings(vm: Vm) -> Iterator[Finding]:
    """The port of the unit in force, if no other hop names it."""
    port = vm.unit.port
    if not vm.unit.state or port in (vm.port, 0):
        return
    ask = f"sudo make doctor PORT={port}"
    if vm.runner == "none":
        yield warn("settings_port", text("set_port", how=_set_port(vm)), ask, unit=port, port=vm.port)
    elif vm.runner == "unit" and vm.listeners:
        yield warn("settings_port_later", text("where_set", command="systemctl cat 'classcord.*'"),
                   f"{vm.unit.restart()}; {ask}", unit=port, port=vm.port)


def _set_port(vm: Vm) -> Remedy:
    if vm.unit.by_socket:
        return text("set_port_socket", command="sudo systemctl edit classcord.socket", port=vm.port)
    return text("set_port_unit", port=vm.port)


def look_at_health(vm: Vm) -> Iterator[Finding]:
    """Whether the server alone answers, without the way to it."""
    if vm.runner == "container":
        yield _container_health(vm)
    elif not vm.listeners:
        logged = vm.log.field("port", "listening")
        port = int(logged) if logged.isdecimal() and vm.unit.state == "active" else vm.unit.port
        if port != vm.port:
            yield broken("health_other_port", _set_port(vm), text("then", command=vm.unit.restart()),
                         text("or_check_port", command=f"sudo make doctor PORT={port}"), listens=port, port=vm.port)
        else:
            yield broken("health_not_listening", "sudo journalctl -u classcord -n 20", port=vm.port)
    elif vm.rejected:  # it listens, so the server is not the cause
        if vm.machine.root:
            yield note("health_blocked")
        else:
            yield broken("health_blocked_why", vm.sudo_doctor, port=vm.port, said=in_words(vm.local_answer))
    elif vm.local_answer.answered:
        yield ok("health", said=in_words(vm.local_answer))
    elif "." in vm.listeners[0].address or vm.listeners[0].address == "*":
        restart: Remedy = text("end_and_start", command="make run")
        if vm.runner == "unit":
            restart = "sudo systemctl restart classcord"
        elif vm.runner == "unseen":
            restart = vm.sudo_doctor
        yield broken("health_here", restart, port=vm.port, said=in_words(vm.local_answer))


def _container_health(vm: Vm) -> Finding:
    """Ask the published port first: as long as that answers, a restart would only throw everybody out."""
    assert vm.container is not None
    name = vm.container.name
    published = not vm.bridged or any(outer.endswith(f":{vm.port}") for _, outer in vm.published)
    answers = published and vm.answer.answered
    check = vm.docker.run("exec", name, "python3", "/app/server.py", "health", seconds=WAIT + 1)
    if check.well:
        return ok("health_container")
    said: Remedy = text("health_too_slow") if check.code is None else _last(check.out + check.err)
    logs = f"docker logs --tail 20 {name}"
    if answers:
        return warn("health_check_fails", text("look", command=logs), said=said, port=vm.port)
    restart = text("then", command=f"docker restart {name}")
    return _engine_is_old(vm, [*vm.log.lines, check.err]) or broken("health_inside", logs, restart, said=said)


def _last(said: str) -> Remedy:
    lines = said.strip().splitlines()
    return lines[-1][:200] if lines else text("health_no_answer")
