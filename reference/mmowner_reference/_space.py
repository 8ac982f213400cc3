"""A scope in the terms of the specification: its bounds, its alphabet, its steps.

This says what a scope *is*, with the kernel of objects.  Searches through whole scopes use
:mod:`._compact`, which is the same a hundred times as fast, and is held to this.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
    #: Whether the threads that an exec kills leave in every order (as kernels do), or only
    #: in that of their list.
    orders: bool = True

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


def key_of(world: Kernel) -> bytes:
    """Return the identity of *world*, names aside, in 16 bytes."""
    key = repr(state_key(world, Canonical(world)))
    return blake2b(key.encode(), digest_size=16).digest()


def steps_from(world: Kernel, bounds: Bounds) -> Iterator[tuple[Op, Kernel]]:
    """Yield each legal operation of *world* with each world that it can lead to.

    One that can lead out of *bounds* is left out.
    """
    for op in operations(world, bounds):
        if not is_legal(world, op):
            continue
        ends = every_end(world, op, bounds)
        if all(sum(mm.users > 0 for mm in end.mms.values()) <= bounds.mms for end in ends):
            yield from ((op, end) for end in ends)


def every_end(world: Kernel, op: Op, bounds: Bounds) -> list[Kernel]:
    """Return the worlds that *op* can lead to, as far as *bounds* asks for their orders."""
    reached = copy_kernel(world)
    return outcomes(reached, op) if bounds.orders else [reached.run([op])]


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
