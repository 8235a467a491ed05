"""The doctor's framework: which hops are looked at, what is printed, how a machine is recorded and played again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hops import Finding, Hop, broken, note, ok, text, walk
from machine import Machine, Recorded, Recorder
from report import EXIT_USAGE, main
from texts import in_words, render

from tests.deploy.machines import until
from tests.support import DEADLINE, Server, listener, nobody


def test_a_hop_behind_a_broken_one_is_left_out_and_so_are_those_behind_it() -> None:
    asked = []

    def look(name: str, *findings: Finding) -> Hop[str]:
        def found(facts: str) -> Iterator[Finding]:
            asked.append((name, facts))
            yield from findings

        return Hop(name, found)

    cable = look("cable", broken("address_none", "ip link"))
    address, route = look("address", ok("route", gateway="a")), look("route", note("address_virtualbox"))
    hops = [
        cable, Hop("address", address.look, needs=("cable",), instead="address_needs_ip"),
        Hop("route", route.look, needs=("address",)), look("other"),
    ]
    found = [(name, finding.mark, finding.text.key) for name, finding in walk(hops, "facts")]
    assert asked == [("cable", "facts"), ("other", "facts")]
    assert found == [("cable", "broken", "address_none"), ("address", "note", "address_needs_ip")]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe waits for as long as a busy machine needs."""
    monkeypatch.setattr("machine.WAIT", DEADLINE)


@pytest.mark.usefixtures("patient")
def test_a_text_may_stand_in_a_text() -> None:
    with listener(b"HTTP/1.1 400\r\n\r\n") as port:
        said = in_words(Machine().probe("127.0.0.1", port))
    assert render(text("other", detail=said), "en") == (
        "connected, but this is not a ClassCord server: connected, but this is not a ClassCord server: HTTP/1.1 400"
    )
    assert render("ip link", "fr") == "ip link"


def test_a_machine_says_that_a_server_is_silent() -> None:
    with listener() as port:
        assert Machine().probe("127.0.0.1", port).kind == "silent"


@pytest.mark.usefixtures("patient")
def test_a_machine_says_what_a_server_did(tmp_path: Path) -> None:
    machine = Machine()
    with Server(tmp_path) as server:
        assert machine.probe(server.host, server.port).answered
    with listener(b"") as port:
        assert machine.probe("127.0.0.1", port).kind == "closed"
    with nobody() as port:
        assert machine.probe("127.0.0.1", port).kind == "refused"


def test_a_command_that_takes_too_long_ends_with_its_children(tmp_path: Path) -> None:
    machine = Machine()
    pid = ""
    for seconds in (0.5, 2.0, DEADLINE):  # the shell may need more than half a second to get there
        done = machine.run("sh", "-c", f"sleep 600 & echo $! >{tmp_path}/pid; wait", seconds=seconds)
        assert done.code is None
        if pid := (machine.read(f"{tmp_path}/pid") or "").strip():
            break
    assert pid
    until(lambda: "sleep" not in (machine.read(f"/proc/{pid}/cmdline") or ""), "its child ends")
    assert machine.run("no-such-command").code == 127


def test_a_recording_gives_the_same_answers(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = Recorder()
    code = main(["vm", "--port", "1"], recorder)
    first = capsys.readouterr().out
    kept = json.loads(json.dumps(recorder.seen))
    assert main(["vm", "--port", "1"], Recorded(kept)) == code
    assert capsys.readouterr().out == first
    with pytest.raises(KeyError, match="run reboot"):
        Recorded(kept).run("reboot")


@pytest.mark.parametrize(("setting", "words"), [
    ("", "Dans cette machine"), ("fr", "Dans cette machine"), ("EN", "In this machine"), ("de", "Dans cette machine"),
])
def test_it_speaks_french_unless_english_is_asked_for(
    setting: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = {"environment CLASSCORD_LANG": setting, "has ip": False}
    main(["vm"], Recorded(seen))
    assert capsys.readouterr().out.startswith(words)


def test_json_has_the_same_findings_under_stable_names(capsys: pytest.CaptureFixture[str]) -> None:
    seen = {"environment CLASSCORD_LANG": "en", "has ip": False}
    code = main(["vm", "--port", "2000", "--json"], Recorded(seen))
    said = json.loads(capsys.readouterr().out)
    assert (said["place"], said["port"], said["broken"]) == ("vm", 2000, code)
    expected = {
        "name": "address", "mark": "unknown", "text": "address: needs the command ip",
        "remedies": ["sudo apt install iproute2"],
    }
    assert expected in said["hops"]


def test_a_wrong_argument_is_not_a_number_of_broken_hops(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["desk"], Recorded({}))
    assert stopped.value.code == EXIT_USAGE
    assert capsys.readouterr().err.startswith("doctor.sh: ")
