"""Slips in when the handoff is called, and in what must not call it: exit, exec, reap, ptrace."""

from __future__ import annotations

from typing import Any, ClassVar

from mmowner_reference import (
    Exec,
    ExecFails,
    Exit,
    Hold,
    Kernel,
    Mm,
    OwnedMm,
    Put,
    Reap,
    Steps,
    Task,
    Trace,
    Untrace,
    UnuseMm,
    UseMm,
    check,
    drain,
)  # fmt: skip

from ._mutant import Mutant

# -- exit --------------------------------------------------------------------------------


class _HandoffAfterReparenting(Kernel):
    def exit_mm_and_cgroup(self, task: Task) -> None:
        self.forget_original_parent(task)
        super().exit_mm_and_cgroup(task)


class HandoffAfterReparenting(Mutant):
    """The children are given away before they are searched (EXIT-04)."""

    kernel = _HandoffAfterReparenting


class _HandoffBeforeLeaving(Kernel):
    def exit_mm(self, task: Task) -> Steps:
        if task.mm is not None:
            yield from super().handoff(task.mm)
        yield from super().exit_mm(task)

    def handoff(self, mm: Mm) -> Steps:
        if not isinstance(self.op, Exit):
            yield from super().handoff(mm)


class HandoffBeforeLeaving(Mutant):
    """The search runs while the leaving task still uses the mm, and can find it (EXIT-03)."""

    kernel = _HandoffBeforeLeaving


class _HandoffAfterMmput(Kernel):
    def handoff(self, mm: Mm) -> Steps:
        mm.users -= 1
        yield from super().handoff(mm)
        mm.users += 1


class HandoffAfterMmput(Mutant):
    """The reference is dropped before the search, so one sharer that is left counts as none."""

    kernel = _HandoffAfterMmput


class _HandoffAtReap(Kernel):
    def handoff(self, mm: Mm) -> Steps:
        if not (isinstance(self.op, Exit) and self.current.leader):
            yield from super().handoff(mm)

    def _op_reap(self, op: Reap) -> None:
        task = self.tasks[op.task]
        self.current = task
        for mm in list(self.mms.values()):
            if getattr(mm, "owner", None) is task:
                mm.users += 1  # as if it were leaving now
                drain(super().handoff(mm))
                mm.users -= 1
        super()._op_reap(op)


class HandoffAtReap(Mutant):
    """A process hands over when it is reaped, not when it exits."""

    kernel = _HandoffAtReap


class _ChildrenLoseOwners(Kernel):
    def exit_notify(self, task: Task) -> None:
        for child in task.children:
            if isinstance(child.mm, OwnedMm) and child.mm.owner is child:
                child.mm.owner = None
        super().exit_notify(task)


class ExitClearsChildren(Mutant):
    """The exit of a parent clears the owners of its children's own mms (REPARENT-02)."""

    kernel = _ChildrenLoseOwners


class _ReaperTakesOver(Kernel):
    def exit_notify(self, task: Task) -> None:
        orphans = list(task.children)
        super().exit_notify(task)
        for orphan in orphans:
            mm = orphan.mm
            if isinstance(mm, OwnedMm) and mm.owner is orphan:
                mm.owner = orphan.real_parent


class ReaperTakesOver(Mutant):
    """Whoever adopts an orphan becomes the owner of its mm (REPARENT-01)."""

    kernel = _ReaperTakesOver


# -- exec --------------------------------------------------------------------------------


class _NoHandoffInExec(Kernel):
    def handoff(self, mm: Mm) -> Steps:
        if isinstance(self.op, Exit):
            yield from super().handoff(mm)


class ExecForgets(Mutant):
    """Only exit hands over, exec does not."""

    kernel = _NoHandoffInExec


class _DyingThreadsForget(Kernel):
    def handoff(self, mm: Mm) -> Steps:
        if not (isinstance(self.op, Exec) and self.current.id != self.op.task):
            yield from super().handoff(mm)


class DyingThreadsForget(Mutant):
    """The task that execs hands over, the threads that die before it do not (EXEC-04)."""

    kernel = _DyingThreadsForget


class ExecHandsOverNewMm(Mutant):
    """exec asks about the new mm, so the old one keeps its owner, as in the RFC."""

    changes: ClassVar = {"exec_call": "new, mmap_sem held"}


class ExecHandsOverOldMm(Mutant):
    """exec hands over the old mm, as only since 2.6.26."""

    base = "rfc-v4"
    changes: ClassVar = {"exec_call": "old"}


class _SharersExecClears(Kernel):
    def exec_mmap(self, task: Task, new: Mm) -> Steps:
        old = task.mm
        yield from super().exec_mmap(task, new)
        if isinstance(old, OwnedMm):
            old.owner = old.owner if old.users != 1 else None


class SharersExecClears(Mutant):
    """An exec that leaves one user behind leaves that one without owner (EXEC-03)."""

    kernel = _SharersExecClears


class _FailedExecHandsOver(Kernel):
    def _op_exec_fails(self, op: ExecFails) -> None:
        super()._op_exec_fails(op)
        task = self.tasks[op.task]
        mm, task.mm = task.mm, None
        assert mm is not None
        drain(self.handoff(mm))
        task.mm = mm


class FailedExecHandsOver(Mutant):
    """An exec that fails has handed the old mm over already (EXEC-09)."""

    kernel = _FailedExecHandsOver


class _HelperTakesInit(Kernel):
    def exec_mmap(self, task: Task, new: Mm) -> Steps:
        first = task.mm is None
        yield from super().exec_mmap(task, new)
        mm = self.tasks[1].mm
        if first and isinstance(mm, OwnedMm):
            mm.owner = None


class HelperHandsOver(Mutant):
    """The first exec of a task without an mm hands over that of init (EXEC-05)."""

    kernel = _HelperTakesInit


# -- what must not change an owner ---------------------------------------------------------


class _ReapClears(Kernel):
    def _op_reap(self, op: Reap) -> None:
        parent = self.tasks[op.task].real_parent
        super()._op_reap(op)
        if isinstance(parent.mm, OwnedMm) and parent.mm.owner is parent:
            parent.mm.owner = None


class ReapClears(Mutant):
    """Whoever waits for a zombie loses its mm."""

    kernel = _ReapClears


class _HoldClears(Kernel):
    def _op_hold(self, op: Hold) -> None:
        super()._op_hold(op)
        mm = self.mms[op.mm]
        if isinstance(mm, OwnedMm):
            mm.owner = None


class HolderTakesOver(Mutant):
    """A reference takes the mm from its owner."""

    kernel = _HoldClears


class _PutSearches(Kernel):
    def _op_put(self, op: Put) -> None:
        mm = self.refs[op.ref]
        super()._op_put(op)
        user = next((task for task in self.tasks.values() if task.mm is mm), None)
        if isinstance(mm, OwnedMm) and mm.owner is None:
            mm.owner = user


class PutSearches(Mutant):
    """When a reference is dropped an mm without owner gets one again (INV-06)."""

    kernel = _PutSearches


class _UseMmOwns(Kernel):
    def _op_use_mm(self, op: UseMm) -> None:
        super()._op_use_mm(op)
        mm = self.mms[op.mm]
        if isinstance(mm, OwnedMm):
            mm.owner = self.tasks[op.task]


class BorrowerOwns(Mutant):
    """A kernel thread that borrows an mm becomes its owner at once (KTHREAD-02)."""

    kernel = _UseMmOwns


class _UnuseMmClears(Kernel):
    def _op_unuse_mm(self, op: UnuseMm) -> None:
        mm = self.tasks[op.task].mm
        super()._op_unuse_mm(op)
        if isinstance(mm, OwnedMm):
            mm.owner = None


class GivingBackClears(Mutant):
    """A kernel thread that gives an mm back takes its owner with it (KTHREAD-02)."""

    kernel = _UnuseMmClears


class _UseMmCounts(Kernel):
    def _op_use_mm(self, op: UseMm) -> None:
        super()._op_use_mm(op)
        self.mms[op.mm].users += 1

    def _op_unuse_mm(self, op: UnuseMm) -> None:
        self.mms[op.mm].users -= 1
        super()._op_unuse_mm(op)


class BorrowerCounts(Mutant):
    """A kernel thread that borrows an mm is counted as a user of it."""

    kernel = _UseMmCounts


class _TracerOwns(Kernel):
    def _op_trace(self, op: Trace) -> None:
        super()._op_trace(op)
        mm = self.tasks[op.task].mm
        if isinstance(mm, OwnedMm):
            mm.owner = self.tasks[op.tracer]


class TracerOwns(Mutant):
    """A tracer becomes the owner of the mm of whom it traces (PTRACE-03)."""

    kernel = _TracerOwns


class _TracerCounts(Kernel):
    def _op_trace(self, op: Trace) -> None:
        super()._op_trace(op)
        mm = self.tasks[op.task].mm
        if mm is not None:
            mm.users += 1


class TracerCounts(Mutant):
    """A tracer is counted as a user of the mm of whom it traces."""

    kernel = _TracerCounts


class _UntraceClears(Kernel):
    def _op_untrace(self, op: Untrace) -> None:
        super()._op_untrace(op)
        mm = self.tasks[op.task].mm
        if isinstance(mm, OwnedMm):
            mm.owner = None


class DetachingClears(Mutant):
    """A tracer that lets go leaves an mm without owner behind (PTRACE-03)."""

    kernel = _UntraceClears


# -- tasks themselves ----------------------------------------------------------------------


class _ReapsAnything(Kernel):
    def do(self, op: Any) -> None:
        if isinstance(op, Reap) and op.task in self.tasks:
            self.begin(op)
            self.perform(op)
        else:
            check(self, op)
            super().do(op)


class ReapsTheLiving(Mutant):
    """A live task can be waited for, and is gone then (INPUT-01)."""

    kernel = _ReapsAnything


class _ThreadsStay(Kernel):
    def state(self, task: int) -> str:
        known = task in self.released and not self.released[task].leader
        return "zombie" if known else super().state(task)


class ThreadsBecomeZombies(Mutant):
    """A thread that exits is a zombie for ever (TASK-01)."""

    kernel = _ThreadsStay


class _RefusesFailures(Kernel):
    def do(self, op: Any) -> None:
        if isinstance(op, Exec) and self.tasks[op.task].group.has_other_threads(
            self.tasks[op.task]
        ):
            self.bug("exec of a process with threads")
        super().do(op)


class ExecOfThreadsPanics(Mutant):
    """An exec of a process that has threads is not implemented (TASK-02)."""

    kernel = _RefusesFailures
