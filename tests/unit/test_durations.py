"""Times and networks as people write them."""

from __future__ import annotations

import pytest

from classcord.net.nat import hides_people
from classcord.net.peer import Peer
from classcord.wire import durations, networks


@pytest.mark.parametrize(("text", "seconds"), [
    ("30s", 30), ("10m", 600), ("10min", 600), ("10", 600), ("2h", 7200), ("1j", 86400), ("1D", 86400),
    ("0", None), ("0s", None), ("366d", None), ("", None), ("m", None), ("10x", None), ("-5m", None), ("1.5h", None),
    ("٣m", None), ("²", None), ("9" * 5000, None), ("10" + "m" * 5000, None),
    ("10 m", 600), ("2 h", 7200), ("30 secondes", 30), ("2 jours", 172800), ("1h30", 5400), ("1 h 30", 5400),
    ("1 semaine", 604800), ("1w", 604800), ("2 weeks", 1209600), ("1 Hour", 3600), ("1 mois", 2592000),
    ("1h30min", 5400),
    ("1 année", 31536000), ("2 ans", None), ("1j 2h 30 min", 95400), ("1h 1h", None), ("30m1h", None), ("1h60", None),
    ("99999999999d", None), ("1/2 h", None), ("1h30x", None), ("10 minutess", None), ("1 h 30 min 10 s", 5410),
])
def test_a_time(text: str, seconds: int | None) -> None:
    assert durations.parse(text) == seconds


@pytest.mark.parametrize(("seconds", "text"), [
    (1, "1 s"), (0, "1 s"), (59.2, "1 min"), (90, "1 min 30 s"), (600, "10 min"), (5400, "1 h 30 min"),
    (86400, "1 j"), (90061, "1 j 1 h"),
])
def test_a_time_in_words(seconds: float, text: str) -> None:
    assert durations.spell(seconds, "fr") == text
    assert durations.spell(seconds, "en") == text.replace("j", "d")


def test_a_time_before_a_text() -> None:
    assert durations.split("10m trop de bruit", 5) == (600, "trop de bruit")
    assert durations.split("trop de bruit", 5) == (5, "trop de bruit")
    assert durations.split("", 5) == (5, "")


@pytest.mark.parametrize(("text", "found"), [
    ("30 secondes de pause", (30, "de pause")), ("2 h triche", (7200, "triche")), ("1h30 triche", (5400, "triche")),
    ("1 h 30 min triche", (5400, "triche")), ("10 trop de bruit", (600, "trop de bruit")),
    ("10 d'insultes", (600, "d'insultes")), ("2 jours, pour triche", (172800, "pour triche")),
    ("10 mère", (600, "mère")), ("1h 3 insultes", (3600, "3 insultes")), ("5 20 fois", (300, "20 fois")),
    ("trop 10m", (7, "trop 10m")), ("-", (7, "-")),
    ("0", None), ("0 bruit", None), ("99999999999d", None), ("3x", None), ("2nde B", None), ("-5m", None),
    ("1.5h", None), ("1,5 h", None),
    ("٣m", None), ("² fois", None), ("400 jours", None), ("10m/jour", None),
])
def test_a_text_that_begins_with_a_number_begins_with_a_time_or_is_refused(
    text: str, found: tuple[int, str] | None
) -> None:
    assert durations.split(text, 7) == found


def test_a_pause_counts_in_seconds() -> None:
    texts = ("10", "10s", "10 secondes", "1m", "0", "off", "1h", "1h30", "x", "")
    assert [durations.pause(text) for text in texts] == [
        10, 10, 10, 60, 0, 0, 3600, None, None, None,
    ]


@pytest.mark.parametrize(("text", "network"), [
    ("10.0.0.5", "10.0.0.5"), ("10.0.0.5/24", "10.0.0.0/24"), ("2001:db8::1/64", "2001:db8::/64"), ("::1", "::1"),
    ("bob", None), ("10.0.0", None), ("10.0.0.5/33", None), ("", None), ("1" * 5000, None), ("12", None),
])
def test_a_network(text: str, network: str | None) -> None:
    assert networks.parse(text) == network


def test_an_address_in_a_network() -> None:
    assert networks.contains("10.0.0.0/24", "10.0.0.255")
    assert not networks.contains("10.0.0.0/24", "10.0.1.0")
    assert not networks.contains("10.0.0.0/8", "::1")
    assert networks.contains("fe80::/10", "fe80::1%eth0")
    assert not networks.contains("10.0.0.0/8", "")
    assert networks.is_here("127.0.0.0/8")
    assert networks.is_here("0.0.0.0/0")
    assert networks.is_wide("10.0.0.0/8")
    assert not networks.is_wide("10.1.0.0/16")


def test_a_network_that_hides_a_class() -> None:
    peers = [Peer("10.0.0.7") for _ in range(4)] + [Peer("10.0.0.8"), Peer("192.168.1.1", here=True)]
    assert hides_people("10.0.0.7", peers) == 4
    assert hides_people("10.0.0.8", peers) is None
    assert hides_people("10.0.0.0/24", peers) == 5
    assert hides_people("10.0.2.2", peers) == 0, "VirtualBox"
    assert hides_people("192.168.1.0/24", peers) is None
    assert hides_people("0.0.0.0/0", peers) == 5
