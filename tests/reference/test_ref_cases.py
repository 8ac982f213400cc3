"""Cases go through every transition of a scope, in short programs from the first world."""

import pytest

from mmowner_reference import (
    Bounds,
    Kernel,
    Walk,
    beyond,
    explore,
    graph_of,
    plan_cases,
    programs_of,
    shortest_first,
)
from mmowner_reference._space import key_of

SCOPES = [Bounds(3, 3), Bounds(3, 2, 1, 1), Bounds(4, 2)]


@pytest.fixture(scope="module", params=SCOPES, ids=str)
def graph(request):
    return graph_of(request.param)


def test_the_graph_has_the_worlds_of_the_exploration(graph):
    space = explore(graph.bounds)
    ends = sum(len(edge.ends) for out in graph.out for edge in out)
    assert (len(graph.worlds), ends) == (space.states, space.transitions)
    assert len(graph.out) == len(graph.reached) == space.states


def test_a_way_is_a_shortest_one_to_its_world(graph):
    levels, keys = [], set()
    for world in range(len(graph.worlds)):
        way = graph.way_to(world)
        levels.append(len(way))
        walk = Walk(graph)
        reached = Kernel("6.11").run(walk.start).run([walk.take(edge) for _, edge in way])
        assert walk.here == world
        keys.add(key_of(reached))
    assert len(keys) == len(graph.worlds)  # to each world, and to no other one
    assert levels == sorted(levels)
    assert [levels.count(depth) for depth in range(levels[-1] + 1)] == explore(graph.bounds).levels


@pytest.mark.parametrize("dialect", ["rfc-v4", "6.11"])
@pytest.mark.parametrize("bounds", SCOPES, ids=str)
def test_every_transition_is_fresh_in_one_case(bounds, dialect):
    graph = graph_of(bounds, dialect)
    tried = []
    for case in plan_cases(graph):
        here = 0
        seen = []
        for at, edge in enumerate(case.edges):
            if case.fresh >> at & 1:
                tried.append((here, edge))
            else:
                seen.append((here, edge))
            here = graph.out[here][edge].ends[0]
        assert case.fresh
        assert set(seen) <= set(tried)  # it was fresh before
    assert len(tried) == len(set(tried)) == graph.transitions


def test_cases_are_short_and_few_operations_are_taken_twice(graph):
    cases = [case.edges for case in plan_cases(graph)]
    assert max(map(len, cases)) <= 30
    assert sum(map(len, cases)) <= 2.6 * graph.transitions
    short = [case.edges for case in plan_cases(graph, 8)]
    assert max(map(len, short)) <= max(
        8, 1 + max(len(graph.way_to(w)) for w in range(len(graph.out)))
    )
    assert len(short) > len(cases)


def test_a_program_of_a_case_is_legal_from_the_first_world(graph):
    for program in programs_of(graph, plan_cases(graph)):
        assert [op.word for op in program].count("kthread") == graph.bounds.kthreads
        Kernel("6.11").run(program)


def test_what_is_left_out_of_the_alphabet_is_in_no_case():
    bounds = Bounds(3, 3, 1, without=frozenset({"exec", "clone:THREAD"}))
    graph = graph_of(bounds)
    assert 0 < graph.transitions < graph_of(Bounds(3, 3, 1)).transitions
    for program in programs_of(graph, plan_cases(graph)):
        for op in program:
            assert op.word != "exec"
            assert "THREAD" not in getattr(op, "flags", ())


def test_the_shortest_programs_come_first_and_lead_to_every_transition(graph):
    cases = list(shortest_first(graph))
    lengths = [len(case.edges) for case in cases]
    assert lengths == sorted(lengths)
    ends = set()
    for case in cases:
        assert case.fresh == 1 << len(case.edges) - 1
        walk = Walk(graph)
        for edge in case.edges[:-1]:
            walk.take(edge)
        ends.add((walk.here, case.edges[-1]))
    assert len(ends) == len(cases) == graph.transitions


def test_what_an_exec_does_in_any_order_ends_a_case():
    """Behind an exec whose threads leave in any order nothing can be planned."""
    graph = graph_of(Bounds(5, 1))
    unsure = 0
    for case in plan_cases(graph):
        here = 0
        for number, place in enumerate(case.edges):
            edge = graph.out[here][place]
            if len(edge.ends) > 1:
                assert number == len(case.edges) - 1
                unsure += case.fresh >> number & 1
                break
            here = edge.ends[0]
    assert unsure > 0
    assert unsure == sum(len(edge.ends) > 1 for out in graph.out for edge in out)
    assert beyond(graph) == 0
