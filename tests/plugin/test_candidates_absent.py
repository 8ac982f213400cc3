"""A candidate whose prerequisite is missing: everything is untestable, and says why."""

import pytest

from mmowner_reference import Exit, Question
from pytest_mmowner._candidates.absent import Absent
from pytest_mmowner._schedules import Interruptible
from pytest_mmowner.errors import MissingPrerequisite, Untestable

CALLS = {
    "reset": lambda absent: absent.reset(),
    "perform": lambda absent: absent.perform(Exit(2)),
    "ask": lambda absent: absent.ask(Question("owner", 2)),
    "schedules": lambda absent: absent.schedules({}),
    "findings": lambda absent: absent.findings(),
}


@pytest.fixture
def absent():
    why = MissingPrerequisite("no C compiler", "install gcc")
    return Absent("kernel:tree", why, "6.11")


@pytest.mark.parametrize("call", CALLS)
def test_whatever_it_is_asked_it_says_what_is_missing(absent, call):
    with pytest.raises(Untestable, match="no C compiler"):
        CALLS[call](absent)


def test_it_claims_what_its_dialect_has_so_that_nothing_is_called_not_applicable(absent):
    assert absent.info.dialect == "6.11"
    assert {"schedules"} < absent.info.capabilities
    assert "refuse" not in absent.info.capabilities
    assert "no C compiler" in absent.info.notes[0]
    assert absent.places(["0x1"]) == {}
    assert isinstance(absent, Interruptible)
