"""Searches through whole scopes, in C where a C compiler is there.

:func:`explore` and :func:`graph_of` give what those of :mod:`mmowner_reference` give, about 85
and 23 times as fast; without a compiler they are those.  The C text is compiled at its first use
and kept in the cache (:func:`.._cache.cache_directory`: ``MMOWNER_CACHE`` names another, or none;
where there is none, every process compiles it).

The environment variable ``MMOWNER_CORE`` decides: ``python`` never uses C, ``c`` makes it an
error if C cannot be used here; anything else that is not empty is a :class:`CallError`.
Scopes that the C core cannot hold (:func:`fits`) are searched in Python all the same.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import cache
from itertools import accumulate, pairwise, repeat
from struct import calcsize, iter_unpack
from typing import Final, Literal

import mmowner_reference as reference
from mmowner_reference import DEFAULT, DIALECTS, Bounds, Dialect, Graph, Space, TooManyOutcomes
from mmowner_reference._compact import Rulebook
from mmowner_reference._graph import Edge, limits_of
from mmowner_reference._outcomes import LIMIT
from mmowner_reference._packed import Code, Move

from ..errors import CallError, MissingPrerequisite
from ._build import CannotBuildError, load

__all__ = ["Core", "core", "explore", "fits", "graph_of", "in_words", "why_not"]

#: The environment variable, and what it may say.
VARIABLE: Final = "MMOWNER_CORE"
CHOICES: Final = ("", "python", "c")
#: Worlds that are expanded in one call: a fraction of a second, so Ctrl-C gets through.
CHUNK: Final = 100_000
#: What worlds of the C core can hold: tasks with kernel threads, mms, references.
MOST: Final = 15
MOST_REFS: Final = 200
#: What ``mmo_run`` returns.
DONE, CUT, NO_MEMORY, TOO_MANY, TOO_LARGE = range(5)
#: Which array is which for ``mmo_array``.
CODES, EDGE_ENDS, END_WORLDS, END_MOVES, WORLD_EDGES, FROM_WORLD, FROM_EDGE, MOVES = range(8)
#: A move: how many tasks, mms and released owners, and room for 16 of each.
MOVE: Final = "=BBBx16s16s16s"


@dataclass(frozen=True)
class Core:
    """The C core of this process."""

    library: ctypes.CDLL
    #: What compiled it, as in ``gcc 12.2``.
    compiler: str


# -- which one ------------------------------------------------------------------------------


def core() -> Core | None:
    """Return the C core, compiled if need be; None when searches run in Python.

    The answer stays the same for this process.  Raises :class:`CallError` for a value of
    ``MMOWNER_CORE`` that has no meaning, :class:`MissingPrerequisite` when that is ``c`` and
    there is no C core.
    """
    found, why = _found()
    if found is None and os.environ.get(VARIABLE) == "c":
        raise MissingPrerequisite(
            f"no C core ({why})", f"install a C compiler, set CC to one, or unset {VARIABLE}"
        )
    return found


def why_not() -> str:
    """Return why there is no C core, in a few words; empty when there is one."""
    return _found()[1]


def in_words() -> str:
    """Return which core searches use, in one line: ``search core: C (gcc 12.2)``."""
    found, why = _found()
    return f"search core: Python ({why})" if found is None else f"search core: C ({found.compiler})"


@cache
def _found() -> tuple[Core | None, str]:
    asked = os.environ.get(VARIABLE, "")
    if asked not in CHOICES:
        raise CallError(f"{VARIABLE}={asked}: it is python or c")
    if asked == "python":
        return None, f"{VARIABLE}=python"
    try:
        library, compiler = load()
    except CannotBuildError as error:
        return None, str(error)
    return Core(declared(library), compiler.name), ""


def declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Say what goes in and out of the functions of core.c; return *library*."""
    library.mmo_open.restype = library.mmo_array.restype = ctypes.c_void_p
    library.mmo_open.argtypes = [ctypes.c_void_p]
    library.mmo_run.argtypes = [
        ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p,
    ]  # fmt: skip
    library.mmo_array.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.mmo_worlds.argtypes = [ctypes.c_void_p] * 3
    library.mmo_close.argtypes = [ctypes.c_void_p]
    library.mmo_worlds.restype = library.mmo_close.restype = None
    return library


def fits(bounds: Bounds) -> bool:
    """Whether the C core can hold the worlds of a scope; others are searched in Python."""
    return (
        bounds.tasks >= 1
        and bounds.mms >= 1
        and bounds.kthreads >= 0
        and 0 <= bounds.refs <= MOST_REFS
        and bounds.tasks + bounds.kthreads <= MOST
        and _mms(bounds) + bounds.kthreads <= MOST
    )


def _mms(bounds: Bounds) -> int:
    """Without references every mm has a task, so more mms than tasks are no other scope."""
    return bounds.mms if bounds.refs else min(bounds.mms, bounds.tasks)


# -- searches -------------------------------------------------------------------------------


def explore(
    bounds: Bounds, dialect: str | Dialect = DEFAULT,
    progress: Callable[[Space], None] | None = None, max_states: int | None = None,
) -> Space:  # fmt: skip
    """Visit every world of *dialect* within *bounds* and return the counts.

    What goes in and out is that of :func:`mmowner_reference.explore`: *progress* is called
    after each level; the search ends early, and the result is not ``closed``, when it has seen
    more than *max_states* worlds.  Raises :class:`KeyError` for an unknown dialect,
    :class:`TooManyOutcomes`, ``MemoryError``, and what :func:`core` raises.
    """
    found = core() if fits(bounds) else None
    if found is None:
        return reference.explore(bounds, dialect, progress, max_states)
    row = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    space = Space(row.name, bounds)
    with _search(found, bounds, row) as search:
        new = 1
        while new:
            closed = search.level(max_states)
            new = search.states - space.states
            space.states, space.transitions = search.states, search.transitions
            if not closed:
                return space
            if new:
                space.levels.append(new)
            if progress is not None:
                progress(space)
    space.closed = True
    return space


def graph_of(bounds: Bounds, dialect: str | Dialect = DEFAULT) -> Graph:
    """Explore a scope and return its graph: the one of :func:`mmowner_reference.graph_of`.

    Raises :class:`KeyError` for an unknown dialect, :class:`TooManyOutcomes`, ``MemoryError``,
    and what :func:`core` raises.
    """
    found = core() if fits(bounds) else None
    if found is None:
        return reference.graph_of(bounds, dialect)
    row = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    with _search(found, bounds, row, graph=True) as search:
        while search.next < search.states:
            search.level(None)
        with _no_collections():
            return Graph(bounds, row.name, search.worlds(), search.out(), search.reached())


class _Search:
    """A search in C, and where it is."""

    def __init__(self, core: Core, bounds: Bounds, dialect: Dialect, *, graph: bool) -> None:
        self._library, self._bounds = core.library, bounds
        limits = limits_of(bounds)
        numbers = (
            *map(int, astuple(Rulebook.of(dialect))), limits.tasks, _mms(bounds), limits.refs,
            bounds.kthreads, sum(1 << kind for kind in limits.without), int(limits.orders),
            int(graph),
        )  # fmt: skip
        self._handle = self._library.mmo_open((ctypes.c_int32 * len(numbers))(*numbers))
        if not self._handle:
            raise MemoryError
        self._counts = (ctypes.c_uint64 * 7)(1)

    def close(self) -> None:
        """Give its memory back."""
        self._library.mmo_close(self._handle)

    @property
    def states(self) -> int:
        """How many worlds are known."""
        return self._counts[0]

    @property
    def transitions(self) -> int:
        """How many (world, operation, outcome) triples were seen."""
        return self._counts[1]

    @property
    def next(self) -> int:
        """The first world that was not expanded yet."""
        return self._counts[2]

    def level(self, max_states: int | None) -> bool:
        """Expand every world that is known now; False if there were too many on the way."""
        end = self.states
        most = (1 << 64) - 1 if max_states is None else max(max_states, 0)
        while self.next < end:
            stop = min(self.next + CHUNK, end)
            said = self._library.mmo_run(self._handle, stop, most, self._counts)
            if said == CUT:
                return False
            if said == TOO_MANY:
                exits = self._counts[6]
                raise TooManyOutcomes(f"exec: more than {LIMIT} orders of {exits} exits")
            if said == TOO_LARGE:
                raise MemoryError("more worlds or transitions than 32 bits can number")
            if said == NO_MEMORY:
                raise MemoryError
        return True

    # -- the graph --------------------------------------------------------------------------

    def _array(self, which: int, count: int, format: Literal["B", "H", "I"]) -> memoryview:
        """Return a copy of one of the arrays of a graph."""
        size = count * calcsize(format)
        address = self._library.mmo_array(self._handle, which)
        return memoryview(ctypes.string_at(address, size) if size else b"").cast(format)

    def worlds(self) -> list[bytes]:
        """Return all worlds as the reference packs them."""
        bounds = self._bounds
        most = 2 + 5 * (bounds.tasks + bounds.kthreads) + 2 * (_mms(bounds) + bounds.kthreads)
        text = (ctypes.c_uint8 * (most * self.states))()
        lengths = (ctypes.c_uint8 * self.states)()
        self._library.mmo_worlds(self._handle, text, lengths)
        all_worlds = memoryview(text)
        starts = accumulate(lengths, initial=0)
        return [bytes(all_worlds[start:end]) for start, end in pairwise(starts)]

    def reached(self) -> list[tuple[int, int]]:
        """Return by world from where it was reached first, and by which of the edges there."""
        return list(
            zip(
                self._array(FROM_WORLD, self.states, "I"),
                self._array(FROM_EDGE, self.states, "I"), strict=True,
            )
        )  # fmt: skip

    def out(self) -> list[list[Edge]]:
        """Return the edges by world.  Equal parts of edges are one object."""
        edges, ends = self._counts[3], self._counts[4]
        words = self._array(CODES, edges, "H").tolist()
        codes = {word: Code(word >> 8, word >> 4 & 15, word & 15) for word in set(words)}
        counts = self._array(EDGE_ENDS, edges, "I").tolist()
        worlds = self._array(END_WORLDS, ends, "I").tolist()
        moves = self._array(END_MOVES, ends, "I").tolist()
        all_moves = self._moves()
        # Nearly every edge has one end.
        one_world, one_move = list(zip(range(self.states))), list(zip(all_moves))
        if edges == ends:
            first_worlds, first_moves = worlds, moves
        else:
            starts = list(accumulate(counts[:-1], initial=0))
            first_worlds = list(map(worlds.__getitem__, starts))
            first_moves = list(map(moves.__getitem__, starts))
        # Edge(...) for millions, without a Python call for each.
        parts = zip(
            map(codes.__getitem__, words), map(one_world.__getitem__, first_worlds),
            map(one_move.__getitem__, first_moves), strict=True,
        )  # fmt: skip
        made: list[Edge] = list(map(tuple.__new__, repeat(Edge), parts))
        if edges != ends:
            for number, (start, count) in enumerate(zip(starts, counts, strict=True)):
                if count > 1:
                    end = start + count
                    made[number] = Edge(
                        made[number].code, tuple(worlds[start:end]),
                        tuple(map(all_moves.__getitem__, moves[start:end])),
                    )  # fmt: skip
        by_world = accumulate(self._array(WORLD_EDGES, self.states, "I"), initial=0)
        return [made[start:end] for start, end in pairwise(by_world)]

    def _moves(self) -> list[Move]:
        count = self._counts[5]
        packed = self._array(MOVES, count * calcsize(MOVE), "B")
        return [
            Move(tuple(task[:tasks]), tuple(mm[:mms]), tuple(_signed(old[:gone])))
            for tasks, mms, gone, task, mm, old in iter_unpack(MOVE, packed)
        ]


def _signed(numbers: bytes) -> list[int]:
    return memoryview(numbers).cast("b").tolist()


@contextmanager
def _search(
    core: Core, bounds: Bounds, dialect: Dialect, *, graph: bool = False
) -> Iterator[_Search]:
    search = _Search(core, bounds, dialect, graph=graph)
    try:
        yield search
    finally:
        search.close()


@contextmanager
def _no_collections() -> Iterator[None]:
    """Millions of tuples without cycles: going through them again and again costs a third."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
