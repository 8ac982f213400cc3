"""One candidate through every transition of a scope, and the shortest program for what broke.

Every transition is asked about in one case; the others go through it on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random
from typing import Final

from mmowner_reference import Bounds, Case, Graph, Walk, beyond, shortest_first

from ._candidates.base import Candidate
from ._comparing import Comparer, Known, Seen
from ._graphs import planned
from ._tour import can_tour, plan_tour, rest_of

#: Up to this cost of a reset, in operations, nobody looks for a tour: planning it costs more.
CHEAP: Final = 2.0


def always() -> bool:
    """There is time."""
    return True


@lru_cache(maxsize=4)
def cheapest(bounds: Bounds, dialect: str, reset_cost: float) -> list[Case]:
    """Return the cases of a scope, or the pieces of a tour if that costs less."""
    graph, cases = planned(bounds, dialect)
    if reset_cost <= CHEAP or not can_tour():
        return cases
    pieces = plan_tour(graph)
    pieces += rest_of(graph, pieces, cases)
    return min(cases, pieces, key=lambda plan: cost(plan, reset_cost))


def cost(cases: Sequence[Case], reset_cost: float) -> float:
    """Return what it costs to go through *cases*, in operations."""
    return sum(len(case.edges) + reset_cost for case in cases)


@dataclass
class Transitions:
    """A scope for one candidate under one dialect."""

    candidate: Candidate
    dialect: str
    bounds: Bounds
    seed: int = 0

    @cached_property
    def graph(self) -> Graph:
        """The worlds of the scope."""
        return planned(self.bounds, self.dialect)[0]

    @cached_property
    def cases(self) -> list[Case]:
        """All cases, in an order that the seed decides; where that costs less, a tour."""
        cases = cheapest(self.bounds, self.dialect, self.candidate.info.reset_cost)[:]
        Random(f"{self.seed}/{self.bounds}/{self.dialect}").shuffle(cases)
        return cases

    @cached_property
    def out_of_reach(self) -> int:
        """How many transitions lie only behind an exec with several outcomes."""
        return beyond(self.graph)

    def programs(self, wanted: Callable[[int], bool]) -> list[Case]:
        """Return the cases whose numbers are *wanted*, in order."""
        return [case for number, case in enumerate(self.cases) if wanted(number)]

    def known(self, case: Case) -> Known:
        """Return a case as a program with its right answers."""
        steps, right = Walk(self.graph).along(case, self.candidate.info.asks)
        return Known(steps, right, case.fresh << self.bounds.kthreads)

    def shortest(self, rule: str, below: int, in_time: Callable[[], bool] = always) -> Seen | None:
        """Return a shortest program against *rule*, of fewer than *below* operations.

        All programs that are shorter were tried, names aside; None if there is none.  Raises
        :class:`OutOfTime` when *in_time* says that there is no more.
        """
        return self._search.against(rule, below, in_time)

    def is_sure(self) -> bool:
        """Whether nothing shorter can have been missed: out of reach, or behind an error."""
        return not self.out_of_reach and not self._search.errors

    def first_wrong(self) -> Seen | None:
        """Return a shortest program of all that break anything; None if nothing does.

        The cases say first whether there is one, which costs less than to look for it.
        """
        comparer = Comparer(self.candidate, self.dialect)
        for case in self.cases:
            run = comparer.try_program(self.known(case))
            if run is not None and run.deviations:
                return self._search.against_any()
        return None

    @cached_property
    def _search(self) -> _Shortest:
        return _Shortest(self)


class OutOfTime(Exception):
    """The time for a search of shortest programs is up."""


class _Shortest:
    """Goes through the transitions, nearest first, as far as somebody wants to know."""

    def __init__(self, scope: Transitions) -> None:
        self.scope = scope
        self._comparer = Comparer(scope.candidate, scope.dialect, thorough=True)
        self._cases: Iterator[Case] = shortest_first(scope.graph)
        self._next: Case | None = next(self._cases, None)
        #: Kernel threads are made first, and count.
        self._start = scope.bounds.kthreads

    @property
    def broken(self) -> dict[str, Seen]:
        return self._comparer.part.broken

    @property
    def errors(self) -> int:
        return self._comparer.part.errors

    def against(self, rule: str, below: int, in_time: Callable[[], bool]) -> Seen | None:
        while rule not in self.broken and self._next is not None:
            if self._start + len(self._next.edges) >= below:
                return None
            if not in_time():
                raise OutOfTime
            self._try_next(self._next)
        best = self.broken.get(rule)
        return best if best is not None and len(best[0]) < below else None

    def against_any(self) -> Seen | None:
        while not self.broken and self._next is not None:
            self._try_next(self._next)
        return min(self.broken.values(), key=lambda seen: len(seen[0]), default=None)

    def _try_next(self, case: Case) -> None:
        self._comparer.try_program(self.scope.known(case))
        self._next = next(self._cases, None)


def shortest_of(
    scopes: Sequence[Transitions], rule: str, below: int, in_time: Callable[[], bool] = always
) -> Seen | None:
    """Return the shortest program against *rule* that any of the scopes has, if one is shorter.

    Raises :class:`OutOfTime`.
    """
    best = None
    for scope in scopes:
        found = scope.shortest(rule, below, in_time)
        if found is not None:
            best, below = found, len(found[0])
    return best
