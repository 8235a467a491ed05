"""The part that measures what an open board of a teacher costs the others."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

from tests.bench.load import Bench, Result, faults
from tests.bench.peers import HOST, OURS, Running, running
from tests.bench.report import Part, Target, median, number, ratio, spread
from tests.support import ROOT, Client

_CASE = "500 receivers, 10 senders"
_FLAGS = ("--receivers", "500", "--senders", "10", "--window", "64", "--payload", "100")
_SECONDS = 4.0
"""Long enough for several looks of the board, which come once a second."""


@contextlib.contextmanager
def opened(server: Running) -> Iterator[list[int]]:
    """A teacher with an open board, whose program takes all that comes; the list grows by the bytes of each read."""
    taken: list[int] = []

    def take(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := connection.recv(1 << 20):
                taken.append(len(data))

    with Client((HOST, server.port)) as prof:
        prof.register("prof")
        command = [sys.executable, str(ROOT / "server.py"), "admin", "--data", str(server.data), "promote", "prof"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        prof.login("prof")
        prof.ask({"type": "board", "state": "on"})
        reader = threading.Thread(target=take, args=(prof.socket,))
        reader.start()
        try:
            yield taken
        finally:
            prof.socket.shutdown(socket.SHUT_RDWR)
            reader.join()


def _run(bench: Bench, *, board: bool) -> Result:
    print(f"  {_CASE}: {'an open' if board else 'no'} board", file=sys.stderr, flush=True)
    with running(OURS, bench.folder, *bench.server_cores) as server:
        with opened(server) if board else contextlib.nullcontext([1]) as taken:
            result = bench.drive(OURS, server, *_FLAGS, "--duration", bench.seconds(_SECONDS))
        wrong = faults(result) + ([] if taken else ["the board got nothing"])
    for fault in wrong:
        bench.problem(f"{OURS.name}, {_CASE}, board {board}: {fault}")
    return {} if wrong else result


def board(bench: Bench) -> Part:
    """The same load with and without an open board, alternating which comes first."""
    found: dict[bool, list[Result]] = {False: [], True: []}
    for turn in range(3 * bench.rounds):
        for is_open in (False, True) if turn % 2 else (True, False):
            found[is_open].append(_run(bench, board=is_open))
    rows = [
        ["open" if is_open else "none", number(median(results, "deliv_per_s")), spread(results, "deliv_per_s"),
         number(median(results, "cpu_s_per_1e6"))]
        for is_open, results in found.items()
    ]
    without, with_it = (median(found[is_open], "deliv_per_s") for is_open in (False, True))
    targets = [Target(f"{_CASE}: with an open board ÷ without", ratio(with_it, without), 0.98)]
    heads = ("board", "deliveries/s", "least to greatest", "CPU s per 10⁶")
    return Part(f"The board: {_CASE}, window 64, 100 bytes", heads, rows, targets)
