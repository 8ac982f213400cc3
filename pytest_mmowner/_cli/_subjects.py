"""What ``list`` and ``explain`` know: requirements with their tests, dialects, mutants, kinds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mmowner_reference import DEFAULT, DIALECTS, ROWS, changes_of

from .._check import suite_tests
from .._hazards import Hazard
from .._plugins import offered
from .._requirements import Requirement, requirements
from .._spec import KINDS
from ..zoo import MUTANTS, Mutant

SUITE = "mmowner_conformance"


def dialects_of(rule: Requirement) -> list[str]:
    """Return the dialects in which *rule* holds, in the order of time."""
    return [name for name in DIALECTS if name in rule.dialects]


def requirement_data(rule: Requirement) -> dict[str, Any]:
    """Return a requirement as JSON has it."""
    return {
        "id": rule.id, "level": rule.level, "text": rule.text, "source": rule.source,
        "dialects": dialects_of(rule), "hazards": dict(rule.hazards), "random": rule.random,
        "mark": rule.mark, "untested": rule.untested, "observation": rule.observation,
    }  # fmt: skip


def dialect_data(name: str) -> dict[str, Any]:
    """Return a dialect as JSON has it."""
    rules = requirements().values()
    return {
        "name": name, "era": DIALECTS[name].era, "default": name == DEFAULT,
        "requirements": sum(name in rule.dialects for rule in rules),
        "hazards": sum(name in rule.hazards for rule in rules),
    }  # fmt: skip


def changes_up_to(name: str) -> list[dict[str, Any]]:
    """Return the commits that lie between the dialect before *name* and it."""
    rows = list(ROWS)
    if name not in rows:
        return []
    at = rows.index(name)
    before = [index for index in range(at) if rows[index] in DIALECTS]
    since = rows[(before[-1] + 1 if before else 0) : at + 1]
    return [
        {"row": row, "commit": change.commit, "version": change.version, "text": change.text,
         "sets": dict(change.sets)}
        for row in since for change in changes_of(row)
    ]  # fmt: skip


def mutant_data(name: str) -> dict[str, Any]:
    """Return a mutant as JSON has it."""
    cls: type[Mutant] = MUTANTS[name]
    return {
        "name": name, "dialect": cls.base, "text": " ".join((cls.__doc__ or "").split()),
        "candidate": f"mutant:{name}",
    }  # fmt: skip


def candidate_data() -> tuple[list[dict[str, Any]], list[str]]:
    """Return the kinds of candidates and what packages offer, and what of that is broken."""
    names = offered()
    kinds = [{"kind": kind, "spelling": text, "by": "built in"} for kind, text in KINDS.items()]
    kinds += [{"kind": name, "spelling": name, "by": "installed"} for name in names.candidates]
    return kinds, names.broken


def tests_of(rule_id: str) -> tuple[list[str], list[Hazard]]:
    """Return the tests that decide about a requirement, and the hazards they look for."""
    names: dict[str, None] = {}
    hazards: list[Hazard] = []
    for rules, test, arguments in suite_tests(SUITE):
        if rule_id in rules:
            names[f"{test.__module__.rpartition('.')[2]}.py::{test.__name__}"] = None
            hazards += [value for value in arguments.values() if isinstance(value, Hazard)]
    return list(names), hazards


def everything() -> Iterable[str]:
    """Return all names that can be explained."""
    return [*requirements(), *DIALECTS, *MUTANTS]
