"""Follows a new TCP connection from somewhere outside, or the answers to it, through the rules of iptables.

It may come in by any card except the one that it leaves by, from any address.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from machine import Machine

__all__ = [
    "CLIENT_PORT", "Connection", "Rule", "Step", "Table", "Verdict", "card_fits", "decide", "delete_command", "follow",
    "iptables", "listed", "parse", "within",
]

CLIENT_PORT = 40000
"""A port that a client's system may choose for its own end."""
_KNOWN = {"tcp", "conntrack", "state", "comment", "multiport", "addrtype", "mark", "pkttype"}
"""The modules of iptables whose options are understood here."""
_NEVER = {"owner", "physdev", "policy", "rpfilter", "socket", "udp", "icmp", "ah", "esp", "sctp"}
"""Modules that say nothing of a normal TCP connection from outside. Any other one is a condition."""


@dataclass(frozen=True)
class Connection:
    """An imagined connection.

    `port`: where it goes now; `original`: where its client sent it; `address`: where it goes now; `cards`: the cards by
    which it may come in; `out`: the card by which it leaves, or an empty text if it ends on this machine.

    With `answer` it is what the server sends back, from `source` and `source_port`; `port` is then the client's.
    """

    port: int
    original: int
    address: str
    cards: tuple[str, ...]
    out: str = ""
    answer: bool = False
    source: str = ""
    source_port: int = CLIENT_PORT

    @property
    def state(self) -> str:
        """Its state, as the kernel's tracking of connections names it."""
        return "ESTABLISHED" if self.answer else "NEW"


@dataclass(frozen=True)
class Rule:
    """A rule as its program prints it. `handle` is nft's number of the rule."""

    table: str
    chain: str
    text: str
    handle: str = ""


@dataclass
class Verdict:
    """What becomes of the connection. `rule` decides it: a rule, or the chain's policy.

    only: the networks that are let in while others are dropped, or, where most are let in, the only ones that no rule
    drops. denied: the networks that are dropped while others are let in. partial: the rules about some networks only.
    conditions: rules that decide otherwise if a condition holds that can't be seen from here, like a number of
    connections in a time.
    """

    accepted: bool = True
    rule: Rule = field(default_factory=lambda: Rule("", "", ""))
    only: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    partial: list[Rule] = field(default_factory=list)
    conditions: list[Rule] = field(default_factory=list)


@dataclass
class Table:
    """A table of iptables: the policies of its chains, and their rules. `program` has it: iptables, iptables-legacy."""

    program: str
    name: str
    policies: dict[str, str] = field(default_factory=dict)
    chains: dict[str, list[str]] = field(default_factory=dict)

    def rules(self) -> list[str]:
        """All rules of the table, in the form of iptables -S."""
        return [rule for chain in self.chains.values() for rule in chain]


def iptables(machine: Machine) -> list[Table]:
    """The tables of all variants of iptables that have rules here. For root only; empty if they can't be read."""
    names = ["iptables"]
    if machine.has("iptables-legacy-save") and machine.has("iptables-nft-save"):
        legacy = "legacy" in machine.run("iptables", "-V").out
        if legacy:
            names.append("iptables-nft")
        elif (machine.read("/proc/net/ip_tables_names") or "").strip():
            names.append("iptables-legacy")  # asked only if it is in use: it would load its modules
    return [
        table for name in names if machine.has(f"{name}-save")
        for table in parse(machine.run(f"{name}-save").out, name)
    ]


def delete_command(table: Table, rule: Rule) -> str:
    """The command that deletes a rule, or that makes a policy let everything through."""
    part = "" if table.name == "filter" else f" -t {table.name}"
    if rule.text.startswith("policy "):
        return f"sudo {table.program}{part} -P {rule.chain} ACCEPT"
    return f"sudo {table.program}{part} {rule.text.replace('-A', '-D', 1)}"


def parse(text: str, program: str = "iptables") -> list[Table]:
    """The tables that iptables-save printed."""
    tables: list[Table] = []
    for line in text.splitlines():
        if line.startswith("*"):
            tables.append(Table(program, line[1:].strip()))
        elif line.startswith(":") and tables:
            name, policy = line[1:].split()[:2]
            tables[-1].chains.setdefault(name, [])
            if policy != "-":
                tables[-1].policies[name] = policy
        elif line.startswith("-A ") and tables:
            tables[-1].chains.setdefault(line.split()[1], []).append(line)
    return tables


@dataclass(frozen=True)
class Step:
    """A rule on the way of the connection.

    result: yes, no, some (only for the sources), others (for all but the sources), or maybe (it has a condition that
    can't be seen from here). verb: accept, drop, return, jump, goto, or an empty text if the rule decides nothing.
    """

    rule: Rule
    result: str
    verb: str
    target: str = ""
    sources: Sequence[str] = ()


def decide(steps: Callable[[str], Iterable[Step]], start: str, policy: tuple[bool, Rule]) -> Verdict:
    """Follow the rules from a chain on. `steps` gives the rules of a chain; `policy` decides if none of them does."""
    allowed: list[str] = []
    only: list[str] = []
    denied: list[str] = []
    partial: list[Rule] = []
    conditions: list[tuple[bool, Rule]] = []

    def chain(name: str, depth: int) -> tuple[bool, Rule] | None:
        """Accepted or not, and the rule that decides; None if the chain ends without a verdict."""
        for step in steps(name) if depth < 20 else ():
            if step.result == "no" or not step.verb:
                continue
            inner = chain(step.target, depth + 1) if step.verb in ("jump", "goto") else None
            if step.verb in ("jump", "goto") and inner is None:
                if step.verb == "goto" and step.result == "yes":
                    return None
                continue
            accepted, rule = inner or (step.verb != "drop", step.rule)
            if step.result == "yes":
                return None if step.verb == "return" else (accepted, rule)
            if step.result == "maybe":
                conditions.append((accepted, step.rule))  # not a rule of the chain that it leads to
            elif step.result == "others":
                (denied if accepted else only).extend(step.sources)
                partial.append(step.rule)
                if accepted and step.verb != "return":
                    return accepted, rule
            elif accepted:
                allowed.extend(step.sources)
            elif not set(step.sources) <= set(allowed):
                denied.extend(source for source in step.sources if source not in allowed)
                partial.append(step.rule)
        return None

    accepted, rule = chain(start, 0) or policy
    against = [condition for accepts, condition in conditions if accepts != accepted]
    return Verdict(accepted, rule, only if accepted else allowed, denied, partial, against)


def follow(table: Table, chain: str, connection: Connection) -> Verdict:
    """What a table does with the connection, from a chain of the kernel on: PREROUTING, INPUT or FORWARD."""

    def steps(name: str) -> Iterator[Step]:
        for line in table.chains.get(name, []):
            match = _Match(line, connection)
            verb = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}.get(match.target, "")
            if match.target in table.chains:
                verb = "jump"
            yield Step(Rule(table.name, name, line), match.result, verb, match.target, [match.source])

    policy = table.policies.get(chain, "ACCEPT")
    return decide(steps, chain, (policy == "ACCEPT", Rule(table.name, chain, f"policy {policy}")))


class _Match:
    """Whether a rule is for this connection: a Step's result, target and source."""

    def __init__(self, line: str, connection: Connection) -> None:
        self.target = self.source = ""
        self.result = "yes"
        self._connection = connection
        try:
            words = shlex.split(line)[2:]
        except ValueError:
            words = line.split()[2:]
        while words and self.result != "no":
            words = self._option(words)

    def _option(self, words: list[str]) -> list[str]:
        """Look at the first option; returns the words behind it."""
        negated = words[0] == "!"
        option, *rest = words[negated:] or [""]
        if option in ("-j", "-g"):
            self.target = rest[0]
            return []
        if option == "-f":  # a later fragment, which has no ports
            self._add(negated)
            return rest
        if option == "--comment":
            return rest[1:]
        if option == "-s":
            self._for_sources(rest[0], negated)
            return rest[1:]
        values = []
        while rest and not (re.match(r"--?[a-z]", rest[0]) or rest[0] == "!"):
            values.append(rest.pop(0))
        fits = self._holds(option, values)
        if fits is None:
            self.result = "maybe"
        else:
            self._add(fits != negated)
        return rest

    def _add(self, fits: bool) -> None:
        if not fits:
            self.result = "no"

    def _for_sources(self, source: str, negated: bool) -> None:
        self.source = source
        if source.startswith("127."):
            self._add(negated)
        elif self._connection.source:
            self._add(within(self._connection.source, source) != negated)
        elif self.result == "yes":
            self.result = "others" if negated else "some"

    def _holds(self, option: str, values: Sequence[str]) -> bool | None:
        """Whether the connection meets an option; None if that can't be seen from here."""
        there = self._connection
        value = values[0] if values else ""
        if option == "-m":
            if value in _NEVER:
                return None if value == "owner" and there.answer else False
            return True if value in _KNOWN else None
        if option == "-p":
            return value in ("tcp", "all", "6")
        if option == "-d":
            return within(there.address, value) if there.address else None
        if option == "-i":
            return any(card_fits(card, value) for card in there.cards)
        if option == "-o":
            return bool(there.out) and card_fits(there.out, value)
        if option in ("--dport", "--dports", "--ports"):
            return listed(there.port, value)
        if option in ("--sport", "--sports"):
            return listed(there.source_port, value)
        if option == "--ctorigdstport":
            return listed(there.original, value)
        if option == "--ctdir":
            return value == ("REPLY" if there.answer else "ORIGINAL")
        if option in ("--ctstate", "--state"):
            states = value.split(",")
            return there.state in states or ("DNAT" in states and bool(there.out))
        if option == "--dst-type":
            return value == "LOCAL" and not there.out
        if option == "--mark":
            return value.startswith("0x0/") or value in ("0x0", "0")
        if option == "--pkt-type":
            return value == "unicast"
        if option == "--tcp-flags":
            return (values[1:] == ["SYN"]) != there.answer
        return None


def card_fits(card: str, pattern: str) -> bool:
    """Whether a card has that name. A + (iptables) or * (nft) at the end stands for any text."""
    return card.startswith(pattern[:-1]) if pattern.endswith(("+", "*")) else card == pattern


def listed(port: int, ports: str) -> bool:
    """Whether the port is in a list like 80,1000:2000 (iptables) or 80, 1000-2000 (nft)."""
    for part in ports.split(","):
        bounds = re.findall(r"\d+", part)
        if bounds and int(bounds[0]) <= port <= int(bounds[-1]):
            return True
    return False


def within(address: str, network: str) -> bool:
    """Whether an IPv4 address is in a network like 10.0.108.0/24, or in a range like 10.0.108.1-10.0.108.9."""
    first, _, last = network.partition("-")
    try:
        if last:
            bounds = ipaddress.IPv4Address(first.strip()), ipaddress.IPv4Address(last.strip())
            return bounds[0] <= ipaddress.IPv4Address(address) <= bounds[1]
        return ipaddress.IPv4Address(address) in ipaddress.IPv4Network(first.strip(), strict=False)
    except ValueError:
        return False
