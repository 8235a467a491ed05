"""Limits on what clients may send: attackers are held back, and the others notice nothing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hostile.tools import LARGE, STEADY, eventually, launcher
from tests.support import DEADLINE, ROOT, Bystanders, Client, Message, Server, fields, member, say, unique

PING, PONG = {"type": "ping"}, {"type": "pong"}
Limited = Callable[..., Server]


@pytest.fixture
def limited(own_server: Callable[..., Server]) -> Limited:
    """Starts a server that has limits: limited("--line-rate", "50"). It never drops a client for not reading."""
    return lambda *options, **more: own_server("--limits", "on", "--stall-timeout", "3600", *options, **more)


def address(server: Server) -> tuple[str, int]:
    return server.host, server.port


def contents(client: Client, sender: str) -> Iterator[str]:
    """What this person says, as it comes."""
    while True:
        message = client.receive()
        if message.get("from") == sender and message["type"] == "message":
            yield message["content"]


# --- lines ---


def test_a_paste_of_fifty_lines_arrives_whole(limited: Limited) -> None:
    server = limited("--line-rate", "1")
    with member(address(server), unique("reader")) as reader, Client(address(server)) as pupil:
        name = unique("pupil")
        texts = [f"line {number} " + "é" * 400 for number in range(48)]
        pupil.send({"type": "users"}, *[say(text, **{"from": name}) for text in texts], PING)
        heard = contents(reader, name)
        assert [next(heard) for _ in texts] == texts
        pupil.until(type="pong")
    assert server.stop() == 0
    assert not [line for line in server.log if "rate_limited" in line]


@pytest.mark.parametrize("ends", ["the client closes its side", "the client stays"])
def test_a_longer_paste_is_read_more_slowly_and_loses_nothing(limited: Limited, ends: str) -> None:
    server = limited("--line-rate", "40")
    with Client(address(server)) as client:
        client.send(*[PING] * 100)
        if ends == "the client closes its side":
            client.half_close()
        answers = [client.receive() for _ in range(100)]
    assert answers == [PONG] * 100


def test_a_client_that_goes_on_is_told_once_and_then_its_connection_ends(limited: Limited) -> None:
    server = limited(
        "--excess-time", "1", "--line-rate", "10", "--log-level", "debug", command=launcher(STEADY)
    )
    with Bystanders(address(server)) as bystanders, member(address(server), unique("flooder")) as flooder:
        flooder.send(*[say(f"flood {number}") for number in range(1000)])
        received = [json.loads(line) for line in flooder.at_end().splitlines()]
        errors = [line for line in received if line["type"] == "error"]
        assert [error["code"] for error in errors] == ["rate_limited"]
        assert "50 lines at once and 10 a second" in errors[0]["message"]
        assert errors[0]["message"] == errors[0]["error"]
        bystanders.check()
        texts = [line["content"] for line in bystanders.seen if line.get("from") == flooder.name and "content" in line]
        assert texts == [f"flood {number}" for number in range(len(texts))], "what was read arrived, in order"
        assert 45 < len(texts) < 100
    assert fields(server.wait_log("event=rate_limited"))["what"] == "lines"
    server.wait_log("event=disconnected reason=flooding")


def test_invalid_lines_count(limited: Limited) -> None:
    server = limited("--excess-time", "1", "--line-rate", "10", command=launcher(STEADY))
    for line in (b"what is this", b'{"type":"nonsense"}', b'{"type":"status","state":5}', b"x" * 65_537):
        with Client(address(server)) as client:
            client.send_raw((line + b"\n") * (500 if len(line) < 100 else 80))
            assert client.at_end().count(b'"code":"rate_limited"') == 1


def test_blank_lines_are_ignored_and_only_their_bytes_count(limited: Limited) -> None:
    server = limited("--excess-time", "1", "--byte-burst", "200000")
    with Client(address(server)) as client:
        client.send_raw(b"\n" * 60_000 + b"\r\n" * 30_000)
        assert client.ask(PING) == PONG
        client.send_raw(b"\n" * 400_000)
        assert client.at_end().count(b'"code":"rate_limited"') == 1


def test_three_lists_at_once_and_more_all_the_time_are_no_excess(limited: Limited) -> None:
    """Clients that are known ask three times within milliseconds, and go on."""
    server = limited()
    with Client(address(server)) as client:
        for _ in range(15):
            client.send(*[{"type": "users"}] * 3)
            for _ in range(3):
                assert client.receive()["type"] == "users"


def test_a_costly_request_counts_as_several_lines(limited: Limited) -> None:
    server = limited("--excess-time", "1", "--line-rate", "20")
    for request, told in ((PING, 0), ({"type": "history", "limit": 1}, 1)):
        with Client(address(server)) as client:
            client.send(*[request] * 14, {"type": "help"})
            lines = [client.receive()]
            while lines[-1]["type"] != "help":
                lines.append(client.receive())
            assert [line.get("code") for line in lines].count("rate_limited") == told


# --- the room ---


def test_a_person_who_says_little_does_not_wait_for_one_who_floods(limited: Limited) -> None:
    server = limited("--room-rate", "20000")
    with Bystanders(address(server)) as bystanders, member(address(server), unique("flooder")) as flooder:
        flooder.send(*[say(LARGE)] * 20)
        eventually(bystanders, lambda: len(said_by(bystanders, flooder)) >= 4, "the burst arrives")
        bystanders.check(20)
        assert len(said_by(bystanders, flooder)) < 20, "all of it would have been in front of the bystanders' lines"


def said_by(bystanders: Bystanders, client: Client) -> list[Message]:
    return [line for line in bystanders.seen if line["type"] == "message" and line.get("from") == client.name]


# --- answers that nobody takes ---


def test_a_client_that_does_not_take_its_answers_is_not_read(limited: Limited) -> None:
    server = limited("--line-burst", "1000000", "--byte-burst", str(1 << 30), "--unread-limit", "4096")
    with Bystanders(address(server)) as bystanders, Client(address(server), receive_buffer=4096) as client:
        line = b'{"type":"help","padding":"' + b"x" * 2000 + b'"}\n'  # so that not many are needed
        sent = 0
        client.socket.setblocking(False)

        def full() -> bool:
            nonlocal sent
            try:
                while True:
                    sent += client.socket.send((line * 2)[sent % len(line) :])
            except BlockingIOError:
                return server.status("VmRSS") > 0 and sent > 100 * len(line)

        eventually(bystanders, full, "the server stops reading")
        before = server.status("VmRSS")
        for _ in range(5):
            bystanders.check(1)
            full()
        assert server.status("VmRSS") - before < 2048, "kB"
        client.socket.settimeout(DEADLINE)
        for _ in range(sent // len(line)):
            assert client.receive()["type"] == "help", "every answer comes once it reads"


def test_a_client_that_is_behind_with_what_everybody_gets_is_read_all_the_same(limited: Limited) -> None:
    """It may write its line before it reads on."""
    server = limited("--unread-limit", "4096", "--room-rate", str(1 << 30), "--byte-burst", str(1 << 30))
    with Bystanders(address(server)) as bystanders, ExitStack() as stack:
        names = [unique("person") for _ in range(3)]
        for name in names:
            member(address(server), name).close()
        people = [stack.enter_context(Client(address(server), receive_buffer=4096)) for _ in names]
        for client, name in zip(people, names, strict=True):
            assert client.login(name)["status"] == "ok"
        for _ in range(12):
            bystanders.one.send(say(LARGE))
            assert bystanders.two.until(type="message", content=LARGE)
        for number in range(3):
            people[0].send(say(f"I have not read that yet {number}"))
            for reader in (bystanders.two, bystanders.one):
                assert reader.until(type="message", content=f"I have not read that yet {number}")


def test_all_outboxes_together_are_bounded_and_the_fullest_goes_first(limited: Limited) -> None:
    server = limited("--outboxes-limit", str(1 << 20), "--unread-limit", str(1 << 19), "--byte-rate", str(1 << 30),
                     "--room-rate", str(1 << 30))
    with Bystanders(address(server)) as bystanders, ExitStack() as stack:
        names = [unique("stuck") for _ in range(4)]
        for name in names:
            stack.enter_context(member(address(server), name)).close()
        stuck = [stack.enter_context(Client(address(server), receive_buffer=4096)) for _ in names]
        for client, name in zip(stuck, names, strict=True):
            assert client.login(name)["status"] == "ok"
        sender = stack.enter_context(member(address(server), unique("sender")))
        for number in range(48):
            for name in names[: 1 + number % 4]:
                sender.send({"type": "private", "to": name, "content": LARGE})
            if number % 8 == 7:
                sender.pending()
                bystanders.check(1)
                sender.close()
                sender = stack.enter_context(member(address(server), unique("sender")))
        line = server.wait_log("event=dropped reason=outboxes_full")
        assert fields(line)["port"] == str(stuck[0].socket.getsockname()[1]), "the one that got most"
        bystanders.check()


def test_many_clients_that_take_no_answers_are_not_read_before_memory_ends(limited: Limited) -> None:
    server = limited("--outboxes-limit", str(1 << 20), "--line-burst", "1000000", "--byte-burst", str(1 << 30))
    unsent = 0

    def settled() -> bool:
        """All of them wait: nothing has changed since the last look."""
        nonlocal unsent
        command = [sys.executable, str(ROOT / "server.py"), "admin", "--data", str(server.data), "stats", "--json"]
        before, unsent = unsent, int(json.loads(subprocess.check_output(command))["unsent_bytes"])
        return unsent == before > 0

    with Bystanders(address(server)) as bystanders, ExitStack() as stack:
        deaf = [stack.enter_context(Client(address(server), receive_buffer=4096)) for _ in range(60)]
        for client in deaf:
            client.socket.sendall(b'{"type":"help"}\n' * 1000)
        eventually(bystanders, settled, "the server reads none of them")
        for client in deaf:
            left = 1000  # every answer comes once it reads
            while left:
                left -= client.socket.recv(1 << 20).count(b"\n")
    assert server.stop() == 0
    assert not [line for line in server.log if "event=dropped" in line]


# --- places ---


def test_a_newcomer_takes_the_place_of_the_one_that_has_said_nothing_for_longest(limited: Limited) -> None:
    server = limited("--max-connections", "20", "--connection-registrations", "100")
    with Bystanders(address(server)) as bystanders, ExitStack() as stack:
        silent = [stack.enter_context(Client(address(server))) for _ in range(17)]
        speaker = stack.enter_context(Client(address(server)))
        assert speaker.ask(PING) == PONG
        newcomers = [stack.enter_context(Client(address(server))) for _ in range(17)]
        for client in newcomers:
            assert client.ask(PING) == PONG, "everybody who speaks is served"
        for client in silent:
            assert client.receive()["code"] == "server_full"
            assert client.at_end() == b""
        with Client(address(server)) as late:
            assert late.receive()["code"] == "server_full", "those who have spoken keep their places"
        assert speaker.ask(PING) == PONG
        bystanders.check()
    assert "hint=" in server.wait_log("event=place_given_up")
    assert server.stop() == 0
    told = [int(fields(line)["count"]) for line in server.log if "event=place_given_up" in line]
    assert sum(told) == 17, "also of those after the first line"


def test_a_silent_client_stays_while_there_is_room(limited: Limited) -> None:
    server = limited("--max-connections", "5")
    with Client(address(server)) as silent, Bystanders(address(server)) as bystanders:
        bystanders.check()
        assert silent.ask(PING) == PONG


# --- passwords and accounts ---


def test_five_wrong_passwords_then_pauses_and_the_right_one_works_from_elsewhere(limited: Limited) -> None:
    server = limited()
    name = unique("bob")
    member(address(server), name).close()
    codes = []
    for _ in range(12):
        with Client(address(server)) as guesser:
            codes.append(guesser.login(name, "wrong")["code"])
            if codes[-1] == "rate_limited":
                break
    assert codes[:5] == ["login_failed"] * 5
    assert codes[-1] == "rate_limited"
    with Client(address(server)) as guesser:
        refused = guesser.login(name)
        assert refused["code"] == "rate_limited", "also the right one, from there, for now"
        assert "seconds" in refused["message"]
    with Client(address(server), source="127.0.0.2") as elsewhere:
        assert elsewhere.login(name)["status"] == "ok"
    other = unique("alice")
    member(address(server), other).close()
    failed = [line for line in server.log_so_far() if "event=login_failed" in line]
    assert len(failed) < 12
    assert fields(server.wait_log("event=rate_limited what=login"))["user"] == name


def test_one_connection_registers_three_accounts_and_one_address_as_many_as_a_class_needs(limited: Limited) -> None:
    server = limited("--registrations", "5")
    with Client(address(server)) as client:
        assert [client.register(unique("a")).get("status") for _ in range(3)] == ["ok"] * 3
        refused = client.register(unique("a"))
        assert refused["code"] == "rate_limited"
        assert "seconds" in refused["message"]
        taken = unique("a")
    with Client(address(server)) as client:
        assert client.register(taken)["status"] == "ok"
        assert client.register(taken)["code"] == "name_exists", "this makes no account, and costs nothing"
        assert client.register(unique("a"))["status"] == "ok"
        assert client.register(unique("a"))["code"] == "rate_limited", "the sixth of this address"
    with Client(address(server), source="127.0.0.3") as client:
        assert client.register(unique("a"))["status"] == "ok"
    assert "exempt-networks" in server.wait_log("event=rate_limited what=register")


def test_an_exempt_network_registers_as_many_as_it_likes(limited: Limited) -> None:
    server = limited("--registrations", "1", "--exempt-networks", "127.0.0.0/30")
    for _ in range(4):
        with Client(address(server)) as client:
            assert client.register(unique("a"))["status"] == "ok"


# --- the log ---


def test_one_event_of_one_address_has_ten_lines_and_then_one_with_the_number(limited: Limited, tmp_path: Path) -> None:
    flag = tmp_path / "all have come"  # the ten seconds do not end before that, however long it takes
    changes = f"""
from classcord.ops.quota import Quota
ended = Quota.ended
Quota.ended = lambda self, now: ended(self, now) if os.path.exists({str(flag)!r}) else []
"""
    server = limited("--log-level", "debug", command=launcher(changes))
    for _ in range(30):
        with Client(address(server)) as client:
            assert client.ask(PING) == PONG
    flag.touch()
    line = fields(server.wait_log("event=log_lines_left_out what=connected"))
    assert (line["count"], line["peer"]) == ("20", "127.0.0.1")
    assert len([each for each in server.log_so_far() if "event=connected" in each]) == 10


def test_each_account_is_in_the_log_however_many_there_are(limited: Limited) -> None:
    server = limited()
    names = [unique("pupil") for _ in range(40)]
    for name in names:
        member(address(server), name).close()
    assert server.stop() == 0
    for event in ("register", "login"):
        found = [fields(line)["user"] for line in server.log if f"event={event} " in line]
        assert found == names


def test_without_limits_nobody_is_held_back(own_server: Callable[..., Server]) -> None:
    server = own_server("--limits", "off")
    with Client(address(server)) as client:
        client.send(*[PING] * 2000)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.at_end().count(b"pong") == 2000
