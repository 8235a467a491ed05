"""The form of a request: one row of the table in handlers/table.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from classcord.chat.people import Who
from handlers.context import Context

__all__ = ["MAX_REF", "PUNCTUATION", "Announces", "Command", "Field", "Misused", "Request", "Typed"]

_MAX_FIELD = 1000
"""Characters in a field without a special limit."""
MAX_REF = 64
"""Characters of the mark that a client gives a message: see docs/PROTOCOLE.md."""
PUNCTUATION = ".,;:!?…"
"""What people put after a typed word."""


Announces = Literal["nothing", "coming", "change"]
"""`coming`: a client that nobody has seen yet becomes a guest. `change`: also that somebody changed, or left."""


class Command(Exception):
    """The content of a message is a typed command, `text`: it is not relayed, but run."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Misused(Exception):
    """The rest of a typed command makes no sense. The person is told how to type it."""


class Field(NamedTuple):
    """A field that must be a string. `most` is its greatest length in characters.

    `null` means not given, because some clients always send all their fields; so does the empty text of a field that is
    not required, as clients with an unset String send it.
    """

    name: str
    required: bool = True
    most: int | None = _MAX_FIELD
    number: bool = False
    """It is a whole number, 0 or more; some languages send it as a string."""
    any_value: bool = False
    """The function checks the value itself, also null; only the presence of the field is checked before."""
    may_be_empty: bool = False
    """It is not required, and the empty text is a value of its own all the same."""


class Typed(NamedTuple):
    """A request that people type as a message: `/msg bob Salut`. Each mapping has every language of texts.LANGUAGES."""

    run: Callable[[Context, str], None]
    """Gets the text after the word. Raises Misused."""
    words: Mapping[str, tuple[str, ...]]
    """The words after the slash, small letters. All are understood in each language; the first one is in the list."""
    explained: Mapping[str, str]
    """The answer to `/aide WORD`: one short line. Also the answer to a wrong use, if there is no example."""
    example: str = ""
    """What follows the word in an example, in each language."""
    secret: bool = False
    """A password follows the word. It is recognized by its letters: `/login:bob:x`."""
    listed: Literal["first", "all", "never"] = "first"
    """In which lists it is: in that of `/aide`, which must stay short, or only in that of `/aide tout`."""


class Request(NamedTuple):
    """A request: a type of JSON line, words that people type, or both."""

    type: str | None
    """None: it is only typed."""
    handle: Callable[[Context, dict[str, Any]], None] | None = None
    """Runs a line of this type; its fields are checked. Raises ProtocolError."""
    help: str = ""
    example: Mapping[str, Any] = {}
    fields: tuple[Field, ...] = ()
    """The room checks `from` and `user`, the fields in which a guest gives its name. Other fields are ignored."""
    aliases: tuple[str, ...] = ()
    """Other types for the same, which some clients send. `help` leaves them out: new clients don't need them."""
    listed: bool = True
    """False: only for some known clients; `help` leaves it out."""
    who: Who = "anybody"
    """Who may send it. The room decides that when the turn of the request comes: see Room.only."""
    cost: int = 1
    """What it takes from its sender's allowance of lines, 0 or more; see `dispatch`. With wrong fields it takes 1."""
    announces: Announces = "nothing"
    """What everybody may be told because of it, beside a content: it waits for a share of the room's rate first."""
    lists: bool = False
    """Its answer names the people or the channels: it takes more work the more people are here, and may be long."""
    typed: Typed | None = None
