"""The verdict algebra: from exceptions to verdicts, from tests to requirements, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from ._requirements import LEVELS, requirements
from ._session import HazardShown, Observed
from ._tried import Tried, is_whole
from .errors import ConformanceFailure, NotApplicable, Unknown, Untestable

PASS: Final = "pass"  # noqa: S105  a verdict
FAIL: Final = "fail"
ERROR: Final = "error"
HAZARD: Final = "hazard"
OBSERVED: Final = "observed"
UNKNOWN: Final = "unknown"
UNTESTABLE: Final = "untestable"
NOT_APPLICABLE: Final = "not applicable"

#: All verdicts, the one that wins over the others first.
VERDICTS: Final = (FAIL, ERROR, UNTESTABLE, UNKNOWN, HAZARD, OBSERVED, PASS, NOT_APPLICABLE)
#: Verdicts with which a run is not green.
BAD: Final = frozenset({FAIL, ERROR, UNTESTABLE, UNKNOWN})

_BY_EXCEPTION: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (HazardShown, HAZARD),
    (Observed, OBSERVED),
    (NotApplicable, NOT_APPLICABLE),
    (Untestable, UNTESTABLE),
    (Unknown, UNKNOWN),
    (ConformanceFailure, FAIL),
)


def verdict_of(exc: BaseException | None) -> str:
    """Return the verdict that a test ending with *exc* gives; None is a pass.

    What is no verdict of ours (a broken adapter, a bug of the suite) is an error.
    """
    if exc is None:
        return PASS
    return next((verdict for cls, verdict in _BY_EXCEPTION if isinstance(exc, cls)), ERROR)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one test said about one requirement; everything is text, to travel in reports."""

    requirement: str
    verdict: str
    candidate: str
    dialect: str
    #: The test, by its name in the suite.
    test: str = ""
    #: In words: the explanation, the error, why it does not apply.
    text: str = ""
    #: For a failure: what was seen, in a line that is the same in every run.
    observed: str = ""
    #: For a failure: the minimal program.
    program: str = ""
    #: Seconds that the test took.
    seconds: float = 0.0
    #: The number of the baseline entry about it, or nothing.
    listed: str = ""
    #: How many tests of the requirement the suite has for this candidate; 0 when the run
    #: was told to collect a part of them and nobody knows.
    of_tests: int = 1
    #: How often the test was run before it was believed.
    tries: int = 1


_NAMES: Final = tuple(part.name for part in fields(Outcome))


def outcomes_in(properties: Sequence[tuple[str, object]]) -> Iterator[Outcome]:
    """Yield the outcomes that were put into the ``user_properties`` of a test's report."""
    ours = [(name.removeprefix("mmowner_"), str(value)) for name, value in properties
            if name.startswith("mmowner_")]  # fmt: skip
    for start in range(0, len(ours), len(_NAMES)):
        values: dict[str, Any] = dict(ours[start : start + len(_NAMES)])
        values["seconds"] = float(values["seconds"])
        values |= {name: int(values[name]) for name in ("of_tests", "tries")}
        yield Outcome(**values)


@dataclass
class Verdicts:
    """The verdicts of one candidate, requirement by requirement."""

    candidate: str
    dialect: str
    #: What the tests of each requirement said.
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    #: How far the searches got.
    searched: list[Tried] = field(default_factory=list)

    def add(self, rule: str, verdict: str, text: str = "") -> None:
        """Take the verdict of one test of *rule*."""
        self.take(Outcome(rule, verdict, self.candidate, self.dialect, text=text))

    def take(self, outcome: Outcome) -> None:
        """Take what one test said."""
        self.outcomes.setdefault(outcome.requirement, []).append(outcome)

    @property
    def tests(self) -> dict[str, Counter[str]]:
        """How often each verdict was given by the tests of each requirement."""
        return {
            rule: Counter(outcome.verdict for outcome in said)
            for rule, said in self.outcomes.items()
        }

    def of(self, rule: str) -> str:
        """Return the verdict of a requirement: its worst test's, and a pass only if one passed."""
        seen = {outcome.verdict for outcome in self.outcomes[rule]}
        return next(verdict for verdict in VERDICTS if verdict in seen)

    def whole(self, rule: str) -> bool:
        """Whether every test that the suite has for *rule* was run: else nothing is settled."""
        said = self.outcomes.get(rule, [])
        return bool(said) and len({outcome.test for outcome in said}) >= said[0].of_tests > 0

    @property
    def searched_whole(self) -> bool:
        """Whether no part of any search was left out; so too where nothing was searched."""
        return is_whole(self.searched)

    def in_part(self) -> list[str]:
        """Return the requirements of which some tests were left out, in order."""
        return [rule for rule in requirements() if rule in self.outcomes and not self.whole(rule)]

    def text(self, rule: str) -> str:
        """Return what was said for the verdict of *rule*; of several hazards the fullest."""
        verdict = self.of(rule)
        texts = [o.text for o in self.outcomes[rule] if o.verdict == verdict and o.text]
        if not texts:
            return ""
        return max(texts, key=len) if verdict == HAZARD else texts[0]

    def observed(self, rule: str) -> list[str]:
        """Return what was seen where *rule* failed, in order and without repeats."""
        failed = (o for o in self.outcomes[rule] if o.verdict == FAIL and o.observed)
        seen = (f"{o.test}: {o.observed}" for o in failed)
        return sorted(set(seen))

    def with_verdict(self, verdict: str) -> list[str]:
        """Return the requirements with *verdict*, in the order of the requirements file."""
        return [
            rule for rule in requirements() if rule in self.outcomes and self.of(rule) == verdict
        ]

    def counts(self, rules: Iterable[str]) -> Counter[str]:
        """Count the verdicts of *rules*."""
        return Counter(self.of(rule) for rule in rules if rule in self.outcomes)

    def by_level(self) -> dict[str, Counter[str]]:
        """The counts of each level that has any."""
        known = requirements()
        levels = {
            level: self.counts(rule for rule in known if known[rule].level == level)
            for level in LEVELS
        }  # fmt: skip
        return {level: counts for level, counts in levels.items() if counts}

    def by_chapter(self) -> dict[str, Counter[str]]:
        """The counts of each chapter that has any."""
        known = requirements()
        chapters: dict[str, list[str]] = {}
        for rule in known:
            chapters.setdefault(known[rule].chapter, []).append(rule)
        counted = {chapter: self.counts(rules) for chapter, rules in chapters.items()}
        return {chapter: counts for chapter, counts in counted.items() if counts}

    @property
    def answered(self) -> bool:
        """Whether anything was decided at all: nothing applicable is not success."""
        return any(part.tried for part in self.searched) or any(
            self.of(rule) not in (OBSERVED, NOT_APPLICABLE) for rule in self.outcomes
        )

    @property
    def ok(self) -> bool:
        """Whether nothing is bad and something was decided."""
        return self.answered and not any(self.of(rule) in BAD for rule in self.outcomes)
