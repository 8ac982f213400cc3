"""The file of known failures: read strictly, matched to requirements, held against a run.

::

    [[known]]                       # fails, and that is known
    requirement = "SEARCH-06"
    dialect = "6.11"                # optional: in every dialect
    reason = "threads behind a zombie leader are not looked at yet"
    issue = "https://example.org/issues/7"                     # optional
    observed = ["test_x: after exit(2): owner(mm 2) is task 4"]  # optional
    when = { candidate = "cmd:*", lacks = ["users"] }          # optional, also: has

    [[flaky]]                       # fails now and then: run again, and counted
    requirement = "EXEC-04"
    reason = "the adapter races with its own logger"

A listed failure is green.  A listed requirement that passes is stale, one that fails in
another way than listed has changed, one that breaks is no failure: all of that is red.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from mmowner_reference import DIALECTS

from ._candidates.base import Info
from ._requirements import requirements
from ._verdicts import BAD, FAIL, HAZARD, NOT_APPLICABLE, PASS, Verdicts
from .errors import CallError, did_you_mean

TABLES: Final = ("known", "flaky")
_FIELDS: Final = {"requirement", "dialect", "reason", "issue", "observed", "when"}
_CONDITIONS: Final = {"candidate", "has", "lacks"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the file."""

    table: str
    requirement: str
    reason: str
    #: Where it stands, as ``FILE:LINE``.
    where: str
    dialect: str | None = None
    issue: str = ""
    observed: tuple[str, ...] = ()
    candidate: str = "*"
    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()

    def applies(self, dialect: str, info: Info) -> bool:
        """Whether it is about this candidate under this dialect."""
        return (
            self.dialect in (None, dialect)
            and fnmatch(info.spec, self.candidate)
            and self.has <= info.capabilities
            and not self.lacks & info.capabilities
        )

    @property
    def because(self) -> str:
        """The reason, with the issue if there is one."""
        return f"{self.reason} ({self.issue})" if self.issue else self.reason


@dataclass(frozen=True)
class Baseline:
    """A file of known failures."""

    path: str
    entries: tuple[Entry, ...]

    def find(self, rule: str, dialect: str, info: Info) -> int | None:
        """Return the number of the entry about *rule*, or None."""
        for number, entry in enumerate(self.entries):
            if entry.requirement == rule and entry.applies(dialect, info):
                return number
        return None

    def known(self, dialect: str, info: Info) -> frozenset[str]:
        """Return the requirements that are listed as failing for this candidate."""
        return frozenset(
            entry.requirement
            for entry in self.entries
            if entry.table == "known" and entry.applies(dialect, info)
        )

    def entry_of(self, verdicts: Verdicts, rule: str) -> Entry | None:
        """Return the entry that the tests of *rule* were matched with, or None."""
        listed = {outcome.listed for outcome in verdicts.outcomes[rule]} - {""}
        return self.entries[int(min(listed))] if listed else None


# -- reading ------------------------------------------------------------------------------


def load(path: str) -> Baseline:
    """Read a baseline.  Raises ``CallError`` with file, line and what is wrong."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise CallError(f"{path}: the baseline cannot be read: {exc}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        said = re.search(r"line (\d+)", str(exc))
        place = said[1] if said else str(text.count("\n") + 1)
        raise CallError(f"{path}:{place}: the baseline is no TOML: {exc}") from None
    for key in data:
        if key not in TABLES:
            raise CallError(
                f"{path}:{_line_of(text, key)}: unknown table {key!r}; write [[known]] or "
                f"[[flaky]].{did_you_mean(key, TABLES)}"
            )
    entries: list[Entry] = []
    for table in TABLES:
        rows = data.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            at = _line_of(text, table)
            raise CallError(f"{path}:{at}: write [[{table}]], with two brackets")
        places = _lines_of(text, table)
        for row, line in zip(rows, [*places, *[1] * len(rows)], strict=False):
            entries.append(_entry(table, row, f"{path}:{line}"))
    _no_repeats(entries)
    return Baseline(path, tuple(entries))


def _lines_of(text: str, table: str) -> list[int]:
    header = re.compile(rf"^\s*\[\[\s*{table}\s*\]\]")
    return [number for number, line in enumerate(text.splitlines(), 1) if header.match(line)]


def _line_of(text: str, key: str) -> int:
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if key in line), 1)


def _entry(table: str, row: Mapping[str, Any], where: str) -> Entry:
    for key in row:
        if key not in _FIELDS:
            raise CallError(f"{where}: unknown field {key!r}.{did_you_mean(key, _FIELDS)}")
    rule = _text(row, "requirement", where)
    if rule not in requirements():
        raise CallError(
            f"{where}: unknown requirement {rule!r}.{did_you_mean(rule, requirements())}"
        )
    reason = _text(row, "reason", where).strip()
    if not reason:
        raise CallError(f"{where}: {rule} is listed without a reason; say why it may fail")
    dialect = row.get("dialect")
    if dialect is not None and (not isinstance(dialect, str) or dialect not in DIALECTS):
        raise CallError(
            f"{where}: unknown dialect {dialect!r}; known are {', '.join(DIALECTS)}."
            f"{did_you_mean(str(dialect), DIALECTS)}"
        )
    when = row.get("when", {})
    if not isinstance(when, dict) or set(when) - _CONDITIONS:
        raise CallError(f"{where}: when has the fields {', '.join(sorted(_CONDITIONS))}")
    return Entry(
        table, rule, reason, where, dialect,
        issue=_text(row, "issue", where) if "issue" in row else "",
        observed=_texts(row, "observed", where),
        candidate=_text(when, "candidate", where) if "candidate" in when else "*",
        has=frozenset(_texts(when, "has", where)), lacks=frozenset(_texts(when, "lacks", where)),
    )  # fmt: skip


def _text(row: Mapping[str, Any], key: str, where: str) -> str:
    if key not in row:
        raise CallError(f'{where}: an entry needs {key} = "..."')
    if not isinstance(row[key], str):
        raise CallError(f"{where}: {key} is a text, not {row[key]!r}")
    return str(row[key])


def _texts(row: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise CallError(f"{where}: {key} is a list of texts, not {value!r}")
    return tuple(value)


def _no_repeats(entries: Iterable[Entry]) -> None:
    seen: dict[tuple[Any, ...], Entry] = {}
    for entry in entries:
        key = (entry.requirement, entry.dialect, entry.candidate, entry.has, entry.lacks)
        if key in seen:
            raise CallError(
                f"{entry.where}: {entry.requirement} is listed already, at {seen[key].where}"
            )
        seen[key] = entry


# -- what an entry says about a run ---------------------------------------------------------

KNOWN: Final = "known failure"
CHANGED: Final = "fails differently"
STALE: Final = "stale"
BROKEN: Final = "no failure"
FLAKY: Final = "flaky"


@dataclass(frozen=True, slots=True)
class Status:
    """What became of an entry: its kind, whether it leaves the run green, and in words."""

    kind: str
    green: bool
    text: str


def status_of(entry: Entry, verdicts: Verdicts) -> Status:
    """Return what a run says about *entry*, whose requirement it judged."""
    rule = entry.requirement
    verdict = verdicts.of(rule)
    at = f"{rule} ({entry.where})"
    if verdict in (PASS, HAZARD) and entry.table == "flaky":
        return Status(FLAKY, True, f"flaky: {at} passed: {entry.because}")
    if verdict == FAIL and entry.table == "flaky":
        text = f"flaky: {at} failed every time it was run again, so it is a failure"
        return Status(FLAKY, False, text)
    if verdict == FAIL:
        new = unlisted_observations(entry, verdicts.observed(rule))
        if new:
            text = (
                f"fails differently: {at} was listed with other observations; now also: "
                f"{'; '.join(new)}. Fix it, or list what is seen now"
            )
            return Status(CHANGED, False, text)
        return Status(KNOWN, True, f"known failure: {at}: {entry.because}")
    if verdict == PASS:
        return Status(STALE, False, f"stale: {at} passes now: remove this entry")
    if verdict == HAZARD:
        text = f"stale: {at} is a hazard of the dialect, no failure: remove this entry"
        return Status(STALE, False, text)
    if verdict == NOT_APPLICABLE:
        return Status(STALE, False, f"stale: {at} is not applicable any more: remove this entry")
    text = f"no failure: {at} ended with {verdict}; a baseline excuses failures and nothing else"
    return Status(BROKEN, False, text)


def unlisted_observations(entry: Entry, observed: Iterable[str]) -> list[str]:
    """Return what was observed beyond what *entry* lists; nothing if it lists nothing."""
    return [line for line in observed if entry.observed and line not in entry.observed]


def excused(baseline: Baseline | None, verdicts: Verdicts, rule: str) -> bool:
    """Whether a bad verdict of *rule* leaves the run green."""
    if verdicts.of(rule) not in BAD:
        return True
    entry = None if baseline is None else baseline.entry_of(verdicts, rule)
    return entry is not None and status_of(entry, verdicts).green
