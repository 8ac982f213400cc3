"""Overlapping operations in every order: what must hold however they interrupt each other.

For candidates whose steps can be interleaved (``kernel:``, ``lib:``).  One test for each
requirement that some kind of finding breaks; the schedules are explored once for all of them.
"""

import pytest

from mmowner_conformance import HoldInSchedules, requirement
from mmowner_conformance.scenes import SCENES

RULES = (
    "INV-04", "INV-05", "EXIT-06", "CALLBACK-05", "LOCK-02", "LOCK-03", "LOCK-04", "LOCK-05",
    "LOCK-06", "LOCK-07", "LOCK-08", "RACE-03", "RACE-05", "RACE-11", "SOUND-01",
)  # fmt: skip


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, id=rule, marks=requirement(rule)) for rule in RULES]
)
def test_in_every_schedule(schedules: HoldInSchedules, rule: str) -> None:
    schedules(SCENES)
