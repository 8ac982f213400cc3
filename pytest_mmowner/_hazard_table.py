"""Which dialect breaks which safety rule by itself: every hazard in every dialect, searched.

The shapes are data of the suite; a shape that is there although its range says no, or the
other way round, is an error of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from mmowner_reference import DIALECTS, HISTORY, ROWS, Change, Kernel, Program, search_program

from ._draw import tree
from ._hazards import Hazard
from ._requirements import requirements
from .errors import SuiteError

#: Programs of so many operations are looked at before a hazard counts as gone.
LENGTH: Final = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One hazard in one dialect."""

    hazard: Hazard
    dialect: str
    #: A shortest program that shows it; None when it is gone.
    program: Program | None
    #: All programs of this many operations were looked at.
    length: int
    worlds: int

    def data(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        return {
            "rule": self.hazard.rule, "kind": self.hazard.kind, "text": self.hazard.text,
            "present": self.program is not None, "dialects": self.hazard.dialects,
            "program": None if self.program is None else [op.to_dict() for op in self.program],
            "searched": {
                "length": self.length, "worlds": self.worlds, **scope_data(self.hazard),
            },
        }  # fmt: skip


def shapes() -> tuple[Hazard, ...]:
    """Return the hazards that are looked for: the suite has them, loaded at first use."""
    found: tuple[Hazard, ...] = import_module("mmowner_conformance.hazards").HAZARDS
    return found


def search_hazard(dialect: str, hazard: Hazard, length: int = LENGTH) -> Row:
    """Look for *hazard* in *dialect*.

    Raises ``SuiteError`` where the search and the range of the hazard disagree.
    """
    found = search_program(dialect, hazard.shows, hazard.scope, length)
    if (found.program is not None) != (dialect in hazard.present):
        said = "there" if dialect in hazard.present else "gone"
        raise SuiteError(
            f"{hazard.rule}: {hazard.text}: hazards.py ({hazard.dialects}) has it {said} in "
            f"{dialect}, and a search to {length} operations does not agree"
        )
    return Row(hazard, dialect, found.program, found.length, found.worlds)


def hazard_rows(dialect: str, length: int = LENGTH) -> list[Row]:
    """Return every hazard in *dialect*, those that are there first."""
    rows = [search_hazard(dialect, hazard, length) for hazard in shapes()]
    return sorted(rows, key=lambda row: row.program is None)


def ended_by(hazard: Hazard) -> list[Change]:
    """Return the commits of the row after the last dialect with *hazard* that ended it.

    They are found by making each alone in that dialect: the shortest program comes out right.
    """
    last = DIALECTS[hazard.last]
    rows = list(ROWS)
    after = rows[rows.index(hazard.last) + 1]
    program = search_program(last, hazard.shows, hazard.scope, LENGTH).program
    if program is None:
        return []
    out = []
    for change in HISTORY:
        if change.row == after:
            world = Kernel(last.__class__(**{
                name: change.sets.get(name, getattr(last, name))
                for name in last.__dataclass_fields__
            })).run(program)  # fmt: skip
            if not hazard.shows(world):
                out.append(change)
    return out


def scope_data(hazard: Hazard) -> dict[str, Any]:
    """Return the scope of a hazard as JSON has it."""
    scope = hazard.scope
    return {
        "ops": sorted(scope.ops), "flags": [list(flag) for flag in scope.flags],
        "tasks": scope.tasks, "mms": scope.mms, "refs": scope.refs, "kthreads": scope.kthreads,
        "threads": scope.threads,
    }  # fmt: skip


def scope_text(hazard: Hazard) -> str:
    """Return the scope of a hazard in words."""
    scope = hazard.scope
    flags = ", ".join("|".join(flag) or "none" for flag in scope.flags)
    return f"{', '.join(sorted(scope.ops))}; clone flags {flags}"


def hazard_text(dialect: str, rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Yield the lines about the hazards of a dialect, each with its style."""
    there = [row for row in rows if row.program is not None]
    gone = [row for row in rows if row.program is None]
    what = f"{dialect} ({DIALECTS[dialect].era})"
    count = len(there)
    if there:
        yield "bold", f"{what} breaks rules by itself in {count} way{'' if count == 1 else 's'}"
    else:
        yield "bold", f"{what} breaks none of the rules that older dialects break"
    for row in there:
        yield "", ""
        yield from (("", line) for line in _present(row))
    if gone:
        yield "", ""
        yield "", "gone, as far as was searched (3 tasks beside init, 2 mms, 2 threads a group):"
    for row in gone:
        last = f"last in {row.hazard.last}" if row.hazard.last in DIALECTS else ""
        yield "", f"  {row.hazard.rule}: {row.hazard.text} ({last})"
        yield (
            "",
            (
                f"    not in {row.worlds} worlds, by up to {row.length} operations of "
                f"{scope_text(row.hazard)}"
            ),
        )


def _present(row: Row) -> Iterator[str]:
    assert row.program is not None, "only what is there has a program"
    rule = requirements()[row.hazard.rule]
    why = rule.hazards.get(row.dialect, "")
    yield f"{rule.id} [{rule.level}] {row.hazard.text}" + (f" ({why})" if why else "")
    count = len(row.program)
    yield f"  shortest program, {count} operation{'' if count == 1 else 's'}:"
    yield from (f"  {number:3d}  {op}" for number, op in enumerate(row.program, 1))
    yield from (f"  | {line}" for line in tree(Kernel(row.dialect).run(row.program)))
