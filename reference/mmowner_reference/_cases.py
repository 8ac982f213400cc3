"""Cases: short programs that together take a candidate through every transition of a scope.

Each case starts in the first world, goes to a world from which something is untried, and
then goes on along what is untried, up to a length.  The deepest worlds come first: the way
to them covers much of what is nearer.  In 6.11 that costs 2.5 operations a transition
in (4,3,0,0), 2.6 in (4,3,1,1), 2.9 in (5,3,1,0) and 3.3 in (5,3,0,0); going back to the start for
every single one costs 5 to 9.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from ._graph import Edge, Graph
from ._ops import Program
from ._walk import Walk

#: No case is longer, unless the way to its first untried transition is.
LENGTH: Final = 30


class Case(NamedTuple):
    """A path from the first world: the edges to take, and which of them no case took before."""

    edges: tuple[int, ...]
    #: As bits, the first edge lowest: what is to be looked at here.
    fresh: int


def plan_cases(graph: Graph, length: int = LENGTH) -> Iterator[Case]:
    """Yield cases: every transition is fresh in one of them.

    What lies behind an operation with several outcomes cannot be planned: it ends a case.
    What has no other way to it is not tried; :func:`beyond` counts it.
    """
    # By world, as bits: the edges that no case has taken yet.
    left = [(1 << len(out)) - 1 for out in graph.out]
    sure = graph.sure_ways()
    for world in reversed(range(len(graph.out))):
        while left[world] and sure[world]:
            yield _case(graph, graph.way_to(world), world, left, length)


def beyond(graph: Graph) -> int:
    """Return how many transitions no case can get to, because no way there is sure."""
    return sum(len(out) for out, sure in zip(graph.out, graph.sure_ways(), strict=True) if not sure)


def _case(
    graph: Graph, way: list[tuple[int, int]], here: int, left: list[int], length: int
) -> Case:
    """Return a case along *way* to the world *here* and on; what it tries is no more untried."""
    case: list[int] = []
    fresh = 0

    def take(world: int, edge: int) -> None:
        nonlocal fresh
        fresh |= (left[world] >> edge & 1) << len(case)
        left[world] &= ~(1 << edge)
        case.append(edge)

    for world, edge in way:
        take(world, edge)
    while len(case) < max(length, len(way) + 1):
        step = _next(graph.out[here], left[here], left)
        if step is None:
            break
        take(here, step)
        ends = graph.out[here][step].ends
        if len(ends) > 1:
            break
        here = ends[0]
    return Case(tuple(case), fresh)


def _next(out: list[Edge], fresh: int, left: list[int]) -> int | None:
    """Something untried, best before a world with more of it; else a way to such a world."""
    first = None
    rest = fresh
    while rest:
        edge = (rest & -rest).bit_length() - 1
        rest &= rest - 1
        ends = out[edge].ends
        if len(ends) == 1 and left[ends[0]]:
            return edge
        if first is None:
            first = edge
    if first is not None:
        return first
    for number, edge_out in enumerate(out):
        if len(edge_out.ends) == 1 and left[edge_out.ends[0]]:
            return number
    return None


def programs_of(graph: Graph, cases: Iterable[Case]) -> Iterator[Program]:
    """Yield the cases as programs with names, the kernel threads of the start included."""
    for case in cases:
        walk = Walk(graph)
        yield (*walk.start, *(walk.take(edge) for edge in case.edges))


def shortest_first(graph: Graph) -> Iterator[Case]:
    """Yield a shortest program to and through every transition; only its end is fresh.

    The shortest come first, so the first that fails is a shortest of the scope.
    """
    sure = graph.sure_ways()
    for world, out in enumerate(graph.out):  # worlds are numbered as they were reached
        if not sure[world]:
            continue
        way = tuple(edge for _, edge in graph.way_to(world))
        yield from (Case((*way, edge), 1 << len(way)) for edge in range(len(out)))
