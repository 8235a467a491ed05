"""Times as people write them: `10m`, `2h`, `1j`. Pure; any thread may call it."""

from __future__ import annotations

__all__ = ["LONGEST", "parse", "pause", "spell", "split"]

LONGEST = 365 * 86400
"""Seconds: nobody means more."""

_LONGEST_PAUSE = 3600

_UNITS = {
    "": 60, "s": 1, "sec": 1, "m": 60, "min": 60, "mn": 60, "h": 3600, "j": 86400, "d": 86400,
}
"""The seconds of each unit; a number alone is minutes."""
_SHOWN = {"fr": ("j", "h", "min", "s"), "en": ("d", "h", "min", "s")}
_DIGITS = 8


def parse(text: str) -> int | None:
    """The seconds that `text` stands for, from 1 to LONGEST; None if it is not a time."""
    unit = text.lstrip("0123456789")
    number = text[: len(text) - len(unit)]
    if not number or len(number) > _DIGITS or unit.lower() not in _UNITS:
        return None
    seconds = int(number) * _UNITS[unit.lower()]
    return seconds if 1 <= seconds <= LONGEST else None


def split(text: str, usual: int) -> tuple[int, str]:
    """The time at the beginning of a typed text, or the usual one, and the rest of the text."""
    word, _, rest = text.partition(" ")
    seconds = parse(word)
    return (usual, text) if seconds is None else (seconds, rest.strip())


def pause(text: str) -> int | None:
    """The seconds between two messages: a number alone is seconds, and 0 or `off` is none. None if it is not a time."""
    if text.lower() in ("0", "off", "non", "no"):
        return 0
    seconds = parse(f"{text}s" if text.isascii() and text.isdigit() else text)
    return seconds if seconds is not None and seconds <= _LONGEST_PAUSE else None


def spell(seconds: float, language: str) -> str:
    """A time in its two largest units: `1 h 30 min`. Rounded up to seconds."""
    left = max(1, int(seconds) + (seconds % 1 > 0))
    parts = []
    for size, unit in zip((86400, 3600, 60, 1), _SHOWN[language], strict=True):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2])
