"""An illegal program must be refused by the right name, with the world as it was."""

import pytest

from mmowner_reference import (
    REFUSALS,
    IllegalOperation,
    Kernel,
    check,
    is_legal,
    parse_op,
    parse_program,
    state_key,
)
from mmowner_reference import Names as NewNames

#: The rule, the dialect, the program before, and the operation that is refused.
REFUSED = [
    ("unknown-name", "6.11", "", "exit(7)"),
    ("unknown-name", "6.11", "", "reap(7)"),
    ("unknown-name", "6.11", "", "hold(mm=7, ref=1)"),
    ("unknown-name", "6.11", "", "attach(1, cgroup=7)"),
    ("unknown-name", "6.11", "", "cgroup(2, parent=7)"),
    ("unknown-name", "6.11", "clone(1, 2, mm=2)", "trace(2, tracer=7)"),
    ("used-name", "6.11", "clone(1, 2, mm=2)", "clone(1, 2, mm=3)"),
    ("used-name", "6.11", "clone(1, 2, mm=2)", "clone(1, 3, mm=2)"),
    ("used-name", "6.11", "clone(1, 2, mm=2); exit(2); reap(2)", "clone(1, 2, VM)"),
    ("used-name", "6.11", "clone(1, 2, mm=2); exit(2); reap(2)", "exec(1, mm=2)"),
    ("used-name", "6.11", "clone_fails(1, 2, mm=2)", "clone(1, 2, VM)"),
    ("used-name", "6.11", "clone_fails(1, 2, mm=2)", "clone(1, 3, mm=2)"),
    ("used-name", "6.11", "", "kthread(1)"),
    ("used-name", "6.11", "hold(mm=1, ref=1); put(mm=1, ref=1)", "hold(mm=1, ref=1)"),
    ("used-name", "6.11", "hold(mm=1, ref=1)", "clone_fails(1, 2, mm=2, ref=1)"),
    ("used-name", "6.11", "", "cgroup(1)"),
    ("used-name", "rfc-v4", "subsystem(a)", "subsystem(a)"),
    ("exited", "6.11", "clone(1, 2, mm=2); exit(2)", "exit(2)"),
    ("exited", "6.11", "clone(1, 2, mm=2); exit(2); reap(2)", "exec(2, mm=3)"),
    ("exited", "6.11", "clone(1, 2, THREAD); exit(2)", "clone(2, 3, VM)"),
    ("vfork-wait", "6.11", "clone(1, 2, VM|VFORK)", "clone(1, 3, VM)"),
    ("vfork-wait", "6.11", "clone(1, 2, VM|VFORK)", "exec(1, mm=2)"),
    ("vfork-wait", "6.11", "clone(1, 2, VM|VFORK)", "charge(1)"),
    ("vfork-wait", "6.11", "clone(1, 2, VM); trace(2, tracer=1); clone(1, 3, VM|VFORK)",
     "untrace(2)"),
    ("kill-group", "6.11", "clone(1, 2, mm=2); clone(2, 3, THREAD); clone(2, 4, VM|VFORK)",
     "exit(2)"),
    ("init-stays", "6.11", "", "exit(1)"),
    ("init-stays", "6.11", "clone(1, 2, THREAD)", "exec(2, mm=2)"),
    ("parent-of-init", "6.11", "", "clone(1, 2, VM|PARENT)"),
    ("parent-of-init", "6.11", "clone(1, 2, THREAD)", "clone(2, 3, PARENT, mm=2)"),
    ("parent-of-init", "6.11", "", "clone_fails(1, 2, VM|PARENT)"),
    ("kernel-thread", "6.11", "kthread(2)", "clone(2, 3, mm=2)"),
    ("kernel-thread", "6.11", "kthread(2)", "exec_fails(2)"),
    ("kernel-thread", "6.11", "kthread(2)", "trace(2, tracer=1)"),
    ("kernel-thread", "6.11", "kthread(2); clone(1, 3, VM)", "trace(3, tracer=2)"),
    ("kernel-thread", "6.11", "kthread(2)", "subreaper(2)"),
    ("kernel-thread", "6.11", "kthread(2)", "attach(2, cgroup=1)"),
    ("borrows", "6.11", "kthread(2); use_mm(2, mm=1)", "exit(2)"),
    ("borrows", "6.11", "kthread(2); use_mm(2, mm=1)", "exec(2, mm=2)"),
    ("borrows", "6.11", "kthread(2); use_mm(2, mm=1)", "use_mm(2, mm=1)"),
    ("no-loan", "6.11", "kthread(2)", "unuse_mm(2, mm=1)"),
    ("no-loan", "6.11", "kthread(2); clone(1, 3, mm=2); use_mm(2, mm=2)", "unuse_mm(2, mm=1)"),
    ("not-a-kthread", "6.11", "", "use_mm(1, mm=1)"),
    ("not-a-kthread", "6.11", "kthread(2); exec(2, mm=2)", "use_mm(2, mm=1)"),
    ("dead-mm", "6.11", "clone(1, 2, mm=2); exit(2)", "hold(mm=2, ref=1)"),
    ("dead-mm", "6.11", "kthread(3); clone(1, 2, mm=2); use_mm(3, mm=2); exit(2)",
     "hold(mm=2, ref=1)"),
    ("dead-mm", "6.11", "kthread(3); clone(1, 2, mm=2); exit(2)", "use_mm(3, mm=2)"),
    ("no-ref", "6.11", "", "put(mm=1, ref=1)"),
    ("no-ref", "6.11", "hold(mm=1, ref=1); put(mm=1, ref=1)", "put(mm=1, ref=1)"),
    ("no-ref", "6.11", "clone(1, 2, mm=2); hold(mm=1, ref=1)", "put(mm=2, ref=1)"),
    ("not-a-zombie", "6.11", "clone(1, 2, mm=2)", "reap(2)"),
    ("not-a-zombie", "6.11", "clone(1, 2, mm=2); exit(2); reap(2)", "reap(2)"),
    ("not-a-zombie", "6.11", "clone(1, 2, mm=2); clone(2, 3, THREAD); exit(2)", "reap(2)"),
    ("not-a-zombie", "6.11", "clone(1, 2, THREAD); exit(2)", "reap(2)"),
    ("nobody-waits", "6.11", "clone(1, 2, mm=2); clone(2, 3, mm=3); exit(3); clone(2, 4, VM|VFORK)", "reap(3)"),
    ("self-trace", "6.11", "clone(1, 2, mm=2)", "trace(2, tracer=2)"),
    ("self-trace", "6.11", "clone(1, 2, mm=2); clone(2, 3, THREAD)", "trace(3, tracer=2)"),
    ("self-trace", "6.11", "clone(1, 2, mm=2)", "trace(1, tracer=2)"),
    ("traced", "6.11", "clone(1, 2, mm=2); clone(1, 3, mm=3); trace(2, tracer=1)",
     "trace(2, tracer=3)"),
    ("traced-thread", "6.11", "clone(1, 2, mm=2); clone(2, 3, THREAD); trace(3, tracer=1)",
     "exit(3)"),
    ("traced-thread", "6.11", "clone(1, 2, mm=2); clone(2, 3, THREAD); trace(3, tracer=1)",
     "exec(2, mm=3)"),
    ("traced-zombie", "6.11", "clone(1, 2, mm=2); clone(2, 3, mm=3); trace(3, tracer=1); exit(3)",
     "reap(3)"),
    ("not-traced", "6.11", "", "untrace(1)"),
    ("no-subreapers", "rfc-v4", "", "subreaper(1)"),
    ("no-controller", "none", "", "cgroup(2)"),
    ("no-controller", "none", "", "attach(1, cgroup=1)"),
    ("no-controller", "none", "", "charge(1)"),
    ("no-controller", "none", "", "subsystem(a)"),
    ("no-callbacks", "6.11", "", "subsystem(a)"),
    ("no-callbacks", "6.1", "", "subsystem(a)"),
    ("no-mm", "6.11", "kthread(2)", "charge(2)"),
]  # fmt: skip

refused = pytest.mark.parametrize(
    ("rule", "dialect", "before", "refusal"),
    REFUSED,
    ids=[f"{case[0]}-{case[3]}-{number}" for number, case in enumerate(REFUSED)],
)


def world(dialect, before):
    return Kernel(dialect).run(parse_program(before.replace(";", "\n")))


@refused
def test_the_operation_is_refused_by_the_name_of_the_rule(rule, dialect, before, refusal):
    op = parse_op(refusal, NewNames())
    with pytest.raises(IllegalOperation) as caught:
        world(dialect, before).do(op)
    assert (caught.value.rule, caught.value.op) == (rule, op)


@refused
def test_the_world_is_unchanged_after_the_refusal(rule, dialect, before, refusal):
    kernel = world(dialect, before)
    key, names = state_key(kernel), {k: set(v) for k, v in kernel.used_names.items()}
    with pytest.raises(IllegalOperation):
        kernel.do(parse_op(refusal, NewNames()))
    assert (state_key(kernel), kernel.used_names) == (key, names)


def test_every_reason_to_refuse_is_given_by_some_program():
    assert {case[0] for case in REFUSED} == set(REFUSALS)


def test_the_refusal_says_operation_matter_and_rule():
    with pytest.raises(IllegalOperation) as caught:
        check(Kernel(), parse_op("exit(1)", NewNames()))
    assert str(caught.value) == f"exit(1): task 1 is init [init-stays: {REFUSALS['init-stays']}]"
    assert caught.value.detail == "task 1 is init"


def test_a_check_of_a_legal_operation_changes_nothing():
    kernel = Kernel()
    key = state_key(kernel)
    check(kernel, parse_op("clone(1, 2, mm=2)", NewNames()))
    assert state_key(kernel) == key


def test_legality_can_be_asked_without_an_error():
    kernel = Kernel()
    assert is_legal(kernel, parse_op("clone(1, 2, VM)", NewNames()))
    assert not is_legal(kernel, parse_op("clone(1, 2, VM|PARENT)", NewNames()))


#: What looks refused and is not: dialect, program before, operation.
PERFORMED = [
    ("6.11", "clone(1, 2, THREAD)", "clone(2, 3, THREAD|PARENT)"),
    ("6.11", "clone(1, 2, mm=2); clone(2, 3, VM|VFORK)", "exit(2)"),
    ("6.11", "clone(1, 2, mm=2); clone(2, 3, VM|VFORK)", "trace(2, tracer=1)"),
    ("6.11", "clone(1, 2, mm=2); clone(2, 3, VM|VFORK)", "attach(2, cgroup=1)"),
    ("6.11", "clone(1, 2, mm=2); clone(2, 3, THREAD); exit(2)", "exec(3, mm=3)"),
    ("6.11", "clone(1, 2, mm=2); trace(2, tracer=1); exit(2)", "reap(2)"),
    ("6.11", "clone(1, 2, mm=2); clone(2, 3, THREAD); trace(3, tracer=1)", "exec(3, mm=3)"),
    ("6.11", "clone(1, 2, THREAD)", "exec(1, mm=2)"),
    ("6.11", "kthread(2)", "exec(2, mm=2)"),
    ("6.11", "clone(1, 2, mm=2); hold(mm=2, ref=1); exit(2)", "hold(mm=2, ref=2)"),
    ("6.11", "clone(1, 2, mm=2); clone(2, 3, mm=3); exit(3); clone(2, 5, THREAD); clone(2, 4, VM|VFORK)", "reap(3)"),
    ("none", "", "subreaper(1)"),
    ("rfc-v4", "subsystem(a)", "subsystem(b)"),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "before", "text"), PERFORMED)
def test_the_operation_is_performed(dialect, before, text):
    kernel = world(dialect, before)
    op = parse_op(text, NewNames())
    kernel.do(op)
    assert kernel.op is op
