"""Cases go through every transition of a scope, in short programs from the first world."""

import pytest

from mmowner_reference import Bounds, Kernel, explore, graph_of, plan_cases, programs_of
from mmowner_reference._space import key_of, operations

SCOPES = [Bounds(3, 3), Bounds(3, 2, 1, 1), Bounds(4, 2)]


@pytest.fixture(scope="module", params=SCOPES, ids=str)
def graph(request):
    return graph_of(request.param)


def test_the_graph_has_the_worlds_of_the_exploration(graph):
    space = explore(graph.bounds)
    assert (len(graph.out), sum(map(len, graph.out))) == (space.states, space.transitions)


def test_a_way_leads_to_its_world(graph):
    keys = set()
    for world in range(len(graph.out)):
        reached = graph.bounds.start()
        for _, place in graph.way_to(world):
            reached.do(list(operations(reached, graph.bounds))[place])
        keys.add(key_of(reached))
    assert len(keys) == len(graph.out)  # to each world, and to no other one


@pytest.mark.parametrize("dialect", ["rfc-v4", "6.11"])
@pytest.mark.parametrize("bounds", SCOPES, ids=str)
def test_every_transition_is_taken_by_some_case(bounds, dialect):
    graph = graph_of(bounds, dialect)
    tried = set()
    for program in programs_of(graph, plan_cases(graph)):
        world = bounds.start(dialect)
        for op in program[bounds.kthreads :]:
            tried.add((key_of(world), places(world, bounds).index(str(op))))
            world.do(op)
    assert len(tried) == graph.transitions


def places(world, bounds):
    return [str(op) for op in operations(world, bounds)]


def test_cases_are_short_and_few_operations_are_taken_twice(graph):
    cases = list(plan_cases(graph))
    assert max(map(len, cases)) <= 30
    assert sum(map(len, cases)) <= 2.6 * graph.transitions
    short = list(plan_cases(graph, 8))
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


@pytest.mark.slow
def test_what_an_exec_does_in_any_order_ends_a_case():
    """Behind an exec whose threads leave in any order nothing can be planned."""
    bounds = Bounds(5, 2)
    graph = graph_of(bounds, "6.11")
    for case in plan_cases(graph):
        here = 0
        for number, place in enumerate(case):
            if (here, place) in graph.unsure:
                assert number == len(case) - 1
                break
            here = dict(graph.out[here])[place]
