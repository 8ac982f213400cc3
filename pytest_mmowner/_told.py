"""What candidates tell when all tests have run: notes, and which of their code was reached.

Under xdist each worker has candidates of its own; what they tell is put together where the
summary is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import MMOwnerError

if TYPE_CHECKING:
    from ._session import Session


@dataclass
class Told:
    """What was told of one candidate, in one process or in several."""

    notes: dict[str, None] = field(default_factory=dict)
    #: Blocks of its machine code that followed each other, as it numbers them.
    reached: set[tuple[int, int]] = field(default_factory=set)
    #: The programs that were run: more than one when a tree was edited meanwhile.
    programs: set[str] = field(default_factory=set)

    def take(self, plain: Mapping[str, Any]) -> None:
        """Take what :func:`told_by` has, of this process or of a worker."""
        self.notes.update(dict.fromkeys(plain["notes"]))
        self.reached.update((before, after) for before, after in plain["reached"])
        self.programs.update(plain["programs"])

    def lines(self, spec: str) -> list[str]:
        """Return everything as notes."""
        return [*self.notes, *_of_reached(spec, self)]


def take(told: dict[str, Told], plain: Mapping[str, Mapping[str, Any]]) -> None:
    """Add what one process told of its candidates, by their SPECs, to *told*."""
    for spec, one in plain.items():
        told.setdefault(spec, Told()).take(one)


def told_by(session: Session) -> dict[str, Any]:
    """Ask the candidate of *session*; plain values, fit to be sent."""
    try:
        reached: Iterable[Sequence[int]] = session.candidate.reached()
    except MMOwnerError:  # it broke, which is told elsewhere
        reached = ()
    program = getattr(session.candidate, "program", None)
    return {
        "notes": list(session.candidate.info.notes),
        "reached": [list(one) for one in reached],
        "programs": [] if program is None else [program.path.name],
    }


def _of_reached(spec: str, told: Told) -> list[str]:
    if not told.reached:
        return []
    from ._candidates.kernel import reach_notes  # noqa: PLC0415  only after a run of one

    try:
        return reach_notes(spec, told.reached, told.programs)
    except MMOwnerError as exc:
        return [f"which of its code was reached is not known: {exc}"]
