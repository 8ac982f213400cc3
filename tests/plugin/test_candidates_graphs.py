"""Graphs of scopes are kept between runs, under a name that everything about them decides."""

import msgspec
import pytest

from mmowner_reference import Bounds, graph_of, plan_cases
from pytest_mmowner import _graphs
from pytest_mmowner._core import _build
from pytest_mmowner._graphs import planned

SCOPE = Bounds(3, 2, 1)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MMOWNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kept(cache):
    """The graphs that are there; the compiled core may lie beside them."""
    return list(cache.glob("graph-*"))


def fresh(bounds=SCOPE, dialect="6.11"):
    """As in a new process."""
    return planned.__wrapped__(bounds, dialect)


@pytest.mark.parametrize(
    ("bounds", "dialect"),
    [(SCOPE, "6.11"), (Bounds(5, 1), "6.11"), (Bounds(3, 2, 1, 1), "rfc-v4")], ids=str,
)  # fmt: skip
def test_what_was_kept_is_what_was_made(cache, bounds, dialect, monkeypatch):
    made = fresh(bounds, dialect)
    assert made == (graph_of(bounds, dialect), list(plan_cases(made[0])))
    (file,) = kept(cache)
    monkeypatch.setattr(_graphs, "graph_of", None)  # it is not made again
    again = fresh(bounds, dialect)
    assert again == made


def test_another_scope_dialect_or_alphabet_has_another_name(cache):
    fresh()
    fresh(dialect="3.16")
    fresh(Bounds(3, 2, 2))
    fresh(Bounds(3, 2, 1, without=frozenset({"exec"})))
    fresh(Bounds(3, 2, 1, orders=False))
    assert len(kept(cache)) == 5


def test_another_text_of_the_rules_has_another_name(cache, monkeypatch):
    fresh()
    monkeypatch.setattr(_graphs, "_texts", lambda: "changed")
    fresh()
    assert len(kept(cache)) == 2


@pytest.mark.parametrize("damage", [b"", b"no graph", None])
def test_a_damaged_file_is_made_again(cache, damage):
    made = fresh()
    (file,) = kept(cache)
    file.write_bytes(file.read_bytes()[:-7] if damage is None else damage)
    assert fresh() == made
    assert fresh() == made
    assert len(kept(cache)) == 1


@pytest.mark.parametrize("part", ["edges", "reached", "codes", "moves"])
def test_a_file_that_lacks_something_is_made_again(cache, part):
    """It can be read, and is no graph: iterations stop, indexes are out of range."""
    made = fresh()
    (file,) = kept(cache)
    graph = msgspec.msgpack.decode(file.read_bytes(), type=_graphs._Kept)
    setattr(graph, part, getattr(graph, part)[:-4])
    file.write_bytes(msgspec.msgpack.encode(graph))
    assert fresh() == made


@pytest.mark.parametrize(("which", "name"), [("SOURCE", "core.c"), ("HEADERS", "world.h")])
def test_the_c_core_decides_about_the_name(monkeypatch, tmp_path, which, name):
    before = _graphs._texts()
    changed = tmp_path / name
    changed.write_text("changed")
    monkeypatch.setattr(_build, which, changed if which == "SOURCE" else (changed,))
    assert _graphs._texts() != before


def test_a_small_scope_is_not_kept(cache):
    fresh(Bounds(3, 3))
    assert not kept(cache)


def test_where_nothing_can_be_written_it_is_made_every_time(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MMOWNER_CACHE", str(tmp_path / "file" / "below"))
    assert fresh() == fresh()


def test_an_empty_name_keeps_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("MMOWNER_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fresh()[0].transitions > 0
    assert [*tmp_path.iterdir()] == []
