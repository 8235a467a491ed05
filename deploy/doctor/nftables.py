"""Follows a new TCP connection from somewhere outside through nft's own tables, not those of iptables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from firewall import Connection, Rule, Step, Verdict, card_fits, decide, listed, within
from machine import Machine

__all__ = [
    "HOOKS", "Chain", "NftTable", "Ruling", "delete_command", "forwards", "nftables", "parse_ruleset", "rule_on",
]

HOOKS = {
    "input": ("ingress", "prerouting", "input"), "forward": ("ingress", "prerouting", "forward", "postrouting"),
    "output": ("output", "postrouting"),
}
"""The hooks that a packet passes which ends on this machine, one that is sent on, and one that this machine sends."""
_PRIORITIES = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_DESTINATION_CHANGES = -100  # the priority at which the kernel has changed a destination
_TRACKING = -200  # the priority at which it finds the connection
_IPTABLES = {"filter", "nat", "mangle", "raw", "security"}  # iptables keeps tables of these names
_VERDICTS = {"accept", "drop", "reject", "return", "jump", "goto", "continue", "queue"}
_NAT = {"dnat", "redirect", "masquerade", "snat", "tproxy"}
_SELECTORS = {"ct": 2, "ip": 2, "tcp": 2, "th": 2, "ether": 2, "fib": 3, "rt": 2, "socket": 2}  # and their words
_BEHIND_FLAGS = {"ct", "counter", "log", "tcp", "ip", "limit", "iifname", "meta", "comment"}
_NO_TCP = {"udp", "icmp", "icmpv6", "sctp", "ip6", "arp", "vlan", "esp", "ah", "igmp", "dccp", "udplite"}


@dataclass
class Chain:
    """A chain. Those with a hook are where the kernel begins."""

    name: str
    kind: str = ""
    hook: str = ""
    device: str = ""
    priority: int = 0
    policy: str = "accept"
    rules: list[Rule] = field(default_factory=list)

    @property
    def early(self) -> bool:
        """Whether it is before the place where the kernel changes a destination."""
        return self.hook == "ingress" or (self.hook == "prerouting" and self.priority <= _DESTINATION_CHANGES)

    @property
    def sees_states(self) -> bool:
        """Whether the kernel has found the connection that a packet belongs to."""
        return self.hook != "ingress" and (self.hook not in ("prerouting", "output") or self.priority > _TRACKING)


@dataclass
class NftTable:
    """A table, like `inet mine`, with its chains and the elements of its sets and maps."""

    name: str
    chains: dict[str, Chain] = field(default_factory=dict)
    sets: dict[str, str] = field(default_factory=dict)

    @property
    def of_iptables(self) -> bool:
        """Whether it is the place where iptables keeps its rules."""
        family, _, name = self.name.partition(" ")
        hooked = [chain.name for chain in self.chains.values() if chain.hook]
        return family in ("ip", "ip6") and name in _IPTABLES and all(map(str.isupper, hooked))


@dataclass(frozen=True)
class Ruling:
    """What one chain of nft does with the connection."""

    table: NftTable
    chain: Chain
    verdict: Verdict


def nftables(machine: Machine) -> list[NftTable]:
    """All tables of nft. For root only; empty without nft."""
    return parse_ruleset(machine.run("nft", "-a", "list", "ruleset").out) if machine.has("nft") else []


def parse_ruleset(text: str) -> list[NftTable]:
    """The tables that `nft -a list ruleset` printed."""
    tables: list[NftTable] = []
    chain, name, elements = None, "", ""
    for raw in text.splitlines():
        line, _, handle = raw.strip().partition(" # handle ")
        words = line.split()
        if elements or line.startswith("elements ="):
            elements += line + " "
            if "}" in line and tables:
                tables[-1].sets[name] = elements.partition("{")[2].rpartition("}")[0].strip()
                elements = ""
        elif line.startswith("table ") and line.endswith("{"):
            tables.append(NftTable(" ".join(words[1:3])))
        elif words[:1] == ["chain"] and tables:
            chain = tables[-1].chains.setdefault(words[1], Chain(words[1]))
        elif words and words[0] in ("set", "map", "flowtable", "counter", "quota", "limit") and line.endswith("{"):
            chain, name = None, words[1]
        elif line == "}":
            chain = None
        elif chain is not None and words[:1] == ["type"] and " hook " in line:
            _read_hook(chain, line)
        elif chain is not None and words:
            chain.rules.append(Rule(tables[-1].name, chain.name, line, handle.strip()))
    return tables


def _read_hook(chain: Chain, line: str) -> None:
    said = re.search(r'type (\w+) hook (\w+)(?: devices? = ?)?(?: device)? ?(.*?) ?priority ([^;]+);', line)
    if said is None:
        return
    chain.kind, chain.hook, chain.device = said[1], said[2], said[3]
    number = re.fullmatch(r"([a-z]*) ?([+-]? ?\d+)?", said[4].strip())
    if number is not None:
        chain.priority = _PRIORITIES.get(number[1], 0) + int((number[2] or "0").replace(" ", ""))
    policy = re.search(r"policy (\w+)", line)
    if policy is not None:
        chain.policy = policy[1]


def rule_on(tables: Sequence[NftTable], way: str, connection: Connection) -> Iterator[Ruling]:
    """What each chain on the way (a key of HOOKS) does with the connection, in tables that are not iptables'."""
    before = replace(connection, port=connection.original, address="", out="")  # as the client sent it
    if connection.answer:
        before = replace(connection, out="")
    for table in tables:
        if table.of_iptables or table.name.split()[0] not in ("ip", "inet", "netdev"):
            continue
        for chain in table.chains.values():
            if chain.hook not in HOOKS[way] or chain.kind == "nat":
                continue
            if chain.hook == "ingress" and not any(f'"{card}"' in chain.device or card == chain.device
                                                   for card in connection.cards):
                continue
            seen = before if chain.early else connection
            if chain.hook in ("ingress", "prerouting"):
                seen = replace(seen, out="")
            yield Ruling(table, chain, _follow(table, chain, seen, way == "forward"))


def delete_command(rule: Rule) -> str:
    """The command that deletes a rule, that makes a policy let everything through, or that shows the rules."""
    if rule.text.startswith("policy "):
        return f"sudo nft 'add chain {rule.table} {rule.chain} {{ policy accept; }}'"
    if not rule.handle:
        return f"sudo nft -a list chain {rule.table} {rule.chain}"
    return f"sudo nft delete rule {rule.table} {rule.chain} handle {rule.handle}"


def forwards(tables: Sequence[NftTable], port: int) -> list[str]:
    """The addresses to which rules of nft send connections for the port: ADDRESS or ADDRESS:PORT."""
    found = []
    for table in tables:
        for chain in table.chains.values():
            for rule in chain.rules:
                said = re.search(r"dnat (?:ip )?to ([0-9.:]+)", rule.text)
                ports = re.search(r"dport (\{[^}]*\}|[\d-]+)", rule.text)
                if said is not None and ports is not None and listed(port, ports[1]):
                    found.append(said[1])
    return found


def _follow(table: NftTable, start: Chain, connection: Connection, forwarded: bool) -> Verdict:
    def steps(name: str) -> Iterator[Step]:
        for rule in table.chains[name].rules if name in table.chains else ():
            match = _Match(rule.text, table, connection, forwarded)
            verb = {"reject": "drop", "continue": ""}.get(match.verdict, match.verdict)
            yield Step(rule, match.result, verb, match.target, match.sources)

    return decide(steps, start.name, (start.policy == "accept", Rule(table.name, start.name, f"policy {start.policy}")))


class _Match:
    """Whether a rule is for this connection, as in firewall.py, and what it does then."""

    def __init__(self, text: str, table: NftTable, connection: Connection, forwarded: bool) -> None:
        self.result, self.verdict, self.target = "yes", "", ""
        self.sources: list[str] = []
        self._table, self._connection, self._forwarded = table, connection, forwarded
        words = re.findall(r'"[^"]*"|\{[^{}]*\}|[^\s{}]+', text)
        while words and self.result != "no" and not self.verdict:
            words = self._statement(words)

    def _statement(self, words: list[str]) -> list[str]:
        """Look at the first statement; returns the words behind it."""
        word = words[0]
        if word in _VERDICTS:
            self._decide(words)
            return []
        if word in _NAT:
            self.verdict = "accept"
            return []
        if word == "comment":
            return words[2:]
        if word in ("counter", "log", "notrack", "meter", "set"):
            return self._behind(words)
        if word in ("add", "update", "delete") and words[1:2] and words[1].startswith("@"):
            if re.search(r"limit|count|quota", " ".join(words[2:3])):
                self._maybe()
            return words[3:]
        if word in ("limit", "quota"):
            self._maybe()
            return self._behind(words)
        if word in _NO_TCP:
            self.result = "no"
            return []
        selector, rest = self._selector(words)
        if rest[:1] == ["set"]:  # it changes something of the packet
            return self._behind(rest)
        if rest[:1] == ["."]:  # several selectors at once
            self._maybe()
            return self._behind(rest)
        if rest[:1] == ["vmap"]:
            self._map(selector, rest[1] if len(rest) > 1 else "")
            return rest[2:]
        return self._compare(selector, rest)

    def _decide(self, words: list[str]) -> None:
        self.verdict = "accept" if words[0] == "queue" else words[0]
        self.target = words[1] if len(words) > 1 and words[0] in ("jump", "goto") else ""
        if words[0] == "queue":
            self._maybe()

    def _behind(self, words: list[str]) -> list[str]:
        """The words from the next verdict or NAT on."""
        places = (place for place, word in enumerate(words) if place and word in _VERDICTS | _NAT)
        return words[next(places, len(words)):]

    def _maybe(self) -> None:
        self.result = "maybe"

    def _selector(self, words: list[str]) -> tuple[str, list[str]]:
        """The first words that name a part of the packet, without `meta`, and the rest."""
        if words[0] == "meta":
            words = words[1:] or [""]
        count = _SELECTORS.get(words[0], 1)
        if words[:2] in (["ct", "original"], ["ct", "reply"]):
            count = 4 if words[2:3] == ["ip"] else 3
        return " ".join(words[:count]), words[count:]

    def _compare(self, selector: str, words: list[str]) -> list[str]:
        negated = words[:1] == ["!="]
        words = words[1:] if words[:1] in (["!="], ["=="]) else words
        if selector == "tcp flags":
            rest = self._after_flags(words)
            said = " ".join(words[: len(words) - len(rest)])
            is_new = (said.endswith("syn") or said.startswith("syn")) != (negated or "!=" in said)
            if is_new == self._connection.answer:
                self.result = "no"
            return rest
        if selector == "ct count":
            self._maybe()
            return self._behind(words)
        value = self._elements(words[0]) if words else ""
        if selector == "ip saddr":
            self._for_sources(value, negated)
        else:
            fits = self._holds(selector, value)
            if fits is None:
                self._maybe()
                if selector.split()[0] not in _SELECTORS:
                    return self._behind(words)
            elif fits == negated and not self._other_card_fits(selector, value, negated):
                self.result = "no"
        return words[1:]

    def _after_flags(self, words: list[str]) -> list[str]:
        for place, word in enumerate(words):
            if place and word in _VERDICTS | _BEHIND_FLAGS:
                return words[place:]
        return []

    def _other_card_fits(self, selector: str, value: str, negated: bool) -> bool:
        """Whether it could come in by a card that is not one of these."""
        return negated and selector in ("iif", "iifname") and any(
            not self._is_card(card, value) for card in self._connection.cards
        )

    def _elements(self, word: str) -> str:
        """The values of a set, or the value itself, without braces and quotes."""
        if word.startswith("@"):
            word = self._table.sets.get(word[1:], "")
        return word.strip("{} ").replace('"', "")

    def _for_sources(self, value: str, negated: bool) -> None:
        sources = [part.split()[0] for part in value.split(",") if part.strip()]
        if not sources or all(source.startswith("127.") for source in sources):
            if not negated:
                self.result = "no"
        elif self._connection.source:
            if any(within(self._connection.source, each) for each in sources) == negated:
                self.result = "no"
        elif self.result == "yes":
            self.result, self.sources = "others" if negated else "some", sources

    def _is_card(self, card: str, value: str) -> bool:
        return any(card_fits(card, part.strip()) for part in value.split(","))

    def _holds(self, selector: str, value: str) -> bool | None:
        """Whether the connection has one of these values; None if that can't be seen from here."""
        there = self._connection
        words = re.findall(r"[\w.-]+", value)
        if selector in ("iif", "iifname"):
            return any(self._is_card(card, value) for card in there.cards)
        if selector in ("oif", "oifname"):
            return bool(there.out) and self._is_card(there.out, value)
        if selector in ("tcp dport", "th dport"):
            return listed(there.port, value)
        if selector in ("tcp sport", "th sport"):
            return listed(there.source_port, value)
        if selector == "ip daddr":
            return any(within(there.address, part) for part in value.split(",")) if there.address else None
        if selector in ("ip protocol", "l4proto", "nfproto", "protocol", "pkttype"):
            return bool({"tcp", "6", "ipv4", "ip", "host", "unicast"}.intersection(words))
        if selector == "ct state":
            return there.state.lower() in words
        if selector == "ct status":
            return "dnat" in words and self._forwarded and (there.answer or not self._is_early())
        if selector == "ct direction":
            return ("reply" if there.answer else "original") in words
        if selector == "ct original proto-dst":
            return listed(there.original, value)
        if selector in ("mark", "ct mark"):
            return set(words) <= {"0x00000000", "0x0", "0"}
        if selector == "fib daddr type":
            return "local" in words and not there.out
        if selector.startswith("fib saddr"):
            return False  # the kernel would drop a wrong source
        return None

    def _is_early(self) -> bool:
        return not self._connection.out

    def _map(self, selector: str, word: str) -> None:
        """Choose the verdict of a map for this connection."""
        text = self._table.sets.get(word[1:], "") if word.startswith("@") else word.strip("{} ")
        for element in text.split(","):
            key, _, verdict = element.strip().rpartition(" : ")
            key = key.replace('"', "")
            words = verdict.split()
            if selector == "ip saddr" and words:
                self._for_sources(key, negated=False)
                if self.result == "some":
                    self._decide(words)
                    return
            fits = self._holds(selector, key)
            if fits is None:
                self._maybe()
            if (fits or fits is None) and words:
                self._decide(words)
                return
        self.result = "no"
