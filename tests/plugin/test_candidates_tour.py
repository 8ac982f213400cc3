"""Tours: every transition in one walk, where going back to the start costs much."""

import importlib.util

import pytest

from mmowner_reference import Bounds, Walk, graph_of, plan_cases
from pytest_mmowner._comparing import Comparer
from pytest_mmowner._spec import open_candidate
from pytest_mmowner._tour import plan_tour, rest_of
from pytest_mmowner._transitions import CHEAP, Transitions, cheapest, cost

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ortools") is None, reason="OR-tools is not installed"
)

SCOPES = [("6.11", Bounds(3, 3)), ("6.11", Bounds(4, 3)), ("rfc-v4", Bounds(3, 2, 1, 1))]


@pytest.fixture(scope="module", params=SCOPES, ids=str)
def graph(request):
    dialect, bounds = request.param
    return graph_of(bounds, dialect)


def fresh_steps(graph, cases):
    for case in cases:
        here = 0
        for at, edge in enumerate(case.edges):
            if case.fresh >> at & 1:
                yield here, edge
            here = graph.out[here][edge].ends[0]


def test_pieces_and_rest_try_every_transition_once(graph):
    pieces = plan_tour(graph, 50)
    rest = rest_of(graph, pieces, list(plan_cases(graph)))
    tried = list(fresh_steps(graph, [*pieces, *rest]))
    assert len(tried) == len(set(tried)) == graph.transitions
    assert len(list(fresh_steps(graph, pieces))) > 0.8 * graph.transitions


def test_a_piece_begins_in_the_first_world_and_ends_with_something_fresh(graph):
    longest = max(len(graph.way_to(world)) for world in range(len(graph.worlds)))
    for piece in plan_tour(graph, 50):
        assert len(piece.edges) <= 50 + longest
        assert piece.fresh.bit_length() == len(piece.edges)
        walk = Walk(graph)
        for edge in piece.edges:
            walk.take(edge)  # it is there


def test_a_tour_is_one_walk_that_comes_home():
    graph = graph_of(Bounds(4, 3))
    (tour,) = plan_tour(graph, 10**9)
    assert len(tour.edges) <= 2.8 * graph.transitions
    assert tour.fresh.bit_count() == graph.transitions


def test_a_tour_takes_no_operation_that_may_end_in_several_worlds():
    graph = graph_of(Bounds(5, 1))
    pieces = plan_tour(graph)
    rest = rest_of(graph, pieces, list(plan_cases(graph)))
    unsure = {
        (world, number) for world, out in enumerate(graph.out)
        for number, edge in enumerate(out) if len(edge.ends) > 1
    }  # fmt: skip
    assert unsure
    assert not unsure & set(fresh_steps(graph, pieces))
    assert unsure <= set(fresh_steps(graph, rest))


def test_a_dear_reset_chooses_the_tour():
    bounds = Bounds(4, 3)
    cases, tour = (cheapest(bounds, "6.11", price) for price in (CHEAP, 4.0))
    assert len(tour) < len(cases) / 10
    assert cost(tour, 4.0) < cost(cases, 4.0)


def test_a_candidate_with_a_dear_reset_is_taken_on_a_tour():
    candidate, dialect = open_candidate("reference")
    object.__setattr__(candidate.info, "reset_cost", 10.0)
    scope = Transitions(candidate, dialect, Bounds(3, 3))
    comparer = Comparer(candidate, dialect)
    assert [comparer.try_program(scope.known(case)) for case in scope.cases] == [None, None]
    assert comparer.part.tried == scope.graph.transitions


def test_without_the_library_there_are_cases(monkeypatch):
    monkeypatch.setattr("pytest_mmowner._transitions.can_tour", lambda: False)
    assert cheapest.__wrapped__(Bounds(3, 3), "6.11", 100.0) == list(
        plan_cases(graph_of(Bounds(3, 3)))
    )
