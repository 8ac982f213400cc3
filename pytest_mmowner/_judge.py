"""One program, one candidate, one dialect: run it, judge the answers.

This is where the two answers meet: the candidate's and the oracle's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmowner_reference import Allowed as AllowedAnswer
from mmowner_reference import (
    Deviation,
    Kernel,
    Op,
    Oracle,
    PlannedStep,
    Question,
    TooManyOutcomes,
    plan,
)  # fmt: skip
from mmowner_reference import Reason as WhyAllowed

from ._answers import checked
from ._candidates.base import Candidate
from ._requirements import requirements
from .errors import CandidateError, MMOwnerError, Panic, Refused, Unknown

#: The requirement that a refused legal operation breaks.
PERFORMS = "TASK-02"
#: How a refusal appears among the questions.
PERFORMED = "performed"


@dataclass(frozen=True)
class Run:
    """What came out of one run of one program."""

    program: tuple[Op, ...]
    deviations: tuple[Deviation, ...]
    #: How often each requirement decided about an answer.
    decided: dict[str, int]
    #: The answers after each operation, as far as the run got.
    answers: tuple[dict[Question, Any], ...]
    #: Why the run ended early, if it did.
    error: MMOwnerError | None = None

    def without_order(self) -> Run:
        """Return the run without those deviations that only chose another possible owner."""
        known = requirements()
        serious = tuple(
            found for found in self.deviations
            if found.rule not in known or known[found.rule].level != "order"
        )  # fmt: skip
        return replace(self, deviations=serious)

    def against(self, rule: str) -> Deviation | None:
        """Return the first deviation from the requirement *rule*."""
        return next((found for found in self.deviations if found.rule == rule), None)


def judge_program(
    candidate: Candidate, program: Sequence[Op], dialect: str, asks: Iterable[str]
) -> Run:
    """Run *program* on *candidate*, asking *asks* after each operation, and judge it.

    An error of the candidate is kept in the result, with what was judged before it.
    Raises ``IllegalOperation`` when the program is none.
    """
    return judge_steps(candidate, plan(program, dialect, asks), dialect)


def judge_steps(candidate: Candidate, steps: Sequence[PlannedStep], dialect: str) -> Run:
    """The same for a program that is planned already."""
    oracle = Oracle(dialect)
    names = Kernel(dialect)
    deviations: list[Deviation] = []
    answers: list[dict[Question, Any]] = []
    error: MMOwnerError | None = None
    done = 0
    try:
        for raw, step in zip(candidate.run(steps), steps, strict=False):
            oracle.do(step.op)
            names.do(step.op)
            done += 1
            given = checked_answers(candidate, raw, names)
            answers.append(given)
            deviations += oracle.judge(given)
    except (Refused, Panic) as exc:
        said = exc.text if isinstance(exc, Panic) else f"refused: {exc}"
        if done < len(steps):
            deviations.append(_not_performed(steps[done].op, done + 1, said))
    except TooManyOutcomes as exc:
        error = Unknown(str(exc))
    except MMOwnerError as exc:
        error = exc
    return Run(
        tuple(step.op for step in steps), tuple(deviations), oracle.decided, tuple(answers), error
    )


def checked_answers(
    candidate: Candidate, raw: Mapping[Question, Any], names: Kernel
) -> dict[Question, Any]:
    """Return the values of raw answers.  Raises ``CandidateError`` for a malformed one."""
    try:
        return {question: checked(question, raw[question], names) for question in raw}
    except CandidateError as exc:
        raise candidate.after_malformed(exc) from exc


def _not_performed(op: Op, step: int, said: str) -> Deviation:
    reason = WhyAllowed(PERFORMS, "the operation is legal here, so it is performed")
    return Deviation(step, op, Question(PERFORMED), said, (AllowedAnswer("performed", reason),))
