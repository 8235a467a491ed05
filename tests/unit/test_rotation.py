"""`server.py backup --rotate`: which backups stay, and that each of them can be restored."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.data.rotation import DAYS, NEWEST, outdated
from tests.support import DEADLINE, Client, Server, member
from tests.unit.test_backup import refused
from tests.unit.test_command_line import SERVER

START = datetime(2026, 11, 23, 8, 0, 1)
TIMES = st.lists(st.integers(0, 40 * 24 * 60), unique=True).map(sorted)


def name(when: datetime) -> str:
    return f"classcord-{when:%Y%m%dT%H%M%SZ}.db"


def left(hours: list[float]) -> list[float]:
    """The hours of the backups that are there at the end, if one is made at each of these hours."""
    there: dict[str, float] = {}
    for hour in hours:
        made = name(START + timedelta(hours=hour))
        there[made] = hour
        for old in outdated(there, made):
            del there[old]
    return list(there.values())


def test_a_machine_that_runs_all_the_time_keeps_a_day_of_hours_and_a_week_of_days() -> None:
    kept = left([float(hour) for hour in range(24 * 30)])
    assert kept[-NEWEST:] == [float(hour) for hour in range(24 * 29, 24 * 30)]
    days = {(START + timedelta(hours=hour)).date() for hour in kept}
    assert len(days) == DAYS
    assert len(kept) <= NEWEST + DAYS


def test_a_machine_that_runs_two_hours_a_week_keeps_months() -> None:
    kept = left([float(24 * 7 * week + hour) for week in range(40) for hour in range(2)])
    assert len(kept) == NEWEST
    assert kept[0] == 24 * 7 * 28


@given(TIMES)
def test_the_newest_always_stay_and_few_others(minutes: list[int]) -> None:
    hours = [minute / 60 for minute in minutes]
    kept = left(hours)
    assert kept[-NEWEST:] == hours[-NEWEST:]
    assert len(kept) <= NEWEST + DAYS
    assert len(kept) >= min(len(hours), NEWEST)


def test_other_files_are_left_alone() -> None:
    old = [name(START + timedelta(hours=hour)) for hour in range(100)]
    others = ["mine.db", "classcord.db", "classcord-20261123T080001Z.db.gz", "classcord-20261323T080001Z.db",
              "20261123T080001Z.db", "classcord-2026-11-23.db", ".classcord-x", "classcord-20261123T080001Z.dbx"]
    assert set(outdated([*old, *others], old[-1])) < set(old)


def test_those_of_a_clock_that_was_ahead_stay_and_take_no_place() -> None:
    ahead = [name(START + timedelta(days=400, hours=hour)) for hour in range(NEWEST)]
    here: list[str] = []
    for hour in range(NEWEST):
        here.append(name(START + timedelta(hours=hour)))
        assert outdated([*ahead, *here], here[-1]) == []
    later = name(START + timedelta(days=402))
    assert set(outdated([*ahead, *here, later], later)) < {*ahead, *here}  # now they count
    assert len(outdated([*ahead, *here, later], later)) >= NEWEST - DAYS


def run(data: Path, into: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*SERVER, "backup", "--rotate", str(into), "--data", str(data)], capture_output=True, timeout=DEADLINE,
        check=False,
    )


def test_the_copies_of_a_running_server_and_one_that_is_restored(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    server, into = own_server(), tmp_path / "backups" / "hourly"
    member((server.host, server.port), "alice").close()
    into.mkdir(parents=True)
    old = [name(START - timedelta(hours=hour)) for hour in range(60)]
    for each in (*old, "mine.db"):
        (into / each).touch()
    done = run(tmp_path / "data", into)
    (made,) = {path.name for path in into.iterdir()} - {*old, "mine.db"}
    removed = len(old) + 2 - len(list(into.iterdir()))
    assert removed > 30
    assert done.stderr.decode() == f"{into / made}: accounts: 1, messages: 0; old backups removed: {removed}\n"
    assert (into / "mine.db").exists()
    assert stat.S_IMODE((into / made).stat().st_mode) == 0o600
    restored = subprocess.run(
        [*SERVER, "restore", str(into / made), "--data", str(tmp_path / "new")], timeout=DEADLINE, check=False
    )
    assert restored.returncode == 0
    with Server(tmp_path / "new") as again, Client((again.host, again.port)) as client:
        assert client.login("alice")["status"] == "ok"


def test_the_folder_is_made_and_private(own_server: Callable[..., Server], tmp_path: Path) -> None:
    own_server()
    into = tmp_path / "a" / "b"
    assert run(tmp_path / "data", into).returncode == 0
    assert stat.S_IMODE(into.stat().st_mode) == 0o700


def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    assert "--data" in refused(78, run(tmp_path / "none", tmp_path / "into"))
    assert not (tmp_path / "into").exists()


def test_a_folder_that_cannot_be_written_loses_nothing(own_server: Callable[..., Server], tmp_path: Path) -> None:
    own_server()
    (tmp_path / "file").write_text("mine")
    assert "file" in refused(1, run(tmp_path / "data", tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_that_is_nearly_full_is_left_to_the_chat(
    own_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from classcord.data.output import FileError
    from classcord.data.rotation import rotate

    own_server()
    size = os.path.getsize(tmp_path / "data" / "classcord.db")
    monkeypatch.setattr("classcord.data.rotation.shutil.disk_usage", lambda path: SimpleNamespace(free=2 * size - 1))
    with pytest.raises(FileError, match="remove old backups"):
        rotate(tmp_path / "data", tmp_path / "into")
    assert list((tmp_path / "into").iterdir()) == []


def backups_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_the_new_backup_stays_though_there_are_some_with_later_dates(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    own_server()
    into = tmp_path / "into"
    into.mkdir()
    ahead = [f"classcord-209901{day:02}T000000Z.db" for day in range(1, NEWEST + 1)]
    for each in ahead:
        (into / each).touch()
    done = run(tmp_path / "data", into)
    assert done.returncode == 0
    (made,) = set(backups_of(into)) - set(ahead)
    assert len(backups_of(into)) == NEWEST + 1
    assert done.stderr.decode() == (
        f"{into / made}: accounts: 0, messages: 0; backups with later dates, which stay: {NEWEST}\n"
    )


def test_a_folder_with_the_name_of_a_backup_does_not_end_the_rotation(
    own_server: Callable[..., Server], tmp_path: Path
) -> None:
    own_server()
    into = tmp_path / "into"
    (into / "classcord-20190101T000000Z.db").mkdir(parents=True)
    old = [name(START - timedelta(days=1000 + day)) for day in range(60)]
    for each in old:
        (into / each).touch()
    done = run(tmp_path / "data", into)
    assert done.returncode == 0
    assert b"old backups removed: " in done.stderr
    assert b"can't" not in done.stderr
    assert (into / "classcord-20190101T000000Z.db").is_dir()
    assert len(backups_of(into)) <= NEWEST + DAYS


def test_one_that_cannot_be_removed_is_named_and_does_not_keep_the_others(
    own_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from classcord.data.rotation import rotate

    own_server()
    into = tmp_path / "into"
    into.mkdir()
    old = sorted(name(START - timedelta(days=1000, hours=hour)) for hour in range(60))
    for each in old:
        (into / each).touch()
    unlink = Path.unlink

    def refuse_the_first(path: Path, missing_ok: bool = False) -> None:
        if path.name == old[0]:
            raise PermissionError(1, "Operation not permitted")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_the_first)
    line = rotate(tmp_path / "data", into)
    assert line.endswith(f"can't be removed: {old[0]} (Operation not permitted)")
    assert old[0] in backups_of(into)
    assert len(backups_of(into)) <= NEWEST + DAYS + 1


def test_two_in_one_second_have_two_names(
    own_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from classcord.data.rotation import rotate

    own_server()
    monkeypatch.setattr("classcord.data.rotation.time.time", lambda: START.replace(tzinfo=timezone.utc).timestamp())
    for _ in range(3):
        rotate(tmp_path / "data", tmp_path / "into")
    assert backups_of(tmp_path / "into") == [name(START + timedelta(seconds=second)) for second in range(3)]


@pytest.mark.parametrize("given", ["-", ""])
def test_standard_output_is_not_a_folder(own_server: Callable[..., Server], tmp_path: Path, given: str) -> None:
    own_server()
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [*SERVER, "backup", "--rotate", "--data", str(tmp_path / "data"), "--", given], capture_output=True,
        timeout=DEADLINE, check=False, cwd=work,
    )
    assert "name a folder" in refused(1, done)
    assert list(work.iterdir()) == []
