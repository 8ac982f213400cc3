"""The oracle: what a program allows to be observed, step by step, and why.

It follows *all* worlds that fit what has been observed so far.  When an answer fits none
of them, it says what was allowed and by which requirement, takes the observed owner over
into its own world, and goes on: so one program can show several independent deviations,
and a wrong election is not blamed on what follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from ._dialects import Dialect
from ._kernel import Kernel, Reason
from ._ops import Attach, Charge, Clone, CloneFails, Exec, Exit, Op
from ._outcomes import distinct, outcomes
from ._structs import OwnedMm, Task

#: Everything that can be asked, and what the answer is about.
ASKS: Final = ("owner", "users", "state", "callbacks", "bill", "lru", "init_mm_owner")


class Question(NamedTuple):
    """Something to ask a candidate: ``ask`` is a word of :data:`ASKS`, ``name`` its mm or task."""

    ask: str
    name: int | None = None

    def __str__(self) -> str:
        if self.name is None:
            return self.ask
        return f"{self.ask}({'task' if self.ask == 'state' else 'mm'} {self.name})"


class ProcessOf(NamedTuple):
    """An owner that is known only as some thread of the group of ``task``."""

    task: int

    def __str__(self) -> str:
        return f"a thread of {self.task}"


@dataclass(frozen=True, slots=True)
class Allowed:
    """One allowed answer, and why."""

    value: Any
    reason: Reason


@dataclass(frozen=True, slots=True)
class Deviation:
    """An answer that no world allows."""

    step: int
    op: Op
    question: Question
    observed: Any
    allowed: tuple[Allowed, ...]

    @property
    def rule(self) -> str:
        """The requirement that the answer breaks."""
        return self.allowed[0].reason.rule


class Oracle:
    """Judges one run of one program under one dialect."""

    def __init__(self, dialect: str | Dialect) -> None:
        self.worlds = [Kernel(dialect)]
        self.step = 0
        #: How often each requirement decided about an answer.
        self.decided: dict[str, int] = {}
        self._excused: set[Question] = set()

    def do(self, op: Op) -> None:
        """Take the next operation.  Raises ``IllegalOperation`` or ``TooManyOutcomes``."""
        self.worlds = distinct([after for world in self.worlds for after in outcomes(world, op)])
        self.step += 1

    def judge(self, answers: Mapping[Question, Any]) -> list[Deviation]:
        """Compare the answers given after the last operation; return what no world allows.

        Owners come first: what is charged and told depends on them, and is judged by the
        owners that were observed.
        """
        owners = {q: a for q, a in answers.items() if q.ask == "owner"}
        others = {
            q: a for q, a in answers.items() if q.ask != "owner" and q not in self._excused
        }  # fmt: skip
        return [*self._judge(owners), *self._judge(others)]

    def _judge(self, answers: Mapping[Question, Any]) -> list[Deviation]:
        if not answers:
            return []
        for question in answers:
            reason = self.reason(self.worlds[0], question)
            for rule in (reason.rule, reason.order):
                if rule is not None:
                    self.decided[rule] = self.decided.get(rule, 0) + 1
        fitting = [w for w in self.worlds if all(_fits(w, q, a) for q, a in answers.items())]
        if fitting:
            self.worlds = fitting
            return []
        best = max(self.worlds, key=lambda w: sum(_fits(w, q, a) for q, a in answers.items()))
        wrong = {q: a for q, a in answers.items() if not _fits(best, q, a)}
        found = [self._deviation(best, question, answer) for question, answer in wrong.items()]
        self.worlds = [best]
        for question, answer in wrong.items():
            self._take_over(best, question, answer)
        return found

    def _deviation(self, best: Kernel, question: Question, observed: Any) -> Deviation:
        op = best.op
        assert op is not None, "judge follows do"
        allowed: dict[str, Allowed] = {}
        for world in (best, *self.worlds):
            value = expected(world, question)
            reason = self.reason(world, question)
            if reason.order is not None and _uses(world, observed, question.name):
                reason = replace(reason, rule=reason.order)
            allowed.setdefault(repr(value), Allowed(value, reason))
        return Deviation(self.step, op, question, observed, tuple(allowed.values()))

    def _take_over(self, world: Kernel, question: Question, observed: Any) -> None:
        """Go on from what was observed: an owner is taken over, anything else excused."""
        mm = world.mms.get(question.name or 0)
        if question.ask != "owner" or not isinstance(mm, OwnedMm):
            self._excused.add(question)
            return
        right, mm.owner = mm.owner, _task(world, observed)
        if right is None or mm.owner is None:
            return
        # What followed from the election follows from the one that took place.
        world.lru_gen_migrate_mm(mm)
        log = world.callback_log
        log[world.calls_before :] = [
            call.with_new(mm.owner) if call.new == right.id else call
            for call in log[world.calls_before :]
        ]

    def reason(self, world: Kernel, question: Question) -> Reason:
        """Why *question* has the answer it has in *world*."""
        op = world.op
        if op is None:
            return Reason("INV-03", "nothing has happened yet")
        if question.ask in ("owner", "init_mm_owner") and not world.dialect.owner:
            return Reason("CONF-01", "this kernel has no owner field")
        if question.ask != "owner":
            return OTHER_REASONS[question.ask](world, op)
        mm = question.name or 0
        return world.reasons.get(mm) or UNCHANGED[op.word](world, op, mm)


def expected(world: Kernel, question: Question) -> Any:
    """Return the answer to *question* in *world*."""
    ask = getattr(world, question.ask)
    return ask() if question.name is None else ask(question.name)


def _fits(world: Kernel, question: Question, answer: Any) -> bool:
    right = expected(world, question)
    if isinstance(answer, ProcessOf):
        mine, theirs = _task(world, right), _task(world, answer)
        return mine is not None and theirs is not None and mine.group is theirs.group
    if question.ask == "bill":
        # Charging through freed memory is undefined: any bill is as good as another.
        return "freed" in right or _without_zeros(answer) == right
    return bool(answer == right)


def _without_zeros(bill: Mapping[str, int]) -> dict[str, int]:
    return {group: pages for group, pages in bill.items() if pages}


def _task(world: Kernel, answer: int | ProcessOf | None) -> Task | None:
    name = answer.task if isinstance(answer, ProcessOf) else answer
    if name is None:
        return None
    return world.tasks.get(name) or world.released.get(name)


def _uses(world: Kernel, answer: int | ProcessOf | None, mm: int | None) -> bool:
    """Whether the task of an answer is a user task that uses *mm*: a possible owner."""
    task = _task(world, answer)
    return (
        task is not None and not task.kthread and task.mm is not None and task.mm.id == mm
    )  # fmt: skip


# -- reasons for an owner that did not change -------------------------------------------


def _of_clone(world: Kernel, op: Op, mm: int) -> Reason:
    assert isinstance(op, Clone)
    if op.mm == mm:
        rule = "FORK-01" if world.tasks[op.task].leader else "FORK-02"
        return Reason(rule, f"mm {mm} was made for task {op.child}, by whomever")
    rule = "VFORK-01" if "VFORK" in op.flags else "FORK-03"
    return Reason(rule, "a clone changes no owner of an mm that was there")


def _of_exit(world: Kernel, op: Op, mm: int) -> Reason:
    assert isinstance(op, Exit)
    if world.left_mm != mm:
        return Reason("REPARENT-02", f"the exit of {op.task} touches only the mm that it used")
    return Reason("EXIT-01", f"task {op.task} does not own mm {mm}, so its exit changes nothing")


def _of_exec(world: Kernel, op: Op, mm: int) -> Reason:
    assert isinstance(op, Exec)
    if op.mm == mm:
        return Reason("EXEC-01", f"mm {mm} was made for task {op.task}")
    if world.left_mm == mm and world.dialect.exec_call == "new, mmap_sem held":
        return Reason("EXEC-02", "the RFC's exec hands over the new mm, not the old one")
    return Reason("EXEC-03", f"task {op.task} does not own mm {mm}, so its exec changes nothing")


def _of_failed_clone(world: Kernel, op: Op, mm: int) -> Reason:
    assert isinstance(op, CloneFails)
    rule = "FORK-06" if op.at == "dup_mm" else "FORK-07"
    if op.mm == mm:
        kept = "so it owns nothing" if world.dialect.failed_fork_clears else "and stays owner"
        return Reason(rule, f"the fork of {op.child} failed, {kept}")
    return Reason(rule, "a failed clone changes no owner of an mm that was there")


def _fixed(rule: str, text: str) -> Callable[[Kernel, Op, int], Reason]:
    reason = Reason(rule, text)
    return lambda world, op, mm: reason


#: Why the owner of an mm is what it was, by operation.
UNCHANGED: Final[Mapping[str, Callable[[Kernel, Op, int], Reason]]] = {
    "clone": _of_clone,
    "exit": _of_exit,
    "exec": _of_exec,
    "clone_fails": _of_failed_clone,
    "exec_fails": _fixed("EXEC-09", "an exec that fails leaves the old mm and its owner alone"),
    "reap": _fixed("INV-03", "reaping a zombie changes no owner"),
    "hold": _fixed("USERS-01", "a reference is no owner"),
    "put": _fixed("USERS-01", "a reference is no owner"),
    "kthread": _fixed("FORK-10", "a kernel thread has no mm"),
    "use_mm": _fixed("KTHREAD-02", "borrowing an mm changes no owner"),
    "unuse_mm": _fixed("KTHREAD-02", "giving an mm back changes no owner"),
    "trace": _fixed("PTRACE-03", "a tracer is no user"),
    "untrace": _fixed("PTRACE-03", "a tracer is no user"),
    "subreaper": _fixed("REPARENT-01", "who adopts orphans is no matter of owners"),
    "cgroup": _fixed("ATTACH-01", "cgroups follow owners, not the other way round"),
    "attach": _fixed("ATTACH-01", "cgroups follow owners, not the other way round"),
    "charge": _fixed("INV-03", "a charge asks for the owner and changes nothing"),
    "subsystem": _fixed("CALLBACK-03", "registering a callback changes no owner"),
}


def _of_bill(world: Kernel, op: Op) -> Reason:
    if not isinstance(op, Charge):
        return Reason("EXIT-09", "only touching fresh pages is billed; nothing moves old charges")
    mm = world.tasks[op.task].mm
    owner = getattr(mm, "owner", None)
    if owner is None:
        return Reason("CHARGE-02", "the mm has no owner")
    text = f"the owner is task {owner.id} in cgroup {owner.cgroup.id}"
    return Reason("CHARGE-01", text)


def _of_callbacks(world: Kernel, op: Op) -> Reason:
    if any(call.new is None for call in world.callback_log[world.calls_before :]):
        return Reason("CALLBACK-06", "nobody is found, and the subsystems are told so")
    return Reason("CALLBACK-01", "one call a subsystem and handoff")


def _of_lru(world: Kernel, op: Op) -> Reason:
    if isinstance(op, Attach):
        return Reason("ATTACH-03", "the list entry follows a leader that owns its mm")
    return Reason("CALLBACK-08", "the list entry follows the new owner, after the assignment")


OTHER_REASONS: Final[Mapping[str, Callable[[Kernel, Op], Reason]]] = {
    "users": lambda world, op: Reason("USERS-01", "mm_users counts sharers and holders"),
    "state": lambda world, op: Reason("TASK-01", "a leader is a zombie until it is reaped"),
    "callbacks": _of_callbacks,
    "bill": _of_bill,
    "lru": _of_lru,
    "init_mm_owner": lambda world, op: Reason("INIT-01", "3.16 stopped giving init_mm an owner"),
}


# -- what to ask ------------------------------------------------------------------------

#: After which operations a question that is about the whole world can have a new answer.
WORTH_ASKING: Final[Mapping[str, frozenset[str]]] = {
    "callbacks": frozenset({"clone", "exit", "exec"}),
    "bill": frozenset({"charge", "exit", "exec"}),
    "lru": frozenset({"clone", "exit", "exec", "attach"}),
    "init_mm_owner": frozenset({"kthread"}),
}


def questions(world: Kernel, asks: Iterable[str]) -> list[Question]:
    """Return what to ask after the last operation of *world*, out of the words *asks*."""
    op = world.op
    out: list[Question] = []
    for ask in asks:
        if ask in ("owner", "users"):
            out += [Question(ask, name) for name in world.mms]
        elif ask == "state":
            out += [Question(ask, name) for name in _tasks_of(op)]
        elif op is not None and op.word in WORTH_ASKING[ask]:
            out.append(Question(ask))
    return out


def _tasks_of(op: Op | None) -> list[int]:
    names = [getattr(op, field, None) for field in ("task", "child")]
    return [name for name in names if isinstance(name, int)]


class Step(NamedTuple):
    """One operation and what to ask after it."""

    op: Op
    questions: tuple[Question, ...]


def plan(program: Sequence[Op], dialect: str | Dialect, asks: Iterable[str]) -> list[Step]:
    """Return *program* with the questions after each operation.

    What there is to be asked does not depend on any owner, so a program can be planned
    before a candidate runs it.  Raises ``IllegalOperation`` for a program that is none.
    """
    asks = tuple(asks)
    world = Kernel(dialect)
    steps = []
    for op in program:
        world.do(op)
        steps.append(Step(op, tuple(questions(world, asks))))
    return steps
