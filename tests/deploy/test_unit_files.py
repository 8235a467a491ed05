"""Checks of the unit and its files that need no machine to install them on."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from classcord import config, failure, listener
from tests.deploy.sandbox import OTHERS, PREVENTS
from tests.support import ROOT

UNIT = ROOT / "deploy" / "classcord.service"
SOCKET = ROOT / "deploy" / "classcord.socket"


def directives(text: str) -> dict[str, list[str]]:
    """The values of each key, in order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def test_the_settings_file_is_the_table_of_the_code() -> None:
    assert (ROOT / "deploy" / "classcord.env").read_text() == config.environment_file()


def test_every_setting_can_be_uncommented_as_it_stands() -> None:
    lines = re.findall(r"^#(CLASSCORD_\w+)=(.*)$", config.environment_file(), re.MULTILINE)
    assert [name for name, _ in lines] == [setting.variable for setting in config.SETTINGS]
    for setting, (_, value) in zip(config.SETTINGS, lines, strict=True):
        assert setting.parse(value, "") == setting.default or setting.name == "data"


def test_the_limits_fit_the_connections_that_are_allowed() -> None:
    unit = directives(UNIT.read_text())
    (connections,) = (setting.default for setting in config.SETTINGS if setting.name == "max-connections")
    threads = 10  # the server's own
    assert int(unit["TasksMax"][0]) >= connections + threads
    assert int(unit["LimitNOFILE"][0]) >= connections + listener.SPARE_FILES


def test_what_a_restart_cannot_mend_is_not_restarted() -> None:
    codes = (failure.EXIT_CANT_LISTEN, failure.EXIT_USAGE, failure.EXIT_DATABASE)
    assert directives(UNIT.read_text())["RestartPreventExitStatus"] == [" ".join(map(str, codes))]


def test_the_sandbox_is_the_one_that_is_tried_out() -> None:
    """test_sandbox.py tries each listed line. A line that is added, removed or changed must also change there."""
    unit = UNIT.read_text()
    sandbox = unit[unit.index("DynamicUser=") : unit.index("[Install]")]
    assert set(re.findall(r"^\w+=.*$", sandbox, re.MULTILINE)) == {*PREVENTS, *OTHERS}


def test_the_watchdog_leaves_time_for_a_self_test() -> None:
    """A check that just fails is followed by another before systemd acts."""
    (seconds,) = directives(UNIT.read_text())["WatchdogSec"]
    assert int(seconds) >= 2 * (2 * listener.TEST_TIME + int(seconds) / 3)


def test_a_crash_loop_ends() -> None:
    """Even if each start takes a second before it crashes."""
    unit = directives(UNIT.read_text())
    (seconds,), (burst,), (pause,) = (
        map(int, unit[name]) for name in ("StartLimitIntervalSec", "StartLimitBurst", "RestartSec")
    )
    assert burst * (pause + 1) < seconds


@pytest.fixture
def analyze() -> list[str]:
    """systemd-analyze, in a version that can check files."""
    path = shutil.which("systemd-analyze")
    version = 0
    if path is not None:
        shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
        version = int(re.findall(r"\d+", shown)[0])
    if path is None or version < 250:
        pytest.skip("needs systemd-analyze 250 or later: apt install systemd (Debian 12, Ubuntu 24.04)")
    return [path]


def test_systemd_finds_nothing_to_remark(analyze: list[str]) -> None:
    done = subprocess.run([*analyze, "verify", UNIT, SOCKET], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_would_remark_a_misspelt_key(analyze: list[str], tmp_path: Path) -> None:
    wrong = tmp_path / "classcord.service"
    wrong.write_text(UNIT.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in subprocess.run([*analyze, "verify", wrong], capture_output=True, text=True).stderr


def test_little_is_exposed(analyze: list[str]) -> None:
    done = subprocess.run(
        [*analyze, "security", "--offline=true", "--threshold=15", "--no-pager", UNIT], capture_output=True, text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    exposure = re.search(r"Overall exposure level for classcord.service: ([\d.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= 1.5
