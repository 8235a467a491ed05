"""The command line of an operator: flags, variables, exit codes, health, and the files that the process leaves."""

from __future__ import annotations

import math
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from classcord import __version__
from classcord.data.search import SEARCH
from classcord.ops import config
from classcord.ops.health import check
from tests.support import DEADLINE, IPV6_IS_OFF, ROOT, Client, Server, insisted, listener, member, nobody, unique

SERVER = [sys.executable, str(ROOT / "server.py")]
OwnServer = Callable[..., Server]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """server.py with these arguments and variables, to its end."""
    clean = {
        name: value for name, value in os.environ.items()
        if not name.startswith("CLASSCORD_") and name != "STATE_DIRECTORY"
    }
    return subprocess.run(
        [*SERVER, *arguments], capture_output=True, text=True, timeout=DEADLINE, env={**clean, **variables}, check=False
    )


def settings(*arguments: str, **variables: str) -> dict[str, str]:
    """The output of --check-config, by setting."""
    done = run(*arguments, "--check-config", **variables)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_help_lists_every_setting_with_its_variable() -> None:
    done = run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for setting in config.SETTINGS:
        assert setting.flag in done.stdout
        assert setting.variable in done.stdout.replace("\n", "")
    for other in ("--check-config", "--version", "health"):
        assert other in done.stdout
    assert run("health", "--help").returncode == 0


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ClassCord {__version__}\n", "")


def test_check_config_prints_every_setting_and_touches_nothing(tmp_path: Path) -> None:
    found = settings("--data", str(tmp_path / "data"))
    assert list(found) == [setting.name for setting in config.SETTINGS]
    assert found["data"] == f"{tmp_path / 'data'} (--data)"
    assert found["port"] == "12345 (default)"
    assert not (tmp_path / "data").exists()


def test_a_flag_wins_over_its_variable_and_a_variable_over_the_default() -> None:
    found = settings("--port", "2222", CLASSCORD_PORT="1111", CLASSCORD_HOST="127.0.0.1", CLASSCORD_LOG_LEVEL="debug")
    assert found["port"] == "2222 (--port)"
    assert found["host"] == "127.0.0.1 (CLASSCORD_HOST)"
    assert found["log-level"] == "debug (CLASSCORD_LOG_LEVEL)"
    assert found["lang"] == "fr (default)"


def possible(setting: config.Setting) -> str:
    """A value that the setting may have."""
    if setting.choices:
        return setting.choices[-1]
    if setting.low is not None:
        return f"{setting.low}"
    return "salle-12" if setting.name.endswith("channels") else "127.0.0.1"


@pytest.mark.parametrize("setting", config.SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_has_a_working_flag_and_variable(setting: config.Setting) -> None:
    value = possible(setting)
    assert settings(setting.flag, value)[setting.name] == f"{value} ({setting.flag})"
    assert settings(**{setting.variable: value})[setting.name] == f"{value} ({setting.variable})"


def test_systemds_folder_is_the_default_for_data() -> None:
    assert settings(STATE_DIRECTORY="/var/lib/classcord")["data"] == "/var/lib/classcord (STATE_DIRECTORY)"
    assert settings(STATE_DIRECTORY="/a:/b")["data"] == "/a (STATE_DIRECTORY)"
    assert settings(STATE_DIRECTORY="/a", CLASSCORD_DATA="/c")["data"] == "/c (CLASSCORD_DATA)"
    assert settings("--data", "/d", STATE_DIRECTORY="/a")["data"] == "/d (--data)"


def one_line(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line on standard error of a run that failed as it should."""
    assert done.returncode == code, done
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in lines[0]
    assert lines[0].startswith("server.py: ")
    return lines[0]


WRONG_VALUES = [
    ("port", "abc"), ("port", "70000"), ("port", "-1"), ("port", ""), ("port", "1_000"), ("port", "1e3"), ("port", "٣"),
    ("port", "9" * 5000), ("host", ""), ("lang", "de"), ("log-level", "loud"), ("log-format", "JSON"), ("data", ""),
    ("limits", "maybe"), ("line-rate", "0"), ("exempt-networks", "10.0.2.256"),
    ("exempt-networks", "10.0.2.2;10.0.2.3"), ("exempt-networks", "10.0.2.2,"),
    ("password-cost", "0"), ("password-cost", "21"), ("max-connections", "0"), ("outbox-limit", "1"),
    ("stall-timeout", "0.5"), ("data", "a\nb"),
    ("channels", ""), ("channels", "dev,"), ("channels", "a b"), ("channels", "x" * 33), ("teacher-channels", "a/b"),
    ("own-channels", "-1"), ("most-channels", "1001"),
]


@pytest.mark.parametrize(("name", "value"), WRONG_VALUES)
def test_a_wrong_value_is_refused_in_one_line_that_says_what_would_do(name: str, value: str) -> None:
    setting = next(setting for setting in config.SETTINGS if setting.name == name)
    for source, done in (
        (setting.flag, run(f"{setting.flag}={value}")), (setting.variable, run(**{setting.variable: value})),
    ):
        text = one_line(done, 2)
        assert source in text
        assert setting.allowed in text


@pytest.mark.parametrize("setting", config.SETTINGS, ids=lambda setting: setting.name)
def test_a_value_as_one_reader_of_variables_takes_it_and_another_does_not(setting: config.Setting) -> None:
    """Docker's --env-file keeps quotes and comments as a part of the value, systemd takes quotes away."""
    value = possible(setting)
    for wrong, reason in (
        (f"{value} # note", "comment"), (f"{value}\t# note", "comment"), (f"{value}  #", "comment"), ("#", "comment"),
        (f'"{value}"', "quotes"), (f"'{value}'", "quotes"), (f'"{value}', "quotes"), ('"', "quotes"), ("", "empty"),
        ("  ", "empty"),
    ):
        with pytest.raises(config.SettingError, match=rf"^{setting.variable}: .*{reason}"):
            config.load(None, {setting.variable: wrong})
    kept = getattr(config.load(None, {setting.variable: f"  {value} "}), setting.attribute)
    assert str(kept) == value


def test_a_folder_whose_name_looks_like_a_comment_goes_in_the_flag() -> None:
    assert settings("--data", "/srv/room #1")["data"] == "/srv/room #1 (--data)"
    assert settings(CLASSCORD_DATA="/srv/room#1")["data"] == "/srv/room#1 (CLASSCORD_DATA)"
    assert 'comment' in one_line(run("--check-config", CLASSCORD_DATA="/x # note"), 2)


def test_a_folder_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/donn\xe9es"
    assert settings(CLASSCORD_DATA=os.fsdecode(name))["data"].endswith("/donn\\xe9es (CLASSCORD_DATA)")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--prot", "1"], ["--por", "1"], ["-p", "1"], ["--port"], ["start"], ["--check-config=yes"],
        ["health", "--data", "x"],
    ],
)
def test_a_wrong_flag_is_refused_in_one_line_that_points_to_help(arguments: list[str]) -> None:
    assert "--help" in one_line(run(*arguments), 2)


def test_a_wrong_variable_is_found_by_check_config_too() -> None:
    assert "CLASSCORD_PORT" in one_line(run("--check-config", CLASSCORD_PORT="x"), 2)


def test_a_host_that_is_not_this_machines_is_refused_in_one_line(tmp_path: Path) -> None:
    for host in ("192.0.2.1", "no.such.host.invalid"):
        text = one_line(run("--host", host, "--port", "0", "--data", str(tmp_path)), 1)
        assert host in text
        assert "--host" in text


def test_a_port_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    with listener() as port:
        text = one_line(run("--host", "127.0.0.1", "--port", str(port), "--data", str(tmp_path)), 1)
    assert f"port {port}" in text
    assert "--port" in text


def test_a_folder_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    text = one_line(run("--host", "127.0.0.1", "--port", "0", "--data", str(tmp_path / "file")), 78)
    assert str(tmp_path / "file") in text


def test_a_misspelt_variable_is_logged(own_server: OwnServer) -> None:
    server = own_server(env={"CLASSCORD_PROT": "2000", "CLASSCORD_TEST_ADDR": "x:1"})
    line = server.wait_log("event=unknown_setting")
    assert "CLASSCORD_PROT" in line
    assert "--help" in line
    server.stop()
    assert len([line for line in server.log if "unknown_setting" in line]) == 1


# --- health ---


def health(port: int, *arguments: str, **variables: str) -> tuple[int, str]:
    """The exit code and the one line that says why."""
    done = run("health", "--port", str(port), *arguments, **variables)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    return done.returncode, done.stdout


def healthy(port: int) -> str:
    """The line about a server that is healthy."""
    code, text = insisted(lambda: health(port), lambda done: done[0] == 0)
    assert code == 0, text
    return text


def test_health_of_a_server_that_answers(own_server: OwnServer) -> None:
    server = own_server()
    assert healthy(server.port)[:2] == "ok"
    by_variables = {"CLASSCORD_PORT": str(server.port), "CLASSCORD_HOST": "127.0.0.1"}
    assert insisted(lambda: run("health", **by_variables).returncode, lambda code: code == 0) == 0


def test_health_of_a_full_server(own_server: OwnServer) -> None:
    server = own_server("--max-connections", "1")
    with Client((server.host, server.port)) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}
        text = healthy(server.port)
        assert text[:2] == "ok"
        assert "full" in text


def test_health_where_nobody_listens() -> None:
    with nobody() as port:
        code, text = health(port, "--host", "127.0.0.1")
    assert code == 1
    assert str(port) in text


@pytest.mark.parametrize(
    "answer", [b"", b"220 mail.example ESMTP\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"[1]\n", b"{}\n", b"\xff\n",
               b'{"type":"pon', b'{"type":"error","code":"unknown_type"}\n', b"x" * 100_000]
)
def test_health_where_something_else_listens(answer: bytes) -> None:
    with listener(answer) as port:
        code, text = health(port, "--host", "127.0.0.1")
    assert code == 1
    assert str(port) in text


def test_health_where_the_listener_says_nothing() -> None:
    with listener() as port:
        code, text = health(port, "--host", "127.0.0.1")
    assert code == 1
    assert str(port) in text


@pytest.mark.parametrize("pause", [math.inf, 0.3], ids=["silent", "slow"])
def test_health_is_over_within_3_seconds(monkeypatch: pytest.MonkeyPatch, pause: float) -> None:
    """Container engines kill a check that lasts longer. Told by a clock that only the peer's pauses move on."""
    now = 0.0

    class Peer(nullcontext[None]):
        timeout = 0.0

        def __enter__(self) -> Any:
            return self

        def settimeout(self, seconds: float) -> None:
            self.timeout = seconds

        def sendall(self, data: bytes) -> None:
            pass

        def recv(self, most: int) -> bytes:
            nonlocal now
            now += min(self.timeout, pause)
            if self.timeout < pause:
                raise TimeoutError
            return b"x"

    monkeypatch.setattr("classcord.ops.health.time", SimpleNamespace(monotonic=lambda: now))
    stub = SimpleNamespace(create_connection=lambda address, timeout: Peer())
    monkeypatch.setattr("classcord.ops.health.socket", stub)
    assert not check("*", 1)[0]
    assert 2 < now < 3


def test_the_health_check_loads_little() -> None:
    """It runs several times a minute, in a container whose base has no bytecode: each module is compiled again."""
    show = "import sys, server; server.main(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", show, "health"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "CLASSCORD_PORT": "1", "CLASSCORD_HOST": "127.0.0.1"},
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {name for name in loaded if name.startswith(("classcord", "handlers"))} == {
        "classcord", "classcord.command_line",
        "classcord.ops", "classcord.ops.config", "classcord.ops.failure", "classcord.ops.health",
    }
    heavy = {"argparse", "dataclasses", "hashlib", "inspect", "json", "logging", "re", "socketserver", "sqlite3",
             "subprocess", "threading", "typing"}
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=False
    )
    assert loaded & heavy <= set(bare.stdout.split())


def test_health_with_a_wrong_setting() -> None:
    assert "--port" in one_line(run("health", "--port", "x"), 2)


# --- the process ---


def test_what_is_stored_is_private(tmp_path: Path) -> None:
    """With every umask."""
    command = ["sh", "-c", 'umask 0; exec "$@"', "sh", *SERVER]
    data = tmp_path / "data"
    with Server(data, command=command) as server, member((server.host, server.port), unique("alice")) as alice:
        alice.send({"type": "message", "content": "x"})
        alice.pending()
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        modes = {}
        for path in data.iterdir():
            try:
                modes[path.name] = oct(stat.S_IMODE(path.stat().st_mode))
            except FileNotFoundError:
                assert path.name.startswith(SEARCH), "only the index is being made, and has files for a moment"
        assert "classcord.db" in modes
        assert modes == dict.fromkeys(modes, oct(0o600))


def test_passwords_are_neither_stored_nor_logged(own_server: OwnServer, tmp_path: Path) -> None:
    secret = "correct-horse-battery"
    server = own_server("--log-level", "debug")
    with Client((server.host, server.port)) as client:
        name = unique("alice")
        client.register(name, secret)
        client.login(name, secret + "-wrong")
        client.login(name, secret)
        client.send(f'{{"type":"login","username":"x","password":"{secret}"', f"/login bob {secret}")
        client.send({"type": "message", "content": f"/login bob {secret}"}, {"type": "Login", "password": secret})
        client.send({"type": "register", "username": name, "password": [secret]}, {"type": "login", "password": secret})
        assert len(client.pending()) == 6
    server.stop()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert name.encode() in stored
    assert secret.encode() not in stored
    assert [line for line in server.log if secret in line] == []


def test_every_address_of_both_families_is_served_by_default(own_server: OwnServer) -> None:
    server = own_server("--host", config.EVERY_ADDRESS, "--log-level", "debug")
    assert config.SETTINGS[0].default == config.EVERY_ADDRESS
    with Client(("127.0.0.1", server.port)) as client:
        assert client.ask({"type": "ping"}) == {"type": "pong"}
    line = server.wait_log("event=connected")
    assert "peer=127.0.0.1" in line, "IPv4 peers are logged as such"
    try:
        six = Client(("::1", server.port))
    except OSError:
        listed = Path("/proc/net/if_inet6")
        if listed.exists() and re.search("^0{31}1 ", listed.read_text(), re.MULTILINE):
            raise
        pytest.skip(IPV6_IS_OFF)
    with six:
        assert six.ask({"type": "ping"}) == {"type": "pong"}


def test_a_server_can_be_started_again_at_once_on_the_same_port(own_server: OwnServer) -> None:
    with nobody() as port:
        server = own_server("--port", str(port))
        with member((server.host, port), unique("alice")) as client:
            assert server.stop() == 0
            assert b"Serveur" in client.at_end()
            again = own_server("--port", str(port))
            assert again.port == port
            with Client((again.host, again.port)) as back:
                assert back.login(client.name)["status"] == "ok", "accounts outlast the process"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0(own_server: OwnServer, number: signal.Signals) -> None:
    server = own_server()
    assert server.stop(number) == 0
    server.wait_log("event=stopped")
