"""The doctor's hop of the page for browsers: in the VM, on the host, and at a desk with each tool."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hops import text
from machine import Machine, Recorded
from page import look_at_page
from report import main
from texts import render

from tests.deploy.doctor import TOOLS, Diagnosis, only_tool, read
from tests.deploy.test_doctor import call
from tests.deploy.test_doctor_host_recorded import look, seen
from tests.deploy.test_doctor_vm import CONTAINER, UNIT, Said
from tests.support import Server

PAGE = "page 192.168.56.10 12345"
BLOCKED = b"HTTP/1.1 503 Blocked by the filter of the school\r\nContent-Length: 0\r\n\r\n"


class _Filtered(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        asked = self.rfile.readline()
        if asked.startswith(b"{"):
            self.wfile.write(b'{"type":"pong"}\n')
        elif asked:
            self.wfile.write(self.server.answer)  # type: ignore[attr-defined]


@contextmanager
def filtered(answer: bytes) -> Iterator[int]:
    """A server of the chat behind something that answers browsers itself. Gives its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Filtered) as server:
        server.answer = answer  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def judged(port: int) -> tuple[str, str, list[str]]:
    """What the doctor finds there: the mark, the text, and the remedies."""
    finding = look_at_page(Machine(), "127.0.0.1", port, turn_on="turn it on", look=text("look", command="the log"))
    return finding.mark, render(finding.text, "en"), [render(each, "en") for each in finding.remedies]


# --- what answers ---


def test_a_real_server_has_a_page_or_says_that_it_is_off(tmp_path: Path) -> None:
    with Server(tmp_path / "on") as server:
        assert judged(server.port) == ("ok", f"page: answers, in a browser: http://127.0.0.1:{server.port}/", [])
    with Server(tmp_path / "off", "--web", "off") as server:
        mark, said, remedies = judged(server.port)
    assert (mark, remedies) == ("note", ["turn it on"])
    assert said.startswith("page: switched off (setting --web off, CLASSCORD_WEB=off)")


def test_what_answers_in_the_place_of_the_server_is_shown() -> None:
    with filtered(BLOCKED) as port:
        assert judged(port) == ("broken", "page: the server answers its clients, but a browser gets: "
                                "HTTP/1.1 503 Blocked by the filter of the school", ["look:  the log"])
    with filtered(b"HTTP/1.1 200 OK\r\n\r\n<html>Please log in</html>\n") as port:
        assert judged(port)[0] == "broken"
    with filtered(b"") as port:
        mark, said, _ = judged(port)
    assert (mark, said) == (
        "broken", "page: the server answers its clients, but nothing comes back to a browser")


# --- in the VM and on the host, from what real servers answered ---


OFF = "HTTP/1.1 400 This is a ClassCord chat server, not an HTTP server \nContent-Length: 352 \n \nCeci est..."
STUCK = "HTTP/1.1 503 Service Unavailable \nContent-Length: 45 \n \nLe serveur ne traite plus...\n"


@pytest.mark.parametrize(("recording", "turn_on", "log"), [
    (CONTAINER, "to switch it on:  make docker-run CLASSCORD_WEB=on", "docker logs --tail 20 classcord"),
    (UNIT, "of the unit, then:  sudo systemctl restart classcord", "sudo journalctl -u classcord -n 20"),
])
def test_the_vm_says_how_to_switch_it_on_and_where_its_log_is(
    recording: dict[str, Any], turn_on: str, log: str
) -> None:
    Said(recording).is_told("ok", "page: answers, in a browser: http://192.168.56.10:12345/")
    off = Said({**recording, PAGE: OFF})
    off.is_told("note", "page: switched off", turn_on)
    assert off.marks("broken") == []
    Said({**recording, PAGE: STUCK}).is_told("broken", "a browser gets: HTTP/1.1 503 Service Unavailable", log)


def test_a_server_that_does_not_answer_its_clients_is_not_asked_for_the_page() -> None:
    for answer in (["timeout", ""], ["full", ""]):
        seen = {**CONTAINER, "probe 192.168.56.10 12345": answer}
        assert "page" not in [hop for hop, *_ in Said(seen).lines], answer


def test_the_host_sends_to_the_vm(capsys: pytest.CaptureFixture[str]) -> None:
    page = "page 10.0.108.42 12345"
    off = look(Recorded({**seen("well"), page: OFF}), capsys)
    off.well("through the NAT")
    (told,) = [told for mark, text, told in off.lines if mark == "·" and text.startswith("page: switched off")]
    assert told == ["in the VM, to learn how to switch it on:  sudo make doctor"]
    broken = look(Recorded({**seen("well"), page: STUCK}), capsys)
    broken.only_broken("a browser gets: HTTP/1.1 503", "in the VM:  sudo make doctor")
    assert "the page does not. What remains: the VM, then a filter" in broken.marked("·")[-1]


def test_programs_get_the_hop_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vm", "--json"], Recorded({**CONTAINER, PAGE: STUCK, "environment CLASSCORD_LANG": "fr"})) == 1
    printed = capsys.readouterr().out
    assert '"name": "page"' in printed
    assert "page : le serveur répond à ses clients, mais un navigateur reçoit : HTTP/1.1 503" in printed


# --- at a desk ---


@pytest.fixture(params=TOOLS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of commands for PATH: only one tool in it speaks TCP, and timeout(1) is missing, as on a Mac."""
    return only_tool(request.param, tmp_path)


def at_desk(port: int, path: str, host: str = "127.0.0.1") -> Diagnosis:
    return read(call("--from-slam", host, "--port", str(port), path=path))


def test_a_desk_finds_the_page_with_each_tool(path: str, tmp_path: Path) -> None:
    with Server(tmp_path / "on") as server:
        at_desk(server.port, path).well(f"page: answers, in a browser: http://127.0.0.1:{server.port}/")
    with Server(tmp_path / "off", "--web", "off") as server:
        said = at_desk(server.port, path)
    said.well("a ClassCord server answers")
    assert "page: switched off on this server (--web off); the chat works without it" in said.marked("·")


def test_a_desk_sees_that_something_between_answers_with_each_tool(path: str) -> None:
    with filtered(BLOCKED) as port:
        said = at_desk(port, path)
    said.only_broken("page: the chat answers, but a browser gets: HTTP/1.1 503 Blocked by the filter of the school",
                     "in the VM:  sudo make doctor")
    assert "a filter or an antivirus is on the way" in said.text
    with filtered(b"") as port:
        at_desk(port, path).only_broken("nothing comes back to a browser", "in the VM:  sudo make doctor")


@pytest.fixture
def named(tmp_path: Path) -> str:
    """A desk that knows the machine srv.lan."""
    path = only_tool("nc.openbsd", tmp_path)
    (tmp_path / "getent").write_text("#!/bin/sh\necho '127.0.0.1       STREAM srv.lan'\n")
    (tmp_path / "getent").chmod(0o755)
    return path


def test_a_name_that_the_server_does_not_know_works_once_it_is_set(named: str, tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        at_desk(server.port, named, "srv.lan").warned(
            "page: the server does not know the name srv.lan", f"http://127.0.0.1:{server.port}/",
            "CLASSCORD_WEB_HOST=srv.lan",
        )
    with Server(tmp_path / "data", env={"CLASSCORD_WEB_HOST": "srv.lan"}) as server:
        at_desk(server.port, named, "srv.lan").well(f"in a browser: http://srv.lan:{server.port}/")


def test_a_proxy_of_the_desk_is_named_unless_it_is_not_for_this_address(tmp_path: Path) -> None:
    path = only_tool("python3", tmp_path)
    with Server(tmp_path / "data") as server:
        for settings, told in (
            ({"http_proxy": "http://lea:secret@proxy.lan:3128"}, True),
            ({"HTTP_PROXY": "http://proxy.lan:3128", "no_proxy": "localhost,127.0.0.11"}, True),
            ({"http_proxy": "http://proxy.lan:3128", "no_proxy": "localhost,127.0.0.1"}, False),
            ({"http_proxy": "http://proxy.lan:3128", "NO_PROXY": "*"}, False),
        ):
            line = ("--from-slam", "127.0.0.1", "--port", str(server.port))
            said = read(call(*line, path=path, settings=settings))
            if told:
                said.warned("page: a browser here may ask the proxy", "export no_proxy=127.0.0.1")
                assert "secret" not in said.text
            else:
                assert said.marked("!") == []
