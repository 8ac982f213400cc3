"""A tour: one walk through every transition of a scope, for candidates whose reset is dear.

That is the Chinese postman's problem.  Every transition is taken once; where more lead into a
world than out of it, some are taken again, and which ones is a flow of least cost, which
OR-tools finds (``pip install pytest-mmowner[tour]``).  The walk is cut into pieces, each from
the first world on, so that a mismatch costs a piece and machines can share them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec

from mmowner_reference import Case, Graph

#: Operations of a piece beside the way to its start.
PIECE = 200


def can_tour() -> bool:
    """Whether OR-tools is there."""
    return find_spec("ortools") is not None


def plan_tour(graph: Graph, piece: int = PIECE) -> list[Case]:
    """Return the pieces of a tour through all transitions that a tour can take.

    Left out are operations with several outcomes, and what is not on a circle through the
    first world; :func:`rest_of` has them.  Raises ``ImportError`` without OR-tools.
    """
    home = _circle(graph)
    arcs = [
        (world, number, edge.ends[0])
        for world in sorted(home) for number, edge in enumerate(graph.out[world])
        if len(edge.ends) == 1 and edge.ends[0] in home
    ]  # fmt: skip
    if not arcs:
        return []
    often = _repeats(arcs, len(graph.out))
    return list(_pieces(graph, _circuit(arcs, often), piece))


def rest_of(graph: Graph, pieces: Sequence[Case], cases: Sequence[Case]) -> list[Case]:
    """Return those of *cases* that try what no piece does, with only that fresh."""
    tried = {step for case in pieces for step, fresh in _steps(graph, case) if fresh}
    left = []
    for case in cases:
        fresh = 0
        for at, (step, was) in enumerate(_steps(graph, case)):
            fresh |= (was and step not in tried) << at
        if fresh:
            left.append(Case(case.edges[: fresh.bit_length()], fresh))
    return left


def _steps(graph: Graph, case: Case) -> Iterator[tuple[tuple[int, int], bool]]:
    """Yield (world, edge) along a case, and whether it is fresh there."""
    here = 0
    for at, edge in enumerate(case.edges):
        yield (here, edge), bool(case.fresh >> at & 1)
        here = graph.out[here][edge].ends[0]


def _circle(graph: Graph) -> set[int]:
    """Return the worlds from which a way leads back to the first one."""
    into: list[list[int]] = [[] for _ in graph.out]
    for world, out in enumerate(graph.out):
        for edge in out:
            if len(edge.ends) == 1:
                into[edge.ends[0]].append(world)
    sure = graph.sure_ways()
    back, stack = {0}, [0]
    while stack:
        for before in into[stack.pop()]:
            if before not in back:
                back.add(before)
                stack.append(before)
    return {world for world in back if sure[world]}


def _repeats(arcs: Sequence[tuple[int, int, int]], worlds: int) -> list[int]:
    """Return how often each arc is taken once more, so that as many lead in as out."""
    # By name: they are an extra, and typing does not ask for it.
    np, min_cost_flow = import_module("numpy"), import_module("ortools.graph.python.min_cost_flow")
    table = np.array(arcs, dtype=np.int64)
    surplus = np.bincount(table[:, 2], minlength=worlds) - np.bincount(
        table[:, 0], minlength=worlds
    )
    flow = min_cost_flow.SimpleMinCostFlow()
    plenty = int(np.abs(surplus).sum()) + 1
    numbers = flow.add_arcs_with_capacity_and_unit_cost(
        table[:, 0], table[:, 2], np.full(len(arcs), plenty), np.ones(len(arcs), dtype=np.int64)
    )
    flow.set_nodes_supplies(np.arange(worlds), surplus)
    status = flow.solve()
    if status != flow.OPTIMAL:
        raise RuntimeError(f"OR-tools found no flow (status {status}): our fault, please report")
    return [int(count) for count in flow.flows(numbers)]


def _circuit(arcs: Sequence[tuple[int, int, int]], often: Sequence[int]) -> list[tuple[int, int]]:
    """Return a walk from the first world back to it that takes each arc as often as it should.

    Hierholzer's: go on until stuck, which is where one began, and put circles together.
    """
    leaving: dict[int, list[tuple[int, int]]] = {}
    for (world, number, end), more in zip(arcs, often, strict=True):
        leaving.setdefault(world, []).extend([(number, end)] * (1 + more))
    walk: list[tuple[int, int]] = []
    stack: list[tuple[int, tuple[int, int] | None]] = [(0, None)]
    while stack:
        world, came_by = stack[-1]
        if leaving.get(world):
            number, end = leaving[world].pop()
            stack.append((end, (world, number)))
        else:
            stack.pop()
            if came_by is not None:
                walk.append(came_by)
    return walk[::-1]


def _pieces(graph: Graph, walk: Sequence[tuple[int, int]], piece: int) -> Iterator[Case]:
    """Cut a walk; a piece ends with something fresh, and leads from the first world."""
    seen: set[tuple[int, int]] = set()
    at = 0
    while at < len(walk):
        way = [edge for _, edge in graph.way_to(walk[at][0])]
        edges, fresh = list(way), 0
        for step in walk[at : at + piece]:
            if step not in seen:
                seen.add(step)
                fresh |= 1 << len(edges)
            edges.append(step[1])
        at += piece
        if fresh:
            yield Case(tuple(edges[: fresh.bit_length()]), fresh)
