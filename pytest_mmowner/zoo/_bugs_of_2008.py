"""BUG-13 to BUG-23: what the first kernels with an owner got wrong, and patches around them."""

from __future__ import annotations

from typing import ClassVar

from mmowner_reference import Charge, Kernel, OwnedMm, Rules, Steps, Task

from ._mutant import Mutant
from ._walks import Asked, PickThenLock, SteppedReader


class Swapoff(Mutant, bug="13"):
    """Only holders are left and the owner stays set; swapoff follows it when it is freed."""

    base = "2.6.27"
    changes: ClassVar = {"nobody": "keep"}


class CallbackAfterClearing(Mutant, bug="14a"):
    """Nobody is found: the owner is cleared first, and the hooks see no owner."""

    base = "2.6.27"

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        mm.owner = None
        self.host.owner_callbacks(mm, p, None)


class CallbackLosesOldOwner(Mutant, bug="14b"):
    """The same, and the old cgroup is looked up through the owner, which is gone: an oops."""

    base = "2.6.27"

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        mm.owner = None
        if self.host.subsystems:
            self.host.bug("owner == NULL, in a callback")


class _ChargeWithoutNullTest(Kernel):
    reader = "charge"

    def _op_charge(self, op: Charge) -> None:
        if getattr(self.tasks[op.task].mm, "owner", None) is None:
            self.bug(f"owner == NULL, in {self.reader}")
        super()._op_charge(op)


class ChargeOfUnowned(Mutant, bug="15"):
    """A page of an mm without owner is charged: the reader does not expect that, an oops."""

    base = "2.6.27"
    kernel = _ChargeWithoutNullTest


class ExecHoldsMmapSemForNobody(Mutant, bug="16a"):
    """exec hands over with mmap_sem read-held; with only holders left the handoff takes it too."""

    base = "2.6.27"
    changes: ClassVar = {"exec_call": "old, mmap_sem held"}


class ExecHoldsMmapSem(Mutant, bug="16b"):
    """exec hands over with mmap_sem read-held, and every handoff takes it for writing."""

    base = "2.6.28"
    changes: ClassVar = {"exec_call": "old, mmap_sem held"}


class SleepsUnderTasklistLock(PickThenLock, Mutant, bug="17"):
    """mmap_sem is taken while tasklist_lock is held, under which nobody may sleep."""

    base = "2.6.28"
    kind = "interleaving"

    def nobody(self, mm: OwnedMm, p: Task) -> Steps:
        yield mm.mmap_lock.write_lock
        self.nobody_found(mm, p)
        yield mm.mmap_lock.write_unlock

    def lost(self, mm: OwnedMm, task: Task, stage: str) -> Asked:
        yield mm.mmap_lock.write_lock
        lost = yield from super().lost(mm, task, stage)
        yield mm.mmap_lock.write_unlock
        return lost


class HookTakesTaskLock(Mutant, bug="18"):
    """A hook takes the alloc_lock of the new owner, which is held around it: self-deadlock."""

    base = "2.6.28"

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        if self.host.subsystems and mm.owner is not None and mm.owner.cgroup is not task.cgroup:
            task.alloc_lock.lock()  # get_task_mm(new)
        super().assign(mm, task, stage)


class _Swaps(Rules):
    """Old and new change places."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        if mm.owner is not None:
            self.host.owner_callbacks(mm, task, mm.owner)
        mm.owner = task


class CallbackSwapped(_Swaps, Mutant, bug="19a"):
    """The hooks get the old and the new task the wrong way round."""

    base = "rfc-v4"


class CallbackSwapsCgroups(_Swaps, Mutant, bug="19b"):
    """The hooks get the old and the new cgroup the wrong way round."""

    base = "2.6.28"


class HookExpectsSomebody(Mutant, bug="19c"):
    """A hook follows the new owner although nobody was found: an oops."""

    base = "2.6.28"

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        if self.host.subsystems:
            self.host.bug("new == NULL, in a hook")
        super().nobody_found(mm, p)


class _ShowsPagePath(_ChargeWithoutNullTest):
    reader = "show_page_path"


class ShowPagePath(Mutant, bug="20"):
    """Whoever touches a page has its path shown with the owner's name; without owner an oops."""

    base = "2.6.28"
    kernel = _ShowsPagePath


class _ReadsOutsideRcu(SteppedReader):
    def charge_in_steps(self, op: Charge) -> Steps:
        yield from self.read(op)


class ReaderOutsideRcu(Mutant, bug="21"):
    """A reader follows the owner to its cgroup with nothing that keeps its task_struct."""

    base = "2.6.29"
    kind = "interleaving"
    kernel = _ReadsOutsideRcu


class SiblingsOfTracer(Mutant, bug="23"):
    """The siblings of a traced owner are those of its tracer."""

    base = "2.6.31"
    changes: ClassVar = {"siblings_of": "parent"}
