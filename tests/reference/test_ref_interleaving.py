"""What no program can show: locks, lost races and retries, with the rules driven step by step.

A rule yields each step before it is taken (see ``_locks.py``), so a test stops between the
pick of a candidate and its lock, changes the world as another CPU would, and goes on.
"""

from dataclasses import replace

import pytest

from mmowner_reference import (
    DIALECTS,
    Dialect,
    Exec,
    Kernel,
    KernelBug,
    LockError,
    NoRules,
    drain,
    parse_program,
)

OWNED = ["rfc-v4", "6.1", "6.11"]
RETRYING = ["rfc-v4", "6.1"]
LOCKED = ["6.1", "6.11"]

#: 2 owns mm 2; 3 and 4 are its children and share it.
TWO_CHILDREN = "clone(1,2,mm=2); clone(2,3,VM); clone(2,4,VM)"
#: 3 is the only child, 4 its thread.
CHILD_WITH_THREAD = "clone(1,2,mm=2); clone(2,3,VM); clone(3,4,THREAD)"
#: Nobody but a holder; 3 and 4 use other mms.
HOLDER = "clone(1,2,mm=2); clone(1,3,mm=3); clone(1,4,mm=4); hold(mm=2,ref=1)"


def run(dialect, text):
    return Kernel(dialect).run(parse_program(text.replace(";", "\n")))


def leaving(dialect, text, task=2):
    """The world in which *task* has left its mm and is about to look for the next owner."""
    kernel = run(dialect, text)
    kernel.current = p = kernel.tasks[task]
    mm = p.mm
    p.mm = None
    return kernel, mm, kernel.rules.mm_update_next_owner(mm)


def until(steps, wanted):
    """Take all steps before *wanted* and return it, not taken."""
    for step in steps:
        if step == wanted:
            return step
        step()
    pytest.fail(f"the rule ended without {wanted}")


def name(step):
    return f"{step.__name__} {step.__self__.id}" if step.__name__ == "visit" else step.__name__


def take_all(steps):
    """Take the steps that are left and return their names."""
    names = []
    for step in steps:
        names.append(name(step))
        step()
    return names


def visits(names):
    return [int(step.split()[1]) for step in names if step.startswith("visit")]


def leave(task):
    """What another CPU does to *task* between two steps: exit_mm, all of it but the handoff."""
    task.mm.users -= 1
    task.mm = None


def held(kernel):
    """Everything that is held in the world, by name."""
    locks = [kernel.tasklist_lock, *(t.alloc_lock for t in kernel.tasks.values()),
             *(mm.mmap_lock for mm in kernel.mms.values())]  # fmt: skip
    return [lock.label for lock in locks if lock.held] + ["rcu"] * kernel.rcu.depth


# -- locks --------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", LOCKED)
@pytest.mark.parametrize("program", [TWO_CHILDREN, CHILD_WITH_THREAD, HOLDER])
def test_the_walk_holds_tasklist_lock_and_no_rcu(dialect, program):
    kernel, _, steps = leaving(dialect, program)
    for step in steps:
        if step.__name__ == "visit":
            assert held(kernel) == ["tasklist_lock"]
        step()


@pytest.mark.parametrize("program", [TWO_CHILDREN, CHILD_WITH_THREAD, HOLDER])
def test_the_rfcs_walk_holds_rcu_and_no_lock(program):
    kernel, _, steps = leaving("rfc-v4", program)
    for step in steps:
        if step.__name__ == "visit":
            assert held(kernel) == ["rcu"]
        step()


def test_the_rfc_drops_rcu_before_it_locks_the_candidate():
    kernel, _, steps = leaving("rfc-v4", TWO_CHILDREN)
    until(steps, kernel.tasks[3].alloc_lock.lock)
    assert held(kernel) == []


@pytest.mark.parametrize("dialect", LOCKED)
def test_tasklist_lock_is_held_until_the_candidate_is_locked(dialect):
    kernel, _, steps = leaving(dialect, TWO_CHILDREN)
    until(steps, kernel.tasks[3].alloc_lock.lock)()
    assert held(kernel) == ["tasklist_lock", "alloc_lock of task 3"]


#: The whole handoff from 2 to its first child, step by step.
STEPS = [
    ("rfc-v4", ["read_lock", "visit 3", "read_unlock", "lock", "unlock"]),
    ("6.1", ["read_lock", "visit 3", "lock", "read_unlock", "unlock"]),
    ("6.11", ["read_lock", "visit 3", "lock", "read_unlock", "unlock"]),
]


@pytest.mark.parametrize(("dialect", "expected"), STEPS)
def test_the_handoff_takes_these_steps(dialect, expected):
    _, _, steps = leaving(dialect, TWO_CHILDREN)
    assert take_all(steps) == expected


@pytest.mark.parametrize("dialect", OWNED)
def test_the_owner_is_assigned_under_the_alloc_lock_of_the_new_one_alone(dialect):
    kernel, mm, steps = leaving(dialect, TWO_CHILDREN)
    until(steps, kernel.tasks[3].alloc_lock.unlock)
    assert (mm.owner.id, held(kernel)) == (3, ["alloc_lock of task 3"])


def test_hooks_run_with_the_alloc_lock_of_the_new_owner_and_not_of_the_old():
    kernel, _, steps = leaving("rfc-v4", f"subsystem(a); {TWO_CHILDREN}")
    seen = []
    kernel.owner_callbacks = lambda mm, old, new: seen.append((old.id, new.id, held(kernel)))
    drain(steps)
    assert seen == [(2, 3, ["alloc_lock of task 3"])]


@pytest.mark.parametrize("dialect", OWNED)
@pytest.mark.parametrize(("program", "task"), [
    (TWO_CHILDREN, 2), (TWO_CHILDREN, 3), (CHILD_WITH_THREAD, 2), (HOLDER, 2),
    ("clone(1,2,mm=2)", 2), ("clone(1,2,mm=2); clone(2,3,THREAD)", 2),
])  # fmt: skip
def test_no_lock_is_left_held_after_a_handoff(dialect, program, task):
    kernel, _, steps = leaving(dialect, program, task)
    drain(steps)
    assert held(kernel) == []


@pytest.mark.parametrize("dialect", OWNED)
@pytest.mark.parametrize("op", ["exit(2)", "exec(2,mm=9)", "exit(3)", "exec(3,mm=9)"])
@pytest.mark.parametrize("program", [TWO_CHILDREN, CHILD_WITH_THREAD, HOLDER])
def test_no_lock_is_left_held_after_an_operation(dialect, op, program):
    assert held(run(dialect, f"{program}; {op}")) == []


@pytest.mark.parametrize("dialect", OWNED)
@pytest.mark.parametrize(("program", "task"), [(TWO_CHILDREN, 3), ("clone(1,2,mm=2)", 2)])
def test_neither_a_sharer_nor_a_last_user_takes_any_lock(dialect, program, task):
    _, _, steps = leaving(dialect, program, task)
    assert take_all(steps) == []


@pytest.mark.parametrize("dialect", LOCKED)
def test_a_rule_that_meets_a_held_lock_deadlocks(dialect):
    kernel, _, steps = leaving(dialect, TWO_CHILDREN)
    kernel.tasks[3].alloc_lock.lock()
    with pytest.raises(LockError, match="self-deadlock: alloc_lock of task 3"):
        drain(steps)


# -- the order of leaving ----------------------------------------------------------------


@pytest.mark.parametrize("dialect", OWNED)
def test_an_exiting_task_leaves_its_mm_under_its_own_lock(dialect):
    kernel = run(dialect, TWO_CHILDREN)
    task = kernel.current = kernel.tasks[2]
    steps = kernel.exit_mm(task)
    until(steps, task.alloc_lock.lock)()
    assert task.mm is not None
    assert next(steps) == task.alloc_lock.unlock
    assert task.mm is None


@pytest.mark.parametrize("dialect", OWNED)
def test_an_exiting_task_drops_its_reference_after_the_handoff(dialect):
    kernel = run(dialect, TWO_CHILDREN)
    kernel.current = kernel.tasks[2]
    mm = kernel.mms[2]
    steps = kernel.exit_mm(kernel.tasks[2])
    until(steps, kernel.tasks[3].alloc_lock.unlock)()
    assert mm.users == 3
    assert take_all(steps) == []
    assert mm.users == 2


@pytest.mark.parametrize("dialect", OWNED)
def test_an_exiting_task_holds_no_mmap_lock_during_the_handoff(dialect):
    kernel = run(dialect, TWO_CHILDREN)
    kernel.current = kernel.tasks[2]
    until(kernel.exit_mm(kernel.tasks[2]), kernel.tasks[3].visit)
    assert not kernel.mms[2].mmap_lock.held


def test_a_task_without_an_mm_leaves_nothing():
    kernel = run("6.11", "kthread(2)")
    assert take_all(kernel.exit_mm(kernel.tasks[2])) == []


def mmap_lock_during_execs_handoff(dialect):
    kernel = run(dialect, TWO_CHILDREN)
    task = kernel.current = kernel.tasks[2]
    steps = kernel.exec_mmap(task, kernel.make_mm(9))
    until(steps, kernel.tasks[3].visit)
    return kernel.mms[2].mmap_lock.readers


@pytest.mark.parametrize("dialect", LOCKED)
def test_exec_hands_over_after_mmap_lock_was_dropped(dialect):
    assert mmap_lock_during_execs_handoff(dialect) == 0


def test_exec_handed_over_with_mmap_sem_held_in_2_6_26():
    dialect = replace(DIALECTS["rfc-v4"], name="2.6.26", exec_call="old, mmap_sem held")
    assert mmap_lock_during_execs_handoff(dialect) == 1


def test_the_exec_of_2_6_26_hands_the_old_mm_over():
    dialect = replace(DIALECTS["rfc-v4"], name="2.6.26", exec_call="old, mmap_sem held")
    kernel = run(dialect, f"{TWO_CHILDREN}; exec(2,mm=9)")
    assert (kernel.owner(2), kernel.owner(9), held(kernel)) == (3, 2, [])


@pytest.mark.parametrize("exec_call", ["new, mmap_sem held", "old, mmap_sem held", "old"])
def test_a_first_exec_has_no_old_mm_to_hand_over(exec_call):
    dialect = replace(DIALECTS["rfc-v4"], exec_call=exec_call)
    kernel = run(dialect, "kthread(2); exec(2,mm=2)")
    assert (kernel.owner(2), kernel.left_mm) == (2, 0)


# -- BUG_ON(c == p) ----------------------------------------------------------------------


def test_a_handoff_before_the_mm_is_left_hits_bug_on_up_to_6_10():
    kernel = run("6.1", HOLDER)
    kernel.current = kernel.tasks[2]
    with pytest.raises(KernelBug, match=r"BUG_ON\(c == p\) while <task 2>"):
        drain(kernel.rules.mm_update_next_owner(kernel.mms[2]))


def test_a_handoff_before_the_mm_is_left_elects_the_leaver_from_6_11():
    kernel = run("6.11", HOLDER)
    kernel.current = kernel.tasks[2]
    drain(kernel.rules.mm_update_next_owner(kernel.mms[2]))
    assert kernel.owner(2) == 2


def test_the_rfcs_exec_panics_when_somebody_takes_the_new_mm_in_time():
    kernel = run("rfc-v4", "clone(1,2,mm=2)")
    task = kernel.current = kernel.tasks[2]
    kernel.op = Exec(2, 3)
    new = kernel.make_mm(3)
    kernel.rules.mm_init_owner(new, task)
    steps = kernel.exec_mmap(task, new)
    until(steps, task.alloc_lock.unlock)()
    new.users += 1  # a reader of /proc
    with pytest.raises(KernelBug, match=r"performs exec\(2, mm=3\)"):
        drain(steps)


# -- lost races --------------------------------------------------------------------------


def lose(dialect, program, lost=3):
    """Let *lost* leave after it was picked; return what the handoff does from then on."""
    kernel, mm, steps = leaving(dialect, program)
    step = until(steps, kernel.tasks[lost].alloc_lock.lock)
    leave(kernel.tasks[lost])
    step()
    return kernel, mm, take_all(steps)


@pytest.mark.parametrize("dialect", OWNED)
def test_a_candidate_that_has_left_is_not_elected(dialect):
    kernel, mm, _ = lose(dialect, TWO_CHILDREN)
    assert (mm.owner.id, held(kernel)) == (4, [])


@pytest.mark.parametrize("dialect", RETRYING)
def test_a_lost_race_restarts_the_search_up_to_6_10(dialect):
    _, _, steps = lose(dialect, TWO_CHILDREN)
    assert visits(steps) == [3, 4]


def test_a_lost_race_goes_on_with_the_next_entry_from_6_11():
    _, _, steps = lose("6.11", TWO_CHILDREN)
    assert visits(steps) == [4]


def test_a_lost_race_goes_on_with_the_next_thread_from_6_11():
    _, mm, steps = lose("6.11", CHILD_WITH_THREAD)
    assert (steps, mm.owner.id) == (["unlock", "visit 4", "lock", "read_unlock", "unlock"], 4)


def test_a_lost_race_finds_the_thread_of_a_dead_leader_in_the_third_stage_of_6_1():
    _, mm, steps = lose("6.1", CHILD_WITH_THREAD)
    assert mm.owner.id == 4
    assert visits(steps) == [3, 2, 1, 2, 3, 4]  # children, siblings, and all processes


@pytest.mark.parametrize("dialect", RETRYING)
def test_the_retry_takes_the_walks_lock_again(dialect):
    _, _, steps = lose(dialect, TWO_CHILDREN)
    assert steps.count("read_lock") == 1


def test_6_11_never_drops_tasklist_lock_on_a_lost_race():
    _, _, steps = lose("6.11", TWO_CHILDREN)
    assert (steps.count("read_lock"), steps.count("read_unlock")) == (0, 1)


@pytest.mark.parametrize(("dialect", "owner"), [("6.1", None), ("6.11", None)])
def test_nobody_is_found_when_the_only_candidate_has_left(dialect, owner):
    kernel, mm, _ = lose(dialect, "clone(1,2,mm=2); clone(2,3,VM); hold(mm=2,ref=1)")
    assert (mm.owner, held(kernel)) == (owner, [])


def test_the_rfc_keeps_the_owner_when_the_only_candidate_has_left():
    _, mm, _ = lose("rfc-v4", "clone(1,2,mm=2); clone(2,3,VM); hold(mm=2,ref=1)")
    assert mm.owner.id == 2


@pytest.mark.parametrize("dialect", RETRYING)
def test_the_retry_begins_with_the_question_whether_a_search_is_due(dialect):
    kernel, mm, steps = lose(dialect, "clone(1,2,mm=2); clone(2,3,VM)")
    assert (mm.users, visits(steps)) == (1, [])
    assert kernel.owner(2) == (2 if dialect == "rfc-v4" else None)


@pytest.mark.parametrize("dialect", RETRYING)
def test_each_lost_race_costs_a_whole_walk_up_to_6_10(dialect):
    kernel, mm, steps = leaving(dialect, f"{TWO_CHILDREN}; clone(2,5,VM)")
    seen = []
    for step in steps:
        seen.append(name(step))
        if step.__name__ == "lock" and step.__self__ is not kernel.tasks[5].alloc_lock:
            task = next(t for t in kernel.tasks.values() if t.alloc_lock is step.__self__)
            leave(task)
        step()
    assert (visits(seen), mm.owner.id) == ([3, 3, 4, 3, 4, 5], 5)


def test_lost_races_visit_each_entry_once_from_6_11():
    kernel, mm, steps = leaving("6.11", f"{TWO_CHILDREN}; clone(2,5,VM)")
    seen = []
    for step in steps:
        seen.append(name(step))
        if step.__name__ == "lock" and step.__self__ is not kernel.tasks[5].alloc_lock:
            task = next(t for t in kernel.tasks.values() if t.alloc_lock is step.__self__)
            leave(task)
        step()
    assert (visits(seen), mm.owner.id) == ([3, 4, 5], 5)


@pytest.mark.parametrize("dialect", OWNED)
def test_a_whole_exit_between_pick_and_lock_leaves_a_live_owner(dialect):
    kernel, mm, steps = leaving(dialect, TWO_CHILDREN)
    step = until(steps, kernel.tasks[3].alloc_lock.lock)
    drain(kernel.exit_mm(kernel.tasks[3]))
    kernel.current = kernel.tasks[2]
    step()
    drain(steps)
    assert (mm.owner.id, mm.users) == (4, 2)


@pytest.mark.parametrize("dialect", LOCKED)
def test_a_whole_exec_between_pick_and_lock_leaves_a_live_owner(dialect):
    kernel, mm, steps = leaving(dialect, TWO_CHILDREN)
    step = until(steps, kernel.tasks[3].alloc_lock.lock)
    drain(kernel.exec_mmap(kernel.tasks[3], kernel.make_mm(9)))
    step()
    drain(steps)
    assert mm.owner.id == 4


@pytest.mark.parametrize("dialect", LOCKED)
def test_a_candidate_that_was_elected_before_it_leaves_hands_over_itself(dialect):
    kernel, mm, steps = leaving(dialect, TWO_CHILDREN)
    other = kernel.exit_mm(kernel.tasks[3])
    waits = until(other, kernel.tasks[3].alloc_lock.lock)
    drain(steps)  # 2 elects 3, which is about to take its own lock
    kernel.current = kernel.tasks[3]
    waits()
    drain(other)
    assert mm.owner.id == 4


@pytest.mark.parametrize("dialect", OWNED)
def test_a_user_that_is_taken_after_the_last_user_test_sees_no_dying_owner_from_3_0(dialect):
    kernel, mm, steps = leaving(dialect, "clone(1,2,mm=2)")
    drain(steps)
    mm.users += 1  # swapoff, before the leaver's mmput
    assert kernel.owner(2) == (2 if dialect == "rfc-v4" else None)


# -- the third stage ---------------------------------------------------------------------


def third_stage(dialect, drop):
    """What is visited after the third stage's first entry, where *drop* users go away."""
    kernel, mm, steps = leaving(dialect, HOLDER)
    until(steps, kernel.tasks[1].visit)()
    mm.users -= drop
    return kernel, mm, take_all(steps)


@pytest.mark.parametrize("dialect", LOCKED)
def test_the_third_stage_stops_when_no_other_user_is_left(dialect):
    kernel, mm, steps = third_stage(dialect, 1)
    assert (steps, mm.owner, held(kernel)) == (["read_unlock"], None, [])


@pytest.mark.parametrize("dialect", LOCKED)
def test_the_third_stage_goes_on_while_a_holder_sleeps(dialect):
    _, mm, steps = third_stage(dialect, 0)
    assert (visits(steps), mm.owner) == ([2, 3, 4], None)


@pytest.mark.parametrize("walk", ["pick, then lock", "lock in place"])
def test_before_6_10_the_third_stage_visits_everybody_for_nobody(walk):
    dialect = replace(DIALECTS["6.1"], walk=walk, stop_when_alone=False)
    _, mm, steps = third_stage(dialect, 1)
    assert (visits(steps), mm.owner) == ([2, 3, 4], None)


def visited(dialect, program):
    _, _, steps = leaving(dialect, program)
    return visits(take_all(steps))


BORROWED = "kthread(5); use_mm(5,mm=2)"


@pytest.mark.parametrize("dialect", LOCKED)
def test_the_third_stage_skips_kernel_threads_from_3_16(dialect):
    assert visited(dialect, f"{HOLDER}; {BORROWED}") == [2, 3, 4, 1, 2, 3, 4]


@pytest.mark.parametrize("walk", ["pick, then lock", "lock in place"])
def test_kernel_threads_that_are_not_skipped_are_elected(walk):
    dialect = replace(DIALECTS["6.1"], walk=walk, skip_kthreads=False)
    kernel, mm, steps = leaving(dialect, f"{HOLDER}; {BORROWED}")
    drain(steps)
    assert mm.owner is kernel.tasks[5]


@pytest.mark.parametrize("dialect", LOCKED)
def test_the_siblings_of_a_user_mode_helper_are_helpers_and_no_kernel_threads(dialect):
    # A kernel thread is a child of kthreadd, a helper of the worker that started it (SEARCH-08).
    kernel = run(
        dialect, "kthread(2); exec(2,mm=2); kthread(3); use_mm(3,mm=2); hold(mm=2,ref=1); exit(2)"
    )
    assert kernel.owner(2) is None


THREADS = "clone(1,2,mm=2); clone(1,3,mm=3); clone(3,4,THREAD); hold(mm=2,ref=1)"


@pytest.mark.parametrize(("dialect", "expected"), [
    ("rfc-v4", [2, 3, 4, 1, 2, 3, 4]),  # every thread, in both lists
    ("6.1", [2, 3, 1, 2, 3]),
    ("6.11", [2, 3, 1, 2, 3]),
])  # fmt: skip
def test_a_group_is_left_at_its_first_other_mm_from_3_16(dialect, expected):
    assert visited(dialect, THREADS) == expected


DEAD_HEAD = f"{THREADS}; exit(3)"


@pytest.mark.parametrize(("dialect", "expected"), [
    ("rfc-v4", [2, 3, 4, 1, 2, 3, 4]), ("6.1", [2, 3, 1, 2, 3, 4]), ("6.11", [2, 3, 4, 1, 2, 3, 4]),
])  # fmt: skip
def test_a_group_is_not_left_at_a_dead_leader(dialect, expected):
    assert visited(dialect, DEAD_HEAD) == expected


# -- rules of other people ---------------------------------------------------------------


def test_a_kernel_without_owners_calls_rules_that_do_nothing():
    kernel = run("none", TWO_CHILDREN)
    assert isinstance(kernel.rules, NoRules)
    assert kernel.rules.mm_update_next_owner(kernel.mms[2]) is None
    assert take_all(kernel.exit_mm(kernel.tasks[2])) == [
        "read_lock", "lock", "unlock", "read_unlock",
    ]  # fmt: skip


class PlainRules:
    """Rules without steps: the first user in the task table, whoever it is."""

    def __init__(self, host):
        self.host = host

    def mm_init_owner(self, mm, task):
        mm.owner = task

    def mm_update_next_owner(self, mm):
        users = [task for task in self.host.tasks.values() if task.mm is mm]
        mm.owner = users[0] if users else None


def test_rules_without_steps_run_in_one():
    kernel = Kernel("6.11", PlainRules).run(parse_program(TWO_CHILDREN.replace(";", "\n")))
    kernel.run(parse_program("exit(2)"))
    assert kernel.owner(2) == 3


class SteppingRules(PlainRules):
    """Rules whose every function is made of steps."""

    def mm_init_owner(self, mm, task):
        yield task.alloc_lock.lock
        mm.owner = task
        yield task.alloc_lock.unlock

    def mm_clear_owner(self, mm, task):
        yield task.visit
        mm.owner = None


def test_rules_may_make_steps_of_every_function():
    kernel = Kernel("6.11", SteppingRules).run(
        parse_program("clone(1,2,mm=2)\nclone_fails(1,3,mm=3,ref=1)")
    )
    assert (kernel.owner(2), kernel.owner(3), held(kernel)) == (2, None, [])


def test_a_dialect_of_ones_own_can_be_run():
    kernel = Kernel(Dialect(name="mine", last_user="clear"))
    assert kernel.dialect.name == "mine"
