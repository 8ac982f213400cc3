"""Where the kernel defines no order, every order is allowed: an exec of a group of threads."""

from random import Random

import pytest

from mmowner_reference import (
    DIALECTS,
    Exec,
    IllegalOperation,
    Kernel,
    Scope,
    TooManyOutcomes,
    copy_kernel,
    outcomes,
    parse_program,
    random_program,
    state_key,
)

#: 2 owns mm 2 and execs; its threads 3 and 4 have one child each, 5 and 6, that share the mm.
TWO_FAMILIES = """
    clone(1, 2, mm=2)
    clone(2, 3, THREAD)
    clone(2, 4, THREAD)
    clone(3, 5, VM)
    clone(4, 6, VM)
"""


def worlds(dialect, text, op):
    kernel = Kernel(dialect).run(parse_program(text))
    return outcomes(kernel, parse_program(op)[0])


def owners(dialect, text, op, mm=2):
    return sorted({world.owner(mm) for world in worlds(dialect, text, op)})


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("text", "op"), [
    ("clone(1,2,mm=2)", "exit(2)"),
    ("clone(1,2,mm=2)", "exec(2,mm=3)"),
    ("clone(1,2,mm=2)\nclone(2,3,THREAD)", "exec(2,mm=3)"),
    ("clone(1,2,mm=2)\nclone(2,3,THREAD)", "exec(3,mm=3)"),
])  # fmt: skip
def test_what_the_kernel_orders_has_one_outcome_and_it_is_this_world(dialect, text, op):
    kernel = Kernel(dialect).run(parse_program(text))
    assert outcomes(kernel, parse_program(op)[0]) == [kernel]


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
def test_the_order_in_which_threads_die_can_decide_the_owner(dialect):
    assert owners(dialect, TWO_FAMILIES, "exec(2, mm=3)") == [5, 6]


def test_the_rfcs_exec_hands_nothing_over_in_any_order():
    assert owners("rfc-v4", TWO_FAMILIES, "exec(2, mm=3)") == [2]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_outcomes_are_different_worlds(dialect):
    found = worlds(dialect, TWO_FAMILIES, "exec(2, mm=3)")
    keys = [state_key(world) for world in found]
    assert len(set(keys)) == len(keys) > 1


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("task", [2, 3])
def test_threads_without_children_leave_one_world(dialect, task):
    text = "clone(1,2,mm=2)\nclone(2,3,THREAD)\nclone(2,4,THREAD)\nclone(2,5,THREAD)\nexit(2)"
    assert len(worlds(dialect, text, f"exec({max(task, 3)}, mm=3)")) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_one_order_does_is_among_the_outcomes(dialect):
    plain = Kernel(dialect).run(parse_program(TWO_FAMILIES + "exec(2, mm=3)"))
    keys = {state_key(world) for world in worlds(dialect, TWO_FAMILIES, "exec(2, mm=3)")}
    assert state_key(plain) in keys


@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_orphans_end_with_the_task_that_execs(dialect):
    text = (
        "clone(1,2,mm=2)\nclone(2,3,THREAD)\nclone(2,4,THREAD)\nclone(2,5,THREAD)\nclone(3,6,mm=3)"
    )
    found = worlds(dialect, text, "exec(2, mm=4)")
    assert {world.tasks[6].real_parent.id for world in found} == {2}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_order_in_which_threads_die_decides_the_order_of_their_orphans(dialect):
    found = worlds(dialect, TWO_FAMILIES, "exec(2, mm=3)")
    assert {tuple(task.id for task in world.tasks[2].children) for world in found} == {
        (5, 6), (6, 5),
    }  # fmt: skip


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
def test_an_owner_that_dies_in_an_exec_hands_over_to_its_child_in_every_order(dialect):
    text = "clone(1,2,mm=2)\nclone(2,3,THREAD)\nclone(2,4,THREAD)\nclone(2,5,VM)"
    assert owners(dialect, text, "exec(4, mm=3)") == [5]


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
def test_a_handoff_among_dying_threads_knows_its_reason(dialect):
    text = TWO_FAMILIES + "clone(2, 7, THREAD)"
    for world in worlds(dialect, text, "exec(7, mm=3)"):
        assert world.reasons[2].rule in {"EXEC-02", "EXEC-04"}
        assert world.left_mm == 2


def orders(left):
    """Every order of what is left to do: how often, by thread."""
    if not any(left.values()):
        yield ()
    for name, count in left.items():
        if count:
            yield from ((name, *rest) for rest in orders({**left, name: count - 1}))


def in_order(kernel, op, order):
    """The world after *op* when the other threads take the parts of their exits in this order."""
    world = copy_kernel(kernel)
    world.begin(op)
    for number, name in enumerate(order):
        world.exit_part(world.tasks[name], order[:number].count(name))
    world.exec(op)
    return world


THREADED = Scope(
    tasks=7, mms=3, cgroups=1,
    ops=frozenset({"clone", "exit", "exec", "reap", "hold", "trace", "cgroup", "attach",
                   "subsystem"}),
    flags=((), ("VM",), ("THREAD",), ("THREAD",), ("THREAD",), ("VM", "PARENT"), ("VM", "VFORK")),
)  # fmt: skip


@pytest.mark.costly
def test_the_outcomes_are_those_of_all_orders_one_by_one(dialect):
    compared = 0
    for seed in range(400):
        kernel = Kernel(dialect)
        for op in random_program(Random(seed), 14, dialect, THREADED):
            if isinstance(op, Exec):
                task = kernel.tasks[op.task]
                others = {thread.id: 3 for thread in task.group.live() if thread is not task}
                if len(others) == 2:
                    all_orders = {state_key(in_order(kernel, op, o)) for o in orders(others)}
                    found = {state_key(world) for world in outcomes(copy_kernel(kernel), op)}
                    assert found == all_orders, (seed, op)
                    compared += 1
            kernel.do(op)
    assert compared > 10


def test_the_world_before_is_left_alone():
    kernel = Kernel("6.11").run(parse_program(TWO_FAMILIES))
    key = state_key(kernel)
    outcomes(kernel, parse_program("exec(2, mm=3)")[0])
    assert state_key(kernel) == key


def test_an_illegal_exec_has_no_outcome():
    kernel = Kernel("6.11").run(parse_program(TWO_FAMILIES))
    with pytest.raises(IllegalOperation):
        outcomes(kernel, parse_program("exec(2, mm=2)")[0])


def test_too_many_orders_are_an_error_and_not_a_guess(monkeypatch):
    monkeypatch.setattr("mmowner_reference._outcomes.LIMIT", 2)
    with pytest.raises(TooManyOutcomes, match=r"exec\(2, mm=3\): more than 2 orders of 2 exits"):
        worlds("6.11", TWO_FAMILIES, "exec(2, mm=3)")
