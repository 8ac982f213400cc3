"""Where two dialects part: the shortest program that they answer differently.

A breadth-first search over pairs of worlds, one under each dialect, that have seen the
same operations.  Pairs that differ only in names are looked at once.  An operation that
one of the dialects refuses ends that branch: that they have other operations is no
difference in their answers.  Where the kernel defines no order (the other threads of an
exec), a dialect is the set of all its outcomes, and two dialects differ when no outcome
is allowed by both.

What counts as a difference is what the oracle would object to: each side's answer fits
no world of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final, TypeAlias

from ._copy import Canonical, copy_kernel, state_key
from ._dialects import DIALECTS, HISTORY, Change, Dialect
from ._kernel import Kernel, Reason
from ._legal import is_legal
from ._locks import LockError
from ._ops import Exec, Exit, Op, Program
from ._oracle import ASKS, WORTH_ASKING, Oracle, Question, _fits, expected, questions
from ._outcomes import distinct, outcomes
from ._random import Scope, legal_ops
from ._rules import NoRules, Rules

#: What one dialect can be in after a program: mostly one world.
_Side: TypeAlias = tuple[Kernel, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A shortest program that two dialects answer differently, and how."""

    program: Program
    question: Question
    #: What each of the two dialects answers: one of its outcomes.
    answers: tuple[Any, Any]
    #: Why, in the words of each.
    reasons: tuple[Reason, Reason]


@dataclass(frozen=True, slots=True)
class Searched:
    """How far one scope was looked at."""

    scope: Scope
    #: All programs of this many operations were looked at, unless something was found.
    length: int
    #: How many pairs of worlds were looked at, names aside.
    worlds: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a search for a difference found, and how far it looked."""

    first: str
    second: str
    asks: tuple[str, ...]
    #: The scope in which it was found; without a difference the first one.
    scope: Scope
    difference: Difference | None
    #: How many pairs of worlds were looked at, names aside.
    worlds: int
    #: All programs of this many operations were looked at, unless something was found.
    length: int
    #: The same for each scope that was looked at.
    searched: tuple[Searched, ...] = ()


def compare_dialects(
    first: str, second: str, scope: Scope, asks: Iterable[str] = ASKS, max_length: int = 6,
    max_worlds: int = 200_000,
) -> Comparison:  # fmt: skip
    """Search for the shortest program after which *first* and *second* answer differently.

    ``asks`` are the questions that count.  Without a difference ``length`` says up to which
    length every program within *scope* was tried; the search ends at *max_length*, or when
    it has looked at *max_worlds* pairs.
    """
    return compare_kernels(Kernel(first), Kernel(second), scope, asks, max_length, max_worlds)


def compare_kernels(
    first: Kernel, second: Kernel, scope: Scope, asks: Iterable[str] = ASKS, max_length: int = 6,
    max_worlds: int = 200_000,
) -> Comparison:  # fmt: skip
    """The same for two fresh kernels, which can have other rules than their dialects."""
    return compare_within(first, second, [(scope, max_length)], asks, max_worlds)


def compare_within(
    first: Kernel, second: Kernel, scopes: Sequence[tuple[Scope, int]],
    asks: Iterable[str] = ASKS, max_worlds: int = 200_000,
) -> Comparison:  # fmt: skip
    """The same within several scopes, each to a length of its own.

    Every length is searched in all scopes before the next one, so that what is found is a
    shortest program of all of them.  A scope ends early beyond *max_worlds* pairs.
    """
    asks = tuple(asks)
    names = first.dialect.name, second.dialect.name
    deepest = max((length for _, length in scopes), default=0)
    rows = [_Row(first, second, scope, asks, length) for scope, length in scopes]
    for length in range(1, deepest + 1):
        for row in rows:
            if length > row.max_length or row.worlds > max_worlds:
                continue
            found = row.lengthen(max_worlds)
            if found is not None:
                return _comparison(names, asks, row, found, rows)
    return _comparison(names, asks, rows[0], None, rows)


def difference_in(
    first: str | Dialect, second: str | Dialect, program: Sequence[Op], asks: Iterable[str] = ASKS
) -> Difference | None:
    """Return the first difference on the way through *program*, if two dialects have one there.

    The program of the difference ends where it shows.  What one of the dialects refuses
    ends the way.
    """
    asks = tuple(asks)
    sides: tuple[_Side, _Side] = (Kernel(first),), (Kernel(second),)
    for step, op in enumerate(program, 1):
        if not all(is_legal(world, op) for side in sides for world in side):
            return None
        sides = _forward(sides[0], op), _forward(sides[1], op)
        question = _told_apart(*sides, asks)
        if question is not None:
            return _difference(tuple(program[:step]), question, *sides)
    return None


def _comparison(
    names: tuple[str, str], asks: tuple[str, ...], row: _Row, found: Difference | None,
    rows: Sequence[_Row],
) -> Comparison:  # fmt: skip
    searched = tuple(Searched(each.scope, each.length, each.worlds) for each in rows)
    length = min(each.length for each in rows)
    return Comparison(
        *names, asks, row.scope, found, sum(each.worlds for each in rows), length, searched
    )


class _Row:
    """All programs of one scope, length by length.

    Kept are programs and not worlds: to perform a program again costs little more than a
    copy, and a hundred thousand worlds cost the collector of garbage dearly.
    """

    def __init__(
        self, first: Kernel, second: Kernel, scope: Scope, asks: tuple[str, ...], max_length: int
    ) -> None:
        self.start = first, second
        self.scope = scope
        self.asks = asks
        self.max_length = max_length
        self.length = 0
        self.frontier: list[Program] = [()]
        self.seen = {_key((first,), (second,))}
        self.telling = _telling(first, second, asks)

    @property
    def worlds(self) -> int:
        """How many pairs of worlds were looked at, names aside."""
        return len(self.seen)

    def lengthen(self, max_worlds: int) -> Difference | None:
        """Look at all programs of one operation more; return the first difference.

        Beyond *max_worlds* it ends with the length that it had.
        """
        last = self.length + 1 == self.max_length
        after: list[Program] = []
        for program in self.frontier:
            parents = self._again(program)
            ops = _legal_in_all(*parents, self.scope)
            if last:
                ops = [op for op in ops if self.telling.can_tell(op, parents)]
            for op in ops:
                pair = _after(parents[0], op), _after(parents[1], op)
                if self.telling.by_word(op):
                    question = _told_apart(*pair, self.asks)
                    if question is not None:
                        return _difference((*program, op), question, *pair)
                if last:
                    continue
                key = _key(*pair)
                if key not in self.seen:
                    self.seen.add(key)
                    after.append((*program, op))
            if self.worlds > max_worlds:
                return None
        self.frontier = after
        self.length += 1
        return None

    def _again(self, program: Program) -> tuple[_Side, _Side]:
        sides: list[_Side] = [(copy_kernel(world),) for world in self.start]
        for op in program:
            sides = [_forward(side, op) for side in sides]
        return sides[0], sides[1]


#: The operations after which a question can have a new answer, by question.  An mm that goes
#: (``put``, ``unuse_mm``) goes in all dialects, so that owners do not differ by that.
CHANGES_ANSWER: Final[Mapping[str, frozenset[str]]] = {
    "owner": frozenset({"clone", "clone_fails", "exit", "exec"}),
    "users": frozenset({"clone", "clone_fails", "exit", "exec", "hold", "put"}),
    "state": frozenset({"clone", "clone_fails", "exit", "exec", "reap", "untrace"}),
    **WORTH_ASKING,
}


@dataclass(frozen=True)
class _Telling:
    """Which operations can show a difference that was not there before."""

    #: None: any.
    words: frozenset[str] | None
    #: Only owners are asked for, and both dialects have owners and rules of their own.
    only_leaving_owners: bool

    def by_word(self, op: Op) -> bool:
        return self.words is None or op.word in self.words

    def can_tell(self, op: Op, parents: tuple[_Side, _Side]) -> bool:
        """Whether a program that ends with *op* can show a new difference.

        The owner of an mm changes when the owner leaves, and no other exit touches it.
        """
        if not self.only_leaving_owners or not isinstance(op, Exit | Exec):
            return self.by_word(op) and not (self.only_leaving_owners and op.word == "clone")
        worlds = [world for side in parents for world in side]
        return any(_leaves_its_own(world, op) for world in worlds)


def _leaves_its_own(world: Kernel, op: Exit | Exec) -> bool:
    task = world.tasks[op.task]
    leaving = task.group.live() if isinstance(op, Exec) else (task,)
    return any(t.mm is not None and getattr(t.mm, "owner", None) is t for t in leaving)


def _telling(first: Kernel, second: Kernel, asks: tuple[str, ...]) -> _Telling:
    """Strangers' rules, and strangers' kernels, can change anything at any time."""
    kernels = first, second
    plain = all(type(k) is Kernel and k.rules_factory in (Rules, NoRules) for k in kernels)
    if not plain or any(ask not in CHANGES_ANSWER for ask in asks):
        return _Telling(None, only_leaving_owners=False)
    words = frozenset(word for ask in asks for word in CHANGES_ANSWER[ask])
    owners = asks == ("owner",) and all(kernel.dialect.owner for kernel in kernels)
    return _Telling(words, only_leaving_owners=owners)


def _legal_in_all(side: _Side, other: _Side, scope: Scope) -> list[Op]:
    worlds = (*side, *other)
    return [op for op in legal_ops(side[0], scope) if all(is_legal(w, op) for w in worlds[1:])]


def _forward(side: _Side, op: Op) -> _Side:
    """Perform *op* in the worlds themselves."""
    return tuple(distinct([after for world in side for after in outcomes(world, op)]))


def _after(side: _Side, op: Op) -> _Side:
    reached = [after for world in side for after in outcomes(copy_kernel(world), op)]
    return tuple(distinct(reached))


def _key(side: _Side, other: _Side) -> bytes:
    """Return what is equal for pairs that are equal but for names: a digest, to save memory."""
    number = Canonical(side[0])
    keys = (tuple(state_key(world, number) for world in worlds) for worlds in (side, other))
    parts = tuple(key if len(key) == 1 else tuple(sorted(key, key=repr)) for key in keys)
    return blake2b(repr(parts).encode(), digest_size=16).digest()


def _told_apart(side: _Side, other: _Side, asks: Iterable[str]) -> Question | None:
    """Return a question that the sides answer differently, if no outcome is in both."""
    asked = list(dict.fromkeys(q for world in (*side, *other) for q in questions(world, asks)))
    first: Question | None = None
    for mine in side:
        for theirs in other:
            question = next((q for q in asked if _differ(mine, theirs, q)), None)
            if question is None:
                return None
            first = first or question
    return first


def _differ(mine: Kernel, theirs: Kernel, question: Question) -> bool:
    """Whether each of the two would object to the other's answer."""
    answers = _answer(mine, question), _answer(theirs, question)
    if answers[0] == answers[1] or question.ask != "bill":
        return bool(answers[0] != answers[1])
    return not _fits(mine, question, answers[1]) and not _fits(theirs, question, answers[0])


def _answer(world: Kernel, question: Question) -> Any:
    """Return an answer; about an mm that one of the worlds has let go there is none."""
    if question.ask in ("owner", "users") and question.name not in world.mms:
        return "no such mm"
    return expected(world, question)


def _difference(program: Program, question: Question, side: _Side, other: _Side) -> Difference:
    worlds = side[0], other[0]
    reasons = tuple(Oracle(world.dialect).reason(world, question) for world in worlds)
    return Difference(
        program, question, (_answer(worlds[0], question), _answer(worlds[1], question)),
        (reasons[0], reasons[1]),
    )  # fmt: skip


# -- which change of history it was ----------------------------------------------------------


def changes_between(first: str, second: str) -> tuple[Change, ...]:
    """Return the changes of history that lie between two dialects, oldest first.

    ``none`` lies nowhere: then there are none.  Raises :class:`KeyError` for no dialect.
    """
    order = [name for name in DIALECTS if name != "none"]
    if "none" in (first, second):
        return ()
    start, end = sorted((order.index(first), order.index(second)))
    rows = order[start + 1 : end + 1]
    return tuple(change for change in HISTORY if change.row in rows)


def responsible(comparison: Comparison) -> tuple[Change, ...]:
    """Return the changes between two dialects without which the difference is not there.

    Each change is left out alone on the way from the older dialect to the newer one; those
    without which both answer the program alike are responsible.
    """
    found = comparison.difference
    if found is None:
        return ()
    older, changes = _span(comparison.first, comparison.second)
    return tuple(
        change for change in changes
        if _alike(found, older, _changed(older, [each for each in changes if each is not change]))
    )  # fmt: skip


def sufficient(comparison: Comparison) -> tuple[Change, ...]:
    """Return the changes between two dialects each of which alone makes a difference there.

    Each is made alone in the older dialect.  Where no change is responsible, since others
    have the same effect, these are.
    """
    found = comparison.difference
    if found is None:
        return ()
    older, changes = _span(comparison.first, comparison.second)
    return tuple(
        change for change in changes if _alike(found, older, _changed(older, [change])) is False
    )


def _span(first: str, second: str) -> tuple[Dialect, tuple[Change, ...]]:
    older = min(first, second, key=list(DIALECTS).index)
    return DIALECTS[older], changes_between(first, second)


def _changed(dialect: Dialect, changes: Iterable[Change]) -> Dialect:
    """Return *dialect* after *changes*, in the order of time."""
    for change in changes:
        dialect = replace(dialect, **change.sets)
    return dialect


def _alike(found: Difference, *dialects: Dialect) -> bool | None:
    """Whether dialects answer alike; None where one of them refuses the program.

    A dialect that never was can also lock itself up, and answers nothing then.
    """
    answers: list[Any] = []
    for dialect in dialects:
        world = Kernel(dialect)
        for op in found.program:
            if not is_legal(world, op):
                return None
            try:
                world.do(op)
            except LockError:
                return None
        answers.append(_answer(world, found.question))
    return bool(answers[0] == answers[1])
