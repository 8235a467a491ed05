"""The faults that tests/unit/test_table.py looks for are found, each with its file and the row to add."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from classcord.wire.protocol import ERRORS
from classcord.wire.texts import LANGUAGES
from handlers.request import Field, Request, Typed
from handlers.table import TABLE
from tests.unit.test_table import DOCUMENTS, TEXTS, error_faults, request_faults, row_faults, text_faults

RAIN = Request("rain", lambda context, message: None, "the rain", {"type": "rain"}, (Field("zone", required=False),))
TYPED = Typed(lambda context, rest: None, {"fr": ("pluie",), "en": ("rain",)}, {"fr": "/pluie : pluie", "en": "/rain"})


def changed(kind: str, **values: object) -> list[Request]:
    """The table with one row changed."""
    assert any(row.type == kind for row in TABLE)
    return [row._replace(**values) if row.type == kind else row for row in TABLE]  # type: ignore[arg-type]


def protocol_faults(rows: Sequence[Request]) -> list[str]:
    """Those that the real table does not have."""
    text = DOCUMENTS["docs/PROTOCOLE.md"]
    return [fault for fault in request_faults(rows, text) if fault not in set(request_faults(TABLE, text))]


def test_a_document_without_a_request_is_named_with_the_row_to_add() -> None:
    assert protocol_faults([*TABLE, RAIN]) == [
        "docs/PROTOCOLE.md: the table of requests lacks a row for `rain`: | `rain` |  | `zone` | tous |  | ... |",
    ]


def test_a_document_without_a_typed_command_is_named_with_the_row_to_add() -> None:
    rows = [row.typed for row in reversed(TABLE) if row.typed and row.who != "teacher"]
    first, all_of_them = (
        " ".join("/" + typed.words["fr"][0] for typed in rows if typed.listed in lists)
        for lists in (("first",), ("first", "all"))
    )
    answer = f"Commandes : /pluie {first}. Toutes : /aide tout. Une seule : /aide mp"
    second = f"Commandes : /pluie {all_of_them}. Pour en savoir plus : /aide mp"
    assert protocol_faults([*TABLE, Request(None, typed=TYPED)]) == [
        "docs/PROTOCOLE.md: the table of typed commands lacks a row for `/pluie`:"
        " | `/pluie` (`/rain`) | tous |  | ... |",
        f'docs/PROTOCOLE.md: the answer to /aide in the exchange lacks a command: it is "{answer}"',
        f'docs/PROTOCOLE.md: the answer to /aide tout in the exchange lacks a command: it is "{second}"',
    ]


def test_a_document_without_an_alias_is_named_with_the_row_to_add() -> None:
    assert protocol_faults(changed("who", aliases=("here",))) == [
        "docs/PROTOCOLE.md: the table of other types lacks a row for `here`: | `here` | `channel` | tous |  | ... |",
    ]


def test_a_document_that_lacks_a_word_or_a_field_is_named_with_the_right_row() -> None:
    typed = Typed(TYPED.run, {"fr": ("qui",), "en": ("who", "users", "here")}, TYPED.explained)
    assert protocol_faults(changed("users", typed=typed, fields=(Field("channel"),))) == [
        "docs/PROTOCOLE.md: the row for `users` has other fields than handlers/table.py:"
        " | `users` | `channel` |  | tous |  | ... |",
        "docs/PROTOCOLE.md: the row for `connected_users` has other fields than handlers/table.py:"
        " | `connected_users` | `channel` | tous |  | ... |",
        "docs/PROTOCOLE.md: the row for `userlist` has other fields than handlers/table.py:"
        " | `userlist` | `channel` | tous |  | ... |",
        "docs/PROTOCOLE.md: the row for `/qui` has other words than handlers/table.py:"
        " | `/qui` (`/who`, `/users`, `/here`) | tous |  | ... |",
    ]


def test_a_document_with_another_cost_or_another_group_is_named_with_the_right_row() -> None:
    assert protocol_faults(changed("history", cost=50)) == [
        f"docs/PROTOCOLE.md: the row for `{name}` has another `qui` or `coût` than the table: {row}" for name, row in (
            ("history", "| `history` |  | `limit`, `before`, `after`, `channel`, `with`, `query` | tous | 50 | ... |"),
            ("/historique", "| `/historique` (`/history`) | tous | 50 | ... |"),
        )
    ]
    assert protocol_faults(changed("list_users", who="account")) == [
        "docs/PROTOCOLE.md: the row for `list_users` has another `qui` or `coût` than the table:"
        " | `list_users` |  | un compte |  | ... |",
    ]


def test_a_document_with_a_request_that_does_not_exist_is_named() -> None:
    assert protocol_faults([row for row in TABLE if row.type != "ping"]) == [
        "docs/PROTOCOLE.md: the table of requests has a row for `ping`, which does not exist",
    ]


def test_a_document_with_another_order_is_named() -> None:
    (fault,) = protocol_faults([*TABLE[1:], TABLE[0]])
    assert fault.startswith("docs/PROTOCOLE.md: the table of requests has another order than the code: login, passw")


def test_a_document_without_an_error_code_is_named_with_the_row_to_add() -> None:
    assert [*error_faults([*ERRORS, "too_fast"])] == [
        f"{file}: the table of errors lacks a row for `too_fast`: | `too_fast` | ... | ... |" for file in DOCUMENTS
    ]
    named = next(line for line in error_faults([code for code in ERRORS if code != "not_named"]) if "ERRORS" in line)
    assert re.fullmatch(
        r"classcord/wire/protocol.py: ERRORS lacks `not_named`, which classcord/chat/people.py:\d+ raises", named
    )


def test_a_language_without_a_text_is_named() -> None:
    french, english = LANGUAGES["fr"], LANGUAGES["en"]
    without = {name: text for name, text in english.items() if name != "who"}
    assert [*text_faults({"fr": french, "en": without})] == [f'{TEXTS}: "en" lacks the text "who"']
    other = {**english, "who": "Here: {people}"}
    other_values = f'{TEXTS}: the languages put other values into the text "who"'
    assert [*text_faults({"fr": french, "en": other})] == [other_values]
    both = {language: {**texts, "bye": "bye"} for language, texts in LANGUAGES.items()}
    assert [*text_faults(both)] == [f'{TEXTS}: no code says the text "bye"']
    neither = {language: {n: t for n, t in texts.items() if n != "who"} for language, texts in LANGUAGES.items()}
    found = [line.partition(", which")[0] for line in text_faults(neither)]
    assert found == [f'{TEXTS}: "{language}" lacks the text "who"' for language in LANGUAGES]


@pytest.mark.parametrize(("row", "fault"), [
    (RAIN._replace(help=""), "the row `rain` lacks its function or its help"),
    (RAIN._replace(example={"type": "rian"}), "the row `rain` lacks an example with its type and its required fields"),
    (RAIN._replace(fields=(Field("zone"),)), "the row `rain` lacks an example with its type and its required fields"),
    (RAIN._replace(type="ping", example={"type": "ping"}), "two rows have `ping`"),
    (RAIN._replace(aliases=("userlist",)), "two rows have `userlist`"),
    (RAIN._replace(who="dean"),  # type: ignore[arg-type]
     "the row `rain` is for 'dean', which the room does not know"),
    (RAIN._replace(cost=-1), "the row `rain` has no cost: a whole number, 0 or more"),
    (Request(None), "a row has neither a type nor words"),
    (Request(None, typed=TYPED._replace(words={"fr": ("pluie",)})), 'the row `/pluie` lacks a typed word in "en"'),
    (RAIN._replace(typed=TYPED._replace(explained={"en": "/rain"})), 'the row `rain` lacks its explanation in "fr"'),
    (RAIN._replace(typed=TYPED._replace(explained={"fr": "/pluie", "en": "the rain"})),
     'the explanation of `rain` in "en" does not begin with the word'),
    (RAIN._replace(typed=TYPED._replace(words={"fr": ("pluie", "Qui"), "en": ("rain",)})), "two rows have `/qui`"),
    (RAIN._replace(typed=TYPED._replace(words={"fr": ("pluie", "forte pluie"), "en": ("rain",)})),
     "`/forte pluie` can't be typed: it is too long, or has a space"),
])
def test_a_row_with_a_fault_is_named(row: Request, fault: str) -> None:
    assert set(row_faults([*TABLE, row])) - set(row_faults(TABLE)) == {f"handlers/table.py: {fault}"}
