"""`rules:` candidates: owner rules of others inside the reference kernel."""

from pathlib import Path
from random import Random

import pytest

from mmowner_reference import DIALECTS, Scope, parse_program, random_program
from pytest_mmowner import CallError, CandidateError, Options, Refused, open_candidate
from pytest_mmowner._candidates.hosted import rules_candidate
from pytest_mmowner._judge import judge_program
from pytest_mmowner.errors import Panic

EXAMPLE = Path(__file__).parents[2] / "examples" / "rules.py"
#: Init's child shares its mm with a child of its own and leaves.
HANDOFF = parse_program("clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)")
#: The owner leaves twice.
TWICE = parse_program("clone(1, 2, mm=2)\nclone(2, 3, VM)\nclone(3, 4, VM)\nexit(2)\nexit(3)")


class Plain:
    """The rules of 6.11 without a lock and without a step, for small worlds."""

    def __init__(self, host):
        self.host = host

    def mm_init_owner(self, mm, task):
        mm.owner = task

    def mm_clear_owner(self, mm, task):
        if mm.owner is task:
            mm.owner = None

    def mm_update_next_owner(self, mm):
        p = self.host.current
        if mm.owner is not p:
            return
        mm.owner = None
        leaders = [*p.children, *p.real_parent.children, *self.host.processes]
        if mm.users > 1:
            users = (t for e in leaders if not e.kthread for t in e.threads if t.mm is mm)
            mm.owner = next(users, None)
            self.host.lru_gen_migrate_mm(mm)


def hosted(rules, dialect="6.11"):
    return rules_candidate("rules:m:Rules", rules, DIALECTS[dialect])


def judged(rules, program=HANDOFF):
    candidate = hosted(rules)
    return judge_program(candidate, program, "6.11", candidate.info.asks)


def with_update(function):
    return type("Rules", (Plain,), {"mm_update_next_owner": function})


@pytest.mark.parametrize("rules", ["example", Plain])
def test_right_rules_are_right_in_fifty_random_programs(rules):
    if rules == "example":
        candidate, dialect = open_candidate(f"rules:{EXAMPLE}:Rules")
        assert dialect == "6.11"
    else:
        candidate = hosted(rules)
    scope = Scope(tasks=8, threads=4)
    for number in range(50):
        program = random_program(Random(number), 40, "6.11", scope)
        run = judge_program(candidate, program, "6.11", candidate.info.asks)
        assert (run.error, run.deviations, len(run.answers)) == (None, (), len(program))


def test_rules_that_do_nothing_are_wrong():
    run = judged(with_update(lambda self, mm: None))
    assert run.error is None
    assert [(d.rule, d.observed) for d in run.deviations if d.question.ask == "owner"] == [
        ("INV-07", 2)
    ]


def test_a_kernel_under_rules_shows_everything_and_refuses():
    candidate = hosted(Plain)
    assert {
        "refuse",
        "attach:thread",
        "owner",
        "bill",
        "lru",
        "clone",
    } <= candidate.info.capabilities
    assert "callbacks" not in candidate.info.capabilities  # 6.11 has none
    assert "callbacks" in hosted(Plain, "rfc-v4").info.capabilities
    assert (candidate.info.name, candidate.info.dialect) == ("Plain", None)
    candidate.reset()
    with pytest.raises(Refused, match="never was a task 9"):
        candidate.perform(parse_program("exit(9)")[0])


def _self_deadlock(self, mm):
    task = self.host.tasks[3]
    yield task.alloc_lock.lock
    yield task.alloc_lock.lock


def _unbalanced(self, mm):
    yield self.host.tasklist_lock.read_unlock


def _write_while_read(self, mm):
    yield self.host.tasklist_lock.read_lock
    yield self.host.tasklist_lock.write_lock


def _bug(self, mm):
    self.host.bug("owner == NULL")


def _leaves_alloc_lock(self, mm):
    task = next((t for t in self.host.tasks.values() if t.mm is mm), None)
    if mm.owner is not self.host.current or task is None:
        return
    yield task.alloc_lock.lock
    mm.owner = task
    self.host.lru_gen_migrate_mm(mm)


@pytest.mark.parametrize(
    ("update", "program", "step", "said"),
    [
        (
            _self_deadlock,
            HANDOFF,
            3,
            "self-deadlock: alloc_lock of task 3 is taken while it is held",
        ),
        (_unbalanced, HANDOFF, 3, "tasklist_lock is read-unlocked but was not held"),
        (_write_while_read, HANDOFF, 3, "self-deadlock: tasklist_lock is write-locked while held"),
        (_bug, HANDOFF, 3, "BUG_ON(owner == NULL) while <task 2> performs exit(2)"),
        (
            _leaves_alloc_lock,
            TWICE,
            4,
            "alloc_lock of task 3 is still held after exit(2)",
        ),
    ],
)
def test_rules_that_stop_the_kernel_are_wrong_not_broken(update, program, step, said):
    run = judged(with_update(update), program)
    assert run.error is None
    (found,) = run.deviations
    assert (found.rule, found.step, found.op, found.observed) == (
        "TASK-02", step, program[step - 1], said,
    )  # fmt: skip
    assert len(run.answers) == step - 1


def test_such_rules_raise_panic_when_they_are_driven_by_hand():
    candidate = hosted(with_update(_bug))
    candidate.reset()
    for op in HANDOFF[:2]:
        candidate.perform(op)
    with pytest.raises(Panic) as caught:
        candidate.perform(HANDOFF[2])
    assert caught.value.in_flight == "exit(2)"


@pytest.mark.parametrize("lock", ["tasklist_lock", "rcu"])
def test_a_read_lock_left_held_is_found(lock):
    def update(self, mm):
        yield getattr(self.host, lock).read_lock
        Plain.mm_update_next_owner(self, mm)

    run = judged(with_update(update), TWICE)
    assert [found.rule for found in run.deviations] == ["TASK-02"]


def test_an_endless_walk_is_an_error_after_the_patience():
    def update(self, mm):
        while True:
            yield self.host.tasks[1].visit

    candidate = hosted(with_update(update))
    candidate.patience = 0.1
    run = judge_program(candidate, HANDOFF, "6.11", ("owner",))
    assert not run.deviations
    assert run.error.text == "it did not return within 0.1 s"
    assert run.error.in_flight == "exit(2)"


@pytest.mark.parametrize(
    ("method", "in_flight"),
    [("mm_init_owner", "making the initial world"), ("mm_update_next_owner", "exit(2)")],
)
def test_an_exception_in_rules_is_an_error(method, in_flight):
    def broken(self, *args):
        return args[0].nonsense

    run = judged(type("Broken", (Plain,), {method: broken}))
    assert not run.deviations
    assert isinstance(run.error, CandidateError)
    assert not isinstance(run.error, Panic)
    assert run.error.in_flight == in_flight
    assert "AttributeError" in run.error.text
    assert "nonsense" in run.error.stderr


def test_a_generator_that_raises_is_an_error_too():
    def update(self, mm):
        yield self.host.tasklist_lock.read_lock
        raise ZeroDivisionError

    assert "it raised ZeroDivisionError" in judged(with_update(update)).error.text


def test_a_yield_of_something_that_is_no_step_is_an_error():
    def update(self, mm):
        yield 3

    assert "'int' object is not callable" in judged(with_update(update)).error.text


@pytest.mark.parametrize("method", ["mm_init_owner", "mm_update_next_owner"])
def test_a_missing_method_is_the_calls_fault(method):
    rules = type("Half", (Plain,), {method: None})
    with pytest.raises(CallError) as caught:
        hosted(rules)
    assert str(caught.value) == f"rules:m:Rules: owner rules need a method {method}(...)"


def test_mm_clear_owner_may_be_absent():
    class Without:
        mm_init_owner = Plain.mm_init_owner
        mm_update_next_owner = Plain.mm_update_next_owner
        __init__ = Plain.__init__

    assert judged(Without).deviations == ()
    failed = parse_program("clone_fails(1, 2, mm=2, at=late, ref=1)")
    run = judged(Without, failed)
    assert [(found.rule, found.observed) for found in run.deviations] == [("FORK-07", 2)]


def test_a_function_can_make_the_rules():
    def make(host):
        return Plain(host)

    assert judged(make).deviations == ()


@pytest.mark.parametrize("claimed", ["6.1", "rfc-v4"])
def test_rules_can_claim_a_dialect(tmp_path, claimed):
    (tmp_path / "mine.py").write_text(
        "class Rules:\n"
        f"    dialect = {claimed!r}\n"
        "    def __init__(self, host): pass\n"
        "    def mm_init_owner(self, mm, task): mm.owner = task\n"
        "    def mm_update_next_owner(self, mm): pass\n"
    )
    spec = f"rules:{tmp_path}/mine.py:Rules"
    candidate, dialect = open_candidate(spec)
    assert (candidate.info.dialect, dialect, candidate.dialect.name) == (claimed, claimed, claimed)
    candidate, dialect = open_candidate(spec, Options(dialect="6.11"))
    assert (dialect, candidate.dialect.name) == ("6.11", "6.11")
