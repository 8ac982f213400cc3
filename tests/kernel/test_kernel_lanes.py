"""Schedules as lanes: which events are shown, who is in which column, and what is left out."""

from contextlib import closing

import pytest
from owner_making import kernel
from owner_wrong import WRONG

from pytest_mmowner import Scene
from pytest_mmowner._lanes import LOOP, MOST, WORDS, lanes
from pytest_mmowner._schedules import explore, lanes_of

SCENE = Scene("s", "a scene", "clone(1, 2, mm=2)", ("exit(2)", "touch(2)", "exit(3)"))
PLACES = {"0x1": "f() (kernel/exit.c:1)", "0x2": "exit_task() (world/death.c:2)"}


def shown(*events, end="the end"):
    """The lines of *events*: who, how, where, and an address."""
    full = [(who, how, 2, where, address) for who, how, where, address in events]
    return lanes(
        SCENE, full, lambda addresses: {one: PLACES[one] for one in addresses if one in PLACES}, end
    )


def test_a_column_for_each_operation_and_time_downwards():
    assert shown((0, "L", "tasklist_lock", "0x1"), (2, "w", "mm 2's owner", "0x1"), (0, "U", "tasklist_lock", "0x9")) == [
        "A: exit(2)   B: touch(2)   C: exit(3)",
        "  A | |  locks tasklist_lock    f() (kernel/exit.c:1)",
        "> | | C  writes mm 2's owner    f() (kernel/exit.c:1)",
        "> A | |  unlocks tasklist_lock  0x9",
        "=> the end",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("how", "where", "address", "is_shown"),
    [
        ("r", "task 2's flags", "0x1", True),  # of the candidate, anything
        ("w", "task 2's flags", "0x2", False),
        ("r", "task 2's mm", "0x2", True),
        ("r", "mm 2's owner", "0x2", True),
        ("w", "mm 2's mm_users", "0x2", True),
        ("L", "task 2's alloc_lock", "0x2", True),
        ("s", "RCU", "0x2", True),
        ("u", "RCU", "0x2", True),
        ("f", "task 2's state", "0x2", True),
        ("r", "task 2's flags", "0x3", True),  # of nobody knows whom
    ],
)
def test_which_events_are_shown(how, where, address, is_shown):
    first, *rows, _ = shown((1, how, where, address))
    assert bool(rows) == is_shown
    assert first == "A: exit(2)   B: touch(2)   C: exit(3)"


def test_who_is_freed_is_an_object_and_no_field():
    assert (
        shown((0, "f", "task 5's state", "0x2"))[1]
        == "  A | |  frees task 5  exit_task() (world/death.c:2)"
    )
    assert shown((0, "r", "task 5's mm", "0x2"))[1].startswith("  A | |  reads task 5's mm")


def test_each_letter_of_the_c_world_has_a_word():
    assert set(WORDS) == set("rsuwLUf")


def test_a_loop_is_told_once():
    turn = [(0, "r", f"task {n}'s children", "0x1") for n in range(3)]
    assert len(shown(*turn * 5)) == 2 + 3
    # Somebody else in between makes it news.
    assert len(shown(*turn, (1, "L", "tasklist_lock", "0x1"), *turn)) == 2 + 7
    # What came long before is no loop any more.
    long = [(0, "r", f"task {n}'s children", "0x1") for n in range(LOOP + 2)]
    assert len(shown(*long, long[0])) == 2 + LOOP + 3


def test_of_a_long_schedule_the_middle_is_left_out():
    events = [(n % 2, "w", f"mm {n}'s owner", "0x1") for n in range(MOST + 25)]
    lines = shown(*events)
    assert len(lines) == MOST + 3
    assert lines[1 + MOST // 3] == "... 25 events ..."
    assert "mm 0's owner" in lines[1]
    assert f"mm {MOST + 24}'s owner" in lines[-2]
    assert not any("... " in line for line in shown(*events[:MOST]))


def test_nothing_happened():
    assert shown() == ["A: exit(2)   B: touch(2)   C: exit(3)", "=> the end"]


def test_the_lanes_of_a_finding_end_where_it_went_wrong(tmp_path):
    wrong = WRONG["late-look"]
    with closing(kernel(tmp_path, wrong.tree, *wrong.edits)) as candidate:
        _, found = explore(candidate, wrong.shown_in)
        (one,) = [one for one in found if one.kind == "use-after-free"]
        lines = lanes_of(candidate, one)
        *_, freed, last, end = lines
        assert "frees task 3" in "".join(lines)
        assert lines[0] == "A: exit(2)   B: exit(3)   C: reap(3)"
        assert end == f"=> {one.line()}"
        # The access itself is where it goes wrong: it is told, and not made.
        assert "task 3" in freed + last
        assert sum(line.startswith(">") for line in lines) >= one.preemptions
