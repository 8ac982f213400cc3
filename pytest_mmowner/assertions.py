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
from typing import Any

from mmowner_reference import Deviation, Op, Program, Question, format_program, parse_program

from ._candidates.base import Candidate
from ._explain import explain, observation
from ._judge import Run, judge_program
from ._shrink import Shrunk, shrink
from ._spec import Options, choose_dialect, open_candidate
from .errors import ConformanceFailure

_opened: dict[tuple[str, str | None], tuple[Candidate, str]] = {}


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
) -> None:
    """Assert that *candidate* answers *program* as its dialect allows.

    *candidate* is a SPEC string (kept open between calls) or an open candidate; *program* is
    a sequence of operations or their text; *asks* are the questions after each operation
    (default: all that the candidate can answer).  Raises ``ConformanceFailure`` with the
    first deviation, minimized, the candidate's error, or
    ``IllegalOperation`` for a program that is none.
    """
    __tracebackhide__ = True
    if isinstance(candidate, str):
        key = (candidate, dialect)
        if key not in _opened:
            if not _opened:
                atexit.register(close_opened)
            _opened[key] = open_candidate(candidate, Options(dialect=dialect))
        opened, spoken = _opened[key]
    else:
        opened, spoken = candidate, choose_dialect(candidate, Options(dialect=dialect))
    ops = parse_program(program) if isinstance(program, str) else tuple(program)
    asked = opened.info.asks if asks is None else tuple(asks)
    run = judge_program(opened, ops, spoken, asked)
    if run.deviations:
        found = run.deviations[0]

        def again(smaller: Program) -> Run:
            return judge_program(opened, smaller, spoken, asked)

        raise failure(run.program, found, found.rule, opened.info.spec, spoken, again)
    if run.error is not None:
        raise run.error


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
            run.program, run.deviations[0], rule, spec, dialect, judge, minimize=minimize
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
) -> ConformanceFailure:
    """Return *found* as a failure of *rule*, explained with a minimal program.

    Without *minimize* (a failure that is known already) the program is shown as it is.
    """
    notes = [note] if note else []
    if found.rule != rule:
        notes.append(f"on the way, {found.rule} was broken")
    deviation, minimal, done = found, None, program[: found.step]
    if minimize:
        shrunk, again = minimal_failure(judge, done, found.rule, dialect)
        deviation, minimal, done = again or found, shrunk.minimal, shrunk.program
        if again is None:
            notes.append(
                "it did not fail a second time: the candidate is not deterministic; the usual "
                "causes are the order of sets, id(), random numbers, and time"
            )
    text = explain(rule, spec, dialect, done, deviation, minimal=minimal, note="; ".join(notes))
    return ConformanceFailure(text, observed=observation(found), program=format_program(done))


def minimal_failure(
    judge: Callable[[Program], Run], program: Program, rule: str, dialect: str
) -> tuple[Shrunk, Deviation | None]:
    """Shrink *program* while *judge* still finds a deviation from *rule*.

    Returns the result and its deviation, or the program itself and None when the candidate
    does not fail a second time.
    """

    def fails(smaller: Program) -> bool:
        return judge(smaller).against(rule) is not None

    if not fails(program):
        return Shrunk(program, minimal=False), None
    shrunk = shrink(program, fails, dialect)
    again = judge(shrunk.program).against(rule)
    return (Shrunk(program, minimal=False) if again is None else shrunk), again


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
