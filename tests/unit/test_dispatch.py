"""From a decoded line to the items of the room: fields, who may, typed commands, cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import handlers
from classcord.chat.accounts import Account, Accounts
from classcord.chat.channel_operations import ChannelOperations
from classcord.chat.people import Who
from classcord.chat.room import Item, Room
from classcord.data.store import Store
from classcord.net.link import Link
from classcord.net.listener import ChatServer
from classcord.net.peer import Peer
from classcord.services import Services
from classcord.wire.protocol import ProtocolError
from classcord.wire.texts import LANGUAGES, Texts
from handlers import dispatch
from handlers.context import Context
from handlers.request import Request, Typed
from handlers.table import TABLE, TYPES, WORDS
from tests.support import Client, Message, member, say
from tests.unit.stubs import Wire

NOT_GIVEN = "(not given)"
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [NOT_GIVEN, None, "", "x", "x" * 100, "x" * 101, "x" * 1000, "x" * 1001, 5, True, ["a"], {}]
)


def a_context(language: str = "fr") -> Context:
    """Of a client whose items nobody carries out."""
    none = cast(Any, None)
    registry = cast(Any, SimpleNamespace(links=list))
    services = Services(registry, none, none, Texts(language), none, 1 << 20, 1 << 16)
    return Context(Link(cast(Any, Wire()), 1 << 20, Peer()), services)


def typed(text: str, language: str = "fr") -> list[Item]:
    """The items of a typed command, but the one that names a guest."""
    context = a_context(language)
    dispatch(context, {"type": "message", "content": text})
    assert context._items.pop(0)[0] == "identify"
    return context._items


@pytest.mark.parametrize("kind", TYPES)
@given(data=st.data())
def test_the_quick_look_at_the_fields_finds_what_the_whole_one_finds(kind: str, data: st.DataObject) -> None:
    request = TYPES[kind]
    message: dict[str, Any] = {"type": kind}
    for name in [*(field.name for field in request.fields), "from", "other"]:
        value = data.draw(VALUES)
        if value != NOT_GIVEN:
            message[name] = value

    def outcome(run: Callable[[], dict[str, Any]]) -> object:
        try:
            got = run()
        except ProtocolError as error:
            return error.line()
        kept = {field.name for field in request.fields}  # and for the others, null is what message.get gives
        return {name: value for name, value in got.items() if value is not None or name in kept}

    def quick() -> dict[str, Any]:
        passed: list[dict[str, Any]] = []
        with pytest.MonkeyPatch.context() as patch:
            route = handlers._ROUTES[kind]._replace(handle=lambda context, message: passed.append(message))
            patch.setitem(handlers._ROUTES, kind, route)
            dispatch(a_context(), dict(message))
        return passed[0]

    kept = handlers._ROUTES[kind].kept
    assert outcome(quick) == outcome(lambda: handlers._checked(kind, request, kept, dict(message)))


# --- typed commands ---


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_typed_command_is_in_the_list_and_explained(language: str) -> None:
    for command, for_teachers, lists in (
        ("/help", False, ("first",)), ("/help all", False, ("first", "all")), ("/help teacher", True, ("first", "all")),
    ):
        rows = [
            row.typed for row in TABLE
            if row.typed and row.typed.listed in lists and (row.who == "teacher") == for_teachers
        ]
        ((operation, _, (listed,)),) = typed(command, language)
        assert operation == "notice"
        assert len(listed) < 200, f"{command} must stay one short line: see Typed.listed"
        assert listed.partition(".")[0].split()[-len(rows):] == [f"/{row.words[language][0]}" for row in reversed(rows)]
    for row in (row.typed for row in TABLE if row.typed):
        for word in (word for words in row.words.values() for word in words):
            assert [item[2] for item in typed(f"/? {word.upper()}", language)] == [(row.explained[language],)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_wrong_use_is_answered_with_the_example_or_the_explanation(language: str) -> None:
    (usage,), = [item[2] for item in typed("/msg", language)]
    word = "/mp" if language == "fr" else "/msg"
    assert usage == LANGUAGES[language]["command_usage"].format(usage=f"{word} alice Bonjour")
    (explained,), = [item[2] for item in typed("/etat", language)]
    assert explained.startswith("/etat " if language == "fr" else "/status ")


def test_a_word_before_a_password_is_recognized_by_its_letters_and_another_word_is_not() -> None:
    refusal = WORDS["login"].typed
    assert refusal is not None
    assert [item[2] for item in typed("/login:bob:azerty")] == [(refusal.explained["fr"],)]
    assert "azerty" not in repr(typed("/msg:bob:azerty"))
    assert [item[0] for item in typed("/msg:bob:azerty bonjour")] == ["notice"]


# --- cost ---


ASKING = ("register", "login", "password", "commands", "history", "delete", "new_class")
"""The requests whose threads ask the others, or the disk, first."""


@pytest.mark.parametrize("kind", [kind for kind in TYPES if kind not in ASKING])
def test_a_line_costs_what_its_row_says(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(handlers._ROUTES, kind, handlers._route(TYPES[kind]._replace(cost=7, who="anybody")))
    assert dispatch(a_context(), {**TYPES[kind].example, "type": kind}) == 7


def test_a_refused_line_costs_what_its_row_says_if_work_was_done_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a wrong password would be cheap."""
    row = TYPES["status"]._replace(cost=7)
    monkeypatch.setitem(handlers._ROUTES, "status", handlers._route(row))
    for message, cost in (({"state": "asleep"}, 7), ({}, 1), ({"state": 5}, 1), ({"type": "?"}, 1)):
        with pytest.raises(ProtocolError) as caught:
            dispatch(a_context(), {"type": "status", **message})
        assert caught.value.cost == cost, message


def test_a_typed_command_costs_what_its_row_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(context: Context, rest: str) -> None:
        raise ProtocolError("unavailable", "fail")

    row = WORDS["qui"]
    assert row.typed is not None
    monkeypatch.setitem(WORDS, "qui", row._replace(cost=7))
    monkeypatch.setitem(WORDS, "fail", row._replace(cost=7, typed=row.typed._replace(run=fail)))
    assert dispatch(a_context(), say("/qui")) == 7
    assert dispatch(a_context(), say("/quoi")) == 1
    with pytest.raises(ProtocolError) as caught:
        dispatch(a_context(), say("/fail"))
    assert caught.value.cost == 7


class Meter:
    """Stands for a Limiter: what the requests make everybody receive."""

    def __init__(self) -> None:
        self.charged: list[str] = []
        self.names: list[object] = []
        """The name and the channel that come with it."""

    def content(self, content: str, name: object = None) -> None:
        self.charged.append(content)
        self.names.append(name)

    def presence(self, what: str, name: object = None, channel: object = None) -> None:
        self.charged.append(what)
        self.names += name, channel

    def logged_out(self) -> None: ...

    def work(self, lines: int) -> None: ...


@pytest.mark.parametrize(("message", "charged"), [
    ({"type": "message", "content": "hello"}, ["hello"]),
    ({"type": "message", "content": "hello", "channel": "#dev"}, ["#devhello"]),
    ({"type": "message", "content": "…", "channel": "global"}, ["#général…"]),
    ({"type": "join", "channel": "#dev"}, ["change"]), ({"type": "leave", "channel": "#dev"}, ["change"]),
    ({"type": "channels"}, []), ({"type": "topic", "channel": "#dev"}, []),
    ({"type": "topic", "channel": "#dev", "topic": " le  TP "}, ["le TP"]),
    (say("/join #dev"), ["coming", "change"]), (say("/quitter"), ["coming", "change"]),
    (say("/sujet le TP"), ["coming", "le TP"]), (say("/canaux"), ["coming"]),
    ({"type": "status", "state": "away"}, ["change"]),
    *[(say(text), ["coming", "change"]) for text in ("/etat away", "/status dnd", "/absent", "/retour", "/invisible")],
    ({"type": "users"}, ["coming"]), ({"type": "list_users"}, ["coming"]), ({"type": "who"}, ["coming"]),
    (say("/qui"), ["coming", "coming"]),
    ({"type": "logout"}, ["change"]), ({"type": "disconnect"}, ["change"]),
    ({"type": "change_username", "new_user": "zoe"}, ["change"]),
    ({"type": "message", "content": ""}, ["coming"]),
    ({"type": "private", "to": "bob", "content": "psst"}, ["psst"]),
    ({"type": "message", "subtype": "private", "to": "bob", "content": "psst"}, ["psst"]),
    (say("/mp bob psst"), ["coming", "psst"]), (say("/moi danse"), ["* danse"]),
    ({"type": "ping"}, []), ({"type": "ignore", "user": "bob"}, []),
])
def test_what_a_line_makes_others_receive_is_charged(message: Message, charged: list[str]) -> None:
    context, meter = a_context(), Meter()
    context.limiter = cast(Any, meter)
    dispatch(context, message)
    assert meter.charged == charged


@pytest.mark.parametrize(("message", "names"), [
    ({"type": "message", "content": "hello", "from": "zoe"}, ["zoe"]),
    ({"type": "message", "content": "hello", "from": "zoe", "channel": "#dev"}, ["zoe"]),
    ({"type": "message", "content": "", "from": "zoe"}, ["zoe"]),
    ({"type": "message", "content": "/aide", "from": "zoe"}, ["zoe"]),
    ({"type": "private", "to": "bob", "content": "psst", "from": "zoe"}, ["zoe"]),
    ({"type": "status", "state": "away", "user": "zoe"}, ["zoe"]),
    ({"type": "change_username", "new_user": "zoe", "user": "x"}, ["zoe"]),
    ({"type": "join", "channel": "#dev"}, ["#dev"]), (say("/join #dev"), ["#dev"]),
    (say("/etat away"), []), (say("/absent à table"), []),
])
def test_the_names_that_the_lines_carry_are_charged_too(message: Message, names: list[str]) -> None:
    context, meter = a_context(), Meter()
    context.limiter = cast(Any, meter)
    dispatch(context, message)
    assert [name for name in meter.names if name is not None] == names


def test_a_login_is_charged_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(handlers._ROUTES, "login", handlers._ROUTES["login"]._replace(handle=lambda *_: None))
    context, meter = a_context(), Meter()
    context.limiter = cast(Any, meter)
    dispatch(context, {"type": "login", "username": "zoe", "password": "azerty", "user": "x"})
    assert (meter.charged, meter.names) == (["change"], ["zoe", None])


@pytest.mark.parametrize("message", [
    {"type": "users"}, {"type": "connected_users"}, {"type": "list_users"}, {"type": "who"}, {"type": "channels"},
    say("/qui"), say("/qui #dev"), say("/canaux"),
])
def test_a_list_takes_more_work_the_more_people_there_are_and_may_be_long(message: Message) -> None:
    context, work = a_context(), list[int]()
    context.registry = cast(Any, SimpleNamespace(links=lambda: [None] * 500))
    context.limiter = cast(Any, SimpleNamespace(work=work.append, presence=lambda *_: None))
    dispatch(context, message)
    assert work == [10], "lines that take as much"
    assert context.behind(), "the next request waits until the client takes it"


# --- who may ---


def _handle(context: Context, message: dict[str, Any]) -> None:
    context.post(ChannelOperations.use_private_type)
    if message.get("wait"):
        context.wait_until_stored()
    context.reply(b'{"type":"done"}\n')
    if message.get("fail"):
        raise ProtocolError("invalid_field", "fail")


def _typed(context: Context, rest: str) -> None:
    context.post(ChannelOperations.use_private_type)
    context.post(Room.notice, "done")


@pytest.fixture
def address(start: Callable[..., ChatServer], monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    """A server that also has requests for each group: the types and words for_anybody, for_named, for_account."""
    for who in get_args(Who):
        name = f"for_{who}"
        command = Typed(_typed, {"fr": (name,), "en": (name,)}, {"fr": f"/{name}", "en": f"/{name}"})
        row = Request(name, _handle, "", {"type": name}, who=who, typed=command)
        monkeypatch.setitem(handlers._ROUTES, name, handlers._route(row))
        monkeypatch.setitem(WORDS, name, row)
    host, port = start().socket.getsockname()
    return host, port


def answers(client: Client, *messages: Message) -> list[str]:
    """What each line of the answer is: its code, its type, or what Serveur says."""
    client.send(*messages, {"type": "ping"})
    found = []
    while (line := client.receive())["type"] != "pong":
        found.append(str(line.get("code") or line.get("content") or line["type"]))
    return found


def test_each_group_may_send_what_is_for_it(address: tuple[str, int]) -> None:
    requests: list[Message] = [{"type": f"for_{who}"} for who in ("anybody", "named", "account")]
    with Client(address) as client:
        assert answers(client, *requests) == ["done", "not_named", "not_named"]
        assert answers(client, {"type": "users"}) == ["users"]
        assert answers(client, *requests) == ["done", "done", "not_named"], "a guest"
    with member(address, "alice") as client:
        assert answers(client, *requests) == ["done", "done", "done"]
        assert answers(client, {"type": "for_teacher"}) == ["not_allowed"]
        assert answers(client, say("/for_teacher")) == [LANGUAGES["fr"]["teacher_needed"]]
        assert answers(client, {"type": "logout"}, *requests) == ["logout", "done", "not_named", "not_named"]


@pytest.fixture
def prof(tmp_path: Path) -> None:
    """Before the server starts: a teacher's account, and one with a role of a later version."""
    store, password = Store(tmp_path), Accounts([], 1).hash_password("azerty")
    store.commit([], [Account(name, name, password, "", role) for name, role in (("prof", "teacher"), ("x", "dean"))])
    store.close()


@pytest.mark.usefixtures("prof")
def test_a_teacher_may_send_what_is_for_teachers(address: tuple[str, int]) -> None:
    requests: list[Message] = [{"type": f"for_{who}"} for who in get_args(Who)]
    with Client(address) as client:
        client.login("prof")
        assert answers(client, *requests, say("/for_teacher")) == ["done"] * 5
        client.login("x")
        assert answers(client, *requests) == ["done", "done", "done", "not_allowed"]


def test_nothing_of_a_refused_request_is_done_and_its_answer_is_one_line(address: tuple[str, int]) -> None:
    with Client(address) as client, member(address, "alice") as alice:
        for more in ({}, {"wait": "yes"}):
            assert answers(client, {"type": "for_account", **more}) == ["not_named"]
        assert answers(client, {"type": "for_account", "fail": "yes"}) == ["invalid_field"]
        assert answers(client, say("/for_account")) == [LANGUAGES["fr"]["account_needed"]], "in a form that is shown"
        assert answers(client, {"type": "users"}) == ["users"]
        alice.send({"type": "message", "subtype": "private", "to": "invité-1", "content": "Salut"})
        assert client.receive()["type"] == "message", "not `private`: no part was done"
        found = answers(alice, say("/for_account"), {"type": "for_account", "wait": "yes"})
        assert [each for each in found if each != "status"] == ["done", "done"]


def test_the_right_is_that_at_the_turn_of_the_request(address: tuple[str, int]) -> None:
    """The client's thread may be ahead of the room by many lines."""
    with member(address, "alice") as client:
        line: Message = {"type": "for_account"}
        login: Message = {"type": "login", "username": "alice", "password": "azerty"}
        found = answers(client, line, {"type": "logout"}, line, {"type": "users"}, line, login, line)
        assert [each for each in found if each != "status"] == [
            "done", "logout", "not_named", "users", "not_named", "login", "done"
        ]
