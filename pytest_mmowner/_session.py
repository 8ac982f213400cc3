"""A candidate under judgement: what the tests of the suite are given to work with.

Tests call ``play(scenario)``, ``random_programs()`` and ``hazard(...)``; each returns
when the candidate is right and raises the verdict otherwise.  No pytest here: ``check()``
uses the same objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import cast

from mmowner_reference import Kernel, Op, Program

from ._campaign import Campaign
from ._candidates.base import LACKING, Candidate
from ._hazards import Hazard, describe_hazard, find_hazard
from ._judge import Run, checked_answers, judge_program, judge_steps
from ._requirements import Requirement, requirement
from ._scenario import needs_of, parse_scenario
from ._scenes import Scene
from ._schedules import Schedules
from ._searching import NOTHING, Plan, Searches
from .assertions import assert_no_deviation, assert_refused
from .errors import ConformanceFailure, NotApplicable, Refused


class Shown(Exception):
    """Ends a test without a word for or against the candidate."""


class HazardShown(Shown):
    """The dialect itself breaks the requirement; the text has the shortest program."""


class Observed(Shown):
    """The rule is derived and nobody confirmed it: what the candidate does is only told."""


#: Why nothing is searched with a candidate that only replays.
RECORDED = "a recorded run cannot be driven"


@dataclass
class Session:
    """One candidate under one dialect."""

    candidate: Candidate
    dialect: str
    seed: int = 0
    #: Requirements whose failure is known already: their programs are not minimized.
    known: frozenset[str] = frozenset()
    #: What to search beside the random programs; by default nothing.
    plan: Plan = NOTHING
    #: What came out of scenarios so far, and whether anything failed.
    runs: list[Run] = field(default_factory=list)
    failed: bool = False

    @cached_property
    def campaign(self) -> Campaign:
        """The random programs of this session, or what the candidate has in their place."""
        own = getattr(self.candidate, "campaign", None)
        if own is not None:
            return cast("Campaign", own(self.dialect))
        return Campaign(self.candidate, self.dialect, self.seed, shorter=self.searches.shortest)

    @cached_property
    def searches(self) -> Searches:
        """The searches through scopes of this session."""
        replays = getattr(self.candidate, "campaign", None) is not None
        return Searches(
            self, replace(self.plan, scopes=(), because=RECORDED) if replays else self.plan
        )

    @cached_property
    def schedules(self) -> Schedules:
        """The schedules of this session, for a candidate that can be interrupted."""
        return Schedules(self.candidate, self.dialect, self.seed)

    def hold_in_schedules(self, rule_id: str, scenes: Sequence[Scene]) -> None:
        """Assert that no schedule of *scenes* breaks *rule_id*.

        Raises what :meth:`Schedules.hold` does; :class:`HazardShown` where the dialect itself
        breaks it, with the schedule that shows it.
        """
        rule = requirement(rule_id)
        self.applies(rule)
        why = rule.hazards.get(self.dialect)
        try:
            self.schedules.hold(rule_id, scenes)
        except ConformanceFailure as exc:
            if why is not None:
                raise HazardShown(f"{exc}\nthe dialect does that by itself: {why}") from None
            self.failed = True
            raise
        if why is not None:
            raise HazardShown(f"{rule_id} is broken by {self.dialect}: {why}")

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
            raise NotApplicable(f"{LACKING} {', '.join(lacking)}")
        run = judge_steps(self.candidate, steps, self.dialect)
        if rule.observation:
            raise Observed(self._observed(rule_id, run))
        self._conclude(rule_id, run)
        if self.dialect in rule.hazards:
            raise HazardShown(
                f"{rule_id} is broken by {self.dialect}: {rule.hazards[self.dialect]}"
            )

    def _observed(self, rule_id: str, run: Run) -> str:
        """Return what the candidate does with a rule that is derived, in words."""
        try:
            self._conclude(rule_id, run, minimize=False)
        except ConformanceFailure as exc:
            return f"{self.candidate.info.spec} does otherwise than derived: {exc.observed}"
        return f"{self.candidate.info.spec} does as derived"

    def misfits(self) -> dict[str, int]:
        """Return by dialect how many programs speak against it; nothing if all went well."""
        if not self.failed:
            return {}
        from ._fit import misfits_of  # noqa: PLC0415  only a run with failures asks

        return misfits_of([*self.runs, *self.campaign.kept])

    def judge(self, program: Program) -> Run:
        """Run any program and judge it with all questions that the candidate answers."""
        return judge_program(self.candidate, program, self.dialect, self.candidate.info.asks)

    def _conclude(self, rule_id: str, run: Run, *, minimize: bool = True) -> None:
        self.runs.append(run)
        self.failed = self.failed or bool(run.deviations)
        if requirement(rule_id).level != "order":
            # Which of several possible owners it was is the business of other requirements.
            run = run.without_order()
        assert_no_deviation(
            run, rule=rule_id, spec=self.candidate.info.spec, dialect=self.dialect,
            judge=self.judge, minimize=minimize and rule_id not in self.known,
        )  # fmt: skip

    def random_programs(self, rule_id: str) -> None:
        """Assert that in all random programs whatever *rule_id* decided was as it says."""
        rule = requirement(rule_id)
        self.applies(rule)
        self.failed = self.failed or self.campaign.broke(rule_id)
        self.campaign.holds(rule_id, minimize=rule_id not in self.known)
        if self.dialect in rule.hazards:
            raise HazardShown(
                f"{rule_id} is broken by {self.dialect}: {rule.hazards[self.dialect]}"
            )

    def hazard(self, rule_id: str, hazard: Hazard) -> None:
        """Find how a dialect breaks *rule_id*, and judge the candidate on that program.

        The program is a shortest one: a breadth-first search of the specification found no
        shorter.  A dialect that has the hazard is shown with its own; under any other the
        candidate must come out right on that of the last dialect that had it.
        """
        rule = requirement(rule_id)
        self.applies(rule)
        shown = self.dialect in hazard.present
        program = find_hazard(self.dialect if shown else hazard.last, hazard)
        lacking = self.candidate.info.lacks([*needs_of(program), "owner"])
        if lacking:
            raise NotApplicable(f"{LACKING} {', '.join(lacking)}")
        run = judge_program(self.candidate, program, self.dialect, ("owner",))
        self._conclude(rule_id, run)
        if shown:
            raise HazardShown(describe_hazard(rule, hazard, self.dialect, program))

    def must_refuse(self, rule_id: str, text: str, illegal: Op) -> None:
        """After the scenario *text*, *illegal* must be refused and change nothing."""
        info = self.candidate.info
        if lacking := info.lacks(["refuse", illegal.word]):
            raise NotApplicable(f"{LACKING} {', '.join(lacking)}")
        scenario = parse_scenario(text)
        steps, lacking = scenario.plan(self.dialect, info)
        if lacking:
            raise NotApplicable(f"{LACKING} {', '.join(lacking)}")
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


def tools(session: Session, rules: Sequence[str]) -> dict[str, Callable[..., None]]:
    """Return what a test of the suite may ask for, by the name of its argument.

    *rules* are the requirements that the test is about; the first one takes the blame.  A
    search is about none.
    """
    if not rules:
        return {"transitions": session.searches.transitions, "walks": session.searches.walks}
    first = rules[0]
    return {
        "play": partial(session.play, first),
        "random_programs": partial(session.random_programs, first),
        "hazard": partial(session.hazard, first),
        "refuses": partial(session.must_refuse, first),
        "schedules": partial(session.hold_in_schedules, first),
    }
