"""The oracle accepts the reference itself: a false alarm on the rules is a wrong verdict."""

from collections import Counter
from random import Random

import pytest

from mmowner_reference import (
    ASKS,
    Kernel,
    Oracle,
    Scope,
    plan,
    program_from_choices,
    random_program,
)

#: How many programs: those of a run of all tests, and of a fast one.
PROGRAMS = 2_000
FEW = 100
LENGTH = 12
SCOPE = Scope(tasks=5, mms=3, refs=1, kthreads=1, cgroups=1, threads=3)


def answer(kernel, question):
    ask = getattr(kernel, question.ask)
    return ask() if question.name is None else ask(question.name)


def run_in_lockstep(program, dialect):
    """Judge a plain kernel as if it were a candidate; return what decided, how often."""
    kernel, oracle = Kernel(dialect), Oracle(dialect)
    for step in plan(program, dialect, ASKS):
        kernel.do(step.op)
        oracle.do(step.op)
        found = oracle.judge({q: answer(kernel, q) for q in step.questions})
        assert not found, (program, found)
    return oracle.decided


@pytest.mark.costly
def test_no_false_alarm_in_a_few_random_programs(dialect):
    judge(dialect, FEW)


@pytest.mark.slow
@pytest.mark.costly
def test_no_false_alarm_in_many_random_programs(dialect):
    decided = judge(dialect, PROGRAMS)
    assert dialect == "none" or "EXIT-02" in decided


def judge(dialect, count):
    """Run random programs; return what decided.  They are not trivial: they reach elections."""
    decided = Counter()
    for seed in range(count):
        decided.update(
            run_in_lockstep(random_program(Random(seed), LENGTH, dialect, SCOPE), dialect)
        )
    expected = {"CONF-01"} if dialect == "none" else {"INV-07", "SEARCH-01"}
    assert expected <= set(decided)
    return decided


#: What random programs seldom have: one task among many has to be the right one.
RARE = Scope(
    tasks=3, mms=2, cgroups=1, threads=2,
    ops=frozenset({"clone", "exit", "exec", "reap", "hold", "put", "kthread", "use_mm",
                   "unuse_mm", "trace", "untrace", "charge"}),
    flags=((), ("VM",), ("THREAD",), ("VM", "PARENT")),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.costly
def test_no_false_alarm_in_1000_programs_with_borrowers_and_tracers(dialect):
    words = Counter()
    for seed in range(1000):
        random = Random(seed)
        choices = [random.randrange(1 << 20) for _ in range(16)]
        program = program_from_choices(choices, dialect, RARE)
        words.update(op.word for op in program)
        run_in_lockstep(program, dialect)
    assert min(words[word] for word in ("use_mm", "unuse_mm", "trace", "untrace")) > 100
