"""Which dialect a candidate's answers fit: for one that is judged by the wrong era.

A kernel that claims 6.11 and answers like 6.1 breaks a handful of requirements, and the
list of them does not say why.  So when something failed, the programs of the run are judged
once more, by every dialect, on the answers that were given; nothing is run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mmowner_reference import DIALECTS, IllegalOperation, Oracle, Question, TooManyOutcomes

from ._judge import Run

#: How many programs of a run are judged again: it is a hint, and has to stay cheap.
PROGRAMS = 150
#: Longer programs are left out.
LENGTH = 40


def misfits_of(runs: Iterable[Run]) -> dict[str, int]:
    """Return by dialect how many of *runs* have answers that it does not allow."""
    short = [run for run in runs if run.answers and len(run.program) <= LENGTH][:PROGRAMS]
    return {name: sum(not _fits(run, name) for run in short) for name in DIALECTS}


def _fits(run: Run, dialect: str) -> bool:
    oracle = Oracle(dialect)
    for op, answers in zip(run.program, run.answers, strict=False):
        try:
            oracle.do(op)
            if oracle.judge(_about_what_is_there(oracle, answers)):
                return False
        except (IllegalOperation, TooManyOutcomes):
            return True  # what comes after an operation that it does not have says nothing
    return True


def _about_what_is_there(oracle: Oracle, answers: Mapping[Question, Any]) -> dict[Question, Any]:
    mms = oracle.worlds[0].mms
    return {q: a for q, a in answers.items() if q.ask not in ("owner", "users") or q.name in mms}


def ranking(misfits: Mapping[str, int], judged_by: str) -> list[str]:
    """Return the dialects, best fit first; among equals those near to *judged_by*."""
    names = list(DIALECTS)
    here = names.index(judged_by)
    return sorted(misfits, key=lambda name: (misfits[name], abs(names.index(name) - here)))


def hint(misfits: Mapping[str, int], judged_by: str) -> str:
    """Return what to tell about a candidate that failed, or nothing if its dialect is the best.

    *misfits* are numbers of programs by dialect.
    """
    if not misfits:
        return ""
    ranks = ranking(misfits, judged_by)
    fewest = misfits[ranks[0]]
    if fewest >= misfits[judged_by]:
        return ""
    best = [name for name in ranks if misfits[name] == fewest]
    others = [name for name in ranks if name not in best and name != judged_by][:3]
    fit = "the nearest dialect is" if fewest else "answers fit dialect"
    then = ", ".join(f"{name} ({misfits[name]})" for name in others)
    return (
        f"{fit} {' or '.join(best)}: {_programs(fewest)} against it, {misfits[judged_by]} against "
        f"{judged_by}{'; then come ' if then else ''}{then}. If that is what it is, judge it by "
        f"--mmowner-dialect={best[0]}, or let the candidate say so"
    )


def _programs(count: int) -> str:
    words = {0: "no program speaks", 1: "1 program speaks"}
    return words.get(count, f"{count} programs speak")


def add_up(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sum of what several processes of one run have counted."""
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count
    return total
