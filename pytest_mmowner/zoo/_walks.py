"""The search and a reader, taken apart into steps, so that a mutant gets one part of one wrong.

:class:`InPlace` is the walk of 6.11, :class:`PickThenLock` the one before it, with the same
steps as in the reference.  :class:`SteppedReader` is who follows the owner they leave.  Each
part that some mutant has wrong is a method of its own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import ClassVar, Final, TypeAlias

from mmowner_reference import Charge, Kernel, Mm, OwnedMm, Rules, Step, Steps, Task, drain

EVERYTHING: Final = "everything"
GONE: Final = "gone"

#: A walk that is asked for an answer at its end.
Asked: TypeAlias = Generator[Step, None, bool]
Hit: TypeAlias = tuple[Task, str]


class InPlace(Rules):
    """Lock each candidate where it is met; one that has left is passed over (6.11)."""

    def mm_update_next_owner(self, mm: OwnedMm) -> Steps:
        """The whole handoff."""
        host = self.host
        if not self.needs_owner(mm, host.current):
            return
        yield host.tasklist_lock.read_lock
        if (yield from self.walk(mm, host.current)):
            return
        yield host.tasklist_lock.read_unlock
        self.nobody_found(mm, host.current)

    def walk(self, mm: OwnedMm, p: Task) -> Asked:
        """All stages, with tasklist_lock held; it is dropped on success."""
        for stage, leaders in self.stages(p):
            for leader in leaders:
                if stage == EVERYTHING and mm.users <= 1:
                    break
                if self.skips(leader, stage):
                    continue
                if (yield from self.try_group(mm, leader, stage)):
                    return True
        return False

    def skips(self, leader: Task, stage: str) -> bool:
        """Whether a whole group is no candidate."""
        return stage == EVERYTHING and leader.kthread

    def threads(self, leader: Task, stage: str) -> Iterable[Task]:
        """The threads of a group that are looked at, in order."""
        return leader.threads

    def uses(self, task: Task, mm: OwnedMm) -> bool:
        """The test without the lock."""
        return task.mm is mm

    def leaves(self, seen: Mm | None) -> bool:
        """Whether a group is left at a thread with the mm *seen*."""
        return seen is not None

    def try_group(self, mm: OwnedMm, leader: Task, stage: str) -> Asked:
        """One group of threads."""
        for task in self.threads(leader, stage):
            yield task.visit
            if self.uses(task, mm):
                if (yield from self.take(mm, task, stage)):
                    return True
            elif self.leaves(task.mm):
                return False
        return False

    def take(self, mm: OwnedMm, task: Task, stage: str) -> Asked:
        """Lock the candidate, look again, make it the owner."""
        yield task.alloc_lock.lock
        if self.uses(task, mm):
            yield self.host.tasklist_lock.read_unlock
            self.assign(mm, task, stage)
            yield task.alloc_lock.unlock
            return True
        yield task.alloc_lock.unlock
        return False


class PickThenLock(Rules):
    """Pick a candidate first, then lock it and look again; from the start when it has left.

    As in 2.6.26 and later, and, with ``list_lock`` None, as the RFC's drafts had it.
    """

    #: What protects the lists: "tasklist", "rcu", or nothing.
    list_lock: ClassVar[str | None] = "tasklist"
    #: Whether that is given up before the candidate is locked.
    unlock_early: ClassVar[bool] = False

    def mm_update_next_owner(self, mm: OwnedMm) -> Steps:
        """The whole handoff."""
        p = self.host.current
        while self.needs_owner(mm, p):
            yield from self.lists(locked=True)
            found = yield from self.search(mm, p)
            if found is None or self.unlock_early:
                yield from self.lists(locked=False)
            if found is None:
                yield from self.nobody(mm, p)
                return
            if not (yield from self.lost(mm, *found)):
                return

    def lists(self, *, locked: bool) -> Steps:
        """Protect the lists, or give that up."""
        host = self.host
        if self.list_lock == "tasklist":
            yield host.tasklist_lock.read_lock if locked else host.tasklist_lock.read_unlock
        elif self.list_lock == "rcu":
            yield host.rcu.read_lock if locked else host.rcu.read_unlock

    def search(self, mm: OwnedMm, p: Task) -> Generator[Step, None, Hit | None]:
        """Return the first candidate and its stage."""
        for stage, entries in self.stages(p):
            tasks = self.everybody(mm, entries) if stage == EVERYTHING else entries
            for task in tasks:
                yield task.visit
                if task.mm is mm:
                    return task, stage
        return None

    def everybody(self, mm: OwnedMm, leaders: Iterable[Task]) -> Iterator[Task]:
        """Whom the third stage looks at, in order."""
        dialect = self.host.dialect
        for leader in leaders:
            if dialect.stop_when_alone and mm.users <= 1:
                return
            if dialect.skip_kthreads and leader.kthread:
                continue
            for task in leader.threads:
                yield task
                if dialect.everything == "groups" and task.mm is not None:
                    break

    def nobody(self, mm: OwnedMm, p: Task) -> Steps:
        """Nobody is left but holders."""
        self.nobody_found(mm, p)
        yield from ()

    def lost(self, mm: OwnedMm, task: Task, stage: str) -> Asked:
        """Lock the candidate and make it the owner; return whether to search again."""
        yield task.alloc_lock.lock
        if not self.unlock_early:
            yield from self.lists(locked=False)
        lost = not self.still_uses(task, mm)
        if not lost:
            self.assign(mm, task, stage)
        yield task.alloc_lock.unlock
        return lost

    def still_uses(self, task: Task, mm: OwnedMm) -> bool:
        """The second look, under the lock."""
        return task.mm is mm


class SteppedReader(Kernel):
    """A kernel in which another CPU can act between the fetch of the owner and its use.

    As in Linux the whole of it is one RCU section: a task that is released meanwhile is
    not freed.
    """

    def _op_charge(self, op: Charge) -> None:
        drain(self.charge_in_steps(op))

    def charge_in_steps(self, op: Charge) -> Steps:
        """Charge, from the fetch of the owner to the page that is booked."""
        yield self.rcu.read_lock
        yield from self.read(op)
        yield self.rcu.read_unlock

    def read(self, op: Charge) -> Steps:
        """Fetch the owner once, and follow it."""
        owner = getattr(self.tasks[op.task].mm, "owner", None)
        if owner is None:
            self.charge_unowned(op.pages)
            return
        kept = self.rcu.held and owner.state != GONE
        yield owner.visit
        if owner.state == GONE and not kept:
            self.lost_pages += op.pages
        else:
            owner.cgroup.pages += op.pages
