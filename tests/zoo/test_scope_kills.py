"""What going through a scope kills by itself, and how short the program is that shows it."""

import subprocess
import sys

import pytest

from mmowner_reference import Bounds, graph_of, plan_cases
from pytest_mmowner._spec import open_candidate
from pytest_mmowner._transitions import Transitions

SCOPES = (Bounds(4, 3), Bounds(3, 2, 1, 1))

#: Mutants with the requirement that a shortest program of these scopes breaks, and its operations.
#: docs/scopes.md has them all, in the scopes that are tried by default.
SHORTEST = (
    ("BUG-01-no-handoff", "INV-07", 3),
    ("BUG-02-forkers-leader-owns", "FORK-02", 2),
    ("BUG-03-nobody-found-panics", "TASK-02", 4),
    ("BUG-08-delay-group-leader", "LEADER-03", 3),
    ("BUG-12a-exec-hands-over-new-mm", "EXEC-02", 2),
    ("BUG-24-leaders-only", "SEARCH-06", 4),
    ("only-leaders-hand-over", "INV-07", 5),
    ("leader-hands-over", "LEADER-01", 3),
    ("delays-every-thread", "INV-07", 8),
    ("users-off-by-one", "EXEC-02", 2),
    ("last-user-keeps-owner", "EXIT-02", 3),
    ("nobody-found-clears", "EXIT-07", 4),
    ("handoff-drops-user", "USERS-01", 3),
    ("no-children", "SEARCH-01", 4),
    ("no-siblings", "SEARCH-06", 6),
    ("no-third-stage", "EXEC-02", 4),
    ("siblings-first", "SEARCH-01", 4),
    ("newest-first", "SEARCH-01", 3),
    ("youngest-process-first", "SEARCH-04", 5),
    ("first-child-only", "SEARCH-01", 5),
    ("stops-at-dead-leader", "INV-07", 5),
    ("gives-up-at-stranger", "SEARCH-01", 5),
    ("kthreads-may-own", "EXIT-07", 4),
    ("borrowed-mm-is-unusable", "EXEC-02", 4),
    ("newest-sharer-owns", "FORK-03", 1),
    ("handoff-at-reap", "INV-07", 3),
    ("exec-forgets", "EXEC-02", 2),
    ("dying-threads-forget", "EXEC-04", 4),
    ("put-searches", "USERS-01", 5),
    ("borrower-owns", "KTHREAD-02", 2),
)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rule", "operations"), SHORTEST)
def test_a_small_scope_kills_with_a_shortest_program(name, rule, operations):
    candidate, dialect = open_candidate(f"mutant:{name}")
    found = [Transitions(candidate, dialect, bounds).first_wrong() for bounds in SCOPES]
    program, deviation, _ = min(filter(None, found), key=lambda seen: len(seen[0]))
    assert len(program) == operations
    assert deviation.rule == rule


def test_a_right_candidate_is_not_killed():
    candidate, dialect = open_candidate("reference")
    assert [Transitions(candidate, dialect, bounds).first_wrong() for bounds in SCOPES] == [
        None
    ] * 2


@pytest.mark.slow
@pytest.mark.nightly
def test_the_page_says_what_the_scopes_kill(root):
    """Every 50th mutant once more, in the scopes that are tried by default."""
    done = subprocess.run(
        [sys.executable, root / "docs/generate_scopes.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_what_covering_a_large_scope_costs():
    """774,113 transitions: at most 3.5 operations for each in cases, 2.7 on a tour."""
    pytest.importorskip("ortools", reason="OR-tools is not installed")
    from pytest_mmowner import _core
    from pytest_mmowner._tour import plan_tour

    bounds = Bounds(5, 3, 1)
    graph = _core.graph_of(bounds) if _core.core() is not None else graph_of(bounds)
    cases = list(plan_cases(graph))
    assert sum(case.fresh.bit_count() for case in cases) == graph.transitions == 774_113
    assert sum(len(case.edges) for case in cases) <= 3.5 * graph.transitions
    pieces = plan_tour(graph)
    tried = sum(case.fresh.bit_count() for case in pieces)
    assert tried >= 0.999 * graph.transitions
    assert sum(len(case.edges) for case in pieces) <= 2.7 * tried


@pytest.mark.slow
@pytest.mark.nightly
def test_the_default_run_tries_all_of_its_scopes(pytester):
    """Without an option that says otherwise: the one run whose scopes the other tests spare."""
    pytester.makeini("[pytest]")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_ADDOPTS")
        result = pytester.runpytest_subprocess(
            "--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "--mmowner-candidate=reference"
        )  # fmt: skip
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "mmowner: reference; dialect as each candidate says; seed 0",
            "mmowner: search core: *",
            "note: all 86,467 transitions with at most 5 tasks, 3 mms were tried, seed 0",
            "note: all 149,076 transitions with at most 4 tasks, 3 mms, 1 reference and with 1 kernel "
            "thread were tried, seed 0",
            "note: 38,400 operations of random walks in large worlds, seed 0",
        ]
    )
