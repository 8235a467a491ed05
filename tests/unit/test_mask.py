"""A line on the wire is shown as it came, and without its password."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classcord.wire import mask
from classcord.wire.mask import masked
from handlers import _unknown_type
from handlers.table import TYPES, WORDS

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
    ('{"content":"/Password:s3cr3t","to":"x"}', '{"content":"/Password ***","to":"x"}'),
    ("/login bob s3cr3t", "/login ***"),
    ('{"type":"password","old":"s3cr3t","new":"s3cr3t2"}', '{"type":"password","old":"***","new":"***"}'),
    ('{"new":"s3cr3t","old":"s3cr3t2","type":"password"}', '{"new":"***","old":"***","type":"password"}'),
    ('{"old": "s3cr3t", "type": "password", "new": "s3cr3t2"}', '{"old": "***", "type": "password", "new": "***"}'),
    ("{type:password,new:s3cr3t,old:s3cr3t}", "{type:password,***}"),
    ('{"type":"message","content":"/motdepasse s3cr3t s3cr3t2"}', '{"type":"message","content":"/motdepasse ***"}'),
    ('{"content":"/ MDP:s3cr3t","to":"x"}', '{"content":"/ MDP ***","to":"x"}'),
    ('{"content":"/passwd_s3cr3t s3cr3t"}', '{"content":"/passwd ***"}'),
    ('{"content":"\\/motdepasse s3cr3t s3cr3t2"}', '{"content":"\\/motdepasse ***"}'),
    ('{"content":"/m\\u006ftdepasse s3cr3t s3cr3t2"}', '{"content":"/m\\u006ftdepasse ***"}'),
    ('{"content":"/ｍotdepasse s3cr3t s3cr3t2"}', '{"content":"/ｍotdepasse ***"}'),
    ('{"type":"p\\u0061ssword","old":"s3cr3t","new":"s3cr3t2"}', '{"type":"p\\u0061ssword","old":"***","new":"***"}'),
    ('{"type":"password","\\u006fld":"s3cr3t","new":"x"}', '{"type":"password","\\u006fld":"***","new":"***"}'),
    ('{"type":"message","content":"/motdepase s3cr3t s3cr3t2"}', '{"type":"message","content":"/motdepase ***"}'),
    ('{"content":" /motdepasses s3cr3t s3cr3t2","to":"x"}', '{"content":" /motdepasses ***","to":"x"}'),
    ('{"x":"/dev","content":"/pasword s3cr3t s3cr3t2"}', '{"x":"/dev","content":"/pasword ***"}'),
    ("/logn bob s3cr3t", "/logn ***"),
    ('{"content":"/m\\u006ftdepase s3cr3t s3cr3t2"}', '{"content":"/m\\u006ftdepase ***"}'),
    ('{"content":"/ｍotdepase s3cr3t s3cr3t2"}', '{"content":"/ｍotdepase ***"}'),
    ('{"content":"\\/motdepase s3cr3t s3cr3t2"}', '{"content":"\\/motdepase ***"}'),
    ('{"content":"\u200b/motdepase s3cr3t s3cr3t2"}', '{"content":"\\u200b/motdepase ***"}'),
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


# --- lines that are not understood ---


@pytest.mark.parametrize("line", [
    '{"type":"login","username":"bob","password";"s3cr3t"}',
    '{"type":"login","username":"bob","password","s3cr3t"}',
    '{"type":"login","username":"bob","password"->"s3cr3t"}',
    '{"type":"login","username":"bob","password""s3cr3t"}',
    '{"type":"login","username":"bob","password":"x"s3cr3t"}',
    '{"type":"login","username":"bob","p\\u0061ssword":"s3cr3t"',
    '{"type":"login","username":"bob","code":"s3cr3t"}',
    '{"type":"login bob s3cr3t"}',
    '{"action":"inscription","username":"bob","code":"s3cr3t"}',
    '{"login":["bob","s3cr3t"]}',
    '["login","bob","s3cr3t"]',
    '{"type":"login","username":"bob","password":"s3cr3t"}{"type":"users"}',
    *[f'{{"type":"x","username":"bob","{key}":"s3cr3t"}}' for key in (
        "pasword", "paswword", "pw", "psw", "pswd", "pawssord", "mdpp", "mot_de_passe", "motDePasse", "userPasword",
        "p4ssword", "mots de passe", "ｐassword",
    )],
    '{"password":x,s3cr3t}',
    "{“type”:“login”,“username”:“bob”,“password”:“x, s3cr3t”}",
    '{"type":"password","ancien":"s3cr3t","nouveau":"s3cr3t"}',
    '{"type":"passwd","old":"s3cr3t","new":"s3cr3t"}',
    '{"type":"motdepasse","ancien":"s3cr3t","nouveau":"s3cr3t"}',
    '"{\\"type\\":\\"login\\",\\"username\\":\\"bob\\",\\"password\\":\\"x,s3cr3t\\"}"',
    '{"data":"{\\"username\\":\\"bob\\",\\"password\\":\\"x,s3cr3t\\"}"}',
    "connexion bob s3cr3t", "conexion bob s3cr3t", "/connexion bob s3cr3t", "inscription bob s3cr3t", "loginbob s3cr3t",
    "loin bob s3cr3t", "user=bob password s3cr3t", "mot de passe s3cr3t", "mot de pase s3cr3t", "passe s3cr3t",
    "GET /login?user=bob&p%61ssword=s3cr3t HTTP/1.1", "GET /?p%61ssword=s3cr3t HTTP/1.1",
    *[f'{{"type":"message","content":"{typed} bob s3cr3t"}}' for typed in (
        "/connexion", "/conexion", "/inscription", "/inscripton", "/passe", "/mpd",
    )],
])
def test_a_line_that_is_not_understood_hides_what_may_be_a_password(line: str) -> None:
    assert SECRET not in masked(line.encode()), masked(line.encode())


@pytest.mark.parametrize(("line", "shown"), [
    ('{"type":"login","username":"bob","password";"s3cr3t"}', '{"type":"login","username":"bob","password";"***"}'),
    ('{"type":"login","username":"bob","password":"s3cr3t",}', '{"type":"login","username":"bob","password":"***",}'),
    ("{“type”:“login”,“username”:“bob”,“password”:“s3cr3t”}", "{“type”:“login”,“username”:“bob”,“password”:“***}"),
    ("{type:login,username:bob,password:s3cr3t}", "{type:login,username:bob,password:***}"),
    ('{"username":"bob","type":"login","passwrd":"s3cr3t"', '{"username":"bob","type":"login","passwrd":"***'),
    ('{"username":"bob","md"p:"s3cr3t"}', '{"username":"bob"***"}'),
    ('{"username":"bob","mp":"s3cr3t"}', '{"username":"bob","mp":"***"}'),
])
def test_the_fault_in_a_login_stays_in_sight(line: str, shown: str) -> None:
    assert masked(line.encode()) == shown


@pytest.mark.parametrize("line", [
    "bonjour", "GET / HTTP/1.1", "Connection: keep-alive, Upgrade", "NICK bob", '{"type":"users}', '{"type":"users",}',
    '{"type":"connected_users"', '{"type":"message","content":"Bonjour à tous",}', '{"type":"mp","to":"bob",}',
    '{"type":"message","content":"je suis passé hier, il est connecté, loin"', '{"type":"status","state":"away"',
    '{"type":"login","username":"bob"}', '{"type":"disconnect"', '{"type":"message";"content":"x"}', "{'type':'who'}",
    '{"type":"history","limit":50,}', '{"type":"change_username","new_user":"zoé"', '{"type": "pass\u00e9"}',
])
def test_other_lines_are_shown_whole(line: str) -> None:
    assert masked(line.encode()) == line


def test_every_request_of_the_table_is_shown_whole_but_for_its_passwords() -> None:
    secret = {kind: [field.name for field in row.fields] for kind, row in TYPES.items()}
    for kind, fields in secret.items():
        assert mask.SECRET.get(kind, ()) == tuple(each for each in fields if each in ("password", "old", "new"))
    for kind, row in TYPES.items():
        message = {**row.example, "type": kind}
        shown = {**message, **dict.fromkeys(mask.SECRET.get(kind, ()), "***")}
        assert json.loads(masked(json.dumps(message).encode())) == shown
        if kind not in mask.SECRET:
            assert masked(json.dumps(message).encode()[:-1]) == json.dumps(message)[:-1]


def test_what_the_server_sends_is_shown_whole() -> None:
    for line in ('{"type":"login","status":"ok","users":[]}', '{"type":"password","status":"ok"}', "closed"):
        assert masked(line.encode(), ours=True) == line


def test_a_refusal_repeats_no_password() -> None:
    assert _unknown_type({"type": "login bob s3cr3t"}).text.startswith("unknown type 'login ***'; the known types are ")
    assert _unknown_type({"type": "bonjour à toi"}).text.startswith("unknown type 'bonjour \\xe0 toi';")


CREDENTIALS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=4, max_size=20)
FORMS = (
    '{{"type":"login","username":"bob","{key}":"{password}"}}',
    '{{"type":"register","{key}":"{password}","username":"bob"}}',
    '{{"username":"bob","{key}":"{password}","type":"login"}}',
    "{{'type': 'login', 'username': 'bob', '{key}': '{password}'}}",
    '{{"username":"bob","{key}":"{password}"}}',
)
KEY_NAMES = ("password", "motdepasse", "mdp", "passwd", "pwd")


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, str, str]:
    """A login as a beginner writes it, with faults before the password: what is before, the password, and the rest."""
    key = draw(st.sampled_from(KEY_NAMES))
    password = draw(CREDENTIALS)
    before, _, after = draw(st.sampled_from(FORMS)).format(key=key, password="\0").partition("\0")
    after = after[: draw(st.integers(0, len(after)))]
    told = "login" in before + after or "register" in before + after  # else only the keys say what it is
    for _ in range(draw(st.integers(1, 2 if told else 1))):
        at = draw(st.integers(1, len(before) - 2))
        fault = draw(st.sampled_from(("delete", "double", "swap", "sign")))
        if fault == "delete":
            before = before[:at] + before[at + 1 :]
        elif fault == "double":
            before = before[:at] + before[at] + before[at:]
        elif fault == "swap":
            before = before[:at] + before[at + 1] + before[at] + before[at + 2 :]
        else:
            places = [place for place, char in enumerate(before) if char in "\"':,"]
            place = draw(st.sampled_from(places))
            before = before[:place] + draw(st.sampled_from("\"':;,=“”. ")) + before[place + 1 :]
    return before, password, after


@settings(max_examples=500)
@given(damaged())
def test_no_part_of_a_password_is_shown_in_a_damaged_line(given: tuple[str, str, str]) -> None:
    before, password, after = given
    line, rest = before + password + after, f"{before}\0{after}"
    shown = masked(line.encode())
    for at in range(len(password) - 3):
        part = password[at : at + 4]
        assert part in rest or part not in shown, (line, shown)
