"""``--mmowner-scope``: every transition of a scope, for any candidate."""

import re
from dataclasses import replace
from unittest.mock import ANY

import pytest

from mmowner_reference import DIALECTS, Bounds, Kernel, graph_of, parse_program
from pytest_mmowner import NotApplicable, Unknown, check
from pytest_mmowner._candidates.base import Info
from pytest_mmowner._scopes import (
    SCOPE_PARTS,
    Shard,
    default_scopes,
    parse_budget,
    parse_scopes,
    parse_shard,
    scope_in_words,
    scopes_for,
)
from pytest_mmowner._searching import Found, Plan
from pytest_mmowner._session import Session
from pytest_mmowner._spec import open_candidate
from pytest_mmowner._transitions import Transitions
from pytest_mmowner._tried import notes_of
from pytest_mmowner.errors import CallError, CandidateError, Refused, Untestable

SUITE = ("--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-k", "every_transition")
SMALL = Bounds(3, 3)


def session(spec, *scopes, **plan):
    candidate, dialect = open_candidate(spec)
    return Session(candidate, dialect, plan=Plan(scopes or (SMALL,), **plan))


def run_all(made):
    """Run all parts; return the reports and everything that was broken."""
    reports, broken = [], {}
    for part in range(SCOPE_PARTS):
        try:
            made.searches.transitions(part)
        except Found as found:
            broken = {**found.broken, **broken}
        reports += made.searches.reports
    return reports, broken


def test_all_transitions_are_tried_and_counted():
    reports, broken = run_all(session("reference"))
    assert broken == {}
    assert sum(report.tried for report in reports) == graph_of(SMALL).transitions
    assert notes_of(reports) == [
        "all 157 transitions with at most 3 tasks, 3 mms were tried, seed 0"
    ]


@pytest.mark.parametrize(
    ("name", "rule", "bounds", "length"),
    [
        ("no-handoff", "INV-07", SMALL, 3), ("no-handoff", "EXEC-02", SMALL, 2), ("BUG-24-leaders-only", "SEARCH-06", Bounds(4, 3), 4),
        ("BUG-13-swapoff", "EXIT-07", Bounds(2, 2, 1), 2),
        ("BUG-26-kthread-elected", "EXIT-07", Bounds(2, 2, 1, 1), 4),
        ("kthreads-may-own", "EXIT-07", Bounds(3, 2, 1, 1), 4),
        ("no-siblings", "SEARCH-01", Bounds(4, 3), 6),
        ("no-siblings", "SEARCH-06", Bounds(4, 3), 6),
    ],
)  # fmt: skip
def test_a_scope_alone_kills_what_it_can_show_with_a_shortest_program(name, rule, bounds, length):
    _, broken = run_all(session(f"mutant:{name}", bounds))
    program = parse_program(broken[rule].program)
    assert len(program) == length
    Kernel("6.11").run(program)
    assert f"minimal program, {length} operations" in str(broken[rule])
    assert "no shorter program breaks it" in str(broken[rule])


@pytest.mark.slow
def test_random_programs_are_explained_by_a_shortest_of_the_scope():
    made = session("mutant:no-siblings", Bounds(4, 3))
    with pytest.raises(Exception, match=r"minimal program, 6 operations") as told:
        made.random_programs("SEARCH-01")
    assert "found by random programs, seed 0; this is a shortest program" in str(told.value)


def test_a_scope_that_is_too_small_shows_nothing():
    _, broken = run_all(session("mutant:BUG-13-swapoff", Bounds(2, 2)))
    assert broken == {}


def test_what_a_candidate_lacks_is_left_out_of_the_scope(root):
    whole, _ = run_all(session("reference", Bounds(3, 3, 1)))
    spec = f"python:{root / 'examples/tracker.py'}:Tracker"
    part, broken = run_all(session(spec, Bounds(3, 3, 1)))
    assert broken == {}
    tried, of = (sum(report.tried for report in reports) for reports in (part, whole))
    assert 0 < tried < of


def test_a_candidate_without_owners_has_no_scope():
    info = Info("x", "x", capabilities=frozenset({"clone", "exit", "users"}))
    assert scopes_for(info, "6.11", [SMALL]) == ()


def test_where_no_scope_was_asked_for_nothing_applies():
    candidate, dialect = open_candidate("reference")
    made = Session(candidate, dialect, plan=Plan(()))
    with pytest.raises(NotApplicable, match="no search was asked for"):
        made.searches.transitions(0)


@pytest.mark.parametrize(
    ("speed", "dialect", "named"),
    [
        (1.0, "6.11", ["(5,3,0,0)", "(4,3,1,1)"]), (1.0, "none", ["(5,3,0,0)", "(4,3,1,1)"]),
        (1.0, "2.6.31", ["(5,3,0,0)", "(4,3,1,0)", "(3,3,1,1)"]),
        (1.0, "rfc-v4", ["(5,3,0,0)", "(3,3,1,1)"]), (0.4, "6.11", ["(4,3,0,0)", "(3,2,1,1)"]),
        (0.2, "rfc-v4", ["(4,3,0,0)", "(3,2,1,1)"]), (0.1, "6.1", ["(3,3,0,0)"]),
    ],
)  # fmt: skip
def test_the_default_is_what_speed_and_dialect_afford(speed, dialect, named):
    info = Info("x", "x", speed=speed)
    assert [str(bounds) for bounds in scopes_for(info, dialect, None)] == named


def test_every_dialect_has_default_scopes():
    assert all(default_scopes(1.0, dialect) for dialect in DIALECTS)


def test_of_two_scopes_one_within_the_other_one_is_tried():
    info = Info("x", "x", capabilities=Info("x", "x").capabilities - {"hold", "use_mm"})
    assert [str(bounds) for bounds in scopes_for(info, "6.11", None)] == ["(5,3,0,0)"]
    assert len(scopes_for(info, "6.11", [SMALL, SMALL])) == 1


def test_kernel_threads_are_there_from_the_start_so_fewer_are_no_smaller_scope():
    info = Info("x", "x")
    assert len(scopes_for(info, "6.11", [SMALL, replace(SMALL, kthreads=1)])) == 2


def test_what_is_in_no_scope_anyway_makes_no_other_scope():
    info = Info("x", "x", capabilities=Info("x", "x").capabilities - {"subsystem", "trace"})
    assert scopes_for(info, "6.11", [SMALL]) == (SMALL,)


def test_the_order_of_the_cases_is_the_seeds():
    candidate, dialect = open_candidate("reference")
    first, again, other = (
        Transitions(candidate, dialect, SMALL, seed).cases for seed in (0, 0, 1)
    )  # fmt: skip
    assert first == again != other
    assert sorted(first) == sorted(other)


def test_shards_share_the_transitions():
    tried = []
    for number in (1, 2, 3):
        made = session("reference", Bounds(4, 2), shard=Shard(number, 3))
        reports, _ = run_all(made)
        tried.append(sum(report.tried for report in reports))
        note = notes_of(reports)[0]
        assert note.startswith(f"shard {number}/3: {tried[-1]:,} of ")
        assert note.endswith("were tried, seed 0, which is all of this shard")
    assert sum(tried) == graph_of(Bounds(4, 2)).transitions
    assert min(tried) > 0


def test_when_the_time_is_up_the_rest_is_unknown():
    made = session("reference", Bounds(4, 3), budget=1e-9)
    with pytest.raises(Unknown, match="the budget of 1e-09 s ended before the search did") as told:
        made.searches.transitions(0)
    assert "transitions with at most 4 tasks, 3 mms in this part were tried" in str(told.value)
    (note,) = notes_of(made.searches.reports)
    assert re.fullmatch(r"unknown: only \d+ of 3,232 transitions with .*: the time was up", note)


def test_with_enough_time_nothing_is_unknown():
    reports, _ = run_all(session("reference", SMALL, budget=600.0))
    assert notes_of(reports)[0].startswith("all 157 transitions")


def test_a_part_that_was_not_run_is_told():
    made = session("reference")
    made.searches.transitions(3)
    (note,) = notes_of(made.searches.reports)
    assert note.startswith("unknown: only ")
    assert note.endswith("parts were left out of the run")


def test_only_the_requirements_that_were_chosen_count():
    made = session("mutant:BUG-24-leaders-only", Bounds(4, 3), only=frozenset({"INV-07"}))
    _, broken = run_all(made)
    assert broken == {}


def test_an_answer_of_the_wrong_type_is_no_right_answer():
    """``True == 1``: what looks equal is judged, and is an error of the adapter."""

    class Sloppy:
        def clone(self, task, child, flags, mm):
            self.first = child

        def exit(self, task):
            pass

        def owner(self, mm):
            return mm == 1  # True, which is 1, for init's mm

    result = check(Sloppy, scopes=["2,1,0,0"])
    assert not result.ok
    assert "an owner is the integer name of a task" in result.unfinished


def test_an_error_of_the_candidate_ends_a_part():
    class Broken:
        def clone(self, task, child, flags, mm):
            raise RuntimeError("no memory")

        def exit(self, task):
            pass

        def owner(self, mm):
            return 1

    result = check(Broken, scopes=["3,3,0,0"])
    assert "no memory" in result.unfinished
    assert result.notes[0].startswith("unknown: only ")
    assert result.notes[0].endswith("the candidate broke")


def test_check_tells_what_was_searched():
    result = check("reference", level="order", scopes=["3,3,0,0"])
    assert result.ok
    assert result.notes == ["all 157 transitions with at most 3 tasks, 3 mms were tried, seed 0"]
    assert f"note: {result.notes[0]}" in str(result)
    broken = check("mutant:no-handoff", minimize=False, scopes=["3,3,0,0"])
    tests = {outcome.test for outcome in broken.outcomes["INV-07"]}
    assert "test_every_transition" in tests


def test_an_answer_that_changes_from_run_to_run_still_counts():
    """The second run of a case is right: the answer of the first is what is judged."""

    class Wavering:
        calls = 0

        def clone(self, task, child, flags, mm):
            self.made = child

        def exit(self, task):
            pass

        def owner(self, mm):
            Wavering.calls += 1
            return 1 if mm == 1 or Wavering.calls % 50 else 2

    from pytest_mmowner._candidates.tracker import Tracker

    made = Session(Tracker("wavering", Wavering, None), "6.11", plan=Plan((Bounds(2, 2),)))
    _, broken = run_all(made)
    assert broken


@pytest.mark.parametrize(
    ("text", "seconds"), [("", None), ("60", 60), ("60s", 60), ("1.5m", 90), ("2h", 7200)]
)
def test_a_budget_is_a_time(text, seconds):
    assert parse_budget(text) == seconds


def test_scopes_and_shards_are_read():
    assert parse_scopes([]) is None
    assert parse_scopes(["none"]) == ()
    assert parse_scopes(["3,3,0,0", "none", "4,3,1,1", "4,3,1,1"]) == (Bounds(4, 3, 1, 1),)
    assert parse_shard("2/5") == Shard(2, 5)
    words = scope_in_words(replace(SMALL, refs=1, kthreads=2))
    assert words == "at most 3 tasks, 3 mms, 1 reference and with 2 kernel threads"


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0"])
def test_a_wrong_shard_is_a_wrong_call(text):
    with pytest.raises(CallError, match="write which one of how many"):
        parse_shard(text)


@pytest.mark.parametrize("text", ["0", "-1s", "soon", "5d"])
def test_a_wrong_budget_is_a_wrong_call(text):
    with pytest.raises(CallError, match="write a time"):
        parse_budget(text)


# -- in a run of pytest -----------------------------------------------------------------------


def test_the_run_says_what_was_tried(pytester):
    result = pytester.runpytest_subprocess(*SUITE, "--mmowner-scope=3,3,0,0")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["note: all 157 transitions with at most 3 tasks, 3 mms *"])


def test_workers_share_the_parts(pytester):
    result = pytester.runpytest_subprocess(
        *SUITE, "-n", "2", "--mmowner-scope=3,3,0,0", "--mmowner-candidate=mutant:no-handoff"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["fail: *INV-07*", "note: all 157 transitions with at most 3 tasks, 3 mms were tried*"]
    )


def test_a_listed_failure_is_expected_in_scopes_too(pytester):
    pytester.makefile(
        ".toml", known='[[known]]\nrequirement = "SEARCH-06"\nreason = "threads are not looked at"'
    )
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-scope=4,2,0,0", "--mmowner-candidate=mutant:BUG-24-leaders-only",
        "--mmowner-baseline=known.toml",
    )  # fmt: skip
    assert result.ret == 0
    assert result.parseoutcomes()["xfailed"] > 0


def test_unknown_is_red(pytester):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-scope=4,3,0,0", "--mmowner-budget=0.001s"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["note: unknown: only * of 3,232 transitions with *"])


@pytest.mark.parametrize("text", ["4,3", "a,b,c,d", "4,3,0,-1", "0,1,0,0", "1,0,0,0"])
def test_a_wrong_scope_is_a_wrong_call(text):
    with pytest.raises(CallError, match=f"--mmowner-scope={text}: "):
        parse_scopes([text])


def test_a_wrong_search_core_exits_with_4(pytester, monkeypatch):
    monkeypatch.setenv("MMOWNER_CORE", "rust")
    result = pytester.runpytest_subprocess(*SUITE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*MMOWNER_CORE=rust: it is python or c*"])


def test_a_wrong_option_exits_with_4(pytester):
    for option in ("--mmowner-scope=4,3", "--mmowner-shard=3/2", "--mmowner-budget=soon"):
        result = pytester.runpytest(*SUITE, option)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*{option}: *"])


# -- what must not get lost ---------------------------------------------------------------------


class Meddling:
    """Stands before a candidate's ``run`` and meddles with it, by the number of the run."""

    def __init__(self, made, meddle):
        self.inner, self.number, self.meddle = made.candidate.run, 0, meddle
        made.candidate.run = self

    def __call__(self, steps):
        self.number += 1
        return self.meddle(self.number, steps, self.inner)


def test_errors_of_a_candidate_come_through():
    made = session("reference")
    Meddling(made, lambda number, steps, run: (_ for _ in ()).throw(CandidateError("gone")))
    with pytest.raises(CandidateError, match="gone"):
        made.searches.transitions(0)


def test_a_refusal_that_does_not_come_again_counts():
    seen = set()

    def refuses_once(number, steps, run):
        ops = str([step.op for step in steps])
        if ops not in seen:
            seen.add(ops)
            raise Refused("not now")
        yield from run(steps)

    made = session("reference")
    Meddling(made, refuses_once)
    reports, broken = run_all(made)
    assert "TASK-02" in broken
    assert sum(report.tried for report in reports) == 0


def test_an_error_that_does_not_come_again_counts():
    def breaks_at_first(number, steps, run):
        if number == 1:
            raise CandidateError("hiccup")
        yield from run(steps)

    made = session("reference")
    Meddling(made, breaks_at_first)
    with pytest.raises(CandidateError, match="hiccup"):
        made.searches.transitions(0)


def test_an_error_after_many_wrong_programs_counts():
    def breaks_late(number, steps, run):
        if number > 700:
            raise CandidateError("worn out")
        yield from run(steps)

    made = session("mutant:newest-sharer-owns", Bounds(4, 3))
    Meddling(made, breaks_late)
    also = None
    for part in range(SCOPE_PARTS):
        try:
            made.searches.transitions(part)
        except Found as found:
            also, text = found.also, str(found)
        if also is not None:
            break
    assert isinstance(also, CandidateError)
    assert "worn out" in text
    assert made.searches.reports[0].ended == "the candidate broke"


def test_what_lies_behind_a_refusal_is_unknown():
    def never_reaps(number, steps, run):
        for step, answers in zip(steps, run(steps), strict=True):
            if step.op.word == "reap":
                raise Refused("no")
            yield answers

    made = session("reference", Bounds(4, 2))
    Meddling(made, never_reaps)
    reports, broken = run_all(made)
    assert set(broken) == {"TASK-02"}
    (note,) = notes_of(reports)
    assert note.startswith("unknown: only ")
    assert note.endswith("it lies behind what was refused")


def test_what_cannot_be_tried_here_is_no_fault_of_the_candidate():
    def no_device(number, steps, run):
        raise Untestable("no device")
        yield

    made = session("reference")
    Meddling(made, no_device)
    with pytest.raises(Untestable, match="no device"):
        made.searches.transitions(0)
    assert made.searches.reports[0].ended == "it could not be tried: no device"


def test_nothing_hides_behind_failures_that_do_not_count(monkeypatch):
    """However many there are of them: where some are excused, every wrong program is judged."""
    monkeypatch.setattr("pytest_mmowner._comparing.JUDGED", 0)
    only = frozenset({"LEADER-03"})
    _, broken = run_all(session("mutant:no-handoff", only=only))
    assert set(broken) == only


def test_the_end_of_the_time_is_not_excused_by_a_list(pytester):
    entry = '[[known]]\nrequirement = "{}"\nreason = "not yet"\n'
    rules = ("FORK-03", "FORK-01", "FORK-02", "EXEC-01", "INV-03", "EXIT-01", "EXEC-03")
    pytester.makefile(".toml", known="".join(map(entry.format, rules)))
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-scope=5,3,0,0", "--mmowner-budget=0.4s", "--mmowner-baseline=known.toml",
        "--mmowner-candidate=mutant:newest-sharer-owns",
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes() == {"failed": SCOPE_PARTS, "deselected": ANY}


def test_a_part_that_somebody_skips_is_red(pytester):
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                if "every_transition" in item.name and "-5]" in item.name:
                    item.add_marker(pytest.mark.skip(reason="too slow for me"))
        """
    )
    result = pytester.runpytest_subprocess(*SUITE, "--mmowner-scope=3,3,0,0")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["unknown: a part of a search was skipped: *-5]"])


def test_a_listed_observation_does_not_depend_on_the_seed(pytester):
    pytester.makefile(
        ".toml",
        known='[[known]]\nrequirement = "SEARCH-06"\nreason = "threads are not looked at"\n'
        'observed = ["something else"]',
    )
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-scope=4,2,0,0", "--mmowner-candidate=mutant:BUG-24-leaders-only",
        "--mmowner-baseline=known.toml", "--mmowner-seed=3",
    )  # fmt: skip
    assert result.ret == 0


def test_with_coverage_only_named_scopes_are_searched(pytester):
    result = pytester.runpytest_subprocess(
        *SUITE, "--mmowner-cov", "--mmowner-scope=3,3,0,0",
        "--mmowner-candidate=rules:mmowner_reference:Rules",
    )  # fmt: skip
    result.stdout.fnmatch_lines(["note: all 157 transitions with at most 3 tasks, 3 mms *"])
