"""Mutants are whole kernels, and nothing is said against the reference."""

from random import Random

import pytest

from mmowner_reference import Scope, random_program
from pytest_mmowner import check, open_candidate
from pytest_mmowner._judge import judge_program
from pytest_mmowner.zoo import MUTANTS


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_a_whole_kernel_that_goes_through_any_program(name):
    candidate, dialect = open_candidate(f"mutant:{name}")
    for seed in range(4):
        program = random_program(Random(seed), 40, dialect, Scope(tasks=10, refs=2))
        run = judge_program(candidate, program, dialect, candidate.info.asks)
        assert run.error is None
        assert len(run.answers) == len(program) or run.against("TASK-02")


@pytest.mark.slow
@pytest.mark.costly
def test_nothing_is_said_against_the_reference(dialect):
    result = check(f"reference:{dialect}")
    assert result.ok, str(result)
