"""The mutants that need two CPUs at once really have the bug: each is driven into it, step by step.

The suite has no such control yet.  Beside each mutant stands its dialect, driven in the same
way, which comes out right.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from mmowner_reference import (
    DIALECTS,
    Attach,
    Charge,
    CloneFails,
    Kernel,
    KernelBug,
    drain,
    parse_program,
)
from pytest_mmowner.zoo import MUTANTS
from pytest_mmowner.zoo._bugs_since_2009 import MigratedBeforeListed
from pytest_mmowner.zoo._walks import SteppedReader

#: 2 owns mm 2; its children 3 and 4 share it.
TWO_CHILDREN = "clone(1,2,mm=2); clone(2,3,VM); clone(2,4,VM)"
#: 4 is a thread of the child 3; 5 is a younger child.
CHILD_WITH_THREAD = "clone(1,2,mm=2); clone(2,3,VM); clone(3,4,THREAD); clone(2,5,VM)"
#: 4 is no relative of 2: its parent 3 has another mm.
STRANGER = "clone(1,2,mm=2); clone(2,3,VM); clone(3,4,VM); exec(3,mm=3)"
#: Only a holder is left beside 2.
HOLDER = "clone(1,2,mm=2); hold(mm=2,ref=1)"


def ops(text):
    return parse_program(text.replace(";", "\n"))


def mutant(name, text):
    cls = MUTANTS[name]
    return cls.kernel(cls.dialect(), cls).run(ops(text))


def right(name, text):
    """The dialect of a mutant; its reader, which is none of the rules, in steps too."""
    return SteppedReader(DIALECTS[MUTANTS[name].base]).run(ops(text))


def names_of(step):
    return step.__name__


def until(steps, wanted):
    """Take all steps before *wanted*, and keep it for :func:`finish`."""
    for step in steps:
        if step == wanted:
            return step
        step()
    pytest.fail(f"the rule ended without {wanted}")


def leaving(kernel, task=2):
    """*task* has left its mm and looks for the next owner."""
    kernel.current = p = kernel.tasks[task]
    mm, p.mm = p.mm, None
    return mm, kernel.handoff(mm)


def leave(task):
    """What another CPU does to a task that leaves and owns nothing: all of exit_mm."""
    task.mm.users -= 1
    task.mm = None


def finish(step, steps):
    step()
    drain(steps)


def both(name, text):
    return [mutant(name, text), right(name, text)]


# -- a candidate leaves between its pick and its lock -------------------------------------


def lost_race(kernel, task=3):
    """The candidate *task* leaves just before it is locked; return the owner in the end."""
    mm, steps = leaving(kernel)
    step = until(steps, kernel.tasks[task].alloc_lock.lock)
    leave(kernel.tasks[task])
    finish(step, steps)
    return None if mm.owner is None else mm.owner.id


@dataclass(frozen=True)
class Lost:
    name: str
    program: str
    wrong: int | None
    right: int


@pytest.mark.parametrize(
    "case",
    [
        Lost("BUG-04-no-recheck", TWO_CHILDREN, 3, 4),
        Lost("locks-without-looking", TWO_CHILDREN, 3, 4),
        Lost("lost-candidate-is-nobody", TWO_CHILDREN, None, 4),
        Lost("retry-lost", TWO_CHILDREN, 2, 4),
        Lost("lost-candidate-skips-group", CHILD_WITH_THREAD, 5, 4),
    ],
    ids=lambda case: case.name,
)
def test_a_lost_race_ends_with_the_wrong_owner(case):
    wrong, fine = both(case.name, case.program)
    assert (lost_race(wrong), lost_race(fine)) == (case.wrong, case.right)


def test_a_candidate_that_is_not_locked_leaves_under_the_assignment():
    wrong, fine = both("assigns-without-lock", TWO_CHILDREN)
    mm, steps = leaving(wrong)
    taken = []
    for step in steps:
        taken.append(step)
        step()
    assert mm.owner.id == 3
    assert wrong.tasks[3].alloc_lock.lock not in taken
    _, steps = leaving(fine)
    until(steps, fine.tasks[3].alloc_lock.lock)


@pytest.mark.parametrize("lost", [1, 2])
def test_each_lost_race_costs_a_whole_walk(lost):
    def visits(kernel):
        _, steps = leaving(kernel)
        seen, left = [], 0
        for step in steps:
            if step.__name__ == "visit":
                seen.append(step.__self__.id)
            elif step.__name__ == "lock" and left < lost:
                leave(step.__self__ and kernel.tasks[seen[-1]])
                left += 1
            step()
        return seen

    text = "clone(1,2,mm=2); clone(2,3,VM); clone(2,4,VM); clone(2,5,VM)"
    wrong, fine = both("BUG-35-retry-from-the-start", text)
    assert visits(fine) == [3, 4, 5][: lost + 1]
    again = {1: [3, 3, 4], 2: [3, 3, 4, 3, 4, 5]}
    assert visits(wrong) == again[lost]


# -- what protects the lists and the candidate ---------------------------------------------


def held_at(kernel, wanted, text):
    """What is held just before the step *wanted* of the handoff from 2."""
    _, steps = leaving(kernel)
    until(steps, wanted(kernel))
    return [lock.label for lock in (kernel.tasklist_lock, kernel.rcu,
                                    *(t.alloc_lock for t in kernel.tasks.values())) if lock.held]  # fmt: skip


def visit_of_3(kernel):
    return kernel.tasks[3].visit


def lock_of_3(kernel):
    return kernel.tasks[3].alloc_lock.lock


@pytest.mark.parametrize(
    ("name", "where", "wrong", "fine"),
    [
        ("BUG-05-unprotected-walk", visit_of_3, [], ["rcu_read_lock"]),
        ("BUG-06-unlock-before-lock", lock_of_3, [], ["tasklist_lock"]),
        ("BUG-07-rcu-walk", visit_of_3, ["rcu_read_lock"], ["tasklist_lock"]),
        ("holds-own-lock-while-walking", visit_of_3,
         ["tasklist_lock", "alloc_lock of task 2"], ["tasklist_lock"]),
    ],
)  # fmt: skip
def test_the_wrong_locks_are_held(name, where, wrong, fine):
    mine, theirs = both(name, TWO_CHILDREN)
    assert held_at(mine, where, TWO_CHILDREN) == wrong
    assert held_at(theirs, where, TWO_CHILDREN) == fine


def test_the_third_stage_walks_without_a_lock():
    wrong, fine = both("third-stage-unlocked", STRANGER)
    assert held_at(wrong, lambda kernel: kernel.tasks[4].visit, STRANGER) == []
    assert held_at(fine, lambda kernel: kernel.tasks[4].visit, STRANGER) == ["tasklist_lock"]


def test_mmap_sem_is_taken_under_tasklist_lock():
    for kernel, wrong in zip(
        both("BUG-17-sleeps-under-tasklist-lock", TWO_CHILDREN), (True, False), strict=True
    ):
        mm, steps = leaving(kernel)
        until(steps, mm.mmap_lock.write_lock)
        assert kernel.tasklist_lock.held == wrong


def test_two_tasks_leave_at_once_and_one_is_elected_after_it_asked():
    """3 asks before it leaves, is elected by 2, and leaves: nobody will hand over again."""
    results = []
    for kernel in both("asks-before-leaving", TWO_CHILDREN):
        kernel.current = second = kernel.tasks[3]
        mm = second.mm
        leaves = kernel.exit_mm(second)
        step = next(leaves)  # the question, or in the right kernel the first lock
        kernel.current = kernel.tasks[2]
        due, kernel.due = getattr(kernel, "due", None), True
        drain(Kernel.exit_mm(kernel, kernel.tasks[2]))
        assert mm.owner is second
        kernel.current, kernel.due = second, due
        finish(step, leaves)
        results.append(mm.owner.id)
    assert results == [3, 4]


# -- readers --------------------------------------------------------------------------------


def charge_while(kernel, change, task):
    steps = kernel.charge_in_steps(Charge(task, 5))
    step = until(steps, kernel.tasks[2].visit)
    change(kernel)
    finish(step, steps)


def test_a_reader_outside_rcu_follows_a_freed_owner():
    def exits_and_is_reaped(kernel):
        for op in ops("exit(2); reap(2)"):
            kernel.do(op) if not kernel.rcu.held else kernel.perform(op)

    wrong, fine = both("BUG-21-reader-outside-rcu", TWO_CHILDREN)
    charge_while(wrong, exits_and_is_reaped, 3)
    charge_while(fine, exits_and_is_reaped, 3)
    assert (wrong.bill(), fine.bill()) == ({"freed": 5}, {"1": 5})


def test_an_owner_that_is_loaded_twice_is_nobody_the_second_time():
    text = HOLDER + "; kthread(3); use_mm(3,mm=2)"

    def exits(kernel):
        kernel.perform(ops("exit(2)")[0])

    wrong, fine = both("reader-loads-owner-twice", text)
    with pytest.raises(KernelBug, match="after it was tested"):
        charge_while(wrong, exits, 3)
    charge_while(fine, exits, 3)
    assert fine.bill() == {"1": 5}


def test_a_child_that_never_lived_is_freed_under_a_readers_eyes():
    name = "BUG-30b-failed-child-freed-at-once"
    wrong, fine = both(name, "clone(1,2,mm=2)")
    for kernel in (wrong, fine):
        kernel.rcu.read_lock()
        kernel.perform(CloneFails(2, 3, (), 3, "late", 1))
    assert wrong.freed_too_early == [3]
    assert 3 not in wrong.released
    assert 3 in fine.released


def test_an_mm_is_migrated_before_it_is_on_a_list():
    kernel = mutant(MigratedBeforeListed.name, "cgroup(2,parent=1)")
    clone = ops("clone(1,2,mm=2)")[0]
    kernel.begin(clone)
    steps = kernel.clone_in_steps(clone)
    step = next(steps)
    kernel.perform(Attach(2, 2))
    with pytest.raises(KernelBug, match="list_add of an mm that is on a list"):
        finish(step, steps)


def test_every_mutant_that_needs_two_cpus_is_driven_here():
    text = Path(__file__).read_text("utf-8")
    for name, cls in MUTANTS.items():
        if cls.kind == "interleaving":
            assert f'"{name}"' in text or cls.__name__ in text, name
