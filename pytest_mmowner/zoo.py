"""The zoo: wrong implementations, each a small class on the reference's rules.

Most of them are bugs that Linux really had, or that its reviewers stopped in time; the
others are the slips that an implementer makes.  ``mutant:NAME`` is a candidate like any
other, and the suite must kill every one of them.

A mutant is wrong in one of three ways: it changes a field of its dialect (``changes``),
the rules (methods of this class), or where the kernel calls them (``kernel``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from mmowner_reference import (
    DIALECTS,
    Clone,
    CloneFails,
    Dialect,
    Exit,
    Kernel,
    Mm,
    OwnedMm,
    Rules,
    Steps,
    Task,
)  # fmt: skip

MUTANTS: Final[dict[str, type[Mutant]]] = {}


class Mutant(Rules):
    """Base of the zoo.  The docstring of each says what is wrong and who had it."""

    #: Its name in ``mutant:NAME``; derived from the class name.
    name: ClassVar[str] = ""
    #: The dialect that it claims to speak and is judged by.
    base: ClassVar[str] = "6.11"
    #: Fields of the dialect that it gets wrong.
    changes: ClassVar[Mapping[str, Any]] = {}
    #: The kernel around it, where the mistake is in a call site.
    kernel: ClassVar[type[Kernel]] = Kernel

    def __init_subclass__(cls) -> None:
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__)
        cls.name = words.lstrip("-")
        MUTANTS[cls.name] = cls

    @classmethod
    def dialect(cls) -> Dialect:
        """Its base dialect with its changes."""
        return replace(DIALECTS[cls.base], **cls.changes)


# -- the handoff ------------------------------------------------------------------------


class NoHandoff(Mutant):
    """The owner leaves and nothing happens (RFC v1; BUG-01)."""

    def mm_update_next_owner(self, mm: OwnedMm) -> Steps:
        yield from ()


class AnybodyHandsOver(Mutant):
    """The test "am I the owner?" is missing, so every exit and exec elects somebody."""

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        return mm.users > 1


class LastUserKeepsOwner(Mutant):
    """The last user leaves and the owner stays set (up to 2.6.39; BUG-25)."""

    changes: ClassVar = {"last_user": "keep"}


class ClearsWhoeverLeaves(Mutant):
    """The last-user test clears the owner without asking who it is (draft of 2011; BUG-25b)."""

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        if mm.users <= 2 and mm.owner is not p:
            mm.owner = None
        return super().needs_owner(mm, p)


class NobodyFoundKeepsOwner(Mutant):
    """Only holders are left and the owner stays set (up to 2.6.26; BUG-13, the swapoff race)."""

    changes: ClassVar = {"nobody": "keep"}


class NobodyFoundPanics(Mutant):
    """Only holders are left and that is a BUG() (RFC v2; BUG-03)."""

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        self.host.bug("nobody found")


class UsersOffByOne(Mutant):
    """Two users count as the last one."""

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        if mm.owner is p and mm.users == 2:
            mm.owner = None
            return False
        return super().needs_owner(mm, p)


class LeaderKeepsOwnership(Mutant):
    """A leader with live threads keeps the mm when it exits (RFC v4 to v8; BUG-08)."""

    changes: ClassVar = {"delayed_leader": True}


class LeavesMmapLockHeld(Mutant):
    """The search takes the mmap_lock of the mm and forgets to drop it (compare BUG-16)."""

    def mm_update_next_owner(self, mm: OwnedMm) -> Steps:
        yield mm.mmap_lock.read_lock
        yield from super().mm_update_next_owner(mm)


# -- who is first -----------------------------------------------------------------------


class NoChildren(Mutant):
    """The children are not searched."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        return list(super().stages(p))[1:]


class NoSiblings(Mutant):
    """The siblings are not searched."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        children, _, everything = super().stages(p)
        return [children, everything]


class NoThirdStage(Mutant):
    """Only children and siblings are searched."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        return list(super().stages(p))[:2]


class SiblingsFirst(Mutant):
    """The siblings are searched before the children."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        children, siblings, everything = super().stages(p)
        return [siblings, children, everything]


class EverythingFirst(Mutant):
    """The process list is searched and nothing else."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        return list(super().stages(p))[2:]


class NewestFirst(Mutant):
    """Lists are walked from their end (proposed in 2008)."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        for stage, entries in super().stages(p):
            yield stage, reversed(list(entries))


class LeadersOnly(Mutant):
    """Only leaders are tested among children and siblings (2.6.33 to 6.10; BUG-24)."""

    changes: ClassVar = {"walk": "pick, then lock"}


class SiblingsOfTracer(Mutant):
    """The siblings are those of the tracer (up to 2.6.30; BUG-23)."""

    changes: ClassVar = {"siblings_of": "parent"}


class ChildrenOfWholeGroup(Mutant):
    """The children of all threads of the group are searched, not those of the thread."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        _, siblings, everything = super().stages(p)
        yield "children", [child for thread in p.threads for child in thread.children]
        yield siblings
        yield everything


class FirstChildOnly(Mutant):
    """The walk over the children ends after the first of them."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        children, siblings, everything = super().stages(p)
        return [("children", list(children[1])[:1]), siblings, everything]


class StopsAtDeadThread(Mutant):
    """A group is left at its first thread without an mm, such as a zombie leader (BUG-27b)."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        for stage, entries in super().stages(p):
            yield stage, [entry for entry in entries if entry.mm is not None]


class StopsAtDeadLeader(Mutant):
    """The same in the third stage only."""

    def stages(self, p: Task) -> Iterable[tuple[str, Iterable[Task]]]:
        children, siblings, (name, everything) = super().stages(p)
        return [children, siblings, (name, [e for e in everything if e.mm is not None])]


class KthreadsMayOwn(Mutant):
    """A kernel thread that borrows the mm can become its owner (up to 3.15; BUG-26)."""

    changes: ClassVar = {"skip_kthreads": False}


class TakesZombieLeader(Mutant):
    """The leader of the group that uses the mm is elected, even if it is a zombie."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        super().assign(mm, task.group.leader, stage)


# -- first owners -----------------------------------------------------------------------


class ForkGivesParent(Mutant):
    """The new mm of a fork belongs to the forker."""

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        maker = self.host.current
        mm.owner = maker if isinstance(self.host.op, Clone) else task


class ForkGivesForkersLeader(Mutant):
    """The new mm belongs to the leader of the forking thread (RFC v1 and v2; BUG-02)."""

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        forks = isinstance(self.host.op, Clone) and not self.host.current.leader
        mm.owner = self.host.current.group.leader if forks else task


class ExecGivesLeader(Mutant):
    """The new mm of an exec belongs to the old leader."""

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        mm.owner = task.group.leader


class _SharerTakesOver(Kernel):
    def copy_mm(self, op: Clone | CloneFails, maker: Task, child: Task) -> None:
        super().copy_mm(op, maker, child)
        if isinstance(child.mm, OwnedMm):
            child.mm.owner = child


class NewestSharerOwns(Mutant):
    """Every clone makes the child the owner, also of an mm that it only shares."""

    kernel = _SharerTakesOver


# -- call sites -------------------------------------------------------------------------


class ExecHandsOverNewMm(Mutant):
    """exec asks about the new mm, so the old one keeps its owner (RFC v3 to the merge; BUG-12)."""

    changes: ClassVar = {"exec_call": "new, mmap_sem held"}


class _NoHandoffInExec(Kernel):
    def handoff(self, mm: Mm) -> Steps:
        if isinstance(self.op, Exit):
            yield from super().handoff(mm)


class ExecForgets(Mutant):
    """Only exit hands over, exec does not."""

    kernel = _NoHandoffInExec


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


class _FailedForkClears(Kernel):
    def _op_clone_fails(self, op: CloneFails) -> None:
        mm = self.tasks[op.task].mm
        super()._op_clone_fails(op)
        if isinstance(mm, OwnedMm) and op.shares_mm:
            mm.owner = None


class FailedCloneClears(Mutant):
    """A failed clone clears the owner of the mm that the child would have shared (BUG-30c)."""

    kernel = _FailedForkClears


class FailedForkKeepsChild(Mutant):
    """A failed fork leaves the freed child as owner (up to 5.1; BUG-30a)."""

    changes: ClassVar = {"failed_fork_clears": False}


class _UseMmOwns(Kernel):
    def _op_use_mm(self, op: Any) -> None:
        super()._op_use_mm(op)
        mm = self.mms[op.mm]
        if isinstance(mm, OwnedMm):
            mm.owner = self.tasks[op.task]


class BorrowerOwns(Mutant):
    """A kernel thread that borrows an mm becomes its owner at once (KTHREAD-02)."""

    kernel = _UseMmOwns


# -- accounting -------------------------------------------------------------------------


class _ChargesCurrent(Kernel):
    def _op_charge(self, op: Any) -> None:
        self.tasks[op.task].cgroup.pages += op.pages


class ChargesToucher(Mutant):
    """Pages are charged to the task that touches them, not to the owner."""

    kernel = _ChargesCurrent


class UnownedPagesAreFree(Mutant):
    """Nobody is charged for pages of an mm without an owner (2.6.27 to 3.1)."""

    changes: ClassVar = {"unowned_pays": None}


class _StoresCgroup(Kernel):
    def _op_charge(self, op: Any) -> None:
        mm = self.tasks[op.task].mm
        stored = self.__dict__.setdefault("stored", {})
        owner = getattr(mm, "owner", None)
        group = owner.cgroup if owner is not None else self.cgroups[1]
        stored.setdefault((mm.id if mm else 0, owner), group).pages += op.pages


class ChargesOldCgroup(Mutant):
    """The cgroup is looked up once and kept, so moving the owner changes nothing (ATTACH-01)."""

    kernel = _StoresCgroup


class LruMovesTooEarly(Mutant):
    """The MGLRU list entry is moved before the new owner is in place (CALLBACK-08)."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        self.host.lru_gen_migrate_mm(mm)
        before = mm.lru_cgroup
        super().assign(mm, task, stage)
        mm.lru_cgroup = before


class _EveryLeaderMoves(Kernel):
    def _op_attach(self, op: Any) -> None:
        super()._op_attach(op)
        task = self.tasks[op.task]
        if task.mm is not None and task.leader:
            task.mm.lru_cgroup = op.cgroup


class LruFollowsSharers(Mutant):
    """The MGLRU list entry follows any leader that is moved, owner or not (ATTACH-03)."""

    kernel = _EveryLeaderMoves


# -- callbacks, in the dialect that has them ----------------------------------------------


class CallbackAfterAssignment(Mutant):
    """The hooks see the new owner already in place (BUG-14)."""

    base = "rfc-v4"

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        old, mm.owner = mm.owner, task
        if old is not None:
            self.host.owner_callbacks(mm, old, task)


class CallbackSwapped(Mutant):
    """The hooks get old and new the wrong way round (BUG-19)."""

    base = "rfc-v4"

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        if mm.owner is not None:
            self.host.owner_callbacks(mm, task, mm.owner)
        mm.owner = task


class CallbackForgotten(Mutant):
    """The hooks are not called."""

    base = "rfc-v4"

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        mm.owner = task


class CallbackTwice(Mutant):
    """The hooks are called twice for one handoff."""

    base = "rfc-v4"

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        if mm.owner is not None:
            self.host.owner_callbacks(mm, mm.owner, task)
        super().assign(mm, task, stage)


class CallbackOnFork(Mutant):
    """The hooks are called for the first owner too (CALLBACK-03)."""

    base = "rfc-v4"

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        super().mm_init_owner(mm, task)
        if self.host.op is not None:
            self.host.owner_callbacks(mm, task, task)
