"""One program, one candidate, one dialect: run it, judge the answers.

This is where the two answers meet: the candidate's and the oracle's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from mmowner_reference import Allowed as AllowedAnswer
from mmowner_reference import (
    Answers,
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


def judge_steps(
    candidate: Candidate,
    steps: Sequence[PlannedStep],
    dialect: str,
    right: Sequence[Answers] | None = None,
) -> Run:
    """The same for a program that is planned already.

    *right* are right answers after each step, one for each world that can be there: as long as
    the candidate gives them there is nothing to judge, which saves most of the time of a run.
    A run in which it always did has no counts of what was decided.
    """
    return judge_answers(candidate, candidate.run(steps), steps, dialect, right)


def judge_answers(
    candidate: Candidate,
    given_answers: Iterable[Mapping[Question, Any]],
    steps: Sequence[PlannedStep],
    dialect: str,
    right: Sequence[Answers] | None = None,
) -> Run:
    """The same for answers that were given to *steps* already, or come as they are judged."""
    oracle: Oracle | None = None
    names: Kernel | None = None
    deviations: list[Deviation] = []
    answers: list[dict[Question, Any]] = []
    error: MMOwnerError | None = None
    typed = candidate.typed
    try:
        for raw, step in zip(given_answers, steps, strict=False):
            if oracle is None or names is None:
                if right is not None:
                    known = right[len(answers)]
                    fits = raw in known if typed else is_one_of(raw, known)
                    if fits:
                        answers.append(cast("dict[Question, Any]", raw))
                        continue
                oracle, names = _after(steps, answers, dialect)
            oracle.do(step.op)
            names.do(step.op)
            given = checked_answers(candidate, raw, names)
            answers.append(given)
            deviations += oracle.judge(given)
    except (Refused, Panic) as exc:
        said = exc.text if isinstance(exc, Panic) else f"refused: {exc}"
        if len(answers) < len(steps):
            deviations.append(_not_performed(steps[len(answers)].op, len(answers) + 1, said))
    except TooManyOutcomes as exc:
        error = Unknown(str(exc))
    except MMOwnerError as exc:
        error = exc
    program = tuple(step.op for step in steps)
    if oracle is None:
        if right is not None and len(answers) == len(steps):
            return Run(program, (), {}, tuple(answers))
        oracle, _ = _after(steps, answers, dialect)
    return Run(program, tuple(deviations), oracle.decided, tuple(answers), error)


def is_one_of(raw: Mapping[Question, Any], known: Answers) -> bool:
    """Whether raw answers are one of *known*, types and all: True is not 1.

    What looks otherwise may still be right; it is judged then.
    """
    for answers in known:
        if raw != answers:
            continue
        if all(
            type(value) is type(answers[question])
            and (not isinstance(value, dict | list) or repr(value) == repr(answers[question]))
            for question, value in raw.items()
        ):
            return True
    return False


def _after(
    steps: Sequence[PlannedStep], answers: Sequence[dict[Question, Any]], dialect: str
) -> tuple[Oracle, Kernel]:
    """Return oracle and names as they are after right answers to the first steps."""
    oracle, names = Oracle(dialect), Kernel(dialect)
    for step, given in zip(steps, answers, strict=False):
        oracle.do(step.op)
        names.do(step.op)
        oracle.judge(given)
    return oracle, names


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
