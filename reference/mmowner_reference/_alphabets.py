"""Where a difference between dialects is looked for: a table of small alphabets.

A search over everything that can be said comes to three operations and not to six.  What
tells two dialects apart needs few *kinds* of operations, so the programs that are looked
at are those over each alphabet of this table: the operations by which tasks come and go,
and one subject more.  A scope names its alphabets, and "no shorter program" means: none
over any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from ._dialects import Dialect
from ._ops import OPS, PARENT, THREAD, VFORK, VM, Flags
from ._random import Scope

#: Clones that make a process, a sharer, a thread, and a sharer or a process as a sibling.
PROCESSES: Final[tuple[Flags, ...]] = ((), (VM,), (THREAD,), (VM, PARENT), (PARENT,))
#: So long are programs of wide alphabets too.
AT_LEAST: Final = 2
#: How tasks come and go.
CORE: Final = "clone exit exec reap"


@dataclass(frozen=True, slots=True)
class Alphabet:
    """Operations, clone flags, and by how much its programs stay shorter than the longest."""

    name: str
    ops: frozenset[str]
    flags: tuple[Flags, ...] = PROCESSES
    #: A wide alphabet is searched to fewer operations than was asked for.
    shorter: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """Its operations, in the order in which all are listed."""
        return tuple(word for word in OPS if word in self.ops)

    def reach(self, length: int) -> int:
        """Return how long its programs get where programs of *length* are asked for."""
        return max(min(length, AT_LEAST), length - self.shorter)

    def scope(self, tasks: int) -> Scope:
        """Return its scope with that many tasks beside init."""
        return Scope(
            tasks=tasks, mms=3, refs=1, kthreads=1, cgroups=1, threads=3, ops=self.ops,
            flags=self.flags,
        )  # fmt: skip


def _alphabet(
    name: str, words: str, flags: tuple[Flags, ...] = PROCESSES, shorter: int = 0
) -> Alphabet:
    return Alphabet(name, frozenset(words.split()), flags, shorter)


#: The alphabets, small ones first: among programs of one length the first is reported.
ALPHABETS: Final[tuple[Alphabet, ...]] = (
    _alphabet("tasks and references", f"{CORE} hold put"),
    _alphabet("kernel threads", f"{CORE} hold kthread use_mm unuse_mm"),
    _alphabet("tracers", f"{CORE} trace untrace"),
    _alphabet("vfork", CORE, (*PROCESSES, (VM, VFORK))),
    _alphabet("subreapers", f"{CORE} subreaper"),
    _alphabet("accounting", f"{CORE} cgroup attach charge hold"),
    _alphabet("callbacks", f"{CORE} cgroup attach subsystem hold"),
    _alphabet("failures", f"{CORE} clone_fails exec_fails hold", shorter=1),
    _alphabet("everything", " ".join(OPS), (*PROCESSES, (VM, VFORK)), 2),
)

#: Operations that not every dialect has, and how to tell.
ONLY_SOMETIMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "subsystem": "callbacks",
        "subreaper": "subreapers",
        "cgroup": "owner",
        "attach": "owner",
        "charge": "owner",
    }
)


def lacking(dialect: Dialect) -> frozenset[str]:
    """Return the operations that *dialect* always refuses."""
    words = {word for word, name in ONLY_SOMETIMES.items() if not getattr(dialect, name)}
    return frozenset(words)


def scopes_between(
    first: Dialect, second: Dialect, length: int
) -> tuple[tuple[Alphabet, int], ...]:
    """Return where two dialects are compared, and to which length.

    Operations that one of them refuses are left out, and with them the alphabets that have
    nothing then that another one has not.
    """
    refused = lacking(first) | lacking(second)
    rows = [
        (replace(each, ops=each.ops - refused), each.reach(length)) for each in ALPHABETS
    ]  # fmt: skip
    return tuple(
        row for at, row in enumerate(rows)
        if not any(_within(row, other, earlier=place < at)
                    for place, other in enumerate(rows) if place != at)
    )  # fmt: skip


def _within(row: tuple[Alphabet, int], other: tuple[Alphabet, int], *, earlier: bool) -> bool:
    """Whether *other* has all programs of *row*; of two that are equal the earlier stays."""
    mine, theirs = row[0], other[0]
    inside = mine.ops <= theirs.ops and set(mine.flags) <= set(theirs.flags) and row[1] <= other[1]
    same = mine.ops == theirs.ops and set(mine.flags) == set(theirs.flags) and row[1] == other[1]
    return inside and (earlier or not same)
