"""Who ignores a person gets no message of that person, and everything else."""

from __future__ import annotations

from tests.functional.lines import Connect, Join, after, answer, contents, guest, notices, private, states
from tests.functional.school import School
from tests.functional.test_channels_typed import typed
from tests.functional.test_protocol_channels import in_channel, joined
from tests.support import Client, say, unique


def heard(sender: Client, receiver: Client) -> list[str]:
    return contents(after(sender, receiver), sender.name)


def test_no_message_of_an_ignored_person_comes_but_its_presence_does(join: Join) -> None:
    alice, bob, carol, salon = join("alice"), join("bob"), join("carol"), unique("#salon")
    for client in (alice, carol):
        joined(client, salon)
    typed(bob, f"/join {salon}")
    assert f"« {bob.name} »" in typed(alice, f"/ignorer {bob.name}")
    bob.send(say("dans le canal"), in_channel(salon, "là aussi"), say("à tous"), private(alice.name, "en privé"))
    lines = bob.pending()
    assert notices(lines) == [], "bob is not told"
    assert contents(alice.pending(), bob.name) == []
    assert contents(carol.pending(), bob.name) == ["dans le canal", "là aussi", "à tous"]
    bob.send({"type": "status", "state": "away"}, private(carol.name, "x"))
    assert states(after(bob, alice), bob.name) == [(bob.name, "away")]
    assert contents(carol.pending(), bob.name) == ["x"]
    assert heard(carol, alice) == []
    carol.send(say("moi"))
    assert heard(carol, alice) == ["moi"]
    assert "de nouveau" in typed(alice, f"/ignorer {bob.name}")
    bob.send(say("me revoilà"), private(alice.name, "oui"))
    assert heard(bob, alice) == ["me revoilà", "oui"]


def test_the_list_is_the_accounts_and_stays_when_it_comes_back(connect: Connect, join: Join) -> None:
    alice, second, bob = join("alice"), connect(), join("bob")
    second.login(alice.name)
    typed(alice, f'/ignorer "{bob.name.upper()}"')
    alice.close()
    bob.send(say("un"))
    assert heard(bob, second) == []
    second.send({"type": "logout"})
    second.pending()
    second.login(alice.name)
    bob.send(say("deux"))
    assert heard(bob, second) == []
    assert typed(second, "/ignore") == f"Vous ignorez (1) : {bob.name}"
    assert answer(second, {"type": "ignore"}) == {"type": "ignore", "users": [bob.name]}
    assert answer(second, {"type": "ignore", "user": bob.name}) == {"type": "ignore", "users": []}
    assert typed(second, "/ignorer") == "Vous n'ignorez personne."


def test_guests_ignore_and_are_ignored(connect: Connect, join: Join) -> None:
    alice, zoe = join("alice"), guest(connect, unique("zoé"))
    assert answer(zoe, {"type": "ignore", "user": alice.name})["users"] == [alice.name]
    alice.send(say("bonjour"))
    assert heard(alice, zoe) == []
    typed(alice, f"/ignorer {zoe.name}")
    zoe.send(say("bonjour", **{"from": zoe.name}))
    assert heard(zoe, alice) == []
    zoe.close()
    again = guest(connect, zoe.name)
    alice.send(say("encore"))
    assert heard(alice, again) == ["encore"], "a guest's list ends with its connection"
    assert answer(connect(), {"type": "ignore"})["code"] == "not_named"


def test_a_guest_that_takes_a_name_stays_ignored(connect: Connect, join: Join) -> None:
    alice, nameless = join("alice"), connect()
    alice.pending()
    nameless.send({"type": "users"})
    nameless.pending()
    (number,) = [line["user"] for line in alice.pending() if line.get("state") == "online"]
    typed(alice, f"/ignorer {number}")
    name = unique("zoé")
    nameless.send(say("me voilà", **{"from": name}))
    assert contents(after(nameless, alice), name) == []
    assert typed(alice, "/ignorer") == f"Vous ignorez (1) : {name}"


def test_teachers_and_serveur_are_always_heard(school: School) -> None:
    for name in ("prof", "PROF", "Serveur"):
        assert "On n'ignore ni un enseignant" in typed(school.alice, f"/ignorer {name}")
        assert answer(school.alice, {"type": "ignore", "user": name})["code"] == "not_allowed"
    typed(school.alice, "/ignorer bob")
    school.prof.send(say("écoutez"))
    assert heard(school.prof, school.alice) == ["écoutez"]


def test_who_can_not_be_ignored(join: Join) -> None:
    alice = join("alice")
    for name in (unique("personne"), "x" * 79, "a b c"):
        assert answer(alice, {"type": "ignore", "user": name})["code"] == "invalid_field"
        assert "n'est pas là" in typed(alice, f"/ignorer {name}")
    assert typed(alice, "/ignorer " + "x" * 3000).startswith("/ignorer NOM")


def test_an_ignored_guest_that_logs_in_is_ignored_still(connect: Connect, join: Join) -> None:
    alice, zoe, name = join("alice"), guest(connect, unique("zoé")), unique("account")
    typed(alice, f'/ignorer "{zoe.name}"')
    assert answer(zoe, {"type": "register", "username": name, "password": "azerty"})["status"] == "ok"
    zoe.send({"type": "login", "username": name, "password": "azerty"})
    assert zoe.until(type="login")["status"] == "ok"
    zoe.send(say("c'est encore moi"))
    assert contents(after(zoe, alice), name) == []
    assert typed(alice, "/ignorer") == f"Vous ignorez (1) : {name}"


def test_nobody_ignores_oneself(join: Join) -> None:
    alice = join("alice")
    assert typed(alice, f"/ignorer {alice.name}") == "On ne s'ignore pas soi-même."
    assert answer(alice, {"type": "ignore", "user": alice.name})["message"] == "One does not ignore oneself."


def test_typed_history_leaves_out_who_is_ignored_and_json_does_not(join: Join) -> None:
    alice, bob, carol, salon = join("alice"), join("bob"), join("carol"), unique("#salon")
    for client in (alice, bob, carol):
        typed(client, f"/join {salon}")
    bob.send(say("un mot"))
    bob.pending()
    carol.send(say("un autre mot"))
    assert heard(carol, alice) == [f"[{salon}] un autre mot"]
    typed(alice, f"/ignorer {bob.name}")
    for command in ("/historique", "/chercher mot"):
        assert typed(alice, command).endswith(f"{carol.name} : un autre mot")
    alice.send({"type": "history", "channel": salon})
    assert contents(alice.pending(), bob.name) == ["un mot"]


def test_typed_history_goes_on_behind_what_an_ignored_person_has_written(join: Join) -> None:
    alice, bob, carol, salon = join("alice"), join("bob"), join("carol"), unique("#salon")
    for client in (alice, bob, carol):
        typed(client, f"/join {salon}")
    carol.send(say("le premier mot"), say("un mot"))
    carol.pending()
    bob.send(*[say(f"mot {number}") for number in range(300)])
    bob.pending()
    typed(alice, f"/ignorer {bob.name}")
    alice.pending()
    for command in ("/historique 1", "/chercher un"):
        assert typed(alice, command).endswith(f"{carol.name} : un mot")
