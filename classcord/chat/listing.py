"""The people who are here as one line of text. Pure; any thread may call it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from classcord.chat.people import Person
from classcord.wire.protocol import MAX_CONTENT
from classcord.wire.texts import Texts

__all__ = ["who_text"]

_MAX_TOLD = MAX_CONTENT // 3 + 1
"""Names that are too many for one answer to a typed command, even if each has one character."""


def who_text(texts: Texts, people: Sequence[Person]) -> str:
    """Their names, and their states if these are not online. What does not fit into one message is counted."""
    count = len(people)
    described = [f"{p.name} ({p.state})" if p.state != "online" else p.name for p in people[:_MAX_TOLD]]
    text = texts("who", count=count, names=", ".join(described))
    if len(text) > MAX_CONTENT:
        space = MAX_CONTENT - len(texts("who_more", count=count, names="", more=count))
        ends = itertools.accumulate(len(name) + 2 for name in described)
        fit = min(sum(end - 2 <= space for end in ends), count - 2)  # "others" are two at least
        text = texts("who_more", count=count, names=", ".join(described[:fit]), more=count - fit)
    return text
