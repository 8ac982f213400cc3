"""The suite kills every mutant, and nothing is said against the reference."""

from random import Random

import pytest

from mmowner_reference import DIALECTS, Scope, random_program
from pytest_mmowner import check, open_candidate
from pytest_mmowner._judge import judge_program
from pytest_mmowner.zoo import MUTANTS


def test_the_zoo_is_large_enough_and_every_animal_has_a_sign():
    assert len(MUTANTS) >= 20
    for name, mutant in MUTANTS.items():
        assert mutant.__doc__, name
        assert mutant.base in DIALECTS, name


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_the_suite_kills(name, capsys):
    result = check(f"mutant:{name}")
    killers = result.with_verdict("fail")
    with capsys.disabled():
        print(f"\n{name}: killed by {', '.join(killers)}", end="")
    assert killers, f"{name} survives"
    assert not result.ok


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_a_whole_kernel_that_goes_through_any_program(name):
    candidate, dialect = open_candidate(f"mutant:{name}")
    for seed in range(12):
        program = random_program(Random(seed), 40, dialect, Scope(tasks=10, refs=2))
        run = judge_program(candidate, program, dialect, candidate.info.asks)
        assert run.error is None
        assert len(run.answers) == len(program) or run.against("TASK-02")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_nothing_is_said_against_the_reference(dialect):
    result = check(f"reference:{dialect}")
    assert result.ok, str(result)
