"""A program that failed, run again: it is minimized, and a candidate that wavers is told so.

A candidate is deterministic if the same program gets the same answers.  One that is not
stays a failure; but whoever looks for its bug needs to know that, and which answer was the
first to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from mmowner_reference import Deviation, Op, Program, Question

from ._explain import _value
from ._judge import PERFORMED, Run
from ._shrink import Shrunk, shrink

#: How often a program is run once more to tell chance from what is left over.
REPEATS: Final = 4
#: Why a candidate answers otherwise, in general.
CAUSES: Final = (
    "the iteration order of sets, hash randomisation, id(), random numbers, time, questions "
    "that change something"
)
#: Why too; the first to think of when every run but the first is the same.
LEFT_OVER: Final = "state left over from the program before: reset() must bring back init alone"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a failure rests on: enough to run it again on any candidate.

    ``minimal`` is None where nobody tried; ``note`` are further words about how it was found.
    """

    requirement: str
    candidate: str
    dialect: str
    program: Program
    deviation: Deviation
    minimal: bool | None
    #: Whether it was answered in the same way each time that it was run.
    repeatable: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What became of a failure that was run again: a smaller program, or words of doubt."""

    shrunk: Shrunk
    deviation: Deviation
    #: What was noticed on the way, in words; nothing if the candidate is deterministic.
    note: str
    repeatable: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """The first answer in which two runs of one program differ."""

    step: int
    op: Op
    question: Question
    first: Any
    second: Any
    #: Whether the dialect allows both, as it does where a kernel has a choice.
    allowed: bool

    def __str__(self) -> str:
        ask = self.question.ask
        if ask == PERFORMED:
            return f"{self.op} (operation {self.step}) was first {self.first}, then {self.second}"
        return (
            f"after {self.op} (operation {self.step}) {self.question} was first "
            f"{_value(ask, self.first)}, then {_value(ask, self.second)}"
        )


def difference(first: Run, second: Run) -> Difference | None:
    """Return where two runs of one program first differ, or None.

    Questions that only one of them asked say nothing.  *first* may have gone on longer.
    """
    wrong = {(found.step, found.question) for run in (first, second) for found in run.deviations}
    for step, op in enumerate(second.program, 1):
        for question, one, other in _pairs(first, second, step):
            if one != other:
                allowed = question.ask != PERFORMED and (step, question) not in wrong
                return Difference(step, op, question, one, other, allowed)
    return None


def _pairs(first: Run, second: Run, step: int) -> Iterator[tuple[Question, Any, Any]]:
    ended = _how_it_ended(first, step), _how_it_ended(second, step)
    yield (Question(PERFORMED), *ended)
    if ended == (PERFORMED, PERFORMED):
        mine, others = first.answers[step - 1], second.answers[step - 1]
        yield from ((asked, mine[asked], others[asked]) for asked in mine if asked in others)


def _how_it_ended(run: Run, step: int) -> str:
    """Return what became of that operation in words: performed, or why not."""
    if step <= len(run.answers):
        return PERFORMED
    refused = [found for found in run.deviations if found.question.ask == PERFORMED]
    return f"not performed ({refused[0].observed if refused else run.error or 'no answer'})"


def confirm(
    judge: Callable[[Program], Run],
    program: Program,
    found: Deviation,
    dialect: str,
    first: Run | None = None,
) -> Confirmed:
    """Run *program* again and shrink it while *judge* finds a deviation from the same rule.

    *found* is how it failed; *first* is the run in which it did, if somebody kept that.
    Never raises for a candidate that wavers: what was seen to fail is returned, with a note.
    """
    rule = found.rule
    failed: dict[Program, Run] = {}

    def fails(smaller: Program) -> bool:
        run = judge(smaller)
        if run.against(rule) is not None:
            failed[smaller] = run
        return smaller in failed

    second = judge(program)
    again = second.against(rule)
    other = difference(first, second) if first is not None else _since(found, second)
    if again is None:
        doubt = _doubt(judge, program, second, other)
        return Confirmed(Shrunk(program, minimal=False), found, doubt, False)
    # Where several answers are allowed a candidate may choose another one in the next run.
    early = None if other is None or other.allowed else other
    shrunk = shrink(program, fails, dialect)
    last = judge(shrunk.program)
    deviation, before = last.against(rule), failed.get(shrunk.program)
    if before is None:  # nothing could go, and only its new names were never judged before
        before = second if shrunk.program == program else last
    if deviation is None and before is last:
        names = "with other names for its tasks and mms the program does not fail"
        return Confirmed(Shrunk(program, minimal=False), again, names, early is None)
    other = difference(before, last)
    if deviation is not None and early is None and (other is None or other.allowed):
        return Confirmed(shrunk, deviation, "", True)
    seen = deviation or before.against(rule)
    assert seen is not None, "what was kept has failed"
    doubt = _doubt(judge, shrunk.program, last, other, early)
    return Confirmed(replace(shrunk, minimal=False), seen, doubt, False)


def _since(found: Deviation, second: Run) -> Difference | None:
    """Return the difference between a failure and a later run; of the first that is all we know."""
    asked, step = found.question, found.step
    if asked.ask == PERFORMED:
        one, other = f"not performed ({found.observed})", _how_it_ended(second, step)
    elif step > len(second.answers):
        one, other = PERFORMED, _how_it_ended(second, step)
        asked = Question(PERFORMED)
    else:
        one, other = found.observed, second.answers[step - 1].get(asked, found.observed)
    return None if one == other else Difference(step, found.op, asked, one, other, False)


def _doubt(
    judge: Callable[[Program], Run],
    program: Program,
    second: Run,
    other: Difference | None,
    early: Difference | None = None,
) -> str:
    """Return in words that the candidate is not deterministic, and what that may come from.

    *other* is how *second* differs from the run before it; *early* is a difference in the
    program from which *program* was made.
    """
    more = [difference(second, judge(program)) for _ in range(REPEATS)]
    changed = next((one for one in more if one is not None), None)
    lines = ["the candidate is not deterministic: run again, the same program"]
    if shown := other or changed:
        lines.append(f"was answered otherwise: {shown}")
    elif early is not None:
        lines.append(f"was answered otherwise, before it was made smaller: {early}")
    else:
        lines.append("did not fail; of the answers that can be compared none is another")
    if changed is None:
        lines.append(f"{REPEATS} more runs were like the last: probably it is {LEFT_OVER}")
        lines.append(f"other usual causes: {CAUSES}")
    else:
        lines.append(f"usual causes: {CAUSES}, {LEFT_OVER}")
    return "\n  ".join(lines)
