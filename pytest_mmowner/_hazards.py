"""Hazards: how dialects break safety rules by themselves, each with its shortest program.

The shapes (what is looked for, with which operations) are data of the suite; the programs
are found by breadth-first search in the specification, so that nothing here can be a
story that a kernel does not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mmowner_reference import (
    DIALECTS,
    CloneFails,
    Kernel,
    Program,
    Scope,
    dangling_mms,
    dialects_in,
    kthread_mms,
    shortest_program,
    stale_mms,
)  # fmt: skip

from ._draw import tree
from ._requirements import Requirement
from .errors import SuiteError


def stale_kthread_mms(world: Kernel) -> list[int]:
    """Return the mms that a kernel thread owns which does not use them."""
    stale = set(stale_mms(world))
    return [mm for mm in kthread_mms(world) if mm in stale]


def dangling_loans(world: Kernel) -> list[int]:
    """Return the borrowed mms whose owner was released, whether they have users or not."""
    return [
        mm.id for mm in world.mms.values()
        if mm.loans and (owner := world.owner(mm.id)) is not None and owner not in world.tasks
    ]  # fmt: skip


def _failed(at: str) -> Callable[[Kernel], list[int]]:
    def found(world: Kernel) -> list[int]:
        failed = isinstance(world.op, CloneFails) and world.op.at == at
        return dangling_mms(world) if failed else []

    return found


#: Properties of a world that a hazard is about.
PROPERTIES: Final[Mapping[str, Callable[[Kernel], list[int]]]] = {
    "dangling": dangling_mms, "stale": stale_mms, "kthread": kthread_mms,
    "stale kthread": stale_kthread_mms, "dangling loan": dangling_loans,
    "dangling, dup_mm failed": _failed("dup_mm"), "dangling, failed late": _failed("late"),
}  # fmt: skip


@dataclass(frozen=True)
class Hazard:
    """One way in which dialects break a requirement."""

    #: The requirement.
    rule: str
    #: A word of :data:`PROPERTIES`.
    kind: str
    #: The dialects that have it, as a range.
    dialects: str
    #: The alphabet that gets there.
    ops: frozenset[str]
    flags: tuple[tuple[str, ...], ...]
    #: In words: what happens.
    text: str

    @property
    def present(self) -> frozenset[str]:
        """The dialects that have it."""
        return dialects_in(self.dialects)

    @property
    def last(self) -> str:
        """The last dialect that has it: the next one brought the fix."""
        return [name for name in DIALECTS if name in self.present][-1]

    @property
    def scope(self) -> Scope:
        """Where it is looked for."""
        return Scope(
            tasks=3, mms=2, refs=1, kthreads=1, cgroups=0, threads=2, ops=self.ops,
            flags=self.flags,
        )  # fmt: skip

    def shows(self, world: Kernel) -> bool:
        """Whether *world* shows it."""
        return bool(PROPERTIES[self.kind](world))


_found: dict[tuple[str, Hazard], Program] = {}


def find_hazard(dialect: str, hazard: Hazard) -> Program:
    """Return a shortest program after which *dialect* shows *hazard*.

    Raises ``SuiteError`` when there is none within the scope: then it is no hazard.
    """
    key = (dialect, hazard)
    if key not in _found:
        program = shortest_program(dialect, hazard.shows, hazard.scope)
        if program is None:
            raise SuiteError(f"{dialect} has no {hazard.kind} owner: {hazard.text}")
        _found[key] = program
    return _found[key]


def describe_hazard(rule: Requirement, hazard: Hazard, dialect: str, program: Program) -> str:
    """Return the text of a hazard: what the dialect does, and the shortest program for it."""
    world = Kernel(dialect).run(program)
    lines = [
        f"{rule.id} [{rule.level}]: {hazard.text} ({rule.hazards[dialect]})",
        f"shortest program, {len(program)} operations:",
        *(f"  {number:3d}  {op}" for number, op in enumerate(program, 1)),
        *(f"  | {line}" for line in tree(world)),
    ]
    return "\n".join(lines)
