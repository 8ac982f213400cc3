"""Compact worlds are the kernel's worlds: held to it through whole scopes, in every dialect."""

import pytest

from mmowner_reference import ASKS, Bounds, Kernel, Walk, expected, graph_of, questions
from mmowner_reference._space import every_end, key_of, steps_from

#: Scopes with everything in them that a scope can have, and one with room for deep families.
EVERYTHING = Bounds(3, 2, 1, 1)
DEEP = Bounds(4, 3)
SMALL = Bounds(2, 2, 1, 1)


def hold_to_the_kernel(bounds, dialect):
    """Go through a graph with the kernel; return how many transitions were compared."""
    graph = graph_of(bounds, dialect)
    keys = {0: key_of(bounds.start(dialect))}
    # By world: its path as edges; the kernel is run anew for each, under the walk's names.
    paths = {0: ()}
    compared = 0
    for here, out in enumerate(graph.out):
        walk = Walk(graph)
        kernel = Kernel(dialect).run(walk.start)
        for edge in paths[here]:
            kernel.do(walk.take(edge))
        assert key_of(kernel) == keys[here]
        specified = {}
        for op, end in steps_from(kernel, bounds):
            specified.setdefault(str(op), []).append(end)
        seen = set()
        for number, edge in enumerate(out):
            taken = Walk(graph)
            for before in paths[here]:
                taken.take(before)
            op, answers = taken.take_and_answer(number, ASKS)
            seen.add(str(op))
            ends = every_end(kernel, op, bounds)
            assert len(ends) == len(edge.ends) == len(answers)
            compared += len(ends)
            right = []
            for end in ends:
                asked = questions(end, ASKS)
                right.append({question: expected(end, question) for question in asked})
            unmatched = [(key_of(end), given) for end, given in zip(ends, right, strict=True)]
            for end, given in zip(edge.ends, answers, strict=True):
                found = [one for one in unmatched if one[1] == given
                         and keys.setdefault(end, one[0]) == one[0]]  # fmt: skip
                assert found, f"{op} in {dialect}: {given} is none of {unmatched}"
                unmatched.remove(found[0])
                if end not in paths and len(edge.ends) == 1:
                    paths[end] = (*paths[here], number)
        assert seen == set(specified)
        assert {op: len(ends) for op, ends in specified.items()} == {
            str(op): len(every_end(kernel, op, bounds)) for op in map(parsed(kernel, bounds), seen)
        }
    # Worlds that differ have different keys: nothing was merged that the kernel tells apart.
    assert len(set(keys.values())) == len(keys) == len(graph.worlds)
    return compared


def parsed(kernel, bounds):
    by_text = {str(op): op for op, _ in steps_from(kernel, bounds)}
    return by_text.__getitem__


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["rfc-v4", "2.6.33", "6.11"])
def test_every_transition_of_a_deep_scope_is_the_kernels(dialect):
    assert hold_to_the_kernel(DEEP, dialect) > 3000


@pytest.mark.costly
@pytest.mark.parametrize(
    "bounds",
    [SMALL, pytest.param(EVERYTHING, marks=pytest.mark.slow)],
    ids=str,
)
def test_every_transition_is_the_kernels(bounds, dialect):
    compared = hold_to_the_kernel(bounds, dialect)
    assert compared == sum(len(edge.ends) for out in graph_of(bounds, dialect).out for edge in out)
    assert compared > 300
