"""Properties of every reachable world: what holds in it whatever the program was."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmowner_reference import (
    Exec,
    Kernel,
    Scope,
    copy_kernel,
    dialects_in,
    format_program,
    is_legal,
    legal_ops,
    op_from_dict,
    parse_program,
    plan,
    program_from_choices,
    state_key,
)

CHOICES = st.lists(st.integers(0, 10_000), max_size=16)
TODAY = sorted(dialects_in("5.2.."))
#: Where owners are right as long as nobody holds or borrows an mm and no fork fails.
SIMPLE = dialects_in("2.6.26..")

#: Where an mm without an owner gets none again, between two that stand for them.
LATER = sorted(dialects_in("2.6.27..") - {"2.6.28", "6.11"})

few = settings(max_examples=30, derandomize=True, deadline=None)


def each(dialects):
    return pytest.mark.parametrize("dialect", dialects)


def worlds_of(choices, dialect, allowed=lambda kernel, op: True):
    """Yield a world after each operation that the choices pick."""
    kernel = Kernel(dialect)
    for choice in choices:
        possible = [op for op in legal_ops(kernel, Scope()) if allowed(kernel, op)]
        kernel.do(possible[choice % len(possible)])
        yield kernel


def no_helper(kernel, op):
    """All but the exec of a kernel thread, whose relatives are kernel threads."""
    return not (isinstance(op, Exec) and kernel.tasks[op.task].kthread)


def worlds_within(dialect, scope, depth):
    """Every world that at most *depth* operations within *scope* reach, each once."""
    frontier = [Kernel(dialect)]
    seen = {state_key(frontier[0])}
    for _ in range(depth):
        after = []
        for world in frontier:
            for op in legal_ops(world, scope):
                reached = copy_kernel(world)
                reached.do(op)
                key = state_key(reached)
                if key not in seen:
                    seen.add(key)
                    after.append(reached)
        yield from after
        frontier = after


# -- invariants ---------------------------------------------------------------------------


def users_of(kernel, mm):
    return [task for task in kernel.tasks.values() if task.mm is mm and not task.kthread]


def check_counts(kernel):
    for mm in kernel.mms.values():
        assert mm.users == len(users_of(kernel, mm)) + len(mm.refs)
        assert mm.loans == sum(t.kthread and t.mm is mm for t in kernel.tasks.values())
        assert mm.users > 0 or mm.loans > 0
    assert {ref: mm.id for ref, mm in kernel.refs.items()} == {
        ref: mm.id for mm in kernel.mms.values() for ref in mm.refs
    }


def check_owners(kernel):
    for mm in kernel.mms.values():
        name = kernel.owner(mm.id)
        if name is not None:
            owner = kernel.tasks[name]
            assert mm.owner is owner
            assert owner.state == "live"
            assert owner.mm is mm
            assert not owner.kthread
        elif mm.users > 0:
            assert users_of(kernel, mm) == []


def check_lists(kernel):
    tasks = list(kernel.tasks.values())
    assert {t.id for t in kernel.processes} == {t.id for t in tasks if t.leader}
    for task in tasks:
        assert kernel.tasks[task.id] is task
        assert list(task.threads).count(task) == 1
        assert task.state == "live" or task.leader
        assert (task.mm is None) or task.state == "live"
        assert task.traced == (task.id in task.parent.tracees)
        listed_by = task.parent if kernel.dialect.ptrace_moves else task.real_parent
        listed = task.leader or kernel.dialect.children_list == "threads"
        assert list(listed_by.children).count(task) == listed
        assert task.real_parent in (kernel.init_task, kernel.kthreadd, kernel.kworker, *tasks)
        assert task.parent in (kernel.init_task, kernel.kthreadd, kernel.kworker, *tasks)
        for child in task.children:
            assert child in tasks
        assert task.vfork_child is None or task.vfork_child.vfork_parent is task
    for parent in tasks:
        assert set(parent.traced_away.values()) == {
            t for t in tasks
            if t.real_parent is parent and t.parent is not parent and kernel.dialect.ptrace_moves
            and t.sibling_node.linked
        }  # fmt: skip


def check_nothing_held(kernel):
    locks = [kernel.tasklist_lock, kernel.rcu, *(t.alloc_lock for t in kernel.tasks.values()),
             *(mm.mmap_lock for mm in kernel.mms.values())]  # fmt: skip
    assert not any(lock.held for lock in locks)


@pytest.mark.costly
@few
@given(choices=CHOICES)
def test_users_are_sharers_and_holders(dialect, choices):
    for kernel in worlds_of(choices, dialect):
        check_counts(kernel)


@pytest.mark.costly
@few
@given(choices=CHOICES)
def test_every_task_is_on_the_lists_it_belongs_to(dialect, choices):
    for kernel in worlds_of(choices, dialect):
        check_lists(kernel)


@pytest.mark.costly
@few
@given(choices=CHOICES)
def test_no_lock_is_held_between_operations(dialect, choices):
    for kernel in worlds_of(choices, dialect):
        check_nothing_held(kernel)


@each(TODAY)
@few
@given(choices=CHOICES)
def test_an_owner_is_a_live_user_or_nobody_uses_the_mm(dialect, choices):
    for kernel in worlds_of(choices, dialect, no_helper):
        check_owners(kernel)


#: Each leaves out what multiplies worlds without a new kind of handoff.
SCOPES = {
    "threads": (Scope(ops=frozenset({"clone", "exit", "exec", "reap"}), tasks=3, mms=2,
                      flags=(("VM",), ("THREAD",), ("VM", "PARENT"))), 5),
    "holders": (Scope(ops=frozenset({"clone", "exit", "hold", "put", "kthread", "use_mm",
                                     "unuse_mm", "clone_fails"}), tasks=2, mms=1), 4),
    "tracers": (Scope(ops=frozenset({"clone", "exit", "trace", "untrace", "reap"}), tasks=3,
                      mms=1, flags=((), ("VM",))), 4),
}  # fmt: skip


@pytest.mark.costly
@pytest.mark.parametrize("scope", SCOPES)
def test_the_invariants_hold_in_every_world_of_a_small_scope(dialect, scope):
    count = 0
    for kernel in worlds_within(dialect, *SCOPES[scope]):
        count += 1
        check_counts(kernel)
        check_lists(kernel)
        check_nothing_held(kernel)
        if dialect in TODAY or (dialect in SIMPLE and scope != "holders"):
            check_owners(kernel)
    assert count > 100


@each(["rfc-v4"])
def test_the_invariant_of_owners_does_not_hold_in_the_rfc(dialect):
    def holds(kernel):
        try:
            check_owners(kernel)
        except (AssertionError, KeyError):
            return False
        return True

    scope, depth = SCOPES["threads"]
    assert not all(map(holds, worlds_within(dialect, scope, depth - 1)))


@each(["2.6.28", *(pytest.param(name, marks=pytest.mark.slow) for name in LATER), "6.11"])
def test_no_owner_comes_back_to_an_mm_without_one(dialect):
    scope, depth = SCOPES["holders"]
    for kernel in worlds_within(dialect, scope, depth):
        nobodys = [mm for mm in kernel.mms if kernel.owner(mm) is None]
        for op in legal_ops(kernel, scope) if nobodys else ():
            reached = copy_kernel(kernel)
            reached.do(op)
            assert all(reached.owner(mm) is None for mm in nobodys if mm in reached.mms)


# -- text, JSON, copies -------------------------------------------------------------------


@pytest.mark.costly
@few
@given(choices=CHOICES)
def test_a_printed_program_reads_back_as_the_same(dialect, choices):
    program = program_from_choices(choices, dialect)
    assert parse_program(format_program(program)) == program


@pytest.mark.costly
@few
@given(choices=CHOICES)
def test_the_json_form_of_an_operation_reads_back_as_the_same(dialect, choices):
    for op in program_from_choices(choices, dialect):
        assert op_from_dict(op.to_dict()) == op


@pytest.mark.costly
@few
@given(choices=CHOICES, more=st.lists(st.integers(0, 10_000), min_size=1, max_size=6))
def test_a_copy_is_equal_independent_and_behaves_the_same(dialect, choices, more):
    kernel = Kernel(dialect).run(program_from_choices(choices, dialect))
    key = state_key(kernel)
    copy = copy_kernel(kernel)
    assert state_key(copy) == key
    ops = []
    for choice in more:
        possible = legal_ops(copy, Scope())
        ops.append(possible[choice % len(possible)])
        copy.do(ops[-1])
    assert state_key(kernel) == key
    kernel.run(ops)
    assert state_key(kernel) == state_key(copy)


@pytest.mark.costly
@few
@given(choices=CHOICES)
def test_a_program_from_choices_is_legal(dialect, choices):
    kernel = Kernel(dialect)
    for op in program_from_choices(choices, dialect):
        assert is_legal(kernel, op)
        kernel.do(op)


@pytest.mark.costly
@few
@given(choices=CHOICES, seed=st.integers(0, 1000))
def test_what_there_is_to_ask_does_not_depend_on_any_owner(dialect, choices, seed):
    program = program_from_choices(choices, dialect)
    random = Random(seed)

    class Scrambled:
        """Rules that elect anybody."""

        def __init__(self, host):
            self.host = host

        def mm_init_owner(self, mm, task):
            if dialect != "none":
                mm.owner = random.choice([task, None])

        def mm_update_next_owner(self, mm):
            if dialect != "none":
                mm.owner = random.choice([None, *self.host.tasks.values()])

    kernel = Kernel(dialect, Scrambled)
    for step in plan(program, dialect, ["owner", "users", "state"]):
        kernel.do(step.op)
        for question in step.questions:
            getattr(kernel, question.ask)(question.name)
