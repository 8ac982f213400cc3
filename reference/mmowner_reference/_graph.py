"""The state space of a scope: every world within its bounds, and every way between them.

Breadth-first to closure: a scope is finite, so no depth has to be chosen, and the way in
which a world is first reached is a shortest program.  Where the kernel defines no order (the
other threads of an exec), every outcome is a world of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ._compact import Limits, Rulebook, first_world, steps
from ._dialects import DEFAULT, DIALECTS, Dialect
from ._packed import KINDS, Code, Move
from ._space import CLONES, Bounds

#: What an operation leads to: worlds, and where everything stood before.
Ends = list[tuple[bytes, Move]]


class Edge(NamedTuple):
    """An operation in a world, and where it leads: to several worlds where no order is defined."""

    code: Code
    ends: tuple[int, ...]
    moves: tuple[Move, ...]


@dataclass
class Space:
    """What an exploration has seen so far."""

    dialect: str
    bounds: Bounds
    #: Worlds, names aside, and (world, operation, outcome) triples.
    states: int = 1
    transitions: int = 0
    #: New worlds by the number of operations that it takes to get there.
    levels: list[int] = field(default_factory=lambda: [1])
    #: Whether nothing is left to look at.
    closed: bool = False

    @property
    def depth(self) -> int:
        """How many operations the farthest world is away."""
        return len(self.levels) - 1


@dataclass
class Graph:
    """The worlds of a scope by number, nearest first, and what leads out of each."""

    bounds: Bounds
    dialect: str
    worlds: list[bytes] = field(default_factory=list)
    out: list[list[Edge]] = field(default_factory=list)
    #: By world: from where it was reached first, and by which of the edges there.
    reached: list[tuple[int, int]] = field(default_factory=list)

    @property
    def transitions(self) -> int:
        """How many operations lead out of worlds, those with several outcomes counted once."""
        return sum(map(len, self.out))

    def way_to(self, world: int) -> list[tuple[int, int]]:
        """Return a shortest way from the first world: worlds with the edge to take there."""
        way: list[tuple[int, int]] = []
        while world:
            before, edge = self.reached[world]
            way.append((before, edge))
            world = before
        return way[::-1]

    def sure_ways(self) -> list[bool]:
        """Return for each world whether the way to it can be counted on."""
        sure = [True]
        for before, edge in self.reached[1:]:
            sure.append(sure[before] and len(self.out[before][edge].ends) == 1)
        return sure


def limits_of(bounds: Bounds) -> Limits:
    """Return *bounds* as compact worlds ask for them."""
    left_out = {
        kind for kind, word in enumerate(KINDS)
        if word in bounds.without
        or (word == "clone" and any(f"clone:{flag}" in bounds.without for flag in CLONES[kind]))
    }  # fmt: skip
    return Limits(bounds.tasks, bounds.mms, bounds.refs, frozenset(left_out), bounds.orders)


def explore(
    bounds: Bounds, dialect: str | Dialect = DEFAULT,
    progress: Callable[[Space], None] | None = None, max_states: int | None = None,
    key: Callable[[bytes], Hashable] = bytes,
) -> Space:  # fmt: skip
    """Visit every world of *dialect* within *bounds* and return the counts.

    Worlds with equal *key* count as one (:func:`~._weak.weak_key`); by default none do.

    *progress* is called after each level with what was seen so far.  The search ends early,
    and the result is not ``closed``, when it has seen more than *max_states* worlds.
    """
    row = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    space = Space(row.name, bounds)
    start, expand = _engine(bounds, row)
    seen = {key(start)}
    frontier = [start]
    while frontier:
        after: list[bytes] = []
        for world in frontier:
            for _, ends in expand(world):
                space.transitions += len(ends)
                for end, _ in ends:
                    name = key(end)
                    if name not in seen:
                        seen.add(name)
                        after.append(end)
            if max_states is not None and len(seen) > max_states:
                space.states = len(seen)
                return space
        frontier = after
        space.states = len(seen)
        if after:
            space.levels.append(len(after))
        if progress is not None:
            progress(space)
    space.closed = True
    return space


def graph_of(bounds: Bounds, dialect: str | Dialect = DEFAULT) -> Graph:
    """Explore a scope and return its graph."""
    row = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    start, expand = _engine(bounds, row)
    graph = Graph(bounds, row.name, [start], [], [(0, 0)])
    numbers = {start: 0}
    # Few moves are different: each is kept once.
    moves: dict[Move, Move] = {}
    for here, world in enumerate(graph.worlds):  # it grows while it is gone through
        out: list[Edge] = []
        for code, ends in expand(world):
            for end, _ in ends:
                if end not in numbers:
                    numbers[end] = len(numbers)
                    graph.worlds.append(end)
                    graph.reached.append((here, len(out)))
            out.append(
                Edge(
                    code, tuple(numbers[end] for end, _ in ends),
                    tuple(moves.setdefault(move, move) for _, move in ends),
                )
            )  # fmt: skip
        graph.out.append(out)
    return graph


def _engine(
    bounds: Bounds, dialect: Dialect
) -> tuple[bytes, Callable[[bytes], Iterator[tuple[Code, Ends]]]]:
    book, limits = Rulebook.of(dialect), limits_of(bounds)
    return first_world(bounds.kthreads, book), lambda world: steps(world, limits, book)
