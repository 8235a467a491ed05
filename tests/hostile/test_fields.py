"""Fields with control characters, of the wrong type, missing, too long, or that only the server may set."""

from __future__ import annotations

from typing import Any

import pytest

from handlers.table import LISTED, TYPES
from tests.hostile.asking import PONG, Connect, Join, answers, heard, refused, works
from tests.support import Bystanders, Client, Message, say, unique

pytestmark = pytest.mark.usefixtures("bystanders")

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))]
KEPT = "\t\n"

MISSING = "missing"
VALUES: dict[str, Any] = {
    MISSING: None, "null": None, "number": 12, "true": True, "list": ["a"], "object": {"a": "b"}, "10 KB": "x" * 10240,
}
FIELDS = [(kind, field.name) for kind, request in TYPES.items() for field in request.fields]
NUMBERS = {(kind, field.name) for kind, request in TYPES.items() for field in request.fields if field.number}
REQUIRED = {(kind, field.name) for kind, request in TYPES.items() for field in request.fields if field.required}


# --- control characters ---


def test_controls_in_content_are_refused_but_tab_and_newline(
    address: tuple[str, int], join: Join, bystanders: Bystanders
) -> None:
    client = join("controls")
    for control in CONTROLS:
        if control not in KEPT:
            with Client(address) as stranger:
                refused(stranger, say(f"a{control}b"), "invalid_text")
                refused(stranger, {"type": "private", "to": bystanders.one.name, "content": control}, "invalid_text")
    client.send(say("a\tb\nc"), say("\t\n"))
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)] == ["a\tb\nc", "\t\n"]


def test_controls_that_stand_unescaped_in_a_line_are_judged_the_same(
    address: tuple[str, int], join: Join, bystanders: Bystanders
) -> None:
    client = join("raw")
    for control in CONTROLS:
        if control not in KEPT:
            line = f'{{"type":"message","content":"a{control}b"}}'.encode()
            with Client(address) as stranger:
                refused(stranger, line, "invalid_text", "invalid_json")
    client.send('{"type":"message","content":"a\tb"}')
    works(client)
    assert [line["content"] for line in heard(bystanders, client.name)] == ["a\tb"]


def test_controls_in_a_name_are_nowhere(address: tuple[str, int], bystanders: Bystanders) -> None:
    for control in CONTROLS:
        with Client(address) as client:
            for name in (f"a{control}b", control, f"{control}ab", f"ab{control}"):
                refused(client, {"type": "register", "username": name, "password": "azerty"}, "invalid_name")
            text = unique("numbered")
            client.send(say(text, **{"from": f"a{control}b"}), {"type": "status", "state": "away", "user": control})
            works(client)
            assert bystanders.one.until(type="message", content=text)["from"].startswith("invité-")
            assert control not in "".join(client.ask({"type": "users"})["users"]), "not even to itself"
            login = {"type": "login", "username": f"a{control}b", "password": "azerty"}
            refused(client, login, "login_failed", "invalid_name")


@pytest.mark.parametrize("control", ["\0", "\x07", "\x1b[31m", "\n", "\r", "\x7f", "\x9b", "\x85"])
def test_controls_in_an_addressee_are_never_sent_back(join: Join, control: str) -> None:
    """The notice that the addressee is not connected has the name in it; a terminal would obey its controls."""
    client = join("typist")
    answers(client)
    client.send({"type": "message", "subtype": "private", "to": f"a{control}b", "content": "hello"})
    got = answers(client)
    assert len(got) == 1
    if got[0]["type"] == "error":
        assert got[0]["code"] == "invalid_name"
    else:
        assert control[0] not in got[0]["content"], got


# --- wrong types ---


def request(kind: str, changed: str, value: str) -> Message:
    """A request of this type that is right except for one field."""
    message = {**TYPES[kind].example, "type": kind, changed: VALUES[value]}
    if value == MISSING:
        message.pop(changed, None)
    return message


def expected(kind: str, field: str, value: str) -> tuple[str, ...]:
    """The codes that a wrong field may get."""
    if (kind, field) == ("login", "password") and value != MISSING:
        return ("login_failed",)
    if kind == "password" and value == "10 KB":  # who is not logged in may not, whatever the fields are
        return ("invalid_field", "login_failed", "not_named")
    if VALUES[value] is None:
        return ("missing_field",)
    return ("invalid_field", "invalid_name") if value == "10 KB" else ("invalid_field",)


@pytest.mark.parametrize("named", [True, False], ids=["member", "stranger"])
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_a_field_that_is_missing_or_no_fitting_string_is_refused(
    join: Join, connect: Connect, bystanders: Bystanders, kind: str, field: str, value: str, named: bool
) -> None:
    client = join("wrong") if named else connect()
    client.pending()
    message = request(kind, field, value)
    if "username" in message and field != "username":
        # for a login the account exists, so that only the field is wrong
        message["username"] = unique("wrong")
        if kind == "login":
            assert connect().register(message["username"], "azerty")["status"] == "ok"
    rights = {"anybody": (), "teacher": ("not_allowed", "not_named")}.get(TYPES[kind].who, ("not_named",))
    right = value == "number" and (kind, field) in NUMBERS
    if right or (VALUES[value] is None and (kind, field) not in REQUIRED):
        client.send(message)
        assert [line["code"] for line in answers(client) if line.get("code") not in (None, *rights)] == []
        return
    refused(client, message, *expected(kind, field, value), *rights)
    if named:
        assert heard(bystanders, client.name) == []


def test_there_are_fields_to_test() -> None:
    assert {("register", "username"), ("login", "password"), ("message", "content"), ("status", "state")} <= REQUIRED
    assert set(LISTED) >= {"register", "login", "logout", "message", "private", "status", "users", "who", "ping"}


@pytest.mark.parametrize("value", [value for value in VALUES if value != MISSING])
def test_a_password_that_is_not_a_string_is_refused(connect: Connect, value: str) -> None:
    """For a name with an account and for a name without one."""
    client, name = connect(), unique("victim")
    assert client.register(name)["status"] == "ok"
    for username in (name, unique("nobody")):
        login = {"type": "login", "username": username, "password": VALUES[value]}
        assert refused(client, login, "login_failed")["message"] == "Login failed."
    refused(client, {"type": "logout"}, "not_named")


@pytest.mark.parametrize("value", VALUES)
def test_the_addressee_of_a_private_message_is_a_string(join: Join, value: str) -> None:
    message = {**say("x"), "subtype": "private", "to": VALUES[value]}
    if value == MISSING:
        del message["to"]
    refused(join("private"), message, *expected("private", "to", value))


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("kind", "answer"), [
    ("users", "users"), ("list_users", "list_users"), ("userlist", "users"), ("ping", "pong"), ("help", "help"),
    ("logout", "not_named"),
])
def test_fields_that_a_request_does_not_have_are_ignored(
    connect: Connect, kind: str, answer: str, value: str
) -> None:
    client = connect()
    extra = VALUES[value]
    got = client.ask({"type": kind, **dict.fromkeys(("username", "from", "user", "content", "channel", "to"), extra)})
    assert got.get("code", got["type"]) == answer
    works(client)


# --- how a guest names itself ---

SELF = [
    ("from", {"type": "message", "content": "hello"}), ("from", {"type": "message", "content": ""}),
    ("from", {"type": "message", "content": "/aide"}), ("user", {"type": "status", "state": "away"}),
    ("from", {"type": "private", "to": "somebody", "content": "hello"}),
    ("from", {"type": "message", "subtype": "private", "to": "somebody", "content": "hello"}),
]


def nameless(connect: Connect) -> Client:
    """A guest that has asked for the list of users, but has not given a name."""
    client = connect()
    assert client.ask({"type": "users"})["type"] == "users"
    client.pending()
    return client


@pytest.mark.parametrize("stranger", [True, False], ids=["stranger", "guest"])
@pytest.mark.parametrize("value", ["number", "true", "list", "object"])
@pytest.mark.parametrize(("field", "message"), SELF)
def test_a_guests_own_name_that_is_not_a_name_is_refused(
    connect: Connect, field: str, message: Message, value: str, stranger: bool
) -> None:
    client = connect() if stranger else nameless(connect)
    client.send({**message, field: VALUES[value]})
    got = answers(client)
    # the notices that answer a typed command may follow, never a relayed line
    codes = [line["code"] for line in got if line["type"] == "error"]
    assert codes == ["invalid_field"], got
    works(client)


@pytest.mark.parametrize("stranger", [True, False], ids=["stranger", "guest"])
@pytest.mark.parametrize(("field", "message"), SELF)
def test_a_guests_own_name_of_10_kb_costs_it_nothing_and_is_never_sent(
    connect: Connect, bystanders: Bystanders, field: str, message: Message, stranger: bool
) -> None:
    client = connect() if stranger else nameless(connect)
    client.send({**message, field: VALUES["10 KB"]})
    client.send({"type": "users"})
    lines = client.pending()
    assert [line for line in lines if line["type"] == "error"] == []
    assert VALUES["10 KB"] not in next(line for line in lines if line["type"] == "users")["users"]


def test_a_guest_with_a_chosen_name_may_send_anything_as_its_name(connect: Connect, bystanders: Bystanders) -> None:
    """The server ignores the field now, so it does not check it either."""
    client, name = connect(), unique("guest")
    client.send(say("first", **{"from": name}), *(say("again", **{"from": value}) for value in VALUES.values()))
    works(client)
    assert [line["content"] for line in heard(bystanders, name)] == ["first", *["again"] * len(VALUES)]


# --- null ---


@pytest.mark.parametrize("kind", TYPES)
def test_fields_that_are_null_are_as_if_they_were_not_there(connect: Connect, kind: str) -> None:
    """Clients that serialize an object send all its fields."""
    nulls: Message = dict.fromkeys(
        ("type", "subtype", "to", "from", "user", "username", "content", "channel", "state", "timestamp", "new_user")
    )
    one, other = connect(), connect()
    example = {**TYPES[kind].example, "type": kind}
    if "username" in example:
        example["username"] = unique("null")
    one.send({**nulls, **example})
    got = answers(one)
    if kind == "register":
        example["username"] = unique("null")
    other.send(example)
    assert [line.keys() for line in got] == [line.keys() for line in answers(other)]
    assert [line.get("code") for line in got] in ([], [None], ["login_failed"], ["not_named"], ["no_channel"])


@pytest.mark.parametrize(("kind", "name"), [
    (kind, field.name) for kind, row in TYPES.items() for field in row.fields
    if not field.required and not field.any_value and not field.may_be_empty
])
def test_a_field_that_may_be_left_out_may_be_empty(connect: Connect, kind: str, name: str) -> None:
    """Clients with an unset String send it so."""
    example = {key: value for key, value in TYPES[kind].example.items() if key != name} | {"type": kind}
    one, other = connect(), connect()
    one.send(example, example)
    other.send({**example, name: ""}, {**example, name: ""})
    assert [line.keys() for line in answers(one)] == [line.keys() for line in answers(other)]


def test_a_type_that_is_null_is_missing(connect: Connect) -> None:
    assert "is missing" in refused(connect(), {"type": None, "content": "x"}, "unknown_type")["message"]


@pytest.mark.parametrize("given", [None, ""])
@pytest.mark.parametrize("stranger", [True, False], ids=["stranger", "guest"])
def test_a_guests_own_name_that_is_null_or_empty_counts_as_not_given(
    connect: Connect, bystanders: Bystanders, given: str | None, stranger: bool
) -> None:
    client, text = connect() if stranger else nameless(connect), unique("who am I")
    client.send(say(text, **{"from": given}))
    works(client)
    number = bystanders.one.until(type="message", content=text)["from"]
    assert number.startswith("invité-")
    client.send({"type": "status", "state": "away", "user": given})
    assert bystanders.one.until(type="status", state="away")["user"] == number
    name = unique("later")
    client.send(say("now I have a name", **{"from": name}))
    assert bystanders.one.until(type="message", content="now I have a name")["from"] == name


# --- fields that only the server may set ---

CLAIMS: Message = {
    "from": "admin", "user": "admin", "timestamp": "1970-01-01T00:00:00", "id": -1, "role": "admin", "guest": False,
    "sender": "admin", "username": "admin", "admin": True, "error": "x", "code": "x", "status": "ok",
}
UNKNOWN: Message = {f"key {number}": number for number in range(1000)}
RELAYED = {"type", "subtype", "from", "to", "content", "timestamp", "id", "guest"}


def check_relayed(line: Message, sender: str) -> None:
    """The line has the server's values, and nothing that the client added."""
    assert set(line) <= RELAYED
    assert line["from"] == sender
    assert line["timestamp"] > "2020"
    assert "T" in line["timestamp"]
    assert line["id"] > 0


@pytest.mark.parametrize("extra", [CLAIMS, UNKNOWN, {**UNKNOWN, **CLAIMS}], ids=["claims", "unknown keys", "both"])
def test_what_a_member_adds_or_claims_is_never_relayed(join: Join, bystanders: Bystanders, extra: Message) -> None:
    client = join("claimant")
    client.send({**extra, "type": "message", "content": "global"})
    client.send({**extra, "type": "message", "subtype": "private", "to": bystanders.one.name, "content": "private"})
    client.send({**extra, "type": "private", "to": bystanders.one.name, "content": "private again"})
    client.send({**extra, "type": "status", "state": "dnd"})
    works(client)
    lines = heard(bystanders, client.name)
    assert [line["content"] for line in lines] == ["global", "private", "private again"]
    for line in lines:
        check_relayed(line, client.name)
        assert "guest" not in line
    state = next(line for line in bystanders.seen if line["type"] == "status" and line["state"] == "dnd")
    assert state == {"type": "status", "user": client.name, "state": "dnd"}
    assert not [line for line in bystanders.seen if "admin" in (line.get("from"), line.get("user"))]


def test_what_a_guest_claims_once_it_has_a_name_is_never_relayed(connect: Connect, bystanders: Bystanders) -> None:
    client, name = connect(), unique("guest")
    client.send({**CLAIMS, **say("first", **{"from": name})})
    client.send({**CLAIMS, **say("second", **{"from": bystanders.two.name})})
    client.send({**CLAIMS, "type": "status", "state": "away"})
    works(client)
    lines = heard(bystanders, name)
    assert [line["content"] for line in lines] == ["first", "second"]
    for line in lines:
        check_relayed(line, name)
        assert line["guest"] is True
    state = next(line for line in bystanders.seen if line["type"] == "status" and line["state"] == "away")
    assert state == {"type": "status", "user": name, "state": "away"}


def test_what_is_added_to_a_registration_gives_no_rights(connect: Connect, bystanders: Bystanders) -> None:
    client, name = connect(), unique("humble")
    account = {"username": name, "password": "azerty"}
    assert client.ask({**UNKNOWN, **CLAIMS, **account, "type": "register"}) == {"type": "register", "status": "ok"}
    answer = client.ask({**UNKNOWN, **CLAIMS, **account, "type": "login"})
    assert answer == {"type": "login", "status": "ok", "username": name}
    client.send({**UNKNOWN, "type": "ping"})
    assert client.until(type="pong") == PONG
    online = bystanders.one.until(type="status", user=name)
    assert online == {"type": "status", "user": name, "state": "online"}
