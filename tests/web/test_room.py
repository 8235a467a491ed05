"""The room in two browsers, beside a client without one."""

from __future__ import annotations

from collections.abc import Callable

from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.ui import Select

from tests.support import Client, Server
from tests.web.browser import ATTACK, HOSTILE_NAME, Person


def test_everybody_reads_everybody(server: Server, alice: Person, bob: Person, netcat: Client) -> None:
    alice.visit(server)
    alice.enter("alice", "azerty", new=True)
    bob.visit(server)
    bob.enter("bob")
    alice.wait(lambda: {"alice", "bob", "carla"} <= alice.people().keys())
    alice.says("Bonjour à tous")
    assert bob.sees("Bonjour à tous").sender == "alice"
    bob.says("Salut !\nÇa va ?")
    assert alice.sees("Salut !\nÇa va ?").sender == "bob"
    assert netcat.until(type="message", content="Salut !\nÇa va ?")["from"] == "bob"
    netcat.send({"type": "message", "content": "Moi aussi je suis là"})
    for person in (alice, bob):
        assert person.sees("Moi aussi je suis là").sender == "carla"
        assert person.contents() == ["Bonjour à tous", "Salut !\nÇa va ?", "Moi aussi je suis là"]
    assert "own" in alice.messages()[0].classes
    assert "own" not in bob.messages()[0].classes
    alice.picture("room")


def test_private_exchanges_and_states(server: Server, alice: Person, bob: Person, netcat: Client) -> None:
    alice.visit(server)
    alice.enter("alice", "azerty", new=True)
    bob.visit(server)
    bob.enter("bob", "azerty", new=True)
    bob.choose("alice", "#people-list")
    bob.wait(lambda: bob.text("#place") == "alice")
    bob.says("Entre nous")
    alice.choose("bob", "#exchanges")
    alice.sees("Entre nous")
    Select(bob.one("#state")).select_by_value("dnd")
    alice.wait(lambda: alice.people().get("bob") == "ne pas déranger")
    alice.say("/mp carla Et toi ?")  # a word that opens another exchange
    alice.wait(lambda: alice.text("#place") == "carla")
    alice.sees("Et toi ?")
    assert netcat.until(type="message", subtype="private")["content"] == "Et toi ?"
    assert netcat.pending() == []
    bob.say("/absent")
    bob.wait(lambda: Select(bob.one("#state")).first_selected_option.get_attribute("value") == "away")
    alice.wait(lambda: alice.people().get("bob") == "absent")


def test_a_row_may_be_drawn_anew_while_it_is_pressed(server: Server, visitor: Person, netcat: Client) -> None:
    visitor.visit(server)
    visitor.enter("alice")
    mouse = ActionChains(visitor.driver)
    mouse.click_and_hold(visitor.named("carla", "#people-list")).perform()
    netcat.send({"type": "status", "state": "away"})
    visitor.wait(lambda: visitor.people()["carla"] == "absent")
    mouse.release().perform()
    visitor.wait(lambda: visitor.text("#place") == "carla")


def test_channels_with_unread_counts(server: Server, alice: Person, netcat: Client) -> None:
    alice.visit(server)
    alice.enter("alice")
    alice.say("/join #projet")
    alice.wait(lambda: alice.text("#place") == "#projet")
    alice.says("Dans le canal")
    netcat.send(
        {"type": "message", "content": "À tous"}, {"type": "message", "channel": "#projet", "content": "Réponse"},
    )
    alice.sees("Réponse")
    assert "À tous" not in alice.contents()
    unread = "return document.querySelector('#channels li .unread')?.textContent"
    alice.wait(lambda: alice.run(unread) == "1")
    alice.wait(lambda: alice.driver.title == "(1) ClassCord")
    alice.choose("#général", "#channels")
    alice.sees("À tous")
    alice.wait(lambda: alice.driver.title == "ClassCord")
    netcat.send({"type": "topic", "channel": "#projet", "topic": "Le <TP>"})
    alice.choose("#projet", "#channels")
    assert "notice" in alice.reads("Le <TP>").classes
    alice.one("#leave-channel").click()
    alice.wait(lambda: alice.text("#place") == "#général")


def test_texts_that_try_to_be_html_stay_texts(
    server: Server, visitor: Person, connect_to: Callable[[str], Client],
) -> None:
    visitor.visit(server)
    visitor.enter("alice")
    mallory = connect_to(HOSTILE_NAME)
    link = "voir http://10.0.0.5/a?b=(c), oui"
    mallory.send({"type": "message", "content": ATTACK}, {"type": "message", "content": link})
    visitor.sees(ATTACK)
    visitor.sees(link)
    assert visitor.run("return document.querySelectorAll('#log img, #log script, #log .content b').length") == 0
    assert visitor.people().keys() == {"alice", HOSTILE_NAME}
    names = "href", "rel", "target"
    assert [[node.get_attribute(name) for name in names] for node in visitor.all("#log a")] == [
        ["http://10.0.0.5/a?b=(c)", "noopener noreferrer", "_blank"]
    ]
    assert visitor.driver.title == "ClassCord"


def test_history_comes_on_scrolling_up_and_can_be_searched(server: Server, alice: Person, netcat: Client) -> None:
    netcat.send(*({"type": "message", "content": f"message {number}"} for number in range(130)))
    netcat.pending()
    alice.visit(server)
    alice.enter("alice")
    alice.sees("message 129")
    assert alice.contents()[0] == "message 80"
    alice.run("document.querySelector('#log').scrollTop = 0")
    alice.sees("message 30")
    alice.run("document.querySelector('#log').scrollTop = 0")
    alice.sees("message 0")
    assert alice.contents() == [f"message {number}" for number in range(130)]
    alice.one("#query").send_keys("MESSAGE 7", Keys.ENTER)
    found = alice.reads("« MESSAGE 7 »")
    assert "carla : message 7" in found.content
    assert "notice" in found.classes


def test_words_are_completed(server: Server, alice: Person, netcat: Client) -> None:
    alice.visit(server)
    alice.enter("alice")
    alice.wait(lambda: "carla" in alice.people())
    box = alice.one("#text")
    box.send_keys("/mp ca")
    alice.wait(lambda: alice.one("#options").is_displayed())
    box.send_keys(Keys.TAB)
    assert box.get_attribute("value") == "/mp carla "
    box.clear()
    box.send_keys("Oui @c", Keys.ARROW_DOWN, Keys.ENTER)
    assert box.get_attribute("value") == "Oui @carla "
    assert alice.run("return document.activeElement.id") == "text"


def test_what_the_server_says_looks_like_a_notice(server: Server, alice: Person) -> None:
    alice.visit(server, "en")
    alice.enter("alice", "azerty", new=True)
    alice.say("/histoire")
    notice = alice.reads("/historique")
    assert "notice" in notice.classes
    assert notice.sender == "ℹ Server"
    alice.say("//dev/null")
    assert "own" in alice.sees("/dev/null").classes
    alice.say("/moi danse")
    assert "own" in alice.sees("* danse").classes


def test_wrong_passwords_and_taken_names_are_told_in_plain_words(server: Server, alice: Person, netcat: Client) -> None:
    alice.visit(server)
    alice.fill_in("carla", "faux")
    alice.wait(lambda: "mauvais mot de passe" in alice.text("#entry-problem"))
    alice.fill_in("carla", "faux", new=True)
    alice.wait(lambda: "a déjà un compte" in alice.text("#entry-problem"))
    assert "en clair" in alice.one("#in-clear").text
    alice.enter("carla", "azerty")
    alice.one("#leave").click()
    alice.wait(lambda: alice.one("#entry").is_displayed())
    assert alice.run("return [document.cookie, Object.keys(localStorage), location.href.includes('azerty')]") == [
        "", ["language"], False
    ]
