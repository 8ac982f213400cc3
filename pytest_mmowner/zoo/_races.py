"""Slips that only two CPUs at once can show: a lock too few, too late or in the wrong order."""

from __future__ import annotations

from mmowner_reference import Charge, Kernel, Mm, OwnedMm, Steps, Task

from ._mutant import Mutant
from ._walks import EVERYTHING, Asked, InPlace, PickThenLock, SteppedReader


class LocksWithoutLooking(InPlace, Mutant):
    """The candidate is locked and made owner, though it may have left before that (RACE-01)."""

    kind = "interleaving"

    def take(self, mm: OwnedMm, task: Task, stage: str) -> Asked:
        yield task.alloc_lock.lock
        yield self.host.tasklist_lock.read_unlock
        self.assign(mm, task, stage)
        yield task.alloc_lock.unlock
        return True


class AssignsWithoutLock(InPlace, Mutant):
    """The candidate is made owner without its alloc_lock, while it may be leaving (RACE-07)."""

    kind = "interleaving"

    def take(self, mm: OwnedMm, task: Task, stage: str) -> Asked:
        yield self.host.tasklist_lock.read_unlock
        self.assign(mm, task, stage)
        return True


class LostCandidateIsNobody(PickThenLock, Mutant):
    """A candidate that has left counts as nobody found, though others use the mm (RACE-01)."""

    base = "6.1"
    kind = "interleaving"

    def lost(self, mm: OwnedMm, task: Task, stage: str) -> Asked:
        if (yield from super().lost(mm, task, stage)):
            self.nobody_found(mm, self.host.current)
        return False


class RetryLost(PickThenLock, Mutant):
    """A candidate that has left ends the search, and the leaving task stays owner (RACE-01)."""

    base = "3.0"
    kind = "interleaving"

    def lost(self, mm: OwnedMm, task: Task, stage: str) -> Asked:
        yield from super().lost(mm, task, stage)
        return False


class LostCandidateSkipsGroup(InPlace, Mutant):
    """A candidate that has left ends its group, though the next thread may use the mm."""

    kind = "interleaving"

    def try_group(self, mm: OwnedMm, leader: Task, stage: str) -> Asked:
        for task in leader.threads:
            yield task.visit
            if task.mm is mm:
                return (yield from self.take(mm, task, stage))
            if task.mm is not None:
                return False
        return False


class ThirdStageUnlocked(InPlace, Mutant):
    """tasklist_lock is dropped before the third stage: a new process is missed (RACE-03)."""

    kind = "interleaving"

    def walk(self, mm: OwnedMm, p: Task) -> Asked:
        for stage, leaders in self.stages(p):
            if stage == EVERYTHING:
                yield self.host.tasklist_lock.read_unlock
            for leader in list(leaders):
                if not self.skips(leader, stage) and (yield from self.try_group(mm, leader, stage)):
                    return True
        yield self.host.tasklist_lock.read_lock
        return False

    def take(self, mm: OwnedMm, task: Task, stage: str) -> Asked:
        if stage == EVERYTHING:
            yield self.host.tasklist_lock.read_lock
        taken = yield from super().take(mm, task, stage)
        if stage == EVERYTHING and not taken:
            yield self.host.tasklist_lock.read_unlock
        return taken


class HoldsOwnLockWhileWalking(InPlace, Mutant):
    """The leaving task takes its alloc_lock and then tasklist_lock: others do it the other way."""

    kind = "interleaving"

    def mm_update_next_owner(self, mm: OwnedMm) -> Steps:
        p = self.host.current
        yield p.alloc_lock.lock
        yield from super().mm_update_next_owner(mm)
        yield p.alloc_lock.unlock


class _AsksBeforeLeaving(Kernel):
    def exit_mm(self, task: Task) -> Steps:
        self.due = getattr(task.mm, "owner", None) is task
        if task.mm is not None:
            yield task.visit
        yield from super().exit_mm(task)

    def exec_mmap(self, task: Task, new: Mm) -> Steps:
        self.due = getattr(task.mm, "owner", None) is task
        yield task.visit
        yield from super().exec_mmap(task, new)

    def handoff(self, mm: Mm) -> Steps:
        if self.due:
            yield from super().handoff(mm)


class AsksBeforeLeaving(Mutant):
    """The task asks whether it is the owner while it can still be elected (RACE-02)."""

    kind = "interleaving"
    kernel = _AsksBeforeLeaving


class _ReadsTwice(SteppedReader):
    def read(self, op: Charge) -> Steps:
        mm = self.tasks[op.task].mm
        first = getattr(mm, "owner", None)
        if first is None:
            self.charge_unowned(op.pages)
            return
        yield first.visit
        owner = getattr(mm, "owner", None)
        if owner is None:
            self.bug("owner == NULL, after it was tested")
        else:
            owner.cgroup.pages += op.pages


class ReaderLoadsOwnerTwice(Mutant):
    """A reader tests the owner and loads it again, by when it can be nobody (LOCK-05)."""

    base = "5.2"
    kind = "interleaving"
    kernel = _ReadsTwice
