"""Slips in who is charged, and on which MGLRU list an mm is."""

from __future__ import annotations

from typing import Any, ClassVar

from mmowner_reference import Attach, Charge, Clone, CloneFails, Exec, Kernel, Mm, OwnedMm, Task

from ._mutant import Mutant

# -- charges -----------------------------------------------------------------------------


class _ChargesCurrent(Kernel):
    def _op_charge(self, op: Charge) -> None:
        self.tasks[op.task].cgroup.pages += op.pages


class ChargesToucher(Mutant):
    """Pages are charged to the task that touches them, not to the owner."""

    kernel = _ChargesCurrent


class _BorrowersPayThemselves(Kernel):
    def _op_charge(self, op: Charge) -> None:
        task = self.tasks[op.task]
        if task.kthread:
            task.cgroup.pages += op.pages
        else:
            super()._op_charge(op)


class ChargesBorrower(Mutant):
    """What a kernel thread touches in a borrowed mm is charged to its own cgroup (KTHREAD-03)."""

    kernel = _BorrowersPayThemselves


class UnownedPagesAreFree(Mutant):
    """Nobody is charged for pages of an mm without an owner, as up to 3.1."""

    changes: ClassVar = {"unowned_pays": None}


class UnownedPagesToRoot(Mutant):
    """The root is charged for pages of an mm without an owner, as only since 3.10."""

    base = "3.0"
    changes: ClassVar = {"unowned_pays": "root"}


class _StoresCgroup(Kernel):
    def _op_charge(self, op: Charge) -> None:
        mm = self.tasks[op.task].mm
        stored = self.__dict__.setdefault("stored", {})
        owner = getattr(mm, "owner", None)
        group = owner.cgroup if owner is not None else self.cgroups[1]
        stored.setdefault((mm.id if mm else 0, owner), group).pages += op.pages


class ChargesOldCgroup(Mutant):
    """The cgroup is looked up once and kept, so moving the owner changes nothing (ATTACH-01)."""

    kernel = _StoresCgroup


class _CgroupOfMm(Kernel):
    def _op_attach(self, op: Attach) -> None:
        super()._op_attach(op)
        mm = self.tasks[op.task].mm
        self.__dict__.setdefault("of_mm", {})[mm] = self.cgroups[op.cgroup]

    def _op_charge(self, op: Charge) -> None:
        mm = self.tasks[op.task].mm
        group = self.__dict__.get("of_mm", {}).get(mm)
        if group is None:
            super()._op_charge(op)
        else:
            group.pages += op.pages


class MmFollowsWhoMoves(Mutant):
    """The mm is charged to where any of its users was moved last, owner or not (ATTACH-01)."""

    kernel = _CgroupOfMm


class HandoffMovesCharges(Mutant):
    """A handoff takes what was charged so far along to the new owner's cgroup (EXIT-09)."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        old = mm.owner
        super().assign(mm, task, stage)
        if old is not None:
            pages, old.cgroup.pages = old.cgroup.pages, 0
            task.cgroup.pages += pages


class NewOwnerJoinsCgroup(Mutant):
    """A new owner moves to the cgroup of the old one (ATTACH-06)."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        if mm.owner is not None:
            task.cgroup = mm.owner.cgroup
        super().assign(mm, task, stage)


class _ChildrenStartInRoot(Kernel):
    def copy_mm(self, op: Clone | CloneFails, maker: Task, child: Task) -> None:
        super().copy_mm(op, maker, child)
        child.cgroup = self.cgroups[1]


class ChildrenStartInRoot(Mutant):
    """A new task starts in the root cgroup, not in that of its maker."""

    kernel = _ChildrenStartInRoot


class _ExecGoesToRoot(Kernel):
    def _op_exec(self, op: Exec) -> None:
        super()._op_exec(op)
        self.tasks[op.task].cgroup = self.cgroups[1]


class ExecGoesToRoot(Mutant):
    """exec takes a task out of its cgroup (EXEC-08)."""

    kernel = _ExecGoesToRoot


class ZombieKeepsCgroup(Mutant):
    """A zombie stays in its cgroup and goes on paying, as only since 4.4."""

    base = "rfc-v4"
    changes: ClassVar = {"zombie_cgroup": "own"}


# -- MGLRU lists -------------------------------------------------------------------------


class LruMovesTooEarly(Mutant):
    """The MGLRU list entry is moved before the new owner is in place (CALLBACK-08)."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        self.host.lru_gen_migrate_mm(mm)
        before = mm.lru_cgroup
        super().assign(mm, task, stage)
        mm.lru_cgroup = before


class _ListedInRoot(Kernel):
    def lru_gen_migrate_mm(self, mm: Mm) -> None:
        if mm.lru_cgroup is None:
            mm.lru_cgroup = 1
        else:
            super().lru_gen_migrate_mm(mm)


class NewMmIsListedInRoot(Mutant):
    """A new mm is put on the MGLRU list of the root, wherever its owner is."""

    kernel = _ListedInRoot


class LruLeavesWithOwner(Mutant):
    """When nobody is found the mm is moved to the MGLRU list of the root (CALLBACK-08)."""

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        super().nobody_found(mm, p)
        mm.lru_cgroup = 1


class NoLruLists(Mutant):
    """The mm is on no MGLRU list at all, as up to 6.0."""

    base = "6.1"
    changes: ClassVar = {"lru_gen": False}


class _EveryLeaderMoves(Kernel):
    def _op_attach(self, op: Attach) -> None:
        super()._op_attach(op)
        task = self.tasks[op.task]
        if task.mm is not None and task.leader:
            task.mm.lru_cgroup = op.cgroup


class LruFollowsSharers(Mutant):
    """The MGLRU list entry follows any leader that is moved, owner or not (ATTACH-03)."""

    kernel = _EveryLeaderMoves


class _EveryOwnerMoves(Kernel):
    def _op_attach(self, op: Attach) -> None:
        super()._op_attach(op)
        task: Any = self.tasks[op.task]
        if task.mm is not None and task.mm.owner is task:
            task.mm.lru_cgroup = op.cgroup


class LruFollowsAnyOwner(Mutant):
    """The MGLRU list entry follows an owner that is no leader too (ATTACH-03)."""

    kernel = _EveryOwnerMoves


class _NobodyMoves(Kernel):
    def _op_attach(self, op: Attach) -> None:
        mm = self.tasks[op.task].mm
        before = None if mm is None else mm.lru_cgroup
        super()._op_attach(op)
        if mm is not None:
            mm.lru_cgroup = before


class LruStaysWhenOwnerMoves(Mutant):
    """The MGLRU list entry stays where it is when the owner is moved (ATTACH-03)."""

    kernel = _NobodyMoves
