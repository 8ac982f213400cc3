"""The index gives the answers of the kernel, in every dialect, and takes no longer in a large world."""

import gc
import sys
from dataclasses import replace
from functools import partial
from itertools import product
from random import Random

import pytest

from mmowner_reference import (
    DIALECTS,
    OPS,
    PARENT,
    THREAD,
    VFORK,
    VM,
    Bounds,
    Clone,
    Exec,
    Exit,
    Hold,
    IndexWorld,
    Kernel,
    Kthread,
    NotIndexed,
    Put,
    Reap,
    Scope,
    UnuseMm,
    UseMm,
    graph_of,
    make_op,
    plan_cases,
    programs_of,
    random_program,
)
from mmowner_reference._index import IndexedMm, IndexedTask, Kid, Process

WORDS = frozenset({"clone", "exit", "exec", "reap", "hold", "put", "kthread", "use_mm", "unuse_mm"})
FLAGS = ((), (VM,), (THREAD,), (VM, PARENT), (PARENT,))
LARGE = Scope(tasks=30, mms=8, threads=4, refs=3, kthreads=2, ops=WORDS, flags=FLAGS)
#: Few tasks on few mms: almost every exit is an owner's.
SMALL = Scope(tasks=8, mms=3, threads=3, refs=1, kthreads=3, ops=WORDS, flags=FLAGS)
#: Dialects by what the index keeps: entries are threads, leaders, processes.
KINDS = ("2.6.29", "6.1", "6.11")


def answers(world, tasks):
    """Everything that can be asked about mms and tasks."""
    return (
        {mm: (world.owner(mm), world.users(mm)) for mm in world.mms},
        {task: world.state(task) for task in tasks},
    )


def lockstep(program, dialect, look=lambda kernel, index: None):
    """Run a program in both worlds; they agree after every operation, and *look* may look."""
    kernel, index = Kernel(dialect), IndexWorld(dialect)
    for done, op in enumerate(program, 1):
        kernel.do(op)
        index.do(op)
        tasks = kernel.used_names["task"]
        agree = answers(index, tasks) == answers(kernel, tasks)
        assert agree, (dialect, [str(op) for op in program[:done]])
        look(kernel, index)


# -- the rings, white box ----------------------------------------------------------------


def ring(first):
    """The members of a ring, in order; linked in both directions."""
    out = []
    link = first
    while link is not None:
        out.append(link)
        assert link.next.prev is link
        link = None if link.next is first else link.next
    return out


def names(tasks):
    return [task.id for task in tasks]


def entries(kids):
    """The entries of a children list by mm, as the leaders of their processes."""
    return {
        key.name: [kid.process.leader.name for kid in ring(first)]
        for key, first in kids.items() if key is not None
    }  # fmt: skip


def counts(kernel, child, mm):
    """Whether a search finds a user of *mm* by this entry of a children list."""
    if kernel.dialect.walk == "pick, then lock":
        return child.mm is mm
    return any(task.mm is mm for task in child.threads)


def check_rings(kernel, index):
    """Every ring is one of the kernel's lists, cut down."""
    everybody = [leader for leader in kernel.processes if not leader.kthread]
    for mm in kernel.mms.values():
        found = index.mms[mm.id]
        processes = ring(found.first)
        assert [process.seq for process in processes] == sorted(
            process.seq for process in processes
        )
        threads = [[task.id for task in p.threads if task.mm is mm] for p in everybody]
        assert [[t.name for t in ring(p.first)] for p in processes] == [
            ids for ids in threads if ids
        ]
        loans = found.loans or {}
        borrowers = names(task for task in kernel.processes if task.kthread and task.mm is mm)
        assert [loans[seq].name for seq in sorted(loans)] == borrowers
        if loans:
            assert found.first_borrower().name == borrowers[0]
            assert set(loans) <= set(found.heap)
            assert len(found.heap) <= 2 * len(loans) + 9
    for task in kernel.tasks.values():
        kids = index._tasks[task.id].kids or {}
        expected = {
            mm.id: leaders for mm in kernel.mms.values()
            if (leaders := [kid.group.leader.id for kid in task.children if counts(kernel, kid, mm)])
        }  # fmt: skip
        assert entries(kids) == expected
        for first in kids.values():
            assert all(kid.process.parent is index._tasks[task.id] for kid in ring(first))
    assert entries(index._idle.kids)[kernel.tasks[1].mm.id][0] == 1


# -- the same answers --------------------------------------------------------------------


@pytest.mark.costly
@pytest.mark.parametrize(
    "bounds",
    [
        Bounds(4, 3),
        Bounds(2, 2, 1, 1),
        pytest.param(Bounds(3, 3, 1, 1), marks=[pytest.mark.slow, pytest.mark.nightly]),
    ],
    ids=str,
)
def test_the_index_agrees_on_every_transition_of_a_scope(bounds, dialect):
    graph = graph_of(bounds, dialect)
    compared = 0
    for program in programs_of(graph, plan_cases(graph)):
        lockstep(program, dialect)
        compared += len(program)
    assert compared > graph.transitions > 200


@pytest.mark.costly
@pytest.mark.parametrize("scope", [LARGE, SMALL], ids=["30 tasks", "8 tasks"])
def test_the_index_agrees_in_long_random_programs(scope, dialect):
    owners, words = set(), set()

    def look(kernel, index):
        words.add(kernel.op.word)
        owners.update((mm.id, kernel.owner(mm.id)) for mm in kernel.mms.values())

    for seed in range(6):
        program = random_program(Random(seed), 350, dialect, scope)
        assert len(program) > 300
        lockstep(program, dialect, look)
    assert words == WORDS
    # Programs that hand nothing over would agree too.
    mms = {mm for mm, _ in owners}
    assert dialect == "none" or len(owners) > 1.2 * len(mms)


@pytest.mark.costly
@pytest.mark.parametrize("scope", [LARGE, SMALL], ids=["30 tasks", "8 tasks"])
def test_every_ring_is_a_list_of_the_kernel_cut_down(scope, dialect):
    for seed in range(2):
        lockstep(random_program(Random(100 + seed), 200, dialect, scope), dialect, check_rings)


#: What the fields that the index reads can be.
FIELDS = {
    "delayed_leader": (True, False), "last_user": ("keep", "clear"), "nobody": ("keep", "clear"),
    "exec_call": ("new, mmap_sem held", "old, mmap_sem held", "old"),
    "skip_kthreads": (True, False), "adopter": ("next", "first"),
    ("children_list", "walk"): (
        ("threads", "pick, then lock"), ("leaders", "pick, then lock"), ("leaders", "lock in place"),
    ),
}  # fmt: skip


def crossed():
    """Dialects that never were: every combination of what the index reads."""
    for values in product(*FIELDS.values()):
        fields = dict(zip(FIELDS, values, strict=True))
        pair = fields.pop(("children_list", "walk"))
        yield replace(
            DIALECTS["6.1"], name=str(values), children_list=pair[0], walk=pair[1], **fields
        )


def test_each_field_is_read_by_itself():
    """What always changed together is not tied together: no dialect says so."""
    rows = list(crossed())
    for seed, row in enumerate(rows):
        lockstep(random_program(Random(seed), 60, row, SMALL), row)
    assert len(rows) == 288


# -- the shapes that a search has to get right, one by one -----------------------------------

FORK = (Clone(1, 2, (), 2),)
#: 2 has the children 3 (a process with thread 4 on mm 2) and 5 (on mm 2).
FAMILY = (*FORK, Clone(2, 3, (VM,)), Clone(3, 4, (THREAD,)), Clone(2, 5, (VM,)))

#: Program, and the owner of mm 2 at its end in KINDS.
SHAPES = {
    "child before sibling": (
        (*FORK, Clone(2, 3, (VM, PARENT)), Clone(2, 4, (VM,)), Exit(2)), (4, 4, 4)),
    "sibling before everybody": (
        (*FORK, Clone(2, 3, (VM,)), Clone(3, 4, (VM,)), Exec(3, 3), Clone(2, 5, (VM, PARENT)), Exit(2)),
        (5, 5, 5)),
    "grandchild": ((*FORK, Clone(2, 3, (VM,)), Clone(3, 4, (VM,)), Exec(3, 3), Exit(2)), (4, 4, 4)),
    "child whose leader is dead": ((*FAMILY, Exit(3), Exit(2)), (4, 5, 4)),
    "thread of a leader that leaves": (
        (*FORK, Clone(2, 3, (THREAD,)), Clone(2, 4, (VM, PARENT)), Exit(2)), (3, 4, 3)),
    "orphans stand behind": (
        (*FORK, Clone(2, 3, (VM,)), Clone(3, 4, (VM,)), Clone(2, 5, (VM,)), Exit(3), Exit(2)),
        (5, 5, 5)),
    "next thread adopts, or the first": (
        (*FORK, Clone(2, 3, (THREAD,)), Clone(2, 4, (THREAD,)), Clone(3, 5, (VM,)), Exit(3), Exit(2)),
        (4, 5, 5)),
    "other threads exit in list order before an exec": (
        (*FORK, Clone(2, 3, (THREAD,)), Clone(2, 4, (THREAD,)), Clone(4, 5, (VM,)),
         Clone(3, 6, (VM,)), Exec(2, 3)), (5, 6, 6)),
    "exec of a thread": (
        (*FAMILY, Exec(4, 3), Clone(4, 6, (VM, PARENT)), Exit(2)), (5, 5, 5)),
    "kernel thread made first": (
        (Kthread(9), *FORK, Clone(2, 3, (VM,)), Clone(3, 4, (VM,)), Exec(3, 3), UseMm(9, 2), Exit(2)),
        (9, 4, 4)),
    "kernel thread made last": (
        (*FORK, Clone(2, 3, (VM,)), Clone(3, 4, (VM,)), Exec(3, 3), Kthread(9), UseMm(9, 2), Exit(2)),
        (4, 4, 4)),
    "kernel thread alone, and gone": (
        (*FORK, Kthread(9), Hold(2, 1), UseMm(9, 2), Exit(2), UnuseMm(9, 2), Exit(9)),
        (9, None, None)),
    "helper": (
        (Kthread(9), Exec(9, 2), Clone(9, 3, (VM, PARENT)), Clone(3, 4, (VM,)), Exit(9), Exit(3)),
        (4, 4, 4)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_and_its_owner(shape):
    program, owners = SHAPES[shape]
    for dialect in DIALECTS:
        lockstep(program, dialect)
    assert tuple(IndexWorld(dialect).run(program).owner(2) for dialect in KINDS) == owners


def test_the_first_borrower_is_the_one_that_was_made_first():
    world = IndexWorld("2.6.29").run([
        *FORK, Hold(2, 1), *(Kthread(name) for name in (3, 4, 5)),
        UseMm(5, 2), UseMm(3, 2), UseMm(4, 2), UnuseMm(3, 2), Exit(2),
    ])  # fmt: skip
    assert world.owner(2) == 4
    world.run([Put(2, 1), UnuseMm(5, 2)])
    assert 2 in world.mms  # an mm without users is there as long as it is lent
    world.do(UnuseMm(4, 2))
    assert 2 not in world.mms


def test_an_owner_is_named_when_it_is_long_gone():
    world = IndexWorld("2.6.26").run([*FORK, Hold(2, 1), Exit(2), Reap(2)])
    assert (world.owner(2), world.state(2), world.users(2)) == (2, "gone", 1)


def test_direct_calls_do_what_operations_do():
    world = IndexWorld("6.11")
    world.clone(1, 2, (), 2)
    world.clone(2, 3, (VM,))
    world.hold(2, 1)
    world.kthread(4)
    world.use_mm(4, 2)
    world.exit(2)
    assert (world.owner(2), world.users(2), world.state(2)) == (3, 2, "zombie")
    world.reap(2)
    world.exec(3, 3)
    assert (world.owner(2), world.owner(3), world.users(2)) == (None, 3, 1)
    world.put(2, 1)
    world.unuse_mm(4, 2)
    assert set(world.mms) == {1, 3}
    assert [world.state(task) for task in (1, 2, 3, 4, 5)] == [
        "live",
        "gone",
        "live",
        "live",
        "gone",
    ]


# -- large worlds -------------------------------------------------------------------------


def adversarial(siblings, rounds):
    """The only other user is a grandchild, and unrelated siblings stand before all."""
    program = [Clone(1, 2, (), 2)]
    program += [Clone(2, 3 + number, (), 3 + number) for number in range(siblings)]
    exits = []
    for number in range(3 + siblings, 3 + siblings + 3 * rounds, 3):
        owner, child, grandchild = number, number + 1, number + 2
        program += [
            Clone(2, owner, (), owner), Clone(owner, child, (VM,)), Clone(child, grandchild, (VM,)),
            Exec(child, child),
        ]  # fmt: skip
        exits.append(owner)
    return program, exits


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_adversarial_exit_agrees(dialect):
    program, exits = adversarial(40, 5)
    kernel, index = Kernel(dialect).run(program), IndexWorld(dialect).run(program)
    for owner in exits:
        kernel.do(Exit(owner))
        index.do(Exit(owner))
        check_rings(kernel, index)
        grandchild = None if dialect == "none" else owner + 2
        assert index.owner(owner) == kernel.owner(owner) == grandchild


def lines_of(work):
    """How many lines of the index *work* runs."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        if not frame.f_code.co_filename.endswith("_index.py"):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("dialect", KINDS)
def test_an_operation_runs_as_many_lines_in_a_large_world_as_in_a_small_one(dialect):
    counts = []
    for siblings in (10, 3_000):
        program, exits = adversarial(siblings, 20)
        world = IndexWorld(dialect).run(program)
        free = exits[-1] + 10
        work = [
            *(Exit(owner) for owner in exits), Exec(exits[0] + 2, free), Clone(2, free, (VM,)),
            Clone(2, free + 1, (THREAD,)), Exit(free), Exit(free + 1), Reap(exits[1]),
            *(Exit(2 + number) for number in range(1, 11)),
        ]  # fmt: skip
        counts.append([lines_of(partial(world.do, op)) for op in work])
    assert counts[0] == counts[1]
    assert 20 < max(counts[0]) < 120


def test_deleting_at_the_front_of_a_ring_leaves_nothing_to_skip():
    """First come, first gone: the first of what is left costs the same after many of them."""
    world = IndexWorld("2.6.29")
    many = 1_000
    for name in range(2, many):
        world.clone(1, name, (VM,) if name % 2 else (THREAD,))
    counts = {lines_of(partial(world.exit, name)) for name in range(3, many, 2)}
    counts_threads = {lines_of(partial(world.exit, name)) for name in range(2, many, 2)}
    assert len(counts) <= 2 and len(counts_threads) <= 2  # the last one of a ring is another case
    assert (world.users(1), world.owner(1)) == (1, 1)


# -- what a world keeps ---------------------------------------------------------------------


def kept(world):
    """How many objects of the index can be reached from *world*."""
    seen, todo = set(), [world]
    count = 0
    while todo:
        for found in gc.get_referents(todo.pop()):
            if id(found) in seen or isinstance(found, type):
                continue
            if isinstance(found, (IndexedMm, IndexedTask, Kid, Process)):
                count += 1
            elif not isinstance(found, (dict, list)):
                continue
            seen.add(id(found))
            todo.append(found)
    return count


@pytest.mark.parametrize("dialect", ["rfc-v4", *KINDS])
def test_who_stays_keeps_no_neighbours_of_long_ago(dialect):
    """A zombie stood next to a thread, that one next to the one after it, and so on."""
    world = IndexWorld(dialect)
    world.clone(1, 2, (), 2)
    sizes = []
    for name in range(3, 103):
        world.clone(name - 1, name, (THREAD,))
        world.exit(name - 1)
        # Owners that stay, of mms that go: the same for processes on an mm.
        world.clone(1, 1_000 + name, (), 1_000 + name)
        world.hold(1_000 + name, name)
        world.clone(1_000 + name, 2_000 + name, (VM,))
        world.exec(1_000 + name, 3_000 + name)
        for gone in (1_000 + name, 2_000 + name):
            world.exit(gone)
            world.reap(gone)
        world.put(1_000 + name, name)
        sizes.append(kept(world))
    assert (world.state(2), world.users(2)) == ("zombie", 1)
    assert max(sizes) == sizes[0] < 20


@pytest.mark.parametrize("dialect", ["rfc-v4", *KINDS])
def test_an_owner_that_is_gone_keeps_no_ancestors(dialect):
    world = IndexWorld(dialect)
    for name in range(2, 50):
        world.clone(name - 1, name, (), name)
    for name in range(49, 1, -1):  # each dies before its parent
        world.hold(name, name)
        world.exit(name)
        world.reap(name)
    stale = sum(world.owner(mm) is not None for mm in range(2, 50))
    assert stale == (48 if DIALECTS[dialect].nobody == "keep" else 0)
    for name in range(2, 49):
        world.put(name, name)
    assert kept(world) < 20


def test_the_heap_of_loans_knows_the_first_and_stays_small():
    """Many loans come and go in any order, and in the worst one: behind one that stays."""
    random = Random(1)
    world = IndexWorld("2.6.29")
    for name in range(2, 42):
        world.kthread(name)
    lent = {2}
    world.use_mm(2, 1)
    for step in range(4_000):
        name = random.randrange(3 if step < 3_000 else 2, 42)
        (world.unuse_mm if name in lent else world.use_mm)(name, 1)
        lent ^= {name}
        borrower = world.mms[1].first_borrower()
        assert (borrower and borrower.name) == min(lent, default=None)
        assert len(world.mms[1].heap) <= 2 * len(lent) + 9


# -- what is not in the index ------------------------------------------------------------------

VALUES = {"task": 1, "child": 2, "mm": 2, "tracer": 1, "cgroup": 2, "name": "a"}


@pytest.mark.parametrize("word", sorted(OPS.keys() - WORDS))
def test_other_operations_are_refused_by_name(word):
    fields = OPS[word].__dataclass_fields__
    op = make_op(word, {name: VALUES[name] for name in fields if name in VALUES})
    with pytest.raises(NotIndexed, match=f"^{word} is not in the index: use Kernel"):
        IndexWorld().do(op)


def test_a_vfork_is_refused_before_anything_happens():
    world = IndexWorld()
    with pytest.raises(NotIndexed, match="VFORK is not in the index: use Kernel"):
        world.do(Clone(1, 2, (VM, VFORK)))
    assert (world.state(2), world.users(1)) == ("gone", 1)


def test_lists_that_no_kernel_had_are_refused():
    row = replace(DIALECTS["6.11"], children_list="threads")
    with pytest.raises(NotIndexed, match="'lock in place' on lists of threads"):
        IndexWorld(row)


def test_what_is_not_there_is_a_key_error():
    world = IndexWorld()
    for ask in (world.owner, world.users):
        with pytest.raises(KeyError):
            ask(2)
    with pytest.raises(KeyError):
        IndexWorld("2.4")
