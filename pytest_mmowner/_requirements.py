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

from mmowner_reference import DIALECTS

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

    @property
    def chapter(self) -> str:
        """The part of the id before the number."""
        return self.id.rpartition("-")[0]


_FIELDS: Final = {"level", "text", "source", "dialects", "hazards", "random"}


@cache
def requirements() -> Mapping[str, Requirement]:
    """Return all requirements of the suite, in the order of the file."""
    text = files("mmowner_conformance").joinpath("requirements.toml").read_text("utf-8")
    data = tomllib.loads(text)
    return MappingProxyType({id_: _requirement(id_, entry) for id_, entry in data.items()})


def _requirement(id_: str, entry: Mapping[str, Any]) -> Requirement:
    unknown = set(entry) - _FIELDS
    dialects = frozenset(entry.get("dialects", [name for name in DIALECTS if name != "none"]))
    hazards = dict(entry.get("hazards", {}))
    if unknown or (dialects | set(hazards)) - set(DIALECTS) or entry["level"] not in LEVELS:
        raise SuiteError(f"requirements.toml: {id_}: unknown field, dialect or level")
    if dialects & set(hazards):
        raise SuiteError(f"requirements.toml: {id_}: holds and is a hazard in the same dialect")
    return Requirement(
        id_, entry["level"], " ".join(entry["text"].split()), entry["source"], dialects,
        MappingProxyType(hazards), bool(entry.get("random", False)),
    )  # fmt: skip


def requirement(id_: str) -> Requirement:
    """Return the requirement *id_*.  Raises ``CallError`` with the closest id."""
    known = requirements()
    if id_ not in known:
        raise CallError(f"unknown requirement {id_!r}.{did_you_mean(id_, known)}")
    return known[id_]
