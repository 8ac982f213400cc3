"""Random walks of one candidate in large worlds: beyond every scope, as long as one likes.

What needs more tasks than a scope has is rare in small worlds and common in large ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Final

from mmowner_reference import OPS, Large, Lockstep

from ._candidates.base import PARTS, Info
from ._comparing import Known

#: Operations of one walk: long enough for a large family, short enough to be explained.
LENGTH: Final = 300
#: How many walks are affordable, by the least speed of the candidate.
WALKS: Final[tuple[tuple[float, int], ...]] = ((1.0, 128), (0.2, 8), (0.0, 0))
#: The worlds; in some there are only tasks, because what is rare needs few distractions.
WORLDS: Final = (
    Large(),
    Large(without=frozenset({"hold", "put", "use_mm", "unuse_mm"})),
)


def walks_for(info: Info) -> int:
    """Return how many walks a candidate can afford; none where it shows no owners."""
    if info.lacks(("owner", "clone", "exit")):
        return 0
    return next(walks for speed, walks in WALKS if info.speed >= speed)


def programs(
    info: Info, dialect: str, seed: str, numbers: Iterable[int]
) -> Iterator[Known]:  # fmt: skip
    """Yield the walks with these numbers, each made when it is asked for."""
    for number in numbers:
        yield _known(info, dialect, f"{seed}/{number}", number)


def _known(info: Info, dialect: str, seed: str, number: int) -> Known:
    world = WORLDS[number % len(WORLDS)]
    lacks = world.without | set(info.lacks((*OPS, *PARTS)))
    if lacks & {"hold", "put"}:
        lacks |= {"hold", "put"}
    if lacks & {"kthread", "use_mm", "unuse_mm"}:
        lacks |= {"kthread", "use_mm", "unuse_mm"}
    large = Large(world.tasks, world.mms, world.refs, world.kthreads, frozenset(lacks))
    steps, right = Lockstep(Random(seed), dialect, large).steps(LENGTH, info.asks)
    return Known(steps, right, (1 << len(steps)) - 1)
