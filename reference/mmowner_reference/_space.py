"""The state space of a scope: every world within its bounds, and every way between them.

Breadth-first to closure: a scope is finite, so no depth has to be chosen, and the way in
which a world is first reached is a shortest program.  Worlds that differ only in names are
one (:class:`~._copy.Canonical`): the process list orders all tasks, so there is nothing to
permute.  Where the kernel defines no order (the other threads of an exec), every outcome
is a world of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from ._copy import Canonical, copy_kernel, state_key
from ._dialects import DEFAULT, Dialect
from ._kernel import Kernel
from ._legal import is_legal
from ._ops import (
    PARENT,
    THREAD,
    VM,
    Clone,
    Exec,
    Exit,
    Flags,
    Hold,
    Kthread,
    Op,
    Put,
    Reap,
    UnuseMm,
    UseMm,
)  # fmt: skip
from ._outcomes import outcomes
from ._structs import ZOMBIE, Task

#: The clones of a scope.
CLONES: Final[tuple[Flags, ...]] = ((), (VM,), (THREAD,), (PARENT,), (VM, PARENT))


@dataclass(frozen=True, slots=True)
class Bounds:
    """A scope in numbers: what may be there at once.

    ``tasks`` in the table, init and zombies included; ``mms`` with users, init's included;
    ``refs`` to each mm; ``kthreads``, which are there from the start and come on top.
    """

    tasks: int
    mms: int
    refs: int = 0
    kthreads: int = 0
    #: Words of operations, and ``clone:FLAG``, that are left out of the alphabet.
    without: frozenset[str] = frozenset()

    def knows(self, op: Op) -> bool:
        """Whether *op* is of the alphabet."""
        if op.word in self.without:
            return False
        return not (
            isinstance(op, Clone) and any(f"clone:{flag}" in self.without for flag in op.flags)
        )

    def __str__(self) -> str:
        return f"({self.tasks},{self.mms},{self.refs},{self.kthreads})"

    def start(self, dialect: str | Dialect = DEFAULT) -> Kernel:
        """Return the first world: init, and the kernel threads."""
        return Kernel(dialect).run(Kthread(2 + number) for number in range(self.kthreads))


@dataclass
class Space:
    """What an exploration has seen so far."""

    dialect: str
    bounds: Bounds
    #: Worlds, names aside, and (world, operation, outcome) triples.
    states: int = 1
    transitions: int = 0
    #: New worlds by the number of operations that it takes to get there.
    levels: list[int] = field(default_factory=lambda: [1])
    #: Whether nothing is left to look at.
    closed: bool = False

    @property
    def depth(self) -> int:
        """How many operations the farthest world is away."""
        return len(self.levels) - 1


def explore(
    bounds: Bounds, dialect: str | Dialect = DEFAULT,
    progress: Callable[[Space], None] | None = None, max_states: int | None = None,
) -> Space:  # fmt: skip
    """Visit every world of *dialect* within *bounds* and return the counts.

    *progress* is called after each level with what was seen so far.  The search ends early,
    and the result is not ``closed``, when it has seen more than *max_states* worlds.
    """
    start = bounds.start(dialect)
    space = Space(start.dialect.name, bounds)
    seen = {key_of(start)}
    frontier = [start]
    while frontier:
        after: list[Kernel] = []
        for world in frontier:
            for _, reached in steps_from(world, bounds):
                space.transitions += 1
                key = key_of(reached)
                if key not in seen:
                    seen.add(key)
                    after.append(reached)
            if max_states is not None and len(seen) > max_states:
                space.states = len(seen)
                return space
        frontier = after
        space.states = len(seen)
        if after:
            space.levels.append(len(after))
        if progress is not None:
            progress(space)
    space.closed = True
    return space


def key_of(world: Kernel) -> bytes:
    """Return the identity of *world*, names aside, in 16 bytes."""
    key = repr(state_key(world, Canonical(world)))
    return blake2b(key.encode(), digest_size=16).digest()


def steps_from(world: Kernel, bounds: Bounds) -> Iterator[tuple[Op, Kernel]]:
    """Yield each legal operation of *world* with each world within *bounds* it can lead to."""
    for op in operations(world, bounds):
        if not is_legal(world, op):
            continue
        for reached in outcomes(copy_kernel(world), op):
            if sum(mm.users > 0 for mm in reached.mms.values()) <= bounds.mms:
                yield op, reached


def operations(world: Kernel, bounds: Bounds) -> Iterator[Op]:
    """Yield what of :func:`_alphabet` is not left out."""
    return (op for op in _alphabet(world, bounds) if bounds.knows(op))


def _alphabet(world: Kernel, bounds: Bounds) -> Iterator[Op]:
    """Yield the operations of the scope's alphabet in *world*, legal or not.

    Tasks come as they stand on the process list, mms as tasks use them: so in two worlds that
    differ only in names the operations at one place are the same, names aside.  References of
    one mm are alike, so one of them is dropped; whether there are too many mms is known only
    afterwards, because an exec makes one before it drops one.
    """
    task, mm, ref = (max(world.used_names[kind], default=0) + 1 for kind in ("task", "mm", "ref"))
    room = sum(not one.kthread for one in world.tasks.values()) < bounds.tasks
    mms: dict[int, None] = {}
    for leader in world.processes:
        for one in leader.threads:
            if one.mm is not None:
                mms[one.mm.id] = None
    for leader in world.processes:
        for one in leader.threads:
            if one.kthread:
                yield from _of_kthread(one, [*mms, *(mm for mm in world.mms if mm not in mms)])
            elif one.state == ZOMBIE:
                yield Reap(one.id)
            else:
                if room:
                    yield from (
                        Clone(one.id, task, flags, None if VM in flags or THREAD in flags else mm)
                        for flags in CLONES
                    )
                yield Exit(one.id)
                yield Exec(one.id, mm)
    for held in [world.mms[name] for name in (*mms, *(mm for mm in world.mms if mm not in mms))]:
        if held.users > 0 and len(held.refs) < bounds.refs:
            yield Hold(held.id, ref)
        if held.refs:
            yield Put(held.id, min(held.refs))


def _of_kthread(task: Task, mms: Iterable[int]) -> Iterator[Op]:
    if task.mm is None:
        yield from (UseMm(task.id, mm) for mm in mms)
    else:
        yield UnuseMm(task.id, task.mm.id)
