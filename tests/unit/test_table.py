"""The table of requests is whole, and the documents have each of its rows.

A fault names its file and the row to add there, so that a new request is complete once these tests pass.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from classcord.chat.people import Who
from classcord.wire import names
from classcord.wire.protocol import ERRORS
from classcord.wire.texts import LANGUAGES
from handlers import connection
from handlers.presence import STATES
from handlers.request import Request, Typed
from handlers.table import TABLE, WORDS
from tests.support import ROOT
from tests.unit.test_architecture import SOURCES
from tests.unit.test_documents import table

DOCUMENTS = {name: (ROOT / name).read_text() for name in ("docs/PROTOCOLE.md", "docs/CONNEXION.md")}
TEXTS = "classcord/wire/texts.py"
WHO = {"anybody": "tous", "named": "qui a un nom", "account": "un compte", "teacher": "un enseignant"}
"""How docs/PROTOCOLE.md calls those who may send a request."""


@functools.cache
def calls(path: Path) -> list[ast.Call]:
    """All calls in a file."""
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def quoted(words: Sequence[str], before: str = "") -> str:
    return ", ".join(f"`{before}{word}`" for word in words)


def first_words(typed: Typed) -> tuple[str, list[str]]:
    """The word in the French list, and the others, as the document orders them."""
    words = dict.fromkeys(word for each in typed.words.values() for word in each)
    return next(iter(words), ""), [*words][1:]


def compare(file: str, heading: str, wanted: Mapping[str, str], what: str, text: str = "") -> Iterator[str]:
    """The faults of a table in a document. `wanted` has a row for each name that its first column should begin with."""
    found = [re.findall(r"`([^`]+)`", row[0])[0] for row in table(text or DOCUMENTS[file], heading)]
    for name, row in wanted.items():
        if name not in found:
            yield f"{file}: the table of {what} lacks a row for `{name}`: {row}"
    for name in found:
        if name not in wanted:
            yield f"{file}: the table of {what} has a row for `{name}`, which does not exist"
    if what in ("requests", "errors") and sorted(found) == sorted(wanted) and found != [*wanted]:
        yield f"{file}: the table of {what} has another order than the code: {', '.join(wanted)}"


# --- the documents ---


def request_faults(rows: Sequence[Request], text: str) -> Iterator[str]:
    """What docs/PROTOCOLE.md lacks of these requests."""
    file = "docs/PROTOCOLE.md"
    listed, others, typed, in_lists = {}, {}, {}, dict[str, list[str]](first=[], all=[])
    for row in rows:
        required = quoted([field.name for field in row.fields if field.required])
        optional = quoted([field.name for field in row.fields if not field.required])
        allowed = f"{WHO.get(row.who, row.who)} | {row.cost if row.cost != 1 else ''}"
        if row.type is not None and row.listed:
            listed[row.type] = f"| `{row.type}` | {required} | {optional} | {allowed} | ... |"
        other_types = row.aliases if row.listed or row.type is None else (row.type, *row.aliases)
        fields = quoted([field.name for field in row.fields])
        others.update({kind: f"| `{kind}` | {fields} | {allowed} | ... |" for kind in other_types})
        if row.typed is not None and row.typed.listed != "never":
            word, more = first_words(row.typed)
            in_brackets = f" ({quoted(more, '/')})" if more else ""
            typed[f"/{word}"] = f"| `/{word}`{in_brackets} | {allowed} | ... |"
            for name in ("first", "all") if row.typed.listed == "first" else ("all",):
                if row.who != "teacher":
                    in_lists[name].append(f"/{word}")
    yield from compare(file, "type", listed, "requests", text)
    yield from compare(file, "autre mot", others, "other types", text)
    yield from compare(file, "commande", typed, "typed commands", text)
    for heading, wanted in (("type", listed), ("autre mot", others)):
        for cells in table(text, heading):
            name = cells[0].strip("`")
            right = [set(re.findall(r"`(\w+)`", cell)) for cell in wanted.get(name, "").split("|")[2:-2]]
            from_guests = {"from", "user"}.difference(*right)  # see Request.fields
            shown = [set(re.findall(r"`(\w+)`", cell.partition("(")[0])) - from_guests for cell in cells[1:-1]]
            if name in wanted and shown != right:
                yield f"{file}: the row for `{name}` has other fields than handlers/table.py: {wanted[name]}"
    for heading, wanted in (("type", listed), ("autre mot", others), ("commande", typed)):
        for cells in table(text, heading):
            name = re.findall(r"`([^`]+)`", cells[0])[0]
            right_ones = [cell.strip() for cell in wanted.get(name, "").split("|")[-4:-2]]
            if name in wanted and cells[-3:-1] != right_ones:
                yield f"{file}: the row for `{name}` has another `qui` or `coût` than the table: {wanted[name]}"
    for cells in table(text, "commande"):
        words = re.findall(r"`(/[^`]+)`", cells[0])
        if words[0] in typed and words != re.findall(r"`(/[^`]+)`", typed[words[0]]):
            yield f"{file}: the row for `{words[0]}` has other words than handlers/table.py: {typed[words[0]]}"
    for command, name in (("/aide", "first"), ("/aide tout", "all")):  # the last row first, and not those of teachers
        said = LANGUAGES["fr"]["help" if name == "first" else "help_all"]
        answer = said.format(commands=" ".join(reversed(in_lists[name])))
        if f'"{answer}"' not in text:
            yield f'{file}: the answer to {command} in the exchange lacks a command: it is "{answer}"'


def test_the_protocol_has_every_request_and_every_typed_command() -> None:
    faults = [*request_faults(TABLE, DOCUMENTS["docs/PROTOCOLE.md"])]
    assert not faults, "\n" + "\n".join(faults)


def error_faults(errors: Sequence[str]) -> Iterator[str]:
    rows = {code: f"| `{code}` | ... | ... |" for code in errors}
    for file in DOCUMENTS:
        yield from compare(file, "code", rows, "errors")
        for cells in table(DOCUMENTS[file], "code"):
            if not all((cells[0], cells[2])):
                yield f"{file}: the row for {cells[0]} does not say what to do"
    for path in SOURCES:
        for node in calls(path):
            if isinstance(node.func, ast.Name) and node.func.id == "ProtocolError":
                code = node.args[0]
                if isinstance(code, ast.Constant) and code.value not in errors:
                    where = f"{path.relative_to(ROOT)}:{node.lineno}"
                    yield f"classcord/wire/protocol.py: ERRORS lacks `{code.value!s}`, which {where} raises"


def test_the_documents_have_every_error_code() -> None:
    faults = [*error_faults([*ERRORS])]
    assert not faults, "\n" + "\n".join(faults)


def test_the_protocol_has_every_state() -> None:
    rows = table(DOCUMENTS["docs/PROTOCOLE.md"], "état")
    written = {word: row[0].strip("`") for row in rows for word in re.findall(r"`([^`]+)`", row[0] + row[1])}
    assert written == STATES, "docs/PROTOCOLE.md: the table of states does not agree with handlers/presence.py"


# --- the texts ---


def text_faults(languages: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Texts that a language lacks, texts with other values, and texts that the code names but nobody has written."""
    said: dict[str, str] = {}
    for path in SOURCES:
        for node in calls(path):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            place = {"texts": 0, "_texts": 0, "Refused": 1, "_text": 1}.get(called)  # 1: behind a status of HTTP
            for argument in node.args[place : place + 1] if place is not None else []:
                for name in (n.value for n in ast.walk(argument) if isinstance(n, ast.Constant)):
                    said[str(name)] = f"{path.relative_to(ROOT)}:{node.lineno}"
    every = dict.fromkeys(name for texts in languages.values() for name in texts)
    for language, texts in languages.items():
        for name in every:
            if name not in texts:
                yield f'{TEXTS}: "{language}" lacks the text "{name}"'
        for name, where in said.items():
            if name not in every:
                yield f'{TEXTS}: "{language}" lacks the text "{name}", which {where} says'
    for name in every:
        if len({frozenset(re.findall(r"{(\w+)}", texts[name])) for texts in languages.values() if name in texts}) > 1:
            yield f'{TEXTS}: the languages put other values into the text "{name}"'
        if name not in said:
            yield f'{TEXTS}: no code says the text "{name}"'


def test_every_language_has_every_text() -> None:
    faults = [*text_faults(LANGUAGES)]
    assert not faults, "\n" + "\n".join(faults)


# --- the table itself ---


def row_faults(rows: Sequence[Request]) -> Iterator[str]:
    """What the rows lack, and what stands there twice."""
    file, seen = "handlers/table.py", dict[str, Request]()
    for row in rows:
        typed = row.typed
        name = row.type or (typed and f"/{first_words(typed)[0]}") or "without a type and a word"
        if row.type is None and typed is None:
            yield f"{file}: a row has neither a type nor words"
        if row.type is not None:
            if row.handle is None or not row.help:
                yield f"{file}: the row `{name}` lacks its function or its help"
            fields = {"type": row.type, **{field.name: "" for field in row.fields if field.required}}
            if row.example.get("type") != row.type or not fields.keys() <= row.example.keys():
                yield f"{file}: the row `{name}` lacks an example with its type and its required fields"
        if row.who not in get_args(Who):
            yield f"{file}: the row `{name}` is for {row.who!r}, which the room does not know"
        if not isinstance(row.cost, int) or row.cost < 0:
            yield f"{file}: the row `{name}` has no cost: a whole number, 0 or more"
        for language in LANGUAGES if typed else ():
            assert typed is not None
            words, explained = typed.words.get(language), typed.explained.get(language)
            if not words:
                yield f'{file}: the row `{name}` lacks a typed word in "{language}"'
            if not explained:
                yield f'{file}: the row `{name}` lacks its explanation in "{language}"'
            if words and explained and not typed.secret and not explained.startswith(f"/{words[0]}"):
                yield f'{file}: the explanation of `{name}` in "{language}" does not begin with the word'
        said = {f"/{names.key(word)}" for each in typed.words.values() for word in each} if typed else set()
        for word in [kind for kind in (row.type, *row.aliases) if kind] + sorted(said):
            if word in seen:
                yield f"{file}: two rows have `{word}`"
            seen[word] = row
        for word in said:
            if len(word) > 21 or word != word.strip() or re.search(r"\s", word):
                yield f"{file}: `{word}` can't be typed: it is too long, or has a space"


def test_every_row_is_whole_and_nothing_stands_there_twice() -> None:
    faults = [*row_faults(TABLE)]
    assert not faults, "\n" + "\n".join(faults)


def test_the_bare_words_that_netcat_users_type_are_those_of_help() -> None:
    words = {word for each in WORDS["help"].typed.words.values() for word in each} if WORDS["help"].typed else set()
    assert {word.decode() for word in connection._HELP_WORDS} == words, "handlers/connection.py: _HELP_WORDS"


def test_what_known_clients_ask_in_a_row_costs_little() -> None:
    """Three `users` within milliseconds and one each 3 seconds for ever; register and login back to back."""
    cost = {row.type: row.cost for row in TABLE}
    assert 3 * cost["users"] + cost["register"] + cost["login"] <= 25, "half of what may come at once"
    assert cost["users"] <= 3, "a fifth of what may come in 3 seconds"
    assert cost["message"] == cost["ping"] == cost["help"] == 1
