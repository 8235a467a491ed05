"""Log lines: one an event, escaped, and never waited for."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.ops import logs
from tests.support import ROOT, fields


def formatted(formatter: Any, values: dict[str, Any]) -> str:
    record = logs._log.makeRecord("classcord", 20, "", 0, "login", (), None, extra={"fields": values})
    return str(formatter.format(record))


@given(st.text())
def test_no_value_can_forge_a_line_or_a_field(name: str) -> None:
    line = formatted(logs._Logfmt(), {"user": name, "reason": name, "port": 5})
    assert line.isprintable()
    assert line.isascii()
    read = fields(line)
    assert read["user"] == name
    assert read["reason"] == name
    assert read["port"] == "5"
    assert list(read) == ["event", "user", "reason", "port"]
    as_json = formatted(logs._Json(), {"user": name})
    assert "\n" not in as_json
    assert json.loads(as_json)["user"] == name


def test_a_line_reads_as_documented() -> None:
    line = formatted(logs._Logfmt(), {"user": "alice", "peer": "10.0.108.34", "port": 50312})
    stamp, rest = line.split(" ", 1)
    assert len(stamp) == len("2026-11-23T10:00:00.000Z")
    assert rest == 'INFO event=login user="alice" peer=10.0.108.34 port=50312'


def test_a_clients_thread_leaves_nothing_behind() -> None:
    """On Python 3.10 to 3.12, an object that `threading` makes for a thread it does not know stays for ever."""
    script = """
import _thread, threading
from classcord.ops import logs
logs.start()
known, done = len(threading.enumerate()), threading.Lock()
done.acquire()
def client():
    logs.event("connected")
    print(len(threading.enumerate()) - known)
    done.release()
_thread.start_new_thread(client, ())
done.acquire()
logs.stop()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "event=connected" in done.stderr
    assert done.stdout == "0\n"


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_reader_that_has_stopped_stops_nobody(format: str) -> None:
    script = f"""
import sys
from classcord.ops import logs
logs.start("info", {format!r})
for number in range(50_000):
    logs.event("listening", number=number, padding="x" * 100)
print("went on", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == b"went on\n", "nothing has read its log yet"
    process.stderr.close()
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_lines_left_out_are_counted_once_the_reader_goes_on() -> None:
    script = """
import sys
from classcord.ops import logs
logs.start("info", "text")
for number in range(50_000):
    logs.event("listening", number=number, padding="x" * 100)
print("full", flush=True)
sys.stdin.readline()
logs.event("stopped")
logs.stop(3600)  # until all is read
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    head = [process.stderr.readline() for _ in range(5000)]
    process.stdin.write(b"\n")
    process.stdin.close()
    lines = head + process.stderr.readlines()
    process.wait()
    process.stdout.close()
    process.stderr.close()
    counted = [int(fields(line.decode())["count"]) for line in lines if b"event=log_lines_left_out" in line]
    written = sum(b"event=listening" in line for line in lines)
    assert sum(counted) + written == 50_000
    assert b"event=stopped" in lines[-1]


def test_at_the_end_the_log_says_how_many_lines_were_left_out() -> None:
    script = """
from classcord.ops import logs
logs.start(lines=10)
for number in range(40):
    logs.caused("10.0.2.2", "request_refused", code="invalid_json")
    logs.caused("10.0.2.2", "connected", 10)  # of a level that is not written
logs.stop()
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.count("event=request_refused") == 10
    (told,) = [fields(line) for line in done.stderr.splitlines() if "event=log_lines_left_out" in line]
    assert (told["what"], told["count"], told["peer"]) == ("request_refused", "30", "10.0.2.2")


def test_lines_that_a_slow_reader_had_no_place_for_are_counted_at_the_end() -> None:
    script = """
import sys
from classcord.ops import logs
logs.start()
for number in range(50_000):
    logs.event("listening", number=number, padding="x" * 100)
print("full", flush=True)
logs.stop(3600)  # until all is read
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    assert process.stdout
    assert process.stdout.readline() == b"full\n"
    lines = process.communicate()[1].splitlines()
    written = sum(b"event=listening" in line for line in lines)
    assert 0 < written < 50_000
    assert fields(lines[-1].decode())["count"] == str(50_000 - written)


@given(st.lists(st.floats(0, 5), max_size=60))
def test_nothing_is_left_uncounted_and_nothing_is_said_too_often(pauses: list[float]) -> None:
    throttle = logs.LogThrottle(10)
    now = 0.0
    said: list[float] = []
    counted = 0
    for pause in pauses:
        now += pause
        count = throttle.happened(now)
        if count:
            said.append(now)
            counted += count
    assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(said))
    assert counted <= len(pauses)
    if pauses:
        assert counted + throttle.happened(now + 20) == len(pauses) + 1


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["refused", "place_given_up", ""])), max_size=60))
def test_events_that_come_often_are_all_counted_and_told_within_the_interval(steps: list[tuple[float, str]]) -> None:
    """A step without a name is only a look at the clock."""
    now = 0.0
    said: list[tuple[float, str, int]] = []
    waiting: dict[str, list[float]] = {"refused": [], "place_given_up": []}

    def written(event_name: str, *, count: int, peer: str) -> None:
        said.append((now, event_name, count))
        assert float(peer) == waiting[event_name][-1], "the fields of the last one"
        assert count == len(waiting[event_name])
        waiting[event_name].clear()

    often = logs.Often(10, lambda: now)
    with mock.patch.object(logs, "event", written):
        for pause, event_name in steps:
            now += pause
            if event_name:
                waiting[event_name].append(now)
                often.event(event_name, count=1, peer=str(now))
            often.report()
            for name, times in waiting.items():
                told = [time for time, each, _ in said if each == name]
                assert not times or now - told[-1] < 10, "what waits has a line less than ten seconds ago"
        for name in waiting:
            told = [time for time, each, _ in said if each == name]
            assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(told))
        often.report(at_the_end=True)
    assert waiting == {"refused": [], "place_given_up": []}
