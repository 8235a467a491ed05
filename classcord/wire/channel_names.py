"""The names of channels, as people write them: `dev`, `#dev` and `＃DEV` are one. Pure; any thread may call it."""

from __future__ import annotations

import functools
import unicodedata
from typing import NamedTuple

from classcord.wire import names

__all__ = ["EVERYBODY", "MAX_NAME", "MAX_TYPED", "ChannelName", "find"]

MAX_NAME = 32
"""Characters in a name, without the #."""
MAX_TYPED = 100
"""Characters in a name as somebody typed it: decomposed, or with spaces around it."""


class ChannelName(NamedTuple):
    """The name of a channel."""

    key: str
    """Equal names have equal keys: without #, case and accents."""
    shown: str
    """As people see it, with the #."""


EVERYBODY = ChannelName("general", "#général")
"""The channel in which everybody is."""
_EVERYBODY = frozenset({EVERYBODY.key, "global", "all", "tous", "public"})
"""The keys of the words that clients and people use for it."""


@functools.lru_cache(1024)
def find(text: str) -> ChannelName | None:
    """The name that `text` stands for; the empty text stands for everybody. None if it can't be a name.

    `text` may have any length and any characters.
    """
    if len(text) > MAX_TYPED or names.piled(text):
        return None
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain:
        return EVERYBODY
    name = plain.removeprefix("#")
    kinds = [unicodedata.category(char)[0] for char in name]
    if not 1 <= len(name) <= MAX_NAME or kinds[0] == "M":
        return None
    if not all(kind in "LNM" or char in "-_" for kind, char in zip(kinds, name, strict=True)):
        return None
    key = _key(name)
    return EVERYBODY if key in _EVERYBODY else ChannelName(key, f"#{name}")


def _key(name: str) -> str:
    apart = unicodedata.normalize("NFD", names.key(name))
    return names.key("".join([char for char in apart if unicodedata.category(char) != "Mn"]))
