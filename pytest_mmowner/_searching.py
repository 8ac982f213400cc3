"""The searches of a session: scopes part by part, and what to say of what they found.

A search is about no single requirement.  What it finds counts against those that decided
about the wrong answers, and how far it got is told for itself: what was not tried is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, zip_longest
from typing import TYPE_CHECKING, Final

from mmowner_reference import Bounds

from ._candidates.base import LACKING
from ._comparing import Comparer, Part, Seen
from ._large import programs, walks_for
from ._scopes import SCOPE_PARTS, WHOLE, Shard, lacks_owners, scope_in_words, scopes_for
from ._transitions import OutOfTime, Transitions, shortest_of
from ._tried import Tried
from .assertions import failure
from .errors import ConformanceFailure, MMOwnerError, NotApplicable, Unknown

if TYPE_CHECKING:
    from ._session import Session


class Found(ConformanceFailure):
    """A search found something: what was broken, by requirement."""

    def __init__(
        self, text: str, broken: Mapping[str, ConformanceFailure], also: MMOwnerError | None = None
    ) -> None:
        super().__init__(text)
        self.broken = broken
        #: What else happened, which no list of known failures excuses: an error, or no time.
        self.also = also


@dataclass(frozen=True, slots=True)
class Plan:
    """What to search, as a user or nobody asked for it."""

    scopes: tuple[Bounds, ...] | None = ()
    shard: Shard = WHOLE
    #: Seconds for all searches of a candidate, or None.
    budget: float | None = None
    #: The requirements that count; None: all do.
    only: frozenset[str] | None = None
    #: Why nothing is searched, where that is so.
    because: str = "no search was asked for"


#: What is searched where nobody asks.
NOTHING: Final = Plan()
#: Seconds that the search for a shortest program may take for each requirement.
PATIENCE: Final = 60.0


@dataclass
class Searches:
    """The searches for one candidate under one dialect."""

    session: Session
    plan: Plan
    #: How far the parts got that were run last.
    reports: list[Tried] = field(default_factory=list)
    _began: float | None = None
    _explained: dict[str, ConformanceFailure] = field(default_factory=dict)

    @cached_property
    def scopes(self) -> list[Transitions]:
        """The scopes, as far as the candidate can be taken through them."""
        session = self.session
        named = scopes_for(session.candidate.info, session.dialect, self.plan.scopes)
        return [
            Transitions(session.candidate, session.dialect, bounds, session.seed)
            for bounds in named
        ]

    def transitions(self, part: int) -> None:
        """Run one part of every scope.

        Raises :class:`Found` for what it found, the candidate's error, ``Unknown`` when the
        time was up, ``NotApplicable`` when there is no scope for this candidate.
        """
        self.reports.clear()
        self._must_apply()
        wanted = self._numbers(part)
        cases = [scope.programs(wanted) for scope in self.scopes]
        done = [self._comparer() for _ in self.scopes]
        # One scope shows what the other does not: a little of each comes sooner.
        for row in zip_longest(*cases):
            for scope, comparer, case in zip(self.scopes, done, row, strict=True):
                if case is None or comparer.part.given_up or comparer.part.out_of_time:
                    continue
                if not self._in_time():
                    comparer.part.out_of_time = True
                    continue
                comparer.try_program(scope.known(case))
        for scope, comparer, chosen in zip(self.scopes, done, cases, strict=True):
            made, behind = comparer.part, scope.out_of_reach
            made.of = sum(case.fresh.bit_count() for case in chosen)
            self._report(
                f"transitions with {scope_in_words(scope.bounds)}", part, made,
                total=scope.graph.transitions - behind,
                beyond=f"{behind} more lie only behind an exec of several outcomes"
                if behind else "",
            )  # fmt: skip
        scopes = " and ".join(str(scope.bounds) for scope in self.scopes)
        parts = [comparer.part for comparer in done]
        self._conclude(parts, f"going through the transitions of {scopes}")

    def walks(self, part: int) -> None:
        """Run one part of the random walks in large worlds.

        With a budget they go on until it is used up.  Raises as :meth:`transitions` does.
        """
        self.reports.clear()
        self._must_apply()
        session = self.session
        walks = walks_for(session.candidate.info)
        if not walks:
            raise NotApplicable("random walks in large worlds would take too long with it")
        began = time.monotonic()
        share = 0.0
        if self.plan.budget is not None:
            self._began = self._began or began
            share = (self._began + self.plan.budget - began) / (SCOPE_PARTS - part)
        comparer, wanted = self._comparer(), self._numbers(part)

        def numbers() -> Iterator[int]:
            for number in count():
                if number >= walks and time.monotonic() - began >= share:
                    return
                if wanted(number):
                    yield number

        seed = f"{session.seed}/{session.dialect}"
        for known in programs(session.candidate.info, session.dialect, seed, numbers()):
            comparer.part.of += known.fresh.bit_count()
            comparer.try_program(known)
            if comparer.part.given_up:
                break
        self._report("operations of random walks in large worlds", part, comparer.part, total=0)
        self._conclude([comparer.part], "a random walk in a large world")

    def _must_apply(self) -> None:
        info = self.session.candidate.info
        if self.plan.scopes == ():
            raise NotApplicable(self.plan.because)
        if lacks := lacks_owners(info):
            raise NotApplicable(f"{LACKING} {', '.join(lacks)}: without, nothing can be searched")

    def _comparer(self) -> Comparer:
        """Where some failures are excused, none may hide behind them."""
        excused = bool(self.session.known) or self.plan.only is not None
        return Comparer(self.session.candidate, self.session.dialect, thorough=excused)

    def _report(
        self, what: str, part: int, made: Part, *, total: int, beyond: str = ""
    ) -> None:  # fmt: skip
        missing = made.of - made.tried
        reasons = {
            "the candidate broke": made.error is not None,
            f"it could not be tried: {made.cut}": made.cut is not None,
            "the time was up": made.out_of_time,
            "it lies behind what was refused": missing > 0,
        }
        self.reports.append(
            Tried(
                self.session.candidate.info.spec, self.session.dialect, what, part, made.tried,
                made.of, total, shard=str(self.plan.shard), seed=self.session.seed,
                ended=next((why for why, so in reasons.items() if so), ""), beyond=beyond,
            )
        )  # fmt: skip

    def _numbers(self, part: int) -> Callable[[int], bool]:
        """Every part has programs of every shard."""
        takes = self.plan.shard.takes
        return lambda number: number % SCOPE_PARTS == part and takes(number // SCOPE_PARTS)

    def _in_time(self) -> bool:
        """Whether the budget lasts; it begins with the first search."""
        if self.plan.budget is None:
            return True
        now = time.monotonic()
        self._began = self._began or now
        return now - self._began < self.plan.budget

    def _conclude(self, done: Sequence[Part], what: str) -> None:
        """Raise what came out of the parts."""
        broken: dict[str, Seen] = {}
        for part in done:
            for rule, found in part.broken.items():
                if rule not in broken or len(found[0]) < len(broken[rule][0]):
                    broken[rule] = found
        only = self.plan.only
        failures = {
            rule: self._failure(rule, found, what)
            for rule, found in sorted(broken.items()) if only is None or rule in only
        }  # fmt: skip
        also = self._also(done)
        if failures:
            self.session.failed = True
            self.session.runs += [run for rule, (_, _, run) in broken.items() if rule in failures]
            old = [rule for rule, made in failures.items() if made is self._explained[rule]]
            news = [str(made) for rule, made in failures.items() if rule not in old]
            if old:
                news.append(f"found and explained before, by another part: {', '.join(old)}")
            if also is not None:
                news.append(str(also))
            raise Found("\n\n".join(news), failures, also)
        if also is not None:
            raise also.with_traceback(None)

    def _also(self, done: Sequence[Part]) -> MMOwnerError | None:
        """Return what else is bad: an error, what could not be tried, the end of the time."""
        for part in done:
            if (worst := part.error or part.cut) is not None:
                return worst
        if not any(part.out_of_time for part in done):
            return None
        told = "; ".join(
            f"{one.tried} of {one.of_part} {one.what} in this part were tried"
            for one in self.reports if one.ended
        )  # fmt: skip
        return Unknown(
            f"the budget of {self.plan.budget:g} s ended before the search did: {told}. Give it "
            "more time (--mmowner-budget), a smaller scope (--mmowner-scope), or a part of the "
            "work (--mmowner-shard)"
        )

    def _failure(self, rule: str, found: Seen, what: str) -> ConformanceFailure:
        if rule in self._explained:
            return self._explained[rule]
        session = self.session
        minimize = rule not in session.known
        note = f"found by {what}, seed {session.seed}"
        if minimize:
            found, shortest = self._shortest(rule, found)
            note += shortest
        program, deviation, run = found
        made = failure(
            program, deviation, rule, session.candidate.info.spec, session.dialect, session.judge,
            note=note, minimize=minimize, first=run,
        )  # fmt: skip
        self._explained[rule] = ConformanceFailure(
            f"{rule}: explained by another part of the search", observed=made.observed,
            program=made.program,
        )  # fmt: skip
        return made

    def _shortest(self, rule: str, found: Seen) -> tuple[Seen, str]:
        """Return a shortest program of the scopes against *rule*, and whether it is known to be."""
        try:
            best = self.shortest(rule, len(found[0]) + 1)
        except OutOfTime:
            return found, "; the time was up before shorter programs were ruled out"
        if best is None:
            return found, ""
        sure = all(scope.is_sure() for scope in self.scopes)
        return best, "; within the scopes no shorter program breaks it" if sure else ""

    def shortest(self, rule: str, below: int) -> Seen | None:
        """Return a shortest program of the scopes against *rule*, of fewer than *below*.

        Raises ``OutOfTime`` when the budget, or a minute, is over before that is known.
        """
        began = time.monotonic()

        def in_time() -> bool:
            return self._in_time() and time.monotonic() - began < PATIENCE

        return shortest_of(self.scopes, rule, below, in_time)
