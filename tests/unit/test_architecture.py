"""The shape of the code: which module may import which, how long a file may be, and no package at run time."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

# a module may import those before it, never one after it
ORDER = [
    "classcord", "classcord.ops", "classcord.ops.config", "classcord.ops.events", "classcord.ops.quota",
    "classcord.ops.counts", "classcord.ops.logs",
    "classcord.ops.failure", "classcord.ops.needs", "classcord.ops.health", "classcord.ops.systemd",
    "classcord.ops.processes", "classcord.ops.port_conflict", "classcord.ops.progress",
    "classcord.wire", "classcord.wire.foreign", "classcord.wire.http", "classcord.wire.websocket",
    "classcord.wire.diagnosis", "classcord.wire.protocol",
    "classcord.wire.names", "classcord.wire.channel_names", "classcord.wire.words", "classcord.wire.texts",
    "classcord.wire.durations", "classcord.wire.networks", "classcord.wire.secret_words",
    "classcord.wire.mask",
    "classcord.data", "classcord.data.mounts", "classcord.data.remedies", "classcord.data.folder",
    "classcord.data.files", "classcord.data.ids", "classcord.data.schema", "classcord.data.writer",
    "classcord.data.store",
    "classcord.data.backlog", "classcord.data.excess", "classcord.data.turns", "classcord.data.search",
    "classcord.data.history",
    "classcord.data.output",
    "classcord.data.backup", "classcord.data.rotation", "classcord.data.export",
    "classcord.data.pickles", "classcord.data.class_list", "classcord.data.forget", "classcord.data.audit",
    "classcord.data.tops",
    "classcord.net", "classcord.net.addresses",
    "classcord.net.sockets", "classcord.net.peer", "classcord.net.nat", "classcord.net.transport",
    "classcord.net.web",
    "classcord.net.latch", "classcord.net.outbox", "classcord.net.link", "classcord.net.buckets", "classcord.net.pace",
    "classcord.net.shares", "classcord.net.guards", "classcord.net.limits", "classcord.net.newcomers",
    "classcord.net.refusals",
    "classcord.net.places",
    "classcord.net.hashing", "classcord.net.listener",
    "classcord.chat", "classcord.chat.accounts", "classcord.chat.orders", "classcord.chat.effects",
    "classcord.chat.people", "classcord.chat.refusals", "classcord.chat.channels", "classcord.chat.listing",
    "classcord.chat.registrations", "classcord.chat.ignoring", "classcord.chat.reading", "classcord.chat.passwords",
    "classcord.chat.tracking", "classcord.chat.watchers",
    "classcord.chat.guest_names", "classcord.chat.bans", "classcord.chat.moderation",
    "classcord.chat.waiting", "classcord.chat.channel_operations", "classcord.chat.onlookers", "classcord.chat.office",
    "classcord.chat.room",
    "classcord.delivery", "classcord.delivery.audiences", "classcord.delivery.render", "classcord.delivery.batch",
    "classcord.delivery.items", "classcord.delivery.meanings", "classcord.delivery.watching",
    "classcord.delivery.registry",
    "classcord.delivery.asking", "classcord.delivery.counting",
    "classcord.delivery.board", "classcord.delivery.new_class",
    "classcord.delivery.postman", "classcord.delivery.linesman", "classcord.delivery.retention",
    "classcord.commands", "classcord.commands.backup", "classcord.commands.restore", "classcord.commands.export",
    "classcord.commands.import_users", "classcord.commands.forget",
    "classcord.site", "classcord.services",
    "classcord.console", "classcord.console.words", "classcord.console.place", "classcord.console.archive",
    "classcord.console.client",
    "classcord.console.prompt", "classcord.console.replies", "classcord.console.server",
    "classcord.console.moderating", "classcord.console.following",
    "classcord.console.watch", "classcord.console.dashboard",
    "classcord.console.commands",
    "classcord.serving", "classcord.command_line",
    "handlers.limiter", "handlers.context", "handlers.request", "handlers.accounts", "handlers.presence",
    "handlers.channels", "handlers.history", "handlers.messages", "handlers.moderation", "handlers.watching",
    "handlers.direction", "handlers.completion", "handlers.table",
    "handlers.commands", "handlers", "handlers.web", "handlers.connection", "server",
]
WINGS: dict[str, set[str]] = {
    "ops": set(), "wire": set(), "data": {"ops"}, "net": {"ops", "wire"}, "chat": {"wire"},
    "delivery": {"ops", "wire", "data", "net", "chat"}, "commands": {"ops", "wire", "data", "chat", "delivery"},
    "console": {"ops", "wire", "data", "net", "chat", "delivery", "services"},
}
"""The wings of the house, and the other wings that each may use."""
DOCTOR = [
    "machine", "hops", "page", "texts_vm", "texts_vm_network", "texts_host", "texts", "addresses", "listening",
    "server_log", "firewall", "nftables", "engine", "unit", "vm_facts", "vm_server", "vm_network", "vm_answers",
    "vm_firewall", "vm_data", "vm", "virtualbox", "host_facts", "host_firewall", "host", "report", "__main__",
]
"""The doctor's modules, in the same order. The doctor runs without the server's code."""
LATER = {"classcord.data.output"}
"""What the server itself never loads."""
DOCTORS = sorted(ROOT.glob("deploy/doctor/*.py"))
SOURCES = [*ROOT.glob("*.py"), *ROOT.glob("classcord/**/*.py"), *ROOT.glob("handlers/*.py")]


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, *, at_the_start: bool = False) -> set[str]:
    names = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if not (at_the_start and isinstance(node, ast.FunctionDef | ast.If)):  # if it is the program, for types only
            nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                names.add(name if name in ORDER else str(node.module))
    return names


def test_every_module_has_its_place() -> None:
    assert sorted(map(module, SOURCES)) == sorted(ORDER)


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_imports_point_one_way_and_only_to_the_standard_library(path: Path) -> None:
    own = module(path)
    for name in imported(path):
        if name in ORDER:
            assert ORDER.index(name) < ORDER.index(own), f"{own} imports {name}, which comes after it"
        else:
            assert name.partition(".")[0] in sys.stdlib_module_names, f"{own} imports {name}"


@pytest.mark.parametrize("path", sorted(ROOT.glob("classcord/*/*.py")), ids=module)
def test_the_wings_depend_on_each_other_as_planned(path: Path) -> None:
    wing = path.parent.name
    for name in imported(path):
        package, used = [*name.split("."), ""][:2]
        assert package != "classcord" or used in WINGS[wing] | {wing}, f"{module(path)} imports {name}"


def test_every_module_of_the_doctor_has_its_place() -> None:
    assert sorted(path.stem for path in DOCTORS) == sorted(DOCTOR)


@pytest.mark.parametrize("path", DOCTORS, ids=lambda path: f"doctor/{path.name}")
def test_the_doctor_imports_one_way_and_nothing_else_of_the_project(path: Path) -> None:
    for name in imported(path):
        place = DOCTOR.index(name) if name in DOCTOR else -1
        assert place < DOCTOR.index(path.stem), f"{path.stem} imports {name}, which comes after it"
        assert place >= 0 or name.partition(".")[0] in sys.stdlib_module_names, f"{path.stem} imports {name}"


@pytest.mark.parametrize("path", [path for path in SOURCES if module(path) not in LATER], ids=module)
def test_no_module_of_the_server_begins_with_a_slow_import(path: Path) -> None:
    """A start would take longer: dataclasses alone loads inspect, ast, dis and tokenize."""
    slow = {"ast", "dataclasses", "inspect", "ipaddress", "random", "subprocess", "tempfile"}
    assert imported(path, at_the_start=True) & slow == set()


@pytest.mark.parametrize(
    "path", [*SOURCES, *DOCTORS, *ROOT.glob("tests/**/*.py")], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_file_is_too_long_to_read_at_once(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
