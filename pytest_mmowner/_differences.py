"""Where two dialects part, in words: the program, both answers, rules, commits, what was searched.

The search itself is the reference's.  Whatever is reported here was held against the
oracle: each of the two dialects objects to the other's answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from mmowner_reference import (
    ALPHABETS,
    ASKS,
    CORE,
    DIALECTS,
    PROCESSES,
    Change,
    Comparison,
    Deviation,
    Difference,
    Kernel,
    Op,
    Oracle,
    Question,
    Scope,
    compare_within,
    difference_in,
    lacking,
    parse_program,
    questions,
    random_program,
    responsible,
    scopes_between,
    sufficient,
)  # fmt: skip

from ._shrink import shrink
from ._spec import dialect_of, judged_by
from .errors import SuiteError

#: What a search is about: owners, and everything else that can be asked.
OWNER, OTHER, ALL = "owner", "other", "all"
_ASKS: Final = {
    OWNER: (OWNER,), OTHER: tuple(ask for ask in ASKS if ask != OWNER), ALL: ASKS,
}  # fmt: skip
#: In which order searches are made, by what the user wants to hear about.
ORDERS: Final = {None: (OWNER, OTHER), OWNER: (OWNER,), ALL: (ALL,)}
#: How far is looked unless the user says: seconds for most pairs, half a minute for the worst.
LENGTH, TASKS = 5, 4
#: Pairs of worlds in one alphabet before a search gives up.
MAX_WORLDS: Final = 2_000_000
#: Random programs that are tried where all short programs are answered alike.
RANDOM_PROGRAMS: Final = 200

#: Programs that once told two dialects apart, for where a search does not reach: which of
#: the threads adopts, and whose children a traced task's siblings are.
SEEDS: Final = (
    "clone(1,2,mm=2); clone(2,3,THREAD); clone(2,4,THREAD); clone(3,5,VM); exit(3); exit(2)",
    "clone(1,2,mm=2); clone(2,3,VM|PARENT); clone(2,4,THREAD); trace(2,tracer=3); exit(2)",
    "clone(1,2,mm=2); clone(2,3,VM|PARENT); clone(3,4,VM); trace(2,tracer=3); exit(2)",
)


@dataclass(frozen=True, slots=True)
class Extent:
    """How far one alphabet was searched, about what."""

    about: str
    alphabet: str
    length: int
    worlds: int


@dataclass(frozen=True, slots=True)
class Parting:
    """Two dialects, the program that tells them apart if there is one, and the extent."""

    first: str
    second: str
    tasks: int
    difference: Difference | None
    searched: tuple[Extent, ...]
    #: Whether it was found by looking at all shorter programs; else only nothing of it can go.
    exhaustive: bool = True

    @property
    def about(self) -> str:
        """What the difference is about."""
        assert self.difference is not None, "asked only where there is one"
        return OWNER if self.difference.question.ask == OWNER else OTHER

    @property
    def minimal(self) -> bool:
        """Whether all shorter programs of the scope were looked at."""
        if self.difference is None:
            return False
        shorter = len(self.difference.program) - 1
        full = {row.name for row in ALPHABETS if not row.shorter}
        mine = [row for row in self.searched if row.about in (self.about, ALL)]
        return self.exhaustive or all(
            row.length >= shorter for row in mine if row.alphabet in full
        )  # fmt: skip


def dialect_named(name: str) -> tuple[str, str]:
    """Return the dialect that *name* means, and a line that says so if it is a release.

    Raises ``CallError`` for what is neither.
    """
    return dialect_of(name), judged_by(name)


# -- finding -----------------------------------------------------------------------------------


def find_parting(
    first: str, second: str, length: int = LENGTH, tasks: int = TASKS, about: str | None = None
) -> Parting:
    """Return the shortest program that tells two dialects apart, or how far there is none.

    *about* None: about owners, and only if there is none about anything else, which is
    looked for in programs of one operation less.
    """
    searched: list[Extent] = []
    for topic in ORDERS[about]:
        # Among owners half a minute; the other answers can change at every step.
        reach = max(1, length - (topic == OTHER))
        rows = scopes_between(DIALECTS[first], DIALECTS[second], reach)
        found = compare_within(
            Kernel(first), Kernel(second), [(row.scope(tasks), most) for row, most in rows],
            _ASKS[topic], MAX_WORLDS,
        )  # fmt: skip
        searched += [
            Extent(topic, row.name, extent.length, extent.worlds)
            for (row, _), extent in zip(rows, found.searched, strict=True)
        ]
        difference = found.difference
        exhaustive = difference is not None
        if difference is None and topic != OTHER:
            difference = _directed(first, second, tasks, _ASKS[topic])
        if difference is not None:
            parting = Parting(
                first, second, tasks, difference, tuple(searched), exhaustive=exhaustive
            )
            objections(parting)
            return parting
    return Parting(first, second, tasks, None, tuple(searched))


def _directed(first: str, second: str, tasks: int, asks: Sequence[str]) -> Difference | None:
    """Try long programs: ones that are known to tell, and random ones; make them short."""
    scope = Scope(tasks=tasks, mms=3, refs=1, kthreads=1, cgroups=1, threads=3)
    programs = [parse_program(text.replace(";", "\n")) for text in SEEDS]
    programs += [random_program(Random(n), 14, first, scope) for n in range(RANDOM_PROGRAMS)]
    best: Difference | None = None
    for program in programs:
        found = difference_in(first, second, program, asks)
        if found is None or (best is not None and len(best.program) <= len(found.program)):
            continue
        small = shrink(
            found.program, lambda p: difference_in(first, second, p, asks) is not None, first
        )  # fmt: skip
        found = difference_in(first, second, small.program, asks)
        if found is not None and (best is None or len(found.program) < len(best.program)):
            best = found
    return best


def recorded_parting(record: dict[str, Any]) -> Parting:
    """Return what was found by an earlier search, with the difference looked at again.

    Raises ``SuiteError`` when it is not there any more.
    """
    extents = tuple(Extent(*row) for row in record["searched"])
    first, second, tasks = record["first"], record["second"], record["tasks"]
    if record["program"] is None:
        return Parting(first, second, tasks, None, extents)
    program = parse_program("\n".join(record["program"]))
    asks = _ASKS[OWNER] if record["question"].startswith("owner") else ASKS
    found = difference_in(first, second, program, asks)
    if found is None or found.program != program or str(found.question) != record["question"]:
        raise SuiteError(
            f"{first} and {second} are not told apart by {record['question']} after "
            f"{'; '.join(record['program'])} any more: search again"
        )
    parting = Parting(first, second, tasks, found, extents, exhaustive=record["exhaustive"])
    objections(parting)
    return parting


def record_of(parting: Parting) -> dict[str, Any]:
    """Return what :func:`recorded_parting` reads."""
    found = parting.difference
    return {
        "first": parting.first, "second": parting.second, "tasks": parting.tasks,
        "program": None if found is None else [str(op) for op in found.program],
        "question": None if found is None else str(found.question),
        "exhaustive": parting.exhaustive,
        "searched": [[e.about, e.alphabet, e.length, e.worlds] for e in parting.searched],
    }  # fmt: skip


# -- what the oracles say ------------------------------------------------------------------------


def objections(parting: Parting) -> tuple[Deviation, Deviation]:
    """Return what each of the two dialects says about the other's answer, that of the first first.

    Raises ``SuiteError`` when one of them does not object: then it is no difference.
    """
    found = parting.difference
    assert found is not None, "asked only where there is one"
    return (
        _objection(parting.first, parting.second, found),
        _objection(parting.second, parting.first, found),
    )


def _objection(judge: str, other: str, found: Difference) -> Deviation:
    """What *judge* says about what *other* answers: about the question itself if it can."""
    asks = _ASKS[OWNER] if found.question.ask == OWNER else ASKS
    out: Deviation | None = None
    for world in final_worlds(other, found.program):
        oracle = Oracle(judge)
        for op in found.program:
            oracle.do(op)
        said = oracle.judge({q: answer_of(world, q) for q in questions(world, asks)})
        if not said:
            raise SuiteError(
                f"{judge} allows what {other} answers after {'; '.join(map(str, found.program))}, "
                "so that is no difference: the search is wrong. Please report it"
            )
        mine = next((deviation for deviation in said if deviation.question == found.question), None)
        out = out or mine or said[0]
    assert out is not None, "a program ends in at least one world"
    return out


def final_worlds(dialect: str, program: Sequence[Op]) -> list[Kernel]:
    """Return all worlds that *program* can end in."""
    oracle = Oracle(dialect)
    for op in program:
        oracle.do(op)
    return oracle.worlds


def answer_of(world: Kernel, question: Question) -> Any:
    """Return the answer to *question* in *world*."""
    ask = getattr(world, question.ask)
    return ask() if question.name is None else ask(question.name)


def commits(parting: Parting) -> tuple[tuple[Change, ...], bool]:
    """Return the changes that explain a difference, and whether each is needed for it.

    Where no change is needed, those are returned of which each alone is enough.
    """
    comparison = Comparison(
        parting.first, parting.second, (), Scope(), parting.difference, worlds=0, length=0
    )
    needed = responsible(comparison)
    return (needed, True) if needed else (sufficient(comparison), False)


# -- what differs that no program shows ----------------------------------------------------------


def fields_apart(first: str, second: str) -> dict[str, tuple[Any, Any]]:
    """Return the fields in which two dialects differ, with both values."""
    names = [name for name in DIALECTS[first].__dataclass_fields__ if name not in ("name", "era")]
    values = {
        name: (getattr(DIALECTS[first], name), getattr(DIALECTS[second], name)) for name in names
    }
    return {name: pair for name, pair in values.items() if pair[0] != pair[1]}


def operations_apart(first: str, second: str) -> dict[str, list[str]]:
    """Return the operations that only one of two dialects has, by dialect."""
    mine, theirs = lacking(DIALECTS[first]), lacking(DIALECTS[second])
    return {first: sorted(theirs - mine), second: sorted(mine - theirs)}


def extent_rows(parting: Parting) -> Iterator[tuple[Extent, str]]:
    """Yield how far every alphabet was searched, with what it has beside its core."""
    first, second = DIALECTS[parting.first], DIALECTS[parting.second]
    rows = {row.name: row for row, _ in scopes_between(first, second, LENGTH + len(ALPHABETS))}
    for extent in parting.searched:
        row = rows[extent.alphabet]
        more = [word for word in row.words if word not in CORE.split()]
        more += ["|".join(flag) for flag in row.flags if flag not in PROCESSES]
        yield extent, "core" + (f" and {', '.join(more)}" if more else "")
