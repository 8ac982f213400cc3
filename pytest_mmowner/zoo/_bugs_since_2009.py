"""BUG-24 to BUG-35: what released kernels got wrong later, and what was found by then."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any, ClassVar

from mmowner_reference import Clone, CloneFails, Kernel, Mm, OwnedMm, Step, Steps, Task, drain

from ._mutant import Mutant
from ._walks import EVERYTHING, Hit, PickThenLock


class LeadersOnly(Mutant, bug="24"):
    """Only leaders are tested among children and siblings, so own threads are found late."""

    changes: ClassVar = {"walk": "pick, then lock"}


class LastUserKeepsOwner(Mutant, bug="25a"):
    """The last user leaves and the owner stays set, for whoever still points to the mm."""

    base = "3.0"
    changes: ClassVar = {"last_user": "keep"}


class ClearsWhoeverLeaves(Mutant, bug="25b"):
    """The test for the last user clears the owner without asking who that is (a draft)."""

    base = "3.0"

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        if mm.users <= 2 and mm.owner is not p:
            mm.owner = None
        return super().needs_owner(mm, p)


class KthreadElected(Mutant, bug="26"):
    """A kernel thread that borrows the mm can become its owner."""

    base = "3.16"
    changes: ClassVar = {"skip_kthreads": False}


class StopsAtDeadThread(PickThenLock, Mutant, bug="27b"):
    """A group is left at its first thread without an mm, such as a zombie leader."""

    base = "3.16"

    def everybody(self, mm: OwnedMm, leaders: Iterable[Task]) -> Iterator[Task]:
        return super().everybody(mm, (leader for leader in leaders if leader.mm is not None))


class ZombieInRoot(Mutant, bug="28"):
    """A zombie has left its cgroup for the root's, and whoever looks through it finds that."""

    base = "4.4"
    changes: ClassVar = {"zombie_cgroup": "root"}


class FailedForkKeepsChild(Mutant, bug="30a"):
    """A failed fork leaves the freed child as owner."""

    base = "5.2"
    changes: ClassVar = {"failed_fork_clears": False}


class _FreesAtOnce(Kernel):
    """Memory of a child that never lived is given back while readers may follow it."""

    def __init__(self, *args: Any) -> None:
        #: What was freed while somebody was inside an RCU section.
        self.freed_too_early: list[int] = []
        super().__init__(*args)

    def _op_clone_fails(self, op: CloneFails) -> None:
        super()._op_clone_fails(op)
        if self.rcu.held:
            self.freed_too_early.append(op.child)
        self.released.pop(op.child, None)


class FailedChildFreedAtOnce(Mutant, bug="30b"):
    """The child of a failed fork is freed without a grace period, under the eyes of a reader."""

    base = "5.2"
    kind = "interleaving"
    kernel = _FreesAtOnce


class _FailedForkClears(Kernel):
    def _op_clone_fails(self, op: CloneFails) -> None:
        mm = self.tasks[op.task].mm
        super()._op_clone_fails(op)
        if isinstance(mm, OwnedMm) and op.shares_mm:
            mm.owner = None


class FailedCloneClears(Mutant, bug="30c"):
    """A failed clone clears the owner of the mm that the child would have shared."""

    base = "5.2"
    kernel = _FailedForkClears


class _ListsLast(Kernel):
    """The child is linked, and only then its mm is put on a list: others come between."""

    _linking = False

    def _op_clone(self, op: Clone) -> None:
        drain(self.clone_in_steps(op))

    def clone_in_steps(self, op: Clone) -> Steps:
        """The clone, with a stop where the child can be seen and its mm is on no list."""
        self._linking = True
        super()._op_clone(op)
        self._linking = False
        if op.mm is None:
            return
        mm = self.mms[op.mm]
        yield self.tasks[op.child].visit
        if mm.lru_cgroup is not None:
            self.bug("list_add of an mm that is on a list")
        self.lru_gen_migrate_mm(mm)

    def lru_gen_migrate_mm(self, mm: Mm) -> None:
        if not self._linking:
            super().lru_gen_migrate_mm(mm)


class MigratedBeforeListed(Mutant, bug="33"):
    """A child is moved to another cgroup before its mm is on a list: the list is broken."""

    base = "6.1"
    kind = "interleaving"
    kernel = _ListsLast


class RetryFromTheStart(PickThenLock, Mutant, bug="35"):
    """A candidate that has left ends the walk, and the search starts again from the children."""

    kind = "interleaving"

    def search(self, mm: OwnedMm, p: Task) -> Generator[Step, None, Hit | None]:
        for stage, leaders in self.stages(p):
            for leader in leaders:
                if stage == EVERYTHING and (leader.kthread or mm.users <= 1):
                    continue
                for task in leader.threads:
                    yield task.visit
                    if task.mm is mm:
                        return task, stage
                    if task.mm is not None:
                        break
        return None
