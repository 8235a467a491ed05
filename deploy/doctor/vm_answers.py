"""What the VM's firewall does with the server's answers to desks: a rule that lets new connections in is not enough."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import firewall
import nftables
from firewall import CLIENT_PORT, Connection, Table, Verdict, follow
from hops import Finding, Text, broken, text
from nftables import Ruling, rule_on
from vm_facts import Vm

__all__ = ["answers_too", "look_at_answers"]

_ESTABLISHED = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
_CHAINS: dict[str, Sequence[tuple[str, str]]] = {
    "forward": (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "FORWARD"), ("filter", "FORWARD"),
                ("mangle", "POSTROUTING")),
    "output": (("raw", "OUTPUT"), ("mangle", "OUTPUT"), ("filter", "OUTPUT"), ("mangle", "POSTROUTING")),
    "input": (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "INPUT")),
}
"""The chains of iptables on a way, as (table, chain)."""


def look_at_answers(vm: Vm, refused: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """The chains that drop what the server sends back. `refused`: the (table, chain) of nft that drop what desks send,
    which are told already."""
    for way, answer in _answers(vm):
        for table in vm.tables:
            for chain in [chain for name, chain in _CHAINS[way] if name == table.name]:
                verdict = follow(table, chain, answer)
                if _drops(verdict):
                    yield broken("answers_die", _let_back(table, verdict), port=vm.port, table=table.name,
                                 rule=verdict.rule.text)
        for ruling in rule_on(vm.nft, way, answer):
            if _drops(ruling.verdict) and (ruling.table.name, ruling.chain.name) not in refused:
                yield broken("nft_answers_die", _let_back_by_nft(ruling), port=vm.port, table=ruling.table.name,
                             rule=ruling.verdict.rule.text)


def answers_too(vm: Vm, refusing: Ruling) -> list[Text]:
    """What else to type where a chain of nft drops what desks send, if it drops the answers too."""
    chain = refusing.table.name, refusing.chain.name
    return [
        text("answers_too", command=_let_back_by_nft(ruling)) for way, answer in _answers(vm)
        for ruling in rule_on(vm.nft, way, answer)
        if (ruling.table.name, ruling.chain.name) == chain and _drops(ruling.verdict)
    ]


def _answers(vm: Vm) -> Iterator[tuple[str, Connection]]:
    """What comes back, on the way to a desk: the way, and the packets."""
    desk = vm.desk or next((peer for peer in vm.peers if ":" not in peer), "")
    source = next((own.address for own in vm.own if own.card == vm.card), "")
    if not source:
        return
    if vm.delivery == "forward":
        assert vm.container is not None
        yield "forward", Connection(CLIENT_PORT, vm.port, desk, (vm.container_card,), vm.card, True,
                                    vm.container.address, vm.inner_port)
        return
    yield "output", Connection(CLIENT_PORT, vm.port, desk, (), vm.card, True, source, vm.port)
    if vm.delivery == "proxy" and not vm.docker.kind:  # from the container to the program that passes them on
        assert vm.container is not None
        yield "input", Connection(CLIENT_PORT, vm.inner_port, vm.container.gateway, (vm.container_card,), "", True,
                                  vm.container.address, vm.inner_port)


def _drops(verdict: Verdict) -> bool:
    """Whether it is certain that the answers to all desks are dropped."""
    return not verdict.accepted and not verdict.only and not verdict.conditions


def _let_back(table: Table, verdict: Verdict) -> str:
    if table.name == "raw":  # there, no packet belongs to a connection yet
        return firewall.delete_command(table, verdict.rule)
    part = "" if table.name == "filter" else f" -t {table.name}"
    return f"sudo {table.program}{part} -I {verdict.rule.chain} {_ESTABLISHED}"


def _let_back_by_nft(ruling: Ruling) -> str:
    if ruling.chain.sees_states:
        return f"sudo nft insert rule {ruling.table.name} {ruling.chain.name} ct state established,related accept"
    return nftables.delete_command(ruling.verdict.rule)
