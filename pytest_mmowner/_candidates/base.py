"""The one interface behind all plug points: what the suite does with any candidate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mmowner_reference import ASKS, OPS, Op, PlannedStep, Question

from ..errors import CandidateError

#: Capabilities that are neither an operation nor a question.
EXTRAS: Final = ("program", "refuse", "attach:thread")
#: What only some candidates lack, by the word with which they say so (``without``).
PARTS: Final = (
    "clone:THREAD", "clone:PARENT", "clone:VFORK", "clone_fails:dup_mm", "clone_fails:ref",
)  # fmt: skip
#: How a verdict "not applicable" begins that follows from what the candidate declared.
LACKING: Final = "the candidate does not show"


@dataclass(frozen=True)
class Info:
    """Who a candidate is and what it can show."""

    spec: str
    name: str
    version: str = ""
    language: str = ""
    #: The dialect that it claims to speak, if it says.
    dialect: str | None = None
    #: Operations, questions and extras that it knows.
    capabilities: frozenset[str] = frozenset(OPS) | frozenset(ASKS) | {"attach:thread"}
    #: Parts of operations that it lacks.
    without: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    #: Anything else it said about itself.
    details: Mapping[str, Any] = field(default_factory=dict)
    #: How many random operations are affordable, relative to a candidate in this process.
    speed: float = 1.0
    #: What a reset costs, in operations: where it is dear, programs are long and few.
    reset_cost: float = 1.0

    @property
    def asks(self) -> tuple[str, ...]:
        """The questions it can answer, in a fixed order."""
        return tuple(ask for ask in ASKS if ask in self.capabilities)

    def lacks(self, needs: Sequence[str]) -> list[str]:
        """Return those of *needs* that the candidate cannot show."""
        return [need for need in needs if need not in self.capabilities or need in self.without
                if not (need in PARTS and need not in self.without)]  # fmt: skip


class Candidate(ABC):
    """Something that can be told operations and asked questions.

    Methods raise :class:`~pytest_mmowner.errors.CandidateError` when the candidate breaks,
    ``Refused`` when it refuses, ``Untestable`` when the machine lacks something.  After an
    error the next :meth:`reset` must bring a working candidate back if that is possible.
    """

    info: Info
    #: Whether its raw answers have the right types, because they come from our own kernel.
    #: ``True == 1``, so the answers of others are checked before they are compared.
    typed: bool = False

    @property
    def started(self) -> tuple[str, ...]:
        """How it was started, for records: its command line; nothing for one in this process."""
        return ()

    @abstractmethod
    def reset(self) -> None:
        """Go to the initial world: init alone."""

    @abstractmethod
    def perform(self, op: Op) -> None:
        """Perform one operation."""

    @abstractmethod
    def ask(self, question: Question) -> Any:
        """Return the raw answer to a question."""

    def run(self, steps: Sequence[PlannedStep]) -> Iterator[Mapping[Question, Any]]:
        """Run a program from the initial world; yield the answers after each operation."""
        self.reset()
        for step in steps:
            self.perform(step.op)
            yield {question: self.ask(question) for question in step.questions}

    def after_malformed(self, exc: CandidateError) -> CandidateError:
        """Return the error to report for a malformed answer, having dealt with who gave it."""
        return exc

    def reached(self) -> Sequence[Sequence[int]]:
        """Return which of its code was reached, if it is of a kind that can tell: as pairs."""
        return ()

    def close(self) -> None:  # noqa: B027  most candidates have nothing to close
        """Let go of processes and files.  The candidate is not used afterwards."""
