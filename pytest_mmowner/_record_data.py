"""Reads records for scripts: what ``_record_read`` says in words, as data for one JSON document.

The keys are promised to whoever wrote a script against them: add some, rename none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from ._record_check import Record, read_record
from ._record_lines import unfinished
from ._record_read import ABSENT, Column, changes, differs, how, rules_of, side_by_side
from ._requirements import requirements
from ._verdicts import VERDICTS, Verdicts

#: What the header says of a candidate that is the run's business and not the candidate's.
_OF_THE_RUN = ("bounds", "selected")


def show_data(path: str | Path) -> dict[str, Any]:
    """Return a record as data: the header, and of each candidate the verdicts.

    Raises ``RecordError`` for a record that does not hold together.
    """
    record = read_record(path)
    header = msgspec.to_builtins(record.header)
    facts = {key: value for key, value in header.items() if key not in ("line", "candidates")}
    # One that was announced and never judged is there; one that nobody announced too.
    specs = dict.fromkeys([*record.selected, *record.verdicts])
    return {
        "file": str(path), **facts, "candidates": [_candidate(record, spec) for spec in specs],
        "unfinished": record.footer.unfinished, "lines": record.footer.lines,
        "sha256": record.footer.sha256,
    }  # fmt: skip


def _candidate(record: Record, spec: str) -> dict[str, Any]:
    one = record.tested(spec)
    verdicts = record.verdicts.get(spec)
    said = {} if one is None else msgspec.to_builtins(one)
    facts = {key: value for key, value in said.items() if key not in _OF_THE_RUN}
    return {
        "spec": spec, "dialect": verdicts.dialect if verdicts else None, **facts,
        "requirements": {
            line.requirement: _requirement(record, spec, line.requirement)
            for (whose, _), line in record.requirements.items() if whose == spec
        },
        "counts": _counts(verdicts),
        "unfinished": {
            rule: count for whose, rule, count in unfinished(record.verdicts, record.selected)
            if whose == spec
        },
    }  # fmt: skip


def _requirement(record: Record, spec: str, rule: str) -> dict[str, Any]:
    line = record.requirements[spec, rule]
    known = requirements().get(rule)
    return {
        "verdict": line.verdict,
        "level": known.level if known else None,  # another version of the suite may have it
        "listed": (spec, rule) in record.listed,
        "text": line.text, "observed": line.observed, "program": line.program,
        "tests": line.tests, "seconds": line.seconds,
    }  # fmt: skip


def _counts(verdicts: Verdicts | None) -> dict[str, int]:
    """Count every verdict, also those that nothing has: a script need not ask first."""
    counts = verdicts.counts(verdicts.outcomes) if verdicts else {}
    return {word: counts.get(word, 0) for word in VERDICTS}


def compare_data(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Return several runs side by side as data; all requirements, not only what differs.

    Raises ``RecordError`` for a record that does not hold together, and ``CallError`` when
    there are not two runs.
    """
    columns = side_by_side(paths)
    rules = rules_of(columns)
    return {
        "candidates": [_run(column) for column in columns],
        "requirements": {
            rule: {
                "verdicts": {column.label: _word(column, rule) for column in columns},
                "differs": differs(rule, columns),
            }
            for rule in rules
        },
        "pairs": [_pair(rules, left, right) for left, right in combinations(columns, 2)],
    }  # fmt: skip


def _run(column: Column) -> dict[str, Any]:
    one = column.record.tested(column.spec)
    return {
        "label": column.label, "file": column.record.path, "spec": column.spec,
        "dialect": column.verdicts.dialect, "suite": column.record.header.suite,
        "name": one.name if one else None, "version": one.version if one else None,
        "counts": _counts(column.verdicts),
    }  # fmt: skip


def _word(column: Column, rule: str) -> str | None:
    word = column.word(rule)
    return None if word == ABSENT else word


def _pair(rules: Sequence[str], left: Column, right: Column) -> dict[str, Any]:
    kinds = changes(rules, left, right)
    return {
        "from": left.label, "to": right.label,
        "better": kinds["better"], "worse": kinds["worse"],
        "changed": {rule: how(rule, left, right) for rule in kinds["changed"]},
    }  # fmt: skip
