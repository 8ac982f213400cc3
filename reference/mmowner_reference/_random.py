"""Legal operations of a world, and random programs made of them.

:func:`legal_ops` lists everything that can be done next within a scope, the simplest
first; :func:`program_from_choices` turns any list of integers into a legal program by
picking from that list (a property-based tester shrinks the integers).  :func:`random_program`
is the quick way to a long program in a large world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from ._dialects import Dialect
from ._kernel import Kernel
from ._legal import is_legal
from ._ops import (
    FAIL_POINTS,
    OPS,
    PARENT,
    THREAD,
    VFORK,
    VM,
    Attach,
    Charge,
    Clone,
    CloneFails,
    Exec,
    ExecFails,
    Exit,
    Flags,
    Hold,
    Kthread,
    MakeCgroup,
    Op,
    Program,
    Put,
    Reap,
    Subreaper,
    Subsystem,
    Trace,
    Untrace,
    UnuseMm,
    UseMm,
)  # fmt: skip
from ._structs import ZOMBIE, Task

#: The clones that differ for owners; VFORK adds waiting and nothing else.
CLONE_FLAGS: Final[tuple[Flags, ...]] = (
    (), (VM,), (THREAD,), (VM, PARENT), (PARENT,), (VM, VFORK),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scope:
    """How large a world may grow, and which operations make it.

    ``tasks`` counts user tasks in the table beside init, zombies too; ``mms`` those with
    users beside init's; ``refs``, ``kthreads`` and ``cgroups`` what exists at once.
    ``ops`` are words, ``flags`` the clone flags in use.
    """

    tasks: int = 6
    mms: int = 4
    refs: int = 1
    kthreads: int = 1
    cgroups: int = 2
    threads: int = 4
    ops: frozenset[str] = frozenset(OPS)
    flags: tuple[Flags, ...] = CLONE_FLAGS


def legal_ops(world: Kernel, scope: Scope) -> list[Op]:
    """Return the legal next operations of *world* within *scope*, the simplest first."""
    return [
        op for op in _candidates(world, scope, list(world.tasks)) if is_legal(world, op)
    ]  # fmt: skip


def _room(world: Kernel, scope: Scope) -> dict[str, bool]:
    users = sum(not task.kthread for task in world.tasks.values()) - 1
    kthreads = sum(task.kthread for task in world.tasks.values())
    return {
        "task": users < scope.tasks,
        "mm": len(world.mms) - 1 < scope.mms,
        "ref": len(world.refs) < scope.refs,
        "kthread": kthreads < scope.kthreads,
        "cgroup": len(world.cgroups) - 1 < scope.cgroups,
    }


def _fresh(world: Kernel, kind: str) -> int:
    return max(world.used_names[kind], default=0) + 1


def _candidates(world: Kernel, scope: Scope, tasks: Sequence[int]) -> Iterator[Op]:
    for word in (w for w in OPS if w in scope.ops):
        yield from _of_word(word, world, scope, tasks, _room(world, scope))


def _of_word(
    word: str, world: Kernel, scope: Scope, tasks: Sequence[int], room: dict[str, bool]
) -> Iterator[Op]:
    """Operations of one kind on *tasks*, legal or not, within the room that is left."""
    if word in ("clone", "clone_fails"):
        yield from _clones(word, world, scope, tasks, room)
    elif word == "exec":
        if room["mm"]:
            yield from (Exec(task, _fresh(world, "mm")) for task in tasks)
    elif word == "hold":
        if room["ref"]:
            yield from (Hold(mm, _fresh(world, "ref")) for mm in world.mms)
    elif word == "put":
        yield from (Put(mm.id, ref) for ref, mm in world.refs.items())
    elif word == "kthread":
        if room["kthread"]:
            yield Kthread(_fresh(world, "task"))
    elif word in ("use_mm", "unuse_mm"):
        cls = UseMm if word == "use_mm" else UnuseMm
        kthreads = [name for name in tasks if name in world.tasks and world.tasks[name].kthread]
        yield from (cls(task, mm) for task in kthreads for mm in world.mms)
    elif word == "trace":
        yield from (Trace(task, tracer) for task in tasks for tracer in world.tasks)
    elif word == "cgroup":
        if room["cgroup"]:
            yield MakeCgroup(_fresh(world, "cgroup"))
    elif word == "attach":
        yield from (Attach(task, group) for task in tasks for group in world.cgroups)
    elif word == "subsystem":
        if len(world.subsystems) < 2:
            yield Subsystem(f"subsystem_{len(world.subsystems) + 1}")
    else:
        yield from (SIMPLE[word](task) for task in tasks)


SIMPLE: Final = {
    "exit": Exit, "reap": Reap, "exec_fails": ExecFails, "untrace": Untrace,
    "subreaper": Subreaper, "charge": Charge,
}  # fmt: skip


def _clones(
    word: str, world: Kernel, scope: Scope, tasks: Sequence[int], room: dict[str, bool]
) -> Iterator[Op]:
    if word == "clone" and not room["task"]:
        return
    child = _fresh(world, "task")
    for task in tasks:
        for flags in scope.flags:
            shares = VM in flags or THREAD in flags
            if not shares and not room["mm"]:
                continue
            if THREAD in flags and _threads(world, task) > scope.threads:
                continue
            mm = None if shares else _fresh(world, "mm")
            if word == "clone":
                yield Clone(task, child, flags, mm)
            else:
                yield from _failures(CloneFails(task, child, flags, mm), world, room)


def _failures(op: CloneFails, world: Kernel, room: dict[str, bool]) -> Iterator[Op]:
    """The ways in which a clone can fail; one that makes an mm can leave a reference to it."""
    yield op
    if op.mm is not None and room["ref"]:
        for at in FAIL_POINTS:
            yield replace(op, at=at, ref=_fresh(world, "ref"))


def _threads(world: Kernel, task: int) -> int:
    return sum(1 for _ in world.tasks[task].group.live())


def program_from_choices(
    choices: Iterable[int], dialect: str | Dialect, scope: Scope | None = None
) -> Program:
    """Turn integers into a legal program: each picks one of the operations possible then.

    Zero always picks the simplest; a choice that has nothing to pick from ends the program.
    """
    scope = Scope() if scope is None else scope
    world = Kernel(dialect)
    ops: list[Op] = []
    for choice in choices:
        possible = legal_ops(world, scope)
        if not possible:
            break
        op = possible[choice % len(possible)]
        world.do(op)
        ops.append(op)
    return tuple(ops)


#: How often each kind of operation is tried in random programs.
WEIGHTS: Final[dict[str, int]] = {
    "clone": 44, "exit": 22, "exec": 9, "reap": 6, "hold": 3, "put": 3, "kthread": 2, "use_mm": 5,
    "unuse_mm": 5, "clone_fails": 2, "exec_fails": 2, "trace": 3, "untrace": 5, "subreaper": 1,
    "cgroup": 1, "attach": 4, "charge": 5, "subsystem": 1,
}  # fmt: skip


def _anybody(task: Task) -> bool:
    return True


#: Who can be meant by operations that are about few tasks.
ACTORS: Final[dict[str, Callable[[Task], bool]]] = {
    "reap": lambda task: task.state == ZOMBIE,
    "untrace": lambda task: task.traced,
    "use_mm": lambda task: task.kthread and task.mm is None,
    "unuse_mm": lambda task: task.kthread and task.mm is not None,
}


def random_program(
    random: Random, length: int, dialect: str | Dialect, scope: Scope | None = None
) -> Program:
    """Return a random legal program of at most *length* operations.

    Every kind of operation is tried with its weight on one random task that may be meant.
    """
    scope = Scope() if scope is None else scope
    words = [word for word in WEIGHTS if word in scope.ops]
    weights = [WEIGHTS[word] for word in words]
    world = Kernel(dialect)
    ops: list[Op] = []
    misses = 0
    while len(ops) < length and misses < 200:
        word = random.choices(words, weights)[0]
        actors = [task.id for task in world.tasks.values() if ACTORS.get(word, _anybody)(task)]
        if not actors:
            misses += 1
            continue
        task = random.choice(actors)
        tries = [
            op for op in _of_word(word, world, scope, [task], _room(world, scope))
            if is_legal(world, op)
        ]  # fmt: skip
        if not tries:
            misses += 1
            continue
        misses = 0
        op = random.choice(tries)
        world.do(op)
        ops.append(op)
    return tuple(ops)
