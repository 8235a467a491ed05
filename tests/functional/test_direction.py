"""What teachers do about the whole room, by JSON: close and open a channel, begin a new class."""

from __future__ import annotations

import os
import time

import pytest

from tests.functional.lines import errors
from tests.functional.school import School, notices
from tests.functional.test_console import answer
from tests.functional.test_new_class import stored
from tests.support import Client, Message, say

ORDERS = (
    {"type": "close_channel", "channel": "#dev"}, {"type": "open_channel", "channel": "#dev"}, {"type": "new_class"},
)


def ask(client: Client, line: Message) -> Message:
    """The answer, without what else comes."""
    client.send(line)
    while (found := client.receive())["type"] not in (line["type"], "error"):
        pass
    return found


def audit(school: School) -> list[tuple[str, str, str]]:
    return [(row["actor"], row["action"], row["target"]) for row in answer(school.server, "audit")["audit"]]


def test_a_channel_is_closed_and_opened_again(school: School) -> None:
    school.alice.send({"type": "join", "channel": "#Projet"})
    school.alice.pending()
    done = ask(school.prof, {"type": "close_channel", "channel": "projet"})
    assert done == {"type": "close_channel", "status": "ok", "channel": "#Projet"}
    assert notices(school.alice) == ["#Projet est fermé : seuls les enseignants y entrent."]
    assert ask(school.alice, {"type": "join", "channel": "#projet"})["code"] == "not_allowed"
    done = ask(school.prof, {"type": "open_channel", "channel": "#projet"})
    assert done == {"type": "open_channel", "status": "ok", "channel": "#Projet"}
    assert ask(school.alice, {"type": "join", "channel": "#projet"})["status"] == "ok"
    assert audit(school)[-2:] == [("prof", "close-channel", "#Projet"), ("prof", "open-channel", "#Projet")]


@pytest.mark.parametrize(("line", "code"), [
    ({"type": "close_channel", "channel": "#rien"}, "no_channel"),
    ({"type": "close_channel", "channel": "#général"}, "not_allowed"),
    ({"type": "open_channel", "channel": "#admin"}, "not_allowed"),
    ({"type": "close_channel", "channel": "a b"}, "invalid_name"),
    ({"type": "close_channel"}, "missing_field"),
    ({"type": "new_class", "keep_accounts": "yes"}, "invalid_field"),
    ({"type": "new_class", "keep_accounts": 1}, "invalid_field"),
])
def test_what_can_not_be_done(school: School, line: Message, code: str) -> None:
    assert errors([ask(school.prof, line)]) == [code]
    assert not [*school.server.data.glob("class-*")]


@pytest.mark.parametrize("line", ORDERS, ids=lambda line: str(line["type"]))
def test_only_teachers(school: School, line: Message) -> None:
    school.alice.send(line)
    assert errors(school.alice.pending()) == ["not_allowed"]
    with Client(school.address) as stranger:
        stranger.send(line)
        assert errors(stranger.pending()) == ["not_named"]
    assert not [*school.server.data.glob("class-*")], "nothing is backed up for them either"
    assert school.bob.ask({"type": "ping"}) == {"type": "pong"}


@pytest.mark.parametrize("keep", [None, False, True])
def test_a_new_class(school: School, keep: bool | None) -> None:
    school.alice.send(say("un"), say("deux"))
    school.alice.pending()
    line = {"type": "new_class"} if keep is None else {"type": "new_class", "keep_accounts": keep}
    done = ask(school.prof, line)
    (archive,) = school.server.data.glob("class-*Z.db")
    assert done == {
        "type": "new_class", "status": "ok", "accounts": 0 if keep else 2, "backup": os.path.basename(archive)
    }
    for client in (school.alice, school.bob):
        assert "Une nouvelle classe commence" in client.at_end().decode("unicode_escape")
    assert stored(archive)[0] == ["deux", "un"]
    accounts = ["alice", "bob", "prof"] if keep else ["prof"]
    assert stored(school.server.data / "classcord.db") == ([], accounts, [])
    assert audit(school)[-1] == ("prof", "new-class", "")
    school.prof.send({"type": "users"})
    assert school.prof.until(type="users")["users"] == ["prof"]


def test_without_a_backup_nothing_is_changed(school: School) -> None:
    school.alice.send(say("un"))
    school.alice.pending()
    now = time.time()
    for second in range(-1, 60):  # a backup never takes the place of another file
        (school.server.data / time.strftime("class-%Y%m%dT%H%M%SZ.db", time.gmtime(now + second))).touch()
    assert ask(school.prof, {"type": "new_class"})["code"] == "unavailable"
    assert school.alice.ask({"type": "ping"}) == {"type": "pong"}
    assert stored(school.server.data / "classcord.db")[0] == ["un"]

