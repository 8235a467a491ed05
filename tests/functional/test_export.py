"""`server.py export`, while a server runs: formats, choices, spreadsheets, memory."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from classcord.data.export import csv_rows, safe
from classcord.data.store import Store
from tests.support import DEADLINE, Client, Server, member, say
from tests.unit.test_backup import refused
from tests.unit.test_command_line import SERVER

OwnServer = Callable[..., Server]
MESSAGES = ["id", "time", "sender", "guest", "kind", "recipient", "channel", "content"]
SPREADSHEET = "=+-@\t\r＝＋－＠﹦﹢﹣﹫"
"""What a spreadsheet takes for the beginning of a formula."""


def run(data: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*SERVER, "export", *words, "--data", str(data)], capture_output=True, timeout=DEADLINE, check=False,
        env={**os.environ, **variables},
    )


def export(data: Path, *words: str) -> bytes:
    done = run(data, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(data: Path, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export(data, *words, "--format", "jsonl").decode().splitlines()]


def unsafe(cell: str) -> str:
    """The text that `safe` has made this cell of."""
    return re.sub(r"(^|[,;\t\r\n])'", r"\1", cell)


@pytest.fixture
def data(own_server: OwnServer, tmp_path: Path) -> Path:
    """The folder of a server that runs, with a message of alice, one of a guest, and a private one."""
    server = own_server()
    address = (server.host, server.port)
    with member(address, "alice") as alice, member(address, "bob") as bob, Client(address) as guest:
        for each in (alice, bob):
            each.ask({"type": "users"})
        alice.send(say("Bonjour, à tous"))
        alice.pending()
        guest.send(say('il a dit "=1+1"\nfin', **{"from": "zoé"}))
        guest.pending()
        alice.send({"type": "message", "subtype": "private", "to": "bob", "content": "secret"})
        alice.pending()
    return tmp_path / "data"


def test_the_messages_to_everybody_as_csv(data: Path) -> None:
    done = run(data, "messages")
    assert done.stderr == b"standard output: messages: 2\n"
    assert done.stdout.endswith(b'\r\n')
    head, *lines = csv.reader(io.StringIO(done.stdout.decode(), newline=""))
    assert head == MESSAGES
    assert [line[2:] for line in lines] == [
        ["alice", "false", "global", "", "", "Bonjour, à tous"],
        ["zoé", "true", "global", "", "", 'il a dit "=1+1"\nfin'],
    ]


def test_private_messages_only_when_asked_for(data: Path) -> None:
    assert b"secret" not in export(data, "messages") + export(data, "messages", "--format", "json")
    assert [row["content"] for row in rows(data, "messages", "--private")][-1:] == ["secret"]
    assert rows(data, "messages", "--private")[-1]["recipient"] == "bob"


def test_the_messages_of_channels_and_those_of_one_alone(own_server: OwnServer, tmp_path: Path) -> None:
    server, data = own_server(), tmp_path / "data"
    with member((server.host, server.port), "alice") as alice:
        alice.send(say("to all"), say("to dev", channel="#dev"), say("to été", channel="#été"))
        alice.pending()
    found = [(row["kind"], row["channel"], row["content"]) for row in rows(data, "messages")]
    dev, summer = ("channel", "#dev", "to dev"), ("channel", "#ete", "to été")
    assert found == [("global", None, "to all"), dev, summer]
    for name, wanted in (("dev", dev), ("#DEV", dev), ("#été", summer), ("#général", found[0])):
        only = rows(data, "messages", "--channel", name)
        assert [(row["kind"], row["channel"], row["content"]) for row in only] == [wanted]


@pytest.mark.parametrize("words", [
    ("messages", "--channel", "a b"), ("users", "--channel", "#dev"), ("messages", "--private", "--channel", "#dev"),
])
def test_a_channel_that_makes_no_sense_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert "--channel" in refused(2, run(tmp_path, *words))


def test_json_is_one_array_and_jsonl_an_object_a_line(data: Path) -> None:
    array = json.loads(export(data, "messages", "--format", "json"))
    assert array == rows(data, "messages")
    assert list(array[0]) == MESSAGES
    assert (array[0]["guest"], array[1]["guest"], array[0]["recipient"]) == (False, True, None)
    assert "à tous".encode() in export(data, "messages", "--format", "jsonl")
    nothing = export(data, "messages", "--format", "json", "--until", "1999-01-01")
    assert json.loads(nothing) == []


def test_accounts_without_their_passwords(data: Path) -> None:
    for form in ("csv", "json", "jsonl"):
        written = export(data, "users", "--format", form).decode()
        assert "scrypt" not in written
        assert "password" not in written
    assert [row["name"] for row in rows(data, "users")] == ["alice", "bob"]
    assert list(rows(data, "users")[0]) == ["name", "role", "created"]


def test_only_a_part_of_the_time(data: Path) -> None:
    first, second = (row["time"] for row in rows(data, "messages"))
    with_offset = first.replace("Z", "+00:00")
    for since in (first, with_offset, first.lower().replace("t", "T")):
        assert len(rows(data, "messages", "--since", since)) == 2
    if first != second:
        assert [row["time"] for row in rows(data, "messages", "--since", second)] == [second]
        assert [row["time"] for row in rows(data, "messages", "--until", second)] == [first]
    assert rows(data, "messages", "--since", "2999-01-01") == []
    assert rows(data, "users", "--until", "2001-01-01T00:00+01:00") == []


@pytest.mark.parametrize("time", ["", "tomorrow", "2026-13-01", "2026-11-23T25:00", "0001-01-01T00:00+14:00", "Z"])
def test_a_time_that_is_none_is_refused_with_one_that_would_do(tmp_path: Path, time: str) -> None:
    line = refused(2, run(tmp_path, "messages", "--since", time))
    assert "--since" in line
    assert "2026-11-23" in line


@pytest.mark.parametrize("words", [
    ["rooms"], [], ["messages", "--format", "xml"], ["messages", "--bom", "--format", "json"], ["users", "--private"],
])
def test_what_does_not_fit_together_is_refused(tmp_path: Path, words: list[str]) -> None:
    refused(2, run(tmp_path, *words))


def test_no_database(tmp_path: Path) -> None:
    assert "--data" in refused(78, run(tmp_path / "none", "messages"))
    assert not (tmp_path / "none").exists()
    (tmp_path / "classcord.db").write_bytes(b"no database" * 500)
    assert "damaged" in refused(78, run(tmp_path, "messages"))


def test_a_database_of_a_newer_version(data: Path) -> None:
    with closing(sqlite3.connect(data / "classcord.db")) as db:
        db.execute("PRAGMA user_version=99")
    assert "newer" in refused(78, run(data, "messages"))


def test_into_a_file_that_is_private_and_never_overwritten(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    done = run(data, "messages", "--bom", "--output", str(target))
    assert (done.stdout, done.stderr.decode()) == (b"", f"{target}: messages: 2\n")
    assert target.read_bytes().startswith(b"\xef\xbb\xbfid,time,")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert "exists already" in refused(1, run(data, "messages", "--output", str(target)))
    assert "name another file" in refused(1, run(data, "messages", "--output", str(tmp_path / "no" / "out")))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "out"))] == ["out.csv"]


def test_a_reader_that_has_read_enough_ends_it_quietly(data: Path) -> None:
    fill(data, 20_000)
    line = f"{' '.join(SERVER)} export messages --data {data} | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, timeout=DEADLINE, check=True)
    assert done.stdout.decode() == ",".join(MESSAGES) + "\r\n1\n"
    assert done.stderr == b""


def test_a_full_disk_leaves_no_half_file(data: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*SERVER, "export", "messages", "--data", str(data)], stdout=full, stderr=subprocess.PIPE,
            timeout=DEADLINE, check=False,
        )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


# --- spreadsheets ---


TEXTS = st.text(st.sampled_from("=+-@'\t\r\n,;ab\"1＝＠"))


@given(st.lists(st.lists(TEXTS, min_size=1, max_size=3), max_size=3))
@example([["x,;"], ["1"]])
def test_no_reading_of_the_file_has_a_cell_that_begins_a_formula(written: list[list[str]]) -> None:
    text = csv_rows(written).decode()
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            for cell in row:
                assert not cell.startswith(tuple(SPREADSHEET)), (text, separator, cell)


@given(TEXTS)
def test_a_cell_is_never_a_formula_and_can_be_read_back(text: str) -> None:
    made = safe(text)
    for separator in (",", ";", "\t", "\n", "\r"):
        for cell in made.split(separator):
            assert not cell.startswith(tuple(SPREADSHEET.replace(separator, ""))), (text, made, separator)
    assert unsafe(made) == text


@pytest.mark.parametrize("text", [
    "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "a;=1", "a\n=1", "'=1", 'x;"=1+1;y', 'x\t"=1', 'x;""=1',
    "＝1+1", "x;＠a", "a,;",
])
def test_formulas_are_made_texts(text: str) -> None:
    ((cell,),) = csv.reader(io.StringIO(csv_rows([[text]]).decode(), newline=""))
    assert cell != text
    assert unsafe(cell) == text


def test_ordinary_texts_stay_as_they_are() -> None:
    for text in ("Bonjour, à tous; 1-1=0", "l'été", "a@b.fr", "x = y"):
        assert safe(text) == text


def test_formulas_of_people_are_texts_in_the_file(own_server: OwnServer, tmp_path: Path) -> None:
    server = own_server()
    with member((server.host, server.port), "=bob") as bob:
        bob.send(say("=HYPERLINK(1)"))
        bob.pending()
    lines = export(tmp_path / "data", "messages").decode().splitlines()
    assert lines[1].endswith(",'=bob,false,global,,,'=HYPERLINK(1)")
    assert export(tmp_path / "data", "users").decode().splitlines()[1].startswith("'=bob,")
    assert rows(tmp_path / "data", "messages")[0]["content"] == "=HYPERLINK(1)"


# --- many ---


def fill(data: Path, count: int) -> None:
    """Add messages, faster than people can."""
    with closing(sqlite3.connect(data / "classcord.db", timeout=DEADLINE)) as db, db:
        db.execute("INSERT OR IGNORE INTO senders VALUES (9, 'crowd', 0)")
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO message_rows"
            " SELECT 1000 + i, 1790000000000 + i, 9, NULL, 'message number ' || i, NULL FROM n",
            (count,),
        )


MEASURE = "import os, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)\n" \
    "print(os.wait4(pid, 0)[2].ru_maxrss, file=sys.stderr)"


def peak(data: Path, target: Path) -> int:
    """KiB of memory that an export takes at its highest. Measured from a small process: a fork counts its parent."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *SERVER, "export", "messages", "--data", str(data), "--output", str(target)],
        capture_output=True, timeout=4 * DEADLINE, check=True,
    )
    return int(done.stderr.split()[-1])


def test_memory_does_not_grow_with_the_number_of_messages(tmp_path: Path) -> None:
    Store(tmp_path).close()
    fill(tmp_path, 2_000)
    few = peak(tmp_path, tmp_path / "few")
    with closing(sqlite3.connect(tmp_path / "classcord.db")) as db, db:
        db.execute("DELETE FROM message_rows")
    fill(tmp_path, 300_000)
    many = peak(tmp_path, tmp_path / "many")
    assert (tmp_path / "many").read_bytes().count(b"\r\n") == 300_001
    assert many < few + 6 * 1024


def test_what_comes_meanwhile_is_left_for_the_next_export(data: Path) -> None:
    """And the chat goes on while a reader of the output stands still."""
    fill(data, 50_000)
    with subprocess.Popen(
        [*SERVER, "export", "messages", "--format", "jsonl", "--data", str(data)], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        with closing(sqlite3.connect(data / "classcord.db", timeout=0, isolation_level=None)) as db:
            db.execute("INSERT INTO message_rows VALUES (999999, 1790000000000, 9, NULL, 'late', NULL)")
            deadline = time.monotonic() + DEADLINE
            # the server reads the new rows too, for its search, but never for long
            while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                assert time.monotonic() < deadline, "the export has a transaction open while it waits"
        rest = process.stdout.read()
    assert json.loads(first)["content"] == "Bonjour, à tous"
    assert b"late" not in rest
    assert rest.count(b"\n") == 50_001


# --- at a terminal ---


def test_progress_is_shown_at_a_terminal_and_taken_away(tmp_path: Path) -> None:
    Store(tmp_path).close()
    fill(tmp_path, 300_000)
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [*SERVER, "export", "messages", "--data", str(tmp_path), "--output", str(tmp_path / "out")], stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:
            pass  # the other end is closed
        os.close(ours)
    assert process.returncode == 0
    assert re.search(rb"\rmessages: [\d,]+ of 300,000\x1b\[K", shown)
    assert shown.endswith(b"\r\x1b[K" + f"{tmp_path}/out: messages: 300000\r\n".encode())
