"""`python:` candidates: what a tracker shows, and what becomes of its mistakes."""

import sys
import time
from pathlib import Path
from random import Random

import pytest

from mmowner_reference import Question, Scope, parse_program, random_program
from pytest_mmowner import CallError, CandidateError, Options, Refused, check, open_candidate
from pytest_mmowner._candidates.guard import deadline
from pytest_mmowner._candidates.tracker import Tracker, require_callable
from pytest_mmowner._judge import judge_program

EXAMPLE = Path(__file__).parents[2] / "examples" / "tracker.py"
FORKS = parse_program("clone(1, 2, mm=2)\nclone(1, 3, mm=3)")


class Forks:
    """Right as long as programs only fork."""

    def clone(self, task, child, flags, mm):
        """The child gets an mm of the same number."""

    def owner(self, mm):
        return mm


def tracker(factory, dialect="6.11", patience=None):
    made = Tracker("python:t:Tracker", factory, dialect)
    if patience is not None:
        made.patience = patience
    return made


def judged(candidate, program=FORKS, asks=None):
    return judge_program(candidate, program, "6.11", asks or candidate.info.asks)


def test_the_example_is_right_in_fifty_random_programs():
    candidate, dialect = open_candidate(f"python:{EXAMPLE}:Tracker")
    assert dialect == "6.11"
    assert candidate.info.capabilities == {"clone", "exit", "reap", "owner"}
    scope = Scope(ops=frozenset({"clone", "exit", "reap"}))
    for number in range(50):
        program = random_program(Random(number), 30, "6.11", scope)
        run = judged(candidate, program)
        assert (run.error, run.deviations, len(run.answers)) == (None, (), len(program))


def test_capabilities_are_the_methods_of_the_tracker():
    class More(Forks):
        exit = None  # not a method

        def exec(self, task, mm): ...
        def attach(self, task, cgroup): ...
        def users(self, mm): ...
        def bill(self): ...
        def fly(self): ...

    info = tracker(More).info
    assert info.capabilities == {
        "clone",
        "exec",
        "attach",
        "owner",
        "users",
        "bill",
        "attach:thread",
    }
    assert info.asks == ("owner", "users", "bill")
    assert (info.name, info.language, info.spec) == ("More", "Python", "python:t:Tracker")
    assert info.dialect is None
    assert info.without == frozenset()


def test_without_extras_and_dialect_are_attributes():
    class Partly(Forks):
        without = ("clone:PARENT",)
        extras = ("refuse", "levitate")
        dialect = "6.1"

    info = tracker(Partly).info
    assert info.without == {"clone:PARENT"}
    assert info.capabilities == {"clone", "owner", "refuse"}
    assert info.dialect == "6.1"
    assert info.lacks(["clone:PARENT", "clone:THREAD"]) == ["clone:PARENT"]


def test_the_dialect_can_be_an_argument_of_the_factory():
    seen = []

    def make(dialect):
        seen.append(dialect)
        return Forks()

    candidate = tracker(make, "rfc-v4")
    assert judged(candidate).deviations == ()
    assert set(seen) == {"rfc-v4"}
    assert candidate.info.name == "make"


def test_a_factory_without_that_argument_is_called_with_nothing():
    class Bare(Forks):
        def __init__(self):
            self.dialect = "6.1"

    assert tracker(Bare, "rfc-v4").info.dialect == "6.1"


def test_check_gives_the_factory_its_dialect():
    def make(dialect):
        return Forks()

    assert check(make, level="concurrency").candidate == "make"


def test_each_program_gets_a_tracker_of_its_own():
    made = []

    class Counted(Forks):
        def __init__(self):
            made.append(self)

    candidate = tracker(Counted)
    before = len(made)
    judged(candidate)
    judged(candidate)
    assert len(made) == before + 2


@pytest.mark.parametrize(
    ("methods", "has"),
    [((), "none of them"), (("clone",), "clone"), (("owner", "exit"), "exit, owner")],
)
def test_a_tracker_without_clone_or_owner_is_the_calls_fault(methods, has):
    cls = type("Half", (), {name: lambda self: None for name in methods})
    with pytest.raises(CallError) as caught:
        tracker(cls)
    assert str(caught.value) == (
        "python:t:Tracker: a tracker has at least the methods clone(task, child, flags, mm) and "
        f"owner(mm); this Half has {has}"
    )


@pytest.mark.parametrize("found", [3, "text", None])
def test_what_cannot_be_called_is_no_factory(found):
    with pytest.raises(CallError, match="cannot be called; name a class or a function"):
        require_callable("python:m:x", found)


def test_an_exception_in_the_factory_is_an_error():
    def make():
        raise OSError("no such device")

    with pytest.raises(CandidateError) as caught:
        tracker(make)
    assert caught.value.text == "it raised OSError: no such device"
    assert caught.value.in_flight == "making the initial world"


ASKING = ()


@pytest.mark.parametrize(
    ("method", "in_flight"),
    [
        ("clone", "clone(1, 2, mm=2)"),
        pytest.param("owner", "owner(mm 1)", marks=ASKING),
    ],
)
def test_an_exception_is_an_error_with_the_end_of_its_traceback(method, in_flight):
    def deep_inside(*args):
        raise KeyError("thirteen")

    cls = type("Broken", (Forks,), {method: lambda self, *args: deep_inside(*args)})
    run = judged(tracker(cls))
    assert not run.deviations
    assert run.answers == ()
    assert isinstance(run.error, CandidateError)
    assert run.error.text == "it raised KeyError: 'thirteen'"
    assert str(run.error).endswith("  | KeyError: 'thirteen'")
    assert "in deep_inside" in str(run.error)
    assert 'raise KeyError("thirteen")' in str(run.error)
    assert run.error.in_flight == in_flight


def test_answers_before_an_exception_are_judged():
    class Late(Forks):
        def clone(self, task, child, flags, mm):
            if child == 3:
                raise ValueError

        def owner(self, mm):
            return 1

    run = judged(tracker(Late))
    assert isinstance(run.error, CandidateError)
    (found,) = run.deviations
    assert (found.rule, found.observed, found.step) == ("FORK-01", 1, 1)


def test_endless_recursion_is_an_error():
    class Deep(Forks):
        def owner(self, mm):
            return self.owner(mm)

    run = judged(tracker(Deep))
    assert "RecursionError: it calls itself without end" in run.error.text


@pytest.mark.parametrize(
    ("where", "in_flight"),
    [
        ("__init__", "making the initial world"),
        ("clone", "clone(1, 2, mm=2)"),
        pytest.param("owner", "owner(mm 1)", marks=ASKING),
    ],
)
def test_an_endless_loop_is_an_error_after_the_patience(where, in_flight):
    def forever(*args):
        while True:
            pass

    cls = type("Endless", (Forks,), {})
    candidate = tracker(cls, patience=0.1)
    setattr(cls, where, forever)
    before = time.monotonic()
    run = judged(candidate)
    assert time.monotonic() - before < 5
    assert isinstance(run.error, CandidateError)
    assert run.error.text == "it did not return within 0.1 s"
    delattr(cls, where)
    assert judged(candidate).error is None
    time.sleep(0.11)  # no alarm is left behind
    assert run.error.in_flight == in_flight


def test_an_endless_loop_outside_of_a_program_is_an_error_too():
    class Endless(Forks):
        def owner(self, mm):
            while True:
                try:
                    self.nothing()
                except Exception:
                    continue

    candidate = tracker(Endless, patience=0.1)
    candidate.reset()
    candidate.perform(FORKS[0])
    with pytest.raises(CandidateError, match="did not return within"):
        candidate.ask(Question("owner", 1))


def test_somebody_elses_alarm_is_left_alone():
    import signal

    with deadline(30):
        before = signal.getitimer(signal.ITIMER_REAL)[0]
        assert judged(tracker(Forks, patience=0.1)).error is None
        assert 25 < signal.getitimer(signal.ITIMER_REAL)[0] <= before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("2", "an owner is the integer name of a task, or null"),
        (2.0, "an owner is the integer name of a task, or null"),
        (True, "an owner is the integer name of a task, or null"),
        ([2], "an owner is the integer name of a task, or null"),
        (object, "an owner is the integer name of a task, or null"),
        (7, "no task was ever named 7"),
        (-1, "no task was ever named -1"),
        ({"process": 7}, "no task was ever named 7"),
        ({"thread": 1}, 'an object must be {"process": task}'),
    ],
)
def test_an_answer_of_a_wrong_type_is_an_error(answer, why):
    class Odd(Forks):
        def owner(self, mm):
            return answer

    run = judged(tracker(Odd))
    assert not run.deviations
    assert isinstance(run.error, CandidateError)
    assert run.error.in_flight == "owner(mm 1)"
    assert run.error.text.endswith(why)


def test_a_huge_answer_is_cut_in_the_error():
    class Odd(Forks):
        def owner(self, mm):
            return "x" * 100_000

    assert len(str(judged(tracker(Odd)).error)) < 600


def test_an_owner_can_be_told_by_its_process():
    class Coarse(Forks):
        def owner(self, mm):
            return {"process": mm}

    run = judged(tracker(Coarse))
    assert (run.error, run.deviations) == (None, ())


@pytest.mark.parametrize(("when", "step"), [(2, 1), (3, 2)])
def test_a_refusal_of_a_legal_operation_breaks_task_02(when, step):
    class Picky(Forks):
        def clone(self, task, child, flags, mm):
            if child == when:
                raise Refused("not today")

    run = judged(tracker(Picky))
    assert run.error is None
    assert len(run.answers) == step - 1
    (found,) = run.deviations
    assert (found.rule, found.step, found.observed) == ("TASK-02", step, "refused: not today")


def test_flags_come_as_a_tuple_and_fields_by_position():
    calls = []

    class Log(Forks):
        def clone(self, *args):
            calls.append(args)

        def kthread(self, *args):
            calls.append(args)

        def clone_fails(self, *args):
            calls.append(args)

        def owner(self, mm):
            return 1 if mm == 1 else None

    text = "clone(1, 2, PARENT|VM) # illegal for init"
    candidate = tracker(Log)
    candidate.reset()
    for op in parse_program(f"{text}\nkthread(3)\nclone_fails(1, 4, mm=9, at=dup_mm)"):
        candidate.perform(op)
    assert calls == [
        (1, 2, ("VM", "PARENT"), None),
        (3,),
        (1, 4, (), 9, "dup_mm", None),
    ]


def test_a_wrong_tracker_is_blamed_for_each_requirement_once():
    class NoHandoff(Forks):
        def exit(self, task): ...

    program = parse_program("clone(1, 2, mm=2)\nclone(2, 3, VM)\nexit(2)")
    run = judged(tracker(NoHandoff), program)
    (found,) = run.deviations
    assert (found.rule, found.observed, [allowed.value for allowed in found.allowed]) == (
        "INV-07", 2, [3],
    )  # fmt: skip
    assert run.without_order() == run


def test_order_deviations_can_be_left_out():
    class Newest(Forks):
        def exit(self, task): ...

        def owner(self, mm):
            return 4 if mm == 2 and self.gone else mm

        gone = False

    def leave(self, task):
        self.gone = True

    Newest.exit = leave
    program = parse_program("clone(1, 2, mm=2)\nclone(2, 3, VM)\nclone(2, 4, VM)\nexit(2)")
    run = judged(tracker(Newest), program)
    (found,) = run.deviations
    assert (found.rule, found.observed) == ("SEARCH-01", 4)
    assert run.without_order().deviations == ()
    assert run.decided["FORK-01"] == 1


def test_the_module_of_the_example_is_loaded_from_its_file_each_time():
    first, _ = open_candidate(f"python:{EXAMPLE}:Tracker", Options())
    again, _ = open_candidate(f"python:{EXAMPLE}:Tracker", Options())
    assert first is not again
    assert sys.modules["_mmowner_candidate_tracker"].__file__ == str(EXAMPLE)
