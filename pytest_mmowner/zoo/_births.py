"""Slips in who is the first owner: fork, clone, exec, kernel threads, init_mm, no memcg."""

from __future__ import annotations

from typing import Any, ClassVar

from mmowner_reference import (
    PARENT,
    THREAD,
    VFORK,
    Clone,
    CloneFails,
    Exec,
    Kernel,
    Kthread,
    OwnedMm,
    Task,
)  # fmt: skip

from ._mutant import Mutant

# -- a new mm ----------------------------------------------------------------------------


class ForkGivesParent(Mutant):
    """The new mm of a fork belongs to the forker."""

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        maker = self.host.current
        mm.owner = maker if isinstance(self.host.op, Clone) else task


class ForkGivesForkersLeader(Mutant):
    """The new mm belongs to the leader of the forking thread."""

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        forks = isinstance(self.host.op, Clone) and not self.host.current.leader
        mm.owner = self.host.current.group.leader if forks else task


class ExecGivesLeader(Mutant):
    """The new mm of an exec belongs to the old leader."""

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        mm.owner = task.group.leader


class ExecInheritsOwner(Mutant):
    """The new mm of an exec takes the owner of the old one."""

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        old = getattr(task.mm, "owner", None)
        mm.owner = old if isinstance(self.host.op, Exec) and old is not None else task


class HelperOwnsNothing(Mutant):
    """The first mm of a task that had none belongs to nobody."""

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        mm.owner = None if isinstance(self.host.op, Exec) and task.kthread else task


# -- an mm that is shared ----------------------------------------------------------------


class _SharerTakesOver(Kernel):
    def copy_mm(self, op: Clone | CloneFails, maker: Task, child: Task) -> None:
        super().copy_mm(op, maker, child)
        if isinstance(child.mm, OwnedMm):
            child.mm.owner = child


class NewestSharerOwns(Mutant):
    """Every clone makes the child the owner, also of an mm that it only shares."""

    kernel = _SharerTakesOver


class _VforkChildTakesOver(Kernel):
    def copy_mm(self, op: Clone | CloneFails, maker: Task, child: Task) -> None:
        super().copy_mm(op, maker, child)
        if isinstance(child.mm, OwnedMm) and VFORK in op.flags:
            child.mm.owner = child


class VforkChildOwns(Mutant):
    """While its maker waits a vfork child is the owner."""

    kernel = _VforkChildTakesOver


class _MakerTakesOver(Kernel):
    def copy_mm(self, op: Clone | CloneFails, maker: Task, child: Task) -> None:
        super().copy_mm(op, maker, child)
        if isinstance(maker.mm, OwnedMm) and op.mm is None:
            maker.mm.owner = maker


class MakerOfSharersOwns(Mutant):
    """Who makes another sharer becomes the owner."""

    kernel = _MakerTakesOver


class _ParentFlagIgnored(Kernel):
    def link(self, task: Task, parent: Task) -> None:
        op = self.op
        asked = isinstance(op, Clone) and PARENT in op.flags and THREAD not in op.flags
        super().link(task, self.current if asked else parent)


class CloneParentMakesChild(Mutant):
    """CLONE_PARENT is ignored: the new task is a child of its maker."""

    kernel = _ParentFlagIgnored


# -- forks that fail ---------------------------------------------------------------------


class FailedForkKeepsChild(Mutant):
    """A failed fork leaves the freed child as owner."""

    changes: ClassVar = {"failed_fork_clears": False}


class FailedForkGivesMaker(Mutant):
    """A failed fork leaves its maker as owner of the mm."""

    def mm_clear_owner(self, mm: OwnedMm, task: Task) -> None:
        if mm.owner is task:
            mm.owner = self.host.current


class FailedForkClearsTooEarly(Mutant):
    """A failed fork clears the owner it had set, as only since 5.2."""

    base = "4.4"
    changes: ClassVar = {"failed_fork_clears": True}


class _FailedCloneClears(Kernel):
    def _op_clone_fails(self, op: CloneFails) -> None:
        mm = self.tasks[op.task].mm
        super()._op_clone_fails(op)
        if isinstance(mm, OwnedMm) and op.shares_mm:
            mm.owner = None


class FailedCloneClears(Mutant):
    """A failed clone clears the owner of the mm that the child would have shared."""

    kernel = _FailedCloneClears


class _FailedCloneLeaks(Kernel):
    def _op_clone_fails(self, op: CloneFails) -> None:
        mm = self.tasks[op.task].mm
        super()._op_clone_fails(op)
        if mm is not None and op.shares_mm:
            mm.users += 1


class FailedCloneLeaksUser(Mutant):
    """A failed clone does not drop the user that the child would have been."""

    kernel = _FailedCloneLeaks


# -- kernel threads, init_mm, no memcg ---------------------------------------------------


class _KthreadsShareInit(Kernel):
    def _op_kthread(self, op: Kthread) -> None:
        super()._op_kthread(op)
        mm = self.tasks[1].mm
        if isinstance(mm, OwnedMm):
            mm.owner = self.tasks[op.child]


class NewKthreadOwns(Mutant):
    """A new kernel thread becomes the owner of the mm of init (FORK-10)."""

    kernel = _KthreadsShareInit


class InitMmHasOwner(Mutant):
    """init_mm belongs to init_task, as only up to 3.15."""

    changes: ClassVar = {"init_mm_owner": True}


class InitMmHasNone(Mutant):
    """init_mm belongs to nobody, as only since 3.16."""

    base = "3.0"
    changes: ClassVar = {"init_mm_owner": False}


class MemcgOffStillOwns(Mutant):
    """Without CONFIG_MEMCG there are owners all the same."""

    base = "none"
    changes: ClassVar[dict[str, Any]] = {"owner": True}
