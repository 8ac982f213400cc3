"""From a failing program to a minimal one: nothing can be removed from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

from mmowner_reference import (
    KINDS,
    PARENT,
    THREAD,
    VFORK,
    VM,
    Clone,
    Exec,
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
    search = _Search(renamed(tuple(program)), fails, dialect, time.monotonic() + budget)
    try:
        piece = max(1, len(search.best) // 2)
        while search.remove(piece) or piece > 1 or search.bypass() or search.simplify():
            piece = max(1, piece // 2)
    except _OutOfTime:
        return Shrunk(search.best, minimal=False)
    return Shrunk(search.best, minimal=True)


class _OutOfTime(Exception):
    pass


@dataclass
class _Search:
    best: Program
    fails: Callable[[Program], bool]
    dialect: str
    deadline: float
    tried: set[Program] = field(default_factory=set)

    def remove(self, piece: int) -> bool:
        """Take out every piece of that size that is not needed, from the end; say if any was."""
        any_removed = False
        start = len(self.best) - piece
        while start >= 0:
            rest = self.best[:start] + self.best[start + piece :]
            removed = self._try(legal_part(rest, self.dialect))
            any_removed |= removed
            # What depended on the piece is gone too, so the place may lie behind the end.
            start = min(start, len(self.best)) - piece if removed else start - piece
        return any_removed

    def bypass(self) -> bool:
        """Drop a clone or exec and let its maker, or its old mm, stand for what it made."""
        for at, op in enumerate(self.best):
            instead = _stand_in(op, self.best[:at], self.dialect)
            if instead is None:
                continue
            rest = tuple(_replaced(later, instead) for later in self.best[at + 1 :])
            if self._try(legal_part((*self.best[:at], *rest), self.dialect)):
                return True
        return False

    def simplify(self) -> bool:
        """Put one simpler operation in the place of another; say if that was possible."""
        for at, op in enumerate(self.best):
            for simpler in _simpler(op):
                changed = (*self.best[:at], simpler, *self.best[at + 1 :])
                # A simpler operation must not cost another one: sizes only fall.
                legal = legal_part(changed, self.dialect)
                if len(legal) == len(changed) and self._try(legal):
                    return True
        return False

    def _try(self, program: Program) -> bool:
        smaller = renamed(program)
        if smaller in self.tried:
            return False
        if time.monotonic() > self.deadline:
            raise _OutOfTime
        self.tried.add(smaller)
        if not self.fails(smaller):
            return False
        self.best = smaller
        return True


def _stand_in(op: Op, before: Program, dialect: str) -> dict[str, dict[int, int]] | None:
    """Return, by kind, which names stand for those that *op* makes; None if it makes none."""
    if isinstance(op, Clone | Exec):
        mm = Kernel(dialect).run(before).tasks[op.task].mm
        tasks = {op.child: op.task} if isinstance(op, Clone) else {}
        mms = {} if op.mm is None or mm is None else {op.mm: mm.id}
        return {"task": tasks, "mm": mms}
    return None


def _replaced(op: Op, instead: dict[str, dict[int, int]]) -> Op:
    changes: dict[str, Any] = {}
    for part in fields(op):
        names = instead.get(KINDS[part.name], {})
        value = getattr(op, part.name)
        if value in names and part.name != "child":
            changes[part.name] = names[value]
    return replace(op, **changes)


def _simpler(op: Op) -> Iterator[Op]:
    """Simpler operations in the place of *op*, each with a smaller :func:`_weight`."""
    if isinstance(op, Clone):
        for flags in ((VM,), (THREAD,), (VM, PARENT), ()):
            mm = 1000 + op.child if not flags else None  # renamed afterwards
            other = Clone(op.task, op.child, flags, mm)
            if _weight(other) < _weight(op):
                yield other
    for part in fields(op):
        if part.name in ("task", "tracer") and getattr(op, part.name) > 1:
            yield replace(op, **{part.name: 1})


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
        for part in fields(op):
            table = tables.get(KINDS[part.name])
            value = getattr(op, part.name)
            if table is not None and value is not None:
                changes[part.name] = table.setdefault(value, len(table) + 1)
        out.append(replace(op, **changes))
    return tuple(out)
