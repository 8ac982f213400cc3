"""The searches only mean something if they offer every legal program and none that is not."""

from random import Random

import pytest

from mmowner_reference import (
    DIALECTS,
    OPS,
    Clone,
    CloneFails,
    Kernel,
    Scope,
    dangling_mms,
    dialects_in,
    format_program,
    is_legal,
    kthread_mms,
    legal_ops,
    parse_program,
    program_from_choices,
    random_program,
    shortest_program,
    stale_mms,
)

#: What exists in each dialect and what does not.
WORDS = {
    **dict.fromkeys(dialects_in("..2.6.28"), frozenset(OPS) - {"subreaper"}),
    **dict.fromkeys(dialects_in("2.6.29..3.0"), frozenset(OPS) - {"subreaper", "subsystem"}),
    **dict.fromkeys(dialects_in("3.16.."), frozenset(OPS) - {"subsystem"}),
    "none": frozenset(OPS) - {"subsystem", "cgroup", "attach", "charge"},
}


def run(text, dialect="6.11"):
    return Kernel(dialect).run(parse_program(text.replace(";", "\n")))


def texts(ops):
    return [str(op) for op in ops]


def scope(*ops, **bounds):
    return Scope(ops=frozenset(ops), **bounds)


# -- legal operations ---------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_operation_that_is_offered_is_legal(dialect):
    for seed in range(20):
        kernel = Kernel(dialect).run(random_program(Random(seed), 15, dialect))
        assert all(is_legal(kernel, op) for op in legal_ops(kernel, Scope()))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_operation_that_can_be_said_is_offered_somewhere(dialect):
    offered = set()
    for seed in range(20):
        kernel = Kernel(dialect)
        for op in random_program(Random(seed), 15, dialect):
            offered.update(o.word for o in legal_ops(kernel, Scope()))
            kernel.do(op)
    assert offered == WORDS[dialect]


def test_the_simplest_operation_comes_first():
    assert str(legal_ops(Kernel(), Scope())[0]) == "clone(1, 2, mm=2)"


def test_the_new_names_are_the_next_ones():
    kernel = run("clone(1,7,mm=9); exit(7); reap(7)")
    assert texts(legal_ops(kernel, scope("clone", "exec"))) == [
        "clone(1, 8, mm=10)", "clone(1, 8, VM)", "clone(1, 8, THREAD)", "clone(1, 8, VM|VFORK)",
        "exec(1, mm=10)",
    ]  # fmt: skip


#: A bound, the program that reaches it, and an operation that would go beyond.
BOUNDS = [
    ({"tasks": 1}, "clone(1,2,mm=2)", "clone VM"),
    ({"mms": 1}, "clone(1,2,mm=2)", "exec"),
    ({"mms": 1}, "clone(1,2,mm=2)", "clone PARENT"),
    ({"refs": 1}, "hold(mm=1,ref=1)", "hold"),
    ({"kthreads": 1}, "kthread(2)", "kthread"),
    ({"cgroups": 1}, "cgroup(2)", "cgroup"),
    ({"threads": 1}, "clone(1,2,THREAD)", "clone THREAD"),
]


def offered_words(kernel, bounds):
    ops = legal_ops(kernel, Scope(**bounds))
    return {" ".join((op.word, *op.flags)) if isinstance(op, Clone) else op.word for op in ops}


@pytest.mark.parametrize(("bounds", "program", "word"), BOUNDS)
def test_a_scope_bounds_the_world(bounds, program, word):
    kernel = run(program)
    assert word not in offered_words(kernel, bounds)
    more = {name: bound + 1 for name, bound in bounds.items()}
    assert word in offered_words(kernel, more)


def test_zombies_count_and_released_tasks_do_not():
    small = scope("clone", tasks=1)
    assert not legal_ops(run("clone(1,2,mm=2); exit(2)"), small)
    assert legal_ops(run("clone(1,2,mm=2); exit(2); reap(2)"), small)


def test_a_scope_bounds_the_operations():
    assert {op.word for op in legal_ops(run("clone(1,2,mm=2)"), scope("exit", "hold"))} == {
        "exit", "hold",
    }  # fmt: skip


def test_a_scope_bounds_the_flags():
    ops = legal_ops(Kernel(), scope("clone", flags=(("VM",),)))
    assert texts(ops) == ["clone(1, 2, VM)"]


def test_a_clone_can_fail_in_every_way():
    ops = legal_ops(Kernel(), scope("clone_fails", flags=((), ("VM",))))
    assert [(op.flags, op.at, op.ref) for op in ops if isinstance(op, CloneFails)] == [
        ((), "late", None), ((), "dup_mm", 1), ((), "late", 1), (("VM",), "late", None),
    ]  # fmt: skip


def test_a_failed_clone_leaves_no_reference_without_room_for_one():
    ops = legal_ops(run("hold(mm=1,ref=1)"), scope("clone_fails", flags=((),)))
    assert texts(ops) == ["clone_fails(1, 2, mm=2, at=late)"]


def test_two_subsystems_are_enough():
    kernel = run("subsystem(a); subsystem(b)", "rfc-v4")
    assert not legal_ops(kernel, scope("subsystem"))


# -- programs from integers and from chance ------------------------------------------------


def test_choosing_zero_always_picks_the_simplest():
    program = program_from_choices([0, 0, 0], "6.11", scope("clone"))
    assert format_program(program) == ("clone(1, 2, mm=2)\nclone(1, 3, mm=3)\nclone(1, 4, mm=4)")


def test_a_choice_counts_round_the_possible_operations():
    possible = legal_ops(Kernel(), Scope())
    assert program_from_choices([len(possible) + 1], "6.11") == (possible[1],)


def test_a_choice_from_nothing_ends_the_program():
    assert program_from_choices([0, 0], "6.11", scope("reap")) == ()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_random_program_is_legal(dialect):
    for seed in range(50):
        program = random_program(Random(seed), 30, dialect)
        Kernel(dialect).run(program)
        assert len(program) == 30


def test_the_same_chance_gives_the_same_program():
    assert random_program(Random(7), 20, "6.11") == random_program(Random(7), 20, "6.11")


def test_a_random_program_stays_in_its_scope():
    small = scope("clone", "exit", tasks=2, mms=1)
    for seed in range(30):
        kernel = Kernel()
        for op in random_program(Random(seed), 10, "6.11", small):
            kernel.do(op)
            assert op.word in {"clone", "exit"}
            assert len(kernel.tasks) <= 3
            assert len(kernel.mms) <= 2


def test_a_random_program_ends_when_nothing_can_be_done():
    assert random_program(Random(0), 10, "6.11", scope("reap")) == ()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_random_programs_have_every_operation(dialect):
    words = {op.word for seed in range(60) for op in random_program(Random(seed), 20, dialect)}
    rare = {"use_mm", "unuse_mm", "untrace"}  # they need one task among many
    assert words | rare == WORDS[dialect]


# -- shortest programs ----------------------------------------------------------------------

SMALL = scope("clone", "exit", "exec", "reap", "hold", tasks=2, mms=2)


def test_the_shortest_program_that_leaves_a_dangling_owner_in_the_rfc():
    program = shortest_program("rfc-v4", dangling_mms, SMALL)
    assert format_program(program) == (
        "clone(1, 2, mm=2)\nclone(2, 3, THREAD)\nhold(mm=2, ref=1)\nexec(3, mm=3)"
    )


def test_the_shortest_program_that_leaves_a_stale_owner_in_the_rfc():
    program = shortest_program("rfc-v4", stale_mms, SMALL)
    assert format_program(program) == "clone(1, 2, VM)\nexec(1, mm=2)"


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
@pytest.mark.parametrize("wanted", [dangling_mms, stale_mms])
def test_no_program_leaves_a_wrong_owner_today(dialect, wanted):
    assert shortest_program(dialect, wanted, SMALL, max_length=4) is None


def test_a_program_that_is_too_long_is_not_found():
    assert shortest_program("rfc-v4", dangling_mms, SMALL, max_length=2) is None


def test_a_search_without_operations_finds_nothing():
    assert shortest_program("rfc-v4", stale_mms, scope("reap")) is None


def test_no_shorter_program_has_the_property():
    program = shortest_program("rfc-v4", dangling_mms, SMALL)
    for length in range(len(program)):
        assert shortest_program("rfc-v4", dangling_mms, SMALL, max_length=length) is None


KTHREADS = scope("clone", "exit", "hold", "kthread", "use_mm", tasks=1, mms=1)


def test_a_kernel_thread_can_be_elected_up_to_3_15():
    program = shortest_program("rfc-v4", kthread_mms, KTHREADS)
    assert sorted(op.word for op in program) == ["clone", "exit", "hold", "kthread", "use_mm"]


@pytest.mark.parametrize("dialect", ["6.1", "6.11"])
def test_a_kernel_thread_is_not_elected_from_3_16(dialect):
    assert shortest_program(dialect, kthread_mms, KTHREADS, max_length=6) is None


#: A world, and its dangling, stale and kernel-thread-owned mms.
WRONG = [
    ("rfc-v4", "clone(1,2,mm=2); hold(mm=2,ref=1); exit(2)", [], [2], []),
    ("rfc-v4", "clone(1,2,mm=2); hold(mm=2,ref=1); exit(2); reap(2)", [2], [2], []),
    ("rfc-v4", "kthread(3); clone(1,2,mm=2); use_mm(3,mm=2); exit(2); reap(2)", [], [2], []),
    ("rfc-v4", "kthread(3); clone(1,2,mm=2); use_mm(3,mm=2); hold(mm=2,ref=1); exit(2)",
     [], [], [2]),
    ("rfc-v4", "kthread(3); clone(1,2,mm=2); use_mm(3,mm=2); hold(mm=2,ref=1); exit(2); unuse_mm(3,mm=2)", [], [2], [2]),
    ("6.11", "clone(1,2,mm=2); hold(mm=2,ref=1); exit(2)", [], [], []),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "program", "dangling", "stale", "kthread"), WRONG)
def test_wrong_owners_are_found_in_a_world(dialect, program, dangling, stale, kthread):
    kernel = run(program, dialect)
    assert (dangling_mms(kernel), stale_mms(kernel), kthread_mms(kernel)) == (
        dangling, stale, kthread,
    )  # fmt: skip
