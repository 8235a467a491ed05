"""The page for browsers through the whole picture: a desk, the host's NAT, the VM, and the container or the unit."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.deploy.doctor import ask, ask_desk, only_tool
from tests.deploy.lab import HOST, SLAM, VM, Lab, wait_for_answer
from tests.deploy.machines import PROJECT, USER, Done
from tests.deploy.school import mine
from tests.support import ROOT, WebClient

pytestmark = pytest.mark.lab

URL = f"http://{HOST}:12345"
PAGE = (ROOT / "classcord" / "web" / "index.html").read_text()
COMPOSE = "docker-compose"


@pytest.fixture(scope="module")
def school(lab: Lab) -> Lab:
    """The network with an engine in the VM, and the host's NAT."""
    lab.start_engine(lab.vm)
    lab.host.run(f"sh deploy/nat/linux.sh apply --vm {VM} --no-check", cwd=PROJECT)
    return lab


@pytest.fixture(scope="module")
def container(school: Lab) -> Lab:
    """The network with the server in its container."""
    make(school, "docker-run")
    return school


@pytest.fixture(scope="module")
def unit(school: Lab) -> Lab:
    """The network with the server as a unit. The container's tests are over then."""
    make(school, "docker-stop")
    school.vm.run("make install", cwd=PROJECT)
    return school


def make(lab: Lab, words: str) -> Done:
    return lab.vm.run(f"make --no-print-directory {words}", user=USER, cwd=PROJECT)


def get(lab: Lab, path: str) -> str:
    """What curl gets at SLAM, once the server answers there."""
    wait_for_answer(lab.slam, HOST)
    return lab.slam.run(f"curl -sS --noproxy '*' --fail --max-time 20 {URL}{path}").stdout


def served(lab: Lab) -> None:
    """The page, its files and the state of health come to SLAM as they are in the project."""
    assert get(lab, "/") == PAGE
    assert get(lab, "/healthz") == "ok\n"
    assert get(lab, "/tableau") == (ROOT / "classcord" / "web" / "tableau.html").read_text()
    for path in sorted((ROOT / "classcord" / "web").iterdir()):
        if path.suffix != ".html":
            assert get(lab, f"/{path.name}") == path.read_text()


def test_curl_at_slam_gets_the_page_from_the_container(container: Lab) -> None:
    served(container)


def test_a_browser_at_slam_loads_the_page_through_the_whole_path(container: Lab, tmp_path: Path) -> None:
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium: apt install chromium")
    wait_for_answer(container.slam, HOST)
    browser = ("timeout 90 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "
               f"--user-data-dir={tmp_path}/profile --no-proxy-server --dump-dom {URL}/")
    shown = container.slam.run(browser, env={"HOME": str(tmp_path)}).stdout
    title = re.search("<title>(.*?)</title>", shown)
    assert title is not None, shown
    assert "ClassCord" in title[1]


def test_a_websocket_at_slam_chats_with_a_netcat_at_another_desk(container: Lab) -> None:
    wait_for_answer(container.other, HOST)
    with container.other.start(f"nc.openbsd {HOST} 12345") as netcat, container.slam.inside():
        assert netcat.stdin is not None
        assert netcat.stdout is not None
        try:
            with WebClient((HOST, 12345)) as browser:
                browser.register("alice")
                assert browser.login("alice")["status"] == "ok"
                netcat.stdin.write('{"type":"message","from":"bob","content":"Bonjour du netcat"}\n')
                netcat.stdin.flush()
                got = browser.until(type="message")
                assert (got["from"], got["content"]) == ("bob", "Bonjour du netcat")
                browser.send({"type": "message", "content": "Bonjour du navigateur"})
                heard = next(line for line in map(json.loads, netcat.stdout) if line["type"] == "message")
                assert (heard["from"], heard["content"]) == ("alice", "Bonjour du navigateur")
            log = container.vm.run("docker logs classcord 2>&1").stdout
            assert re.search(rf"event=login user=\"alice\" peer={SLAM} ", log), log
        finally:
            netcat.kill()


def test_the_doctor_finds_the_page_from_all_three_places(container: Lab) -> None:
    wait_for_answer(container.slam, HOST)
    ask(container.vm).well(f"page: answers, in a browser: http://{VM}:12345/")
    ask(container.host, f"--from-host --vm {VM}").well(f"page: answers, in a browser: {URL}/")
    ask_desk(container.slam, f"--from-slam {HOST}").well(f"page: answers, in a browser: {URL}/")


@pytest.mark.parametrize("tool", ["python3", "nc.openbsd"])
def test_a_filter_that_lets_only_the_chat_through_is_found(container: Lab, tool: str, tmp_path: Path) -> None:
    wait_for_answer(container.slam, HOST)
    path = only_tool(tool, tmp_path) + ":$PATH"
    # 32 bytes of TCP's head, with its timestamps; then "GET "
    table = mine("forward", "tcp dport 12345 @th,256,32 0x47455420 reject with tcp reset")
    container.host.run("nft -f -", input=table)
    try:
        said = ask_desk(container.slam, f"--from-slam {HOST}", path=path)
    finally:
        container.host.run("nft delete table inet mine")
    said.only_broken("page: the chat answers, but nothing comes back to a browser", "in the VM:  sudo make doctor")


def test_a_page_that_is_switched_off_is_told_and_comes_back_as_printed(container: Lab) -> None:
    printed = make(container, "docker-run CLASSCORD_WEB=off").stdout
    assert f"    {VM} port 12345\n" in printed
    assert "http://" not in printed
    wait_for_answer(container.slam, HOST)
    vm = ask(container.vm)
    host = ask(container.host, f"--from-host --vm {VM}")
    slam = ask_desk(container.slam, f"--from-slam {HOST}")
    for said in (vm, host, slam):
        said.well()
        assert any(text.startswith("page: switched off") for text in said.marked("·")), said.text
    (command,) = [told[0].rpartition(":  ")[2] for _, text, told in vm.lines if text.startswith("page: switched off")]
    assert command == "make docker-run CLASSCORD_WEB=on"
    assert f"    http://{VM}:12345/\n" in make(container, command.removeprefix("make ")).stdout
    assert get(container, "/") == PAGE


def test_compose_serves_the_page_too(container: Lab) -> None:
    container.vm.run(f"{COMPOSE} up -d", user=USER, cwd=PROJECT)
    served(container)


def test_the_sandbox_of_the_unit_serves_the_page(unit: Lab) -> None:
    """Its files are under /opt; the unit must be able to read them, also after its own restart."""
    served(unit)
    before = unit.vm.run("systemctl show --property MainPID --value classcord").stdout
    unit.vm.run("systemctl restart classcord")
    served(unit)
    assert unit.vm.run("systemctl show --property MainPID --value classcord").stdout != before
    ask(unit.vm).well(f"page: answers, in a browser: http://{VM}:12345/")


def test_in_the_sandbox_the_board_of_a_teacher_has_the_addresses(unit: Lab) -> None:
    """The unit may not use netlink, which usually lists them."""
    wait_for_answer(unit.slam, HOST)
    assert f" page=http://{VM}:12345/" in unit.vm.run("journalctl -u classcord -o cat --no-pager").stdout
    with unit.slam.inside(), WebClient((HOST, 12345)) as prof:
        prof.register("prof")
        unit.vm.run("classcord-admin promote prof")
        assert prof.login("prof")["status"] == "ok"
        prof.send({"type": "board", "state": "on"})
        board = prof.until(type="board")
        while "people" not in board:  # the first line only says that it is on
            board = prof.until(type="board")
    assert board["addresses"] == [f"{VM}:12345"]
    (person,) = board["people"]
    assert (person["name"], person["connections"][0]["peer"].partition(":")[0]) == ("prof", SLAM)


def test_a_unit_without_a_page_says_how_to_switch_it_on(unit: Lab) -> None:
    settings = unit.vm.root / "etc/classcord/classcord.env"
    kept = settings.read_text()
    settings.write_text("CLASSCORD_WEB=off\n")
    unit.vm.run("systemctl restart classcord")
    wait_for_answer(unit.slam, HOST)
    off = ask(unit.vm)
    settings.write_text(kept)
    (command,) = [told[0].rpartition(":  ")[2] for _, text, told in off.lines if text.startswith("page: switched off")]
    unit.vm.run(command)
    assert get(unit, "/healthz") == "ok\n"
