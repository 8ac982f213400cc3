"""The public ways in: strategies, check(), assert_conforms()."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from mmowner_reference import DIALECTS, OPS, IllegalOperation, Kernel, Scope, parse_program
from pytest_mmowner import (
    CallError,
    CandidateError,
    ConformanceFailure,
    NotApplicable,
    Untestable,
    assert_conforms,
    check,
    open_candidate,
    strategies,
)
from pytest_mmowner import assertions as assertions_module
from pytest_mmowner._campaign import Campaign
from pytest_mmowner._candidates.tracker import Tracker as Driver
from pytest_mmowner._requirements import LEVELS, requirements

EXAMPLE = Path(__file__).parents[2] / "examples" / "tracker.py"
Tracker = runpy.run_path(str(EXAMPLE))["Tracker"]
HANDOFF = "clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)"
QUICK = settings(
    max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)  # fmt: skip


class KeepsOwner(Tracker):
    """Nobody is told when the owner leaves."""

    def exit(self, task):
        mm = self.mm_of[task]
        owner = self.owners[mm]
        super().exit(task)
        self.owners[mm] = owner


# -- strategies ------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_programs_are_legal_in_their_dialect(dialect):
    sizes = set()

    @QUICK
    @given(strategies.programs(dialect))
    def run(program):
        Kernel(dialect).run(program)  # raises for an illegal operation
        sizes.add(len(program))

    run()
    assert len(sizes) > 5


@QUICK
@given(
    st.data(),
    st.frozensets(st.sampled_from(sorted(OPS)), min_size=1),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_programs_keep_to_their_words_and_sizes(data, words, low, more):
    made = strategies.programs(ops=words, min_size=low, max_size=low + more)
    program = data.draw(made)
    assert {op.word for op in program} <= words
    assert len(program) <= low + more
    if "clone_fails" in words or "exec_fails" in words or "charge" in words:
        assert len(program) >= low  # always possible


@QUICK
@given(strategies.programs(scope=Scope(tasks=2, mms=1, refs=0, kthreads=0), max_size=20))
def test_programs_keep_to_their_scope(program):
    world = Kernel("6.11")
    for op in program:
        world.do(op)
        assert len(world.tasks) <= 3
        assert len(world.mms) <= 2
        assert not world.refs
        assert op.word not in ("kthread", "hold")


@QUICK
@given(st.data(), strategies.scopes(5))
def test_scopes_are_scopes_for_programs(data, scope):
    assert 1 <= scope.tasks <= 5
    program = data.draw(strategies.programs(scope=scope, max_size=15))
    Kernel("6.11").run(program)


FIND = settings(
    max_examples=2000, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink],
)  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "program"),
    [
        (lambda p: any(op.word == "exec" for op in p), "exec(1, mm=2)"),
        (lambda p: any(op.word == "clone" for op in p), "clone(1, 2, mm=2)"),
        (lambda p: any(op.word == "exit" for op in p), "clone(1, 2, mm=2)\nexit(2)"),
        (lambda p: len(p) >= 3, "clone(1, 2, mm=2)\nclone(1, 3, mm=3)\nclone(1, 4, mm=4)"),
    ],
)
def test_programs_shrink_to_short_and_simple_ones(wanted, program):
    programs = strategies.programs(ops=frozenset({"clone", "exit", "exec"}))
    assert find(programs, wanted, settings=FIND) == parse_program(program)


def test_a_property_of_a_wrong_tracker_ends_in_three_operations(opened):
    wrong = Driver("wrong", KeepsOwner, None)

    @settings(FIND, max_examples=100)
    @given(strategies.programs(ops=frozenset({"clone", "exit"})))
    def conforms(program):
        assert_conforms(wrong, program)

    with pytest.raises(ConformanceFailure) as caught:
        conforms()
    assert caught.value.program == HANDOFF


DRAWS = """
from hypothesis import given, settings
from pytest_mmowner import strategies

assert settings.default.derandomize and settings.default.database is None

@given(strategies.programs())
def draw(program):
    print(program)

draw()
"""


def test_in_ci_every_run_draws_the_same_programs(tmp_path):
    """Hypothesis sees to that itself: this holds its profile to it."""
    told = {
        subprocess.run(
            [sys.executable, "-c", DRAWS], cwd=tmp_path, env={**os.environ, "CI": "true"},
            capture_output=True, text=True, check=True,
        ).stdout
        for _ in range(2)
    }  # fmt: skip
    (text,) = told
    assert len(set(text.splitlines())) > 50


def test_an_unknown_dialect_is_the_calls_fault():
    with pytest.raises(CallError, match=r"unknown dialect '6\.x'"):
        strategies.programs("6.x")


def test_an_unknown_word_is_the_calls_fault():
    with pytest.raises(CallError, match="exce"):
        strategies.programs(ops=frozenset({"exce"}))


# -- check -----------------------------------------------------------------------------


@pytest.fixture
def no_campaign(monkeypatch):
    """Scenarios only: random programs take most of the time."""
    monkeypatch.setattr(Campaign, "run", lambda self: None)


@pytest.fixture(scope="module")
def good():
    return check(Tracker)


def test_the_example_is_right(good):
    assert good.ok
    assert good.candidate == "Tracker"
    assert good.dialect == "6.11"
    assert set(good.tests) >= {r.id for r in requirements().values() if r.judged}
    counts = good.counts(good.tests)
    assert set(counts) == {"pass", "not applicable"}
    assert counts["pass"] >= 20
    assert str(good) == (
        f"Tracker, dialect 6.11: {len(good.tests)} requirements: {counts['pass']} pass, "
        f"{counts['not applicable']} not applicable"
    )


def test_a_wrong_tracker_is_not_ok_and_the_report_has_the_programs():
    result = check(KeepsOwner, level="safety")
    assert not result.ok
    assert result.of("INV-07") == "fail"
    assert result.of("FORK-01") == "pass"
    report = str(result)
    assert report.startswith("KeepsOwner, dialect 6.11: ")
    assert "\n\nfail: INV-07 [safety]" in report or "\nfail: INV-07 [safety]" in report
    assert "minimal program, 3 operations:" in report
    assert "observed: owner(mm 2) is task 2" in report
    assert "SEARCH-01 [order]" not in report


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_chooses_its_requirements(level, no_campaign):
    result = check("reference", level=level, dialect="none")
    owed = {r.id for r in requirements().values() if r.level == level and r.judged}
    assert owed <= set(result.tests)
    assert {requirements()[name].level for name in result.tests} <= {level}
    assert set(result.by_level()) <= {level}


@pytest.mark.parametrize("dialect", ["rfc-v4", "6.1"])
def test_the_dialect_can_be_chosen(dialect, no_campaign):
    result = check("reference", level="order", dialect=dialect)
    assert (result.dialect, result.ok) == (dialect, True)
    assert result.of("LEADER-01") == ("not applicable" if dialect == "6.1" else "pass")


def test_an_open_candidate_stays_open(no_campaign):
    candidate, _ = open_candidate("mutant:charges-toucher")
    closed = []
    candidate.close = lambda: closed.append(1)
    result = check(candidate, level="accounting")
    assert not closed
    assert result.of("CHARGE-01") == "fail"
    assert result.candidate == "mutant:charges-toucher"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ({"candidate": "reference", "level": "saftey"}, "unknown level 'saftey'. Did you mean 'safety'?"),
        ({"candidate": "reference", "level": ""}, "unknown level ''."),
        ({"candidate": "reference", "dialect": "6.x"}, "unknown dialect '6.x'"),
        ({"candidate": "refrence"}, "Did you mean 'reference'?"),
        ({"candidate": 3}, "3 cannot be called"),
        ({"candidate": object}, "a tracker has at least the methods"),
    ],
)  # fmt: skip
def test_a_wrong_call_of_check_is_refused(call, text):
    with pytest.raises(CallError) as caught:
        check(**call)
    assert text in str(caught.value)


def test_a_candidate_that_breaks_is_an_error_in_the_result(no_campaign):
    class Breaks(Tracker):
        def exit(self, task):
            raise RuntimeError("out of cheese")

    result = check(Breaks, level="order")
    assert not result.ok
    assert result.of("SEARCH-01") == "error"
    assert "out of cheese" in str(result)


def test_untestable_operations_are_untestable_in_the_result(no_campaign):
    class Moonless(Tracker):
        def exit(self, task):
            raise Untestable("no moon tonight")

    result = check(Moonless, level="order")
    assert not result.ok
    assert result.of("SEARCH-03") == "untestable"
    assert "untestable: no moon tonight" in str(result)


def test_a_tracker_that_cannot_be_made_is_an_error_in_the_result():
    def make():
        raise OSError("no device")

    assert not check(make, level="order").ok


# -- assert_conforms ---------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch):
    """The candidates that assert_conforms keeps open, empty at first."""
    kept = {}
    monkeypatch.setattr(assertions_module, "_opened", kept)
    yield kept
    for candidate, _ in kept.values():
        candidate.close()


def test_a_right_candidate_conforms(opened):
    assert_conforms("reference", HANDOFF)
    assert_conforms("reference:6.1", parse_program(HANDOFF), asks=["owner"])
    assert_conforms(f"python:{EXAMPLE}:Tracker", HANDOFF)
    assert_conforms("reference", "")


def test_a_wrong_candidate_fails_with_the_whole_explanation(opened):
    with pytest.raises(ConformanceFailure) as caught:
        assert_conforms("mutant:no-handoff", HANDOFF + "\nreap(2)")
    assert isinstance(caught.value, AssertionError)
    text = str(caught.value)
    assert text.startswith("INV-07 [safety] The search finds somebody exactly if")
    assert "candidate mutant:no-handoff, dialect 6.11\n" in text
    for line in HANDOFF.splitlines():
        assert line in text
    assert "reap(2)" not in text  # the program ends with the deviation
    assert (
        "  observed: owner(mm 2) is task 2\n  allowed are only: task 3\n  because INV-07: " in text
    )


def test_the_explanation_has_a_minimal_program(opened):
    with pytest.raises(ConformanceFailure) as caught:
        assert_conforms("mutant:no-handoff", "kthread(2)\nkthread(3)\nclone(1,4,VM)\nexec(1,mm=2)")
    assert "minimal program, 2 operations" in str(caught.value)


def test_a_spec_is_opened_once_for_each_dialect(opened, monkeypatch):
    calls = []
    original = assertions_module.open_candidate
    monkeypatch.setattr(
        assertions_module, "open_candidate", lambda *args: calls.append(args) or original(*args)
    )
    for _ in range(3):
        assert_conforms("reference", HANDOFF)
    assert len(calls) == 1
    assert_conforms("reference", HANDOFF, dialect="rfc-v4")
    assert_conforms("reference", HANDOFF, dialect="rfc-v4")
    assert len(calls) == 2
    assert [dialect for _, dialect in opened.values()] == ["6.11", "rfc-v4"]


def test_the_candidate_is_judged_by_the_dialect_that_is_asked_for(opened):
    leader = "clone(1, 2, mm=2)\nclone(2, 3, THREAD)\nexit(2)"
    candidate, _ = open_candidate("mutant:leader-keeps-ownership")
    assert_conforms(candidate, leader, dialect="rfc-v4", asks=["owner"])
    with pytest.raises(ConformanceFailure, match="LEADER-03"):
        assert_conforms(candidate, leader)


def test_with_a_requirement_only_that_counts(opened):
    wrong = "clone(1,2,mm=2)\nclone(2,3,THREAD)\nclone(2,4,VM)\nexit(2)"
    spec = "mutant:siblings-first"
    assert_conforms(spec, wrong, requirement="INV-07")
    with pytest.raises(ConformanceFailure, match=r"^SEARCH-01") as caught:
        assert_conforms(spec, wrong + "\nkthread(9)", requirement="SEARCH-01", minimize=False)
    assert "\nprogram, 4 operations:\n" in str(caught.value)
    with pytest.raises(CallError, match="Did you mean 'SEARCH-01'"):
        assert_conforms(spec, wrong, requirement="SEARCH01")


def test_with_a_requirement_a_program_that_was_cut_off_is_no_pass(opened):
    spec, text = "mutant:nobody-found-panics", "hold(mm=1, ref=1)\nexec(1, mm=2)\nclone(1, 2, VM)"
    with pytest.raises(ConformanceFailure, match=r"^TASK-02"):
        assert_conforms(spec, text, requirement="FORK-03")
    assert_conforms(spec, text.splitlines()[0], requirement="FORK-03")


def test_a_program_that_the_candidate_cannot_run_is_not_applicable(opened):
    with pytest.raises(NotApplicable, match="does not show exec"):
        assert_conforms(f"python:{EXAMPLE}:Tracker", "exec(1, mm=2)")


def test_the_same_words_in_another_directory_are_another_candidate(opened, tmp_path, monkeypatch):
    for name, base in (("right", "Tracker"), ("wrong", "Wrong")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kernel.py").write_text(
            f"import runpy\nTracker = runpy.run_path({str(EXAMPLE)!r})['Tracker']\n"
            "class Wrong(Tracker):\n    def owner(self, mm): return 1\n"
            f"Candidate = {base}\n"
        )
    monkeypatch.chdir(tmp_path / "right")
    assert_conforms("python:kernel.py:Candidate", HANDOFF)
    monkeypatch.chdir(tmp_path / "wrong")
    with pytest.raises(ConformanceFailure):
        assert_conforms("python:kernel.py:Candidate", HANDOFF)


def test_only_the_questions_asked_for_count(opened):
    spec = "mutant:charges-toucher"
    text = "cgroup(2)\nclone(1, 2, VM)\nattach(2, cgroup=2)\ncharge(2)"
    assert_conforms(spec, text, asks=["owner"])
    with pytest.raises(ConformanceFailure, match="CHARGE-01"):
        assert_conforms(spec, text)


def test_a_program_that_is_none_is_the_callers_mistake(opened):
    with pytest.raises(IllegalOperation, match="never was a task 7"):
        assert_conforms("reference", "exit(7)")
    with pytest.raises(ValueError, match="line 1"):
        assert_conforms("reference", "exot(7)")


def test_the_candidates_own_error_is_raised(opened):
    class Breaks(Tracker):
        def exit(self, task):
            raise RuntimeError("out of cheese")

    with pytest.raises(CandidateError, match="out of cheese"):
        assert_conforms(Driver("t", Breaks, None), HANDOFF)


def test_a_wrong_spec_is_the_calls_fault_and_is_not_kept(opened):
    with pytest.raises(CallError):
        assert_conforms("refrence", HANDOFF)
    assert opened == {}
