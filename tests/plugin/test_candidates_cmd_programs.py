"""`cmd:` candidates that take whole programs: one line out, all answers back."""

import contextlib

import pytest
from cmd_making import (
    judged,
    programs,
)

from mmowner_reference import Question, parse_program
from pytest_mmowner import CandidateError, Untestable

LIFE = parse_program("clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)")
ASKS = ("owner", "users", "state")


@pytest.mark.parametrize("how", ["right", "stepwise"])
def test_whole_programs_are_answered_like_single_operations(tmp_path, how):
    log = tmp_path / "log"
    with contextlib.closing(programs(how, log)) as candidate:
        run = judged(candidate, LIFE, ASKS)
    assert (run.error, run.deviations) == (None, ())
    assert run.answers[2][Question("owner", 2)] == 3
    assert run.answers[2][Question("state", 2)] == "zombie"
    words = log.read_text().split()
    if how == "right":
        assert words == ["start", "program", "stop"]
    else:
        assert words.count("reset") == 1
        assert words.count("program") == 0


@pytest.mark.parametrize(
    ("how", "kept", "text", "in_flight"),
    [
        ("few", 1, "it answered 1 of 3 operations and did not say why", "clone(2, 3, VM)"),
        ("none", 0, "it answered 0 of 3 operations and did not say why", "clone(1, 2, mm=2)"),
        pytest.param(
            "extra",
            3,
            "it answered 4 of 3 operations",
            "exit(2)",
        ),
        ("short", 0, "it gave 5 answers to 6 questions", "clone(1, 2, mm=2)"),
        ("many", 0, "it gave 7 answers to 6 questions", "clone(1, 2, mm=2)"),
        ("error", 1, "it said: as told", "clone(2, 3, VM)"),
    ],
)
def test_wrong_answers_to_a_program_are_an_error(how, kept, text, in_flight):
    with contextlib.closing(programs(how)) as candidate:
        run = judged(candidate, LIFE, ASKS)
        assert not run.deviations
        assert len(run.answers) == kept
        assert isinstance(run.error, CandidateError)
        assert text in run.error.text
        assert run.error.in_flight == in_flight
        candidate.reset()  # works again


def test_a_refusal_within_a_program_breaks_task_02_at_that_operation():
    with contextlib.closing(programs("refused")) as candidate:
        run = judged(candidate, LIFE, ASKS)
    assert run.error is None
    assert len(run.answers) == 1
    (found,) = run.deviations
    assert (found.rule, found.step, found.observed) == ("TASK-02", 2, "refused: as told")


def test_untestable_within_a_program_keeps_what_was_answered_before():
    with contextlib.closing(programs("untestable")) as candidate:
        run = judged(candidate, LIFE, ASKS)
    assert len(run.answers) == 1
    assert isinstance(run.error, Untestable)


def test_an_empty_program_is_no_problem():
    with contextlib.closing(programs("right")) as candidate:
        run = judged(candidate, (), ASKS)
    assert (run.error, run.deviations, run.answers) == (None, (), ())
