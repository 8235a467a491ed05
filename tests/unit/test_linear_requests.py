"""Whole requests cost no more than their length, from their bytes to the answer: see test_linear.py."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest

from classcord.chat.accounts import Account, Accounts
from classcord.chat.effects import Effect
from classcord.chat.room import Item
from classcord.data.history import Page, Past, Scope
from classcord.net.link import Link
from classcord.net.peer import Peer
from classcord.services import Services
from classcord.wire import foreign, protocol
from classcord.wire.protocol import MAX_CONTENT, MAX_LINE, ProtocolError
from handlers import dispatch
from handlers.context import Context
from handlers.table import LISTED
from tests.unit.stubs import Crowd, Wire
from tests.unit.test_linear import (
    DENSE,
    LONG,
    assert_linear,
    assert_linear_at_worst,
    memory_as_in_a_server,
    repeated,
    then,
)

__all__ = ["memory_as_in_a_server"]


class Direct(Crowd):
    """Stands for the registry: carries everything out at once."""

    def __init__(self) -> None:
        super().__init__(Accounts([Account("alice", "alice", "scrypt$1$8$1$AAAA$AAAA", "")], 1))

    def post(self, items: Iterable[Item]) -> None:
        self.run(*items)

    def wait(self) -> None:
        pass

    def storage(self) -> tuple[bool, int]:
        return False, 0

    def links(self) -> list[Link]:
        return [*self.linked.values()]

    def ask(self, question: Callable[[int], Item]) -> Effect | None:
        self.caused.clear()
        self.run(question(1))
        return self.caused[-1] if self.caused else None


class Unread:
    """Stands for the history: nothing was said."""

    def read(self, scope: Scope, page: Page, memory: int) -> list[Past]:
        return []

    def message(self, id: int) -> None:
        pass


class Here:
    """Stands for the hashing threads: hashes in the thread that asks."""

    def run(self, link: Link, work: Callable[[], object]) -> object:
        return work()


def handle(line: bytes) -> None:
    """A line of a client that has just connected, from its bytes to its answer."""
    registry = Direct()
    texts, hashing = registry.room._texts, cast(Any, Here())
    services = Services(cast(Any, registry), registry.accounts, hashing, texts, cast(Any, Unread()), 1 << 20, 1 << 16)
    link = Link(cast(Any, Wire()), 1 << 20, Peer())
    link.number = registry.sat().number
    context = Context(link, services)
    try:
        message = protocol.decode(line)
        if message is not None:
            dispatch(context, message)
    except ProtocolError as error:
        context.reply(error.line())
    context.flush()


TYPED = ['/msg "', '/msg "a', '/msg "a"', "/msg ", "/msg a", "/etat ", "/", "/qui ", "//", " ", ""]
FIELDS = [
    (kind, field) for kind, request in LISTED.items()
    for field in sorted({*request.example, "from", "user", "to"} - {"type"})
]


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_every_field_of_every_request_costs_no_more_than_its_length(kind: str, field: str) -> None:
    def line(text: str) -> bytes:
        return json.dumps({**LISTED[kind].example, field: text}, ensure_ascii=False).encode()

    assert_linear_at_worst(handle, (then(make, line) for make in DENSE.values()), LONG // 3)


@pytest.mark.parametrize("start", TYPED)
def test_every_typed_command_costs_no_more_than_its_length(start: str) -> None:
    def line(text: str) -> bytes:
        return json.dumps({"type": "message", "content": text}, ensure_ascii=False).encode()

    ends = ("", '" a', "x")
    makes = [then(make, lambda text, end=end: line((start + text)[: MAX_CONTENT - len(end)] + end))  # type: ignore[misc]
             for make, end in itertools.product(DENSE.values(), ends)]
    assert_linear_at_worst(handle, makes, MAX_CONTENT)


NOT_JSON = [
    "GET ", "PROXY ", "help", "?", "", '{"type', '{"type“', '{"type":"users', "{'type':", '{"a":1', '{"a":True',
    "\x04\x01",
    "\xff\xfb", "123", "\0\x09{", "\0", '{"type":"users"}', '{"a\\',
]


@pytest.mark.parametrize("start", NOT_JSON)
def test_a_line_that_is_not_json_costs_no_more_than_its_length(start: str) -> None:
    for unit in (" ", " HTTP/1.1", "a", "\0", "\xa0", "“ ", "'", ",", "\\", "\xff\xfb\x01", "1 "):
        make = then(repeated(unit, start), lambda text: text.encode("cp1252", "replace"))
        assert_linear(foreign.foreign_line, make, MAX_LINE)
        assert_linear(lambda line: foreign.unended(line, len(line)), make, MAX_LINE)
        assert_linear(handle, make, MAX_LINE)
