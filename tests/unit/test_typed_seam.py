"""`Context.post` lets mypy check the arguments of an item.

`mypy --strict` reports a `type: ignore` that is not needed. So `make lint` fails once it no longer sees these faults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

from classcord.chat import room
from classcord.chat.office import Office
from classcord.chat.room import Room
from handlers.context import Context
from tests.unit.stubs import Crowd

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


def test_every_operation_is_a_method_with_a_seat_and_arguments_by_position() -> None:
    """An item has no names for its arguments."""
    for name in room._OPERATIONS:
        parameters = inspect.signature(getattr(Room, name)).parameters
        assert list(parameters)[:2] == ["self", "seat"], name
        assert {each.kind for each in parameters.values()} == {inspect.Parameter.POSITIONAL_ONLY}, name


@pytest.mark.parametrize("operation", ["do", "_enter", "not_stored", "__init__"])
def test_an_item_of_a_seat_can_name_nothing_else(operation: str) -> None:
    assert hasattr(Room, operation)
    with pytest.raises(KeyError):
        Crowd().room.do(operation, 1, ())
