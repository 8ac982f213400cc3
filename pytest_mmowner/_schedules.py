"""Schedules of a candidate that can be interrupted anywhere: explored, and held against rules.

Each kind of finding breaks one requirement; a requirement holds when no schedule of any scene
has such a finding.  What is found first has the fewest interruptions, because bounds are tried
from 0 upwards, and comes with a string that runs the very same schedule again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, runtime_checkable

from mmowner_reference import DIALECTS, IllegalOperation, Kernel

from ._candidates.base import LACKING, Info
from ._lanes import lanes
from ._requirements import requirement
from ._scenes import LETTERS, Scene
from .errors import (
    CallError,
    ConformanceFailure,
    MMOwnerError,
    NotApplicable,
    Panic,
    Unknown,
)

#: The capability of a candidate whose schedules can be explored.
SCHEDULES: Final = "schedules"
#: Random schedules of each scene beyond its bound.
BEYOND: Final = 250
#: How many schedules of one scene are tried at most: those of the suite have a tenth of it.
LIMIT: Final = 2_000_000

#: Findings that are made when a store can be looked at: at the next event.
STORED: Final = ("owner-store", "owner-not-user", "plain-store")
#: Which requirement a kind of finding breaks.
BLAME: Final[Mapping[str, str]] = {
    "owner-store": "INV-04",
    "owner-not-user": "EXIT-06",
    "stale-owner": "INV-05",
    "dangling-owner": "INV-05",
    "missed-sharer": "RACE-03",
    "list-walk": "LOCK-02",
    "unprotected-task": "LOCK-06",
    "use-after-free": "LOCK-06",
    "charge-use-after-free": "RACE-05",
    "sleep-in-atomic": "LOCK-03",
    "self-deadlock": "LOCK-04",
    "deadlock": "LOCK-04",
    "plain-store": "LOCK-05",
    "lock-imbalance": "LOCK-07",
    "mm-count": "LOCK-07",
    "bad-unlock": "LOCK-07",
    "reference-leak": "LOCK-07",
    "reference-underflow": "LOCK-07",
    "host-call": "SOUND-01",
    "lock-order": "RACE-11",
    "callback-lock": "CALLBACK-05",
    "migrate-lock": "LOCK-08",
    "null-dereference": "SOUND-01",
    "wild-pointer": "SOUND-01",
    "crash": "SOUND-01",
    "stack-overflow": "SOUND-01",
    "endless-loop": "SOUND-01",
    "bug-on": "SOUND-01",
    "warning": "SOUND-01",
}


@runtime_checkable
class Interruptible(Protocol):
    """What schedules need of a candidate; a C world has it, and who stands for an absent one."""

    info: Info

    def findings(self) -> Sequence[Mapping[str, Any]]:
        """Return what was found in the program that ended in a panic."""

    def schedules(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Explore or follow; return what was found."""

    def places(self, addresses: Iterable[str]) -> dict[str, str]:
        """Return ``function (file:line)`` for each address that is known."""


@dataclass(frozen=True)
class Found:
    """One thing that went wrong in some schedule of a scene."""

    scene: Scene
    kind: str
    #: What happened, and in which line of which file.
    text: str
    place: str
    #: Whether a kernel would not have gone on.
    fatal: bool
    #: Which of the overlapping operations did it; -1 when it shows only at the end.
    who: int
    preemptions: int
    #: The string that runs the schedule again.
    schedule: str

    @property
    def rule(self) -> str:
        """The requirement that it breaks."""
        return BLAME[self.kind]

    @property
    def observed(self) -> str:
        """A line that is the same in every run."""
        function = self.place.partition("(")[0]
        where = f" in {function}()" if function else ""
        return f"{self.kind}{where}, scene {self.scene.name}"

    def line(self) -> str:
        """Return what happened, and how often somebody was interrupted for it."""
        by = f"{LETTERS[self.who]} " if 0 <= self.who < len(self.scene.beside) else ""
        at = f" at {self.place}" if self.place else ""
        times = f"{self.preemptions} preemption{'' if self.preemptions == 1 else 's'}"
        return f"{self.kind}: {by}{self.text}{at} ({times})"


@dataclass
class Explored:
    """What came out of exploring scenes."""

    scenes: int = 0
    schedules: int = 0
    pruned: int = 0
    random: int = 0
    found: list[Found] = field(default_factory=list)
    #: Scenes whose schedules were not all tried.
    incomplete: list[str] = field(default_factory=list)
    bound: int = 0
    seed: int = 0

    def note(self) -> str:
        """Return in a line what was tried."""
        cut = f"; not all of {', '.join(self.incomplete)}" if self.incomplete else ""
        return (
            f"{self.schedules:,} schedules of {self.scenes} scenes with at most {self.bound} "
            f"preemptions, and {self.pruned:,} were left where others had been{cut}; "
            f"{self.random:,} random ones beyond, seed {self.seed}"
        )


def findings_of(
    candidate: Interruptible, scene: Scene, answer: Mapping[str, Any]
) -> Iterator[Found]:
    """Yield what an answer of the C world has, with places instead of addresses."""
    findings = answer["findings"]
    places = candidate.places([one["pc"] for one in findings])
    for one in findings:
        place = places.get(one["pc"], "")
        kind = one["kind"]
        if kind == "use-after-free" and place.partition(" (")[2].startswith("world/"):
            kind = "charge-use-after-free"  # a reader that follows the owner, not the candidate
        yield Found(scene, kind, one["text"], place, one["fatal"], one["who"],
                    one["preemptions"], one["schedule"])  # fmt: skip


def explore(
    candidate: Interruptible, scene: Scene, *, bound: int | None = None, **options: int
) -> tuple[Mapping[str, Any], list[Found]]:
    """Explore the schedules of *scene*; return the raw answer and what was found.

    *options* are those of the C world: ``reduction``, ``random``, ``seed``, ``limit``.  Where
    the program before breaks the candidate, there are no schedules and that is found.
    """
    request = {
        "op": "explore", **scene.request(), "limit": LIMIT, **options,
        "bound": scene.bound if bound is None else bound,
    }  # fmt: skip
    try:
        answer = candidate.schedules(request)
    except Panic:
        findings = [_before(one) for one in candidate.findings()]
        if not findings:
            raise
        answer = {"schedules": 0, "pruned": 0, "complete": False, "outcomes": [],
                  "findings": findings}  # fmt: skip
    return answer, list(findings_of(candidate, scene, answer))


def _before(finding: Mapping[str, Any]) -> Mapping[str, Any]:
    """A finding of the program before the overlap, which is nobody's of those that overlap."""
    by = f"operation {finding['op']}, task {finding['task']}, before the overlap"
    return {**finding, "who": -1, "preemptions": 0, "text": f"{finding['text']} ({by})"}


def fits(candidate: Interruptible, scene: Scene, dialect: str) -> bool:
    """Whether *scene* can be played: the candidate has its words, the dialect its operations."""
    if candidate.info.lacks(scene.words()) or not DIALECTS[dialect].owner:
        return False
    try:
        Kernel(dialect).run(scene.program())
    except IllegalOperation:
        return False
    return True


class Schedules:
    """The schedules of one candidate under one dialect, explored once."""

    def __init__(self, candidate: Any, dialect: str, seed: int = 0) -> None:
        self._candidate = candidate
        self._dialect = dialect
        self._seed = seed
        self._explored: dict[tuple[Scene, ...], Explored | MMOwnerError] = {}

    def explored(self, scenes: Sequence[Scene]) -> Explored:
        """Return what exploring *scenes* found; the first call for them does it."""
        key = tuple(scenes)
        if key not in self._explored:
            try:
                self._explored[key] = self._explore(scenes)
            except MMOwnerError as exc:
                self._explored[key] = exc
        found = self._explored[key]
        if isinstance(found, MMOwnerError):
            raise found.with_traceback(None)
        return found

    def _explore(self, scenes: Iterable[Scene]) -> Explored:
        if SCHEDULES not in self._candidate.info.capabilities:
            raise NotApplicable(f"{LACKING} {SCHEDULES}")
        done = Explored(seed=self._seed)
        for scene in scenes:
            if not fits(self._candidate, scene, self._dialect):
                continue
            answer, found = explore(self._candidate, scene)
            done.scenes += 1
            done.schedules += answer["schedules"]
            done.pruned += answer["pruned"]
            done.bound = max(done.bound, scene.bound)
            done.found += found
            if not answer["complete"]:
                done.incomplete.append(scene.name)
            beyond, found = explore(
                self._candidate, scene, random=1, seed=self._seed + 1, limit=BEYOND
            )
            done.random += beyond["schedules"]
            done.found += found
        info = self._candidate.info
        self._candidate.info = replace(info, notes=(*info.notes, done.note()))
        return done

    def hold(self, rule_id: str, scenes: Sequence[Scene]) -> None:
        """Assert that no schedule breaks *rule_id*.

        Raises ``ConformanceFailure`` with the simplest schedule that does, ``NotApplicable``
        for a candidate without schedules, ``Unknown`` when not all could be tried.
        """
        explored = self.explored(scenes)
        if not explored.scenes:
            raise NotApplicable(f"no scene can be played under the dialect {self._dialect}")
        against = [one for one in explored.found if one.rule == rule_id]
        if against:
            # What would have stopped a kernel says more than a rule that was broken on the way.
            simplest = min(against, key=lambda one: (not one.fatal, one.preemptions,
                                                     len(one.schedule)))  # fmt: skip
            raise ConformanceFailure(
                self._told(rule_id, simplest, against), observed=simplest.observed,
                program="\n".join(simplest.scene.lines()),
            )  # fmt: skip
        if explored.incomplete:
            raise Unknown(f"there are more schedules than were tried: {explored.note()}")

    def _told(self, rule_id: str, found: Found, against: Sequence[Found]) -> str:
        rule = requirement(rule_id)
        spec = self._candidate.info.spec
        kinds: dict[str, Found] = {}
        for one in sorted(against, key=lambda one: (one.preemptions, len(one.schedule))):
            if one.kind != found.kind:
                kinds.setdefault(one.kind, one)
        others = [name for name in dict.fromkeys(one.scene.name for one in against)
                  if name != found.scene.name]  # fmt: skip
        lines = [
            f"{rule_id} [{rule.level}] {rule.text}",
            f"candidate {spec}, dialect {self._dialect}",
            f"scene {found.scene.name}: {found.scene.text}",
            *found.scene.lines(),
            found.line(),
        ]
        if found.schedule:
            lines += [
                f"schedule {found.schedule}, to be run again with",
                (
                    f"  mmowner schedules '{spec}' --dialect={self._dialect} "
                    f"--scene={found.scene.name} --follow={found.schedule}"
                ),
                *(f"  | {line}" for line in self._lanes(found)),
            ]
        lines += [
            f"also {one.line()}, scene {one.scene.name}, schedule {one.schedule}"
            for one in kinds.values()
        ]
        if others:
            shown = ", ".join(others[:6]) + (f" and {len(others) - 6} more" if others[6:] else "")
            lines.append(f"also in the scenes {shown}")
        return "\n".join(lines)

    def _lanes(self, found: Found) -> list[str]:
        return lanes_of(self._candidate, found)


def follow(candidate: Interruptible, scene: Scene, schedule: str) -> Mapping[str, Any]:
    """Run one schedule and return what the C world tells of it, every event included.

    Raises ``CallError`` when *schedule* is none of this scene.
    """
    letters = LETTERS[: len(scene.beside)]
    if not re.fullmatch(rf"(?:[{letters}]\d*\.?)+", schedule):
        raise CallError(
            f"{schedule!r} is no schedule of the scene {scene.name}: write letters from "
            f"{letters[0]} to {letters[-1]}, each with how many points it runs, as A17.B.A"
        )
    return candidate.schedules({"op": "follow", **scene.request(), "schedule": schedule})


def lanes_of(candidate: Interruptible, found: Found) -> list[str]:
    """Return the schedule of *found* as lanes, up to where it went wrong."""
    answer = follow(candidate, found.scene, found.schedule)
    events = answer["events"]
    for one in answer["findings"]:
        if one["text"] == found.text:
            # An access that is wrong is told before it is made, a store when it has been.
            events = events[: one["event"] + (one["kind"] not in STORED)]
            break
    return lanes(found.scene, events, candidate.places, found.line())
