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

from mmowner_reference import ASKS, DIALECTS, OPS, dialect_of_release

from ._baseline_text import places
from ._candidates.base import EXTRAS, PARTS, Info
from ._requirements import requirements
from ._verdicts import BAD, FAIL, HAZARD, NOT_APPLICABLE, OBSERVED, PASS, Verdicts
from .errors import CallError, did_you_mean

TABLES: Final = ("known", "flaky")
_FIELDS: Final = {"requirement", "dialect", "reason", "issue", "observed", "when"}
_CONDITIONS: Final = {"candidate", "has", "lacks"}
#: What ``has`` and ``lacks`` may name.
CAPABILITIES: Final = (*OPS, *ASKS, *EXTRAS, *PARTS)


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
            # A recorded run refuses to say what it lacks, so it is asked as any other.
            and not Info.lacks(info, sorted(self.has))
            and set(Info.lacks(info, sorted(self.lacks))) == self.lacks
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
    lines = places(text)
    for table in TABLES:
        rows = data.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            at = _line_of(text, table)
            raise CallError(f"{path}:{at}: write [[{table}]], with two brackets")
        for row in rows:
            line = lines[len(entries)] if len(entries) < len(lines) else 1
            entries.append(_entry(table, row, _Place(path, text, line)))
    _no_repeats(entries)
    return Baseline(path, tuple(entries))


def _line_of(text: str, key: str) -> int:
    lines = text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if key in line), 1)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an entry stands in the file."""

    path: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"

    def of(self, key: str) -> str:
        """Return where the field *key* of the entry is, or else the entry."""
        field = re.compile(rf"^\s*[\"']?{re.escape(key)}[\"']?\s*=")
        for number, line in enumerate(self.text.splitlines()[self.line :], self.line + 1):
            if line.lstrip().startswith("[["):
                break
            if field.match(line):
                return f"{self.path}:{number}"
        return str(self)


def _entry(table: str, row: Mapping[str, Any], at: _Place) -> Entry:
    for key in row:
        if key not in _FIELDS:
            raise CallError(f"{at.of(key)}: unknown field {key!r}.{did_you_mean(key, _FIELDS)}")
    rule = _text(row, "requirement", at)
    if rule not in requirements():
        raise CallError(
            f"{at.of('requirement')}: unknown requirement {rule!r}."
            f"{did_you_mean(rule, requirements())}"
        )
    reason = _text(row, "reason", at).strip()
    if not reason:
        raise CallError(
            f"{at.of('reason')}: {rule} is listed without a reason; say why it may fail"
        )
    dialect = row.get("dialect")
    if dialect is not None and (not isinstance(dialect, str) or dialect not in DIALECTS):
        raise CallError(
            f"{at.of('dialect')}: unknown dialect {dialect!r}; known are {', '.join(DIALECTS)}."
            f"{_meant(str(dialect))}"
        )
    candidate, has, lacks = _when(row.get("when", {}), at)
    return Entry(
        table, rule, reason, str(at), dialect,
        issue=_text(row, "issue", at) if "issue" in row else "",
        observed=_texts(row, "observed", at), candidate=candidate, has=has, lacks=lacks,
    )  # fmt: skip


def _meant(dialect: str) -> str:
    era = dialect_of_release(dialect)
    return f" Linux {dialect} is judged by {era!r}." if era else did_you_mean(dialect, DIALECTS)


def _when(when: Any, at: _Place) -> tuple[str, frozenset[str], frozenset[str]]:
    if not isinstance(when, dict):
        raise CallError(f"{at.of('when')}: write when = {{ candidate = ..., has = [...] }}")
    for key in when:
        if key not in _CONDITIONS:
            raise CallError(
                f"{at.of('when')}: when has no field {key!r}; it has "
                f"{', '.join(sorted(_CONDITIONS))}.{did_you_mean(key, _CONDITIONS)}"
            )
    has, lacks = _texts(when, "has", at), _texts(when, "lacks", at)
    for word in (*has, *lacks):
        if word not in CAPABILITIES:
            raise CallError(
                f"{at.of('when')}: there is no capability {word!r}."
                f"{did_you_mean(word, CAPABILITIES)}"
            )
    candidate = _text(when, "candidate", at) if "candidate" in when else "*"
    return candidate, frozenset(has), frozenset(lacks)


def _text(row: Mapping[str, Any], key: str, at: _Place) -> str:
    if key not in row:
        raise CallError(f'{at}: an entry needs {key} = "..."')
    if not isinstance(row[key], str):
        raise CallError(f"{at.of(key)}: {key} is a text, not {row[key]!r}")
    return str(row[key])


def _texts(row: Mapping[str, Any], key: str, at: _Place) -> tuple[str, ...]:
    value = row.get(key, [])
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise CallError(f"{at.of(key)}: {key} is a list of texts, not {value!r}")
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
IN_PART: Final = "judged in part"


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
    if verdict in (PASS, HAZARD, OBSERVED, NOT_APPLICABLE):
        if not verdicts.whole(rule):
            text = f"judged in part: {at}: not all of its tests were run, so it may still fail"
            return Status(IN_PART, True, text)
        if not verdicts.searched_whole:
            text = f"judged in part: {at}: not everything was searched, so it may still fail"
            return Status(IN_PART, True, text)
    if verdict in (PASS, HAZARD) and entry.table == "flaky":
        tries = max(outcome.tries for outcome in verdicts.outcomes[rule])
        how = "passed" if tries == 1 else f"passed only when it was run {tries} times"
        return Status(FLAKY, True, f"flaky: {at} {how}: {entry.because}")
    if verdict == FAIL and entry.table == "flaky":
        # What a search found is not tried again.
        text = f"flaky: {at} failed every time it was tried, so it is a failure"
        return Status(FLAKY, False, text)
    if verdict == FAIL:
        new = unlisted_observations(entry, verdicts.observed(rule))
        if new:
            text = (
                f"fails differently: {at} was listed with other observations; now also: "
                f"{'; '.join(new)}. Fix it, or list what is seen now"
            )
            return Status(CHANGED, False, text)
        gone = sorted(set(entry.observed) - set(verdicts.observed(rule)))
        less = f"; not seen any more: {'; '.join(gone)}" if gone and verdicts.whole(rule) else ""
        return Status(KNOWN, True, f"known failure: {at}: {entry.because}{less}")
    if verdict == PASS:
        return Status(STALE, False, f"stale: {at} passes now: remove this entry")
    if verdict == OBSERVED:
        text = f"stale: {at} is observed and judges nobody: remove this entry"
        return Status(STALE, False, text)
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
