"""Attacks by costly lines, on the log, and by another program on the machine: nobody else loses anything.

Only counts are checked. `make attack` measures times too, and takes longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.attack.short import attacks, check


@pytest.mark.parametrize("name", attacks("none", "line", "log", "machine"))
def test_nobody_loses_anything(name: str, tmp_path: Path) -> None:
    check(name, tmp_path)
