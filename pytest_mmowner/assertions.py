"""The assertions of this package, all of them: each fails with a whole explanation.

``assert_conforms`` is the one for your own tests::

    from hypothesis import given
    from pytest_mmowner import assert_conforms, strategies

    @given(strategies.programs())
    def test_my_kernel(program):
        assert_conforms("python:mykernel:Tracker", program)
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmowner_reference import Deviation, Op, Program, Question, format_program, parse_program

from ._candidates.base import LACKING, Candidate
from ._explain import explain, observation
from ._judge import Run, judge_program
from ._repeat import Evidence, confirm
from ._requirements import requirement as known_requirement
from ._scenario import needs_of
from ._spec import Options, choose_dialect, open_candidate
from .errors import ConformanceFailure, NotApplicable

#: By SPEC, dialect and directory.
_opened: dict[tuple[str, str | None, str], tuple[Candidate, str]] = {}


def close_opened() -> None:
    """Close the candidates that :func:`assert_conforms` has opened."""
    for candidate, _ in _opened.values():
        candidate.close()
    _opened.clear()


def assert_conforms(
    candidate: str | Candidate,
    program: str | Sequence[Op],
    *,
    dialect: str | None = None,
    asks: Iterable[str] | None = None,
    requirement: str | None = None,
    minimize: bool = True,
) -> None:
    """Assert that *candidate* answers *program* as its dialect allows.

    *candidate* is a SPEC string (kept open between calls) or an open candidate; *program* is
    a sequence of operations or their text; *asks* are the questions after each operation
    (default: all that the candidate can answer).  With *requirement*, the id of one, only
    that counts, and that the program gets to its end.  Without *minimize* the program is shown
    as it is.

    Raises ``ConformanceFailure`` with the first deviation, minimized; the candidate's error;
    ``NotApplicable`` if it lacks an operation; ``CallError`` for a wrong name; or
    ``IllegalOperation`` for a program that is none.
    """
    __tracebackhide__ = True
    if requirement is not None:
        known_requirement(requirement)
    opened, spoken = _open(candidate, dialect)
    ops = parse_program(program) if isinstance(program, str) else tuple(program)
    if lacking := opened.info.lacks(needs_of(ops)):
        raise NotApplicable(f"{LACKING} {', '.join(lacking)}")
    asked = opened.info.asks if asks is None else tuple(asks)
    run = judge_program(opened, ops, spoken, asked)
    found = _counts(run, requirement)
    if found is not None:

        def again(smaller: Program) -> Run:
            return judge_program(opened, smaller, spoken, asked)

        raise failure(
            run.program, found, found.rule, opened.info.spec, spoken, again,
            minimize=minimize, first=run,
        )  # fmt: skip
    if run.error is not None:
        raise run.error


def _open(candidate: str | Candidate, dialect: str | None) -> tuple[Candidate, str]:
    """Return an open candidate and its dialect; a SPEC is opened once."""
    if not isinstance(candidate, str):
        return candidate, choose_dialect(candidate, Options(dialect=dialect))
    # The same words mean another file in another directory.
    key = (candidate, dialect, str(Path.cwd()))
    if key not in _opened:
        if not _opened:
            atexit.register(close_opened)
        _opened[key] = open_candidate(candidate, Options(dialect=dialect))
    return _opened[key]


def _counts(run: Run, requirement: str | None) -> Deviation | None:
    """Return the deviation to report: the first, or the first from *requirement*.

    A program that a refusal cut off shows nothing of what comes after, so that counts too.
    """
    if requirement is None:
        return next(iter(run.deviations), None)
    cut = len(run.answers) < len(run.program) and run.error is None
    return run.against(requirement) or (run.deviations[-1] if cut and run.deviations else None)


def assert_no_deviation(
    run: Run,
    *,
    rule: str,
    spec: str,
    dialect: str,
    judge: Callable[[Program], Run],
    minimize: bool = True,
) -> None:
    """Assert that *run* went as allowed; a failure is reported under *rule*, minimized.

    *judge* runs another program in the same way.  Raises ``ConformanceFailure``, or the
    error that ended the run.
    """
    __tracebackhide__ = True
    if run.deviations:
        raise failure(
            run.program, run.deviations[0], rule, spec, dialect, judge, minimize=minimize, first=run
        )  # fmt: skip
    if run.error is not None:
        raise run.error


def failure(
    program: Program,
    found: Deviation,
    rule: str,
    spec: str,
    dialect: str,
    judge: Callable[[Program], Run],
    *,
    note: str = "",
    minimize: bool = True,
    first: Run | None = None,
) -> ConformanceFailure:
    """Return *found* as a failure of *rule*, explained with a minimal program.

    Without *minimize* (a failure that is known already) the program is shown as it is.
    *first* is the run in which it was found: with it, a candidate that answers otherwise
    when it is run again is told which answer was the first to change.
    """
    notes = [note] if note else []
    if found.rule != rule:
        notes.append(f"on the way, {found.rule} was broken")
    done, deviation, minimal, repeatable = program[: found.step], found, None, True
    if minimize:
        again = confirm(judge, done, found, dialect, first)
        done, minimal = again.shrunk.program, again.shrunk.minimal
        deviation, repeatable = again.deviation, again.repeatable
        if again.note:
            notes.append(again.note)
        done = done[: deviation.step]
    said = "; ".join(notes)
    kind = minimal if repeatable else None  # nothing was tried: it need not be the budget
    text = explain(rule, spec, dialect, done, deviation, minimal=kind, note=said)
    return ConformanceFailure(
        text, observed=observation(found), program=format_program(done),
        evidence=Evidence(rule, spec, dialect, done, deviation, minimal, repeatable, said),
    )  # fmt: skip


def assert_refused(
    refused: bool,
    before: Mapping[Question, Any],
    after: Mapping[Question, Any],
    program: Sequence[Op],
) -> None:
    """Assert that the last operation of *program* was refused and changed nothing."""
    __tracebackhide__ = True
    text = format_program(program)
    if not refused:
        raise ConformanceFailure(f"{program[-1]} is illegal here and was performed:\n{text}")
    for question, was in before.items():
        if after[question] != was:
            raise ConformanceFailure(
                f"{program[-1]} was refused, but {question} went from {was} to {after[question]}:\n"
                f"{text}"
            )
