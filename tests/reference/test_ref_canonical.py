"""``Canonical``: the identity of a world without its names."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmowner_reference import (
    KINDS,
    Canonical,
    Kernel,
    Scope,
    copy_kernel,
    legal_ops,
    op_from_dict,
    parse_program,
    program_from_choices,
    state_key,
)


def canonical(kernel):
    return state_key(kernel, Canonical(kernel))


def run(dialect, text):
    return Kernel(dialect).run(parse_program(text.replace(";", "\n")))


#: Pairs of programs whose worlds differ in names alone.
SAME = [
    ("6.11", "", ""),
    ("6.11", "clone(1,2,mm=2)", "clone(1,7,mm=9)"),
    ("6.11", "clone(1,2,VM); clone(1,3,VM)", "clone(1,3,VM); clone(1,2,VM)"),
    ("6.11", "clone(1,2,mm=2); clone(2,3,THREAD)", "clone(1,9,mm=5); clone(9,4,THREAD)"),
    ("6.11", "hold(mm=1,ref=1)", "hold(mm=1,ref=2)"),
    ("6.11", "cgroup(2); cgroup(3,parent=2); attach(1,cgroup=3); charge(1)",
     "cgroup(8); cgroup(4,parent=8); attach(1,cgroup=4); charge(1)"),
    ("6.11", "clone(1,2,mm=2); exit(2); reap(2); clone(1,3,mm=3)", "clone(1,2,mm=2)"),
    ("6.11", "clone(1,2,mm=2); clone(1,3,mm=3); hold(mm=2,ref=1); exit(2)",
     "clone(1,5,mm=5); clone(1,4,mm=4); hold(mm=5,ref=9); exit(5)"),
    ("rfc-v4", "clone(1,2,mm=2); hold(mm=2,ref=1); exit(2); reap(2)",
     "clone(1,4,mm=3); hold(mm=3,ref=1); exit(4); reap(4)"),
    ("rfc-v4", "clone(1,2,mm=2); clone(1,3,mm=3); trace(3,tracer=2)",
     "clone(1,3,mm=2); clone(1,2,mm=3); trace(2,tracer=3)"),
    ("2.6.28", "subsystem(a); clone(1,2,mm=2); clone(2,3,VM); exit(2)",
     "subsystem(a); clone(1,5,mm=2); clone(5,4,VM); exit(5)"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "one", "other"), SAME)
def test_worlds_that_differ_in_names_alone_are_one(dialect, one, other):
    assert canonical(run(dialect, one)) == canonical(run(dialect, other))


#: Pairs that differ in who is who.
DIFFERENT = [
    ("6.11", "clone(1,2,VM); clone(1,3,VM); exit(2)", "clone(1,2,VM); clone(1,3,VM); exit(3)"),
    ("6.11", "clone(1,2,mm=2); clone(1,3,mm=3); hold(mm=2,ref=1)",
     "clone(1,2,mm=2); clone(1,3,mm=3); hold(mm=3,ref=1)"),
    ("6.11", "hold(mm=1,ref=1)", "hold(mm=1,ref=1); hold(mm=1,ref=2)"),
    ("6.11", "cgroup(2); cgroup(3); attach(1,cgroup=2); charge(1)",
     "cgroup(2); cgroup(3,parent=2); attach(1,cgroup=2); charge(1)"),
    ("6.11", "cgroup(2); attach(1,cgroup=2)", "cgroup(2)"),
    ("6.11", "clone(1,2,VM)", "clone(1,2,THREAD)"),
    ("6.11", "clone(1,2,VM); clone(2,3,VM)", "clone(1,2,VM); clone(1,3,VM)"),
    ("6.11", "clone(1,2,mm=2); clone(1,3,mm=3); trace(3,tracer=2)",
     "clone(1,2,mm=2); clone(1,3,mm=3); trace(2,tracer=3)"),
    ("rfc-v4", "clone(1,2,mm=2); hold(mm=2,ref=1); exit(2)",
     "clone(1,2,mm=2); hold(mm=2,ref=1); exit(2); reap(2)"),
    # two mms, owned by one released task or by two
    ("rfc-v4", "clone(1,2,mm=2); hold(mm=2,ref=1); exec(2,mm=3); hold(mm=3,ref=2); exit(2); reap(2)",
     "clone(1,2,mm=2); clone(1,3,mm=3); hold(mm=2,ref=1); hold(mm=3,ref=2); exit(2); exit(3); reap(2); reap(3)"),
    ("rfc-v4", "subsystem(a); charge(1)", "subsystem(b); charge(1)"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "one", "other"), DIFFERENT)
def test_worlds_that_differ_in_more_are_two(dialect, one, other):
    assert canonical(run(dialect, one)) != canonical(run(dialect, other))


def renamed(program, shift):
    """The same program with other names: 1, which is there from the start, keeps its own."""

    def name(kind, old):
        return old if old == 1 and kind != "ref" else 1000 + shift(kind, old)

    def field(key, value):
        kind = KINDS.get(key)
        named = kind in ("task", "mm", "cgroup", "ref") and isinstance(value, int)
        return name(kind, value) if named else value

    return [op_from_dict({key: field(key, value) for key, value in op.to_dict().items()})
            for op in program]  # fmt: skip


CHOICES = st.lists(st.integers(0, 10_000), max_size=16)


@pytest.mark.costly
@settings(max_examples=30, derandomize=True, deadline=None)
@given(choices=CHOICES, factors=st.fixed_dictionaries(
    dict.fromkeys(("task", "mm", "cgroup", "ref"), st.sampled_from([1, -1, 7, 500]))
))  # fmt: skip
def test_a_program_with_other_names_leads_to_the_same_world(dialect, choices, factors):
    program = program_from_choices(choices, dialect)
    # 509 is prime: the factors permute the names below it, in their order or in another one
    other = renamed(program, lambda kind, old: old * factors[kind] % 509)
    one, two = Kernel(dialect), Kernel(dialect)
    for mine, theirs in zip(program, other, strict=True):
        one.do(mine)
        two.do(theirs)
        assert canonical(one) == canonical(two)


SCOPE = Scope(ops=frozenset({"clone", "exit", "hold", "put", "exec", "reap"}), tasks=2, mms=2,
              flags=((), ("VM",), ("THREAD",)))  # fmt: skip


@pytest.mark.costly
def test_worlds_with_equal_keys_go_on_to_worlds_with_equal_keys(dialect):
    """Nothing that matters is lost with the names: equal worlds have the same futures."""
    groups = {}
    frontier, named = [Kernel(dialect)], 0
    for _ in range(3):
        after = {}
        for world in frontier:
            named += 1
            reached = []
            for op in legal_ops(world, SCOPE):
                copy = copy_kernel(world)
                copy.do(op)
                reached.append(copy)
                after[state_key(copy)] = copy
            groups.setdefault(canonical(world), []).append({canonical(copy) for copy in reached})
        frontier = list(after.values())
    assert named > len(groups) > 20
    for futures in groups.values():
        assert all(future == futures[0] for future in futures)
