"""The host's hops of the kernel: whether it sends packets on, and what its firewall does with them, both ways."""

from __future__ import annotations

from collections.abc import Iterator

from firewall import Connection, Rule, Table, Verdict, follow
from hops import Finding, broken, ok, text, unknown, warn
from host_facts import Host
from nftables import Ruling, rule_on

__all__ = ["hears_the_vm", "look_at_firewall", "look_at_forwarding", "look_at_hearing"]

_ROOM = "10.0.108.0/24"
_BEFORE = (("raw", "PREROUTING"), ("mangle", "PREROUTING"))
_ESTABLISHED = "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"


def look_at_forwarding(host: Host) -> Iterator[Finding]:
    """Whether the kernel sends packets on, from each card."""
    if host.by_program or not host.linux or (host.forwarder == "none" and host.has_virtualbox):
        return  # perhaps VirtualBox should forward
    if _setting(host, "ip_forward") == "0":
        yield broken(
            "host_forwarding_off", host.apply(), text("host_by_hand", command="sudo sysctl -w net.ipv4.ip_forward=1"),
            text("host_sysctl_file"),
        )
        return
    needed = [*host.desk_cards[:1], *filter(None, [host.card])]
    closed = [card for card in dict.fromkeys([*needed, *host.desk_cards])
              if _setting(host, f"conf/{card}/forwarding") == "0"]
    for card in closed:
        command = f"sudo sysctl -w net.ipv4.conf.{card.replace('.', '/')}.forwarding=1"
        if card in needed:
            yield broken("host_forwarding_card", command, text("host_sysctl_file"), card=card)
        else:
            yield warn("host_forwarding_other_card", command, card=card)
    if not closed:
        yield ok("host_forwarding_on")


def _setting(host: Host, name: str) -> str:
    return (host.machine.read(f"/proc/sys/net/ipv4/{name}") or "").strip()


def look_at_firewall(host: Host) -> Iterator[Finding]:
    """What the rules do with a desk's connection, and with what comes back."""
    if not host.linux or not (host.card or host.by_program) or host.forwarder in ("off", "taken"):
        return
    if not host.machine.root:
        yield unknown("host_firewall_root", host.again())
        return
    programs = {table.program for table in host.iptables if table.rules() or "DROP" in table.policies.values()}
    if len(programs) > 1 or (host.nft and "iptables-legacy" in programs):
        yield warn("host_two_iptables", "sudo iptables-legacy-save; sudo nft list ruleset")
    found = list(_in(host) if host.by_program else _through(host))
    yield from found
    if not found:
        yield ok("host_firewall_in" if host.by_program else "host_firewall", port=host.port)


def _through(host: Host) -> Iterator[Finding]:
    """The way of a forwarded connection."""
    arriving, answer = host.arriving(), host.arriving(answer=True)
    at_first = Connection(host.port, host.port, host.lan, host.desk_cards)  # before its destination is changed
    by_hand = f"-p tcp -d {host.vm} --dport {host.inner} -j ACCEPT"
    lost = False
    for table in host.iptables:
        for name, chain in _BEFORE:
            if table.name == name:
                yield from _of_iptables(host, table, follow(table, chain, at_first), "")
        if table.name in ("mangle", "filter"):
            verdict, back = follow(table, "FORWARD", arriving), follow(table, "FORWARD", answer)
            lost = not verdict.accepted and not verdict.only
            yield from _of_iptables(host, table, verdict, by_hand, back=back)
            if not lost and not back.accepted:
                yield _answers_die(host, table, back)
    for ruling in rule_on(host.nft, "forward", arriving):
        yield from _of_nft(ruling, f"ip daddr {host.vm} tcp dport {host.inner} accept")
    refused = {(each.table.name, each.chain.name) for each in rule_on(host.nft, "forward", arriving)
               if not each.verdict.accepted}
    for ruling in rule_on(host.nft, "forward", answer):
        if not ruling.verdict.accepted and (ruling.table.name, ruling.chain.name) not in refused:
            yield _nft_answers_die(ruling)


def _in(host: Host) -> Iterator[Finding]:
    """The way of a connection that ends at a program of this host."""
    arriving = host.ending_here()
    for table in host.iptables:
        for name, chain in (*_BEFORE, ("mangle", "INPUT"), ("filter", "INPUT")):
            if table.name == name:
                by_hand = f"-p tcp --dport {host.port} -j ACCEPT" if chain == "INPUT" else ""
                yield from _of_iptables(host, table, follow(table, chain, arriving), by_hand)
    for ruling in rule_on(host.nft, "input", arriving):
        yield from _of_nft(ruling, f"tcp dport {host.port} accept")


def _of_iptables(
    host: Host, table: Table, verdict: Verdict, by_hand: str, back: Verdict | None = None
) -> Iterator[Finding]:
    """A finding for all that the verdict does not let through. `by_hand`: what lets it through, in a rule."""
    chain, port = verdict.rule.chain, host.port
    start = "INPUT" if host.by_program else "FORWARD"
    insert = f"sudo {table.program} -t {table.name} -I {start}".replace(" -t filter", "")
    if not verdict.accepted and not verdict.only:
        remedies = [] if host.by_program else [host.apply()]
        if by_hand:
            remedies.append(f"{insert} {by_hand}")
        else:
            remedies.append(f"sudo {table.program} -t {table.name} -D {verdict.rule.text.removeprefix('-A ')}")
        if back is not None and not back.accepted:
            remedies.append(f"{insert} {_ESTABLISHED}")
        if host.by_program:
            yield broken("host_firewall_drops_in", *remedies, chain=chain, port=port, rule=verdict.rule.text)
        else:
            yield broken("host_firewall_drops", *remedies, chain=chain, rule=verdict.rule.text)
    elif verdict.only and by_hand:
        yield warn(
            "host_firewall_only", text("host_add_desks", command=f"{insert} -s {_ROOM} {by_hand}"), port=port,
            nets=" ".join(verdict.only),
        )
    elif verdict.only or verdict.denied:
        nets = " ".join(verdict.denied) or "! " + " ".join(verdict.only)
        yield warn("host_firewall_denied", f"sudo {table.program} -S", port=port, nets=nets)
    for rule in verdict.conditions:
        yield warn("host_firewall_condition", _delete(table, rule), port=port, rule=rule.text)


def _delete(table: Table, rule: Rule) -> str:
    return f"sudo {table.program} -t {table.name} -D {rule.text.removeprefix('-A ')}".replace(" -t filter", "")


def _answers_die(host: Host, table: Table, back: Verdict) -> Finding:
    insert = f"sudo {table.program} -t {table.name} -I FORWARD {_ESTABLISHED}".replace(" -t filter", "")
    or_apply = text("host_or", command=host.apply())
    return broken("host_answers_die", insert, or_apply, chain=back.rule.chain, rule=back.rule.text)


def _of_nft(ruling: Ruling, by_hand: str) -> Iterator[Finding]:
    verdict, table = ruling.verdict, ruling.table.name
    look = text("host_look", command=f"sudo nft -a list table {table}")
    if not verdict.accepted and not verdict.only:
        yield broken("host_nft_drops", look, _open(verdict.rule, table, by_hand), table=table, rule=verdict.rule.text)
    elif verdict.only:
        yield warn("host_nft_only", look, _open(verdict.rule, table, by_hand), table=table, nets=" ".join(verdict.only))
    elif verdict.denied:
        rules = [rule for chain in ruling.table.chains.values() for rule in chain.rules if "saddr" in rule.text]
        for rule in [each for each in rules if "drop" in each.text or "reject" in each.text]:
            yield warn("host_nft_denied", look, _delete_nft(rule, table), table=table, rule=rule.text)
    for rule in verdict.conditions:
        yield warn("host_nft_condition", look, _delete_nft(rule, table), table=table, rule=rule.text)


def _open(rule: Rule, table: str, by_hand: str) -> str:
    return _delete_nft(rule, table) if rule.handle else f"sudo nft insert rule {table} {rule.chain} {by_hand}"


def _delete_nft(rule: Rule, table: str) -> str:
    return f"sudo nft delete rule {table} {rule.chain} handle {rule.handle}"


def _nft_answers_die(ruling: Ruling) -> Finding:
    verdict, table = ruling.verdict, ruling.table.name
    return broken(
        "host_nft_answers_die", f"sudo nft insert rule {table} {ruling.chain.name} ct state established,related accept",
        table=table, rule=verdict.rule.text,
    )


def hears_the_vm(host: Host) -> Finding | None:
    """What is broken if this host's own firewall drops the VM's answers to this host. For root only."""
    if not host.linux or not host.card or not host.machine.root:
        return None
    answer = host.ending_here(answer=True)
    for table in host.iptables:
        if table.name == "filter":
            verdict = follow(table, "INPUT", answer)
            if not verdict.accepted:
                return broken(
                    "host_unheard", f"sudo {table.program} -I INPUT {_ESTABLISHED}", chain=verdict.rule.chain,
                    rule=verdict.rule.text,
                )
    for ruling in rule_on(host.nft, "input", answer):
        if not ruling.verdict.accepted:
            chain = f"{ruling.table.name} {ruling.chain.name}"
            command = f"sudo nft insert rule {chain} ct state established,related accept"
            return broken("host_unheard", command, chain=chain, rule=ruling.verdict.rule.text)
    return None


def look_at_hearing(host: Host) -> Iterator[Finding]:
    """Whether this host itself gets the VM's answers. Desks may get them all the same: theirs are only sent on."""
    finding = hears_the_vm(host)
    if finding is not None:
        yield finding
