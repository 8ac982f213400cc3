"""How far searches got: a line of a record, plain values in a test's report, and in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import asdict

from ._scopes import SCOPE_PARTS, WHOLE

#: The name under which the reports of searches travel in those of tests.
PROPERTY: Final = "mmowner-search"
#: And that under which it is told that somebody skipped one.
SKIPPED: Final = "mmowner-skipped"


class Tried(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="line", tag="search"
):
    """How far a part of a search got, told when its test has ended."""

    candidate: str
    dialect: str
    #: What was searched, in words that are the same for all its parts.
    what: str
    part: int
    #: What was tried (transitions, or operations), what this part has, and what there is in all
    #: parts of all shards; a search without an end has 0 there.
    tried: int
    of_part: int
    total: int
    parts: int = SCOPE_PARTS
    shard: str = "1/1"
    #: What decided about the order of the programs.
    seed: int = 0
    #: Why it ended before its end, if it did.
    ended: str = ""
    #: What the search cannot get to, in words.
    beyond: str = ""


def as_property(report: Tried) -> dict[str, Any]:
    """Return a report as plain values."""
    return asdict(report)


def notes_of(reports: Iterable[Tried]) -> list[str]:
    """Return what was searched and what not, in words, from the reports of all parts."""
    return [_note(parts[0].what, parts) for parts in _by_search(reports)]


def _note(what: str, parts: Sequence[Tried]) -> str:
    tried, first = sum(part.tried for part in parts), parts[0]
    why = next((part.ended for part in parts if part.ended), "parts were left out of the run")
    seed = f", seed {first.seed}"
    if not first.total:  # there is no end to it
        ended = f": {why}" if any(part.ended for part in parts) else ""
        return f"{tried:,} {what}{seed}{ended}"
    beyond = f"; {first.beyond}" if first.beyond else ""
    if tried == first.total:
        return f"all {tried:,} {what} were tried{seed}{beyond}"
    share = f"{tried:,} of {first.total:,} {what} were tried{seed}{beyond}"
    if is_whole_shard(parts):
        return f"shard {first.shard}: {share}, which is all of this shard"
    return f"unknown: only {share}: {why}"


def is_whole_shard(parts: Sequence[Tried]) -> bool:
    """Whether all parts of a search are there, and each has tried all that it has."""
    whole = len({part.part for part in parts}) == parts[0].parts
    return whole and all(part.tried == part.of_part and not part.ended for part in parts)


def is_whole(reports: Iterable[Tried]) -> bool:
    """Whether nothing of any search was left out: of parts, of shards, of time."""
    return all(
        is_whole_shard(parts) and parts[0].shard == str(WHOLE) for parts in _by_search(reports)
    )


def _by_search(reports: Iterable[Tried]) -> list[list[Tried]]:
    found: dict[str, list[Tried]] = {}
    for report in reports:
        found.setdefault(report.what, []).append(report)
    return list(found.values())


def reports_in(properties: Iterable[tuple[str, object]]) -> Iterator[Tried]:
    """Yield the reports that were put into the ``user_properties`` of a test's report."""
    for name, value in properties:
        if name == PROPERTY and isinstance(value, Mapping):
            yield Tried(**value)
