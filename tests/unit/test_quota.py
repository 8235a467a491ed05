"""How many lines of the log one address may cause."""

from __future__ import annotations

from classcord.ops.quota import SECONDS, Quota


def test_ten_lines_of_an_event_and_then_one_with_the_number_left_out() -> None:
    quota = Quota(10)
    assert [quota.take("guest", "10.0.2.2", 0.0) for _ in range(25)].count(True) == 10
    assert quota.take("guest", "10.0.2.3", 0.0)
    assert quota.take("renamed", "10.0.2.2", 0.0)
    assert quota.ended(SECONDS - 1) == []
    assert quota.ended(SECONDS) == [("guest", "10.0.2.2", 15)]
    assert quota.ended(SECONDS) == []
    assert quota.take("guest", "10.0.2.2", SECONDS)


def test_an_attacker_with_many_addresses_fills_neither_the_log_nor_the_memory() -> None:
    quota = Quota(10)
    taken = [quota.take("connected", f"2001:db8::{number:x}", 0.0) for number in range(10_000)]
    assert len(quota._windows) <= 4097
    assert taken.count(True) <= 4096 + 10
