"""Cases: short programs that together take a candidate through every transition of a scope.

Each case starts in the first world, goes to a world from which something is untried, and
then goes on along what is untried, up to a length.  The deepest worlds come first: the way
to them covers much of what is nearer.  That costs between three and four operations a
transition; going back to the start for every single one costs about eight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ._copy import copy_kernel
from ._dialects import DEFAULT, Dialect
from ._kernel import Kernel
from ._legal import is_legal
from ._ops import Kthread, Op, Program
from ._outcomes import outcomes
from ._space import Bounds, key_of, operations

#: No case is longer, unless the way to its first untried transition is.
LENGTH: Final = 30


@dataclass
class Graph:
    """The worlds of a scope by number, and what leads from one to the next.

    An operation is named by its place among the :func:`~._space.operations` of its world,
    which is the same wherever that world is met.
    """

    bounds: Bounds
    dialect: str
    #: By world: what leads out of it, as place of the operation and next world.
    out: list[list[tuple[int, int]]] = field(default_factory=list)
    #: By world: from where it was reached first, and by which place.
    reached: list[tuple[int, int]] = field(default_factory=list)
    #: Transitions whose operation has other outcomes too: nothing can be planned behind them.
    unsure: set[tuple[int, int]] = field(default_factory=set)

    @property
    def transitions(self) -> int:
        """How many operations lead from a world to another, outcomes of one counted once."""
        return sum(len({place for place, _ in out}) for out in self.out)

    def way_to(self, world: int) -> list[tuple[int, int]]:
        """Return a shortest way from the first world: worlds with the place to take there."""
        way: list[tuple[int, int]] = []
        while world:
            before, place = self.reached[world]
            way.append((before, place))
            world = before
        return way[::-1]


def graph_of(bounds: Bounds, dialect: str | Dialect = DEFAULT) -> Graph:
    """Explore a scope and return its graph."""
    start = bounds.start(dialect)
    graph = Graph(bounds, start.dialect.name, [[]], [(0, 0)])
    numbers = {key_of(start): 0}
    frontier = [start]
    while frontier:
        after = []
        for world in frontier:
            here = numbers[key_of(world)]
            for place, op in enumerate(operations(world, bounds)):
                if not is_legal(world, op):
                    continue
                ends = outcomes(copy_kernel(world), op)
                if any(sum(m.users > 0 for m in end.mms.values()) > bounds.mms for end in ends):
                    continue
                if len(ends) > 1:
                    graph.unsure.add((here, place))
                for end in ends:
                    key = key_of(end)
                    if key not in numbers:
                        numbers[key] = len(numbers)
                        graph.out.append([])
                        graph.reached.append((here, place))
                        after.append(end)
                    graph.out[here].append((place, numbers[key]))
        frontier = after
    return graph


def plan_cases(graph: Graph, length: int = LENGTH) -> Iterator[list[int]]:
    """Yield cases, each as the places to take from the first world on."""
    untried = [{place for place, _ in out} for out in graph.out]
    # A place with several outcomes leads nowhere that can be counted on.
    after = [
        {place: end for place, end in out if (world, place) not in graph.unsure}
        for world, out in enumerate(graph.out)
    ]
    for world in reversed(range(len(graph.out))):
        while untried[world]:
            way = graph.way_to(world)
            if any(step in graph.unsure for step in way):
                # Behind an outcome that cannot be counted on, and on no other way.
                break
            yield _case(way, world, untried, after, length)


def _case(
    way: list[tuple[int, int]], here: int, untried: list[set[int]], after: list[dict[int, int]],
    length: int,
) -> list[int]:  # fmt: skip
    """Return a case along *way* to the world *here* and on; what it tries is no more untried."""
    case = []
    for world, step in way:
        untried[world].discard(step)
        case.append(step)
    while len(case) < max(length, len(way) + 1):
        place = _next_place(untried[here], after[here], untried)
        if place is None:
            break
        untried[here].discard(place)
        case.append(place)
        if place not in after[here]:
            break
        here = after[here][place]
    return case


def _next_place(fresh: set[int], after: dict[int, int], untried: list[set[int]]) -> int | None:
    """Something untried, best before a world with more of it; else a way to such a world."""
    ahead = [place for place in fresh if place in after and untried[after[place]]]
    if ahead:
        return min(ahead)
    if fresh:
        return min(fresh)
    return min((place for place, end in after.items() if untried[end]), default=None)


def programs_of(graph: Graph, cases: Iterator[list[int]]) -> Iterator[Program]:
    """Yield the cases as programs with names, the kernel threads of the start included."""
    for case in cases:
        program: list[Op] = [Kthread(2 + number) for number in range(graph.bounds.kthreads)]
        world = Kernel(graph.dialect).run(program)
        for place in case:
            op = next(op for at, op in enumerate(operations(world, graph.bounds)) if at == place)
            program.append(op)
            world.do(op)
        yield tuple(program)
