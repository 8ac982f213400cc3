"""From a failing program to a minimal one: nothing can be removed from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from mmowner_reference import (
    KINDS,
    PARENT,
    THREAD,
    VFORK,
    VM,
    Clone,
    IllegalOperation,
    Kernel,
    Op,
    Program,
)  # fmt: skip

#: Seconds after which a program is taken as it is.
BUDGET: Final = 20.0


@dataclass(frozen=True, slots=True)
class Shrunk:
    """A program that still fails; ``minimal`` is False when the budget ran out first."""

    program: Program
    minimal: bool


def shrink(
    program: Sequence[Op],
    fails: Callable[[Program], bool],
    dialect: str,
    budget: float = BUDGET,
) -> Shrunk:
    """Make *program* smaller while *fails* holds of it.

    Operations are removed in pieces and one by one, with what becomes illegal by that;
    then what is left is made simpler.  The result is renamed in order of appearance.
    """
    deadline = time.monotonic() + budget
    best = renamed(tuple(program))
    tried = {best}
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(best, dialect):
            if time.monotonic() > deadline:
                return Shrunk(best, minimal=False)
            if smaller in tried:
                continue
            tried.add(smaller)
            if fails(smaller):
                best, progress = smaller, True
                break
    return Shrunk(best, minimal=True)


def _smaller(program: Program, dialect: str) -> Iterator[Program]:
    size = len(program)
    piece = max(1, size // 2)
    while True:
        for start in range(size - piece, -1, -max(1, piece)):
            yield renamed(legal_part(program[:start] + program[start + piece :], dialect))
        if piece == 1:
            break
        piece //= 2
    for at, op in enumerate(program):
        for simpler in _simpler(op):
            changed = legal_part((*program[:at], simpler, *program[at + 1 :]), dialect)
            # A simpler operation must not cost another one: sizes only fall.
            if len(changed) == size:
                yield renamed(changed)


def _simpler(op: Op) -> Iterator[Op]:
    """Simpler operations in the place of *op*, each with a smaller :func:`_weight`."""
    if isinstance(op, Clone):
        for flags in ((VM,), (THREAD,), (VM, PARENT), ()):
            mm = 1000 + op.child if not flags else None  # renamed afterwards
            other = Clone(op.task, op.child, flags, mm)
            if _weight(other) < _weight(op):
                yield other
    for field in fields(op):
        if field.name in ("task", "tracer") and getattr(op, field.name) > 1:
            yield replace(op, **{field.name: 1})


def _weight(op: Clone) -> tuple[int, int]:
    cost = {VM: 1, THREAD: 2, PARENT: 2, VFORK: 3}
    return (sum(cost[flag] for flag in op.flags), op.task)


def legal_part(program: Sequence[Op], dialect: str) -> Program:
    """Return *program* without the operations that are illegal where they stand."""
    world = Kernel(dialect)
    kept: list[Op] = []
    for op in program:
        try:
            world.do(op)
        except IllegalOperation:
            continue
        kept.append(op)
    return tuple(kept)


def renamed(program: Program) -> Program:
    """Return *program* with its tasks, mms, references and cgroups numbered as they appear."""
    tables: dict[str, dict[int, int]] = {"task": {1: 1}, "mm": {1: 1}, "cgroup": {1: 1}, "ref": {}}
    out: list[Op] = []
    for op in program:
        changes: dict[str, Any] = {}
        for field in fields(op):
            table = tables.get(KINDS[field.name])
            value = getattr(op, field.name)
            if table is not None and value is not None:
                changes[field.name] = table.setdefault(value, len(table) + 1)
        out.append(replace(op, **changes))
    return tuple(out)
