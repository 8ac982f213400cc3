"""Random walks in large worlds, with the right answers as they go: beyond every scope.

What no small world shows needs many tasks at once.  The walk stands on the index
(:mod:`._index`), so a step costs the same in a world of thirty tasks and of thirty thousand.
Every operation is legal where it stands, by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Final

from ._dialects import DEFAULT, DIALECTS, Dialect
from ._index import IndexWorld
from ._ops import PARENT, Clone, Exec, Exit, Flags, Hold, Kthread, Op, Put, Reap, UnuseMm, UseMm
from ._oracle import Question, Step
from ._space import CLONES
from ._walk import Answers, question

#: How often each kind of operation is tried.
WEIGHTS: Final = {
    "clone": 44, "exit": 22, "exec": 9, "reap": 8, "hold": 4, "put": 4, "use_mm": 5, "unuse_mm": 5,
}  # fmt: skip
#: After so many tries in a row of which none was possible, a walk ends.
MISSES: Final = 200
#: What can be asked of the index.
INDEXED: Final = ("owner", "users", "state")


@dataclass(frozen=True, slots=True)
class Large:
    """How large a world may grow: user tasks in the table, mms, references, kernel threads."""

    tasks: int = 30
    mms: int = 8
    refs: int = 3
    kthreads: int = 2
    #: Operations and clone flags that are left out (``clone:FLAG``).
    without: frozenset[str] = frozenset()

    @property
    def clones(self) -> tuple[Flags, ...]:
        """The clones in use."""
        return tuple(
            flags for flags in CLONES
            if not any(f"clone:{flag}" in self.without for flag in flags)
        )  # fmt: skip


class Lockstep:
    """One walk: operations, and what is right to answer after each."""

    def __init__(
        self, random: Random, dialect: str | Dialect = DEFAULT, large: Large | None = None
    ) -> None:
        self.world = IndexWorld(DIALECTS[dialect] if isinstance(dialect, str) else dialect)
        self.random = random
        self.large = large = Large() if large is None else large
        words = [word for word in WEIGHTS if word not in large.without]
        self._makers = [MAKERS[word] for word in words]
        self._weights = list(accumulate(WEIGHTS[word] for word in words))
        self._clones = large.clones
        self._live: list[int] = [1]
        self._zombies: list[int] = []
        self._kthreads: list[int] = []
        self._lent: dict[int, int] = {}
        self._refs: list[tuple[int, int]] = []
        self._threads: dict[int, list[int]] = {1: [1]}
        self._group = {1: 1}
        #: The names of the next task, mm and reference.
        self._next = [2, 2, 1]

    def steps(self, length: int, asks: Iterable[str]) -> tuple[list[Step], list[Answers]]:
        """Return *length* steps from the first world on, and what is right after each.

        There are fewer where nothing is possible any more: without ``reap`` zombies fill the table.
        """
        asked = [ask for ask in asks if ask in INDEXED]
        steps: list[Step] = []
        right: list[Answers] = []
        if not {"kthread", "use_mm"} & self.large.without:
            for _ in range(self.large.kthreads):
                self._do(Kthread(self._fresh(0)), asked, steps, right)
                self._kthreads.append(self._next[0] - 1)
        misses = 0
        while len(steps) < length and misses < MISSES:
            op = self.random.choices(self._makers, cum_weights=self._weights)[0](self)
            if op is None:
                misses += 1
                continue
            misses = 0
            self._do(op, asked, steps, right)
        return steps, right

    def _do(
        self, op: Op, asks: list[str], steps: list[Step], right: list[Answers]
    ) -> None:  # fmt: skip
        world = self.world
        world.do(op)
        answers: dict[Question, Any] = {}
        for ask in asks:
            if ask == "state":
                for field in ("task", "child"):
                    name = getattr(op, field, None)
                    if name is not None:
                        answers[question("state", name)] = world.state(name)
            else:
                value = world.owner if ask == "owner" else world.users
                answers |= {question(ask, mm): value(mm) for mm in world.mms}
        steps.append(Step(op, tuple(answers)))
        right.append((answers,))

    def _fresh(self, kind: int) -> int:
        self._next[kind] += 1
        return self._next[kind] - 1

    # -- what is possible ------------------------------------------------------------

    def _clone(self) -> Op | None:
        if len(self._live) + len(self._zombies) >= self.large.tasks:
            return None
        maker = self.random.choice(self._live)
        flags = self.random.choice(self._clones)
        if PARENT in flags and self._group[maker] == 1:
            return None  # the parent of init and its threads is the idle task
        new = flags in ((), (PARENT,))
        if new and len(self.world.mms) >= self.large.mms:
            return None
        child = self._fresh(0)
        self._live.append(child)
        group = self._group[maker] if "THREAD" in flags else child
        self._group[child] = group
        self._threads.setdefault(group, []).append(child)
        return Clone(maker, child, flags, self._fresh(1) if new else None)

    def _exit(self) -> Op | None:
        task = self.random.choice(self._live)
        if task == 1:
            return None
        self._leaves(task)
        return Exit(task)

    def _leaves(self, task: int) -> None:
        """*task* is live no more: a leader becomes a zombie, a thread is gone."""
        group = self._group[task]
        self._live.remove(task)
        self._threads[group].remove(task)
        if group == task:
            self._zombies.append(task)

    def _exec(self) -> Op | None:
        """Of several other threads each order of their exits is right; that is left to others."""
        task = self.random.choice(self._live)
        group = self._group[task]
        others = [thread for thread in self._threads[group] if thread != task]
        if len(others) > 1 or (group == 1 and task != 1):
            return None
        if len(self.world.mms) >= self.large.mms:
            return None
        for other in others:
            self._leaves(other)
        if group != task:  # it takes the leader's place, who is gone
            self._zombies.remove(group)
            del self._threads[group]
            self._group[task], self._threads[task] = task, [task]
        return Exec(task, self._fresh(1))

    def _reap(self) -> Op | None:
        dead = [task for task in self._zombies if not self._threads[task]]
        if not dead:
            return None
        task = self.random.choice(dead)
        self._zombies.remove(task)
        return Reap(task)

    def _mm(self) -> int:
        """Return an mm with users."""
        world = self.world
        return self.random.choice([mm for mm in world.mms if world.users(mm)])

    def _hold(self) -> Op | None:
        if len(self._refs) >= self.large.refs:
            return None
        mm, ref = self._mm(), self._fresh(2)
        self._refs.append((mm, ref))
        return Hold(mm, ref)

    def _put(self) -> Op | None:
        if not self._refs:
            return None
        return Put(*self._refs.pop(self.random.randrange(len(self._refs))))

    def _use(self) -> Op | None:
        free = [task for task in self._kthreads if task not in self._lent]
        if not free:
            return None
        task, mm = self.random.choice(free), self._mm()
        self._lent[task] = mm
        return UseMm(task, mm)

    def _unuse(self) -> Op | None:
        if not self._lent:
            return None
        task = self.random.choice(list(self._lent))
        return UnuseMm(task, self._lent.pop(task))


#: How each kind of operation is made, or not if there is none of it now.
MAKERS: Final[dict[str, Callable[[Lockstep], Op | None]]] = {
    "clone": Lockstep._clone, "exit": Lockstep._exit, "exec": Lockstep._exec,
    "reap": Lockstep._reap, "hold": Lockstep._hold, "put": Lockstep._put,
    "use_mm": Lockstep._use, "unuse_mm": Lockstep._unuse,
}  # fmt: skip
