"""Programs whose right answers are known before: compared, and judged where they differ.

That is how millions of operations are affordable: a right answer costs a comparison.  What
looks wrong is run again and judged as any other program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from mmowner_reference import Answers, Deviation, PlannedStep, Program, Question

from ._candidates.base import Candidate
from ._judge import Run, is_one_of, judge_answers, judge_program
from .errors import MMOwnerError, Unknown, Untestable

#: Errors of the candidate after which a part is given up.
MAX_ERRORS: Final = 3
#: How many programs that look alike (by the requirement that seems broken) are judged wholly, where
#: the run is red in any case; of the others only what was blamed before is.
JUDGED: Final = 64

#: A program against a requirement, how it deviates, and the run in which it was seen.
Seen = tuple[Program, Deviation, Run]


class Known(NamedTuple):
    """A program with its right answers, and after which of its steps something is tried."""

    steps: Sequence[PlannedStep]
    right: Sequence[Answers]
    #: As bits, the first step lowest: what counts as tried when it was performed.
    fresh: int


@dataclass
class Part:
    """What came out of a part of a search."""

    #: What was tried and what the part has: how many fresh steps.
    tried: int = 0
    of: int = 0
    #: Programs in which something was wrong.
    wrong: int = 0
    #: The shortest program seen against each requirement.
    broken: dict[str, Seen] = field(default_factory=dict)
    #: An error of the candidate, and how many there were.
    error: MMOwnerError | None = None
    errors: int = 0
    #: Why something could not be tried that is no error: untestable here, or unknown.
    cut: MMOwnerError | None = None
    #: Whether the time was up before the end.
    out_of_time: bool = False

    def take(self, run: Run) -> None:
        """Remember what a run was against, and how it ended."""
        for found in run.deviations:
            best = self.broken.get(found.rule)
            if best is None or found.step < len(best[0]):
                self.broken[found.rule] = (run.program[: found.step], found, run)
        if isinstance(run.error, Untestable | Unknown):
            self.cut = self.cut or run.error
        elif run.error is not None:
            self.error = run.error
            self.errors += 1

    @property
    def given_up(self) -> bool:
        """Whether the candidate broke too often to go on."""
        return self.errors >= MAX_ERRORS


class _Given(NamedTuple):
    """What a candidate answered to a program, and how it ended if not as it should."""

    answers: list[Mapping[Question, Any]]
    error: MMOwnerError | None
    #: Whether all was as expected.
    right: bool

    def again(self) -> Iterator[Mapping[Question, Any]]:
        """Give the same once more, the end included."""
        yield from self.answers
        if self.error is not None:
            raise self.error


@dataclass
class Comparer:
    """Takes one candidate through known programs under one dialect; remembers what it saw."""

    candidate: Candidate
    dialect: str
    #: Whether what is found may be excused, so that each wrong program must be judged.
    thorough: bool = False
    part: Part = field(default_factory=Part)
    #: How many programs were judged wholly, by the requirement that seemed broken.
    _judged: Counter[str] = field(default_factory=Counter)

    def try_program(self, known: Known) -> Run | None:
        """Run a program; return how it is judged if something looks wrong."""
        given = self._answered(known)
        # What lies behind a refusal or a crash was not tried.
        reached = known.fresh & ((1 << len(given.answers)) - 1)
        self.part.tried += reached.bit_count()
        if given.right:
            return None
        run = self._judge(known.steps, given)
        if run.deviations or run.error is not None:
            self.part.wrong += bool(run.deviations)
            self.part.take(run)
        return run

    def _answered(self, known: Known) -> _Given:
        given: list[Mapping[Question, Any]] = []
        typed, right = self.candidate.typed, True
        try:
            for raw, fits in zip(self.candidate.run(known.steps), known.right, strict=False):
                given.append(raw)
                right = right and (raw in fits if typed else is_one_of(raw, fits))
        except MMOwnerError as exc:
            return _Given(given, exc, right=False)
        return _Given(given, None, right=right and len(given) == len(known.steps))

    def _judge(self, steps: Sequence[PlannedStep], given: _Given) -> Run:
        """Judge a program that looks wrong.

        Where little was asked, what is wrong is often so before it is asked about: so the program
        is run again, asked about after every operation, if its kind was not seen too often.
        If it looks right then, what was answered the first time counts.
        """
        first = judge_answers(self.candidate, given.again(), steps, self.dialect)
        if not first.deviations and first.error is None:
            return first  # right in another way than was expected
        kind = first.deviations[0].rule if first.deviations else ""
        if self._judged[kind] >= JUDGED and not self.thorough:
            # Only what was blamed in a whole run before: the rest may be a consequence.
            known = tuple(one for one in first.deviations if one.rule in self.part.broken)
            return replace(first, deviations=known)
        self._judged[kind] += 1
        program = tuple(step.op for step in steps)
        run = judge_program(self.candidate, program, self.dialect, self.candidate.info.asks)
        return run if run.deviations or run.error is not None else first
