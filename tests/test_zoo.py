"""The suite kills every mutant, and nothing is said against the reference."""

import pytest

from mmowner_reference import DIALECTS
from pytest_mmowner import check
from pytest_mmowner.zoo import MUTANTS


def test_the_zoo_is_large_enough_and_every_animal_has_a_sign():
    assert len(MUTANTS) >= 20
    for name, mutant in MUTANTS.items():
        assert mutant.__doc__, name
        assert mutant.base in DIALECTS, name


@pytest.mark.parametrize("name", MUTANTS)
def test_the_suite_kills(name, capsys):
    result = check(f"mutant:{name}")
    killers = result.with_verdict("fail")
    with capsys.disabled():
        print(f"\n{name}: killed by {', '.join(killers)}", end="")
    assert killers, f"{name} survives"
    assert not result.ok


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_is_said_against_the_reference(dialect):
    result = check(f"reference:{dialect}")
    assert result.ok, str(result)
