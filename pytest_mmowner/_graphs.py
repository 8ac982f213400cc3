"""Graphs of scopes with their cases: made once, and kept between runs.

What is kept is named by everything that decides about it: the text of the modules that make
it, the scope, and the dialect's rules.  A file that cannot be read, or written, is no loss: the
graph is made again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from mmowner_reference import DIALECTS, Bounds, Case, Code, Edge, Graph, Move, plan_cases

from . import _core
from ._cache import cache_directory, new_file, texts
from ._core import _build, graph_of

#: Scopes with fewer tasks are made sooner than they are read.
_WORTH_KEEPING: Final = 5


class _Kept(msgspec.Struct, array_like=True):
    """A graph and its cases, in few large values."""

    worlds: list[bytes]
    reached: bytes
    codes: list[tuple[int, int, int]]
    moves: list[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]
    #: For each edge its code, how many ends it has, and for each end the world and the move.
    edges: bytes
    #: How many edges each world has.
    out: bytes
    cases: list[tuple[bytes, int]]


@lru_cache(maxsize=4)
def planned(bounds: Bounds, dialect: str) -> tuple[Graph, list[Case]]:
    """Return the graph of a scope with its cases: the same for all candidates of a process.

    Raises what :func:`._core.graph_of` raises, if the graph is not kept.
    """
    path = _path(bounds, dialect) if bounds.tasks >= _WORTH_KEEPING or bounds.refs else None
    if path is not None:
        # Whatever is wrong with the file: one that ends too soon stops the iteration.
        with suppress(OSError, msgspec.MsgspecError, ValueError, IndexError, StopIteration):
            kept = msgspec.msgpack.decode(path.read_bytes(), type=_Kept)
            return _unpacked(kept, bounds, dialect)
    graph = graph_of(bounds, dialect)
    cases = list(plan_cases(graph))
    if path is not None:
        with suppress(OSError):
            _write(path, msgspec.msgpack.encode(_packed(graph, cases)))
    return graph, cases


def _path(bounds: Bounds, dialect: str) -> Path | None:
    directory = cache_directory()
    if directory is None:
        return None
    what = (str(bounds), sorted(bounds.without), bounds.orders, DIALECTS[dialect])
    name = blake2b(f"{_texts()} {what!r}".encode(), digest_size=16).hexdigest()
    return directory / f"graph-{name}.msgpack"


def _texts() -> str:
    # The C core makes the graphs where there is a compiler, its wrapper puts them together.
    core = (Path(_core.__file__), _build.SOURCE, *_build.HEADERS)
    return texts("_cases.py", also=(Path(__file__), *core))


def _write(path: Path, data: bytes) -> None:
    with new_file(path) as file:
        file.write_bytes(data)


def _packed(graph: Graph, cases: list[Case]) -> _Kept:
    codes: dict[Code, int] = {}
    moves: dict[Move, int] = {}
    edges = array("I")
    for edge in (edge for out in graph.out for edge in out):
        edges.append(codes.setdefault(edge.code, len(codes)))
        edges.append(len(edge.ends))
        for end, move in zip(edge.ends, edge.moves, strict=True):
            edges.append(end)
            edges.append(moves.setdefault(move, len(moves)))
    reached = array("I", (number for pair in graph.reached for number in pair))
    return _Kept(
        graph.worlds, reached.tobytes(), list(codes), list(moves), edges.tobytes(),
        array("I", map(len, graph.out)).tobytes(),
        [(bytes(case.edges), case.fresh) for case in cases],
    )  # fmt: skip


def _unpacked(kept: _Kept, bounds: Bounds, dialect: str) -> tuple[Graph, list[Case]]:
    codes = [Code(*code) for code in kept.codes]
    moves = [Move(*move) for move in kept.moves]
    numbers = iter(_numbers(kept.edges))
    out = [
        [_edge(numbers, codes, moves) for _ in range(count)] for count in _numbers(kept.out)
    ]  # fmt: skip
    reached = iter(_numbers(kept.reached))
    graph = Graph(bounds, dialect, kept.worlds, out, list(zip(reached, reached, strict=True)))
    return graph, [Case(tuple(edges), fresh) for edges, fresh in kept.cases]


def _numbers(data: bytes) -> array[int]:
    numbers = array("I")
    numbers.frombytes(data)
    return numbers


def _edge(numbers: Iterator[int], codes: list[Code], moves: list[Move]) -> Edge:
    code, count = codes[next(numbers)], next(numbers)
    if count == 1:
        return Edge(code, (next(numbers),), (moves[next(numbers)],))
    pairs = [(next(numbers), moves[next(numbers)]) for _ in range(count)]
    return Edge(code, tuple(end for end, _ in pairs), tuple(move for _, move in pairs))
