"""Shortest programs: breadth-first search over the worlds of a dialect.

What it returns is minimal: no shorter program within the scope reaches a world with the
property, because all shorter ones were looked at (worlds that are equal but for names once).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ._copy import Canonical, copy_kernel, state_key
from ._dialects import Dialect
from ._kernel import Kernel
from ._ops import Program
from ._random import Scope, legal_ops


@dataclass(frozen=True, slots=True)
class Reached:
    """What a search for a property found, and how far it looked."""

    program: Program | None
    #: All programs of this many operations were looked at, unless something was found.
    length: int
    #: How many worlds were looked at, names aside.
    worlds: int


def search_program(
    dialect: str | Dialect,
    wanted: Callable[[Kernel], bool],
    scope: Scope,
    max_length: int = 8,
) -> Reached:
    """Search for a shortest program after which *wanted* holds; say how far it looked."""
    start = Kernel(dialect)
    frontier: list[tuple[Kernel, Program]] = [(start, ())]
    seen = {_key(start)}
    for length in range(max_length):
        after: list[tuple[Kernel, Program]] = []
        for world, program in frontier:
            for op in legal_ops(world, scope):
                reached = copy_kernel(world)
                reached.do(op)
                longer = (*program, op)
                if wanted(reached):
                    return Reached(longer, length, len(seen))
                # What only the last step would go on from is not remembered.
                if length + 1 == max_length:
                    continue
                key = _key(reached)
                if key not in seen:
                    seen.add(key)
                    after.append((reached, longer))
        frontier = after
    return Reached(None, max_length, len(seen))


def shortest_program(
    dialect: str | Dialect,
    wanted: Callable[[Kernel], bool],
    scope: Scope,
    max_length: int = 8,
) -> Program | None:
    """Return a shortest program after which *wanted* holds, or None within the bounds."""
    return search_program(dialect, wanted, scope, max_length).program


def _key(world: Kernel) -> tuple[object, ...]:
    return state_key(world, Canonical(world))


def dangling_mms(world: Kernel) -> list[int]:
    """Return the mms with users whose owner's ``task_struct`` was released."""
    out = []
    for mm in world.mms.values():
        owner = world.owner(mm.id)
        if mm.users > 0 and owner is not None and owner not in world.tasks:
            out.append(mm.id)
    return out


def stale_mms(world: Kernel) -> list[int]:
    """Return the mms whose owner does not use them (any more)."""
    out = []
    for mm in world.mms.values():
        owner = world.owner(mm.id)
        if owner is not None and (owner not in world.tasks or world.tasks[owner].mm is not mm):
            out.append(mm.id)
    return out


def kthread_mms(world: Kernel) -> list[int]:
    """Return the mms whose owner is a kernel thread."""
    out = []
    for mm in world.mms.values():
        owner = world.tasks.get(world.owner(mm.id) or 0)
        if owner is not None and owner.kthread:
            out.append(mm.id)
    return out
