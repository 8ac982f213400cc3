"""Slips in the search: which task of a list counts as a user of the mm, and who is elected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import ClassVar

from mmowner_reference import Mm, OwnedMm, Task

from ._mutant import Mutant
from ._walks import EVERYTHING, Asked, InPlace, PickThenLock

# -- threads of a group ------------------------------------------------------------------


class LeadersOnly(InPlace, Mutant):
    """Only the leader of each group is tested."""

    def threads(self, leader: Task, stage: str) -> Iterable[Task]:
        return islice(leader.threads, 1)


class LeadersOnlyAmongRelatives(InPlace, Mutant):
    """Only the leader of each group is tested, except in the third stage."""

    def threads(self, leader: Task, stage: str) -> Iterable[Task]:
        return leader.threads if stage == EVERYTHING else islice(leader.threads, 1)


class LeadersOnlyAmongEverybody(PickThenLock, Mutant):
    """Only the leader of each group is tested in the third stage of the walk before 3.16."""

    base = "3.0"

    def everybody(self, mm: OwnedMm, leaders: Iterable[Task]) -> Iterator[Task]:
        return iter(leaders)


class LeaderNotTested(InPlace, Mutant):
    """The threads of a group are tested, but not its leader."""

    def threads(self, leader: Task, stage: str) -> Iterable[Task]:
        return islice(leader.threads, 1, None)


class LastThreadFirst(InPlace, Mutant):
    """The threads of a group are tested from the youngest on."""

    def threads(self, leader: Task, stage: str) -> Iterable[Task]:
        return reversed(leader.threads)


class StopsAtDeadThread(InPlace, Mutant):
    """A group is left at its first thread without an mm, such as a zombie leader."""

    def leaves(self, seen: Mm | None) -> bool:
        return True


class StopsAtDeadLeader(InPlace, Mutant):
    """The same in the third stage only."""

    def skips(self, leader: Task, stage: str) -> bool:
        return super().skips(leader, stage) or (stage == EVERYTHING and leader.mm is None)


class GivesUpAtStranger(InPlace, Mutant):
    """The first group that uses another mm ends its whole stage."""

    def walk(self, mm: OwnedMm, p: Task) -> Asked:
        for stage, leaders in self.stages(p):
            for leader in leaders:
                if self.skips(leader, stage):
                    continue
                if (yield from self.try_group(mm, leader, stage)):
                    return True
                if leader.mm is not None and stage != EVERYTHING:
                    break
        return False


# -- the test ----------------------------------------------------------------------------


class TestsLeadersMm(InPlace, Mutant):
    """A thread counts as a user if the leader of its group is one."""

    def uses(self, task: Task, mm: OwnedMm) -> bool:
        return task.group.leader.mm is mm


class TestsParentsMm(InPlace, Mutant):
    """A task counts as a user if its parent is one, and it has not exited."""

    def uses(self, task: Task, mm: OwnedMm) -> bool:
        return task.real_parent.mm is mm and task.mm is not None


class TestsTracersMm(InPlace, Mutant):
    """A traced task counts as a user if its tracer is one."""

    def uses(self, task: Task, mm: OwnedMm) -> bool:
        return (task.parent if task.traced else task).mm is mm


class TestsTheLivingOnly(InPlace, Mutant):
    """Any child that has not exited counts as a user."""

    def uses(self, task: Task, mm: OwnedMm) -> bool:
        p = self.host.current
        return task.mm is mm or (task.real_parent is p and not task.exiting)


class TakesTheDead(InPlace, Mutant):
    """A task without an mm counts as a user: zombies are elected."""

    def uses(self, task: Task, mm: OwnedMm) -> bool:
        return task.mm is mm or (task.exiting and task is not self.host.current)


class TakesZombieLeader(Mutant):
    """The leader of the group that uses the mm is elected, even if it is a zombie."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        super().assign(mm, task.group.leader, stage)


class TakesParentOfUser(Mutant):
    """The parent of the first user is elected."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        super().assign(mm, task.real_parent, stage)


# -- kernel threads ----------------------------------------------------------------------


class KthreadsMayOwn(InPlace, Mutant):
    """A kernel thread that borrows the mm can become its owner."""

    def skips(self, leader: Task, stage: str) -> bool:
        return False


class KthreadsSkippedAmongRelatives(InPlace, Mutant):
    """Kernel threads are skipped among children and siblings only, where there are none."""

    def skips(self, leader: Task, stage: str) -> bool:
        return stage != EVERYTHING and leader.kthread


class KthreadsSkippedTooEarly(PickThenLock, Mutant):
    """Kernel threads are skipped, as only since 3.16."""

    base = "3.0"

    def everybody(self, mm: OwnedMm, leaders: Iterable[Task]) -> Iterator[Task]:
        return super().everybody(mm, (leader for leader in leaders if not leader.kthread))


class OldThirdStage(Mutant):
    """The third stage is that of 3.15: all threads, kernel threads too."""

    base = "6.1"
    changes: ClassVar = {"everything": "threads"}


class BorrowedMmIsUnusable(InPlace, Mutant):
    """While a kernel thread borrows the mm nobody is found."""

    def walk(self, mm: OwnedMm, p: Task) -> Asked:
        if mm.loans:
            return False
        return (yield from super().walk(mm, p))
