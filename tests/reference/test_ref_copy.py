"""Searches and forking outcomes work on copies: a copy that shares anything lies to both."""

from random import Random

import pytest

from mmowner_reference import (
    DIALECTS,
    Kernel,
    Scope,
    copy_kernel,
    legal_ops,
    parse_program,
    random_program,
    state_key,
)

#: One object of every kind, in every state that a program can leave behind.
RICH = """
    kthread(2)
    clone(1, 3, mm=2)
    clone(3, 4, THREAD)
    clone(3, 5, VM)
    clone(5, 6, VM|VFORK)
    clone(1, 7, mm=3)
    trace(5, tracer=7)
    hold(mm=2, ref=1)
    use_mm(2, mm=3)
    exit(3)
    exit(4)
    clone_fails(1, 8, mm=4, ref=2)
"""
CONTROLLED = """
    cgroup(2)
    cgroup(3, parent=2)
    attach(7, cgroup=3)
    charge(7, pages=3)
"""
CALLED = """
    subsystem(a)
    clone(1, 9, mm=5)
    clone(9, 10, VM)
    attach(10, cgroup=2)
    exit(9)
"""


def rich(dialect):
    kernel = Kernel(dialect).run(parse_program(RICH))
    if dialect != "none":
        kernel.run(parse_program(CONTROLLED))
    if kernel.dialect.callbacks:
        kernel.run(parse_program(CALLED))
    if kernel.dialect.subreapers:
        kernel.run(parse_program("subreaper(7)"))
    if dialect == "rfc-v4":
        kernel.run(parse_program("reap(3)"))
    return kernel


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_copy_is_equal(dialect):
    kernel = rich(dialect)
    assert state_key(copy_kernel(kernel)) == state_key(kernel)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_copy_gives_the_same_answers(dialect):
    kernel = rich(dialect)
    copy = copy_kernel(kernel)
    for ask in ("bill", "callbacks", "lru", "init_mm_owner"):
        assert getattr(copy, ask)() == getattr(kernel, ask)()
    for mm in kernel.mms:
        assert (copy.owner(mm), copy.users(mm)) == (kernel.owner(mm), kernel.users(mm))
    assert copy.used_names == kernel.used_names
    assert copy.reasons == kernel.reasons
    assert copy.op == kernel.op


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_copy_shares_no_object(dialect):
    kernel = rich(dialect)
    copy = copy_kernel(kernel)
    for table in ("tasks", "released", "mms", "cgroups", "refs"):
        mine, theirs = getattr(kernel, table), getattr(copy, table)
        assert list(mine) == list(theirs)
        assert not {id(item) for item in mine.values()} & {id(item) for item in theirs.values()}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_everything_that_a_copys_tasks_point_to_is_the_copys(dialect):
    copy = copy_kernel(rich(dialect))
    named = {
        copy.init_task,
        copy.kthreadd,
        copy.kworker,
        *copy.tasks.values(),
        *copy.released.values(),
    }
    for task in copy.tasks.values():
        near = [task.parent, task.real_parent, *task.children, *task.threads, task.group.leader,
                *task.tracees.values(), *task.traced_away.values()]  # fmt: skip
        near += [other for other in (task.vfork_child, task.vfork_parent) if other is not None]
        assert set(near) <= named
        assert task.cgroup is copy.cgroups[task.cgroup.id]
        assert task.mm is None or task.mm is copy.mms[task.mm.id]
    for mm in copy.mms.values():
        assert getattr(mm, "owner", None) in {None, *named}
    for group in copy.cgroups.values():
        assert group.parent is None or group.parent is copy.cgroups[group.parent.id]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_happens_in_a_copy_stays_in_it(dialect):
    kernel = rich(dialect)
    key = state_key(kernel)
    names = {kind: set(used) for kind, used in kernel.used_names.items()}
    copy = copy_kernel(kernel)
    for _ in range(12):
        copy.do(legal_ops(copy, Scope())[-1])
        copy.do(legal_ops(copy, Scope())[0])
    assert (state_key(kernel), kernel.used_names) == (key, names)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_copy_behaves_the_same_afterwards(dialect):
    for seed in range(60):
        program = random_program(Random(seed), 24, dialect)
        half = len(program) // 2
        kernel = Kernel(dialect).run(program[:half])
        copy = copy_kernel(kernel)
        assert state_key(copy) == state_key(kernel)
        for op in program[half:]:
            kernel.do(op)
            copy.do(op)
            assert state_key(copy) == state_key(kernel), (seed, op)
            assert copy.reasons == kernel.reasons


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_copy_has_rules_of_its_own(dialect):
    kernel = rich(dialect)
    copy = copy_kernel(kernel)
    assert type(copy.rules) is type(kernel.rules)
    assert copy.rules is not kernel.rules
    assert getattr(copy.rules, "host", copy) is copy


def test_a_copy_holds_no_lock():
    kernel = rich("6.11")
    kernel.tasklist_lock.read_lock()
    assert not copy_kernel(kernel).tasklist_lock.held


def test_a_copy_keeps_the_order_of_every_list():
    program = "clone(1,2,mm=2)\nclone(1,3,mm=3)\nclone(2,4,THREAD)\nexec(4,mm=4)\nexit(3)"
    copy = copy_kernel(Kernel("6.11").run(parse_program(program)))
    assert [task.id for task in copy.processes] == [1, 4, 3]
    assert [task.id for task in copy.tasks[1].children] == [4, 3]


def test_a_copy_knows_who_is_current():
    kernel = Kernel("6.11").run(parse_program("clone(1,2,mm=2)\nexit(2)"))
    assert copy_kernel(kernel).current.id == 2


#: Two programs that differ in one thing, which the identity of the world must tell.
DIFFERENT = [
    ("rfc-v4", "clone(1,2,VM)\nclone(1,3,VM)", "clone(1,3,VM)\nclone(1,2,VM)"),
    ("6.11", "clone(1,2,VM)", "clone(1,2,THREAD)"),
    ("6.11", "clone(1,2,VM)", "clone(1,2,VM|VFORK)"),
    ("6.11", "clone(1,2,VM)", "clone(1,2,mm=2)"),
    ("6.11", "clone(1,2,VM)", "clone(1,2,VM)\nsubreaper(2)"),
    ("6.11", "clone(1,2,VM)", "clone(1,2,VM)\ntrace(2,tracer=1)"),
    ("6.11", "clone(1,2,VM)", "clone(1,2,VM)\nexit(2)"),
    ("6.11", "clone(1,2,VM)", "clone(1,2,VM)\nhold(mm=1,ref=1)"),
    ("6.11", "hold(mm=1,ref=1)", "hold(mm=1,ref=2)"),
    ("6.11", "charge(1)", "charge(1,pages=2)"),
    ("6.11", "cgroup(2)", "cgroup(2)\nattach(1,cgroup=2)"),
    ("6.11", "kthread(2)", "kthread(2)\nuse_mm(2,mm=1)"),
    ("rfc-v4", "charge(1)", "charge(1)\nsubsystem(a)"),
    ("rfc-v4", "clone(1,2,mm=2)\nclone(2,3,VM)\nexec(2,mm=3)\nexit(2)",
     "clone(1,2,mm=2)\nclone(2,3,VM)\nexec(2,mm=3)\nexit(2)\nreap(2)"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "one", "other"), DIFFERENT)
def test_worlds_that_differ_have_different_keys(dialect, one, other):
    keys = {state_key(Kernel(dialect).run(parse_program(text))) for text in (one, other)}
    assert len(keys) == 2


def test_worlds_that_were_reached_differently_are_one():
    one = "clone(1,2,mm=2)\nclone(1,3,mm=3)\nhold(mm=2,ref=1)"
    other = "clone(1,2,mm=2)\nhold(mm=2,ref=1)\nclone(1,3,mm=3)"
    keys = {state_key(Kernel("6.11").run(parse_program(text))) for text in (one, other)}
    assert len(keys) == 1
