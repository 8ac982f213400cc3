"""Walks in large worlds: legal wherever they stand, and with the kernel's answers."""

from random import Random

import pytest

from mmowner_reference import Kernel, Large, Lockstep, expected

ASKS = ("owner", "users", "state", "bill")


def walk(seed, dialect="6.11", large=None, length=250):
    return Lockstep(Random(seed), dialect, large).steps(length, ASKS)


@pytest.mark.costly
@pytest.mark.parametrize("seed", range(2))
def test_what_is_right_is_what_the_kernel_answers(seed, dialect):
    steps, right = walk(seed, dialect)
    world = Kernel(dialect)
    for step, (answers,) in zip(steps, right, strict=True):
        world.do(step.op)  # it raises what is illegal
        assert answers == {question: expected(world, question) for question in step.questions}
        assert {question.name for question in step.questions if question.ask == "owner"} == set(
            world.mms
        )


def test_a_walk_is_as_long_as_was_asked_and_grows_a_large_world():
    words, most = set(), 0
    for seed in range(5):
        steps, right = walk(seed)
        assert len(steps) == len(right) == 250
        words |= {step.op.word for step in steps}
        world = Kernel("6.11")
        for step in steps:
            world.do(step.op)
            users = [task for task in world.tasks.values() if not task.kthread]
            assert len(users) <= 30
            assert len(world.mms) <= 8
            assert len(world.refs) <= 3
            most = max(most, len(users))
    assert words == {
        "clone", "exit", "exec", "reap", "hold", "put", "kthread", "use_mm", "unuse_mm",
    }  # fmt: skip
    assert most > 25


def test_what_is_left_out_does_not_occur():
    large = Large(without=frozenset({"exec", "hold", "put", "use_mm", "unuse_mm", "clone:PARENT"}))
    for seed in range(3):
        for step in walk(seed, large=large)[0]:
            assert step.op.word in {"clone", "exit", "reap"}
            assert "PARENT" not in getattr(step.op, "flags", ())


def test_the_seed_decides():
    assert walk(1) == walk(1) != walk(2)


def test_an_exec_never_leaves_an_order_open():
    """Where several other threads die, more than one answer is right: others try that."""
    for seed in range(5):
        world = Kernel("6.11")
        for step in walk(seed)[0]:
            if step.op.word == "exec":
                assert len(list(world.tasks[step.op.task].group.live())) <= 2
            world.do(step.op)


def test_a_step_costs_the_same_in_a_large_world():
    """In lines that are executed: no walk over all tasks hides in an operation."""
    import sys

    def lines(tasks):
        made = Lockstep(Random(0), "6.11", Large(tasks=tasks, mms=tasks // 4))
        made.steps(4 * tasks, ())
        count = 0

        def trace(frame, event, arg):
            nonlocal count
            if "_index.py" in frame.f_code.co_filename:
                count += event == "line"
                return trace
            return None

        old = sys.gettrace()
        sys.settrace(trace)
        try:
            made.steps(1, ())
            made.steps(300, ())
        finally:
            sys.settrace(old)
        return count

    assert lines(400) < 2 * lines(40)
