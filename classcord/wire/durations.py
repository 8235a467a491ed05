"""Times as people write them: `10m`, `2 h`, `1h30`, `3 jours`. Pure; any thread may call it."""

from __future__ import annotations

import re

__all__ = ["LONGEST", "OFF", "parse", "pause", "spell", "split"]

LONGEST = 365 * 86400
"""Seconds: nobody means more."""
OFF = ("off", "non", "no", "fin")
"""What people type to end something that lasts."""

_LONGEST_PAUSE = 3600
_MINUTE, _HOUR = 60, 3600

_UNITS = {
    word: seconds for seconds, words in (
        (1, "s sec secs seconde secondes second seconds"),
        (_MINUTE, "m mn min mins minute minutes"),
        (_HOUR, "h hr hrs heure heures hour hours"),
        (86400, "j jour jours d day days"),
        (7 * 86400, "w sem semaine semaines week weeks"),
        (30 * 86400, "mois month months"),
        (365 * 86400, "an ans année années annee annees y year years"),
    ) for word in words.split()
}
"""The seconds of each unit; a number alone is minutes."""
_PART = re.compile(r"([0-9]{1,8})(?![0-9])(?:(\s{0,3})([^\W\d_]+)(?![^\W\d]|['’]))?")
"""A number, and perhaps a word after it."""
_SHOWN = {"fr": ("j", "h", "min", "s"), "en": ("d", "h", "min", "s")}


def parse(text: str) -> int | None:
    """The seconds that `text` stands for, from 1 to LONGEST; None if it is not a time."""
    found = _begin(text.strip())
    return found[0] if found is not None and not found[1] else None


def split(text: str, usual: int) -> tuple[int, str] | None:
    """The time at the beginning of a typed text, or the usual one, and the rest of the text.

    None if it begins with a number that is not a time: somebody means a time, and would get another one.
    """
    return _begin(text) if text.lstrip("+-.,")[:1].isdigit() else (usual, text)


def _begin(text: str) -> tuple[int, str] | None:
    """The time at the beginning, in seconds from 1 to LONGEST, and the rest. None if there is none."""
    seconds, at, last, spaced = 0, 0, 0, False  # `last` is the unit before; the next one is smaller
    start = 0
    while (part := _PART.match(text, start)) is not None:
        number, unit = int(part[1]), _UNITS.get((part[3] or "").lower(), 0)
        if unit and (not last or unit < last):
            seconds, at, last = seconds + number * unit, part.end(3), unit
            spaced = spaced or bool(part[2])
        elif not unit and not last:  # a number alone
            seconds, at = number * _MINUTE, part.end(1)
            break
        elif not unit and last == _HOUR and number < 60 and (start == at or spaced):  # 1h30, 1 h 30
            seconds, at = seconds + number * _MINUTE, part.end(1)
            break
        else:
            break
        start = len(text) - len(text[at:].lstrip())
    rest = text[at:]
    ended = not rest or rest[0].isspace() or (rest[0] in ",;:." and not rest[1:2].strip())
    if not ended or not 1 <= seconds <= LONGEST:
        return None
    return seconds, rest.lstrip(",;:.").strip()


def pause(text: str) -> int | None:
    """The seconds between two messages: a number alone is seconds, and 0 or `off` is none. None if it is not a time."""
    if text.lower() in ("0", *OFF):
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
