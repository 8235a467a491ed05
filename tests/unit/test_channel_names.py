"""The names of channels: what is one, and when two are the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classcord.chat.channels import Channels
from classcord.ops import config
from classcord.wire.channel_names import EVERYBODY, MAX_NAME, find

CHANNELS = next(setting for setting in config.SETTINGS if setting.name == "channels")
written = st.text(st.one_of(st.sampled_from("#＃aAéÉe\u0301_-1 \n\u200b½ﷺßıİ한क"), st.characters()), max_size=40)


@given(written)
def test_each_form_of_a_name_has_one_key(text: str) -> None:
    name = find(text)
    if name is None:
        return
    assert name.shown.startswith("#")
    assert 1 <= len(name.shown) - 1 <= MAX_NAME
    assert name.shown.isprintable()
    assert not set("<>& ") & set(name.shown)
    for form in (name.shown, name.shown[1:], f" {name.shown} ", name.shown.upper(), name.key, f"#{name.key}"):
        again = find(form)
        assert again is None or again.key == name.key, form
    for normal in ("NFC", "NFD"):
        again = find(unicodedata.normalize(normal, text))
        assert again is not None
        assert again.key == name.key
    assert find(name.key) is not None, "what is stored finds its channel"


@pytest.mark.parametrize(("one", "other"), [
    ("dev", "#dev"), ("#General", "#général"), ("#GÉNÉRAL", "global"), ("＃ｄｅｖ", "dev"), ("réseau", "RESEAU"),
    ("#e\u0301te\u0301", "#été"), ("#Straße", "#STRASSE"), ("", "#général"), ("  ", "tous"),
])
def test_these_are_the_same(one: str, other: str) -> None:
    first, second = find(one), find(other)
    assert first is not None
    assert second is not None
    assert first.key == second.key


@pytest.mark.parametrize("text", [
    "#", "##a", "a b", "a.b", "a,b", "<b>", "a\u200b", "\u0301a", "#a\x00", "x" * 33, "😀", "a#b", "½" * 20, "\ufdfa",
])
def test_these_are_none(text: str) -> None:
    assert find(text) is None


def test_words_for_everybody() -> None:
    for word in ("#général", "general", "global", "#Global", "all", "tous", "public", ""):
        assert find(word) == EVERYBODY


@given(written.filter(lambda text: "," not in text))
def test_the_settings_take_no_name_that_is_none(text: str) -> None:
    """Their check imports nothing of the chat; it may be stricter."""
    try:
        names = config.channels(CHANNELS.parse(text, "--channels"))
    except config.SettingError:
        return
    for name in names:
        assert find(name) is not None
    Channels(names, ())


def test_a_channel_for_teachers_is_one_also_if_it_stands_in_both_lists() -> None:
    channels = Channels(["Dev", "général", "dév", "prof"], ["PROF"])
    assert [(channel.place.name, channel.closed) for channel in channels] == [("#Dev", False), ("#prof", True)]


def test_each_channel_has_audiences_of_its_own() -> None:
    channels = Channels([f"salle-{n}" for n in range(100)], [])
    taken = [bit for channel in channels for bit in (channel.place.keyed, channel.place.prefixed)]
    assert len(set(taken)) == 200
    assert 1 not in taken
    assert all(bit & (bit - 1) == 0 for bit in taken)
