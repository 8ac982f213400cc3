"""The terminal summary: verdicts per level and chapter, hazards, and what did not apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from ._fit import hint
from ._verdicts import (
    ERROR,
    FAIL,
    HAZARD,
    NOT_APPLICABLE,
    OBSERVED,
    PASS,
    UNKNOWN,
    UNTESTABLE,
    Verdicts,
)  # fmt: skip

#: The columns of the tables.
COLUMNS: Final = (PASS, FAIL, ERROR, HAZARD, OBSERVED, UNKNOWN, UNTESTABLE, NOT_APPLICABLE)
_MARKUP: Final = {FAIL: "red", ERROR: "red", UNTESTABLE: "red", UNKNOWN: "yellow", PASS: "green"}


def write_summary(
    terminal: Any,
    all_verdicts: list[Verdicts],
    verbosity: int,
    notes: Mapping[str, Sequence[str]] = MappingProxyType({}),
    misfits: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
) -> None:
    """Write a section for each candidate; one line each when the run is quiet.

    *notes* are what is to be said about a candidate itself, by its SPEC; *misfits* how many
    programs speak against each dialect, where something failed.
    """
    for verdicts in all_verdicts:
        total = verdicts.counts(verdicts.tests)
        title = f"mmowner: {verdicts.candidate}, dialect {verdicts.dialect}"
        if verbosity < 0:
            nothing = "" if verdicts.answered else ". Nothing was applicable: that is no success"
            terminal.write_line(f"{title}: {in_words(total)}{nothing}")
            _hint(terminal, verdicts, misfits)
            continue
        terminal.write_sep("-", title)
        _table(terminal, "level", verdicts.by_level())
        _table(terminal, "chapter", verdicts.by_chapter())
        _names(terminal, verdicts)
        _hazards(terminal, verdicts)
        _observed(terminal, verdicts)
        _not_applicable(terminal, verdicts)
        for note in notes.get(verdicts.candidate, ()):
            terminal.write_line(f"note: {note}")
        if not verdicts.answered:
            terminal.write_line("Nothing was applicable: that is no success.", red=True)
        terminal.write_line(in_words(total), bold=True)
        _hint(terminal, verdicts, misfits)


def _hint(terminal: Any, verdicts: Verdicts, misfits: Mapping[str, Mapping[str, int]]) -> None:
    text = hint(misfits.get(verdicts.candidate, {}), verdicts.dialect)
    if text:
        terminal.write_line(f"{verdicts.candidate}: {text}", yellow=True)


def in_words(counts: Counter[str]) -> str:
    """Return counts as ``12 requirements: 10 pass, 2 fail``."""
    parts = [f"{counts[verdict]} {verdict}" for verdict in COLUMNS if counts[verdict]]
    return f"{sum(counts.values())} requirements: {', '.join(parts) or 'none'}"


def _table(terminal: Any, what: str, rows: Mapping[str, Counter[str]]) -> None:
    columns = [
        column for column in COLUMNS
        if column != OBSERVED or any(counts[OBSERVED] for counts in rows.values())
    ]  # fmt: skip
    terminal.write_line(
        f"{what:<12}" + "".join(f"{column:>{_width(column)}}" for column in columns)
    )
    for name, counts in rows.items():
        terminal.write(f"{name:<12}")
        for column in columns:
            count = counts[column]
            markup = {_MARKUP[column]: True} if count and column in _MARKUP else {}
            terminal.write(f"{count or '.':>{_width(column)}}", **markup)
        terminal.write_line("")
    terminal.write_line("")


def _width(column: str) -> int:
    return max(6, len(column) + 2)


def _names(terminal: Any, verdicts: Verdicts) -> None:
    for verdict in (FAIL, ERROR, UNTESTABLE, UNKNOWN):
        rules = verdicts.with_verdict(verdict)
        if rules:
            terminal.write_line(f"{verdict}: {', '.join(rules)}", **{_MARKUP[verdict]: True})


def _hazards(terminal: Any, verdicts: Verdicts) -> None:
    rules = verdicts.with_verdict(HAZARD)
    if not rules:
        return
    terminal.write_line(
        f"hazards of the dialect {verdicts.dialect} (no fault of the candidate): {', '.join(rules)}"
    )
    for rule in rules:
        said = [outcome.text for outcome in verdicts.outcomes[rule] if outcome.verdict == HAZARD]
        for text in dict.fromkeys(said):
            if "\n" in text:  # it has a program
                terminal.write_line("")
                for line in text.splitlines():
                    terminal.write_line(f"  {line}")
    terminal.write_line("")


def _observed(terminal: Any, verdicts: Verdicts) -> None:
    for rule in verdicts.with_verdict(OBSERVED):
        terminal.write_line(f"observed, not judged: {rule}: {verdicts.text(rule)}")


def _not_applicable(terminal: Any, verdicts: Verdicts) -> None:
    reasons: dict[str, list[str]] = {}
    for rule in verdicts.with_verdict(NOT_APPLICABLE):
        text = verdicts.text(rule)
        if "is no rule of the dialect" in text:
            text = f"no rule of the dialect {verdicts.dialect}"
        reasons.setdefault(text, []).append(rule)
    for reason, rules in reasons.items():
        terminal.write_line(f"not applicable ({reason}): {', '.join(rules)}")
