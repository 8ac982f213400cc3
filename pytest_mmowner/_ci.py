"""What a CI shows: GitHub's step summary and annotations, and badges for each level.

All of it is written where the verdicts are gathered: under xdist, in the controller.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from ._baseline import Baseline, Status, excused, status_of
from ._requirements import LEVELS, requirements
from ._summary import COLUMNS, in_words
from ._verdicts import (
    BAD,
    ERROR,
    FAIL,
    HAZARD,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    UNTESTABLE,
    Verdicts,
)  # fmt: skip
from .errors import CallError, did_you_mean

if TYPE_CHECKING:
    from .plugin import State

#: Values of ``--mmowner-ci``.
SYSTEMS: Final = ("github", "off")
#: GitHub refuses a step summary of more than 1 MiB, the whole of it.
SUMMARY_LIMIT: Final = 1024 * 1024
#: GitHub shows as many annotations of one kind in a step, and drops the others in silence.
ANNOTATIONS: Final = 10


class GithubReporter:
    """Writes the step summary and ``::error`` annotations (``--mmowner-ci=github``).

    On by itself inside GitHub Actions, where it writes as soon as the suite ran.
    """

    def __init__(self, config: pytest.Config, state: State) -> None:
        """Check the option.  Raises ``CallError``."""
        system = config.getoption("mmowner_ci") or config.getini("mmowner_ci") or "github"
        if system not in SYSTEMS:
            raise CallError(
                f"--mmowner-ci={system}: unknown; known are {', '.join(SYSTEMS)}."
                f"{did_you_mean(system, SYSTEMS)}"
            )
        self.off = system == "off" or hasattr(config, "workerinput")
        self.state = state
        self.problem = ""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Append to the step summary."""
        if self.off or not self.state.verdicts:
            return
        path = os.environ.get("GITHUB_STEP_SUMMARY")
        if not path:
            self.problem = "GITHUB_STEP_SUMMARY is not set"
            return
        text = "\n".join(
            markdown(verdicts, self.state.baseline) for verdicts in self.state.verdicts.values()
        )
        try:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(_cut(text, SUMMARY_LIMIT - file.tell()))
        except OSError as exc:
            self.problem = f"GITHUB_STEP_SUMMARY cannot be written: {exc}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the annotations: GitHub reads them from the output."""
        if self.off:
            return
        if self.problem:
            terminalreporter.write_line(f"mmowner: no step summary: {self.problem}")
        lines = [
            line for verdicts in self.state.verdicts.values()
            for line in error_lines(verdicts, self.state.baseline)
        ]  # fmt: skip
        if len(lines) > ANNOTATIONS:
            more = len(lines) - (ANNOTATIONS - 1)
            rest = command("error", "mmowner", f"{more} more: the step summary has them all")
            lines = [*lines[: ANNOTATIONS - 1], rest]
        if lines:
            terminalreporter.write_line("")  # a command is one only at the start of a line
        for line in lines:
            terminalreporter.write_line(line)


# -- annotations ------------------------------------------------------------------------------


def command(kind: str, title: str, text: str) -> str:
    """Return a workflow command, escaped so that no text can end it or begin another."""
    name = _escaped(title).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={name}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def error_lines(verdicts: Verdicts, baseline: Baseline | None = None) -> list[str]:
    """Return an ``::error`` line for each requirement that makes the run red."""
    lines = []
    for rule in _red(verdicts, baseline):
        known = requirements().get(rule)
        status = _status(verdicts, baseline, rule)
        verdict = verdicts.of(rule)
        what = [f"{verdict}: {known.text}" if known else verdict]
        if status is not None:
            what.append(status.text)
        elif verdict == FAIL:
            what += verdicts.observed(rule)
        elif verdict in BAD:
            what.append(verdicts.text(rule))
        if known:
            what.append(f"source: {known.source}")
        what.append(f"candidate {verdicts.candidate}, dialect {verdicts.dialect}")
        lines.append(command("error", rule, "\n".join(part for part in what if part)))
    return lines


def _red(verdicts: Verdicts, baseline: Baseline | None) -> list[str]:
    """Return the requirements that make the run red, those that a stale entry lists too."""
    red = []
    for rule in [rule for rule in requirements() if rule in verdicts.outcomes]:
        status = _status(verdicts, baseline, rule)
        stale = status is not None and not status.green
        if stale or not excused(baseline, verdicts, rule):
            red.append(rule)
    return red


def _status(verdicts: Verdicts, baseline: Baseline | None, rule: str) -> Status | None:
    entry = None if baseline is None else baseline.entry_of(verdicts, rule)
    return None if entry is None else status_of(entry, verdicts)


# -- the step summary -------------------------------------------------------------------------


def markdown(verdicts: Verdicts, baseline: Baseline | None = None) -> str:
    """Return the summary of one candidate in GitHub's Markdown."""
    total = verdicts.counts(verdicts.tests)
    red = _red(verdicts, baseline)
    mark = "❌" if red or not verdicts.answered else "✅"
    parts = [
        f"## {mark} mm owner: {_code(verdicts.candidate)}, dialect {_code(verdicts.dialect)}",
        in_words(total),
    ]
    if not verdicts.answered:
        parts.append("**Nothing was applicable: that is no success.**")
    parts.append(_levels(verdicts))
    if red:
        parts += ["### What makes it red", *(_details(verdicts, baseline, rule) for rule in red)]
    listed = [rule for verdict in (FAIL, ERROR, UNTESTABLE, UNKNOWN)
              for rule in verdicts.with_verdict(verdict) if rule not in red]  # fmt: skip
    if listed:
        parts += ["### Known failures", *(_details(verdicts, baseline, rule) for rule in listed)]
    hazards = verdicts.with_verdict(HAZARD)
    if hazards:
        title = f"### Hazards of the dialect {_code(verdicts.dialect)} (no fault of the candidate)"
        parts += [title, *(_details(verdicts, None, rule) for rule in hazards)]
    reasons = _reasons(verdicts)
    if reasons:
        lines = [f"- {_text(why)}: {', '.join(rules)}" for why, rules in reasons.items()]
        parts += ["### Not applicable", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _reasons(verdicts: Verdicts) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for rule in verdicts.with_verdict(NOT_APPLICABLE):
        foreign = f"no rule of the dialect {verdicts.dialect}"
        text = verdicts.text(rule)
        reasons.setdefault(foreign if "is no rule of the dialect" in text else text, []).append(
            rule
        )
    return reasons


def _levels(verdicts: Verdicts) -> str:
    rows = [["level", *COLUMNS], ["---", *["---:"] * len(COLUMNS)]]
    rows += [
        [level, *(str(counts[column] or "") for column in COLUMNS)]
        for level, counts in verdicts.by_level().items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _details(verdicts: Verdicts, baseline: Baseline | None, rule: str) -> str:
    known = requirements().get(rule)
    status = _status(verdicts, baseline, rule)
    summary = f"<b>{rule}</b> {verdicts.of(rule)}: {_text(known.text if known else '')}"
    lines = [f"<details><summary>{summary}</summary>", ""]
    if status is not None:
        lines += [_text(status.text), ""]
    if known:
        lines += [f"Source: {_text(known.source)}", ""]
    program = next((o.program for o in verdicts.outcomes[rule] if o.program), "")
    if program:
        lines += ["Program:", f"<pre>{escape(program, quote=False)}</pre>", ""]
    if verdicts.text(rule):
        lines += [f"<pre>{escape(verdicts.text(rule), quote=False)}</pre>", ""]
    return "\n".join([*lines, "</details>"])


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>"


def _text(text: str) -> str:
    """Return other people's text so that neither HTML nor Markdown is read in it."""
    one_line = escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~#@])", lambda match: f"&#{ord(match[1])};", one_line)


def _cut(text: str, room: int) -> str:
    """Return what of *text* there is room for, in bytes, and say so if it is not all."""
    raw = text.encode()
    if len(raw) <= room:
        return text
    note = "\n\n**Cut here: GitHub takes no more than 1 MiB. The log has everything.**\n"
    closing = "</pre>\n</details>"
    kept = raw[: max(0, room - len(note.encode()) - len(closing))].decode(errors="ignore")
    if not kept:
        return ""
    return kept + (closing if kept.count("<details>") > kept.count("</details>") else "") + note


# -- badges -----------------------------------------------------------------------------------


class Badges:
    """Writes badges (``--mmowner-badges=DIR``)."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        """Make the directory.  Raises ``CallError``, before anything is collected."""
        self.directory = Path(config.getoption("mmowner_badges") or config.getini("mmowner_badges"))
        self.state = state
        self.worker = hasattr(config, "workerinput")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise CallError(f"--mmowner-badges: the directory cannot be made: {exc}") from None

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write them, if the suite ran."""
        if not self.worker and self.state.verdicts:
            write_badges(self.directory, self.state.verdicts.values())


def write_badges(directory: str | Path, verdicts: Verdicts | Iterable[Verdicts]) -> list[Path]:
    """Write an endpoint document of shields.io for each level; return the files.

    Every level gets its file, also one that was not run: an old green one must not stay.
    With several candidates the files have the candidate in their names.
    """
    every = [verdicts] if isinstance(verdicts, Verdicts) else list(verdicts)
    written = []
    for one in every:
        slug = re.sub(r"[^A-Za-z0-9.]+", "-", one.candidate).strip("-")
        for level in _levels_of_the_suite():
            name = f"mmowner-{slug}-{level}.json" if len(every) > 1 else f"mmowner-{level}.json"
            path = Path(directory, name)
            path.write_text(json.dumps(badge(level, one), indent=2) + "\n", "utf-8")
            written.append(path)
    return written


def _levels_of_the_suite() -> list[str]:
    used = {rule.level for rule in requirements().values() if rule.judged}
    return [level for level in LEVELS if level in used]


def badge(level: str, verdicts: Verdicts) -> dict[str, Any]:
    """Return the badge of one level: green only if all that its dialect asks for has passed."""
    owed = [
        rule.id for rule in requirements().values()
        if rule.judged and rule.level == level
        and (verdicts.dialect in rule.dialects or verdicts.dialect in rule.hazards)
    ]  # fmt: skip
    counts = verdicts.counts(owed)
    missing = len(owed) - sum(counts.values())
    others = [f"{counts[verdict]} {verdict}" for verdict in COLUMNS
              if verdict != PASS and counts[verdict]]  # fmt: skip
    if missing:
        others.append(f"{missing} not run")
    message = ", ".join([f"{counts[PASS]}/{len(owed)} pass", *others])
    if counts[FAIL] or counts[ERROR]:
        color = "red"
    elif counts[UNKNOWN] or counts[UNTESTABLE]:
        color = "orange"
    elif not counts[PASS]:
        color = "lightgrey"
    else:
        color = "yellow" if others else "brightgreen"
    return {
        "schemaVersion": 1, "label": f"mm owner: {level}", "message": message, "color": color,
    }  # fmt: skip
