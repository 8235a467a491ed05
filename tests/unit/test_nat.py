"""When to say that a NAT hides the clients."""

from __future__ import annotations

from classcord.net.nat import NatWatch


def test_a_nat_is_noticed_once_when_most_clients_share_one_private_address() -> None:
    watch = NatWatch()
    assert [watch.connected("10.0.2.2") for _ in range(4)] == [None] * 4, "too few to tell"
    assert watch.connected("10.0.108.34") is None
    watch.disconnected("10.0.108.34")
    assert watch.connected("10.0.2.2") == "10.0.2.2"
    assert watch.connected("10.0.2.2") is None, "once is enough"


def test_a_class_at_its_own_desks_is_no_nat() -> None:
    watch = NatWatch()
    for desk in range(40):
        assert watch.connected(f"10.0.108.{desk}") is None
        assert watch.connected(f"10.0.108.{desk}") is None


def test_neither_this_machine_nor_a_public_address_is_worth_a_warning() -> None:
    for address in ("127.0.0.1", "::1", "8.8.8.8", "2001:4860:4860::8888"):
        watch = NatWatch()
        assert [watch.connected(address) for _ in range(20)] == [None] * 20


def test_who_has_left_does_not_count() -> None:
    watch = NatWatch()
    for _ in range(20):
        assert watch.connected("192.168.1.1") is None
        watch.disconnected("192.168.1.1")
