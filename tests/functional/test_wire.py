"""`wire`: a client sees the lines of its account's other connections, a teacher those of anybody, who is told."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.functional.lines import Connect, Join, errors
from tests.functional.school import School, notices
from tests.functional.test_console import admin
from tests.support import DEADLINE, Client, Message, Server, member, say, unique

ON = {"type": "wire", "state": "on"}
OFF = {"type": "wire", "state": "off"}


def begin(client: Client, user: str | None = None) -> Message:
    client.send({**ON, **({} if user is None else {"user": user})})
    return client.until(type="wire", state="on")


def seen(client: Client, line: str, way: str = "in") -> Message:
    """The record of a line that contains this text."""
    while True:
        message = client.until(type="wire", way=way)
        if line in message["line"]:
            return message


def shown(client: Client) -> list[Message]:
    """The records that have come before the answer to an end of the watch."""
    client.send(OFF)
    found: list[Message] = []
    while (line := client.receive()) != {"type": "wire", "state": "off"}:
        found += [line] if line["type"] == "wire" else []
    return found


def again(client: Client, address: tuple[str, int], connect: Connect) -> Client:
    """Another connection of the same account."""
    other = connect()
    other.login(client.name)
    other.pending()
    return other


def test_the_lines_of_ones_own_other_connections(join: Join, connect: Connect, address: tuple[str, int]) -> None:
    page = join("alice")
    java = again(page, address, connect)
    assert begin(page) == {"type": "wire", "state": "on", "user": page.name}
    assert notices(java) == [], "one's own connections are not told"
    bob = join("bob")
    bob.send(say("Bonjour"))
    first = seen(page, "status", "out")
    port = java.socket.getsockname()[1]
    assert (first["user"], first["peer"].rpartition(":")[2], "refused" in first) == (page.name, str(port), False)
    assert list(first) == ["type", "time", "connection", "user", "peer", "way", "size", "line"]
    record = seen(page, "Bonjour", "out")
    line = java.until(content="Bonjour")
    assert record["size"] == len(record["line"]) + 1
    assert record["line"].startswith('{"type":"message"')
    assert line["timestamp"] in record["line"]
    java.send("{oops")
    assert seen(page, "{oops")["size"] == 6
    assert seen(page, "invalid_json", "out")["refused"] is True
    java.send({"type": "login", "username": page.name, "password": "azerty"})
    assert seen(page, '"login"')["line"].endswith('"password": "***"}')
    java.pending()
    java.close()
    assert seen(page, "closed", "end")["connection"] == first["connection"]
    late = again(page, address, connect)
    late.send('{"type":"ping","n":1}')
    assert seen(page, '"n":1')["connection"] != first["connection"], "connections that come later are watched too"


def test_nothing_of_others_and_nothing_of_itself(join: Join, connect: Connect, address: tuple[str, int]) -> None:
    alice, bob = join("alice"), join("bob")
    other = again(alice, address, connect)
    begin(alice)
    bob.send('{"type":"ping","from":"bob"}')
    bob.pending()
    stranger = connect()
    stranger.send(say("x", **{"from": alice.name}))
    stranger.pending()
    alice.send('{"type":"ping","own":1}')
    alice.until(type="pong")
    other.send('{"type":"ping","other":1}')
    found = [seen(alice, '"other"')]
    found += shown(alice)
    assert {record["user"] for record in found} == {alice.name}
    assert not any('"own"' in each["line"] or '"from":"bob"' in each["line"] for each in found)


def test_two_that_watch_each_other_do_not_go_on_for_ever(join: Join, connect: Connect, address: Any) -> None:
    one = join("alice")
    two = again(one, address, connect)
    begin(one)
    begin(two)
    two.send('{"type":"ping","n":2}')
    assert seen(one, '"n":2')["way"] == "in"
    one.send('{"type":"ping","n":1}')
    assert seen(two, '"n":1')["way"] == "in"
    for client in (one, two):
        assert not [each for each in shown(client) if '"way"' in each["line"]], "no record is shown as a line"


def test_it_ends_with_the_login(join: Join, connect: Connect, address: Any) -> None:
    alice, bob = join("alice"), join("bob")
    java = again(alice, address, connect)
    for end in ({"type": "logout"}, {"type": "login", "username": bob.name, "password": "azerty"}):
        page = again(alice, address, connect)
        begin(page)
        page.send(end)
        page.until(type=end["type"], status="ok")
        assert page.until(type="wire", state="off") == {"type": "wire", "state": "off", "user": alice.name}
        java.send('{"type":"ping","secret":1}')
        java.pending()
        assert not [each for each in page.pending() if each["type"] == "wire"]


def test_the_lines_of_a_connection_that_is_somebody_else_now(join: Join, connect: Connect, address: Any) -> None:
    alice, bob = join("alice"), join("bob")
    java = again(alice, address, connect)
    begin(alice)
    java.login(bob.name)
    java.send('{"type":"ping","bob":1}')
    java.pending()
    assert not [each for each in shown(alice) if '"bob":1' in each["line"]]


def test_who_may(join: Join, connect: Connect) -> None:
    alice, bob = join("alice"), join("bob")
    assert errors([connect().ask(ON)]) == ["not_named"]
    alice.pending()
    assert errors([alice.ask({**ON, "user": bob.name})]) == ["not_allowed"]
    assert errors([alice.ask({**ON, "user": unique("zoé")})]) == ["not_allowed"], "nobody learns who has an account"
    assert errors([alice.ask({**ON, "state": "yes"})]) == ["invalid_field"]
    assert begin(alice, alice.name.upper())["user"] == alice.name
    guest = connect()
    guest.send(say("", **{"from": unique("invitée")}))
    assert [line["code"] for line in guest.pending() if line["type"] == "error"] == []
    guest.send(ON)
    assert errors(guest.pending()) == ["not_named"]


@pytest.mark.parametrize("user", ["zoé", "x" * 900, "Serveur", "#dev"])
def test_nobody_has_that_name(school: School, user: str) -> None:
    assert errors([school.prof.ask({**ON, "user": user})]) == ["invalid_field"]


def test_a_teacher_watches_a_pupil_who_is_told(school: School) -> None:
    assert begin(school.prof, "BOB") == {"type": "wire", "state": "on", "user": "bob"}
    assert notices(school.bob) == ["prof voit maintenant vos lignes, sans les mots de passe."]
    assert notices(school.alice) == []
    assert 'actor="prof" action=watch-wire target="bob"' in school.server.wait_log("action=watch-wire")
    school.bob.send('{"type":"ping","n":1}')
    assert seen(school.prof, '"n":1')["user"] == "bob"
    school.bob.until(type="pong")
    second = school.come("bob")
    assert second.pending() == [], "nothing comes before the first list"
    second.send({"type": "users"})
    assert notices(second) == ["prof voit maintenant vos lignes, sans les mots de passe."]
    second.send({"type": "users"})
    assert notices(second) == []
    shown(school.prof)
    for client in (school.bob, second):
        assert notices(client) == ["Vos lignes ne sont plus montrées."]
    assert notices(school.alice) == []


def test_a_pupil_who_is_away_and_comes_back(school: School) -> None:
    school.bob.close()
    school.alice.until(user="bob", state="offline")
    begin(school.prof, "bob")
    bob = school.come("bob")
    bob.send('{"type":"ping","n":7}')
    assert seen(school.prof, '"n":7')["way"] == "in"


def test_a_guest_is_watched_until_it_is_somebody_else(school: School) -> None:
    with Client(school.address) as guest:
        guest.send(say("", **{"from": "zoé"}))
        guest.pending()
        assert begin(school.prof, "zoé")["user"] == "zoé"
        assert notices(guest) == ["prof voit maintenant vos lignes, sans les mots de passe."]
        guest.send('{"type":"ping","n":1}')
        assert seen(school.prof, '"n":1')["user"] == "zoé"
    assert school.prof.until(type="wire", state="off") == {"type": "wire", "state": "off", "user": "zoé"}


def test_who_is_not_a_teacher_any_more_sees_nothing_more(school: School) -> None:
    begin(school.prof, "bob")
    assert admin(school.server.data, "demote", "prof").returncode == 0
    assert school.prof.until(type="wire", state="off")["user"] == "bob"
    assert notices(school.bob)[-1] == "Vos lignes ne sont plus montrées."
    school.bob.send('{"type":"ping","n":1}')
    school.bob.pending()
    assert not [line for line in school.prof.pending() if line["type"] == "wire"]


def test_another_person_in_place_of_the_first(school: School) -> None:
    begin(school.prof, "bob")
    school.bob.pending()
    assert begin(school.prof, "alice")["user"] == "alice"
    assert notices(school.bob) == ["Vos lignes ne sont plus montrées."]
    assert notices(school.alice) == ["prof voit maintenant vos lignes, sans les mots de passe."]


def test_a_client_that_does_not_read_is_not_dropped_for_it(own_server: Any) -> None:
    server: Server = own_server("--stall-timeout", "3600")  # more than this machine needs for all the lines
    address = (server.host, server.port)
    with member(address, "alice") as page, Client(address, receive_buffer=4096) as slow:
        slow.login("alice")
        slow.send(ON)
        slow.until(type="wire", state="on")
        for number in range(3000):
            page.send(f'{{"type":"ping","n":{number},"x":"{"x" * 1900}"}}')
            page.until(type="pong")
        # what came before the first gap is whole; then it is told how many are missing
        left_out = 0
        numbers = []
        while not left_out:
            line = slow.until(type="wire")
            left_out = line.get("left_out", 0)
            if line.get("way") == "in":
                numbers.append(int(line["line"].split('"n":')[1].split(",")[0]))
        assert numbers == list(range(len(numbers)))
        assert 0 < left_out < 6000
        deadline = time.monotonic() + DEADLINE
        last: list[Message] = []
        while not last:  # the first ones may find no room either
            assert time.monotonic() < deadline, "it does not go on"
            page.send('{"type":"ping","last":1}')
            page.until(type="pong")
            last = [line for line in slow.pending() if '"last":1' in line.get("line", "")]
        assert last[0]["way"] == "in"
    assert server.stop() == 0
    assert not [line for line in server.log if "event=dropped" in line or "internal_error" in line]
