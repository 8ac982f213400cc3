"""Worlds without objects: the kernel in a few small integers, for searches through millions.

The same rules as :mod:`._life` and :mod:`._rules`, written a second time for the alphabet of
a scope: no locks, no steps, no cgroups, no tracers.  A world is one ``bytes``, and worlds that
differ only in names are the same one: tasks are numbered by their place in the order of
``do_each_thread``, mms by their first user.  Every task is on that list, so there is nothing
to permute.  That both kernels are one is proven by going through whole scopes.

What an operation does to the numbers is kept as a :class:`Move`, so whoever walks along
operations can follow names without performing anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from ._dialects import DIALECTS, Dialect
from ._outcomes import LIMIT, TooManyOutcomes

#: What a task is.
LIVE: Final = 0
ZOMBIE: Final = 1
KTHREAD: Final = 2
#: Parents that are no task of the world, and "no mm", "no owner".
INIT_TASK: Final = -1
KTHREADD: Final = -2
NONE: Final = -1
#: Owners that were released are -2 and below, in order of the mms that they own.
RELEASED: Final = -2
#: What is added to numbers that can be negative, to keep them in bytes.
BIAS: Final = 16

#: Kinds of operations: the clones in the order of :data:`~._space.CLONES`, then the others.
PLAIN, VM, THREAD, PARENT, VM_PARENT, EXIT, EXEC, REAP, USE_MM, UNUSE_MM, HOLD, PUT = range(12)
KINDS: Final = (
    "clone", "clone", "clone", "clone", "clone", "exit", "exec", "reap", "use_mm", "unuse_mm",
    "hold", "put",
)  # fmt: skip


class Code(NamedTuple):
    """An operation by places: its kind, a task (or the mm of a reference), and an mm."""

    kind: int
    at: int
    mm: int = 0


class Move(NamedTuple):
    """Where everything of a world stood in the one before.

    A number that was not there before is new: the child of a clone, the mm of a clone or exec.
    ``gone`` are the owners that were released: places before, or numbers below -1 for those
    that had been released already.
    """

    tasks: tuple[int, ...]
    mms: tuple[int, ...]
    gone: tuple[int, ...] = ()


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


class World:
    """A world that is being changed; tasks and mms keep their numbers until it is packed."""

    __slots__ = ("group", "kind", "marked", "mm", "order", "owner", "parent", "refs", "siblings")

    def __init__(self) -> None:
        #: Tasks as ``do_each_thread`` meets them: groups one after the other.
        self.order: list[int] = []
        #: By task: the leader of its group, its parent, its mm, what it is.
        self.group: list[int] = []
        self.parent: list[int] = []
        self.mm: list[int] = []
        self.kind: list[int] = []
        #: All children lists in one: the children of a parent in their order.
        self.siblings: list[int] = []
        #: By mm: its owner, and how many references are held.
        self.owner: list[int] = []
        self.refs: list[int] = []
        #: Tasks that are exiting but still in the world (only within an exec).
        self.marked: frozenset[int] = frozenset()

    def copy(self) -> World:
        """Return an independent copy."""
        new = World.__new__(World)
        new.order, new.group, new.parent = self.order[:], self.group[:], self.parent[:]
        new.mm, new.kind, new.siblings = self.mm[:], self.kind[:], self.siblings[:]
        new.owner, new.refs, new.marked = self.owner[:], self.refs[:], self.marked
        return new

    def state(self) -> tuple[object, ...]:
        """Return what makes two worlds with the same numbers equal."""
        return (
            *self.order, *self.group, *self.parent, *self.mm, *self.kind, *self.siblings,
            *self.owner, *self.refs, self.marked,
        )  # fmt: skip

    def users(self, mm: int) -> int:
        """Return ``mm_users``: a kernel thread that borrows an mm is none."""
        count, kind = self.refs[mm], self.kind
        for task, used in enumerate(self.mm):
            if used == mm and kind[task] != KTHREAD:
                count += 1
        return count

    def used_mms(self) -> int:
        """Return how many mms have users."""
        used = {mm for task, mm in enumerate(self.mm) if mm >= 0 and self.kind[task] != KTHREAD}
        return len(used) + sum(refs > 0 and mm not in used for mm, refs in enumerate(self.refs))

    def add(self, group: int | None, parent: int, mm: int, kind: int) -> int:
        """Append a task at the end of its group (None: a new one); return its number."""
        task = len(self.group)
        if group is None:
            self.order.append(task)
        else:
            members = [at for at, one in enumerate(self.order) if self.group[one] == group]
            self.order.insert(members[-1] + 1, task)
        self.group.append(task if group is None else group)
        self.parent.append(parent)
        self.mm.append(mm)
        self.kind.append(kind)
        return task


def first_world(kthreads: int, book: Rulebook) -> bytes:
    """Return the world of init and that many kernel threads."""
    world = World()
    world.siblings.append(world.add(None, INIT_TASK, 0, LIVE))
    world.owner.append(0 if book.owner else NONE)
    world.refs.append(0)
    for _ in range(kthreads):
        world.add(None, KTHREADD, NONE, KTHREAD)
    return pack(world)[0]


# -- packing ------------------------------------------------------------------------------


def pack(world: World) -> tuple[bytes, Move]:
    """Return the identity of *world*, names aside, and where everything stood before."""
    order, mm_of = world.order, world.mm
    place = {task: at for at, task in enumerate(order)}
    # A thread cannot stand before its leader, and mms are met in the order of their users.
    mms: dict[int, int] = {}
    for task in order:
        mm = mm_of[task]
        if mm >= 0 and mm not in mms:
            mms[mm] = len(mms)
    if len(mms) < len(world.refs):
        for mm in _without_tasks(world, mms, place):
            mms[mm] = len(mms)
    gone: list[int] = []
    owners = []
    for mm in mms:
        owner = world.owner[mm]
        if owner != NONE and owner not in place:
            if owner not in gone:
                gone.append(owner)
            owners.append(BIAS + RELEASED - gone.index(owner))
        else:
            owners.append(BIAS + (NONE if owner == NONE else place[owner]))
    parent = world.parent
    siblings = sorted(
        world.siblings, key=lambda one: place[parent[one]] if parent[one] >= 0 else -1
    )
    out = [len(order), len(mms)]
    for task in order:
        up = parent[task]
        mm = mm_of[task]
        out += (
            place[world.group[task]], BIAS + (up if up < 0 else place[up]),
            BIAS + (NONE if mm < 0 else mms[mm]), world.kind[task],
        )  # fmt: skip
    out += owners
    out += [world.refs[mm] for mm in mms]
    out += [place[one] for one in siblings]
    return bytes(out), Move(tuple(order), tuple(mms), tuple(gone))


def _without_tasks(world: World, mms: dict[int, int], place: dict[int, int]) -> list[int]:
    """Return the mms that only references keep, in an order that no name decides.

    Two that have equal references and one owner are alike.  Owners that were released have
    no place; those that own no mm of a task either are told apart only by what they own.
    """
    rest = [mm for mm, refs in enumerate(world.refs) if refs and mm not in mms]
    owners = [world.owner[mm] for mm in mms]

    def known(mm: int) -> tuple[int, int]:
        owner = world.owner[mm]
        if owner == NONE or owner in place:
            return (0, place.get(owner, NONE))
        return (1, owners.index(owner)) if owner in owners else (2, 0)

    def family(mm: int) -> list[int]:
        owner = world.owner[mm]
        return sorted(world.refs[one] for one in rest if world.owner[one] == owner)

    return sorted(
        rest,
        key=lambda mm: (
            (known(mm), family(mm), world.owner[mm], world.refs[mm])
            if known(mm)[0] == 2
            else (known(mm), [], 0, world.refs[mm])
        ),
    )


def unpack(packed: bytes) -> World:
    """Return a packed world to be changed."""
    tasks, mms = packed[0], packed[1]
    world = World()
    end = 2 + 4 * tasks
    world.order = list(range(tasks))
    world.group = list(packed[2:end:4])
    world.parent = [up - BIAS for up in packed[3:end:4]]
    world.mm = [mm - BIAS for mm in packed[4:end:4]]
    world.kind = list(packed[5:end:4])
    world.owner = [owner - BIAS for owner in packed[end : end + mms]]
    world.refs = list(packed[end + mms : end + 2 * mms])
    world.siblings = list(packed[end + 2 * mms :])
    return world


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
