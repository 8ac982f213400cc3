"""The kernel of a scope without objects, for searches through millions of worlds.

The same rules as :mod:`._life` and :mod:`._rules`, written a second time for the alphabet of
a scope: no locks, no steps, no cgroups, no tracers.  Worlds are those of :mod:`._packed`.  That
both kernels are one is proven by going through whole scopes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ._dialects import DIALECTS, Dialect
from ._outcomes import LIMIT, TooManyOutcomes
from ._packed import (
    EXEC,
    EXIT,
    HOLD,
    INIT_TASK,
    KTHREAD,
    KTHREADD,
    LIVE,
    NONE,
    PARENT,
    PLAIN,
    PUT,
    REAP,
    THREAD,
    UNUSE_MM,
    USE_MM,
    VM,
    VM_PARENT,
    ZOMBIE,
    Code,
    Move,
    World,
    pack,
    unpack,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What of a dialect matters to compact worlds, in the order in which the C core has it."""

    owner: bool
    #: Whether threads stand on children lists.
    threads_listed: bool
    #: Whether a group on a list is tested thread by thread.
    in_place: bool
    clear_last: bool
    clear_nobody: bool
    delayed_leader: bool
    #: Whether an exec hands over the mm that it leaves (the RFC: the one that it got).
    exec_old: bool
    skip_kthreads: bool
    #: Whether orphans go to the next thread after the dead one (else to the first).
    next_adopter: bool

    @classmethod
    def of(cls, dialect: str | Dialect) -> Rulebook:
        """Return the rules of *dialect*.  Raises :class:`KeyError` for an unknown name."""
        row = DIALECTS[dialect] if isinstance(dialect, str) else dialect
        return cls(
            owner=row.owner, threads_listed=row.children_list == "threads",
            in_place=row.walk == "lock in place", clear_last=row.last_user == "clear",
            clear_nobody=row.nobody == "clear", delayed_leader=row.delayed_leader,
            exec_old=row.exec_call != "new, mmap_sem held", skip_kthreads=row.skip_kthreads,
            next_adopter=row.adopter == "next",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of a scope as compact worlds ask for them."""

    tasks: int
    mms: int
    refs: int
    #: Kinds of operations that are left out.
    without: frozenset[int] = frozenset()
    #: Whether the threads that an exec kills leave in every order, or as they are listed.
    orders: bool = True


def first_world(kthreads: int, book: Rulebook) -> bytes:
    """Return the world of init and that many kernel threads."""
    world = World()
    world.siblings.append(world.add(None, INIT_TASK, 0, LIVE))
    world.owner.append(0 if book.owner else NONE)
    world.refs.append(0)
    for _ in range(kthreads):
        world.add(None, KTHREADD, NONE, KTHREAD)
    return pack(world)[0]


# -- what can be done ------------------------------------------------------------------------


def codes(world: World, limits: Limits) -> Iterator[Code]:
    """Yield the legal operations of an unpacked world; an exec may still make too many mms."""
    kinds = world.kind
    room = sum(kind != KTHREAD for kind in kinds) < limits.tasks
    mm_room = world.used_mms() < limits.mms
    for task, kind in enumerate(kinds):
        if kind == KTHREAD:
            if world.mm[task] == NONE:
                yield from (
                    Code(USE_MM, task, mm) for mm in range(len(world.refs)) if world.users(mm)
                )
            else:
                yield Code(UNUSE_MM, task, world.mm[task])
        elif kind == ZOMBIE:
            if world.group.count(task) == 1:  # nobody else in its group, and it is a leader
                yield Code(REAP, task)
        else:
            if room:
                yield from _clones(world, task, mm_room=mm_room)
            if task:
                yield Code(EXIT, task)
            if not task or world.group[task]:  # the other threads of init never exec
                yield Code(EXEC, task)
    for mm, held in enumerate(world.refs):
        if held < limits.refs and world.users(mm):
            yield Code(HOLD, mm)
        if held:
            yield Code(PUT, mm)


def _clones(world: World, task: int, *, mm_room: bool) -> Iterator[Code]:
    """The child of init and of its threads cannot be a sibling of theirs."""
    sibling = world.parent[task] != INIT_TASK
    if mm_room:
        yield Code(PLAIN, task)
    yield Code(VM, task)
    yield Code(THREAD, task)
    if sibling:
        if mm_room:
            yield Code(PARENT, task)
        yield Code(VM_PARENT, task)


# -- what is done ----------------------------------------------------------------------------


def steps(
    packed: bytes, limits: Limits, book: Rulebook
) -> Iterator[tuple[Code, list[tuple[bytes, Move]]]]:
    """Yield the operations of a world with the worlds that each can lead to.

    One that can lead out of the limits is left out.
    """
    start = unpack(packed)
    for code in codes(start, limits):
        if code.kind in limits.without:
            continue
        if code.kind == EXEC:
            ends = _exec(start, code.at, book, orders=limits.orders)
            if any(end.used_mms() > limits.mms for end in ends):
                continue
            yield code, [pack(end) for end in ends]
        else:
            world = start.copy()
            _perform(world, code, book)
            yield code, [pack(world)]


def _perform(world: World, code: Code, book: Rulebook) -> None:
    kind, at = code.kind, code.at
    if kind <= VM_PARENT:
        _clone(world, kind, at, book)
    elif kind == EXIT:
        _exit(world, at, book)
    elif kind == REAP:
        _release(world, at)
    elif kind == USE_MM:
        world.mm[at] = code.mm
    elif kind == UNUSE_MM:
        world.mm[at] = NONE
    else:
        world.refs[at] += 1 if kind == HOLD else -1


def _clone(world: World, kind: int, maker: int, book: Rulebook) -> None:
    mm = world.mm[maker]
    if kind in (PLAIN, PARENT):
        mm = len(world.refs)
        world.refs.append(0)
        world.owner.append(NONE)
    parent = maker if kind in (PLAIN, VM) else world.parent[maker]
    child = world.add(world.group[maker] if kind == THREAD else None, parent, mm, LIVE)
    if kind in (PLAIN, PARENT) and book.owner:
        world.owner[mm] = child
    if kind != THREAD or book.threads_listed:
        world.siblings.append(child)


def _exit(world: World, task: int, book: Rulebook) -> None:
    _leave_mm(world, task, book)
    _notify(world, task, book)


def _leave_mm(world: World, task: int, book: Rulebook) -> None:
    mm = world.mm[task]
    world.mm[task] = NONE
    _hand_over(world, mm, task, world.users(mm) + 1, book)


def _hand_over(world: World, mm: int, task: int, users: int, book: Rulebook) -> None:
    """``mm_update_next_owner``: *task* has left *mm* and is still counted in *users*."""
    if world.owner[mm] != task:
        return
    if users <= 1:
        if book.clear_last:
            world.owner[mm] = NONE
        return
    leader = world.group[task] == task
    if book.delayed_leader and leader and world.group.count(task) > 1:
        return
    found = _search(world, mm, task, book)
    if found != NONE:
        world.owner[mm] = found
    elif book.clear_nobody:
        world.owner[mm] = NONE


def _search(world: World, mm: int, task: int, book: Rulebook) -> int:
    """Children, siblings, everybody: the first that uses *mm*."""
    parents, used = world.parent, world.mm
    for up in (task, parents[task]):
        for entry in world.siblings:
            if parents[entry] != up:
                continue
            if used[entry] == mm:
                return entry
            if book.in_place and used[entry] == NONE:
                for thread in world.order:
                    if world.group[thread] == entry and used[thread] == mm:
                        return thread
    for one in world.order:
        if used[one] == mm and not (book.skip_kthreads and world.kind[one] == KTHREAD):
            return one
    return NONE


def _notify(world: World, task: int, book: Rulebook) -> None:
    """Give the children away, become a zombie or go."""
    parents = world.parent
    if task in parents:
        heir = _adopter(world, task, book)
        moved = [one for one in world.siblings if parents[one] == task]
        world.siblings = [one for one in world.siblings if parents[one] != task] + moved
        for one, up in enumerate(parents):
            if up == task:
                parents[one] = heir
    if world.group[task] == task:
        world.kind[task] = ZOMBIE
    else:
        _release(world, task)


def _adopter(world: World, task: int, book: Rulebook) -> int:
    """A thread of the group that is not exiting, else init."""
    leader = world.group[task]
    ring = [one for one in world.order if world.group[one] == leader]
    if book.next_adopter:
        at = ring.index(task)
        ring = ring[at + 1 :] + ring[:at]
    for one in ring:
        if one != task and world.kind[one] == LIVE and one not in world.marked:
            return one
    return 0


def _release(world: World, task: int) -> None:
    """Take a task off every list; its number stays, for mms that it still owns."""
    world.order.remove(task)
    if task in world.siblings:
        world.siblings.remove(task)
    # In nobody's group, and nobody's child any more.
    world.group[task] = world.parent[task] = world.mm[task] = -9


def _exec(world: World, task: int, book: Rulebook, *, orders: bool) -> list[World]:
    """Every world that an exec can lead to: the other threads leave in any order."""
    leader = world.group[task]
    others = [
        one for one in world.order
        if world.group[one] == leader and one != task and world.kind[one] == LIVE
    ]  # fmt: skip
    start = world.copy()
    mm = len(start.refs)
    start.refs.append(0)
    start.owner.append(task if book.owner else NONE)
    if len(others) > 1 and orders:
        ends = _all_orders(start, others, book)
    else:
        for other in others:
            _exit(start, other, book)
        ends = [start]
    for end in ends:
        _replace_mm(end, task, mm, book)
    return list({end.state(): end for end in reversed(ends)}.values())[::-1]


def _all_orders(start: World, others: list[int], book: Rulebook) -> list[World]:
    """Threads die side by side: marked as exiting, the mm left, the children given away.

    Without children nobody sees the parts other than the handoff, so they stay together.
    """
    whole = not any(other in start.parent for other in others)
    parts = 1 if whole else 3
    frontier: dict[object, tuple[World, dict[int, int]]] = {
        (): (start, dict.fromkeys(others, 0))
    }  # fmt: skip
    for _ in range(parts * len(others)):
        after: dict[object, tuple[World, dict[int, int]]] = {}
        for world, done in frontier.values():
            for other in others:
                if done[other] == parts:
                    continue
                reached, progress = world.copy(), {**done, other: done[other] + 1}
                if whole:
                    _exit(reached, other, book)
                else:
                    _exit_part(reached, other, done[other], book)
                key = (reached.state(), tuple(progress.values()))
                after.setdefault(key, (reached, progress))
            if len(after) > LIMIT:
                raise TooManyOutcomes(f"exec: more than {LIMIT} orders of {len(others)} exits")
        frontier = after
    return [world for world, _ in frontier.values()]


def _exit_part(world: World, task: int, part: int, book: Rulebook) -> None:
    if part == 0:
        world.marked = world.marked | {task}
    elif part == 1:
        _leave_mm(world, task, book)
    else:
        _notify(world, task, book)


def _replace_mm(world: World, task: int, mm: int, book: Rulebook) -> None:
    """Take over the place of the leader, then the new mm; the old one is handed over."""
    world.marked = frozenset()
    leader = world.group[task]
    if leader != task:
        at, own = world.order.index(leader), world.siblings
        if not book.threads_listed:
            own[own.index(leader)] = task
        world.order.remove(task)
        world.order[at] = task
        if leader in own:
            own.remove(leader)
        world.group[leader] = world.parent[leader] = world.mm[leader] = -9
        world.group[task] = task
    old = world.mm[task]
    world.mm[task] = mm
    if book.exec_old:
        _hand_over(world, old, task, world.users(old) + 1, book)
