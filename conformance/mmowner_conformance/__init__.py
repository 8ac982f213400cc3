"""The conformance suite for ``mm->owner``: one chapter of requirements a file.

``requirements.toml`` has the rules, the ``test_*.py`` files show them.  Run it with
``pytest --pyargs mmowner_conformance --mmowner-candidate=...``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest

from pytest_mmowner import Hazard, Op, Scene

#: ``@requirement("FORK-01")``: the test decides about this requirement.
requirement = pytest.mark.requirement

#: ``@search``: the test looks for anything that breaks any requirement.
search = pytest.mark.mmowner_search

#: Runs a scenario (see ``pytest_mmowner/_scenario.py``) and judges it.
Play: TypeAlias = Callable[[str], None]
#: Judges all random programs by the requirement of the test.
RandomPrograms: TypeAlias = Callable[[], None]
#: Finds how a dialect breaks the requirement, and judges the candidate on that program.
FindHazard: TypeAlias = Callable[[Hazard], None]
#: Runs a scenario, then an illegal operation, which must change nothing.
Refuses: TypeAlias = Callable[[str, Op], None]

#: Explores the schedules of scenes and judges them by the requirement of the test.
HoldInSchedules: TypeAlias = Callable[[Sequence[Scene]], None]
#: Takes the candidate through one part of its scopes.
Transitions: TypeAlias = Callable[[int], None]
#: Takes the candidate through one part of the random walks in large worlds.
Walks: TypeAlias = Callable[[int], None]

__all__ = [
    "FindHazard", "HoldInSchedules", "Play", "RandomPrograms", "Refuses", "Transitions", "Walks",
    "requirement", "search",
]  # fmt: skip
