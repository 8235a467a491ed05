"""A line on the wire is shown as it came, and without its password."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.wire.mask import masked
from handlers.table import WORDS

SECRET = "s3cr3t"


@pytest.mark.parametrize(("line", "shown"), [
    ('{"type":"login","username":"bob","password":"s3cr3t"}', '{"type":"login","username":"bob","password":"***"}'),
    ('{"password": "s3cr3t", "type": "login"}', '{"password": "***", "type": "login"}'),
    ('{"Password":"s3\\"cr3t,s3cr3t","a":1}', '{"Password":"***","a":1}'),
    ('{"type":"login","password":"s3cr3t', '{"type":"login","password":"***'),
    ('{"type":"login","password":s3cr3t}', '{"type":"login","password":***}'),
    ("{'type':'login','password':'s3cr3t'}", "{'type':'login','password':'***'}"),
    ('{"mdp":"s3cr3t","motdepasse":"s3cr3t","pwd":"s3cr3t"}', '{"mdp":"***","motdepasse":"***","pwd":"***"}'),
    ('{"password":["s3cr3t"]}', '{"password":***}'),
    ('{"password":["s3cr3t","s3cr3t"],"a":1}', '{"password":***,"a":1}'),
    ('{"password":{"a":"s3cr3t","b":{"c":"}s3cr3t"}},"a":1}', '{"password":***,"a":1}'),
    ('{"password":[["s3cr3t"],"s3cr3t', '{"password":***'),
    ('{"password"' + 23 * " " + ':"s3cr3t"}', '{"password"' + 23 * " " + ':"***"}'),
    ('  "password":', '  "password":***'),
    ('    "s3cr3t",', '    "***'),
    ('"s3c\\"r3t"', '"***'),
    ('"s3cr3t', '"***'),
    (': "s3cr3t"}', ":***"),
    ('"{\\"type\\":\\"users\\"}"', '"{\\"type\\":\\"users\\"}"'),
    ('["users"]', '["users"]'),
    ('"username": "bob",', '"username": "bob",'),
    ("login bob s3cr3t", "login ***"),
    ("> LOGIN;bob;s3cr3t", "> LOGIN ***"),
    ("register:bob:s3cr3t", "register ***"),
    ("motdepasse s3cr3t s3cr3t", "motdepasse ***"),
    ("login", "login"),
    ("logiciel libre", "logiciel libre"),
    ("Authorization: Basic Ym9iOnMzY3IzdA==", "Authorization: ***"),
    ("cookie: a=s3cr3t; b=s3cr3t", "cookie: ***"),
    ("type=login&password=s3cr3t", "type=login&password=***"),
    ('{"type":"message","content":"/login bob s3cr3t"}', '{"type":"message","content":"/login ***"}'),
    ('{"content":"/Password:s3cr3t","to":"x"}', '{"content":"/Password ***"}'),
    ("/login bob s3cr3t", "/login ***"),
    ('{"type":"password","old":"s3cr3t","new":"s3cr3t2"}', '{"type":"password","old":"***","new":"***"}'),
    ('{"new":"s3cr3t","old":"s3cr3t2","type":"password"}', '{"new":"***","old":"***","type":"password"}'),
    ('{"old": "s3cr3t", "type": "password", "new": "s3cr3t2"}', '{"old": "***", "type": "password", "new": "***"}'),
    ("{type:password,new:s3cr3t,old:s3cr3t}", "{type:password,new:***,old:***}"),
    ('{"type":"message","content":"/motdepasse s3cr3t s3cr3t2"}', '{"type":"message","content":"/motdepasse ***"}'),
    ('{"content":"/ MDP:s3cr3t","to":"x"}', '{"content":"/ MDP ***"}'),
    ('{"content":"/passwd_s3cr3t s3cr3t"}', '{"content":"/passwd ***"}'),
    ('{"content":"\\/motdepasse s3cr3t s3cr3t2"}', '{"content":"\\/motdepasse ***"}'),
    ('{"content":"/m\\u006ftdepasse s3cr3t s3cr3t2"}', '{"content": "***"}'),
    ('{"content":"/ｍotdepasse s3cr3t s3cr3t2"}', '{"content": "***"}'),
    ('{"type":"p\\u0061ssword","old":"s3cr3t","new":"s3cr3t2"}', '{"type": "password", "old": "***", "new": "***"}'),
    ('{"type":"password","\\u006fld":"s3cr3t","new":"x"}', '{"type": "password", "old": "***", "new": "***"}'),
    ('{"type":"message","content":"/motdepase s3cr3t s3cr3t2"}', '{"type":"message","content":"/motdepase ***"}'),
    ('{"content":" /motdepasses s3cr3t s3cr3t2","to":"x"}', '{"content":" /motdepasses ***"}'),
    ('{"x":"/dev","content":"/pasword s3cr3t s3cr3t2"}', '{"x":"/dev","content":"/pasword ***"}'),
    ("/logn bob s3cr3t", "/logn ***"),
    ('{"content":"/m\\u006ftdepase s3cr3t s3cr3t2"}', '{"content": "***"}'),
    ('{"content":"/ｍotdepase s3cr3t s3cr3t2"}', '{"content": "***"}'),
    ('{"content":"\\/motdepase s3cr3t s3cr3t2"}', '{"content": "***"}'),
    ('{"content":"\u200b/motdepase s3cr3t s3cr3t2"}', '{"content": "***"}'),
    ('{"content":"é logins s3cr3t"}', '{"content":"é logins s3cr3t"}'),
    ('{"content":"et/ou bien a/b"}', '{"content":"et/ou bien a/b"}'),
    ('{"type":"change_username","new_user":"zoé"}', '{"type":"change_username","new_user":"zoé"}'),
    ('{"content":"c\'est new : zoé"}', '{"content":"c\'est new : zoé"}'),
    ('{"content":"il faut un mot de passe"}', '{"content":"il faut un mot de passe"}'),
    ('{"type":"users"}', '{"type":"users"}'),
    ("", ""),
])
def test_a_line(line: str, shown: str) -> None:
    assert masked(line.encode()) == shown


def test_no_other_command_is_taken_for_one_with_a_password() -> None:
    for word, row in WORDS.items():
        assert row.typed is not None
        line = f'{{"content":"/{word} bob bonjour"}}'
        assert ("bonjour" in masked(line.encode())) is not row.typed.secret, word


def test_a_key_written_with_escapes() -> None:
    shown = masked(b'{"type":"login","\\u0070assword":"s3cr3t"}')
    assert json.loads(shown) == {"type": "login", "password": "***"}


def test_control_characters_and_bytes_that_are_not_text_are_escaped() -> None:
    assert masked(b"\x1b[31m\xff\xe9") == "\\x1b[31m\\xff\\xe9"


def test_a_long_line_is_cut() -> None:
    shown = masked(b"x" * 5000)
    assert shown.endswith("… (5000 characters)")
    assert len(shown) < 2100


KEYS = st.sampled_from(["password", "Password", "user_password", "mdp", "pass", "PWD"])
OTHERS = st.dictionaries(st.text(max_size=5).filter(lambda key: SECRET not in key), st.text(max_size=5), max_size=3)


@given(KEYS, OTHERS, st.booleans(), st.sampled_from([None, 1]), st.text(max_size=5))
def test_no_json_line_shows_a_password(
    key: str, others: dict[str, str], ascii_only: bool, indent: int | None, before: str
) -> None:
    message = {**others, key: f"{before}{SECRET}"}
    line = json.dumps(message, ensure_ascii=ascii_only, separators=(",", ":") if indent is None else (", ", ": "))
    assert SECRET not in masked(line.encode("utf-8", "surrogatepass"))
