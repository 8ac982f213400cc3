"""Reads records for people: one like a run's own summary, several side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from ._record_check import Record, RecordError, read_record, verify
from ._record_lines import RequirementLine, Tested, unfinished
from ._requirements import requirements
from ._summary import in_words, write_summary
from ._tried import Tried, notes_of
from ._verdicts import BAD, PASS, VERDICTS, Verdicts
from .errors import CallError

__all__ = ["Record", "RecordError", "compare", "read_record", "show", "verify"]

#: How the table shows a requirement that a run says nothing about.
ABSENT: Final = "-"
WIDTH: Final = 80


class _Page:
    """A terminal reporter that keeps the text."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str, **markup: Any) -> None:
        self.text += text

    def write_line(self, text: str, **markup: Any) -> None:
        self.text += f"{text}\n"

    def write_sep(self, sep: str, title: str, **markup: Any) -> None:
        self.text += f" {title} ".center(WIDTH, sep) + "\n"


def show(path: str | Path) -> str:
    """Return a record as text: what ran, what is not right, and the summary of the run.

    Raises ``RecordError`` for a record that does not hold together.
    """
    record = read_record(path)
    header = record.header
    page = _Page()
    page.write_line(
        f"record {path}: pytest-mmowner {header.suite}, {header.python}, {header.platform}"
    )
    page.write_line(f"pytest {' '.join(header.arguments)}".rstrip())
    levels = ", ".join(header.levels) or "all"
    page.write_line(f"seed {header.seed}; levels {levels}; {header.requirements} requirements")
    for one in header.candidates:
        page.write_line(_introduced(one))
    for key, line in record.requirements.items():
        if line.verdict in BAD:
            known = " (listed as known)" if key in record.listed else ""
            page.write_line("")
            page.write_line(f"{line.verdict}{known}: {line.text}")
    page.write_line("")
    write_summary(page, list(record.verdicts.values()), 0, _searched(record))
    for spec in record.selected:
        missing = [
            f"{rule} ({count})"
            for whose, rule, count in unfinished(record.verdicts, record.selected)
            if whose == spec
        ]
        if missing:
            page.write_line(f"{spec}: tests that never ended: {', '.join(missing)}")
    return page.text


def _searched(record: Record) -> dict[str, list[str]]:
    """Return by candidate what was searched, in words."""
    told: dict[str, list[Tried]] = {}
    for line in record.searches:
        told.setdefault(line.candidate, []).append(line)
    return {spec: notes_of(parts) for spec, parts in told.items()}


def _introduced(one: Tested) -> str:
    parts = [f"candidate {one.spec}: {one.name}", one.version, one.language]
    claims = f"claims dialect {one.claims}" if one.claims else ""
    started = f"started: {' '.join(one.started)}" if one.started else ""
    return ", ".join(part for part in (*parts, claims, started, *one.notes) if part)


@dataclass(frozen=True)
class Column:
    """One run of one candidate."""

    label: str
    record: Record
    spec: str
    lines: dict[str, RequirementLine]
    verdicts: Verdicts

    @property
    def title(self) -> str:
        """What stands behind the label: where it is from, and who was tested."""
        one = self.record.tested(self.spec)
        who = ", ".join(filter(None, (one.name, one.version))) if one else ""
        about = "; ".join(filter(None, (who, f"suite {self.record.header.suite}")))
        return f"{self.record.path}: {self.spec}, dialect {self.verdicts.dialect} ({about})"

    def word(self, rule: str) -> str:
        """The verdict about *rule*, or :data:`ABSENT`."""
        return str(self.lines[rule].verdict) if rule in self.lines else ABSENT

    def said(self, rule: str) -> str:
        """What distinguishes two equal verdicts; who was tested does not."""
        line = self.lines.get(rule)
        if line is None or line.verdict == PASS:
            return ""
        seen = "\n".join(line.observed) or line.text
        return seen.replace(self.spec, "CANDIDATE")


def compare(paths: Sequence[str | Path]) -> str:
    """Return several runs side by side: what differs, and who is better or worse.

    Every candidate of every record is a run.  Raises ``RecordError`` for a record that does
    not hold together, and ``CallError`` when there are not two runs.
    """
    columns = side_by_side(paths)
    rules = rules_of(columns)
    out = [f"{column.label}  {column.title}" for column in columns]
    differ = [rule for rule in rules if differs(rule, columns)]
    out.append("")
    out += _table(differ, columns) if differ else ["No requirement differs."]
    out.append("")
    for left, right in combinations(columns, 2):
        out += _pair(rules, left, right)
    out.append("")
    out += [
        f"{column.label}: {in_words(column.verdicts.counts(column.lines))}" for column in columns
    ]
    return "\n".join(out) + "\n"


def side_by_side(paths: Sequence[str | Path]) -> list[Column]:
    """Return the runs of several records, labelled.  Raises as :func:`compare`."""
    runs = [(record, spec) for record in map(read_record, paths) for spec in record.verdicts]
    if len(runs) < 2:
        raise CallError(
            f"there is nothing to compare: {len(runs)} run in {len(paths)} record(s). Name two "
            "records, or one of a run with several candidates."
        )
    return [_column(_label(number), *run) for number, run in enumerate(runs)]


def _column(label: str, record: Record, spec: str) -> Column:
    said = {rule: line for (whose, rule), line in record.requirements.items() if whose == spec}
    return Column(label, record, spec, said, record.verdicts[spec])


def rules_of(columns: Iterable[Column]) -> list[str]:
    """Return the requirements of all runs, in order."""
    return _in_order({rule for column in columns for rule in column.lines})


def differs(rule: str, columns: Iterable[Column]) -> bool:
    """Whether the runs do not say the same about *rule*."""
    return len({(column.word(rule), column.said(rule)) for column in columns}) > 1


def _label(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else f"#{number + 1}"


def _in_order(rules: set[str]) -> list[str]:
    """Sort as the requirements file does; what this suite does not know comes last."""
    known = list(requirements())
    return [rule for rule in known if rule in rules] + sorted(rules.difference(known))


def _table(rules: list[str], columns: list[Column]) -> list[str]:
    first = max(len(rule) for rule in (*rules, "requirement"))
    width = max(len(word) for word in VERDICTS)
    head = "  ".join(f"{column.label:<{width}}" for column in columns)
    return [
        f"{'requirement':<{first}}  {head}".rstrip(),
        *(
            f"{rule:<{first}}  "
            f"{'  '.join(f'{column.word(rule):<{width}}' for column in columns)}".rstrip()
            for rule in rules
        ),
    ]


def changes(rules: Iterable[str], left: Column, right: Column) -> dict[str, list[str]]:
    """Return what is better, worse and changed from one run to another."""
    kinds: dict[str, list[str]] = {"better": [], "worse": [], "changed": []}
    for rule in rules:
        kind = change(left.word(rule), right.word(rule))
        if kind == "" and left.said(rule) != right.said(rule):
            kind = "changed"
        if kind:
            kinds[kind].append(rule)
    return kinds


def _pair(rules: list[str], left: Column, right: Column) -> list[str]:
    kinds = changes(rules, left, right)
    counts = ", ".join(f"{len(found)} {kind}" for kind, found in kinds.items())
    lines = [f"{left.label} to {right.label}: {counts}"]
    for kind, found in kinds.items():
        if found and kind != "changed":
            lines.append(f"  {kind}: {', '.join(found)}")
        elif found:
            lines += [f"  changed: {rule}: {how(rule, left, right)}" for rule in found]
    return lines


def how(rule: str, left: Column, right: Column) -> str:
    """Return in words how *rule* changed."""
    was, now = left.word(rule), right.word(rule)
    if was != now:
        return f"{was}, now {now}"
    return f"{was} both times: {_short(left.said(rule))}; now {_short(right.said(rule))}"


def _short(text: str) -> str:
    first, *more = text.splitlines() or ["nothing was said"]
    return f"{first} ..." if more else first


def change(was: str, now: str) -> str:
    """Return ``better``, ``worse``, ``changed`` or nothing for two verdicts.

    Only a pass is better: a failure that became *not applicable* was not mended.  And only
    what is not a pass any more, or bad now, is worse.
    """
    if was == now:
        return ""
    if now == PASS:
        return "better"
    if was == PASS or (now in BAD and was not in BAD):
        return "worse"
    return "changed"
