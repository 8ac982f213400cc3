"""``mm_owner_changed`` and mmap_sem, dialect by dialect: what changed from the RFC to 2.6.29."""

from dataclasses import replace

import pytest

from mmowner_reference import (
    DIALECTS,
    IllegalOperation,
    Kernel,
    LockError,
    dialects_in,
    parse_program,
)

CALLING = sorted(dialects_in("..2.6.28"))
SILENT = [name for name in DIALECTS if name not in CALLING]

#: 2 owns mm 2; its child 3 shares it and sits in cgroup 2.
OTHER_GROUP = "cgroup(2); clone(1,2,mm=2); clone(2,3,VM); attach(3,cgroup=2)"
#: The same with both in the root.
SAME_GROUP = "cgroup(2); clone(1,2,mm=2); clone(2,3,VM)"
#: Nobody but a holder.
HOLDER = "clone(1,2,mm=2); hold(mm=2,ref=1)"


def run(dialect, text, kernel=Kernel):
    return kernel(dialect).run(parse_program(text.replace(";", "\n")))


def calls(dialect, text):
    """What the subsystem s is told in *text*, without its name: it is always the same."""
    found = run(dialect, f"subsystem(s); {text}").callbacks()
    assert {call.pop("subsystem") for call in found} <= {"s"}
    return found


# -- arguments ----------------------------------------------------------------------------

#: Program, and what is told, by dialect.
TOLD = [
    (f"{OTHER_GROUP}; exit(2)", {
        "rfc-v4": [{"old": 2, "new": 3, "seen": 2}],
        "2.6.26, 2.6.27": [{"old": 1, "new": 2, "seen": 2}],
        "2.6.28": [{"old": 1, "new": 2, "seen": 2, "task": 3}]}),
    (f"{SAME_GROUP}; exit(2)", {
        "rfc-v4": [{"old": 2, "new": 3, "seen": 2}],
        "2.6.26..2.6.28": []}),
    # the RFC's exec hands over the new mm, which has one user
    (f"{OTHER_GROUP}; exec(2,mm=3)", {
        "rfc-v4": [],
        "2.6.26, 2.6.27": [{"old": 1, "new": 2, "seen": 2}],
        "2.6.28": [{"old": 1, "new": 2, "seen": 2, "task": 3}]}),
    # nobody is found: 2.6.27 tells it, and no comparison of cgroups keeps the call back
    (f"{HOLDER}; exit(2)", {
        "..2.6.26": [],
        "2.6.27": [{"old": 1, "new": None, "seen": 2}],
        "2.6.28": [{"old": 1, "new": None, "seen": 2, "task": None}]}),
    (f"{HOLDER}; exec(2,mm=3)", {
        "..2.6.26": [],
        "2.6.27": [{"old": 1, "new": None, "seen": 2}],
        "2.6.28": [{"old": 1, "new": None, "seen": 2, "task": None}]}),
    # neither the last user nor a task that is no owner calls anybody
    ("clone(1,2,mm=2); exit(2)", {"..2.6.28": []}),
    (f"{OTHER_GROUP}; exit(3)", {"..2.6.28": []}),
    # cgroups are those of the moment: what is attached afterwards changes no call
    (f"{OTHER_GROUP}; exit(2); attach(3,cgroup=1)", {
        "rfc-v4": [{"old": 2, "new": 3, "seen": 2}],
        "2.6.26, 2.6.27": [{"old": 1, "new": 2, "seen": 2}],
        "2.6.28": [{"old": 1, "new": 2, "seen": 2, "task": 3}]}),
]  # fmt: skip
CASES = [
    (dialect, program, told)
    for program, answers in TOLD
    for where, told in answers.items()
    for dialect in sorted(dialects_in(where))
]


@pytest.mark.parametrize(("dialect", "program", "told"), CASES)
def test_a_subsystem_is_told_what_its_kernel_tells(dialect, program, told):
    assert calls(dialect, program) == told


@pytest.mark.parametrize("dialect", CALLING)
def test_every_subsystem_is_called_in_the_order_of_registration(dialect):
    kernel = run(dialect, f"subsystem(b); subsystem(a); {OTHER_GROUP}; exit(2)")
    assert [call["subsystem"] for call in kernel.callbacks()] == ["b", "a"]


@pytest.mark.parametrize("dialect", SILENT)
def test_from_2_6_29_there_is_nobody_to_tell(dialect):
    with pytest.raises(IllegalOperation, match=r"no-callbacks|no-controller"):
        run(dialect, "subsystem(a)")
    program = f"{HOLDER}; exit(2)" if dialect == "none" else f"{OTHER_GROUP}; exit(2)"
    assert run(dialect, program).callbacks() == []


# -- mmap_sem -----------------------------------------------------------------------------


def held(kernel):
    """Everything that is held in the world, by name."""
    locks = [kernel.tasklist_lock, *(t.alloc_lock for t in kernel.tasks.values()),
             *(mm.mmap_lock for mm in kernel.mms.values())]  # fmt: skip
    return [lock.label for lock in locks if lock.held] + ["rcu"] * kernel.rcu.depth


def leaving(dialect, text):
    """The world in which 2 has left its mm and is about to look for the next owner."""
    kernel = run(dialect, text)
    kernel.current = kernel.tasks[2]
    mm, kernel.current.mm = kernel.current.mm, None
    return kernel, mm, kernel.rules.mm_update_next_owner(mm)


def names(steps):
    """Take all steps; return their names but those of the walk."""
    taken = []
    for step in steps:
        step()
        taken.append(step.__name__)
    return [name for name in taken if name != "visit"]


WALK = ["read_lock", "read_unlock"]
TAKE = ["read_lock", "lock", "read_unlock", "unlock"]
#: The steps of a handoff to a child, and of one to nobody.
STEPS = [
    ("rfc-v4", ["read_lock", "read_unlock", "lock", "unlock"], WALK),
    ("2.6.26", TAKE, WALK),
    ("2.6.27", TAKE, [*WALK, "write_lock", "write_unlock"]),
    ("2.6.28", [*WALK, "write_lock", "lock", "unlock", "write_unlock"], [*WALK, "write_lock", "write_unlock"]),
    *((name, TAKE, WALK) for name in sorted(dialects_in("2.6.29.."))),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "child", "nobody"), STEPS)
def test_the_handoff_takes_these_locks_in_this_order(dialect, child, nobody):
    for program, expected in ((SAME_GROUP, child), (HOLDER, nobody)):
        kernel, _, steps = leaving(dialect, program)
        assert names(steps) == expected
        assert held(kernel) == []


def test_2_6_28_assigns_under_mmap_sem_and_the_alloc_lock():
    kernel, mm, steps = leaving("2.6.28", SAME_GROUP)
    seen = {}
    for step in steps:
        step()
        seen.setdefault(mm.owner.id, held(kernel))
    assert list(seen) == [2, 3]
    kernel, mm, steps = leaving("2.6.28", SAME_GROUP)
    for step in steps:
        if mm.owner.id == 3:
            break
        step()
    assert held(kernel) == ["alloc_lock of task 3", "mmap_lock of mm 2"]


def test_2_6_28_drops_mmap_sem_when_the_candidate_has_left_and_searches_again():
    kernel, mm, steps = leaving("2.6.28", f"{SAME_GROUP}; clone(2,4,VM)")
    taken = []
    for step in steps:
        if step.__name__ == "write_lock" and kernel.tasks[3].mm is mm:
            kernel.tasks[3].mm = None  # another CPU, between the pick and the lock
            mm.users -= 1
        step()
        taken.append(step.__name__)
    once = ["read_unlock", "write_lock", "lock", "unlock", "write_unlock"]
    assert taken == ["read_lock", "visit", *once, "read_lock", "visit", "visit", *once]
    assert (mm.owner.id, held(kernel)) == (4, [])


class Hooked(Kernel):
    """A kernel that notes what is held when its subsystems are called."""

    def __init__(self, *args):
        self.held = []
        super().__init__(*args)

    def owner_callbacks(self, mm, old, new):
        self.held.append(held(self))
        super().owner_callbacks(mm, old, new)


@pytest.mark.parametrize(
    ("dialect", "program", "expected"),
    [
        ("rfc-v4", OTHER_GROUP, ["alloc_lock of task 3"]),
        ("2.6.26", OTHER_GROUP, ["alloc_lock of task 3"]),
        ("2.6.27", OTHER_GROUP, ["alloc_lock of task 3"]),
        ("2.6.28", OTHER_GROUP, ["alloc_lock of task 3", "mmap_lock of mm 2"]),
        ("2.6.27", HOLDER, ["mmap_lock of mm 2"]),
        ("2.6.28", HOLDER, ["mmap_lock of mm 2"]),
    ],
)
def test_callbacks_run_under_these_locks(dialect, program, expected):
    kernel = run(dialect, f"subsystem(a); {program}; exit(2)", Hooked)
    assert kernel.held == [expected]


#: Exec that still holds the old mm's mmap_sem when it hands over, as 2.6.26 does.
EARLY = "old, mmap_sem held"


@pytest.mark.parametrize(
    ("dialect", "program"), [("2.6.27", HOLDER), ("2.6.28", HOLDER), ("2.6.28", SAME_GROUP)]
)
def test_an_exec_that_hands_over_under_mmap_sem_would_deadlock(dialect, program):
    """Why 31a78f23bac0 moved the handoff behind up_read()."""
    early = replace(DIALECTS[dialect], exec_call=EARLY)
    with pytest.raises(LockError, match="self-deadlock: mmap_lock of mm 2 is write-locked"):
        run(early, f"{program}; exec(2,mm=3)")
    run(dialect, f"{program}; exec(2,mm=3)")


def test_2_6_27_takes_mmap_sem_only_when_nobody_is_found():
    early = replace(DIALECTS["2.6.27"], exec_call=EARLY)
    assert run(early, f"{SAME_GROUP}; exec(2,mm=3)").owner(2) == 3


@pytest.mark.parametrize("program", [HOLDER, SAME_GROUP])
def test_2_6_26_hands_over_under_mmap_sem_and_takes_it_not_again(program):
    assert DIALECTS["2.6.26"].exec_call == EARLY
    run("2.6.26", f"{program}; exec(2,mm=3)")
