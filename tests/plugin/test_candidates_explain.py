"""Drawn worlds and explained deviations, to the letter."""

import re
from random import Random

import pytest

from mmowner_reference import DIALECTS, Kernel, parse_program, random_program
from pytest_mmowner import open_candidate
from pytest_mmowner._draw import side_by_side, tree
from pytest_mmowner._explain import WIDTH, explain, observed_and_allowed
from pytest_mmowner._judge import judge_program


def drawn(text, dialect="6.11"):
    return "\n".join(tree(Kernel(dialect).run(parse_program(text.replace(";", "\n")))))


def test_a_world_with_everything_in_it():
    assert drawn("""
        cgroup(2)
        clone(1, 2, mm=2)
        clone(2, 3, THREAD)
        clone(2, 4, VM)
        clone(4, 5, VM)
        attach(4, cgroup=2)
        clone(1, 6, mm=3)
        trace(5, tracer=6)
        kthread(7)
        use_mm(7, mm=2)
        clone(1, 8, mm=4)
        hold(mm=4, ref=1)
        exit(8)
        exit(2)
    """) == (
        "1  init  mm 1*\n"
        "|- 2  zombie\n"
        "|  + 3  mm 2\n"
        "|  `- 4  mm 2*  cgroup 2\n"
        "|     `- 5  mm 2  traced by 6\n"
        "|- 6  mm 3*\n"
        "`- 8  zombie\n"
        "7  kthread  mm 2\n"
        "mm 4: no owner, 1 user (1 held)"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "dialect", "lines"),
    [
        ("", "6.11", "1  init  mm 1*"),
        ("", "none", "1  init  mm 1"),
        ("clone(1,2,mm=2); clone(2,3,VM); clone(2,4,THREAD)", "none",
         "1  init  mm 1\n`- 2  mm 2\n   + 4  mm 2\n   `- 3  mm 2"),
        ("clone(1,2,mm=2); clone(2,3,THREAD); clone(3,4,mm=3); exit(2)", "rfc-v4",
         "1  init  mm 1*\n`- 2  zombie  owns mm 2 without using it\n   + 3  mm 2\n   `- 4  mm 3*"),
        ("clone(1,2,mm=2); hold(mm=2,ref=1); exit(2); reap(2)", "rfc-v4",
         "1  init  mm 1*\nmm 2: owner 2 was released, 1 user (1 held)"),
        ("clone(1,2,mm=2); clone(1,3,mm=3); trace(3,tracer=2); clone(3,4,mm=4)", "rfc-v4",
         "1  init  mm 1*\n`- 2  mm 2*\n   `- 3  mm 3*  traced by 2\n      `- 4  mm 4*"),
        ("clone(1,2,mm=2); clone(2,3,mm=3); trace(3,tracer=2)", "6.11",
         "1  init  mm 1*\n`- 2  mm 2*\n   `- 3  mm 3*  traced by 2"),
        ("kthread(2); kthread(3)", "6.11", "1  init  mm 1*\n2  kthread\n3  kthread"),
        ("clone(1,2,VM); exec(1,mm=2); hold(mm=1,ref=1); exit(2)", "6.11",
         "1  init  mm 2*\n`- 2  zombie\nmm 1: no owner, 1 user (1 held)"),
        ("hold(mm=1,ref=1); hold(mm=1,ref=2); exec(1,mm=2)", "6.11",
         "1  init  mm 2*\nmm 1: no owner, 2 users (2 held)"),
        ("clone(1,2,THREAD); clone(2,3,mm=2); clone(1,4,mm=3)", "6.11",
         "1  init  mm 1*\n+ 2  mm 1\n|- 4  mm 3*\n`- 3  mm 2*"),
        pytest.param(
            "clone(1,2,THREAD)", "rfc-v4", "1  init  mm 1*\n+ 2  mm 1",
        ),
    ],
)  # fmt: skip
def test_small_worlds(text, dialect, lines):
    assert drawn(text, dialect) == lines


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_task_is_drawn_once_and_every_owner_has_its_star(dialect):
    for number in range(25):
        world = Kernel(dialect)
        for op in random_program(Random(number), 40, dialect):
            world.do(op)
            lines = tree(world)
            tasks = [line for line in lines if not line.startswith("mm ")]
            names = [int(re.search(r"\d+", line).group()) for line in tasks]
            assert sorted(names) == sorted(world.tasks)
            stars = {int(name) for line in tasks for name in re.findall(r"mm (\d+)\*", line)}
            assert stars == {
                mm for mm in world.mms
                if (owner := world.tasks.get(world.owner(mm))) and owner.mm is world.mms[mm]
            }  # fmt: skip


# -- next to each other ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "width", "lines"),
    [
        (["ab", "c"], ["x", "yz"], 80, ["ab    x", "c     yz"]),
        (["ab"], ["x", "yz"], 80, ["ab    x", "      yz"]),
        (["ab", "c"], ["x"], 80, ["ab    x", "c"]),
        (["ab"], ["xyz"], 9, ["ab    xyz"]),
        (["ab"], ["xyz"], 8, ["ab", "", "xyz"]),
        ([], ["x"], 80, ["    x"]),
        (["x"], [], 80, ["x"]),
        ([], [], 80, []),
    ],
)
def test_blocks_stand_side_by_side_if_there_is_room(left, right, width, lines):
    assert side_by_side(left, right, width) == lines


# -- explanations ------------------------------------------------------------------------


def deviation(spec, text, dialect="6.11"):
    candidate, _ = open_candidate(spec)
    program = parse_program(text.replace(";", "\n"))
    run = judge_program(candidate, program, dialect, candidate.info.asks)
    return program, run.deviations[0]


def test_an_explanation_to_the_letter():
    program, found = deviation("mutant:no-handoff", "clone(1,2,mm=2); clone(2,3,VM); exit(2)")
    assert explain("INV-07", "mutant:no-handoff", "6.11", program, found) == (
        "INV-07 [safety] The search finds somebody exactly if a user task still uses the mm.\n"
        "candidate mutant:no-handoff, dialect 6.11\n"
        "minimal program, 3 operations:\n"
        "    1  clone(1, 2, mm=2)\n"
        "    2  clone(2, 3, VM)\n"
        "    3  exit(2)\n"
        "after exit(2) (operation 3):\n"
        "  observed: owner(mm 2) is task 2\n"
        "  allowed are only: task 3\n"
        "  because INV-07: task 2 left mm 2; task 3 is the first user of mm 2 among the children of 2; "
        "kernel/exit.c mm_update_next_owner, third stage; 39af1765f1f6 (3.16) skips kernel threads; RFC v4 walks under RCU alone\n"
        "\n"
        "  before:           after, as it should be:\n"
        "  1  init  mm 1*    1  init  mm 1*\n"
        "  `- 2  mm 2*       |- 2  zombie\n"
        "     `- 3  mm 2     `- 3  mm 2*"
    )


def test_one_operation_is_singular_and_nobody_is_a_word():
    program, found = deviation("mutant:failed-clone-clears", "clone_fails(1, 2, VM, at=late)")
    text = explain("FORK-07", "m", "6.11", program, found)
    assert "\nminimal program, 1 operation:\n    1  clone_fails(1, 2, VM, at=late)\n" in text
    assert (
        "  observed: owner(mm 1) is nobody\n  allowed are only: task 1\n  because FORK-07: " in text
    )


def test_notes_and_the_missing_time_are_said():
    program, found = deviation("mutant:no-handoff", "clone(1,2,VM); exec(1,mm=2)")
    text = explain("EXEC-02", "m", "6.11", program, found, minimal=False, note="found by chance")
    lines = text.splitlines()
    assert lines[2] == "found by chance"
    assert lines[3] == "program, not fully minimized: the budget ran out, 2 operations:"


def test_a_rule_that_is_no_requirement_stands_for_itself():
    program, found = deviation("mutant:no-handoff", "clone(1,2,VM); exec(1,mm=2)")
    assert explain("MINE-01", "m", "6.11", program, found).splitlines()[0] == "MINE-01"


def test_several_allowed_owners_have_a_reason_each():
    # Threads of a dying group leave in any order: owners that come out are several.
    text = (
        "clone(1,2,mm=2); clone(2,3,THREAD); clone(2,4,THREAD); clone(3,5,VM); clone(4,6,VM);"
        "exit(2); exec(4,mm=3)"
    )
    program, found = deviation("mutant:exec-forgets", text)
    lines = observed_and_allowed(found)
    allowed = [line for line in lines if line.startswith("  allowed are only: ")]
    assert len(allowed) == 1
    values = allowed[0].partition(": ")[2].split(", ")
    reasons = [line for line in lines if "because" in line]
    assert len(reasons) == len(found.allowed)
    assert len(values) == len(set(values)) == len(found.allowed)
    for value, line in zip(values, reasons, strict=True):
        assert line.startswith(f"  {value} because " if len(values) > 1 else "  because ")


def test_a_refusal_is_explained_too():
    candidate, _ = open_candidate("mutant:nobody-found-panics")
    program = parse_program("hold(mm=1, ref=1)\nexec(1, mm=2)")
    (found,) = judge_program(candidate, program, "6.11", ["owner"]).deviations
    text = explain(found.rule, "m", "6.11", program, found)
    assert text.startswith("TASK-02 [safety] An operation that is legal is performed.")
    assert (
        "  observed: it was not performed: BUG_ON(nobody found) while <task 1> performs exec(1, mm=2)\n"
        in text
    )
    assert "  allowed are only: performed\n" in text


def test_wide_trees_stand_under_each_other():
    # A chain of twenty: each level of the tree needs three more columns.
    chain = "; ".join(f"clone({n}, {n + 1}, mm={n + 1})" for n in range(1, 21))
    text = f"{chain}; clone(21, 30, VM); exit(21)"
    program, found = deviation("mutant:no-handoff", text)
    lines = explain("INV-07", "m", "6.11", program, found).splitlines()
    before, after = lines.index("  before:"), lines.index("  after, as it should be:")
    assert before < after
    assert lines[after - 1] == ""
    assert all(len(line) <= WIDTH for line in lines[before:])


def test_the_tree_shows_the_worlds_around_the_deviation_not_the_last_one():
    text = "clone(1,2,VM); exec(1,mm=2); clone(1,9,mm=9)"
    program, found = deviation("mutant:no-handoff", text)
    assert found.step == 2
    assert "mm 9*" not in explain("EXEC-02", "m", "6.11", program, found)
