"""Random walks in large worlds, for any candidate."""

from itertools import count

import pytest

from mmowner_reference import Bounds, parse_program
from pytest_mmowner import NotApplicable, _searching
from pytest_mmowner._candidates.base import Info
from pytest_mmowner._candidates.tracker import Tracker
from pytest_mmowner._large import WALKS, walks_for
from pytest_mmowner._scopes import SCOPE_PARTS, Shard
from pytest_mmowner._searching import Found, Plan
from pytest_mmowner._session import Session
from pytest_mmowner._spec import open_candidate
from pytest_mmowner._tried import notes_of

SUITE = ("--pyargs", "mmowner_conformance", "-p", "no:cacheprovider", "-k", "random_walks")


def session(spec, *scopes, **plan):
    candidate, dialect = open_candidate(spec)
    return Session(candidate, dialect, plan=Plan(scopes or (Bounds(2, 2),), **plan))


def test_a_right_candidate_passes_and_operations_are_counted():
    made = session("reference:rfc-v4")
    made.searches.walks(0)
    (report,) = made.searches.reports
    assert report.tried == 300 * WALKS[0][1] // SCOPE_PARTS
    assert notes_of([report]) == ["2,400 operations of random walks in large worlds, seed 0"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rule"),
    [("no-siblings", "SEARCH-01"), ("BUG-24-leaders-only", "SEARCH-06")],
)
def test_walks_alone_kill(name, rule):
    """Four parts together find at least that; a shortest program of the scope is shown."""
    made = session(f"mutant:{name}", Bounds(4, 3))
    broken = {}
    for part in range(4):
        try:
            made.searches.walks(part)
        except Found as found:
            broken = {**found.broken, **broken}
    assert len(parse_program(broken[rule].program)) < 20
    assert "found by a random walk in a large world, seed 0" in str(broken[rule])


def test_shards_share_the_walks():
    walked = []
    for shard in (Shard(), Shard(1, 2), Shard(2, 2)):
        made = session("reference", shard=shard)
        seen = set()
        run = made.candidate.run
        made.candidate.run = lambda steps, run=run, seen=seen: seen.add(str(steps)) or run(steps)
        made.searches.walks(0)
        walked.append(seen)
    assert walked[0] == walked[1] | walked[2]
    assert len(walked[1]) == len(walked[2]) == 4


def test_a_walk_ends_where_nothing_is_possible_any_more():
    """Without reap, zombies fill the table: fewer operations, and no endless loop."""

    class Few:
        def clone(self, task, child, flags, mm): ...
        def exit(self, task): ...
        def owner(self, mm): ...

    made = Session(Tracker("few", Few, None), "6.11", plan=Plan((Bounds(2, 2),)))
    with pytest.raises(Found):
        made.searches.walks(0)
    assert 0 < made.searches.reports[0].of_part < 2400


def test_with_a_budget_the_walks_go_on_until_it_is_used_up(monkeypatch):
    """On a clock of its own: a second for each walk, and a part has its sixteenth of the budget."""
    clock = count()
    monkeypatch.setattr(_searching.time, "monotonic", lambda: float(next(clock)))
    tried = []
    for budget in (16.0, 16.0 * 20):
        made = session("reference", budget=budget)
        made.searches.walks(0)
        tried.append(made.searches.reports[0].tried)
    assert tried[0] == 2400 < tried[1]


def test_what_a_candidate_lacks_is_in_no_walk(root):
    made = session(f"python:{root / 'examples/tracker.py'}:Tracker")
    made.searches.walks(0)
    assert made.searches.reports[0].tried == 2400


@pytest.mark.parametrize(("speed", "walks"), [(1.0, 128), (0.2, 8), (0.1, 0)])
def test_the_speed_of_a_candidate_decides_how_many_walks(speed, walks):
    assert walks_for(Info("x", "x", speed=speed)) == walks


def test_who_shows_no_owners_or_asks_for_no_search_gets_none():
    assert walks_for(Info("x", "x", capabilities=frozenset({"clone", "exit"}))) == 0
    candidate, dialect = open_candidate("reference")
    with pytest.raises(NotApplicable, match="no search was asked for"):
        Session(candidate, dialect).searches.walks(0)


def test_a_run_tells_what_was_walked(pytester):
    result = pytester.runpytest_subprocess(*SUITE, "--mmowner-scope=2,2,0,0", "--mmowner-seed=5")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["note: 38,400 operations of random walks in large worlds, seed 5"])
