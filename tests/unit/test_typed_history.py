"""The lines of /historique and /chercher come some time apart: of lines that come at once, some clients show one."""

from __future__ import annotations

from typing import Any, cast

import pytest

from classcord.data.history import Page, Past, Scope
from classcord.net.link import Gone, Link
from classcord.net.peer import Peer
from classcord.services import Services
from handlers import dispatch
from handlers.context import Context
from tests.unit.stubs import Wire
from tests.unit.test_linear_requests import Direct, Here


class Three:
    """Stands for the history: three messages fit each page."""

    def read(self, scope: Scope, page: Page, memory: int) -> list[Past]:
        return [Past(id, 1_767_225_600_000, "bob", False, None, f"mot {id}") for id in (1, 2, 3)]


def typed(text: str) -> Wire:
    """The client types it. What it gets."""
    registry = Direct()
    services = Services(
        cast(Any, registry), registry.accounts, cast(Any, Here()), registry.room._texts, cast(Any, Three()),
        1 << 20, 1 << 16,
    )
    link = Link(cast(Any, Wire()), 1 << 20, Peer())
    link.number = registry.sat().number
    wires.append(registry.wires[link.number])
    context = Context(link, services)
    try:
        dispatch(context, {"type": "message", "content": text})
        context.flush()
    except Gone:
        pass
    return wires.pop()


wires: list[Wire] = []
"""That of the client that types now."""


def lines(wire: Wire) -> list[str]:
    return [line["content"][-5:] for line in wire.messages() if line["type"] == "message"]


@pytest.mark.parametrize("text", ["/historique", "/chercher mot"])
def test_each_line_is_sent_100_ms_before_the_next(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    waits: list[tuple[float, int]] = []

    def wait(link: Link, seconds: float) -> bool:
        waits.append((seconds, len(lines(wires[-1]))))
        return False

    monkeypatch.setattr(Link, "gone_within", wait)
    assert lines(typed(text)) == ["mot 1", "mot 2", "mot 3"]
    assert waits == [(0.1, 1), (0.1, 2)]


def test_who_leaves_meanwhile_gets_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Link, "gone_within", lambda link, seconds: True)
    assert lines(typed("/historique")) == ["mot 1"]
