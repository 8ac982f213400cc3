"""Random programs: each requirement that decides about answers, over many of them.

One campaign of random programs is judged for all requirements at once; a deviation counts
against the requirement that decided about the answer, with a minimal program.
"""

import pytest

from mmowner_conformance import RandomPrograms, requirement
from pytest_mmowner._requirements import requirements

_RANDOM = [rule.id for rule in requirements().values() if rule.random]


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, id=rule, marks=requirement(rule)) for rule in _RANDOM]
)
def test_in_random_programs(random_programs: RandomPrograms, rule: str) -> None:
    random_programs()
