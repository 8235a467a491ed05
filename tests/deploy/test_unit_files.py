"""Checks of the unit and its files that need no machine to install them on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from classcord.net import listener
from classcord.ops import config, failure
from tests.deploy.sandbox import OTHERS, PREVENTS
from tests.support import ROOT

UNIT = ROOT / "deploy" / "classcord.service"
SOCKET = ROOT / "deploy" / "classcord.socket"
BACKUP = ROOT / "deploy" / "classcord-backup.service"
TIMER = ROOT / "deploy" / "classcord-backup.timer"


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


def test_the_hourly_backup_copies_what_the_service_has() -> None:
    backup, timer = directives(BACKUP.read_text()), directives(TIMER.read_text())
    assert backup["ExecStart"] == [
        f"{directives(UNIT.read_text())['ExecStart'][0]} backup --rotate /var/backups/classcord-hourly"
    ]
    assert backup["Environment"] == ["CLASSCORD_DATA=/var/lib/classcord"]
    assert backup["EnvironmentFile"] == directives(UNIT.read_text())["EnvironmentFile"], "which wins"
    assert (timer["OnCalendar"], timer["Persistent"]) == (["hourly"], ["yes"])
    assert timer["PartOf"] == timer["WantedBy"] == ["classcord.service"]


def test_the_watchdog_leaves_time_for_a_self_test() -> None:
    """A check that just fails is followed by another before systemd acts."""
    (seconds,) = directives(UNIT.read_text())["WatchdogSec"]
    assert int(seconds) >= 2 * (2 * listener.TEST_TIME + int(seconds) / 3)


def test_a_server_that_crashes_at_each_start_is_given_up_soon() -> None:
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


def test_systemd_finds_no_fault_in_the_units(analyze: list[str]) -> None:
    units = (UNIT, SOCKET, BACKUP, TIMER)
    done = subprocess.run([*analyze, "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_would_find_a_misspelt_key(analyze: list[str], tmp_path: Path) -> None:
    wrong = tmp_path / "classcord.service"
    wrong.write_text(UNIT.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in subprocess.run([*analyze, "verify", wrong], capture_output=True, text=True).stderr


@pytest.mark.parametrize(("unit", "most"), [(UNIT, 1.5), (BACKUP, 3.5)], ids=["server", "backup"])
def test_systemd_rates_the_exposure_of_the_service_as_low(analyze: list[str], unit: Path, most: float) -> None:
    done = subprocess.run(
        [*analyze, "security", "--offline=true", f"--threshold={most * 10:.0f}", "--no-pager", unit],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stdout
    exposure = re.search(rf"Overall exposure level for {unit.name}: ([\d.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= most


SHOWN = {
    "--property LoadState --value classcord.service": "loaded",
    "--property ExecStart --value classcord.service": (
        "{ path=/usr/bin/python3 ; argv[]=/usr/bin/python3 /opt/classcord/server.py ; ignore_errors=no ; pid=0 }"
    ),
    "--property Environment --value classcord.service": "",
    "--property EnvironmentFiles --value classcord.service": "FILE (ignore_errors=yes)",
    "--property Listen --value classcord.socket": "[::]:12345 (Stream)",
}
"""The words of `systemctl show` for an installed service, and systemd 252's answers to them."""


@pytest.mark.parametrize(("differs", "file", "socket", "port"), [
    ({}, "", False, "12345"),
    ({}, "#CLASSCORD_PORT=1\nCLASSCORD_PORT=2000", False, "2000"),
    ({}, "CLASSCORD_PORT='3000'\n", False, "3000"),
    ({"Environment": "CLASSCORD_LANG=en CLASSCORD_PORT=2000"}, "", False, "2000"),
    ({"Environment": "CLASSCORD_PORT=2000"}, "CLASSCORD_PORT=3000\n", False, "3000"),
    ({"EnvironmentFiles": ""}, "CLASSCORD_PORT=3000\n", False, "12345"),
    ({"ExecStart": "{ path=/x ; argv[]=/x /s.py --port 4000 ; pid=0 }"}, "CLASSCORD_PORT=3\n", False, "4000"),
    ({"ExecStart": "{ path=/x ; argv[]=/x /s.py --port=4000 ; ignore_errors=no }"}, "", False, "4000"),
    ({"Listen": "[::]:2000 (Stream)"}, "CLASSCORD_PORT=3000\n", True, "2000"),
    ({"Listen": "192.168.56.10:2000 (Stream)"}, "", True, "2000"),
    ({"Listen": "[::]:2000 (Stream)"}, "CLASSCORD_PORT=3000\n", False, "3000"),
], ids=range(11))
def test_the_port_is_that_of_the_unit_in_force(
    tmp_path: Path, differs: dict[str, str], file: str, socket: bool, port: str
) -> None:
    (tmp_path / "settings").write_text(file)
    for words, answer in SHOWN.items():
        answer = differs.get(words.split()[1], answer)
        (tmp_path / words).write_text(answer.replace("FILE", str(tmp_path / "settings")) + "\n")
    standin = tmp_path / "systemctl"
    is_active = str(socket).lower()
    standin.write_text(f'#!/bin/sh\ncase $* in show*) shift; cat "{tmp_path}/$*";; *is-*) {is_active};; esac\n')
    standin.chmod(0o755)
    done = subprocess.run(
        ["sh", "-euc", ". deploy/unit.sh; unit_port"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, port + "\n", "")
