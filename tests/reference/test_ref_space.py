"""The state spaces of scopes: closed, counted, and the same when nothing is merged.

The counts are also those of SPIN (``test_ref_spin.py``), and of the compiled core.
"""

import pytest

from mmowner_reference import DIALECTS, Bounds, Kernel, explore, format_program
from mmowner_reference._space import key_of, operations, steps_from

#: Worlds, transitions and depth of scopes that close: (tasks, mms, references, kernel threads).
COUNTS = {
    ("6.11", (2, 2, 0, 0)): (5, 14, 2),
    ("6.11", (3, 3, 0, 0)): (33, 157, 4),
    ("6.11", (4, 3, 0, 0)): (499, 3232, 8),
    ("6.11", (4, 3, 1, 0)): (3736, 28760, 11),
    ("6.11", (4, 3, 1, 1)): (16604, 149076, 13),
    ("6.11", (5, 3, 0, 0)): (11292, 86485, 12),
    ("6.11", (3, 3, 1, 0)): (230, 1435, 8),
    ("6.11", (3, 2, 1, 1)): (462, 2878, 8),
    ("2.6.26", (4, 3, 0, 0)): (511, 3302, 8),
    ("2.6.33", (4, 3, 0, 0)): (498, 3227, 8),
    ("rfc-v4", (4, 3, 0, 0)): (1446, 9103, 10),
}  # fmt: skip


@pytest.mark.parametrize(("dialect", "numbers"), COUNTS, ids=str)
def test_the_number_of_worlds_of_a_scope(dialect, numbers):
    space = explore(Bounds(*numbers), dialect)
    assert space.closed
    assert (space.states, space.transitions, space.depth) == COUNTS[dialect, numbers]
    assert sum(space.levels) == space.states


@pytest.mark.parametrize("dialect", ["rfc-v4", "2.6.33", "6.11"])
def test_nothing_is_lost_by_leaving_names_out_of_account(dialect):
    """All programs, one by one, reach the worlds that the search has found, level by level."""
    bounds = Bounds(3, 2, 1, 0)
    worlds, seen = [bounds.start(dialect)], set()
    space = explore(bounds, dialect)
    for level in range(4):
        new = {key_of(world) for world in worlds} - seen
        assert len(new) == space.levels[level]
        seen |= new
        worlds = [reached for world in worlds for _, reached in steps_from(world, bounds)]


def test_a_world_is_within_its_bounds():
    bounds = Bounds(3, 2, 1, 1)
    frontier, seen = [bounds.start()], set()
    for _ in range(6):
        frontier = [
            reached for world in frontier for _, reached in steps_from(world, bounds)
            if key_of(reached) not in seen and not seen.add(key_of(reached))
        ]  # fmt: skip
        for world in frontier:
            users = [task for task in world.tasks.values() if not task.kthread]
            assert len(users) <= 3
            assert len(world.tasks) - len(users) == 1
            assert sum(mm.users > 0 for mm in world.mms.values()) <= 2
            assert all(len(mm.refs) <= 1 for mm in world.mms.values())


def test_an_exploration_tells_how_far_it_is_and_can_be_cut_off():
    told = []
    space = explore(Bounds(4, 3), progress=lambda now: told.append((now.states, now.depth)))
    assert told == sorted(told)
    assert told[-1] == (space.states, space.depth)
    short = explore(Bounds(4, 3), max_states=100)
    assert not short.closed
    assert 100 < short.states < space.states


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_closes_a_small_scope(dialect):
    space = explore(Bounds(3, 2, 1, 1), dialect)
    assert space.closed
    assert space.dialect == dialect


def test_bounds_are_written_as_they_are_given():
    assert str(Bounds(5, 3, 1)) == "(5,3,1,0)"


def test_references_of_one_mm_are_alike():
    world = Kernel("6.11")
    words = [format_program([op]).split("(")[0] for op in operations(world, Bounds(2, 2, 2))]
    assert words.count("hold") == 1
    assert "put" not in words
