"""A candidate under judgement: what the tests of the suite are given to work with.

Tests call ``play(scenario)``, ``random_programs()`` and ``hazard(...)``; each returns
when the candidate is right and raises the verdict otherwise.  No pytest here: ``check()``
uses the same objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import cast

from mmowner_reference import (
    Kernel,
    Op,
    Program,
    Scope,
    dangling_mms,
    kthread_mms,
    shortest_program,
    stale_mms,
)  # fmt: skip

from ._campaign import Campaign
from ._candidates.base import Candidate
from ._draw import tree
from ._judge import Run, checked_answers, judge_program, judge_steps
from ._requirements import Requirement, requirement
from ._scenario import needs_of, parse_scenario
from .assertions import assert_no_deviation, assert_refused
from .errors import NotApplicable, Refused, SuiteError

#: Properties of a world that a hazard is about.
PROPERTIES = {"dangling": dangling_mms, "stale": stale_mms, "kthread": kthread_mms}


class HazardShown(Exception):
    """The dialect itself breaks the requirement; the text has the shortest program."""


@dataclass(frozen=True)
class Hazard:
    """How a dialect breaks a requirement: the property, and the alphabet that gets there."""

    property: str
    ops: frozenset[str]
    flags: tuple[tuple[str, ...], ...]
    #: In words: what happens.
    text: str


@dataclass
class Session:
    """One candidate under one dialect."""

    candidate: Candidate
    dialect: str
    seed: int = 0
    #: Requirements whose failure is known already: their programs are not minimized.
    known: frozenset[str] = frozenset()

    @cached_property
    def campaign(self) -> Campaign:
        """The random programs of this session, or what the candidate has in their place."""
        own = getattr(self.candidate, "campaign", None)
        if own is not None:
            return cast("Campaign", own(self.dialect))
        return Campaign(self.candidate, self.dialect, self.seed)

    def applies(self, rule: Requirement) -> None:
        """Raise ``NotApplicable`` unless *rule* holds, or is a hazard, in this dialect."""
        if self.dialect not in rule.dialects and self.dialect not in rule.hazards:
            raise NotApplicable(f"{rule.id} is no rule of the dialect {self.dialect}")

    def play(self, rule_id: str, text: str) -> None:
        """Run a scenario for a requirement.

        Raises ``ConformanceFailure`` for any deviation on its way, the candidate's error,
        ``NotApplicable`` for what it lacks, :class:`HazardShown` where the dialect itself
        breaks the requirement, and ``SuiteError`` where scenario and specification differ.
        """
        rule = requirement(rule_id)
        self.applies(rule)
        scenario = parse_scenario(text)
        steps, lacking = scenario.plan(self.dialect, self.candidate.info)
        if lacking:
            raise NotApplicable(f"the candidate does not show {', '.join(lacking)}")
        run = judge_steps(self.candidate, steps, self.dialect)
        self._conclude(rule_id, run)
        if self.dialect in rule.hazards:
            raise HazardShown(
                f"{rule_id} is broken by {self.dialect}: {rule.hazards[self.dialect]}"
            )

    def judge(self, program: Program) -> Run:
        """Run any program and judge it with all questions that the candidate answers."""
        return judge_program(self.candidate, program, self.dialect, self.candidate.info.asks)

    def _conclude(self, rule_id: str, run: Run) -> None:
        if requirement(rule_id).level != "order":
            # Which of several possible owners it was is the business of other requirements.
            run = run.without_order()
        assert_no_deviation(
            run, rule=rule_id, spec=self.candidate.info.spec, dialect=self.dialect,
            judge=self.judge, minimize=rule_id not in self.known,
        )  # fmt: skip

    def random_programs(self, rule_id: str) -> None:
        """Assert that in all random programs whatever *rule_id* decided was as it says."""
        rule = requirement(rule_id)
        self.applies(rule)
        self.campaign.holds(rule_id, minimize=rule_id not in self.known)
        if self.dialect in rule.hazards:
            raise HazardShown(
                f"{rule_id} is broken by {self.dialect}: {rule.hazards[self.dialect]}"
            )

    def hazard(self, rule_id: str, hazard: Hazard, by: str) -> None:
        """Find how the dialect *by* breaks *rule_id*, and judge the candidate on that program.

        The program is a shortest one: a breadth-first search of the specification found no
        shorter.  Under *by* itself it is reported as a hazard; under a dialect in which the
        requirement holds the candidate must come out right.
        """
        rule = requirement(rule_id)
        self.applies(rule)
        program = find_hazard(by, hazard)
        lacking = self.candidate.info.lacks([*needs_of(program), "owner"])
        if lacking:
            raise NotApplicable(f"the candidate does not show {', '.join(lacking)}")
        run = judge_program(self.candidate, program, self.dialect, ("owner",))
        self._conclude(rule_id, run)
        if self.dialect in rule.hazards:
            raise HazardShown(describe_hazard(rule, hazard, self.dialect, program))

    def must_refuse(self, rule_id: str, text: str, illegal: Op) -> None:
        """After the scenario *text*, *illegal* must be refused and change nothing."""
        info = self.candidate.info
        if lacking := info.lacks(["refuse", illegal.word]):
            raise NotApplicable(f"the candidate does not show {', '.join(lacking)}")
        scenario = parse_scenario(text)
        steps, lacking = scenario.plan(self.dialect, info)
        if lacking:
            raise NotApplicable(f"the candidate does not show {', '.join(lacking)}")
        run = judge_steps(self.candidate, steps, self.dialect)
        self._conclude(rule_id, run)
        before = run.answers[-1]
        refused = False
        try:
            self.candidate.perform(illegal)
        except Refused:
            refused = True
        names = Kernel(self.dialect).run(run.program)
        raw = {question: self.candidate.ask(question) for question in before}
        after = checked_answers(self.candidate, raw, names)
        assert_refused(refused, before, after, [*run.program, illegal])


_found: dict[tuple[str, Hazard], Program] = {}


def find_hazard(dialect: str, hazard: Hazard) -> Program:
    """Return a shortest program after which *dialect* shows *hazard*.

    Raises ``SuiteError`` when there is none within the scope: then it is no hazard.
    """
    key = (dialect, hazard)
    if key not in _found:
        scope = Scope(
            tasks=3, mms=2, refs=1, kthreads=1, cgroups=0, threads=2,
            ops=hazard.ops, flags=hazard.flags,
        )  # fmt: skip

        def wanted(world: Kernel) -> bool:
            return bool(PROPERTIES[hazard.property](world))

        program = shortest_program(dialect, wanted, scope)
        if program is None:
            raise SuiteError(f"{dialect} has no {hazard.property} owner: {hazard.text}")
        _found[key] = program
    return _found[key]


def describe_hazard(rule: Requirement, hazard: Hazard, dialect: str, program: Program) -> str:
    """Return the text of a hazard: what the dialect does, and the shortest program for it."""
    world = Kernel(dialect).run(program)
    lines = [
        f"{rule.id} [{rule.level}]: {hazard.text} ({rule.hazards[dialect]})",
        f"shortest program, {len(program)} operations:",
        *(f"  {number:3d}  {op}" for number, op in enumerate(program, 1)),
        *(f"  | {line}" for line in tree(world)),
    ]
    return "\n".join(lines)


def tools(session: Session, rules: Sequence[str]) -> dict[str, Callable[..., None]]:
    """Return what a test of the suite may ask for, by the name of its argument.

    *rules* are the requirements that the test is about; the first one takes the blame.
    """
    first = rules[0]
    return {
        "play": partial(session.play, first),
        "random_programs": partial(session.random_programs, first),
        "hazard": partial(session.hazard, first),
        "refuses": partial(session.must_refuse, first),
    }
