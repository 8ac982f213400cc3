"""A candidate that this machine cannot run: every requirement is untestable, with the reason.

The user asked for it by name, so the run is red; but the verdicts say what is missing, instead
of nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from mmowner_reference import DIALECTS, Op, Question

from ..errors import MissingPrerequisite, Untestable
from .base import Candidate, Info
from .hosted import capabilities_in


class Absent(Candidate):
    """Stands for *spec*, whose prerequisite is missing."""

    def __init__(self, spec: str, why: MissingPrerequisite, dialect: str) -> None:
        self._why = why
        shown = capabilities_in(DIALECTS[dialect]) - {"refuse"}
        self.info = Info(
            spec=spec,
            name=spec,
            dialect=dialect,
            capabilities=shown | {"schedules"},
            speed=0.01,
            notes=(str(why),),
        )

    def _untestable(self) -> NoReturn:
        raise Untestable(str(self._why))

    def reset(self) -> None:
        """Raise ``Untestable``."""
        self._untestable()

    def perform(self, op: Op) -> None:
        """Raise ``Untestable``."""
        self._untestable()

    def ask(self, question: Question) -> Any:
        """Raise ``Untestable``."""
        self._untestable()

    def schedules(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raise ``Untestable``."""
        self._untestable()

    def findings(self) -> Sequence[Mapping[str, Any]]:
        """Raise ``Untestable``."""
        self._untestable()

    def places(self, addresses: Iterable[str]) -> dict[str, str]:
        """No addresses, no places."""
        return {}
