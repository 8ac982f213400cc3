"""Slips around the search: whether one is due, what it leaves behind, what it does to users."""

from __future__ import annotations

from typing import ClassVar

from mmowner_reference import OwnedMm, Steps, Task

from ._mutant import Mutant

# -- is a search due? --------------------------------------------------------------------


class NoHandoff(Mutant):
    """The owner leaves and nothing happens."""

    def mm_update_next_owner(self, mm: OwnedMm) -> Steps:
        yield from ()


class AnybodyHandsOver(Mutant):
    """The test "am I the owner?" is missing, so every exit and exec elects somebody."""

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        return mm.users > 1


class LeaderOfOwnerAsked(Mutant):
    """It is asked whether the leader of the group is the owner, so its threads hand over too."""

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        return super().needs_owner(mm, p.group.leader)


class GroupOfOwnerAsked(Mutant):
    """It is asked whether the group has the owner, so any of its threads hands over."""

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        owner = mm.owner
        mine = owner is not None and owner.group is p.group
        return super().needs_owner(mm, owner if mine and owner is not None else p)


class OnlyLeadersHandOver(Mutant):
    """An owner that is no leader leaves without handing over."""

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        return p.leader and super().needs_owner(mm, p)


class LeaderKeepsOwnership(Mutant):
    """A leader with live threads keeps the mm when it exits, as in the RFC."""

    changes: ClassVar = {"delayed_leader": True}


class LeaderHandsOver(Mutant):
    """A leader with live threads hands over, as only since 2.6.26."""

    base = "rfc-v4"
    changes: ClassVar = {"delayed_leader": False}


class DelaysEveryThread(Mutant):
    """Any thread that is not the last of its group keeps the mm, not only the leader."""

    base = "rfc-v4"

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        return not p.group.has_other_threads(p) and super().needs_owner(mm, p)


class UsersOffByOne(Mutant):
    """Two users count as the last one."""

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        if mm.owner is p and mm.users == 2:
            mm.owner = None
            return False
        return super().needs_owner(mm, p)


class LastUserSearches(Mutant):
    """``mm_users < 1``: the last user searches too, and in 2.6.28 tells that nobody was found."""

    base = "2.6.28"

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        return mm.owner is p


class LastUserFindsKthread(Mutant):
    """``mm_users < 1``: the last user searches too, and in 3.0 finds a kernel thread."""

    base = "3.0"

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        return mm.owner is p


# -- what is left behind -----------------------------------------------------------------


class LastUserKeepsOwner(Mutant):
    """The last user leaves and the owner stays set."""

    changes: ClassVar = {"last_user": "keep"}


class LastUserLeavesNobody(Mutant):
    """The last user clears the owner, as only since 3.0."""

    base = "rfc-v4"
    changes: ClassVar = {"last_user": "clear"}


class NobodyFoundKeepsOwner(Mutant):
    """Only holders are left and the owner stays set."""

    changes: ClassVar = {"nobody": "keep"}


class NobodyFoundClears(Mutant):
    """Only holders are left and the owner is cleared, as only since 2.6.27."""

    base = "rfc-v4"
    changes: ClassVar = {"nobody": "clear"}


class NobodyFoundPanics(Mutant):
    """Only holders are left and that is a BUG()."""

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        self.host.bug("nobody found")


class NobodyFoundGivesInit(Mutant):
    """Only holders are left and init becomes the owner."""

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        mm.owner = self.host.tasks[1]


class ClearsWhoeverLeaves(Mutant):
    """The test for the last user clears the owner without asking who that is."""

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        if mm.users <= 2 and mm.owner is not p:
            mm.owner = None
        return super().needs_owner(mm, p)


# -- users and locks ---------------------------------------------------------------------


class HandoffTakesUser(Mutant):
    """The new owner is counted as one more user."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        mm.users += 1
        super().assign(mm, task, stage)


class HandoffDropsUser(Mutant):
    """The handoff drops the user that the exit drops again, except the last one."""

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        super().assign(mm, task, stage)
        if mm.users > 2:
            mm.users -= 1


class NobodyFoundDropsHolder(Mutant):
    """Only holders are left, and one of them is not counted any more."""

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        super().nobody_found(mm, p)
        if mm.users > 2:
            mm.users -= 1


class LeavesMmapLockHeld(Mutant):
    """The search takes the mmap_lock of the mm and forgets to drop it."""

    def mm_update_next_owner(self, mm: OwnedMm) -> Steps:
        yield mm.mmap_lock.read_lock
        yield from super().mm_update_next_owner(mm)


class LeavesTasklistLockHeld(Mutant):
    """When nobody is found the tasklist_lock is not dropped."""

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        self.host.tasklist_lock.read_lock()
        super().nobody_found(mm, p)
