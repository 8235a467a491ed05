"""The parts that compare servers under load: each runs its cases in turn and returns a table with its targets."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.load import Bench, Result
from tests.bench.peers import NAIVE, NGIRCD, OURS, PEERS, REDIS, WEBSOCKET, WITH_CHANNELS, Peer
from tests.bench.report import NONE, Part, Target, median, number, ratio, spread

Samples = dict[str, list[Result]]
"""The results of each server, by its name."""


def measure(bench: Bench, label: str, *flags: str, peers: Sequence[Peer] = PEERS) -> Samples:
    """Each installed server once a round, another one first in each round."""
    here = [peer for peer in peers if peer.installed]
    samples: Samples = {peer.name: [] for peer in peers}
    for turn in range(bench.rounds):
        for peer in here[turn % len(here) :] + here[: turn % len(here)]:
            samples[peer.name].append(bench.run(peer, label, *flags))
    return samples


def against(samples: Samples, peer: Peer, *keys: str) -> float | None:
    """Our median over that server's."""
    return ratio(median(samples[OURS.name], *keys), median(samples[peer.name], *keys))


def _times(value: float | None) -> str:
    return NONE if value is None else f"{number(value)} ×"


# --- deliveries a second ---

_SPEED_HEADS = (
    "case", "server", "deliveries/s", "least to greatest", "ClassCord ÷ it", "CPU s per 10⁶", "it ÷ ClassCord, CPU",
    "lines a read",
)


def _speed_rows(case: str, samples: Samples) -> list[list[str]]:
    ours = median(samples[OURS.name], "cpu_s_per_1e6")
    rows = []
    for name, results in samples.items():
        cpu = median(results, "cpu_s_per_1e6")
        faster = ratio(median(samples[OURS.name], "deliv_per_s"), median(results, "deliv_per_s"))
        rows.append([
            case, name, number(median(results, "deliv_per_s")), spread(results, "deliv_per_s"), _times(faster),
            number(cpu), _times(ratio(cpu, ours)), number(median(results, "msgs_per_read")),
        ])
    return rows


def _load(bench: Bench, receivers: int, senders: int, window: int) -> list[str]:
    return [
        "--receivers", str(receivers), "--senders", str(senders), "--window", str(window), "--payload", "100",
        "--duration", bench.seconds(1.5),
    ]


def fan_out(bench: Bench) -> Part:
    """Senders that keep 64 messages under way each."""
    rows: list[list[str]] = []
    targets: list[Target] = []
    for receivers in (100, 500):
        for senders in (1, 10):
            case = f"{receivers} receivers, {senders} sender{'s' * (senders > 1)}"
            samples = measure(bench, case, *_load(bench, receivers, senders, 64))
            rows += _speed_rows(case, samples)
            if senders == 1:
                targets.append(Target(f"{case}: ÷ ngircd", against(samples, NGIRCD, "deliv_per_s"), 1))
            else:
                targets.append(Target(f"{case}: ÷ naive", against(samples, NAIVE, "deliv_per_s"), 40))
            targets.append(Target(f"{case}: ÷ redis", against(samples, REDIS, "deliv_per_s"), 1))
    return Part("Fan-out: deliveries a second, window 64, 100 bytes", _SPEED_HEADS, rows, targets)


def chat(bench: Bench) -> Part:
    """Fifty people who each wait for their own line before the next."""
    case = "100 receivers, 50 senders"
    samples = measure(bench, "chat", *_load(bench, 100, 50, 1))
    targets = [
        Target(f"{case}: ÷ naive", against(samples, NAIVE, "deliv_per_s"), 20),
        Target(f"{case}: ÷ ngircd", against(samples, NGIRCD, "deliv_per_s"), 1),
        Target(f"{case}: ÷ redis", against(samples, REDIS, "deliv_per_s"), 1),
    ]
    return Part("Like a chat: window 1, 100 bytes", _SPEED_HEADS, _speed_rows(case, samples), targets)


# --- channels ---


def channels(bench: Bench) -> Part:
    """Ten channels of 50 members beside one of 500, and beside one of 50."""
    rows: list[list[str]] = []
    targets: list[Target] = []
    for window in (1, 25):
        cases = ((1, 500), (10, 50), (1, 50))
        found: dict[tuple[int, int], list[Result]] = {case: [] for case in cases}
        for turn in range(2 * bench.rounds + 1):
            for count, size in cases if turn % 2 else cases[::-1]:
                flags = (*_load(bench, count * size, count, window), "--channels", str(count))
                result = bench.run(WITH_CHANNELS, f"{count} of {size}, window {window}", *flags)
                found[count, size].append(result)
        for (count, size), results in found.items():
            values = [number(median(results, key)) for key in ("cpu_s_per_1e6", "msgs_per_read")]
            shown = spread(results, "deliv_per_s")
            rows.append([f"{count} of {size}", f"{window}", number(median(results, "deliv_per_s")), shown, *values])
        one, ten, small = (median(found[case], "cpu_s_per_1e6") for case in cases)
        if window == 1:
            targets.append(Target("window 1: deliveries a CPU second, 10 of 50 ÷ 1 of 500", ratio(one, ten), 0.9))
        targets.append(Target(f"window {window}: deliveries a CPU second, 10 of 50 ÷ 1 of 50", ratio(small, ten), 0.9))
    heads = ("channels", "window", "deliveries/s", "least to greatest", "CPU s per 10⁶", "lines a read")
    note = (
        "One sender in each channel, so that a send has as many lines in each case: one with a window of 1.\n"
        "A message is read, stored and rendered once for all its receivers: with a window of 25 that is most of the\n"
        "work, and 50 share it, not 500. So 1 of 500 has no target there; 1 of 50 shows what several channels cost.\n"
        "The targets compare processor time: a lone sender leaves the server idle now and then, ten do not."
    )
    return Part("Channels: 10 of 50 members beside one of 500", heads, rows, targets, note)


# --- WebSocket ---


def websocket(bench: Bench) -> Part:
    """500 receivers over WebSocket beside 500 over plain lines, alternating which comes first. Senders speak plain."""
    rows: list[list[str]] = []
    targets: list[Target] = []
    for senders in (1, 10):
        case = f"500 receivers, {senders} sender{'s' * (senders > 1)}"
        found: dict[str, list[Result]] = {peer.name: [] for peer in (OURS, WEBSOCKET)}
        for turn in range(2 * bench.rounds + 1):
            for peer in (OURS, WEBSOCKET) if turn % 2 else (WEBSOCKET, OURS):
                found[peer.name].append(bench.run(peer, case, *_load(bench, 500, senders, 64)))
        for name, results in found.items():
            cpu, lines = (number(median(results, key)) for key in ("cpu_s_per_1e6", "msgs_per_read"))
            shown = spread(results, "deliv_per_s")
            rows.append([case, name, number(median(results, "deliv_per_s")), shown, cpu, lines])
        framed, plain = (median(found[peer.name], "deliv_per_s") for peer in (WEBSOCKET, OURS))
        targets.append(Target(f"{case}: WebSocket ÷ plain lines", ratio(framed, plain), 0.9))
    heads = ("case", "server", "deliveries/s", "least to greatest", "CPU s per 10⁶", "lines a read")
    return Part("WebSocket beside plain lines, window 64, 100 bytes", heads, rows, targets)


# --- latency ---

_PERCENTILES = ("p50_us", "p99_us", "max_us")


def latency(bench: Bench) -> Part:
    """A quiet room and a busy one, at a fixed rate."""
    rows: list[list[str]] = []
    targets: list[Target] = []
    for rate, senders, most_p50, most_p99 in ((50, 1, 1.5, 1.5), (1000, 10, 1.0, 2.0)):
        case = f"{rate} messages/s"
        samples = measure(
            bench, case, "--receivers", "100", "--senders", str(senders), "--rate", str(rate), "--payload", "100",
            "--duration", bench.seconds(4),
        )
        for name, results in samples.items():
            values = [number(median(results, key)) for key in _PERCENTILES]
            ratios = [_times(ratio(median(samples[OURS.name], key), median(results, key))) for key in _PERCENTILES[:2]]
            rows.append([case, name, *values, *ratios, number(median(results, "cpu_s_per_1e6"))])
        targets.append(Target(f"{case}: p50 ÷ ngircd", against(samples, NGIRCD, "p50_us"), most_p50, at_least=False))
        targets.append(Target(f"{case}: p99 ÷ ngircd", against(samples, NGIRCD, "p99_us"), most_p99, at_least=False))
    heads = ("case", "server", "p50, µs", "p99, µs", "max, µs", "ClassCord ÷ it, p50", "p99", "CPU s per 10⁶")
    return Part("Latency: 100 receivers, 50 messages/s from 1 and 1000/s from 10 senders", heads, rows, targets)


# --- a client that never reads ---


def stuck(bench: Bench) -> Part:
    """The same load with and without a client that never reads, alternating which comes first."""
    cases = (
        ("flood", "deliv_per_s", "deliveries/s", _load(bench, 100, 10, 64)),
        ("1000 messages/s", "p99_us", "p99, µs", [
            "--receivers", "100", "--senders", "10", "--rate", "1000", "--payload", "100",
            "--duration", bench.seconds(3),
        ]),
    )
    rows: list[list[str]] = []
    targets: list[Target] = []
    for case, key, what, flags in cases:
        without: list[Result] = []
        with_one: list[Result] = []
        for turn in range(2 * bench.rounds + 1):
            for number_stuck in ((0, 1), (1, 0))[turn % 2]:
                label = f"{case}, {number_stuck} stuck"
                result = bench.run(OURS, label, *flags, "--stuck", str(number_stuck))
                (with_one if number_stuck else without).append(result)
        for name, results in (("nobody", without), ("one", with_one)):
            growth = [{"kb": r["rss_max_kb"] - r["rss1_kb"]} for r in results if "rss_max_kb" in r]
            value, most = number(median(results, key)), max((r["kb"] for r in growth), default=None)
            memory = (number(median(growth, "kb")), number(most))
            rows.append([case, name, f"{value} {what}", spread(results, key), *memory])
        changed = ratio(median(with_one, key), median(without, key))
        faster = key == "deliv_per_s"
        bound = 0.9 if faster else 1.1
        targets.append(Target(f"{case}: {what} with ÷ without", changed, bound, at_least=faster))
        extra = _difference(median(with_one, "rss_max_kb"), median(without, "rss_max_kb"))
        targets.append(Target(f"{case}: KiB of memory that one stuck client costs", extra, 4096, at_least=False))
    heads = ("case", "stuck", "the others' median", "least to greatest", "growth under load, KiB", "most, KiB")
    return Part("A client that never reads", heads, rows, targets)


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


# --- everybody logs in at once ---

_CROWD = 4000
"""With so many, telling everybody about everybody is most of the work: it grows with the square of their number."""


def logins(bench: Bench) -> Part:
    """A thousand people and more, until the last status line has come."""
    keys = ("setup_s", "setup_settle_s")
    cases = ((OURS, 1000), (NAIVE, 1000), (NGIRCD, 1000), (NGIRCD, 8), (OURS, _CROWD))
    found: dict[tuple[str, int], list[Result]] = {(peer.name, at_once): [] for peer, at_once in cases}
    for _ in range(bench.rounds):
        for peer, at_once in cases:
            if peer.installed:
                count = max(1000, at_once)
                flags = ("--idle", "--receivers", str(count), "--concurrency", str(at_once), "--setup-max", "30")
                result = bench.run(peer, f"{count} logins, {at_once} at once", *flags, partial=peer is NGIRCD)
                found[peer.name, at_once].append(result)
    ours = median(found[OURS.name, 1000], *keys)
    rows = []
    for (name, at_once), results in found.items():
        values = [number(median(results, key)) for key in ("setup_ready", *keys, "setup_cpu_s")]
        rows.append([f"{at_once} at once", name, *values, _times(ratio(median(results, *keys), ours))])
    crowd = median(found[OURS.name, _CROWD], *keys)
    targets = [
        Target("ngircd ÷ ClassCord, 1000 at once", ratio(median(found[NGIRCD.name, 1000], *keys), ours), 10),
        Target(f"{_CROWD} at once: seconds", crowd, 4, at_least=False),
    ]
    heads = ("case", "server", "got in", "time, s", "then quiet after, s", "CPU, s", "it ÷ ClassCord, both times")
    note = (
        "ClassCord registers and logs in (cheapest password hash), ngircd joins a channel, naive sends no answer.\n"
        "Where not all 1000 got in within 30 s, the ratio is a lower bound. ngircd has a short listening queue\n"
        "and drops connections when 1000 come at once; 8 at once is what suits it, for comparison."
    )
    return Part("1000 logins, and 4000", heads, rows, targets, note)
