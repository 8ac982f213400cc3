"""The C core gives what the Python text gives: every world, edge and move, and the counts."""

import signal
import time

import pytest

import mmowner_reference as reference
from mmowner_reference import DIALECTS, Bounds, TooManyOutcomes, _compact
from pytest_mmowner import _core
from pytest_mmowner._core import _build

pytestmark = pytest.mark.usefixtures("c_core")

#: Dialects that treat the orders of an exec differently.
ORDERS = ("rfc-v4", "2.6.26", "6.11")


def same_graph(bounds, dialect):
    """Compare the whole graph, and the counts of an exploration; return the graph."""
    right, given = reference.graph_of(bounds, dialect), _core.graph_of(bounds, dialect)
    assert given.worlds == right.worlds
    assert given.reached == right.reached
    for number, (mine, its) in enumerate(zip(given.out, right.out, strict=True)):
        assert mine == its, f"edges of world {number} of {bounds} in {dialect}"
    assert given == right
    space = _core.explore(bounds, dialect)
    assert space.closed
    assert space.states == sum(space.levels) == len(right.worlds)
    assert space.transitions == sum(len(edge.ends) for out in right.out for edge in out)
    return given


def outcomes(graph):
    return max(len(edge.ends) for out in graph.out for edge in out)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_scope_with_everything_in_every_dialect(dialect):
    graph = same_graph(Bounds(3, 2, 1, 1), dialect)
    assert {edge.code.kind for out in graph.out for edge in out} == set(range(12))


@pytest.mark.costly
@pytest.mark.parametrize(
    "bounds",
    [Bounds(4, 3), pytest.param(Bounds(4, 2, 1, 1), marks=[pytest.mark.slow, pytest.mark.nightly])],
    ids=str,
)
def test_larger_scopes(bounds, dialect):
    assert len(same_graph(bounds, dialect).worlds) > 400


@pytest.mark.parametrize("dialect", ORDERS)
def test_execs_with_several_outcomes(dialect):
    assert outcomes(same_graph(Bounds(5, 1), dialect)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ORDERS)
@pytest.mark.parametrize("bounds", [Bounds(5, 2), Bounds(6, 1)], ids=str)
def test_more_execs_with_several_outcomes(bounds, dialect):
    assert outcomes(same_graph(bounds, dialect)) >= 2


@pytest.mark.slow
@pytest.mark.nightly
def test_six_tasks():
    assert outcomes(same_graph(Bounds(6, 2, without=frozenset({"clone:PARENT"})), "6.11")) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["rfc-v4", "2.6.26"])  # later ones clear these owners
def test_released_owners_of_mms_that_only_references_keep(dialect):
    graph = same_graph(Bounds(3, 2, 2, 2), dialect)
    assert any(len(move.gone) > 1 for out in graph.out for edge in out for move in edge.moves)


@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(4, 2, 1, orders=False),
        Bounds(5, 1, orders=False),
        Bounds(4, 3, 0, 1, frozenset({"clone:PARENT", "exec"})),
        Bounds(4, 2, 1, 1, frozenset({"clone:THREAD", "hold", "unuse_mm"})),
        Bounds(3, 2, without=frozenset({"clone", "exit", "exec"})),
        Bounds(1, 1), Bounds(2, 9), Bounds(1, 1, 200, 1), Bounds(2, 1, 0, 3), Bounds(3, 2, 0, 12),
    ],
    ids=lambda bounds: f"{bounds}{'' if bounds.orders else ' one order'} {','.join(sorted(bounds.without))}",
)  # fmt: skip
def test_parts_of_the_alphabet_and_edges_of_the_numbers(bounds):
    assert _core.fits(bounds)
    if bounds.kthreads > 9:  # its kernel threads have no names: too many worlds for Python
        cut = reference.explore(bounds, "6.11", max_states=4000)
        assert _core.explore(bounds, "6.11", max_states=4000) == cut
        assert not cut.closed
    else:
        same_graph(bounds, "6.11")


@pytest.mark.parametrize(
    ("bounds", "dialect", "counts"),
    [
        (Bounds(4, 3), "6.11", (499, 3232, 8)),
        (Bounds(4, 3, 1), "6.11", (3736, 28760, 11)),
        (Bounds(5, 3), "6.11", (11292, 86485, 12)),
        (Bounds(4, 3, 1, 1), "6.11", (16604, 149076, 13)),
        (Bounds(4, 3), "rfc-v4", (1446, 9103, 10)),
        (Bounds(6, 3), "6.11", (345836, 2939756, 21)),
        (Bounds(6, 3, orders=False), "6.11", (345836, 2939114, 21)),
    ],
)
def test_pinned_counts(bounds, dialect, counts):
    space = _core.explore(bounds, dialect)
    assert (space.states, space.transitions, space.depth) == counts
    assert space.closed


def test_a_dialect_of_ones_own():
    row = DIALECTS["3.0"]
    assert _core.graph_of(Bounds(3, 2), row) == reference.graph_of(Bounds(3, 2), "3.0")
    with pytest.raises(KeyError):
        _core.explore(Bounds(3, 2), "9.9")


def seen_by(explore, **options):
    """Explore with progress; return the result and what progress was told."""
    told = []
    result = explore(
        Bounds(4, 2), "6.11",
        lambda space: told.append((space.states, space.transitions, tuple(space.levels), space.closed)),
        **options,
    )  # fmt: skip
    return result, told


@pytest.mark.parametrize("max_states", [None, -1, 0, 1, 2, 17, 100, 101, 333, 345, 346, 347, 10**6])
def test_progress_and_the_cut_are_those_of_python(max_states, monkeypatch):
    right = seen_by(reference.explore, max_states=max_states)
    assert seen_by(_core.explore, max_states=max_states) == right
    # Calls that end anywhere within a level change nothing.
    monkeypatch.setattr(_core, "CHUNK", 7)
    assert seen_by(_core.explore, max_states=max_states) == right
    assert right[0].closed == (max_states in (None, 10**6) or max_states >= right[0].states)


def test_signals_get_through_a_long_search():
    class EnoughError(Exception):
        pass

    def ring(*_):
        raise EnoughError

    before = signal.signal(signal.SIGALRM, ring)
    began = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(EnoughError):
            _core.explore(Bounds(8, 4))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.process_time() - began < 5


def test_too_many_orders_are_the_same_error(monkeypatch, tmp_path):
    bounds = Bounds(5, 1)
    path = tmp_path / "small.so"
    _build.compile_to(path, _build.find_compiler(), (*_build.FLAGS, "-DLIMIT=1"))
    small = _core.Core(_core.declared(_build._open(path)), "small")
    monkeypatch.setattr(_core, "_found", lambda: (small, ""))
    for module in (_compact, _core):
        monkeypatch.setattr(module, "LIMIT", 1)

    def end_of(explore, max_states):
        told = []
        try:
            return explore(
                bounds, "6.11", lambda space: told.append(space.states), max_states
            ), told
        except TooManyOutcomes as error:
            return str(error), told

    endings = [end_of(_core.explore, most) for most in (None, *range(1, 160))]
    assert endings[0][0] == "exec: more than 1 orders of 2 exits"
    assert endings == [end_of(reference.explore, most) for most in (None, *range(1, 160))]
    assert any(not isinstance(ending, str) for ending, _ in endings)
    assert endings[-1] == endings[0]
    with pytest.raises(TooManyOutcomes):
        _core.graph_of(bounds)


@pytest.mark.parametrize(
    "bounds",
    [Bounds(0, 1), Bounds(1, 0), Bounds(16, 1), Bounds(9, 3, 0, 7), Bounds(3, 14, 1, 2),
     Bounds(2, 2, 201), Bounds(2, 2, -1), Bounds(2, 2, 0, -1)],
    ids=str,
)  # fmt: skip
def test_what_the_core_cannot_hold_is_searched_in_python(bounds):
    assert not _core.fits(bounds)
    right = reference.explore(bounds, max_states=20)
    assert _core.explore(bounds, max_states=20) == right
    assert right.states >= 1


def test_a_graph_that_python_makes(monkeypatch):
    monkeypatch.setattr(_core, "_found", lambda: (None, "not today"))
    asked = []
    monkeypatch.setattr(_core.reference, "graph_of", lambda *call: asked.append(call) or "a graph")
    assert _core.graph_of(Bounds(2, 1), "3.0") == "a graph"
    assert asked == [(Bounds(2, 1), "3.0")]


@pytest.mark.slow
@pytest.mark.nightly
def test_seven_tasks():
    space = _core.explore(Bounds(7, 3))
    assert (space.states, space.transitions, space.depth) == (12770634, 117374148, 29)


def test_no_memory_is_an_error(monkeypatch, c_core):
    class Empty:
        mmo_open = staticmethod(lambda *_: None)

    with pytest.raises(MemoryError):
        _core._Search(_core.Core(Empty, ""), Bounds(2, 1), DIALECTS["6.11"], graph=False)
    with _core._search(c_core, Bounds(2, 1), DIALECTS["6.11"]) as search:
        for said in (_core.NO_MEMORY, _core.TOO_LARGE):
            monkeypatch.setattr(search, "_library", Says(c_core.library, said))
            with pytest.raises(MemoryError, match="32 bits" if said == _core.TOO_LARGE else "^$"):
                search.level(None)


class Says:
    def __init__(self, library, said):
        self.mmo_close = library.mmo_close
        self.mmo_run = lambda *_: said
