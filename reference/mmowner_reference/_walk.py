"""Names along a path through a graph: programs, and what is right to answer after each step.

Nothing is performed: a graph knows where everything stood before (:class:`~._packed.Move`),
so names are carried along, and the answers are read off the world that is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ._dialects import DIALECTS
from ._graph import Edge, Graph
from ._ops import Clone, Exec, Exit, Hold, Kthread, Op, Put, Reap, UnuseMm, UseMm
from ._oracle import Question, Step
from ._packed import (
    BIAS,
    EXEC,
    EXIT,
    HOLD,
    KTHREAD,
    NONE,
    PARENT,
    PLAIN,
    PUT,
    REAP,
    RELEASED,
    USE_MM,
    VM_PARENT,
    ZOMBIE,
    Code,
    Move,
)  # fmt: skip
from ._space import CLONES

if TYPE_CHECKING:
    from ._cases import Case

#: Right answers after an operation; one for each world that it can lead to.
Answers: TypeAlias = tuple[dict[Question, Any], ...]
#: Where nothing is asked.
NOTHING: Final[Answers] = ({},)


class Walk:
    """One path through *graph*, from the first world on, under names of its own."""

    __slots__ = ("_gone", "_made", "_mms", "_next", "_refs", "_tasks", "graph", "here", "start")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.here = 0
        kthreads = graph.bounds.kthreads
        #: The operations by which the first world is made.
        self.start: tuple[Op, ...] = tuple(Kthread(2 + number) for number in range(kthreads))
        self._tasks = list(range(1, 2 + kthreads))
        self._mms = [1]
        self._refs: list[tuple[int, ...]] = [()]
        self._gone: list[int] = []
        #: The next task, mm and reference that are made.
        self._next = (2 + kthreads, 2, 1)
        #: The tasks that the last operation was about.
        self._made: tuple[int, ...] = ()

    def take(self, edge: int) -> Op:
        """Take an edge out of the world that was reached; return it as an operation.

        Behind one with several ends the walk stands in the first of them.
        """
        taken = self.graph.out[self.here][edge]
        op = self._named(taken.code)
        self._follow(taken, 0)
        return op

    def take_and_answer(self, edge: int, asks: Iterable[str]) -> tuple[Op, Answers]:
        """Take an edge; return the operation and what is right to answer after it."""
        taken = self.graph.out[self.here][edge]
        op = self._named(taken.code)
        if len(taken.ends) == 1:
            self._follow(taken, 0)
            return op, (self.answers(op, asks),)
        before = (self._tasks, self._mms, self._refs, self._gone, self._next)
        all_answers = []
        for end in reversed(range(len(taken.ends))):
            self._tasks, self._mms, self._refs, self._gone, self._next = before
            self._follow(taken, end)
            all_answers.append(self.answers(op, asks))
        return op, tuple(reversed(all_answers))

    def _named(self, code: Code) -> Op:
        """Return an operation by the names of this walk."""
        kind, at, mm = code
        task, new_mm, ref = self._next
        if kind <= VM_PARENT:
            made = new_mm if kind in (PLAIN, PARENT) else 0
            return _clone(kind, self._tasks[at], task, made)
        if kind == HOLD:
            return Hold(self._mms[at], ref)
        if kind == PUT:
            return Put(self._mms[at], self._refs[at][0])
        if kind == EXEC:
            return _exec(self._tasks[at], new_mm)
        if kind in (EXIT, REAP):
            return _alone(kind, self._tasks[at])
        borrow = UseMm if kind == USE_MM else UnuseMm
        return borrow(self._tasks[at], self._mms[mm])

    def _follow(self, edge: Edge, end: int) -> None:
        """Carry the names over to the world that was reached."""
        kind, at, _ = edge.code
        move: Move = edge.moves[end]
        task, mm, ref = self._next
        tasks, mms, refs = self._tasks, self._mms, self._refs
        if kind <= VM_PARENT:
            tasks = [*tasks, task]
            task += 1
        if kind in (PLAIN, PARENT, EXEC):
            mms, refs = [*mms, mm], [*refs, ()]
            mm += 1
        elif kind == HOLD:
            refs = refs[:]
            refs[at] = (*refs[at], ref)
            ref += 1
        elif kind == PUT:
            refs = refs[:]
            refs[at] = refs[at][1:]
        if move.gone:
            gone = self._gone
            self._gone = [tasks[one] if one >= 0 else gone[RELEASED - one] for one in move.gone]
        self._tasks = [tasks[one] for one in move.tasks]
        self._mms = [mms[one] for one in move.mms]
        self._refs = [refs[one] for one in move.mms]
        self._next = (task, mm, ref)
        self.here = edge.ends[end]

    def answers(self, op: Op, asks: Iterable[str]) -> dict[Question, Any]:
        """Return what is right to answer in the world that was reached, *op* being the last."""
        out: dict[Question, Any] = {}
        for ask in asks:
            ANSWERS[ask](self, op, out)
        return out

    def along(self, case: Case, asks: Iterable[str]) -> tuple[list[Step], list[Answers]]:
        """Go along a case; return its steps, and what is right to answer after each.

        What is fresh in the case is asked about, the rest was or will be in another one.  The
        operations that make the first world come first.
        """
        steps = [Step(op, ()) for op in self.start]
        right: list[Answers] = [NOTHING for _ in self.start]
        for at, edge in enumerate(case.edges):
            if case.fresh >> at & 1:
                op, answers = self.take_and_answer(edge, asks)
                steps.append(Step(op, tuple(answers[0])))
                right.append(answers)
            else:
                steps.append(Step(self.take(edge), ()))
                right.append(NOTHING)
        return steps, right

    @property
    def _world(self) -> bytes:
        return self.graph.worlds[self.here]

    def _owners(self, _: Op, out: dict[Question, Any]) -> None:
        world = self._world
        at = 2 + 4 * world[0]
        for mm, packed in zip(self._mms, world[at : at + len(self._mms)], strict=True):
            owner = packed - BIAS
            if owner >= 0:
                out[question("owner", mm)] = self._tasks[owner]
            else:
                name = None if owner == NONE else self._gone[RELEASED - owner]
                out[question("owner", mm)] = name

    def _users(self, _: Op, out: dict[Question, Any]) -> None:
        for name, users in zip(self._mms, _users_of(self._world), strict=True):
            out[question("users", name)] = users

    def _states(self, op: Op, out: dict[Question, Any]) -> None:
        for field in ("task", "child"):
            name = getattr(op, field, None)
            if name is None:
                continue
            if name in self._tasks:
                kind = self._world[5 + 4 * self._tasks.index(name)]
                out[question("state", name)] = "zombie" if kind == ZOMBIE else "live"
            else:
                out[question("state", name)] = "gone"

    def _lru(self, op: Op, out: dict[Question, Any]) -> None:
        if op.word in ("clone", "exit", "exec"):
            on_list = {}
            if DIALECTS[self.graph.dialect].lru_gen:
                # Everybody is in the root cgroup.
                users = _users_of(self._world)
                on_list = {str(mm): 1 for mm, count in zip(self._mms, users, strict=True) if count}
            out[question("lru")] = on_list

    def _no_callbacks(self, op: Op, out: dict[Question, Any]) -> None:
        if op.word in ("clone", "exit", "exec"):
            out[question("callbacks")] = []

    def _no_bill(self, op: Op, out: dict[Question, Any]) -> None:
        if op.word in ("exit", "exec"):
            out[question("bill")] = {}

    def _nothing(self, op: Op, out: dict[Question, Any]) -> None:
        """``init_mm_owner`` is asked when a kernel thread comes: before a walk begins."""


@lru_cache(maxsize=1 << 16)
def _users_of(world: bytes) -> tuple[int, ...]:
    """Return ``mm_users`` of every mm of a packed world."""
    tasks, mms = world[0], world[1]
    end = 2 + 4 * tasks
    users = list(world[end + mms : end + 2 * mms])
    for mm, kind in zip(world[4:end:4], world[5:end:4], strict=True):
        if mm != BIAS + NONE and kind != KTHREAD:
            users[mm - BIAS] += 1
    return tuple(users)


#: How each question is answered off a world.
ANSWERS: Final[dict[str, Callable[[Walk, Op, dict[Question, Any]], None]]] = {
    "owner": Walk._owners, "users": Walk._users, "state": Walk._states,
    "callbacks": Walk._no_callbacks, "bill": Walk._no_bill, "lru": Walk._lru,
    "init_mm_owner": Walk._nothing,
}  # fmt: skip


# Names come again in every case, and making a value of them costs more than looking it up.
@lru_cache(maxsize=1 << 14)
def question(ask: str, name: int | None = None) -> Question:
    """Return the question, the same object each time."""
    return Question(ask, name)


@lru_cache(maxsize=1 << 16)
def _clone(kind: int, task: int, child: int, mm: int) -> Op:
    return Clone(task, child, CLONES[kind], mm or None)


@lru_cache(maxsize=1 << 14)
def _exec(task: int, mm: int) -> Op:
    return Exec(task, mm)


@lru_cache(maxsize=1 << 12)
def _alone(kind: int, task: int) -> Op:
    return Exit(task) if kind == EXIT else Reap(task)
