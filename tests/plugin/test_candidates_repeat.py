"""A failure is run again: what is reported of candidates that answer otherwise the next time."""

import runpy
from pathlib import Path

import pytest

from mmowner_reference import Allowed, Deviation, ProcessOf, Question, Scope, parse_program
from mmowner_reference import Reason as Why
from pytest_mmowner import CandidateError, ConformanceFailure, assert_conforms
from pytest_mmowner._campaign import Campaign, Stretch
from pytest_mmowner._candidates.tracker import Tracker as Driver
from pytest_mmowner._judge import Run
from pytest_mmowner._repeat import LEFT_OVER, REPEATS, Difference, confirm, difference
from pytest_mmowner._shrink import Shrunk

EXAMPLE = Path(__file__).parents[2] / "examples" / "tracker.py"
Right = runpy.run_path(str(EXAMPLE))["Tracker"]
HANDOFF = "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)"
D = "6.11"
SMALL = Scope(tasks=4, mms=2, refs=0, kthreads=0)


def wrong_in(run_is_wrong, answer=lambda number: 2):
    """A tracker whose first owner stays after its exit, in the runs that *run_is_wrong* names."""

    class Wavers(Right):
        runs = 0

        def __init__(self):
            super().__init__()
            Wavers.runs += 1
            self.number = Wavers.runs - 1  # the first tracker is made when it is opened

        def owner(self, mm):
            gone = mm == 2 and 2 not in self.mm_of and mm in self.owners
            if gone and run_is_wrong(self.number):
                return answer(self.number)
            return super().owner(mm)

    return Driver("wavers", Wavers, None)


def failure(candidate, text=HANDOFF):
    with pytest.raises(ConformanceFailure) as caught:
        assert_conforms(candidate, text)
    return caught.value


def test_a_steady_candidate_is_told_nothing_of_the_kind():
    found = failure(wrong_in(lambda number: number > 0), HANDOFF + "\nreap(2)")
    assert "deterministic" not in str(found)
    assert (found.evidence.minimal, found.evidence.repeatable, found.evidence.note) == (
        True, True, "",
    )  # fmt: skip
    assert found.evidence.program == parse_program(HANDOFF)
    assert found.program == HANDOFF


def test_who_is_right_every_other_time_is_told_step_both_answers_and_causes():
    found = failure(wrong_in(lambda number: number % 2 == 1))
    lines = str(found).splitlines()
    assert lines[2:4] == [
        "the candidate is not deterministic: run again, the same program",
        "  was answered otherwise: after exit(2) (operation 3) owner(mm 2) was first task 2, then task 3",
    ]  # fmt: skip
    assert lines[4].startswith("  usual causes: the iteration order of sets, hash randomisation, ")
    for cause in ("id()", "random numbers", "time", LEFT_OVER):
        assert cause in lines[4]
    assert lines[5] == "program, 3 operations:"
    assert "minimal program" not in str(found)
    assert "\n  observed: owner(mm 2) is task 2\n" in str(found)
    assert (found.evidence.minimal, found.evidence.repeatable) == (False, False)


def test_who_fails_only_after_another_program_is_told_to_look_at_reset():
    lines = str(failure(wrong_in(lambda number: number == 1))).splitlines()
    assert "owner(mm 2) was first task 2, then task 3" in lines[3]
    assert lines[4] == f"  {REPEATS} more runs were like the last: probably it is {LEFT_OVER}"
    assert lines[5].startswith("  other usual causes: the iteration order of sets")


def test_who_is_always_wrong_but_in_other_ways_is_told_too():
    found = failure(wrong_in(lambda number: number > 0, lambda number: 1 + number % 2))
    assert "owner(mm 2) was first task " in str(found)
    assert not found.evidence.repeatable
    assert "\nprogram, 3 operations:\n" in str(found)


def test_who_breaks_the_second_time_is_told_that_it_was_performed_before():
    class Breaks(Right):
        runs = 0

        def __init__(self):
            super().__init__()
            Breaks.runs += 1

        def exit(self, task):
            if Breaks.runs > 2:
                raise RuntimeError("out of cheese")
            owner = self.owners[2]
            super().exit(task)
            self.owners[2] = owner

    text = str(failure(Driver("breaks", Breaks, None)))
    assert "exit(2) (operation 3) was first performed, then not performed (the candidate broke: " in (
        text
    )  # fmt: skip
    assert "out of cheese" in text


def test_an_error_of_the_candidate_alone_stays_an_error():
    class Breaks(Right):
        def exit(self, task):
            raise RuntimeError("out of cheese")

    with pytest.raises(CandidateError, match="out of cheese"):
        assert_conforms(Driver("breaks", Breaks, None), HANDOFF)


def test_random_programs_tell_it_as_well():
    made = Campaign(wrong_in(lambda number: number < 30), D, stretches=[Stretch(30, 20, SMALL)])
    made.run()
    rule = min(made.failures)
    with pytest.raises(ConformanceFailure, match="the candidate is not deterministic") as caught:
        made.holds(rule)
    assert f"{REPEATS} more runs were like the last" in str(caught.value)


# -- by hand: what two runs say ----------------------------------------------------------

PROGRAM = parse_program(HANDOFF)
OWNER, USERS = Question("owner", 2), Question("users", 2)


def deviation(step, observed, question=OWNER):
    return Deviation(
        step, PROGRAM[step - 1], question, observed, (Allowed(3, Why("INV-07", "so")),)
    )


def run(*answers, deviations=(), error=None, program=PROGRAM):
    return Run(program, tuple(deviations), {}, tuple(answers), error)


def test_the_first_difference_counts_whatever_was_asked():
    first = run({OWNER: 2, USERS: 1}, {OWNER: 2, USERS: 2}, {OWNER: 2})
    second = run({OWNER: 2, USERS: 1}, {OWNER: 2, USERS: 3}, {OWNER: 3})
    found = difference(first, second)
    assert found == Difference(2, PROGRAM[1], USERS, 2, 3, allowed=True)
    assert str(found) == "after clone(2, 3, VM) (operation 2) users(mm 2) was first 2, then 3"


@pytest.mark.parametrize("which", [0, 1])
def test_a_difference_is_allowed_only_if_both_answers_are(which):
    runs = [run({OWNER: 2}, {OWNER: 2}), run({OWNER: 2}, {OWNER: ProcessOf(2)})]
    assert difference(*runs).allowed
    runs[which] = run(*runs[which].answers, deviations=[deviation(2, 2)])
    assert not difference(*runs).allowed


def test_questions_of_one_run_alone_and_what_comes_later_say_nothing():
    first = run({OWNER: 2, USERS: 1}, {OWNER: 2}, {OWNER: 2})
    assert difference(first, run({OWNER: 2}, {OWNER: 2}, program=PROGRAM[:2])) is None
    assert difference(first, first) is None


def test_an_operation_that_is_refused_only_once_is_a_difference():
    refused = run(
        {OWNER: 2}, deviations=[deviation(2, "refused: no", Question("performed"))]
    )  # fmt: skip
    found = difference(run({OWNER: 2}, {OWNER: 2}, {OWNER: 3}), refused)
    assert str(found) == (
        "clone(2, 3, VM) (operation 2) was first performed, then not performed (refused: no)"
    )
    assert not found.allowed


def test_another_choice_where_there_is_one_is_no_reason_for_doubt():
    """A kernel chooses in step 1, and is wrong in step 3 in every run."""
    runs = iter(range(1000))

    def judge(program):
        answers = [{OWNER: next(runs)}, {OWNER: 2}, {OWNER: 2}][: len(program)]
        wrong = [deviation(3, 2)] if program == PROGRAM else []
        return run(*answers, deviations=wrong, program=program)

    made = confirm(judge, PROGRAM, deviation(3, 2), D, judge(PROGRAM))
    assert (made.shrunk, made.note, made.repeatable) == (Shrunk(PROGRAM, minimal=True), "", True)


def test_shrinking_survives_a_smaller_program_that_fails_only_once():
    seen = []

    def judge(program):
        seen.append(program)
        wrong = len(program) == 3 or (len(program) == 2 and seen.count(program) == 1)
        at = len(program)
        answers = [{OWNER: 2 if wrong else 3}] * at
        return run(*answers, deviations=[deviation(at, 2)] if wrong else [], program=program)

    made = confirm(judge, PROGRAM, deviation(3, 2), D, judge(PROGRAM))
    assert len(made.shrunk.program) == 2
    assert not made.shrunk.minimal
    assert made.deviation.step == 2
    assert not made.repeatable
    assert "owner(mm 2) was first task 2, then task 3" in made.note


def test_a_candidate_that_looks_at_names_is_told_so():
    program = parse_program(HANDOFF.replace("2", "7"))

    def judge(shown):
        wrong = shown == program
        found = [Deviation(3, program[2], OWNER, 2, (Allowed(3, Why("INV-07", "so")),))]
        return run(*[{OWNER: 2}] * len(shown), deviations=found if wrong else [], program=shown)

    made = confirm(judge, program, judge(program).deviations[0], D, judge(program))
    assert made.shrunk == Shrunk(program, minimal=False)
    assert made.note == "with other names for its tasks and mms the program does not fail"
    assert made.repeatable
