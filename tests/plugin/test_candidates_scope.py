"""``--mmowner-scope``: every transition of a scope, for any candidate."""

import pytest

from mmowner_reference import Bounds, graph_of
from pytest_mmowner import NotApplicable
from pytest_mmowner._campaign import Campaign
from pytest_mmowner._session import Session
from pytest_mmowner._spec import open_candidate
from pytest_mmowner.errors import ConformanceFailure

SUITE = ("--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-k", "random")
SMALL = Bounds(3, 3)


def campaign(spec, bounds=SMALL):
    candidate, dialect = open_candidate(spec)
    return Campaign(candidate, dialect, stretches=(), bounds=bounds)


def test_all_transitions_are_tried_and_counted():
    made = campaign("reference")
    assert made.note() == ""
    made.run()
    assert not made.failures
    assert made.transitions == graph_of(SMALL).transitions
    assert made.note() == (
        f"all {made.transitions} transitions with up to 3 tasks, 3 mms, 0 references, 0 kthreads "
        "were tried"
    )


@pytest.mark.parametrize(
    ("name", "rule", "bounds"),
    [
        ("no-handoff", "INV-07", SMALL), ("BUG-24-leaders-only", "SEARCH-06", Bounds(4, 3)),
        ("BUG-13-swapoff", "EXIT-07", Bounds(2, 2, 1)),
        ("BUG-26-kthread-elected", "EXIT-07", Bounds(2, 2, 1, 1)),
    ],
)  # fmt: skip
def test_a_scope_alone_kills_what_it_can_show(name, rule, bounds):
    made = campaign(f"mutant:{name}", bounds)
    with pytest.raises(ConformanceFailure, match=rule):
        made.holds(rule)


def test_a_scope_that_is_too_small_shows_nothing():
    made = campaign("mutant:BUG-13-swapoff", Bounds(2, 2))
    made.run()
    assert not made.failures


def test_what_a_candidate_lacks_is_left_out_of_the_scope(root):
    whole = campaign("reference", Bounds(3, 3, 1))
    part = campaign(f"python:{root / 'examples/tracker.py'}:Tracker", Bounds(3, 3, 1))
    for made in (whole, part):
        made.run()
    assert 0 < part.transitions < whole.transitions
    assert not part.failures
    with pytest.raises(NotApplicable):
        part.holds("EXEC-01")


def test_the_order_of_the_cases_is_the_seeds():
    first, again, other = (
        list(Campaign(*open_candidate("reference"), seed, (), bounds=SMALL)._cases())
        for seed in (0, 0, 1)
    )  # fmt: skip
    assert first == again != other
    assert sorted(map(str, first)) == sorted(map(str, other))


def test_a_candidate_that_breaks_leaves_the_scope_untried(pytester):
    pytester.makepyfile(kernel="""
        class Broken:
            def clone(self, task, child, flags, mm): raise RuntimeError
            def exit(self, task): pass
            def owner(self, mm): return 1
    """)  # fmt: skip
    made = campaign("python:kernel.py:Broken")
    made.run()
    assert made.note() == (
        "the scope of up to 3 tasks, 3 mms, 0 references, 0 kthreads was not tried to its end"
    )


def test_the_run_says_what_was_tried(pytester):
    result = pytester.runpytest_subprocess(*SUITE, "--mmowner-scope=3,3,0,0")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["note: all 157 transitions with up to 3 tasks, 3 mms, *"])


@pytest.mark.parametrize("text", ["4,3", "a,b,c,d", "4,3,0,-1", "0,1,0,0", "1,0,0,0"])
def test_a_wrong_scope_exits_with_4(pytester, text):
    result = pytester.runpytest_subprocess(*SUITE, f"--mmowner-scope={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--mmowner-scope={text}: *"])


def test_without_a_scope_nothing_is_noted():
    candidate, dialect = open_candidate("reference")
    assert Session(candidate, dialect).scope_note() == ""
