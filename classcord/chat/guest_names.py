"""The name that a guest gets. For the holder of the flush lock."""

from __future__ import annotations

from collections.abc import Container

from classcord.chat.registrations import Registrations
from classcord.wire import names

__all__ = ["GuestNames"]

_GUEST = names.GUEST
_VARIANTS = 100
"""Guests that may choose the same name; the next one gets a number instead."""


class GuestNames:
    """Names that are free. `present` has the keys of the people who are here; the room changes it."""

    def __init__(self, present: Container[str], registrations: Registrations) -> None:
        self.given = 0
        """The last number that was given. A number is given once."""
        self._present = present
        self._registrations = registrations

    def chosen(self, wanted: str) -> str | None:
        """The name for a guest that wants `wanted`. None if that is not allowed, or all its variants are taken."""
        try:
            names.check(wanted)
        except names.NameRefused:
            return None
        return self.variant(wanted)

    def numbered(self) -> str:
        """The next name with a number."""
        while True:
            self.given += 1
            name = f"{_GUEST}-{self.given}"
            if not self._taken(names.key(name)):
                return name

    def variant(self, name: str) -> str | None:
        """`name`, or the first variant of it that is free; None if all are taken."""
        key = names.key(name)  # only once: normalizing takes time, and all clients wait
        for number in range(_VARIANTS):
            mark = "" if number == 0 else f" ({_GUEST})" if number == 1 else f" ({_GUEST} {number})"
            # nothing grows together across a space, so this is the form's key
            if not self._taken(key + mark) and (mark or not self._registrations.resembles(name)):
                return name + mark
        return None

    def _taken(self, key: str) -> bool:
        return key in self._present or self._registrations.taken(key)
