"""The limits as plain rules: the time is handed in, and models say what is right."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.net.buckets import Bucket
from classcord.net.guards import Logins, Registrations, Tries
from classcord.net.limits import ROOM_BURST, Limits
from classcord.net.pace import Pace, Rates
from classcord.net.peer import Peer
from classcord.net.shares import Flow, Shares
from classcord.ops import config
from tests.support import DEADLINE, ROOT

RATES = Rates(50, 5, 6_000_000, 32_768, 10)


class Clock:
    """Gives the time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def nowhere(address: str) -> bool:
    return False


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 40)), max_size=40))
def test_a_bucket_is_what_a_plain_model_says(steps: list[tuple[float, int]]) -> None:
    bucket, now, tokens = Bucket(20, 4, 0.0), 0.0, 20.0
    for pause, cost in steps:
        now += pause
        tokens = min(20.0, tokens + 4 * pause)
        assert bucket.wait(cost, now) == pytest.approx(max(0.0, (min(cost, 20) - tokens) / 4), abs=1e-6)
        tokens -= cost
        assert bucket.take(cost, now) == pytest.approx(max(0.0, -tokens / 4), abs=1e-6)


# --- the pace of one client ---


def paste(pace: Pace, lines: int, now: float) -> float:
    """Send so many lines as fast as they are read; when the last one runs."""
    for _ in range(lines):
        now += pace.line(now)
    return now


def test_a_paste_of_fifty_lines_does_not_wait() -> None:
    pace = Pace(RATES, 0.0)
    assert paste(pace, 50, 0.0) == 0.0
    assert pace.to_tell(0.0) is None


def test_more_lines_are_read_at_the_rate_and_the_client_is_told_once_and_then_ended() -> None:
    pace, now, ended = Pace(RATES, 0.0), 0.0, 0.0
    told: list[Any] = []
    for number in range(200):
        wait = pace.line(now)
        left = pace.to_tell(now)
        if left is not None:
            told.append((number, left))
        if pace.is_over(now):
            ended = now
            break
        now += wait
    assert told == [(60, pytest.approx(8.0))], "after two of ten seconds of excess"
    assert ended == pytest.approx(10.0, abs=0.3)


def test_one_who_pauses_begins_anew() -> None:
    pace = Pace(RATES, 0.0)
    now = paste(pace, 90, 0.0)
    assert now == pytest.approx(8.0)
    now += 1.5
    assert pace.line(now) == 0.0
    assert not pace.is_over(now + 100)
    assert paste(pace, 60, now + 10) == pytest.approx(now + 12)


def test_lines_that_run_together_are_still_one_excess() -> None:
    """The server waits a little longer than it must, and runs several lines then."""
    pace, now = Pace(RATES, 0.0), 0.0
    while not pace.is_over(now):
        assert now < 11, "it never ends"
        if pace.line(now):
            now += 0.5


def test_a_client_at_the_rate_never_waits() -> None:
    pace = Pace(RATES, 0.0)
    for number in range(3000):
        assert pace.line(number / 5) == 0.0


def test_bytes_count_too_and_what_the_others_receive() -> None:
    pace = Pace(RATES, 0.0)
    for _ in range(50):  # the longest lines that there are, written as \\u escapes
        assert pace.received(65_536, 0.0) == 0.0
        assert pace.line(0.0) == 0.0
        pace.relayed(48_200, 0.0)
    assert pace.received(2 * 65_536, 0.0) == 0.0
    pace.relayed(1_000_000, 0.0)
    assert pace.received(1, 0.0) > 0
    assert pace.line(60.0) == 0.0
    assert pace.is_over(60.0), "lines that do not wait are not the end of an excess of bytes"


def test_a_costly_line_counts_as_several() -> None:
    pace = Pace(RATES, 0.0)
    for _ in range(10):
        assert pace.line(0.0) == 0.0
        pace.cost(4, 0.0)
    assert pace.line(0.0) > 0


def test_what_piles_up_while_the_server_is_busy_is_no_excess() -> None:
    pace, now = Pace(RATES, 0.0), 0.0
    for _ in range(5):  # a client at the rate, and a server that does not read it for twenty seconds at a time
        now += 20.0
        pace.held_up(20.0)
        assert [pace.line(now) for _ in range(100)] == [0.0] * 100


def test_a_flooder_that_waits_for_its_share_saves_up_no_endless_burst() -> None:
    pace = Pace(RATES, 0.0)
    for _ in range(100):
        pace.held_up(60.0)
    assert [pace.line(0.0) for _ in range(200)].count(0.0) == 100


# --- the room's shares ---


def test_the_room_says_no_more_than_its_rate() -> None:
    clock = Clock()
    room, flow, said = Shares(1000, 500, clock), Flow(), 0
    for _ in range(400):
        clock.now += 0.01
        while room.take(flow, 50):
            said += 50
    assert 4 * 1000 <= said <= 4 * 1000 + 500


def waiting(room: Shares, flow: Flow, size: int, got: list[Any], name: Any) -> threading.Thread:
    """A thread that waits for its share; it is in the queue when this returns."""
    before = len(room._waiting)

    def run() -> None:
        assert room.wait(flow, size, lambda: False)
        got.append(name)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    end = threading.Event()
    for _ in range(int(DEADLINE * 1000)):
        if len(room._waiting) > before:
            return thread
        end.wait(0.001)
    raise AssertionError("it does not wait")


def grant(room: Shares, clock: Clock, threads: list[threading.Thread], got: list[Any]) -> None:
    """Let the time pass, a line at a time."""
    while (count := len(got)) < len(threads):  # not while they live: one that has its turn may live a little longer
        clock.now += 1.0
        with room._lock:
            room._wake_first()
        for _ in range(int(DEADLINE * 1000)):
            if len(got) > count:
                break
            threading.Event().wait(0.001)
        assert len(got) > count, "nobody got a turn"


def test_those_who_speak_have_equal_shares_and_a_quiet_person_does_not_wait_for_them() -> None:
    clock, got = Clock(), list[Any]()
    room = Shares(100, 100, clock)
    assert room.take(Flow(), 100)
    flooder, other = Flow(), Flow()
    threads = [waiting(room, flooder, 100, got, ("flooder", n)) for n in range(4)]
    threads += [waiting(room, other, 100, got, ("other", n)) for n in range(2)]
    threads.append(waiting(room, Flow(), 100, got, "quiet"))
    grant(room, clock, threads, got)
    assert {got[0], got[1], got[2]} == {("flooder", 0), ("other", 0), "quiet"}
    assert {got[3], got[4]} == {("flooder", 1), ("other", 1)}
    assert got[5:] == [("flooder", 2), ("flooder", 3)]


def test_a_short_line_does_not_wait_for_the_long_ones_that_came_before() -> None:
    clock, got = Clock(), list[Any]()
    room = Shares(100, 100, clock)
    assert room.take(Flow(), 100)
    threads = [waiting(room, Flow(), 90, got, "long") for _ in range(3)]
    threads.append(waiting(room, Flow(), 10, got, "short"))
    grant(room, clock, threads, got)
    assert got == ["short", "long", "long", "long"]


def test_all_newcomers_of_an_address_are_one_sender() -> None:
    made = limits()
    one = made.newcomers("10.0.2.2")
    assert made.newcomers("10.0.2.2") is one
    assert made.newcomers("10.0.2.3") is not one


def test_one_who_is_gone_gives_up_its_turn() -> None:
    clock, got = Clock(), list[Any]()
    room = Shares(100, 100, clock)
    assert room.take(Flow(), 100)
    assert not room.wait(Flow(), 100, lambda: True)
    assert not room._waiting
    newcomers = Flow()
    for _ in range(50):
        assert not room.wait(newcomers, 100, lambda: True)
    assert newcomers.end == room._place, "those who left are not in front of those who stay"
    thread = waiting(room, Flow(), 100, got, "next")
    grant(room, clock, [thread], got)
    assert got == ["next"]


# --- passwords and accounts ---


def failing(tries: Tries, now: float) -> float:
    """A try with a wrong password at this time or as soon as it may be; the seconds that it waited."""
    wait = tries.wait(now)
    assert tries.wait(now + wait) == 0
    tries.begin()
    tries.ended(now + wait, failed=True)
    return wait


def test_five_failures_a_minute_then_growing_pauses() -> None:
    tries, waits, now = Tries(5, 0.0), [], 0.0
    for _ in range(20):
        waits.append(round(failing(tries, now)))
        now += waits[-1]
    assert waits[:10] == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16]
    assert waits[10:] == sorted(waits[10:])
    assert waits[-1] == 60
    assert tries.wait(now + 3600) == 0


def test_one_failure_now_and_then_is_free() -> None:
    tries = Tries(5, 0.0)
    assert [failing(tries, 15.0 * number) for number in range(100)] == [0.0] * 100


def test_forty_who_try_at_once_are_counted_before_anything_is_hashed() -> None:
    logins = Logins(5, nowhere, Clock())
    peers = [Peer("10.0.2.2", port) for port in range(40)]
    each = [(peer, logins.tries()) for peer in peers]
    assert [logins.begin("bob", *one) for one in each].count(0.0) == 5
    for one in each[:5]:
        logins.ended("bob", *one, right=False, wrong=True)
    assert min(logins.begin("bob", *one) for one in each) > 0, "not even one more"
    assert logins.begin("bob", Peer("10.0.2.3"), logins.tries()) == 0.0, "from elsewhere"
    assert logins.begin("alice", peers[0], logins.tries()) == 0.0, "another account"


def test_forty_right_logins_of_one_account_at_once_are_no_failures() -> None:
    """A class may share an account, for a demonstration."""
    logins = Logins(5, nowhere, Clock())
    waiting = [(Peer("10.0.2.2", port), logins.tries()) for port in range(40)]
    turns = 0
    while waiting:
        turns += 1
        begun = [one for one in waiting if logins.begin("eleve", *one) == 0]
        assert len(begun) == 5, "as many as may be under way"
        for one in begun:
            logins.ended("eleve", *one, right=True, wrong=False)
            waiting.remove(one)
    assert turns == 8


def test_a_client_that_leaves_before_its_turn_has_not_failed() -> None:
    logins = Logins(5, nowhere, Clock())
    own = logins.tries()
    for _ in range(20):
        assert logins.begin("bob", Peer("10.0.2.2"), own) == 0
        logins.ended("bob", Peer("10.0.2.2"), own, right=False, wrong=False)


def test_the_right_password_forgives() -> None:
    logins = Logins(5, nowhere, Clock())
    peer, own = Peer("10.0.2.2"), logins.tries()
    for right in (False, False, False, False, True) * 5:
        assert logins.begin("bob", peer, own) == 0
        logins.ended("bob", peer, own, right=right, wrong=not right)


def test_one_connection_that_tries_many_accounts_is_slowed_too() -> None:
    logins = Logins(5, nowhere, Clock())
    own, free = logins.tries(), 0
    for number in range(40):
        if logins.begin(f"account{number}", Peer("10.0.2.2"), own) == 0:
            free += 1
            logins.ended(f"account{number}", Peer("10.0.2.2"), own, right=False, wrong=True)
    assert free == 5


def test_a_machine_with_many_ipv6_addresses_is_one() -> None:
    logins = Logins(5, nowhere, Clock())
    begun = [logins.begin("bob", Peer(f"2001:db8:0:1::{n:x}"), logins.tries()) for n in range(1, 30)]
    assert begun.count(0.0) == 5
    assert Peer("::ffff:10.0.2.2").share == "10.0.2.2"


@pytest.mark.parametrize("name", ["registrations", "connection-registrations"])
def test_the_settings_of_new_accounts_say_when_the_next_one_may_be_made(name: str) -> None:
    clock = Clock()
    limits = Limits(config.load(None, {}), clock)
    own, peer = limits.own_registrations(), Peer("10.0.2.2")
    (setting,) = [each for each in config.SETTINGS if each.name == name]

    def take() -> float:
        if name == "registrations":
            return limits.registrations.take(peer)
        wait = own.wait(1, clock.now)
        if not wait:
            own.take(1, clock.now)
        return wait

    assert [take() for _ in range(setting.default)] == [0.0] * setting.default, "at once"
    said = re.search(r"one each (\d+) seconds with (\d+)$", setting.help)
    assert said is not None
    assert int(said[2]) == setting.default
    assert take() == pytest.approx(int(said[1]))



def test_a_hundred_accounts_in_ten_minutes_an_address() -> None:
    clock = Clock()
    guard = Registrations(100, 600, nowhere, clock)
    here, there = Peer("10.0.2.2"), Peer("10.0.2.3")
    assert [guard.take(here) for _ in range(100)] == [0.0] * 100
    assert guard.take(here) == pytest.approx(6.0)
    assert guard.take(there) == 0.0
    clock.now += 60
    assert [guard.take(here) for _ in range(10)] == [0.0] * 10
    assert guard.take(here) > 0


def limits(**values: Any) -> Limits:
    defaults = {setting.attribute: setting.default for setting in config.SETTINGS}
    return Limits(config.Config({**defaults, **values}))


def test_exempt_networks_have_no_limits_of_their_own() -> None:
    made = limits(exempt_networks="10.0.2.2, 192.168.56.0/24,2001:db8::/32", registrations=1, login_failures=1)
    for address in ("10.0.2.2", "::ffff:192.168.56.7", "2001:db8::5", "192.168.56.9"):
        assert [made.registrations.take(Peer(address)) for _ in range(3)] == [0.0] * 3
        assert [made.logins.begin("bob", Peer(address), made.logins.tries()) for _ in range(3)] == [0.0] * 3
    assert made.registrations.take(Peer("10.0.2.3")) == 0
    assert made.registrations.take(Peer("10.0.2.3")) > 0


def test_the_connections_of_one_account_are_one_sender() -> None:
    made = limits()
    one = made.member("alice")
    assert made.member("alice") is one
    assert made.member("bob") is not one
    assert [one.line(made.clock()) for _ in range(150)][-1] == 0
    del one
    assert not made._members, "nothing is kept for who has gone"


def test_the_burst_of_the_room_fits_an_outbox() -> None:
    defaults = {setting.name: setting.default for setting in config.SETTINGS}
    assert defaults["outbox-limit"] >= 4 * ROOM_BURST


def test_readme_tells_how_much_is_stored_in_an_hour() -> None:
    rate = next(setting.default for setting in config.SETTINGS if setting.name == "room-rate")
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"at most {rate * 3600 // 1_000_000} MB of messages an hour ({rate:,} bytes × 3600 s)" in text
