"""A coarser identity of worlds, for comparing rules with rules; never for testing a candidate.

The order of tasks matters to the owner rules only among users of one mm: what joins an mm comes
last on every list, and different mms never become one.  Zombies matter by their number.  Worlds
that are equal in this sense behave alike *under rules that only look for users of an mm*; there
are two to ten times fewer of them.  A candidate that looks at the wrong neighbours tells
them apart, so cases that stand for a whole class would let it pass.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import permutations
from typing import Any

from ._compact import Rulebook
from ._dialects import DIALECTS, Dialect
from ._packed import KTHREAD, LIVE, NONE, World, unpack


def has_weak_form(dialect: str | Dialect) -> bool:
    """Whether owners are users in all worlds of *dialect*: since 3.16.

    An owner that does not use its mm is no place in a list of users.
    """
    row = DIALECTS[dialect] if isinstance(dialect, str) else dialect
    book = Rulebook.of(row)
    return book.clear_last and book.clear_nobody and book.skip_kthreads and not book.threads_listed


def weak_key(packed: bytes) -> Hashable:
    """Return the coarse identity of a packed world of a dialect that has one."""
    world = unpack(packed)
    users: list[list[int]] = [[] for _ in world.refs]
    for task in world.order:
        if world.mm[task] != NONE:
            users[world.mm[task]].append(task)
    return min(_seen_as(world, users, mms) for mms in permutations(range(len(users))))


def _seen_as(world: World, users: list[list[int]], mms: tuple[int, ...]) -> tuple[Any, ...]:
    """Describe a world with its mms in this order."""
    name: dict[int, tuple[int, int]] = {
        task: (number, at) for number, mm in enumerate(mms) for at, task in enumerate(users[mm])
    }
    idle = sum(world.kind[task] == KTHREAD and task not in name for task in world.order)
    # The threads of a group are found through each other, dead leaders through their threads.
    first = {group: next((t for t in world.order if world.group[t] == group and t in name), None)
             for group in set(world.group)}  # fmt: skip

    def one(task: int | None) -> tuple[int, int]:
        return (-1, NONE if task is None else task) if task is None or task < 0 else name[task]

    def rank(group: int) -> int:
        """Its place among the children of its parent that use the same mm."""
        found = first[group]
        before = world.siblings[: world.siblings.index(group)]
        return sum(
            world.parent[other] == world.parent[group]
            and first[other] is not None and found is not None
            and world.mm[first[other] or 0] == world.mm[found]
            for other in before
        )  # fmt: skip

    described = tuple(
        (
            world.refs[mm], one(world.owner[mm]),
            tuple(
                (
                    world.kind[task], one(first[world.group[task]]), world.group[task] == task,
                    world.kind[world.group[task]] == LIVE, one(world.parent[task]),
                    NONE if world.kind[task] == KTHREAD else rank(world.group[task]),
                )
                for task in users[mm]
            ),
        )
        for mm in mms
    )  # fmt: skip
    dead = sorted(
        one(world.parent[task]) for task in world.order
        if world.group[task] == task and first[task] is None and world.kind[task] != KTHREAD
    )  # fmt: skip
    return described, tuple(dead), idle
