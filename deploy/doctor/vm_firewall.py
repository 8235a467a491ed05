"""The VM's hop of the firewalls: iptables with ufw's and Docker's rules, and nft's own tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import firewall
import nftables
from engine import Setting
from firewall import Connection, Table, Verdict, follow, listed
from hops import Finding, Remedy, Text, broken, note, ok, text, unknown, warn
from nftables import Ruling, rule_on
from vm_answers import answers_too, look_at_answers
from vm_facts import ROOM, Vm

__all__ = ["look_at_firewall"]

GUARD = "inet classcord-guard"
"""The table in which deploy/ufw.sh guards the published ports where there is no DOCKER-USER."""


def look_at_firewall(vm: Vm) -> Iterator[Finding]:
    """Whether a desk's packet passes all rules of this machine, on the way that it takes here."""
    if not vm.machine.root:
        if not vm.bridged and vm.machine.read("/etc/ufw/ufw.conf") is not None and not vm.ufw_on:
            yield unknown("firewall_ufw_off_unseen", vm.sudo_doctor)
        else:
            yield unknown("docker_user_unseen" if vm.bridged else "firewall_unseen", vm.sudo_doctor)
        return
    legacy = {table.program for table in vm.tables if any(table.rules()) or "DROP" in table.policies.values()}
    if len(legacy) > 1:
        yield warn("firewall_two_iptables", text("look", command="sudo iptables-legacy -S; sudo iptables-nft -S"))
    if vm.delivery in ("gone", "proxy") and vm.blind:
        yield unknown("nft_missing", "sudo apt install nftables")
        return
    if vm.delivery == "gone":
        yield _nobody_gets_in(vm)
        return
    if vm.delivery == "proxy":
        yield _passed_on(vm)
    elif vm.delivery == "forward" and vm.ufw_on:
        yield note("ufw_goes_around")
    found = list(_rules(vm))
    vm.doubtful = any(finding.mark == "warn" for finding in found)
    yield from found or [ok("firewall_lets", name=_name(vm), port=vm.port)]
    if vm.rejected and not any(finding.mark in ("broken", "warn") for finding in found):
        yield broken("firewall_hidden", "sudo iptables-save; sudo nft list ruleset")


def _nobody_gets_in(vm: Vm) -> Finding:
    """No rule leads to the container, and no program passes connections on."""
    docker = vm.docker
    if not docker.left_alone:
        return broken("docker_rule_gone", docker.restart, port=vm.port)
    if docker.kind == "Docker Desktop":
        return broken("docker_no_proxy", text("restart_desktop"), port=vm.port, why=docker.left_alone)
    wrong = [each for each in (docker.no_proxy, docker.no_rules) if each is not None] if not docker.kind else []
    restart: Remedy = text("then", command=docker.restart) if wrong else docker.restart
    return broken("docker_no_proxy", *map(_take_out, wrong[:1]), restart, port=vm.port, why=docker.left_alone)


def _take_out(setting: Setting) -> Text:
    if setting.file:
        return text("take_out_of_file", what=setting.text, command=f"sudoedit {setting.file}")
    return text("take_out_of_dockerd", what=setting.text, command="systemctl cat docker; cat /etc/default/docker")


def _passed_on(vm: Vm) -> Finding:
    """No rule leads to the container, but a program passes connections on. A restart would throw everybody out."""
    if not vm.docker.left_alone:
        later = text("after_the_lesson", command=vm.docker.restart)
        return warn("docker_rule_gone_proxy", later, port=vm.port, gateway=vm.passed_as)
    setting = vm.docker.no_rules if not vm.docker.kind else None
    why = [text("docker_proxy_why", command=f"cat {setting.file}")] if setting and setting.file else []
    return warn("docker_proxy", *why, port=vm.port, why=vm.docker.left_alone, gateway=vm.passed_as)


def _rules(vm: Vm) -> Iterator[Finding]:
    connection = _connection(vm)
    if vm.machine.has("iptables-save"):
        yield from _iptables(vm, connection)
    elif not vm.nft:
        yield note("iptables_missing")
    refused = set()
    for ruling in rule_on(vm.nft, "forward" if connection.out else "input", connection):
        if not ruling.verdict.accepted and not ruling.verdict.only:
            refused.add((ruling.table.name, ruling.chain.name))
        yield from _nft(vm, ruling, connection)
    yield from look_at_answers(vm, refused)


def _connection(vm: Vm) -> Connection:
    cards = tuple(dict.fromkeys(own.card for own in vm.own))
    if vm.delivery == "forward":
        assert vm.container is not None
        return Connection(vm.inner_port, vm.port, vm.container.address, cards, vm.container_card)
    return Connection(vm.port, vm.port, vm.own[0].address if vm.own else "", cards)


def _iptables(vm: Vm, connection: Connection) -> Iterator[Finding]:
    last = "FORWARD" if connection.out else "INPUT"
    if not vm.tables and not vm.machine.run("iptables-save").well:
        yield unknown("iptables_unseen", "sudo iptables -S")
    early = replace(connection, port=vm.port, address=vm.own[0].address if vm.own else "", out="")
    for table in vm.tables:
        for chain, there in (("PREROUTING", early), (last, connection)):
            if table.name == "filter" and chain == last:
                if table is _main(vm.tables) or not follow(table, last, connection).accepted:
                    yield _filter(vm, table, follow(table, last, connection))
            elif table.name in ("raw", "mangle"):
                yield from _other_table(vm, table, follow(table, chain, there))


def _main(tables: list[Table]) -> Table | None:
    """The table whose verdict is told even if it is good: Docker's, else the first."""
    filters = [table for table in tables if table.name == "filter"]
    return next((table for table in filters if "DOCKER-USER" in table.chains), filters[0] if filters else None)


def _name(vm: Vm) -> str | Text:
    """What decides about a desk's packet, for people."""
    if vm.delivery == "forward":
        return "DOCKER-USER" if any("DOCKER-USER" in table.chains for table in vm.tables) else "iptables"
    return "ufw" if vm.ufw_on else text("firewall_name")


def _filter(vm: Vm, table: Table, verdict: Verdict) -> Finding:
    """The table in which ufw's rules are, and Docker's."""
    if vm.delivery == "forward":
        return _forward(vm, table, verdict)
    name = _name(vm)
    allow = f"sudo {table.program} -I INPUT -s NET -p tcp --dport {vm.port} -j ACCEPT"
    if name == "ufw":
        allow = f"sudo sh deploy/ufw.sh apply --from NET{vm.flag}"
    everybody = f"sudo {table.program} -I INPUT -p tcp --dport {vm.port} -j ACCEPT"
    if verdict.accepted or verdict.only or verdict.conditions:
        return _lets(vm, text("firewall_lets", name=name, port=vm.port), verdict, allow, table.program)
    rule = verdict.rule
    against = _ufw_rules(vm, "deny", "reject") if rule.chain.startswith("ufw-user") else []
    if against:
        return broken("ufw_keeps_out", *against, text("then", command=f"sudo sh deploy/ufw.sh apply{vm.flag}"),
                      port=vm.port)
    if name == "ufw" and (rule.chain.startswith("ufw-") or rule.chain == "INPUT"):
        return broken("ufw_has_no_rule", f"sudo sh deploy/ufw.sh apply{vm.flag}",
                      text("or_by_hand", command=f"sudo ufw allow {vm.port}/tcp"), port=vm.port)
    if rule.chain == "INPUT":
        return broken("iptables_drops", everybody, port=vm.port, rule=rule.text)
    return broken("iptables_drops", firewall.delete_command(table, rule), port=vm.port, rule=rule.text)


def _forward(vm: Vm, table: Table, verdict: Verdict) -> Finding:
    """On the way to a published port: DOCKER-USER, and the rules of Docker itself."""
    guarded = any(" -j CLASSCORD" in rule for rule in table.chains.get("DOCKER-USER", []))
    allow = (f"sudo {table.program} -I DOCKER-USER -s NET -p tcp -m conntrack --ctorigdstport {vm.port} "
             "--ctdir ORIGINAL -j RETURN")
    if guarded:
        allow = f"sudo sh deploy/ufw.sh apply --from NET{vm.flag}"
    chain = verdict.rule.chain
    if verdict.accepted or verdict.only or verdict.conditions:
        return _lets(vm, text("docker_user_lets", name=_name(vm), port=vm.port), verdict, allow, table.program)
    if chain in ("FORWARD", "DOCKER") or (chain.startswith("DOCKER-") and chain != "DOCKER-USER"):
        return broken("docker_rules_gone", "sudo systemctl restart docker", chain=chain, rule=verdict.rule.text)
    if chain == "CLASSCORD":
        return broken("guard_closed", f"sudo sh deploy/ufw.sh apply --from {ROOM}{vm.flag}",
                      text("open_to_all", command="sudo sh deploy/ufw.sh undo"), port=vm.port)
    return broken("docker_user_drops", firewall.delete_command(table, verdict.rule), port=vm.port,
                  rule=verdict.rule.text)


def _other_table(vm: Vm, table: Table, verdict: Verdict) -> Iterator[Finding]:
    """A table in which a rule may drop, but that few use; silent if it lets everybody in."""
    if not verdict.accepted and not verdict.only and not verdict.conditions:
        yield broken("table_drops", firewall.delete_command(table, verdict.rule), table=table.name, port=vm.port,
                     rule=verdict.rule.text)
    elif verdict.only or verdict.partial or verdict.conditions:
        rule = (verdict.conditions or verdict.partial or [verdict.rule])[0]
        yield warn("table_drops_some", firewall.delete_command(table, rule), table=table.name, port=vm.port,
                   rule=rule.text)


def _lets(vm: Vm, said: Text, verdict: Verdict, allow: str, program: str) -> Finding:
    """The finding on rules that let some or all in; `allow` lets in NET."""
    if verdict.conditions:
        return _limited(vm, said, verdict, allow, program)
    if verdict.only:
        nets = " ".join(verdict.only)
        instead = ROOM if ROOM not in verdict.only else "NETWORK"
        remedies: list[Remedy] = [text("are_desks_in_it", command=allow.replace("NET", instead, 1))]
        if vm.gateway and not {vm.gateway, f"{vm.gateway}/32"}.intersection(verdict.only):
            remedies.append(text("if_nat_hides", gateway=vm.gateway, command=allow.replace("NET", vm.gateway, 1)))
        return warn("lets_only", *remedies, said=said, nets=nets)
    if verdict.denied:
        return warn("lets_but_not", text("rule_about_them", command=f"sudo {program} -S | grep -e '-s'"), said=said,
                    nets=" ".join(verdict.denied))
    return Finding("ok", said)


def _limited(vm: Vm, said: Text, verdict: Verdict, allow: str, program: str) -> Finding:
    """A rule decides otherwise under a condition, like too many connections in a time."""
    rule = verdict.conditions[0]
    remedies: list[Remedy] = []
    if vm.ufw_on and rule.chain.startswith("ufw-"):
        remedies += _ufw_rules(vm, "limit")
        remedies.append(text("then", command=f"sudo sh deploy/ufw.sh apply{vm.flag}"))
    if len(remedies) < 2:
        remedies = [f"sudo {program} {rule.text.replace('-A', '-D', 1)}"]
    if not verdict.accepted:
        remedies.append(text("let_all", command=allow.replace("NET", ROOM, 1)))
        return warn("lets_under_condition", *remedies, said=said, rule=rule.text)
    if vm.one_address:
        return broken("lets_limited_all", *remedies, said=said, rule=rule.text, address=vm.one_address)
    return warn("lets_limited", *remedies, said=said, rule=rule.text)


def _ufw_rules(vm: Vm, *kinds: str) -> list[str]:
    """The commands that delete ufw's rules of these kinds about the port."""
    lines = [line.partition(" comment ")[0] for line in vm.machine.run("ufw", "show", "added").out.splitlines()]
    return [
        line.replace("ufw ", "sudo ufw delete ", 1) for line in lines
        if line.startswith(tuple(f"ufw {kind} " for kind in kinds)) and _is_about(line.split(), vm.port)
    ]


def _is_about(words: list[str], port: int) -> bool:
    """Whether a rule, as `ufw show added` prints it, is about clients that connect to the port."""
    if "udp" in words or "out" in words:
        return False
    ports = [word.removesuffix("/tcp") for word in words[2:] if re.fullmatch(r"[\d:,]+(/tcp)?", word)]
    if ports:
        return any(listed(port, each) for each in ports)
    return "ClassCord" in words or (words[2] in ("from", "to", "in") and "app" not in words)


def _nft(vm: Vm, ruling: Ruling, connection: Connection) -> Iterator[Finding]:
    """What one chain of nft's own tables does; silent if it lets everybody in."""
    verdict, table, chain = ruling.verdict, ruling.table.name, ruling.chain.name
    look = text("look", command=f"sudo nft list table {table}")
    at_port = f"tcp dport {connection.original if ruling.chain.early else connection.port} accept"
    if table == GUARD:
        if verdict.only:
            yield _lets(vm, text("guard_lets", port=vm.port), verdict,
                        f"sudo sh deploy/ufw.sh apply --from NET{vm.flag}", "nft")
        elif not verdict.accepted:
            yield broken("guard_closed", f"sudo sh deploy/ufw.sh apply --from {ROOM}{vm.flag}",
                         text("open_to_all", command="sudo sh deploy/ufw.sh undo"), port=vm.port)
    elif not verdict.accepted and not verdict.only and not verdict.conditions and (
            verdict.rule.text == "policy drop" or table == "inet firewalld"):
        accept = f"sudo nft insert rule {table} {chain} {at_port}"
        if table == "inet firewalld":  # Docker makes its rules again after a reload
            accept = "sudo firewall-cmd --reload"
            if not connection.out:
                accept = f"sudo firewall-cmd --permanent --add-port={vm.port}/tcp; {accept}"
        yield broken("nft_closed", look, text("open_it", command=accept), *answers_too(vm, ruling), table=table,
                     port=vm.port)
    elif not verdict.accepted and not verdict.only and not verdict.conditions:
        remedies = nftables.delete_command(verdict.rule), look
        if vm.rejected:
            yield broken("nft_drops", *remedies, table=table, port=vm.port, rule=verdict.rule.text)
        else:
            yield warn("nft_drops", *remedies, table=table, port=vm.port, rule=verdict.rule.text)
    elif verdict.conditions:
        yield warn("nft_condition", look, nftables.delete_command(verdict.conditions[0]), table=table, port=vm.port,
                   rule=verdict.conditions[0].text)
    elif verdict.only:
        yield _lets(vm, text("nft_lets", table=table, port=vm.port), verdict,
                    f"sudo nft insert rule {table} {chain} ip saddr NET {at_port}", "nft")
    elif verdict.partial:
        yield warn("nft_drops_some", nftables.delete_command(verdict.partial[0]), look, table=table, port=vm.port,
                   nets=" ".join(verdict.denied), rule=verdict.partial[0].text)
