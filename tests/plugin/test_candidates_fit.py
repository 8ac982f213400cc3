"""Which dialect the answers of a failing candidate fit."""

import pytest

from mmowner_reference import DIALECTS
from pytest_mmowner import check
from pytest_mmowner._fit import add_up, hint, misfits_of, ranking
from pytest_mmowner._judge import judge_program
from pytest_mmowner._spec import Options, open_candidate

SUITE = ("--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-q")


@pytest.mark.parametrize(
    "parallel", [[], pytest.param(["-n", "2"], marks=pytest.mark.slow)], ids=["alone", "xdist"]
)
def test_a_candidate_that_claims_the_wrong_dialect_is_told_its_own(pytester, parallel):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-candidate=reference:6.1", "--mmowner-dialect=6.11", *parallel
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines([
        "reference:6.1: answers fit dialect 6.1: no program speaks against it, * against 6.11; "
        "then come 5.2 (*). If that is what it is, judge it by --mmowner-dialect=6.1*"
    ])  # fmt: skip


@pytest.mark.slow
def test_a_candidate_that_is_right_is_told_nothing(pytester):
    result = pytester.runpytest_subprocess(*SUITE)
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*answers fit*")


TOLD = ("rfc-v4", "2.6.28", "3.0", "5.2", "6.11")


@pytest.mark.slow
@pytest.mark.parametrize(
    "spoken",
    [
        # The first and the last, and those between that say it in another way; all by night.
        name if name in TOLD else pytest.param(name, marks=pytest.mark.nightly)
        for name in DIALECTS
        if name != "none"
    ],
)
def test_every_dialect_is_recognised_when_it_is_judged_by_another(spoken):
    judged_by = "rfc-v4" if spoken == "6.11" else "6.11"
    result = check(f"reference:{spoken}", dialect=judged_by)
    assert result.hint.startswith("answers fit dialect "), result.hint
    named = result.hint.removeprefix("answers fit dialect ").split(":")[0].split(" or ")
    assert spoken in named
    assert len(named) <= 3  # 2.6.27 to 2.6.29 differ in callbacks alone


def test_nothing_is_said_when_the_judging_dialect_fits_best():
    assert hint({"6.1": 3, "6.11": 2}, "6.11") == ""
    assert hint({"6.1": 2, "6.11": 2}, "6.11") == ""
    assert hint({}, "6.11") == ""


def test_the_nearest_dialect_is_named_when_none_fits():
    text = hint({"5.2": 4, "6.1": 1, "6.11": 9, "none": 8}, "6.11")
    assert text.startswith("the nearest dialect is 6.1: 1 program speaks")
    assert "then come 5.2 (4), none (8)" in text


def test_among_equals_the_nearer_dialect_comes_first():
    assert ranking(dict.fromkeys(DIALECTS, 0), "5.2")[:3] == ["5.2", "4.4", "6.1"]


def test_parts_of_a_run_are_added_up():
    assert add_up([{"a": 1}, {"a": 2, "b": 3}]) == {"a": 3, "b": 3}


def test_an_operation_that_a_dialect_lacks_says_nothing_against_it():
    candidate, _ = open_candidate("reference:6.11", Options())
    from mmowner_reference import parse_program

    program = parse_program("clone(1, 2, mm=2)\nsubreaper(2)\nexit(2)\nreap(2)")
    run = judge_program(candidate, program, "6.11", ("owner", "users", "state"))
    assert misfits_of([run]) == {name: 1 if name == "none" else 0 for name in DIALECTS}


def test_what_a_broken_candidate_cannot_decide_is_not_applicable(pytester):
    """Its errors are no answer about operations that it does not know."""
    pytester.makepyfile(kernel="""
        class Broken:
            def clone(self, task, child, flags, mm): pass
            def exit(self, task): pass
            def owner(self, mm): raise RuntimeError("no idea")
    """)  # fmt: skip
    result = check("python:kernel.py:Broken")
    assert result.of("EXEC-01") == "not applicable"
    assert "the candidate does not show exec" in result.text("EXEC-01")
    assert result.of("EXIT-01") == "error"
    assert result.of("FORK-01") == "error"
