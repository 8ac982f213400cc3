"""Slips in whom the subsystems are told of, and when: RFC v4 to 2.6.28."""

from __future__ import annotations

from typing import Any

from mmowner_reference import Kernel, OwnedMm, Subsystem, Task

from ._mutant import Mutant


class CallbackAfterAssignment(Mutant):
    """The hooks see the new owner already in place."""

    base = "rfc-v4"

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        old, mm.owner = mm.owner, task
        if old is not None:
            self.host.owner_callbacks(mm, old, task)


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


class CallbackForLastUser(Mutant):
    """The hooks are called when the last user leaves (CALLBACK-07)."""

    base = "2.6.27"

    def needs_owner(self, mm: OwnedMm, p: Task) -> bool:
        if mm.owner is p and mm.users <= 1:
            self.host.owner_callbacks(mm, p, None)
        return super().needs_owner(mm, p)


class NobodyIsNotTold(Mutant):
    """The hooks are not called when nobody is found."""

    base = "2.6.27"

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        mm.owner = None


class NobodyIsToldTooEarly(Mutant):
    """The hooks are called when nobody is found, as only since 2.6.27."""

    base = "2.6.26"

    def nobody_found(self, mm: OwnedMm, p: Task) -> None:
        super().nobody_found(mm, p)
        self.host.owner_callbacks(mm, p, None)


class CallbackInEqualCgroups(Mutant):
    """The hooks are told of tasks only when their cgroups differ, as only since 2.6.26."""

    base = "rfc-v4"

    def assign(self, mm: OwnedMm, task: Task, stage: str) -> None:
        if mm.owner is not None and mm.owner.cgroup is not task.cgroup:
            self.host.owner_callbacks(mm, mm.owner, task)
        mm.owner = task


class _TellsNoTask(Kernel):
    def callbacks(self) -> list[dict[str, Any]]:
        return [{**call, "task": None} for call in super().callbacks()]


class CallbackWithoutTask(Mutant):
    """The hooks do not get the new task, which is there since 2.6.28."""

    base = "2.6.28"
    kernel = _TellsNoTask


class _NewestFirst(Kernel):
    def _op_subsystem(self, op: Subsystem) -> None:
        self.subsystems.insert(0, op.name)


class NewestSubsystemFirst(Mutant):
    """The subsystems are told from the youngest on (CALLBACK-04)."""

    base = "rfc-v4"
    kernel = _NewestFirst


class _FirstOnly(Kernel):
    def owner_callbacks(self, mm: OwnedMm, old: Task, new: Task | None) -> None:
        everybody, self.subsystems = self.subsystems, self.subsystems[:1]
        super().owner_callbacks(mm, old, new)
        self.subsystems = everybody


class FirstSubsystemOnly(Mutant):
    """Only the first subsystem is told."""

    base = "2.6.26"
    kernel = _FirstOnly
