"""Shrinking: what is left fails, nothing of it can go, and it is as short as it can be."""

import re
from functools import cache
from random import Random

import pytest

from mmowner_reference import (
    Clone,
    Exec,
    Exit,
    Kernel,
    Oracle,
    Scope,
    copy_kernel,
    legal_ops,
    parse_program,
    questions,
    random_program,
    state_key,
)
from pytest_mmowner import ConformanceFailure, NotApplicable, open_candidate
from pytest_mmowner._campaign import STRETCHES, Campaign, Stretch
from pytest_mmowner._judge import judge_program
from pytest_mmowner._repeat import confirm
from pytest_mmowner._shrink import Shrunk, legal_part, renamed, shrink

D = "6.11"


def program(text):
    return parse_program(text.replace(";", "\n"))


def has_threads(number):
    return lambda p: sum(isinstance(op, Clone) and "THREAD" in op.flags for op in p) >= number


FAILS = {
    "execs": lambda p: any(isinstance(op, Exec) for op in p),
    "two threads": has_threads(2),
    "an exit after an exec": lambda p: any(
        isinstance(op, Exit) and any(isinstance(e, Exec) for e in p[:at]) for at, op in enumerate(p)
    ),
    "ten operations": lambda p: len(p) >= 10,
    "a zombie": lambda p: any(t.state == "zombie" for t in Kernel(D).run(p).tasks.values()),
    "an mm without an owner": lambda p: None in map(Kernel(D).run(p).owner, Kernel(D).run(p).mms),
}
SHORTEST = {
    "execs": 1, "two threads": 2, "an exit after an exec": 3, "ten operations": 10,
    "a zombie": 2, "an mm without an owner": 2,
}  # fmt: skip


def samples(name, wanted=4):
    found = []
    for number in range(400):
        made = random_program(Random(f"{name}{number}"), 40, D)
        if FAILS[name](made):
            found.append(made)
        if len(found) == wanted:
            return found
    raise AssertionError(f"no random program has {name}")


@pytest.mark.parametrize("name", FAILS)
def test_the_result_fails_and_nothing_can_be_removed(name):
    for sample in samples(name):
        result = shrink(sample, FAILS[name], D)
        assert result.minimal
        assert FAILS[name](result.program)
        assert legal_part(result.program, D) == result.program
        for at in range(len(result.program)):
            rest = legal_part(result.program[:at] + result.program[at + 1 :], D)
            assert not FAILS[name](renamed(rest))
        assert len(result.program) == SHORTEST[name] or name == "an mm without an owner"
        assert len(result.program) <= len(sample)


@pytest.mark.parametrize("name", FAILS)
def test_the_result_is_named_in_order_of_appearance(name):
    for sample in samples(name, 2):
        result = shrink(sample, FAILS[name], D).program
        assert renamed(result) == result


def test_flags_tasks_and_tracers_become_simple():
    long = program(
        "clone(1,2,mm=2); clone(2,3,PARENT|VFORK,mm=3); clone(3,4,mm=4); clone(3,5,mm=5); trace(4,tracer=5)"
    )
    result = shrink(long, lambda p: any(op.word == "trace" for op in p), D)
    assert result == Shrunk(program("clone(1,2,mm=2); trace(2,tracer=1)"), minimal=True)
    result = shrink(long, lambda p: len(p) >= 2 and p[-1].word == "clone", D)
    assert result.program == program("clone(1,2,mm=2); clone(1,3,mm=3)")


def test_only_failing_programs_are_kept_and_none_is_tried_twice():
    tried = []

    def fails(p):
        tried.append(p)
        return any(isinstance(op, Exec) for op in p)

    sample = samples("execs", 1)[0]
    shrink(sample, fails, D)
    assert len(tried) == len(set(tried))
    assert renamed(sample) not in tried
    for p in tried:
        assert renamed(p) == p
        assert legal_part(p, D) == p


def test_without_budget_the_program_is_taken_as_it_is():
    sample = samples("execs", 1)[0]
    assert shrink(sample, FAILS["execs"], D, budget=-1) == Shrunk(renamed(sample), minimal=False)
    assert not shrink(sample, FAILS["execs"], D, budget=0).minimal


def test_a_program_that_is_minimal_stays():
    one = program("exec(1, mm=2)")
    assert shrink(one, lambda p: p == one, D) == Shrunk(one, minimal=True)
    assert shrink((), lambda p: True, D) == Shrunk((), minimal=True)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("clone(1,7,mm=9); clone(7,5,VM); exit(7)", "clone(1,2,mm=2); clone(2,3,VM); exit(2)"),
        ("hold(mm=1,ref=8); exec(1,mm=4); put(mm=1,ref=8)", "hold(mm=1,ref=1); exec(1,mm=2); put(mm=1,ref=1)"),
        ("cgroup(5); cgroup(9,parent=5); attach(1,cgroup=9)", "cgroup(2); cgroup(3,parent=2); attach(1,cgroup=3)"),
        ("kthread(4); use_mm(4,mm=1)", "kthread(2); use_mm(2,mm=1)"),
        ("clone(1,4,mm=4); clone(1,2,mm=2); trace(4,tracer=2)", "clone(1,2,mm=2); clone(1,3,mm=3); trace(2,tracer=3)"),
        ("charge(1,pages=7)", "charge(1,pages=7)"),
        ("", ""),
    ],
)  # fmt: skip
def test_renaming_follows_the_order_of_appearance_and_keeps_the_rest(text, new):
    assert renamed(program(text)) == program(new)


def test_the_legal_part_leaves_out_what_becomes_illegal():
    broken = program(
        "clone(2,3,VM); clone(1,2,mm=2); clone(2,4,VM); exit(9); exit(2); exit(2); exit(1)"
    )
    assert legal_part(broken, D) == program("clone(1,2,mm=2); clone(2,4,VM); exit(2)")
    assert legal_part((), D) == ()


def test_what_does_not_fail_again_is_not_shrunk():
    candidate, _ = open_candidate("mutant:no-handoff")
    long = program("kthread(2); clone(1,3,mm=2); clone(3,4,VM); exit(3)")
    (found,) = judge_program(candidate, long, D, ["owner"]).deviations
    right, _ = open_candidate("reference")
    made = confirm(lambda p: judge_program(right, p, D, ["owner"]), long, found, D)
    assert (made.shrunk, made.deviation) == (Shrunk(long, minimal=False), found)
    assert not made.repeatable


# -- the programs that a campaign reports ------------------------------------------------


@cache
def campaign(name, parts=1):
    """The campaign against a mutant; most of them need its first part only."""
    candidate, dialect = open_candidate(f"mutant:{name}")
    return Campaign(candidate, dialect, stretches=STRETCHES[:parts])


def reported(name, rule, parts=1):
    """The program in the report of a campaign."""
    with pytest.raises(ConformanceFailure) as caught:
        campaign(name, parts).holds(rule)
    lines = str(caught.value).splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("minimal program, "))
    count = int(re.findall(r"\d+", lines[start])[0])
    return parse_program("\n".join(line[5:] for line in lines[start + 1 : start + 1 + count]))


FLAGS = ((), ("VM",), ("THREAD",), ("VM", "PARENT"))


def broken_within(name, rule, words, length):
    """Whether a program of at most *length* operations shows the mutant breaking *rule*.

    Breadth-first over pairs of worlds, the oracle's and the mutant's.  Out of its scope:
    more than three tasks beside init, execs with several outcomes (three threads and more).
    """
    scope = Scope(
        tasks=3, mms=2, refs=1, kthreads=1, cgroups=0, threads=2, ops=frozenset(words), flags=FLAGS
    )  # fmt: skip
    candidate, _ = open_candidate(f"mutant:{name}")
    candidate.reset()
    frontier, seen = [(Kernel(D), candidate.world)], set()
    for _ in range(length):
        after = []
        for right, wrong in frontier:
            for op in legal_ops(right, scope):
                oracle, mutant = Oracle(D), copy_kernel(wrong)
                oracle.worlds = [copy_kernel(right)]
                oracle.do(op)
                if len(oracle.worlds) > 1:
                    continue
                mutant.do(op)
                asked = questions(oracle.worlds[0], ["owner"])
                answers = {question: mutant.owner(question.name) for question in asked}
                if any(found.rule == rule for found in oracle.judge(answers)):
                    return True
                key = state_key(oracle.worlds[0]), state_key(mutant)
                if key not in seen:
                    seen.add(key)
                    after.append((oracle.worlds[0], mutant))
        frontier = after
    return False


TASKS = ("clone", "exit", "exec")
BORROW = (*TASKS, "hold", "kthread", "use_mm")

#: Mutant, its obvious requirement, the words that matter, and a shortest program.
SHORTEST_AGAINST = [
    ("siblings-first", "SEARCH-01", TASKS, "clone(1,2,mm=2); clone(2,3,VM); clone(2,4,THREAD); exit(2)"),
    ("no-handoff", "INV-07", TASKS, "clone(1,2,mm=2); clone(2,3,VM); exit(2)"),
    ("no-handoff", "EXEC-02", TASKS, "clone(1,2,VM); exec(1,mm=2)"),
    ("exec-forgets", "EXEC-02", TASKS, "clone(1,2,VM); exec(1,mm=2)"),
    ("newest-first", "SEARCH-01", TASKS, "clone(1,2,VM); clone(1,3,VM); exec(1,mm=2)"),
    ("leader-keeps-ownership", "LEADER-03", TASKS, "clone(1,2,mm=2); clone(2,3,THREAD); exit(2)"),
    ("kthreads-may-own", "EXIT-07", BORROW, "hold(mm=1,ref=1); kthread(2); use_mm(2,mm=1); exec(1,mm=2)"),
    ("failed-clone-clears", "FORK-07", (*TASKS, "clone_fails"), "clone_fails(1,2,VM)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule", "words", "text"), SHORTEST_AGAINST)
def test_a_campaign_reports_a_shortest_program(name, rule, words, text):
    candidate, _ = open_candidate(f"mutant:{name}")
    known = program(text)
    assert judge_program(candidate, known, D, ["owner"]).against(rule) is not None
    assert not broken_within(name, rule, words, len(known) - 1)

    found = reported(name, rule, len(STRETCHES) if words is BORROW else 1)
    assert judge_program(candidate, found, D, candidate.info.asks).against(rule) is not None
    assert len(found) == len(known)


def test_a_campaign_runs_once_and_repeats_its_report():
    made = campaign("no-handoff")
    texts = set()
    for _ in range(2):
        with pytest.raises(ConformanceFailure) as caught:
            made.holds("INV-07")
        texts.add(str(caught.value))
    (text,) = texts
    assert "found by random programs, seed 0" in text
    assert made.programs == STRETCHES[0].programs
    made.holds("FORK-01")
    with pytest.raises(NotApplicable, match="200 random programs never got to LEADER-01"):
        made.holds("LEADER-01")


def test_a_campaign_depends_on_its_seed_and_nothing_else():
    def answers(seed):
        candidate, dialect = open_candidate("mutant:no-handoff")
        made = Campaign(candidate, dialect, seed, (Stretch(10, 20, Scope()),))
        made.run()
        return made.failures, made.decided

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)
