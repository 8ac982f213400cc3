"""Random programs against one candidate, judged once for all requirements.

Every answer is decided by some requirement; a deviation counts against that one alone, and
the oracle goes on from what was observed.  So one campaign gives every requirement its
property: "in all random programs, whatever it decided was as it says".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Final

from mmowner_reference import (
    ASKS,
    OPS,
    Kernel,
    Op,
    Oracle,
    PlannedStep,
    Program,
    Scope,
    TooManyOutcomes,
    expected,
    plan,
    random_program,
)  # fmt: skip

from ._candidates.base import LACKING, Candidate
from ._comparing import Seen
from ._judge import Run, judge_steps
from ._scenario import splits_a_process
from ._transitions import OutOfTime
from .assertions import failure
from .errors import ConformanceFailure, MMOwnerError, NotApplicable, Unknown, Untestable

#: Errors of the candidate after which no further program is tried.
MAX_ERRORS: Final = 3
#: How many runs are kept.
KEPT: Final = 80


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the campaign: how many programs, how long, in how large a world."""

    programs: int
    length: int
    scope: Scope


#: The operations that decide about owners; the others come between them.
CORE: Final = frozenset({"clone", "exit", "exec", "reap"})

#: Many small worlds with everything in them, and a few large ones: rare situations need many
#: tasks at once, and few distractions.
STRETCHES: Final = (
    Stretch(200, 24, Scope()),
    Stretch(14, 250, Scope(tasks=30, mms=8, threads=3, ops=CORE)),
    Stretch(6, 250, Scope(tasks=30, mms=8, refs=3, kthreads=2, cgroups=4, threads=3)),
)


@lru_cache(maxsize=512)
def _random_program(seed: str, length: int, dialect: str, scope: Scope) -> Program:
    """Made once for all candidates of a process: making one costs a third of judging it."""
    return random_program(Random(seed), length, dialect, scope)


@dataclass
class _Planned:
    """A program with what is asked after each operation, and a run in which all was right."""

    steps: Sequence[PlannedStep]
    settled: Run | None = None


@lru_cache(maxsize=512)
def _planned(program: Program, dialect: str, asks: tuple[str, ...]) -> _Planned:
    """The same for the plan; a second candidate finds the right answers in it."""
    return _Planned(plan(program, dialect, asks))


@dataclass
class Campaign:
    """The random programs for one candidate under one dialect; they run at first use."""

    candidate: Candidate
    dialect: str
    seed: int = 0
    stretches: Sequence[Stretch] = STRETCHES
    decided: Counter[str] = field(default_factory=Counter)
    #: The shortest program seen against each requirement.
    failures: dict[str, Seen] = field(default_factory=dict)
    error: MMOwnerError | None = None
    programs: int = 0
    operations: int = 0
    #: Programs that did not get to their end, and why the first of them did not.
    cut: int = 0
    cut_off: MMOwnerError | None = None
    #: The first runs, for whoever wants to judge their answers again.
    kept: list[Run] = field(default_factory=list)
    #: Whether there is a shorter program against a requirement: asked before one is explained.
    shorter: Callable[[str, int], Seen | None] | None = None
    #: What a right candidate would have decided; computed when it is asked for.
    _right: frozenset[str] | None = None
    _ran: bool = False
    _shrunk: dict[str, ConformanceFailure] = field(default_factory=dict)

    def run(self) -> None:
        """Run all programs, once."""
        if self._ran:
            return
        self._ran = True
        errors = 0
        for program in self._random():
            run = self._judge(program)
            if len(self.kept) < KEPT:
                self.kept.append(run)
            self.programs += 1
            self.operations += len(program)
            self.decided.update(run.decided)
            for found in run.deviations:
                best = self.failures.get(found.rule)
                if best is None or found.step < len(best[0]):
                    self.failures[found.rule] = (program[: found.step], found, run)
            if isinstance(run.error, Untestable | Unknown):
                self.cut += 1
                self.cut_off = self.cut_off or run.error
            elif run.error is not None:
                self.error = run.error
                errors += 1
                if errors >= MAX_ERRORS:
                    return

    def _random(self) -> Iterator[Program]:
        for number, (length, scope) in enumerate(self._programs()):
            seed = f"{self.seed}/{self.dialect}/{number}"
            yield self._usable(_random_program(seed, length, self.dialect, scope))

    def _programs(self) -> list[tuple[int, Scope]]:
        info = self.candidate.info
        out: list[tuple[int, Scope]] = []
        for stretch in self.stretches:
            count = max(1, round(stretch.programs * info.speed))
            out += [(stretch.length, self._scope(stretch.scope))] * count
        return out

    def _scope(self, scope: Scope) -> Scope:
        info = self.candidate.info
        usable = {op for op in OPS if op in info.capabilities}
        if any(part.startswith("clone_fails:") for part in info.without):
            usable.discard("clone_fails")
        flags = tuple(
            flags for flags in scope.flags if not any(f"clone:{f}" in info.without for f in flags)
        )
        return Scope(
            scope.tasks, scope.mms, scope.refs, scope.kthreads, scope.cgroups, scope.threads,
            frozenset(usable & scope.ops), flags,
        )  # fmt: skip

    def _usable(self, program: Program) -> Program:
        if "attach:thread" in self.candidate.info.capabilities or "attach" not in [
            op.word for op in program
        ]:
            return program
        world, kept = Kernel(self.dialect), []
        for op in program:
            world.do(op)
            if splits_a_process(world):
                break
            kept.append(op)
        return tuple(kept)

    def _judge(self, program: Sequence[Op]) -> Run:
        planned = _planned(tuple(program), self.dialect, tuple(self.candidate.info.asks))
        settled = planned.settled
        right = None if settled is None else [(answers,) for answers in settled.answers]
        run = judge_steps(self.candidate, planned.steps, self.dialect, right)
        if run.deviations or run.error is not None or len(run.answers) < len(planned.steps):
            return run
        if settled is None:
            planned.settled = run
        # What was decided is the same as in the run with these answers that was judged.
        return run if run.decided else planned.settled or run

    def broke(self, rule: str) -> bool:
        """Whether some program speaks against *rule*."""
        self.run()
        return rule in self.failures

    def holds(self, rule: str, *, minimize: bool = True) -> None:
        """Raise if *rule* was broken, or if the campaign cannot say.

        Raises ``ConformanceFailure`` with a minimal program, the candidate's own error, or
        ``NotApplicable`` when no program made *rule* decide anything.
        """
        self.run()
        if rule in self.failures:
            if rule not in self._shrunk:
                self._shrunk[rule] = self._failure(rule, minimize=minimize)
            raise self._shrunk[rule]
        if self.error is not None:
            self._can_decide(rule)
            raise self.error.with_traceback(None)
        if not self.decided[rule]:
            if self.cut_off is not None and 2 * self.cut >= self.programs:
                raise self.cut_off.with_traceback(None)
            cut = f" ({self.cut} of them were cut off: {self.cut_off})" if self.cut else ""
            lacks = self.candidate.info.lacks((*OPS, *ASKS))
            why = f"{LACKING} {', '.join(lacks)}: " if lacks else ""
            raise NotApplicable(f"{why}{self.programs} random programs never got to {rule}{cut}")

    def _can_decide(self, rule: str) -> None:
        """Raise ``NotApplicable`` when no right candidate of these capabilities decides *rule*.

        A candidate that breaks has not decided anything, and that is its fault only where it
        could have.
        """
        lacks = self.candidate.info.lacks((*OPS, *ASKS))
        if lacks and rule not in self._decidable():
            raise NotApplicable(
                f"{LACKING} {', '.join(lacks)}: no random program of the others gets to {rule}"
            )

    def _decidable(self) -> frozenset[str]:
        if self._right is None:
            right: set[str] = set()
            for program in self._random():
                oracle = Oracle(self.dialect)
                with suppress(TooManyOutcomes):
                    for step in plan(program, self.dialect, self.candidate.info.asks):
                        oracle.do(step.op)
                        oracle.judge({q: expected(oracle.worlds[0], q) for q in step.questions})
                right |= oracle.decided.keys()
            self._right = frozenset(right)
        return self._right

    def _failure(self, rule: str, *, minimize: bool) -> ConformanceFailure:
        note = f"found by random programs, seed {self.seed}"
        made = self._explained(rule, self.failures[rule], note, minimize=minimize)
        if minimize and self.shorter is not None and made.evidence is not None:
            best = None
            with suppress(OutOfTime):  # it is minimal all the same
                best = self.shorter(rule, len(made.evidence.program))
            if best is not None:
                note += "; this is a shortest program of the scope that was searched"
                return self._explained(rule, best, note, minimize=True)
        return made

    def _explained(self, rule: str, seen: Seen, note: str, *, minimize: bool) -> ConformanceFailure:
        program, found, run = seen
        return failure(
            program, found, rule, self.candidate.info.spec, self.dialect, self._judge, note=note,
            minimize=minimize, first=run,
        )  # fmt: skip
