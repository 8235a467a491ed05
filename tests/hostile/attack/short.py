"""The attacks as tests: each for a short time, while a class arrives. They check counts only."""

from __future__ import annotations

from pathlib import Path

from tests.hostile.attack import report, trial
from tests.hostile.attack.attacks import ATTACKS, NO_ATTACK, find

SECONDS = 1.0
CHEAP, DEARER = "1", "11"
"""Password costs: the second one is for attacks on passwords. A hash takes some milliseconds then, not forty."""


EXHAUSTING = {"guess-leave"}
"""A thousand new connections a second take a processor that others use too; `make attack` has a core for them."""


def attacks(*groups: str) -> list[str]:
    """The names of all attacks of these groups."""
    return [
        attack.name for attack in (NO_ATTACK, *ATTACKS) if attack.group in groups and attack.name not in EXHAUSTING
    ]


def check(name: str, folder: Path) -> None:
    """Carry the attack out: nobody else may lose anything, and the class must be served."""
    attack = find(name)
    cost = DEARER if attack.hashes else CHEAP
    result = trial.run(attack, folder, seconds=SECONDS, pupils=trial.PUPILS, cost=cost)
    faults = report.faults(result)
    assert not faults, f"{name}: {'; '.join(faults)}; the attackers counted {result.attackers}"
