"""BUG-01 to BUG-12: what its reviewers stopped before the patch was in a kernel (2008)."""

from __future__ import annotations

from typing import Any, ClassVar

from mmowner_reference import Clone, Kernel, Mm, OwnedMm, Steps, Task

from ._mutant import Mutant
from ._walks import PickThenLock


class NoHandoff(Mutant, bug="01"):
    """The owner leaves and nothing happens."""

    base = "rfc-v4"

    def mm_update_next_owner(self, mm: OwnedMm) -> Steps:
        yield from ()


class ForkersLeaderOwns(Mutant, bug="02"):
    """The mm of a new process belongs to the leader of the thread that forked it."""

    base = "rfc-v4"

    def mm_init_owner(self, mm: OwnedMm, task: Task) -> None:
        forks = isinstance(self.host.op, Clone) and not self.host.current.leader
        mm.owner = self.host.current.group.leader if forks else task


class NobodyFoundPanics(Mutant, bug="03"):
    """Only holders are left, and that is a BUG()."""

    base = "rfc-v4"

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        self.host.bug("nobody found")


class _WalkOfTheDrafts(PickThenLock):
    """The search of RFC v4: under RCU, which ends before the candidate is locked."""

    list_lock: ClassVar[str | None] = "rcu"
    unlock_early = True


class NoRecheck(_WalkOfTheDrafts, Mutant, bug="04"):
    """The candidate is locked and made owner without a look whether it still uses the mm."""

    base = "rfc-v4"
    kind = "interleaving"

    def still_uses(self, task: Task, mm: OwnedMm) -> bool:
        return True


class UnprotectedWalk(_WalkOfTheDrafts, Mutant, bug="05"):
    """The lists are walked with nothing that keeps their entries alive."""

    base = "rfc-v4"
    kind = "interleaving"
    list_lock = None


class UnlockBeforeLock(PickThenLock, Mutant, bug="06"):
    """tasklist_lock is dropped before the candidate is locked, which may be freed by then."""

    base = "2.6.26"
    kind = "interleaving"
    unlock_early = True


class RcuWalk(Mutant, bug="07"):
    """RCU instead of tasklist_lock: an entry that is moved takes the walk to another list."""

    base = "2.6.26"
    kind = "interleaving"
    changes: ClassVar = {"list_lock": "rcu"}


class DelayGroupLeader(Mutant, bug="08"):
    """A leader with live threads keeps the mm when it exits."""

    base = "2.6.26"
    changes: ClassVar = {"delayed_leader": True}


class _TellsOfEqualCgroups(Kernel):
    def callbacks(self) -> list[dict[str, Any]]:
        return [
            {"subsystem": call.subsystem, "old": call.old_cgroup, "new": call.new_cgroup,
             "seen": call.seen}
            for call in self.callback_log
        ]  # fmt: skip


class CallbackForEqualCgroups(Mutant, bug="09"):
    """The hooks are called although old and new owner are in the same cgroup."""

    base = "2.6.26"
    kernel = _TellsOfEqualCgroups


class ExecHandsOverNewMm(Mutant, bug="12a"):
    """exec asks about the new mm, so the old one keeps an owner that does not use it."""

    base = "2.6.26"
    changes: ClassVar = {"exec_call": "new, mmap_sem held"}


class _AReaderHoldsTheNewMm(Kernel):
    """Somebody reads ``/proc/PID`` as soon as the new mm is there, and so uses it."""

    def exec_mmap(self, task: Task, new: Mm) -> Steps:
        shared = task.mm is not None and task.mm.users > 1
        new.users += shared
        yield from super().exec_mmap(task, new)
        new.users -= shared


class ExecFindsItself(Mutant, bug="12b"):
    """exec asks about the new mm while a reader holds it, and finds itself: BUG_ON(c == p).

    The reader comes whenever the old mm is shared.
    """

    base = "2.6.26"
    changes: ClassVar = {"exec_call": "new, mmap_sem held"}
    kernel = _AReaderHoldsTheNewMm
