"""One world in a few small integers, and its identity: the names of tasks and mms aside.

A world is one ``bytes``, and worlds that differ only in names are the same one: tasks are
numbered by their place in the order of ``do_each_thread``, mms by their first user.  Every
task is on that list, so there is nothing to permute.

What an operation does to the numbers is kept as a :class:`Move`, so whoever walks along
operations can follow names without performing anything.
"""

from __future__ import annotations

from typing import Final, NamedTuple

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
