"""The hops of the host: from its own address to the VM's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import virtualbox
from hops import Finding, Hop, Remedy, Text, broken, note, ok, text, unknown, warn
from host_facts import Host
from host_firewall import hears_the_vm, look_at_firewall, look_at_forwarding, look_at_hearing
from page import look_at_page
from texts import in_words

__all__ = ["HOPS", "Host"]

_VIRTUALBOX = "sh deploy/nat/virtualbox.sh"
_CONTAINERS = ("docker-proxy", "rootlessport", "rootlesskit")  # the processes that listen for them


def _how_to_forward(host: Host) -> list[Remedy]:
    """What to type if nothing forwards the port, and it is not known which hypervisor should."""
    by_kernel: list[Remedy] = [host.apply() if host.linux else text("host_see_containers")]
    if host.linux and not host.vm:
        by_kernel.append(text("host_which_address", command=f"make doctor{host.setting}"))
    if not host.has_virtualbox:
        return by_kernel
    other, *more = by_kernel
    by_virtualbox = text("host_as_user", command=f"{_VIRTUALBOX} apply{host.flag}")
    return [by_virtualbox, text("host_not_virtualbox", command=other), *more]


def _taken(host: Host) -> Finding:
    """Something of this host has the port, and is not on the way to the server."""
    port = host.port
    containers = text("host_stop_container", command=f"docker ps --filter publish={port}")
    if host.forward is not None:
        outcome = host.machine.probe(host.forward.address, host.forward.port)
        return broken("host_taken_container", containers, port=port, address=host.forward.address,
                      outcome=in_words(outcome))
    remedies: list[Remedy] = []
    for process in host.processes:
        if process.name in _CONTAINERS:
            remedies += [containers] if containers not in remedies else []
        elif process.pid == 1:  # systemd listens, for a socket unit
            remedies.append(text("host_which_program", command="systemctl list-sockets"))
        else:
            remedies.append(text("port_taken", command=f"sudo kill {process.pid}", name=process.name, pid=process.pid))
            if process.unit.endswith(".service"):
                remedies.append(text("host_comes_back", command=f"sudo systemctl stop {process.unit}"))
    if not remedies:
        remedies.append(_which_program(host))
    if host.virtualbox is not None:
        remedies.append(text("host_restart_vm"))
    else:
        first, *more = _how_to_forward(host)
        remedies += [text("host_then", command=first), *more]
    programs = host.programs or text("host_some_program")
    return broken("host_taken", *remedies, port=port, programs=programs, outcome=in_words(host.through))


def _which_program(host: Host) -> Text:
    look = f"lsof -nP -iTCP:{host.port} -sTCP:LISTEN" if host.mac else f"ss -ltnp sport = :{host.port}"
    return text("host_which_program", command=f"sudo {look}")


def look_at_nat(host: Host) -> Iterator[Finding]:
    """What forwards the port."""
    port, vm = host.port, host.vm
    if host.forwarder == "taken":
        yield _taken(host)
    elif host.forwarder == "kernel" and host.forward is not None:
        yield ok("host_nat", port=port, vm=vm, inner=host.inner)
    elif host.forwarder == "elsewhere" and host.forward is not None:
        yield broken("host_nat_elsewhere", host.apply(), port=port, other=host.forward.address, vm=vm)
    elif host.virtualbox is not None:
        shown = f"{host.virtualbox.vm}: {host.virtualbox.rule}"
        if host.virtualbox.runs:
            yield ok("host_nat_virtualbox", port=port, rule=shown)
        else:
            status = text("host_start_vm", command=f"{_VIRTUALBOX} status{host.flag}")
            yield broken("host_nat_off", status, port=port, rule=shown, state=host.virtualbox.state)
    elif host.forwarder == "program":
        yield warn("host_nat_program", port=port, programs=host.programs or "?")
    elif host.forwarder == "none":
        yield broken("host_nat_none", *_how_to_forward(host), port=port)
    elif host.linux:
        yield unknown("host_nat_root", host.again())
    else:
        yield unknown("host_nat_unseen")
    others = sorted({each.address for each in host.forwards} - {host.forward.address if host.forward else ""})
    if others and host.forwarder == "kernel":
        yield warn("host_nat_two", "sudo nft list ruleset; sudo iptables -t nat -S", port=port, others=" ".join(others))


def look_at_virtualbox(host: Host) -> Iterator[Finding]:
    """Whether this VirtualBox is one that forwards ports unreliably."""
    if host.forwarder in ("kernel", "elsewhere") or not host.has_virtualbox:
        return
    number = virtualbox.version(host.machine)
    if virtualbox.is_faulty(number):
        cures = text("host_virtualbox_update"), text("host_virtualbox_bridge")
        yield warn("host_virtualbox_faulty", *cures, version=number)


def look_at_vm(host: Host) -> Iterator[Finding]:
    """Whether the server in the VM answers this host, asked like a desk asks."""
    if host.forwarder == "off" or (host.forwarder == "taken" and not host.given):
        return
    if host.forwarder == "virtualbox" or (host.forwarder == "program" and not host.vm):
        yield note("host_vm_behind")
    elif not host.vm:
        command = f"make doctor ARGS='--from-host --vm ADDRESS'{host.setting}"
        yield unknown("host_vm_unknown", text("host_in_vm", command=f"make doctor{host.setting}"),
                      text("host_then", command=command))
    elif host.way is None:
        yield broken("host_vm_no_way", text("host_network_up", command="ip -4 addr"), vm=host.vm)
    elif host.answer.answered:
        host.vm_answers = True
        outcome = in_words(host.answer)
        if host.card:
            yield ok("host_vm_by", outcome=outcome, vm=host.vm, inner=host.inner, card=host.card)
        else:
            yield ok("host_vm", outcome=outcome, vm=host.vm, inner=host.inner)
    else:
        yield _why_not(host)


def _why_not(host: Host) -> Finding:
    """The VM's server did not answer."""
    vm, inner, outcome = host.vm, host.inner, in_words(host.answer)
    in_vm = text("host_in_vm", command=host.in_vm())
    ufw = f"sudo sh deploy/ufw.sh status{host.inner_flag}"
    let_in = text("host_let_in", source=host.desk_like or host.inside, command=ufw)
    if hears_the_vm(host) is not None:
        return unknown("host_vm_unheard", vm=vm)
    host.next_is_vm = True
    if host.desk_like and host.answer.kind == "timeout" and host.machine.probe(vm, inner).answered:
        route = text("host_in_vm", command=f"sudo ip route replace default via {host.inside}")
        return broken("host_no_way_back", route, in_vm, let_in, inside=host.inside, desk=host.desk_like)
    if host.answer.kind in ("refused", "other", "silent", "closed"):
        other = [text("host_other_vm", new=host.moved, command=host.apply(host.moved))] if host.moved else []
        return broken("host_vm_on", in_vm, *other, vm=vm, inner=inner, outcome=outcome)
    if host.moved:
        host.next_is_vm = False
        return broken("host_vm_moved", host.apply(host.moved), text("host_fixed"), vm=vm, new=host.moved)
    if host.pings(vm):
        unmask = [_unmask(host)] if host.hides_clients else []
        return broken("host_vm_on", in_vm, let_in, *unmask, vm=vm, inner=inner, outcome=outcome)
    remedies: list[Remedy] = [text("host_vm_is_on", command=host.in_vm())]
    if host.linux:
        remedies.append(text("host_then", command=host.apply("ADDRESS")))
    remedies.append(text("host_fixed"))
    if host.neighbours.get(vm) == "FAILED":
        return broken("host_vm_nobody", *remedies, vm=vm)
    return broken("host_vm_dead", *remedies, vm=vm)


def _unmask(host: Host) -> Text:
    """How the server gets to see the desks' addresses."""
    if host.masquerades:
        return text("host_unmask", command=host.apply(masquerade=False))
    return text("host_look", command="sudo nft list ruleset; sudo iptables -t nat -S")  # another program's rule


def look_through(host: Host) -> Iterator[Finding]:
    """The port at this host's own address, the one that desks use."""
    lan, port = host.lan, host.port
    if not lan:
        if host.mac or host.machine.has("ip"):
            yield broken("host_no_lan", "ip -4 addr")
        return
    if host.forwarder in ("none", "off", "elsewhere", "taken") or (host.forwarder == "kernel" and not host.vm_answers):
        yield note("host_through_unchecked")
        return
    if host.forward is not None and not host.forward.own:
        yield note("host_through_others", f"make doctor ARGS='--from-slam {lan}'{host.setting}")
        return
    outcome = host.through
    if outcome.answered:
        host.reached = True
        yield ok("host_through", outcome=in_words(outcome), lan=lan, port=port)
        return
    remedies = list(_to_go_through(host))
    host.next_is_vm = host.forwarder == "virtualbox" or (
        host.forwarder == "program" and (host.known_forwarder() or not host.processes))
    yield broken("host_through_broken", *remedies, lan=lan, port=port, outcome=in_words(outcome))


def _to_go_through(host: Host) -> Iterator[Remedy]:
    """What to type if the port does not lead to the server, and nothing says that another program has it."""
    in_vm = text("host_in_vm", command=host.in_vm())
    if host.forwarder == "kernel":
        yield host.apply()
    elif host.forwarder == "virtualbox":
        yield from (in_vm, text("host_as_user", command=f"{_VIRTUALBOX} status{host.flag}"))
    elif host.forwarder == "program":
        if not host.known_forwarder():
            for process in host.processes:
                yield text("host_stop_unless", name=process.name, pid=process.pid, command=f"sudo kill {process.pid}")
        yield from (in_vm, _which_program(host))
    else:
        if host.through.kind == "other":
            yield _which_program(host)
        yield from _how_to_forward(host)


def look_at_browsers(host: Host) -> Iterator[Finding]:
    """Whether a browser gets the page at the address that desks use."""
    if host.reached and host.through.kind == "answers":
        yield look_at_page(host.machine, host.lan, host.port, look=text("host_in_vm", command=host.in_vm()),
                           turn_on=text("page_on_in_vm", command=host.in_vm()))


def look_at_desks(host: Host) -> Iterator[Finding]:
    """Which address the server sees for a desk."""
    if host.forwarder == "kernel":
        if host.hides_clients:
            yield warn("host_desks_hidden", _unmask(host))
        else:
            yield ok("host_desks")
    elif host.forwarder in ("virtualbox", "off"):
        yield warn("host_desks_virtualbox")
    elif host.forwarder != "taken":
        yield note("host_desks_unknown", text("host_in_vm", command=host.in_vm()))


def look_ahead(host: Host) -> Iterator[Finding]:
    """What was seen, what remains, and the one place to look at next: so nobody is sent back and forth."""
    desk = text("host_next_desk", command=host.at_desk())
    if not host.faults:
        between = text("host_between_desk", command=f"sudo tcpdump -ni any tcp port {host.port}")
        yield note("host_end_well" if host.vm_answers or host.reached else "host_end_unsure", desk, between)
    elif host.faults[0] in ("vm", "through") and host.next_is_vm:
        capture = text("host_between", command=f"sudo tcpdump -ni any tcp port {host.inner}")
        yield note("host_end_vm", text("host_between_virtualbox") if host.forwarder == "virtualbox" else capture)
    elif host.faults[0] == "page":
        yield note("host_end_page")
    else:
        yield note("host_end_here")


def _kept(name: str, look: Callable[[Host], Iterable[Finding]]) -> Hop[Host]:
    """A hop whose faults the last hop knows."""
    def looked(host: Host) -> Iterator[Finding]:
        for finding in look(host):
            if finding.mark == "broken":
                host.faults.append(name)
            yield finding

    return Hop(name, looked)


HOPS = [
    _kept("nat", look_at_nat),
    _kept("virtualbox", look_at_virtualbox),
    _kept("vm", look_at_vm),
    _kept("forwarding", look_at_forwarding),
    _kept("firewall", look_at_firewall),
    _kept("answers", look_at_hearing),
    _kept("through", look_through),
    _kept("page", look_at_browsers),
    _kept("desks", look_at_desks),
    _kept("next", look_ahead),
]
