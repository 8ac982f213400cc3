"""The requirements: ids, levels, texts, sources, and the dialects in which they hold.

They are data of the suite (``requirements.toml``); this reads them for whoever reports.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from mmowner_reference import DIALECTS, dialects_in

from .errors import CallError, SuiteError, did_you_mean

LEVELS: Final = ("safety", "order", "accounting", "concurrency")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One rule with an id that is never reused."""

    id: str
    level: str
    text: str
    source: str
    #: Dialects in which it holds.
    dialects: frozenset[str]
    #: Dialects that break it by themselves, and the bug or rule that says so.
    hazards: Mapping[str, str]
    #: Whether random programs are judged by it too.
    random: bool
    #: How sure the rule is: see :data:`MARKS`.
    mark: str = "V"
    #: Why no test can show it, if none can.
    untested: str = ""
    #: Whether it is derived and unconfirmed: then it is told what a candidate does, and no more.
    observation: bool = False

    @property
    def chapter(self) -> str:
        """The part of the id before the number."""
        return self.id.rpartition("-")[0]

    @property
    def judged(self) -> bool:
        """Whether candidates are judged by it."""
        return not self.untested and not self.observation


#: How sure a rule is.
MARKS: Final = {
    "V": "read in the kernel's source",
    "D": "derived from the source, and confirmed by no second one",
    "D+": "derived, and confirmed on Linux 6.1.176 and 6.18 by this suite",
    "DM": "derived with a model of the source",
    "DM+": "derived with a model, and confirmed on Linux 6.1.176 and 6.18 by this suite",
    "suite": "a rule of the suite's own",
}
_FIELDS: Final = {
    "level", "text", "source", "dialects", "hazards", "random", "mark", "untested", "observation",
}  # fmt: skip


@cache
def requirements() -> Mapping[str, Requirement]:
    """Return all requirements of the suite, in the order of the file."""
    text = files("mmowner_conformance").joinpath("requirements.toml").read_text("utf-8")
    data = tomllib.loads(text)
    return MappingProxyType({id_: _requirement(id_, entry) for id_, entry in data.items()})


def _requirement(id_: str, entry: Mapping[str, Any]) -> Requirement:
    unknown = set(entry) - _FIELDS
    mark = entry.get("mark", "V")
    if unknown or entry["level"] not in LEVELS or mark not in MARKS:
        raise SuiteError(f"requirements.toml: {id_}: unknown field, level or mark")
    try:
        dialects = dialects_in(entry.get("dialects", ".."))
        hazards = {
            name: why
            for where, why in entry.get("hazards", {}).items()
            for name in DIALECTS
            if name in dialects_in(where)
        }
    except (KeyError, ValueError) as exc:
        raise SuiteError(f"requirements.toml: {id_}: unknown dialect: {exc}") from None
    if dialects & set(hazards):
        raise SuiteError(f"requirements.toml: {id_}: holds and is a hazard in the same dialect")
    return Requirement(
        id_, entry["level"], " ".join(entry["text"].split()), entry["source"], dialects,
        MappingProxyType(hazards), bool(entry.get("random", False)), mark,
        entry.get("untested", ""), bool(entry.get("observation", False)),
    )  # fmt: skip


def requirement(id_: str) -> Requirement:
    """Return the requirement *id_*.  Raises ``CallError`` with the closest id."""
    known = requirements()
    if id_ not in known:
        raise CallError(f"unknown requirement {id_!r}.{did_you_mean(id_, known)}")
    return known[id_]
