"""`Context.post`, `item` and `of_seat` let mypy check the arguments of an item, and no item is made without them.

`mypy --strict` reports a `type: ignore` that is not needed. So `make lint` fails once it no longer sees these faults.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from classcord.chat import room
from classcord.chat.accounts import Accounts
from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.effects import HandingDue
from classcord.chat.moderation import Moderation
from classcord.chat.office import Office
from classcord.chat.room import Item, Room
from classcord.chat.waiting import Waiting
from classcord.data.store import Store
from classcord.delivery.batch import Batch
from classcord.delivery.items import item, of_seat
from classcord.delivery.registry import Registry
from classcord.wire.texts import Texts
from handlers.context import Context
from tests.unit.stubs import Crowd, end
from tests.unit.test_architecture import SOURCES, module

Post = Callable[[Context], None]
WRONG: list[Post] = [
    lambda context: context.post(Room.set_state, None),  # type: ignore[call-arg]
    lambda context: context.post(Room.set_state, None, 5),  # type: ignore[arg-type]
    lambda context: context.post(Room.say, None, "text", "more"),  # type: ignore[call-arg]
    lambda context: context.post(Room.set_state, None, state="away"),  # type: ignore[call-arg]
    lambda context: context.post(Room.login, "alice"),  # type: ignore[call-arg]
    lambda context: context.post(Office.announce, "text"),  # type: ignore[arg-type, call-arg]
    lambda context: context.post(Room.only, "anybody", True, (
        context.part(Room.set_state, None),  # type: ignore[call-arg]
    )),
]
WRONG_ITEMS: list[Callable[[Registry, HandingDue], Item]] = [
    lambda registry, due: item(Waiting.hold, due.key),  # type: ignore[call-arg]
    lambda registry, due: item(Waiting.hand_over, due.key, due.seat, due.id),  # type: ignore[call-arg]
    lambda registry, due: item(Waiting.hand_over, due.seat, due.key, due.id, None),  # type: ignore[arg-type]
    lambda registry, due: item(Waiting.expire, 1),  # type: ignore[call-arg]
    lambda registry, due: item(Waiting.tick_waiting),  # type: ignore[call-arg]
    lambda registry, due: item(Moderation.tick, "now"),  # type: ignore[arg-type]
    lambda registry, due: item(Moderation.begin, 1.0),  # type: ignore[call-arg]
    lambda registry, due: item(Office.command, 1, "board"),  # type: ignore[call-arg]
    lambda registry, due: item(Office.announce, text="text"),  # type: ignore[call-arg]
    lambda registry, due: item(registry.room.moderation.tick),  # type: ignore[type-var]
    lambda registry, due: item(registry.watching.pass_on, 1, "wire"),  # type: ignore[call-arg]
    lambda registry, due: item(registry._resume),  # type: ignore[call-arg]
    lambda registry, due: item(Batch.tell),  # type: ignore[call-arg]
    lambda registry, due: item(Batch.raw, 1, "text"),  # type: ignore[arg-type]
    lambda registry, due: of_seat(1, Room.reply),  # type: ignore[call-arg]
    lambda registry, due: of_seat(1, Room.leave, 2),  # type: ignore[call-arg]
    lambda registry, due: of_seat(1, Office.announce, "text"),  # type: ignore[arg-type, call-arg]
    lambda registry, due: of_seat(1, ChannelOperations.join_channel),  # type: ignore[call-arg]
]
MAKERS = {"item", "of_seat"}
"""The functions that make items."""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    store = Store(tmp_path)
    made = Registry(store, Accounts([], 1), Texts("fr"))
    yield made
    end(made, store)


def raw_items(source: str) -> Iterator[int]:
    """The lines where a tuple is put together that may be an item: a name, a number or None, and a tuple.

    Those in a function whose arguments are an operation's, which mypy checks where it is called, are not among them.
    """
    tree = ast.parse(source)
    checked = {
        inner for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.args.vararg is not None
        and ast.unparse(node.args.vararg.annotation or ast.Constant("")).endswith("rguments.args")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in checked:
            continue
        if isinstance(node, ast.Tuple) and len(node.elts) == 3 and isinstance(node.ctx, ast.Load):
            name, number, arguments = node.elts
            named = ast.unparse(name).endswith("__name__") or isinstance(getattr(name, "value", None), str)
            numbered = not isinstance(number, ast.Constant) or number.value is None or isinstance(number.value, int)
            held = isinstance(arguments, ast.Tuple) or (isinstance(arguments, ast.Name) and arguments.id == "arguments")
            if named and numbered and held:
                yield node.lineno


def test_the_test_knows_an_item_when_it_sees_one() -> None:
    text = """
post([("hold", None, (due.key, due.seat))])
append((operation.__name__, self._number, arguments))
ask(lambda number: ("command", None, (number, action)))
"""
    assert sorted(raw_items(text)) == [2, 3, 4]


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_no_item_is_made_beside_the_functions_that_check_it(path: Path) -> None:
    assert list(raw_items(path.read_text())) == [], f"{module(path)}: make items with `item` or `of_seat`"


def posted() -> Iterator[tuple[str, str, str]]:
    """Each item that the code makes: where, with which function, and the operation."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                operation = node.args[0 if node.func.id == "item" else 1]
                if isinstance(operation, ast.Attribute):
                    yield module(path), node.func.id, operation.attr


def test_each_item_names_an_operation_that_runs(registry: Registry) -> None:
    known = {"item": {*registry._own, *registry.room._without_seat}, "of_seat": set(registry.room._operations)}
    assert [each for each in posted() if each[2] not in known[each[1]]] == []


def test_every_operation_is_a_method_with_a_seat_and_arguments_by_position() -> None:
    """An item has no names for its arguments."""
    for name in room._OPERATIONS:
        parameters = inspect.signature(getattr(Room, name)).parameters
        assert list(parameters)[:2] == ["self", "seat"], name
        assert {each.kind for each in parameters.values()} == {inspect.Parameter.POSITIONAL_ONLY}, name


def test_every_operation_has_its_arguments_by_position(registry: Registry) -> None:
    for operations in (registry._own, registry.room._without_seat, registry.room._operations):
        for name, operation in operations.items():
            kinds = {each.kind for each in inspect.signature(operation).parameters.values()}
            assert kinds <= {inspect.Parameter.POSITIONAL_ONLY}, name


@pytest.mark.parametrize("operation", ["do", "_enter", "not_stored", "__init__"])
def test_an_item_of_a_seat_can_name_nothing_else(operation: str) -> None:
    assert hasattr(Room, operation)
    with pytest.raises(KeyError):
        Crowd().room.do(operation, 1, ())
