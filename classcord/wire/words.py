"""The words of a text, as a search compares them. Pure; any thread may call it."""

from __future__ import annotations

import re
import unicodedata

from classcord.wire import names

__all__ = ["words_of"]

_WORDS = re.compile(r"\w+")
_LETTERS = str.maketrans({
    "œ": "oe", "æ": "ae", "þ": "th", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŧ": "t",
})
"""Letters that many keyboards do not have, and that Unicode does not take apart, as people type them instead."""


def words_of(text: str) -> list[str]:
    """The words without case and accents, in letters that people type: "Œuvre n°2" gives "oeuvre", "n", "2"."""
    if text.isascii():
        plain = text.lower()
    else:
        plain = text.casefold()
        if not names.piled(plain):  # else it would take long
            plain = "".join([each for each in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(each)])
            plain = plain.casefold()  # some letters come out of it as capitals
        plain = plain.translate(_LETTERS)
    return _WORDS.findall(plain)
