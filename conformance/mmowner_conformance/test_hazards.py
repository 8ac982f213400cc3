"""How dialects break their own promises: the shortest programs, found by search.

Under a dialect that has a hazard it is reported as one.  Under every later dialect the
program of the last that had it must come out right: it is what that dialect was made for.
"""

import pytest

from mmowner_conformance import FindHazard, requirement
from mmowner_conformance.hazards import HAZARDS
from pytest_mmowner import Hazard


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(shape, id=f"{shape.rule}-{shape.last}", marks=requirement(shape.rule))
        for shape in HAZARDS
    ],
)
def test_the_shortest_program_of_a_hazard(hazard: FindHazard, shape: Hazard) -> None:
    hazard(shape)
