"""The verdict algebra: from exceptions to verdicts, from tests to requirements, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ._requirements import LEVELS, requirements
from ._session import HazardShown
from .errors import ConformanceFailure, NotApplicable, Unknown, Untestable

PASS: Final = "pass"  # noqa: S105  a verdict
FAIL: Final = "fail"
ERROR: Final = "error"
HAZARD: Final = "hazard"
UNKNOWN: Final = "unknown"
UNTESTABLE: Final = "untestable"
NOT_APPLICABLE: Final = "not applicable"

#: All verdicts, the one that wins over the others first.
VERDICTS: Final = (FAIL, ERROR, UNTESTABLE, UNKNOWN, HAZARD, PASS, NOT_APPLICABLE)
#: Verdicts with which a run is not green.
BAD: Final = frozenset({FAIL, ERROR, UNTESTABLE, UNKNOWN})

_BY_EXCEPTION: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (HazardShown, HAZARD),
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


@dataclass
class Verdicts:
    """The verdicts of one candidate, requirement by requirement."""

    candidate: str
    dialect: str
    #: Verdicts of the tests of each requirement.
    tests: dict[str, Counter[str]] = field(default_factory=dict)
    #: A text for each requirement and verdict.
    texts: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, rule: str, verdict: str, text: str = "") -> None:
        """Take the verdict of one test of *rule*."""
        self.tests.setdefault(rule, Counter())[verdict] += 1
        known = self.texts.get((rule, verdict), "")
        # Of several hazards the one with its program says the most.
        if text and (not known or (verdict == HAZARD and len(text) > len(known))):
            self.texts[rule, verdict] = text

    def of(self, rule: str) -> str:
        """Return the verdict of a requirement: its worst test's, and a pass only if one passed."""
        seen = self.tests[rule]
        return next(verdict for verdict in VERDICTS if seen[verdict])

    def text(self, rule: str) -> str:
        """Return what was said for the verdict of *rule*."""
        return self.texts.get((rule, self.of(rule)), "")

    def with_verdict(self, verdict: str) -> list[str]:
        """Return the requirements with *verdict*, in the order of the requirements file."""
        return [rule for rule in requirements() if rule in self.tests and self.of(rule) == verdict]

    def counts(self, rules: Iterable[str]) -> Counter[str]:
        """Count the verdicts of *rules*."""
        return Counter(self.of(rule) for rule in rules if rule in self.tests)

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
        return any(self.of(rule) != NOT_APPLICABLE for rule in self.tests)

    @property
    def ok(self) -> bool:
        """Whether nothing is bad and something was decided."""
        return self.answered and not any(self.of(rule) in BAD for rule in self.tests)
