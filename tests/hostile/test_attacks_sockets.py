"""Attacks by many connections and by guessed passwords: nobody else loses anything, and a class is served.

Only counts are checked. `make attack` measures times too, and takes longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.attack.short import attacks, check


@pytest.mark.parametrize("name", attacks("connection", "password"))
def test_nobody_loses_anything(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
