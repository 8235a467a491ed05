"""« Le câble »: the lines of this page, and those of one's other connections."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from selenium.webdriver import Keys
from selenium.webdriver.support.ui import Select

from tests.functional.test_console import admin
from tests.support import Client, Server
from tests.web.access import findings
from tests.web.browser import ATTACK, HOSTILE_NAME, Person


def lines(person: Person) -> list[str]:
    """The lines that are shown, as a person reads them."""
    found = person.run(
        "return [...document.querySelectorAll('#cable-lines details')].filter((node) => !node.hidden)"
        ".map((node) => node.querySelector('.about').textContent.split(' ').slice(1).join(' ')"
        " + node.querySelector('code').textContent)"
    )
    return list(found)


def shown(person: Person, *parts: str) -> str:
    """Wait for a line that has all these parts."""
    found = person.wait(lambda: next((line for line in lines(person) if all(part in line for part in parts)), None))
    return str(found)


def test_each_line_of_the_page_can_be_read_and_tried(server: Server, alice: Person) -> None:
    alice.visit(server)
    alice.enter("alice", "azerty", new=True)
    alice.one("#show-cable").click()
    login = shown(alice, "→", '"type":"login"')
    assert "azerty" not in "".join(lines(alice))
    assert '"password":"…"' in login
    alice.one("#cable-text").send_keys('{"type":"users",}', Keys.ENTER)
    shown(alice, "→", '{"type":"users",}')
    shown(alice, "←", '"cause":"comma_before_end"')
    assert "⚠" in alice.text("#cable-lines .refusal p")
    Select(alice.one("#cable-way")).select_by_value("refused")
    alice.wait(lambda: len(lines(alice)) == 1)
    Select(alice.one("#cable-way")).select_by_value("sent")
    alice.one("#cable-words").send_keys("ping")
    alice.wait(lambda: lines(alice) == [])
    alice.retype("#cable-text", '{"type":"ping"}')
    alice.one("#cable-text").send_keys(Keys.ENTER)
    assert shown(alice, "ping").endswith('→ 16 o{"type":"ping"}')
    alice.run("document.querySelector('#cable-lines details:not([hidden]) summary').click()")
    alice.wait(lambda: json.loads(alice.text("#cable-lines details:not([hidden]) pre")) == {"type": "ping"})
    alice.retype("#cable-words", ",}")
    alice.wait(lambda: len(lines(alice)) == 1)
    alice.run("document.querySelector('#cable-lines details:not([hidden]) summary').click()")
    alice.wait(lambda: alice.text("#cable-lines details:not([hidden]) pre") == '{"type":"users",}')


def test_another_client_of_the_same_account_is_seen(server: Server, alice: Person) -> None:
    with Client((server.host, server.port)) as java:
        java.register("alice")
        java.login("alice")
        alice.visit(server)
        alice.enter("alice", "azerty")
        alice.one("#show-cable").click()
        alice.one("#cable-others").click()
        alice.wait(lambda: alice.text("#cable-watched").endswith("alice"))
        java.send({"type": "message", "content": "de Java"}, '{"type":"mesage"}')
        shown(alice, "alice 127.0.0.1:", "→", '"content": "de Java"')
        shown(alice, "alice 127.0.0.1:", "←", '"code":"unknown_type"')
        assert "n'existe pas" in alice.text("#cable-lines .refusal p")
        alice.picture("cable")
        port = java.socket.getsockname()[1]
        java.close()
        shown(alice, f"alice 127.0.0.1:{port}", "✕")


def test_a_teacher_watches_somebody_who_is_told(
    server: Server, alice: Person, bob: Person, netcat: Client,
) -> None:
    alice.visit(server)
    alice.enter("alice", "azerty", new=True)
    assert admin(server.data, "promote", "alice").returncode == 0
    bob.visit(server)
    bob.enter("bob", "azerty", new=True)
    alice.one("#show-cable").click()
    alice.one("#cable-user").send_keys("bob", Keys.ENTER)
    alice.wait(lambda: alice.text("#cable-watched").endswith("bob"))
    assert "notice" in bob.reads("alice voit maintenant vos lignes").classes
    bob.says("Bonjour <b>à</b> tous")
    shown(alice, "bob 127.0.0.1:", "→", "<b>")
    assert alice.all("#cable-lines b") == []
    netcat.send({"type": "message", "content": "pas de bob"})
    shown(alice, "bob 127.0.0.1:", "←", "pas de bob")
    assert [line for line in lines(alice) if line.startswith("carla")] == []
    assert admin(server.data, "demote", "alice").returncode == 0
    bob.reads("Vos lignes ne sont plus montrées.")
    alice.wait(lambda: alice.text("#cable-watched") == "")
    assert [line for line in lines(alice) if "✕" in line] == []


def test_a_pupil_watches_nobody_else(server: Server, alice: Person, netcat: Client) -> None:
    alice.visit(server)
    alice.enter("alice", "azerty", new=True)
    alice.one("#show-cable").click()
    alice.one("#cable-user").send_keys("carla", Keys.ENTER)
    assert "notice" in alice.reads("Cela ne vous est pas permis.").classes
    assert alice.text("#cable-watched") == ""
    assert [line for line in netcat.pending() if line["type"] == "message"] == []


def test_lines_that_try_to_be_html_stay_texts(
    server: Server, alice: Person, connect_to: Callable[[str], Client],
) -> None:
    alice.visit(server)
    alice.enter("alice", "azerty", new=True)
    assert admin(server.data, "promote", "alice").returncode == 0
    mallory = connect_to(HOSTILE_NAME)
    alice.one("#show-cable").click()
    alice.one("#cable-user").send_keys(HOSTILE_NAME, Keys.ENTER)
    alice.wait(lambda: alice.text("#cable-watched").endswith(HOSTILE_NAME))
    mallory.send({"type": ATTACK}, ATTACK, {"type": "message", "content": ATTACK})
    shown(alice, f"{HOSTILE_NAME} 127.0.0.1:", "→", f"o{ATTACK}")
    shown(alice, f"{HOSTILE_NAME} 127.0.0.1:", "←", "unknown_type")
    shown(alice, "cette page", "←", "javascript:x()")
    alice.run("document.querySelectorAll('#cable-lines details').forEach((node) => (node.open = true))")
    alice.wait(lambda: alice.run("return document.querySelectorAll('#cable-lines pre').length") >= 4)
    assert alice.made_of("#cable") == []
    alice.sees(ATTACK)
    assert alice.driver.title == "ClassCord"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(server: Server, alice: Person, scheme: str) -> None:
    alice.prefer(scheme)
    alice.visit(server)
    alice.enter("alice", "azerty", new=True)
    alice.one("#show-cable").click()
    alice.one("#cable-text").send_keys('{"type":"users",}', Keys.ENTER)
    shown(alice, "←", '"cause":"comma_before_end"')
    alice.run("document.querySelectorAll('#cable-lines details').forEach((node) => (node.open = true))")
    alice.wait(lambda: not alice.all("#cable-lines details[open]:not(:has(pre))"))
    assert findings(alice) == []
    alice.picture(f"cable-{scheme}")
    alice.prefer("")
