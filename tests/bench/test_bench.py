"""The benchmark works: a tiny run against our server and the baseline, in which everything arrives. No speed here."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.bench import board, past, path
from tests.bench.load import Bench, BuildError, build, faults
from tests.bench.peers import NAIVE, OURS, WEBSOCKET, WITH_CHANNELS, Peer, running
from tests.support import DEADLINE


@pytest.fixture(scope="module")
def loadgen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return build(tmp_path_factory.mktemp("build") / "loadgen")
    except BuildError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("peer", [OURS, WEBSOCKET, NAIVE], ids=lambda peer: peer.name)
def test_everything_arrives(peer: Peer, loadgen: Path, tmp_path: Path) -> None:
    with running(peer, tmp_path) as server:
        result = Bench(loadgen, tmp_path).drive(
            peer, server, "--receivers", "10", "--senders", "2", "--messages", "200", "--payload", "100"
        )
    assert faults(result) == []
    assert result["sent"] == 200
    assert result["recv_min"] == result["recv_max"] == 200


def test_the_way_of_a_message_is_measured(tmp_path: Path) -> None:
    part = path.path(Bench(tmp_path / "unused", tmp_path))
    assert [row[0] for row in part.rows][-1] == "together"
    assert all(float(row[1]) > 0 for row in part.rows)


def test_the_board_is_open_while_it_is_measured(tmp_path: Path) -> None:
    with running(OURS, tmp_path) as server, board.opened(server) as taken:
        deadline = time.monotonic() + DEADLINE
        while not taken:  # it comes once a second
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)


def test_everything_arrives_in_the_channels_that_it_was_sent_to(loadgen: Path, tmp_path: Path) -> None:
    with running(WITH_CHANNELS, tmp_path) as server:
        result = Bench(loadgen, tmp_path).drive(
            WITH_CHANNELS, server, "--receivers", "10", "--senders", "2", "--messages", "200", "--channels", "2"
        )
    assert faults(result) == []
    assert (result["sent"], result["deliveries"]) == (200, 200 * 5)


def test_the_history_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "_MESSAGES", 2000)
    part = past.past(Bench(tmp_path / "unused", tmp_path, rounds=1))
    assert [target.bound for target in part.targets] == [20, 0.9]
    assert len(part.rows) == 11
