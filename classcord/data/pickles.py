"""Reads the file in which the first ClassCord server kept its accounts: a pickle of names and passwords.

A pickle is a program for a machine that may call any function of Python. Here it runs on another machine: that one
knows texts and dictionaries, takes everything else that is plain data for "not a text", and refuses to go on at an
instruction that would load, call or build something. What it reads and what it remembers is bounded.
"""

from __future__ import annotations

import pickletools
from typing import Final

__all__ = ["LONGEST", "PickleError", "pairs"]

LONGEST = 1 << 20
"""Bytes of a file: the accounts of a school with 20,000 pupils."""
_MOST = 100_000
"""Values that are waiting or remembered at one time: about 10 MiB."""


class PickleError(ValueError):
    """The file is not what the first server wrote; the text says why."""


class _Table:
    """A dictionary, as its entries come. No value is hashed: that may take for ever."""

    def __init__(self) -> None:
        self.entries: list[tuple[object, object]] = []

    def add(self, values: list[object]) -> None:
        if len(values) % 2:
            raise ValueError("a name without a password")
        self.entries += zip(values[::2], values[1::2], strict=True)


_MARK: Final = object()
_OTHER: Final = object()
"""What is not a text: a number, a list, None."""

_TEXTS = {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_PLAIN = {
    "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "EMPTY_LIST",
}
_NOTHING = {"PROTO", "FRAME", "STOP"}
_STORED = {"PUT", "BINPUT", "LONG_BINPUT"}
_FETCHED = {"GET", "BINGET", "LONG_BINGET"}


def pairs(data: bytes) -> list[tuple[str | None, str | None]]:
    """The names and passwords, in their order; None for one that is not a text. Raises PickleError.

    Nothing of the file is executed. The time grows with its length only.
    """
    stack: list[object] = []
    memo: dict[int, object] = {}
    try:
        for instruction, argument, _ in pickletools.genops(data):
            _step(instruction.name, argument, stack, memo)
        (top,) = stack
    except PickleError:
        raise
    except (ValueError, IndexError, KeyError):  # the file ends early, or its instructions make no sense
        raise PickleError("it is not a pickle, or a damaged one") from None
    if not isinstance(top, _Table):
        raise PickleError("it is a pickle, but not one of names and passwords")
    return [(_text(name), _text(password)) for name, password in top.entries]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _step(name: str, argument: object, stack: list[object], memo: dict[int, object]) -> None:
    """One instruction. Raises ValueError, IndexError or KeyError where a pickle machine would stop too."""
    if name in _TEXTS:
        stack.append(argument)
    elif name in _PLAIN:
        stack.append(_OTHER)
    elif name in _STORED or name == "MEMOIZE":
        memo[len(memo) if name == "MEMOIZE" else int(str(argument))] = stack[-1]
    elif name in _FETCHED:
        stack.append(memo[int(str(argument))])
    elif name == "MARK":
        stack.append(_MARK)
    elif name == "EMPTY_DICT":
        stack.append(_Table())
    elif name == "DICT":
        table = _Table()
        table.add(_since_mark(stack))
        stack.append(table)
    elif name in ("SETITEM", "SETITEMS"):
        values = _since_mark(stack) if name == "SETITEMS" else [stack.pop(), stack.pop()][::-1]
        if not isinstance(stack[-1], _Table):
            raise ValueError("not a dictionary")
        stack[-1].add(values)
    elif name in ("LIST", "APPENDS"):
        _since_mark(stack)
        if name == "LIST":
            stack.append(_OTHER)
    elif name == "APPEND":
        stack.pop()
    elif name not in _NOTHING:
        raise PickleError(f"it asks for more than data (its instruction {name}), so it was not read any further")
    if len(stack) > _MOST or len(memo) > _MOST:
        raise PickleError("it holds too much")


def _since_mark(stack: list[object]) -> list[object]:
    values = []
    while (value := stack.pop()) is not _MARK:
        values.append(value)
    return values[::-1]
