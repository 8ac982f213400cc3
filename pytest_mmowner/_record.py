"""Writes the record of a run, line by line as tests end, in the process that reports.

Under xdist the candidates live in the workers: the first report of each worker brings
what is known there (who the candidates are, how many tests were selected).
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest

from . import _record_lines as lines
from ._campaign import Campaign
from ._requirements import requirements
from ._tried import Tried, reports_in
from ._verdicts import Verdicts, outcomes_in
from .errors import CallError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._session import Session
    from .plugin import State

#: The attribute of a test's report that carries the introduction; xdist keeps it, and JUnit
#: files, which show properties, do not.
INTRODUCTION = "mmowner_record"

INTERRUPTED = pytest.ExitCode.INTERRUPTED
#: After other ends (a wrong call, a crash of pytest) there may be more than the record knows.
SEALED = frozenset({
    pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, INTERRUPTED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
})  # fmt: skip


class Recorder:
    """The part of the plugin behind ``--mmowner-report``."""

    def __init__(self, config: pytest.Config, state: State) -> None:
        self._config = config
        self._state = state
        self._selected: dict[str, Counter[str]] = {}
        self._introduced = False
        self._writer: Writer | None = None
        if not hasattr(config, "workerinput") and not config.option.collectonly:
            text = config.getoption("mmowner_report") or config.getini("mmowner_report")
            self._writer = Writer(config.invocation_params.dir / text, str(text))

    # -- where the tests run ---------------------------------------------------------

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count the tests of each requirement: what never ends is missing in the record."""
        from .plugin import rules_of, spec_of  # noqa: PLC0415  the plugin imports this module

        for item in session.items:
            if rules := rules_of(item):
                self._selected.setdefault(spec_of(item), Counter()).update(rules)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let the first report about a requirement or a search bring the introduction."""
        from .plugin import is_judging  # noqa: PLC0415  the plugin imports this module

        report = yield
        if not self._introduced and is_judging(item):
            self._introduced = True
            setattr(report, INTRODUCTION, lines.pack(self._introduction()))
        return report

    def _introduction(self) -> lines.Introduction:
        return lines.Introduction([
            _tested(session, self._selected.get(spec, Counter()))
            for spec in self._state.specs
            if (session := self._state.sessions.get(spec)) is not None
        ])  # fmt: skip

    # -- where the results arrive ----------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write what a test said."""
        writer = self._writer
        if writer is None:
            return
        if not writer.begun and (text := getattr(report, INTRODUCTION, None)):
            writer.begin(self._header(lines.unpack(text).candidates))
        if report.when != "teardown":  # it repeats what the call said
            for outcome in outcomes_in(report.user_properties):
                writer.take(lines.outcome_line(outcome, report.nodeid))
            for tried in reports_in(report.user_properties):
                writer.note(lines.search_line(tried))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the footer.  A record that was asked for and is not whole is no success."""
        writer = self._writer
        if writer is None:
            return
        if exitstatus not in SEALED or (not writer.begun and exitstatus == INTERRUPTED):
            writer.give_up("the run broke off")
            return
        if not writer.begun:
            writer.begin(self._header(self._introduction().candidates))
        writer.finish()
        if writer.problem and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where the record is, or why there is none."""
        writer = self._writer
        if writer is None:
            return
        if writer.problem:
            terminalreporter.write_line(writer.problem, red=True)
        elif not getattr(self._config.option, "no_summary", False):
            terminalreporter.write_line(f"mmowner: record in {writer.shown}, {writer.lines} lines")

    def pytest_unconfigure(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def _header(self, candidates: list[lines.Tested]) -> lines.Header:
        from ._candidates.command import _suite_version  # noqa: PLC0415  it imports msgspec's protocol types

        frozen = self._state.frozen_set
        return lines.Header(
            format=lines.FORMAT, suite=_suite_version(), requirements=len(requirements()),
            candidates=candidates, platform=platform.platform(),
            python=f"{platform.python_implementation()} {platform.python_version()}",
            seed=self._state.seed, levels=sorted(self._state.levels),
            arguments=[lines.clean(str(one)) for one in self._config.invocation_params.args],
            set="" if frozen is None else frozen.name,
            set_digest="" if frozen is None else frozen.digest,
        )  # fmt: skip


def _tested(session: Session, selected: Counter[str]) -> lines.Tested:
    info = session.candidate.info
    return lines.Tested(
        spec=info.spec, dialect=session.dialect, name=info.name, version=info.version,
        language=info.language, claims=info.dialect, capabilities=sorted(info.capabilities),
        without=sorted(info.without), notes=list(info.notes), details=dict(info.details),
        started=[lines.clean(word) for word in session.candidate.started],
        bounds=_bounds(session.campaign),
        selected={rule: selected[rule] for rule in requirements() if selected[rule]},
    )  # fmt: skip


def _bounds(campaign: Campaign) -> list[lines.Bounds]:
    return [
        lines.Bounds(
            programs=count, length=length, tasks=scope.tasks, mms=scope.mms, refs=scope.refs,
            kthreads=scope.kthreads, cgroups=scope.cgroups, threads=scope.threads,
            ops=sorted(scope.ops),
        )
        for (length, scope), count in Counter(campaign._programs()).items()
    ]  # fmt: skip


class Writer:
    """A record that is being written; each line is on the disk's way before the next test."""

    def __init__(self, path: Path, shown: str) -> None:
        self.shown = shown
        self.lines = 0
        self.begun = False
        #: Why the record is not whole, if it is not.
        self.problem = ""
        self._hash = hashlib.sha256()
        self._verdicts: dict[str, Verdicts] = {}
        self._selected: dict[str, dict[str, int]] = {}
        #: Requirements with outcomes that no requirement line has yet.
        self._open: dict[tuple[str, str], None] = {}
        try:
            # Emptied at once: nobody shall take the record of an earlier run for this one's.
            self._file: BinaryIO = path.open("wb")
        except OSError as exc:
            raise CallError(
                f"--mmowner-report={shown}: the record cannot be written there: "
                f"{exc.strerror or exc}. Name a file in a directory that is there and yours."
            ) from None

    def begin(self, header: lines.Header) -> None:
        """Write the header."""
        self.begun = True
        self._selected = {one.spec: one.selected for one in header.candidates}
        self._write(header)

    def take(self, line: lines.OutcomeLine) -> None:
        """Write what a test said, and the verdict if it was the last test of its requirement."""
        self._write(line)
        spec, rule = line.candidate, line.requirement
        verdicts = self._verdicts.setdefault(spec, Verdicts(spec, line.dialect))
        verdicts.take(line.outcome())
        self._open[spec, rule] = None
        if len(verdicts.outcomes[rule]) >= self._selected.get(spec, {}).get(rule, 1 << 30):
            self._conclude(spec, rule)

    def note(self, line: Tried) -> None:
        """Write how far a part of a search got."""
        self._write(line)

    def _conclude(self, spec: str, rule: str) -> None:
        del self._open[spec, rule]
        self._write(lines.conclude(self._verdicts[spec], rule))

    def finish(self) -> None:
        """Write the verdicts of what did not run to its end, and the footer."""
        for spec, rule in list(self._open):
            self._conclude(spec, rule)
        self._write(
            lines.closing(self._verdicts, self._selected, self.lines, self._hash.hexdigest())
        )

    def _write(self, line: lines.Line) -> None:
        if self.problem:
            return  # a record with a hole is worse than one that ends early
        raw = lines.encode(line)
        try:
            self._file.write(raw)
            self._file.flush()
        except OSError as exc:
            self.give_up(exc.strerror or str(exc))
            return
        self._hash.update(raw)
        self.lines += 1

    def give_up(self, why: str) -> None:
        """Write no more; without a footer nobody takes it for a whole record."""
        self.problem = (
            f"mmowner: the record {self.shown} is not whole: {why}. "
            "What this run says of the candidates stands; mend that and run again for a record."
        )

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):  # the write that failed has been told already
            self._file.close()
