"""Conformance tests for ``mm->owner``: is an implementation right.

The public names; each is imported at its first use, because this package is loaded into
every pytest run of those who have it installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmowner_reference import DIALECTS, Op, Program, Scope, format_program, parse_program

    from . import strategies
    from ._candidates.base import Candidate, Info
    from ._check import Result, check
    from ._hazards import Hazard
    from ._scenes import Scene
    from ._spec import Options, open_candidate
    from .assertions import assert_conforms
    from .errors import (
        CallError,
        CandidateError,
        ConformanceFailure,
        MissingPrerequisite,
        MMOwnerError,
        NotApplicable,
        Refused,
        SuiteError,
        Unknown,
        Untestable,
    )
    from .hookspecs import hookimpl

_HOMES = {
    "mmowner_reference": ("DIALECTS", "Op", "Program", "Scope", "format_program", "parse_program"),
    "pytest_mmowner._candidates.base": ("Candidate", "Info"),
    "pytest_mmowner._check": ("Result", "check"),
    "pytest_mmowner._hazards": ("Hazard",),
    "pytest_mmowner._scenes": ("Scene",),
    "pytest_mmowner._spec": ("Options", "open_candidate"),
    "pytest_mmowner.assertions": ("assert_conforms",),
    "pytest_mmowner.errors": (
        "CallError", "CandidateError", "ConformanceFailure", "MMOwnerError",
        "MissingPrerequisite", "NotApplicable", "Refused", "SuiteError", "Unknown", "Untestable",
    ),
    "pytest_mmowner.hookspecs": ("hookimpl",),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "DIALECTS",
    "CallError",
    "Candidate",
    "CandidateError",
    "ConformanceFailure",
    "Hazard",
    "Info",
    "MMOwnerError",
    "MissingPrerequisite",
    "NotApplicable",
    "Op",
    "Options",
    "Program",
    "Refused",
    "Result",
    "Scene",
    "Scope",
    "SuiteError",
    "Unknown",
    "Untestable",
    "assert_conforms",
    "check",
    "format_program",
    "hookimpl",
    "open_candidate",
    "parse_program",
    "strategies",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415  names are imported at their first use

    if name == "strategies":
        return import_module("pytest_mmowner.strategies")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
