"""« Le tableau »: what a teacher sees, and what the buttons do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from selenium.webdriver import Keys

from tests.functional.test_console import admin
from tests.support import Client, Server
from tests.web.access import Keyboard, findings
from tests.web.browser import ATTACK, HOSTILE_NAME, Person, address_of


class Teacher(Person):
    """Somebody at the board."""

    def sit_down(self, server: Server, name: str = "prof") -> None:
        self.size(1200, 900)
        self.driver.get(address_of(server) + "tableau")
        self.at_the_door()
        self.one("#language option[value=fr]").click()
        self.retype("#name", name)
        self.retype("#password", "azerty")
        self.one("#enter").click()

    def row(self, name: str) -> str:
        """Wait for the row of a person; all that it says."""
        def found() -> str | None:
            return next((row.text for row in self.all("#rows tr") if row.text.startswith(name)), None)

        return str(self.wait(found))

    def press(self, label: str) -> None:
        self.wait(lambda: self.all(f'#rows [aria-label="{label}"]'))
        self.one(f'#rows [aria-label="{label}"]').click()

    def press_channel(self, label: str) -> None:
        """A button of a channel; the board may be drawn anew at any moment."""
        def pressed() -> bool:
            node = next((node for node in self.all("#channels button") if node.text == label), None)
            if node is not None:
                node.click()
            return node is not None

        self.wait(pressed)

    def answer(self, value: str, reason: str = "") -> None:
        self.wait(lambda: self.one("#question").is_displayed())
        if reason:
            self.retype("#reason", reason)
        self.one(f"#question button[value={value}]").click()


@pytest.fixture
def prof(server: Server, netcat: Client, alice: Person) -> Teacher:
    """The server comes first, and so it ends after the browser has left: the page may still ask for its icon."""
    with Client((server.host, server.port)) as client:
        client.register("prof")
    assert admin(server.data, "promote", "prof").returncode == 0
    return Teacher(alice.driver)


def test_it_shows_the_class_and_who_needs_help(prof: Teacher, server: Server, netcat: Client) -> None:
    netcat.send({"type": "message", "channel": "#dev", "content": "Bonjour"}, "{oops")
    netcat.until(type="error")
    prof.sit_down(server)
    row = prof.row("carla")
    assert "compte" in row
    assert "#dev" in row
    assert "⚠ invalid_json" in row
    assert "{oops" in row
    assert "127.0.0.1:" in row
    prof.wait(lambda: f":{server.port}/" in prof.text("#facts"))
    assert "bon," in prof.text("#facts")
    assert prof.one("#plot").get_attribute("aria-label").startswith("Messages des dix")  # type: ignore[union-attr]
    prof.picture("board")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    prof: Teacher, server: Server, netcat: Client, connect_to: Callable[[str], Client], scheme: str,
) -> None:
    connect_to("bob")
    netcat.send({"type": "join", "channel": "#x"}, "{oops")
    netcat.until(type="error")
    prof.prefer(scheme)
    prof.sit_down(server)
    prof.row("carla")
    prof.press("Muet bob")
    prof.wait(lambda: prof.one("#question").is_displayed())
    assert findings(prof) == []
    prof.answer("yes")
    prof.wait(lambda: "muet encore" in prof.row("bob"))
    prof.one("#silence").click()
    prof.wait(lambda: prof.one("#silence").get_attribute("aria-pressed") == "true")
    assert findings(prof) == []
    prof.picture(f"board-{scheme}")
    prof.prefer("")


def test_keys_alone_are_enough(
    prof: Teacher, server: Server, netcat: Client, connect_to: Callable[[str], Client],
) -> None:
    bob = connect_to("bob")
    netcat.ask({"type": "join", "channel": "#x"})
    prof.sit_down(server)
    prof.row("bob")
    prof.driver.get(address_of(server) + "tableau")
    keys = Keyboard(prof)
    keys.arrives("name")
    keys.press("prof", Keys.TAB)
    keys.press("azerty", Keys.ENTER)
    prof.row("bob")
    for label, heard in (("Muet bob", "Vous ne pouvez plus écrire"), ("Rendre la parole bob", "de nouveau écrire")):
        keys.walk(lambda focus, label=label: focus == label)  # type: ignore[misc]
        keys.press(Keys.ENTER)
        if label.startswith("Muet"):
            keys.arrives("reason")
            keys.press(Keys.ENTER)
            prof.wait(lambda: "muet encore" in prof.row("bob"))
            assert keys.focused() == "Rendre la parole bob"  # the same button, which has kept the focus
        assert heard in bob.until(**{"from": "Serveur"})["content"]
    keys.walk(lambda focus: focus == "Fermer #x")
    keys.press(Keys.ENTER)
    prof.wait(lambda: prof.one("#question").is_displayed())
    keys.walk(lambda focus: focus == "Oui")
    keys.press(Keys.ENTER)
    keys.arrives("Rouvrir #x")
    keys.press(Keys.ENTER)
    prof.wait(lambda: prof.one("#question").is_displayed())
    keys.press(Keys.ESCAPE)
    keys.arrives("Rouvrir #x")
    keys.walk(lambda focus: focus == "announcement", Keys.SHIFT, Keys.TAB)
    keys.press("Pause", Keys.ENTER)
    assert "Pause" in bob.until(**{"from": "Serveur"})["content"]


def test_its_buttons_do_what_they_say(
    prof: Teacher, server: Server, netcat: Client, connect_to: Callable[[str], Client],
) -> None:
    bob = connect_to("bob")
    prof.sit_down(server)
    prof.row("bob")
    prof.press("Déconnecter bob")
    prof.answer("no")
    prof.press("Muet bob")
    prof.answer("yes", "bruit")
    assert "Motif : bruit" in bob.until(**{"from": "Serveur"})["content"]
    prof.wait(lambda: "muet encore" in prof.row("bob"))
    prof.press("Rendre la parole bob")
    assert bob.until(**{"from": "Serveur"})["content"] == "Vous pouvez de nouveau écrire."
    prof.one("#announcement").send_keys("Contrôle lundi\n")
    assert "Contrôle lundi" in netcat.until(**{"from": "Serveur"})["content"]
    prof.one("#silence").click()
    assert "Silence" in netcat.until(**{"from": "Serveur"})["content"]
    prof.wait(lambda: prof.one("#silence").get_attribute("aria-pressed") == "true")
    prof.one("#silence").click()
    netcat.until(**{"from": "Serveur"})
    prof.one("#seconds").send_keys("5\n")
    assert "Mode lent" in netcat.until(**{"from": "Serveur"})["content"]
    prof.wait(lambda: "5 s" in prof.text("#slow-now"))
    prof.press_channel("Fermer #dev")
    prof.answer("yes")
    prof.press_channel("Rouvrir #dev")
    prof.answer("yes")
    prof.wait(lambda: "Fermer #dev" in prof.text("#channels"))
    prof.press("Déconnecter bob")
    prof.answer("yes")
    bob.at_end()
    prof.wait(lambda: "bob" not in prof.text("#rows"))
    prof.wait(lambda: "kick bob" in prof.text("#audit"))
    done = [row.split(" : ")[1] for row in reversed(prof.text("#audit").split("\n"))]
    assert done == [
        "promote prof", "mute bob (bruit)", "unmute bob", "announce", "silence", "end-silence", "slow",
        "close-channel #dev", "open-channel #dev", "kick bob",
    ]


def test_a_ban_is_asked_for_first_and_its_reason_is_told(prof: Teacher, server: Server, netcat: Client) -> None:
    prof.sit_down(server)
    prof.row("carla")
    prof.press("Exclure carla")
    prof.wait(lambda: "« carla »" in prof.text("#question-text"))
    prof.answer("no")
    prof.press("Exclure carla")
    prof.answer("yes", "<b>triche</b>")
    farewell = netcat.until(**{"from": "Serveur"})["content"]
    assert farewell.startswith("Un enseignant vous exclut pendant ")
    assert "<b>triche</b>" in farewell
    netcat.at_end()
    prof.wait(lambda: "ban carla (<b>triche</b>)" in prof.text("#audit"))
    assert prof.text("#audit").count("ban carla") == 1
    assert prof.all("#audit b") == []


def test_teachers_cannot_be_sent_away_nor_guests_banned(
    prof: Teacher, server: Server, connect_to: Callable[[str], Client],
) -> None:
    connect_to("bob")
    prof.sit_down(server)
    prof.row("bob")

    def enabled(name: str) -> list[str]:
        buttons = prof.all(f'#rows button[aria-label$=" {name}"]')
        return [node.text for node in buttons if node.is_enabled()]

    assert enabled("bob") == ["Muet", "Déconnecter"]
    assert enabled("prof") == []


def test_who_is_no_teacher_any_more_sees_nothing_more(prof: Teacher, server: Server, netcat: Client) -> None:
    prof.sit_down(server)
    prof.row("carla")
    assert admin(server.data, "demote", "prof").returncode == 0
    prof.wait(lambda: "pas celui d'un enseignant" in prof.text("#entry-problem"))
    assert not prof.one("#board").is_displayed()
    assert prof.one("#entry").is_displayed()
    assert admin(server.data, "promote", "prof").returncode == 0
    prof.sit_down(server)
    prof.row("carla")


def test_texts_that_try_to_be_html_stay_texts(
    prof: Teacher, server: Server, netcat: Client, connect_to: Callable[[str], Client],
) -> None:
    mallory = connect_to(HOSTILE_NAME)
    mallory.send(ATTACK)
    mallory.until(type="error")
    netcat.send({"type": "join", "channel": "#x"}, {"type": "topic", "channel": "#x", "topic": ATTACK})
    prof.sit_down(server)
    assert ATTACK[:40] in prof.row(HOSTILE_NAME)
    prof.wait(lambda: ATTACK in prof.text("#channels"))
    prof.press(f"Muet {HOSTILE_NAME}".replace('"', '\\"'))
    prof.wait(lambda: f"« {HOSTILE_NAME} »" in prof.text("#question-text"))
    prof.answer("yes", ATTACK)
    prof.wait(lambda: f"mute {HOSTILE_NAME} ({ATTACK})" in prof.text("#audit"))
    assert prof.made_of("#board") == []
    assert prof.made_of("#question") == []
    assert prof.driver.title == "ClassCord : Le tableau"


def test_a_new_class_is_asked_for_first(prof: Teacher, server: Server, netcat: Client) -> None:
    prof.sit_down(server)
    prof.row("carla")
    prof.one("#new-class").click()
    prof.answer("yes")
    assert "nouvelle classe" in netcat.until(**{"from": "Serveur"})["content"]
    netcat.at_end()


def test_it_is_for_teachers(prof: Teacher, server: Server) -> None:
    prof.sit_down(server, "carla")
    prof.wait(lambda: "pas celui d'un enseignant" in prof.text("#entry-problem"))
    assert not prof.one("#board").is_displayed()
