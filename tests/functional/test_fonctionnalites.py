"""The sessions in docs/FONCTIONNALITES.md are what happens."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from classcord.wire import names
from classcord.wire.texts import LANGUAGES
from handlers.table import TABLE, WORDS
from tests.functional.test_console import admin
from tests.support import ROOT, Client, Server, member, say

DOCUMENT = (ROOT / "docs" / "FONCTIONNALITES.md").read_text(encoding="utf-8")


def matches(pattern: str, text: str) -> bool:
    """Whether they are the same; … stands for anything."""
    return re.fullmatch(".+".join(map(re.escape, pattern.split("…"))), text) is not None


def test_each_session_happens_as_it_stands_there(own_server: Callable[..., Server]) -> None:
    """Who speaks in a session is there from its beginning, and reads all that comes, but the states of others."""
    server = own_server()
    sessions = re.findall(r"```session\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(sessions) >= 5
    said = ""
    with ExitStack() as stack:
        people: dict[str, Client] = {}
        for session in sessions:
            steps = re.findall(r"^(\w+)([<>]) (.*)$", session, re.MULTILINE)
            for name in {name for name, _, _ in steps} - {"console", *people}:
                people[name] = stack.enter_context(member((server.host, server.port), name))
            for name, way, text in steps:
                if (name, way) == ("console", ">"):
                    said = admin(server.data, *text.split()).stdout.strip()
                elif name == "console":
                    assert matches(text, said), f"the console says {said}, the document says {text}"
                elif way == ">":
                    people[name].send(say(text))
                else:
                    line = people[name].until(type="message")
                    got = f"{line['from']} : {line['content']}"
                    assert matches(text, got), f"{name} reads {got}, the document says {text}"


def test_the_words_that_it_names_exist_and_it_names_each_command() -> None:
    named = set(re.findall(r"(?:`|[<>] )/([^\W\d_]+)", DOCUMENT))
    assert {word for word in named if names.key(word) not in WORDS} == set()
    rows = [row.typed for row in TABLE if row.typed is not None and row.typed.listed != "never"]
    assert [typed.words["fr"][0] for typed in rows if not named & set(typed.words["fr"])] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_that_serveur_names_exist(language: str) -> None:
    chat = [text for key, text in LANGUAGES[language].items() if not key.startswith("web_")]
    texts = [*chat, *[row.typed.explained[language] for row in TABLE if row.typed is not None]]
    named = set(re.findall(r"(?<![\w/.])/([^\W\d_]+)", " ".join(texts)))
    assert {word for word in named if names.key(word) not in WORDS} == set()
    assert len(named) > 20
