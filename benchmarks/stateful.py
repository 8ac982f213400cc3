"""The peers: ``hypothesis.stateful`` machines that hold a candidate against the reference.

Two shapes, written as a user of Hypothesis would: :class:`Bundles` has a rule for every
operation and draws tasks, mms and references from bundles; :class:`Drawn` has one rule that
draws among the operations that are possible.  Whatever the cases of a scope ask is compared
after each operation, so the machines can kill whatever those kill.
"""
# ruff: noqa: D102  the name of a rule says which operation it is

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)  # fmt: skip

from mmowner_reference import (
    PARENT,
    THREAD,
    VM,
    Clone,
    Exec,
    Exit,
    Hold,
    IllegalOperation,
    Kernel,
    Kthread,
    Op,
    Put,
    Reap,
    UnuseMm,
    UseMm,
)  # fmt: skip

#: Steps of one example: the default of Hypothesis.
STEPS: Final = 50
#: The machine that draws among all that is possible clones no more beyond so many tasks: what
#: is rare is found twice as fast as with 8, and no list gets long.
TASKS: Final = 16
CLONES: Final = ((), (VM,), (THREAD,), (PARENT,), (VM, PARENT))


class Lockstep(RuleBasedStateMachine):
    """A candidate beside the reference."""

    dialect: ClassVar[str] = "6.11"
    #: Makes the candidate in its first world.
    candidate: ClassVar[Callable[[], Kernel]] = Kernel

    def __init__(self) -> None:
        super().__init__()
        self.right = Kernel(self.dialect)
        self.given = type(self).candidate()
        #: The last name that was given to a task, an mm or a reference.
        self.name = 1

    def fresh(self) -> int:
        self.name += 1
        return self.name

    def perform(self, op: Op) -> bool:
        """Perform *op* on both and compare; False if it is not legal now."""
        try:
            self.right.do(op)
        except IllegalOperation:
            return False
        self.given.do(op)
        right, given = self.right, self.given
        for mm in right.mms:
            assert given.owner(mm) == right.owner(mm), f"owner of {mm} after {op}"
            assert given.users(mm) == right.users(mm), f"users of {mm} after {op}"
        for task in (getattr(op, "task", None), getattr(op, "child", None)):
            if task is not None:
                assert given.state(task) == right.state(task), f"state of {task} after {op}"
        assert given.lru() == right.lru(), f"MGLRU lists after {op}"
        assert given.bill() == right.bill(), f"bill after {op}"
        if right.dialect.callbacks is not None:
            assert given.callbacks() == right.callbacks(), f"callbacks after {op}"
        return True


class Bundles(Lockstep):
    """A rule per operation; what a bundle has that is gone by now is skipped.

    An operation gives its name to all that it makes, so one value goes into two bundles.
    """

    tasks = Bundle("tasks")
    zombies = Bundle("zombies")
    mms = Bundle("mms")
    refs = Bundle("refs")
    kthreads = Bundle("kthreads")
    #: Init never exits, so it is in no bundle that exits consume.
    users = st.one_of(st.just(1), tasks)

    @initialize(target=mms)
    def init(self) -> int:
        return 1

    @initialize(target=kthreads)
    def kthread(self) -> int:
        task = self.fresh()
        self.perform(Kthread(task))
        return task

    def clone(self, task: int, flags: tuple[str, ...], *, copied: bool) -> Any:
        child = self.fresh()
        done = self.perform(Clone(task, child, flags, child if copied else None))
        return child if done else multiple()

    @rule(targets=(tasks, mms), task=users)
    def fork(self, task: int) -> Any:
        return self.clone(task, (), copied=True)

    @rule(target=tasks, task=users)
    def clone_vm(self, task: int) -> Any:
        return self.clone(task, (VM,), copied=False)

    @rule(target=tasks, task=users)
    def clone_thread(self, task: int) -> Any:
        return self.clone(task, (THREAD,), copied=False)

    @rule(targets=(tasks, mms), task=tasks)
    def clone_parent(self, task: int) -> Any:
        return self.clone(task, (PARENT,), copied=True)

    @rule(target=tasks, task=tasks)
    def clone_vm_parent(self, task: int) -> Any:
        return self.clone(task, (VM, PARENT), copied=False)

    @rule(target=zombies, task=consumes(tasks))
    def exit(self, task: int) -> Any:
        self.perform(Exit(task))
        return task if self.right.state(task) == "zombie" else multiple()

    @rule(target=mms, task=users)
    def exec(self, task: int) -> Any:
        mm = self.fresh()
        return mm if self.perform(Exec(task, mm)) else multiple()

    @rule(target=zombies, task=consumes(zombies))
    def reap(self, task: int) -> Any:
        self.perform(Reap(task))
        return task if self.right.state(task) == "zombie" else multiple()

    @rule(target=refs, mm=mms)
    def hold(self, mm: int) -> Any:
        ref = self.fresh()
        return (mm, ref) if self.perform(Hold(mm, ref)) else multiple()

    @rule(held=consumes(refs))
    def put(self, held: tuple[int, int]) -> None:
        self.perform(Put(*held))

    def lends(self) -> bool:
        return any(task.kthread and task.mm is not None for task in self.right.tasks.values())

    @precondition(lambda self: not self.lends())
    @rule(task=kthreads, mm=mms)
    def use_mm(self, task: int, mm: int) -> None:
        self.perform(UseMm(task, mm))

    @precondition(lends)
    @rule(task=kthreads)
    def unuse_mm(self, task: int) -> None:
        mm = self.right.tasks[task].mm
        assert mm is not None
        self.perform(UnuseMm(task, mm.id))


class Drawn(Lockstep):
    """One rule that draws one of the operations that are possible."""

    @initialize()
    def kthread(self) -> None:
        self.perform(Kthread(self.fresh()))

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        self.perform(data.draw(st.sampled_from(possible(self.right, self.fresh()))))


def possible(world: Kernel, name: int) -> list[Op]:
    """Return the legal operations that keep the world small; what is made is called *name*."""
    ops: list[Op] = []
    room = len(world.tasks) < TASKS
    for task in world.tasks.values():
        at, group = task.id, task.group.leader.id
        if task.kthread:
            ops += [UnuseMm(at, task.mm.id)] if task.mm else [
                UseMm(at, mm.id) for mm in world.mms.values() if mm.users
            ]  # fmt: skip
        elif task.state == "zombie":
            if not task.group.has_other_threads(task):
                ops.append(Reap(at))
        else:
            if room:
                own = task.real_parent is world.init_task  # no siblings of init
                ops += [
                    Clone(at, name, flags, None if VM in flags or THREAD in flags else name)
                    for flags in CLONES if not (own and PARENT in flags)
                ]  # fmt: skip
            if at != 1:
                ops.append(Exit(at))
            if at == 1 or group != 1:
                ops.append(Exec(at, name))
    ops += [Hold(mm.id, name) for mm in world.mms.values() if mm.users]
    ops += [Put(mm.id, ref) for ref, mm in world.refs.items()]
    return ops


SHAPES: Final[dict[str, type[Lockstep]]] = {"H1": Bundles, "H2": Drawn}


class BudgetUpError(BaseException):
    """The time is up; no failure of the candidate."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """What a machine did to one candidate."""

    killed: bool
    #: CPU seconds, to the kill with one more run of the example that Hypothesis makes, or all.
    seconds: float
    examples: int


def hunt(
    shape: str, dialect: str, make: Callable[[], Kernel], budget: float, number: int
) -> Hunt:  # fmt: skip
    """Run a machine until it fails, without shrinking, for *budget* CPU seconds at most."""
    began = time.process_time()
    examples, over = 0, False

    def candidate() -> Kernel:
        nonlocal examples, over
        if time.process_time() - began > budget:
            over = True
            raise BudgetUpError
        examples += 1
        return make()

    asked = settings(
        max_examples=10**9, stateful_step_count=STEPS, derandomize=False, database=None,
        deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate,),
        verbosity=Verbosity.quiet, print_blob=False,
    )  # fmt: skip
    while True:  # Hypothesis may give up before the time is up
        machine = type(
            "Machine", (SHAPES[shape],), {"dialect": dialect, "candidate": staticmethod(candidate)}
        )
        try:
            run_state_machine_as_test(seed(number)(machine), settings=asked)
        except (Exception, BudgetUpError):  # noqa: BLE001  whatever a candidate raises is a failure of it
            return Hunt(not over, time.process_time() - began, examples)
        number += 1
